"""The page of a repository: all of it said, nothing run or fetched, readable in a browser wide and narrow."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict
from headless_chromium import Chromium, find_chromium
from typer.testing import CliRunner

import hf_mbdc as mbdc
from hf_mbdc.cli import app
from hf_mbdc.errors import DataError
from hf_mbdc.records import Decision, Iteration, ParentRecord
from hf_mbdc.revisions.card.series import Trend, TrendPoint, trends
from hf_mbdc.revisions.diff.diff import diff
from hf_mbdc.revisions.report.page import render_report
from hf_mbdc.revisions.report.plots import interval_svg, trend_svg
from hf_mbdc.revisions.repositories.repository import Repository

ID = "me/receipts"
GOLDEN = Path(__file__).parents[1] / "golden"
VOID = {"meta"}


def read(name: str) -> Iteration:
    return Iteration.from_json((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def history() -> list[Iteration]:
    return [read("receipts_v1"), read("receipts_v2"), read("receipts_v3_refused")]


class Page(HTMLParser):
    """The elements of a page: (tag, attributes) in order, the text of each kind, and whether all were closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, name: str) -> list[str]:
        return [value or "" for _, attributes in self.elements if (value := attributes.get(name)) is not None]


def test_versions_candidates_evidence_and_costs_are_told() -> None:
    page = Page(render_report(ID, history()))
    for said in (
        "Newest versionv2.0.0",
        "Candidate 70707070",
        "Would have been v3.0.0; it removes",
        "The slice that moved most is total: .66 → .90, +.23 [.17, .29].",
        "Per point of exact_match gained (5.2): 1 min 57 s",
        "26,026,216",
        "relabel_occurrences",
        "RM|9.00",
        "Not on record: prepare a guideline (5)",
    ):
        assert said in re.sub(r"\s+", " ", page.text.replace("\n", "")), said
    order = [page.text.index(mark) for mark in ("Candidate 70707070", "Offsets moved", "Answer offsets")]
    assert page.text.index("Versions") < order[0]


def test_nothing_runs_and_nothing_is_fetched() -> None:
    text = render_report(ID, history())
    page = Page(text)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "image", "use"}
    names = {name for _, attributes in page.elements for name in attributes}
    assert not {name for name in names if name.startswith("on")} | names & {"style", "src", "srcset", "xlink:href"}
    assert all(target.startswith("#") for target in page.all("href"))
    style = re.search("<style>(.*?)</style>", text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    (policy,) = (content for content in page.all("content") if content.startswith("default-src"))
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert "url(" not in style[1]
    assert "@import" not in style[1]


def test_it_can_be_read_without_seeing_it() -> None:
    page = Page(render_report(ID, history()))
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert {target.removeprefix("#") for target in page.all("href")} <= set(ids)
    assert set(" ".join(page.all("aria-labelledby")).split()) <= set(ids)
    tags = [tag for tag, _ in page.elements]
    assert [tags.count(tag) for tag in ("header", "main", "footer", "nav", "h1")] == [4, 1, 1, 1, 1]
    assert page.elements[0][1] == {"lang": "en"}
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.elements if tag == "th")
    drawn = [attributes for tag, attributes in page.elements if tag == "svg"]
    assert all((one.get("role") == "img" and one.get("aria-label")) or one.get("aria-hidden") for one in drawn)
    assert "exact_match on test by version: v1.0.0 .823, v2.0.0 .875, candidates/70707070 (refused) .866" in str(drawn)


def test_a_page_is_written_from_either_repository(repository: Repository, tmp_path: Path) -> None:
    first = mbdc.publish(Dataset.from_dict({"id": ["a"]}), ID, repository=repository, message="first")
    second = Dataset.from_dict({"id": ["a", "b"]})
    mbdc.publish(second, ID, repository=repository, message="second", parent=first.sha)
    path = mbdc.report(ID, tmp_path / "page.html", repository=repository)
    page = Page(path.read_text("utf-8"))
    assert page.text.index("v1.1.0") < page.text.index("v1.0.0")
    assert "It adds 1 train row." in page.text
    with pytest.raises(DataError, match=r"The page cannot be written .*Name a file"):
        mbdc.report(ID, tmp_path / "none" / "page.html", repository=repository)


def test_the_command(tmp_path: Path) -> None:
    mbdc.publish(Dataset.from_dict({"id": ["a"]}), ID, repository=tmp_path, message="first")
    words = ["report", ID, "--repository", str(tmp_path), "--output", str(tmp_path / "x.html")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0
    assert done.output.startswith("Wrote")
    told = json.loads(CliRunner().invoke(app, [*words, "--json"]).output)
    assert told["bytes"] == (tmp_path / "x.html").stat().st_size


def test_records_of_earlier_versions_of_the_package_are_read() -> None:
    old = [Iteration.from_json(json.dumps(_older(json.loads(item.to_json())))) for item in history()]
    assert "Candidate 70707070" in Page(render_report(ID, old)).text


def _older(record: dict[str, object]) -> dict[str, object]:
    """As it was before series, sensitive columns, layouts and GPU seconds were on record."""
    return {name: value for name, value in record.items() if name not in ("sensitive", "layout", "restores")}


def test_sensitive_columns_are_masked_in_all_versions() -> None:
    old, new = Dataset.from_dict({"id": ["1"], "name": ["Ann"]}), Dataset.from_dict({"id": ["1"], "name": ["Bea"]})
    shown = dataclasses.replace(read("receipts_v2"), diff=diff(old, new).to_dict())
    later = dataclasses.replace(read("receipts_v2"), version="v3.0.0", sensitive=("name",))
    assert "Bea" in render_report(ID, [read("receipts_v1"), shown])
    page = render_report(ID, [read("receipts_v1"), shown, later])
    assert "Bea" not in page
    assert "Masked in the examples: <code>name</code>" in page


def test_leaks_and_limits_are_loud() -> None:
    old = DatasetDict(train=Dataset.from_dict({"id": ["a"]}), test=Dataset.from_dict({"id": ["b", "c"]}))
    new = DatasetDict(train=Dataset.from_dict({"id": ["a", "b"]}), test=Dataset.from_dict({"id": ["c"]}))
    layout = {"deletes": "live", "dead_rows": 2, "unused_values": 0}
    record = dataclasses.replace(read("receipts_v2"), diff=diff(old, new).to_dict(), layout=layout)
    page = render_report(ID, [read("receipts_v1"), record])
    assert "<strong>Leak into training:</strong> 1 row moved from <code>test</code> to <code>train</code>" in page
    assert "Soft deletes: 2 dead rows in the files, marked in <code>mbdc_live</code>" in page
    assert "<code>hf-mbdc compact me/receipts</code> removes them" in page


def test_plots_stay_in_their_frame() -> None:
    points = [TrendPoint("v1.0.0", 0.5), TrendPoint("v2.0.0", 0.52, interval=(0.4, 0.9)), TrendPoint("c/1", 0.1, True)]
    drawn = trend_svg(Trend("m", "test", None, tuple(points)))
    places = [float(number) for number in re.findall(r' (?:y|y1|y2|cy)="([\d.-]+)"', drawn)]
    assert min(places) >= 0
    assert max(places) <= 260
    shares = [float(number) for number in re.findall(r'"([\d.-]+)%"', drawn)]
    assert min(shares) >= 0
    assert max(shares) <= 100
    assert drawn.count('class="path"') == 1  # a refused candidate is not joined
    heights = [float(number) for number in re.findall(r'<circle [^>]*cy="([\d.]+)"', drawn)]
    assert heights[1] < heights[0] < heights[2]  # better is higher
    flat = trend_svg(Trend("m", "test", None, (TrendPoint("v1.0.0", 1.0), TrendPoint("v2.0.0", 1.0))))
    assert "nan" not in flat
    one = trend_svg(Trend("m", "test", None, (TrendPoint("v1.0.0", 0.0),)))
    assert 'cx="52.00%"' in one
    found = read("receipts_v2").evidence
    assert found is not None
    assert interval_svg(found, float("nan"), (0.0, 1.0)) == ""
    assert 'class="gain"' in interval_svg(found, 0.2, (0.1, 0.3))
    assert 'class="loss"' in interval_svg(found, -0.2, (-0.3, -0.1))
    assert trends([read("receipts_v1")]) == []


def test_a_repository_without_evidence_has_no_trend() -> None:
    by_hand = dataclasses.replace(read("receipts_v1"), scores={}, decision=Decision("unmeasured", "By hand."))
    page = Page(render_report(ID, [by_hand]))
    assert "#trend" not in page.all("href")
    assert page.text.count("Trend") == 0
    assert "Newest version" not in Page(render_report(ID, [read("receipts_v3_refused")])).text


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium")
def test_in_a_browser_it_fits_wide_and_narrow_and_obeys_its_policy(tmp_path: Path) -> None:
    series_two = dataclasses.replace(
        read("receipts_v2"), version="v4.0.0", parent=ParentRecord("v2.0.0", "", ""), created_at="2026-04-01T00:00:00"
    )
    path = tmp_path / "page.html"
    path.write_text(render_report(ID, [*history(), series_two]), encoding="utf-8")
    with Chromium(tmp_path) as browser:
        for width in (1280, 390):
            browser.resize(width, 900, mobile=width < 500)
            browser.open(path)
            browser.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
            assert browser.run("document.documentElement.scrollWidth") == width
            problems = [event for event in browser.events if event["method"] == "Log.entryAdded"]
            assert problems == []
            assert browser.run("getComputedStyle(document.querySelector('.card')).borderRadius") == "14px"
        grounds = set()
        for dark in (False, True):
            browser.dark(dark)
            grounds.add(browser.run("getComputedStyle(document.body).backgroundColor"))
        assert len(grounds) == 2
