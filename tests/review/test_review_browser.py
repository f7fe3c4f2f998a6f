"""The page in a real browser, where one is installed: keys, filters, candidates, downloads, and no data that runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from headless_chromium import Chromium, find_chromium
from review_rows import dataset_of, review_row, review_rows

from hf_mbdc.review.decisions import apply_decisions, read_decisions
from hf_mbdc.review.page import inspect

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed")

ATTACK = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1><svg onload=window.hacked=1>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("downloads")) as chromium:
        yield chromium


@pytest.fixture
def page(browser: Chromium, tmp_path: Path) -> Chromium:
    """A page of all rows, without decisions of an earlier test."""
    inspect(review_rows(), tmp_path / "r.html", status=["fuzzy", "absent", "exact", "unanswerable"], repo_id="me/r")
    browser.open(tmp_path / "r.html")
    browser.run("localStorage.clear()")
    browser.open(tmp_path / "r.html")
    return browser


def entries(page: Chromium) -> list[str]:
    return page.run("[...document.querySelectorAll('#rows li')].map((item) => item.dataset.id)")


def current(page: Chromium) -> str:
    return page.run("document.querySelector('#rows [aria-current]').closest('li').dataset.id")


def verdicts(page: Chromium) -> dict[str, str]:
    script = (
        "Object.fromEntries([...document.querySelectorAll('#rows li')].map((i) => [i.dataset.id, i.dataset.verdict]))"
    )
    return page.run(script)


def put(page: Chromium, field: str, value: str) -> None:
    page.run(f"(e => {{ e.value = {json.dumps(value)}; e.dispatchEvent(new Event('input')); }})({element(field)})")


def element(name: str) -> str:
    return f"document.getElementById({json.dumps(name)})"


def click(page: Chromium, selector: str) -> None:
    page.run(f"document.querySelector({json.dumps(selector)}).click()")


def downloaded(page: Chromium, button: str, name: str) -> Path:
    file = page.downloads / name
    file.unlink(missing_ok=True)
    click(page, f"#{button}")
    page.wait_for(file)
    return file


def complaints(page: Chromium) -> list[dict[str, Any]]:
    """Errors, and requests to anywhere but this file and its own data."""
    told = [event for event in page.events if event["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")]
    sent = [
        event["params"]["request"]["url"] for event in page.events if event["method"] == "Network.requestWillBeSent"
    ]
    return told + [{"url": url} for url in sent if not url.startswith(("file:", "data:", "blob:"))]


def test_keys_decide_and_go_on(page: Chromium) -> None:
    assert entries(page) == ["missing", "fuzzy", "twice", "once", "nothing"]
    assert current(page) == "missing"
    page.press("a")
    assert current(page) == "fuzzy"
    page.press("x")
    assert current(page) == "twice"
    page.press("2")
    assert current(page) == "once"
    page.press("k", "k")
    assert current(page) == "fuzzy"
    page.press("u")
    assert verdicts(page) == {
        "missing": "right", "fuzzy": "open", "twice": "candidate", "once": "open", "nothing": "open",
    }  # fmt: skip
    assert page.run("document.getElementById('done').textContent") == "2 of 5 decided"
    page.press("j", "7")
    assert verdicts(page)["twice"] == "candidate"  # there is no candidate 7
    page.press("1")
    assert verdicts(page)["twice"] == "right"  # the first candidate is the label
    assert complaints(page) == []


def test_decisions_and_notes_come_back_when_the_page_is_opened_again(page: Chromium, tmp_path: Path) -> None:
    page.press("n")
    page.call("Input.insertText", text="ask Kim, a or x?")
    page.press("Escape", "j", "x")
    assert verdicts(page)["fuzzy"] == "wrong"
    page.run("new Promise((done) => setTimeout(done, 500))")  # the next page may run in another process
    page.open(tmp_path / "r.html")
    assert verdicts(page)["fuzzy"] == "wrong"
    click(page, "#rows button")
    assert page.run(f"{element('note')}.value") == "ask Kim, a or x?"
    assert verdicts(page)["missing"] == "open"


def test_filters_and_sorting(page: Chromium) -> None:
    click(page, ".chip.exact")
    assert entries(page) == ["twice", "once"]
    put(page, "margin", "0")
    assert entries(page) == ["twice"]
    put(page, "margin", "-0,1")
    assert entries(page) == []
    click(page, ".chip.exact")
    put(page, "margin", "")
    put(page, "sort", "score")
    assert entries(page)[0] == "fuzzy"
    put(page, "sort", "id")
    assert entries(page) == sorted(entries(page))
    put(page, "query", "ACME")
    assert entries(page) == ["fuzzy"]
    put(page, "query", "no such thing")
    assert entries(page) == []
    page.press("a", "x", "1", "j", "o", "u", "v")  # nothing to decide on, and no error
    put(page, "query", "")
    put(page, "sort", "doubt")
    assert current(page) == "fuzzy"  # the first one by id: the row at hand stays while it passes the filters
    page.press("a")
    put(page, "state", "open")
    assert entries(page) == ["missing", "twice", "once", "nothing"]
    put(page, "state", "right")
    assert entries(page) == ["fuzzy"]
    assert complaints(page) == []


def test_downloads_are_read_back_and_applied(page: Chromium) -> None:
    page.press("a", "x", "2")
    file = downloaded(page, "download-json", "decisions-me-r.json")
    found = read_decisions(file)
    assert [(item.id, item.verdict, item.start) for item in found.rows] == [
        ("missing", "right", -1),
        ("fuzzy", "wrong", 0),
        ("twice", "candidate", 16),
    ]
    done = apply_decisions(review_rows(), found)
    assert done.rows["id"][:] == ["once", "twice", "missing", "nothing"]
    assert done.rows[1]["answer_start"] == 16
    assert read_decisions(downloaded(page, "download-csv", "decisions-me-r.csv")) == found


def test_downloaded_decisions_can_be_opened_again(page: Chromium, tmp_path: Path) -> None:
    page.press("a", "x", "2")
    file = downloaded(page, "download-json", "decisions-me-r.json")
    page.run("localStorage.clear()")
    page.open(tmp_path / "r.html")
    assert set(verdicts(page).values()) == {"open"}
    document = page.call("DOM.getDocument")["root"]["nodeId"]
    field = page.call("DOM.querySelector", nodeId=document, selector="#open")["nodeId"]
    page.call("DOM.setFileInputFiles", files=[str(file)], nodeId=field)
    page.run("new Promise((done) => setTimeout(done, 300))")
    assert verdicts(page)["twice"] == "candidate"


def test_decisions_that_do_not_belong_here_are_not_taken(page: Chromium, tmp_path: Path) -> None:
    page.press("a", "x")
    kept = [
        {"id": "missing", "verdict": "right", "start": -1, "end": -1},
        {"id": "fuzzy", "verdict": "wrong", "start": 1, "end": 9},  # another label
        {"id": "twice", "verdict": "candidate", "start": 0, "end": 4},  # no candidate
        {"id": "once", "verdict": "perhaps", "start": 6, "end": 10},
        {"id": "gone", "verdict": "right", "start": 0, "end": 1},
        None,
    ]
    page.run(f"localStorage.setItem(Object.keys(localStorage)[0], {json.dumps(json.dumps(kept))})")
    page.open(tmp_path / "r.html")
    assert {row: verdict for row, verdict in verdicts(page).items() if verdict != "open"} == {"missing": "right"}
    page.run("localStorage.setItem(Object.keys(localStorage)[0], '{')")
    page.open(tmp_path / "r.html")
    assert set(verdicts(page).values()) == {"open"}
    assert complaints(page) == []


def test_data_does_not_run(browser: Chromium, tmp_path: Path) -> None:
    long = f"x {ATTACK} y"
    span = (2, 2 + len(ATTACK), 0.9)
    boxes = [[0, 10 * k, 500, 10 * k + 9] for k in range(len(long.split()))]
    formula = '=HYPERLINK("http://127.0.0.1/")'
    inspect(
        dataset_of(
            review_row(f"a{ATTACK}", long, [ATTACK], [span], "fuzzy", question=ATTACK),
            review_row(f"b{ATTACK}", long, [ATTACK], [span], "fuzzy", boxes, question=ATTACK),
            review_row(formula, long, [formula], [span], "fuzzy", question=ATTACK),
        ),
        tmp_path / "r.html",
        repo_id=ATTACK,
    )
    browser.open(tmp_path / "r.html")
    browser.press("j", "j", "k", "a", "v", "?", "Escape")
    assert browser.run("window.hacked === undefined")
    assert browser.run("document.querySelectorAll('img, iframe, [onerror], [onload]').length") == 0
    assert browser.run("document.querySelector('#row h2').textContent") == ATTACK
    assert complaints(browser) == []
    click(browser, "#right")
    click(browser, "#right")
    click(browser, "#download-csv")
    browser.run("new Promise((done) => setTimeout(done, 500))")
    file = next(path for path in browser.downloads.glob("*.csv") if "script" in path.name)
    cells = {row["id"] for row in csv.DictReader(io.StringIO(file.read_bytes().decode("utf-8-sig"), newline=""))}
    assert f"'{formula}" in cells
    assert formula in {item.id for item in read_decisions(file).rows}


def test_even_injected_markup_is_stopped_by_the_policy(page: Chromium) -> None:
    inject = "document.body.appendChild(Object.assign(document.createElement('script'), {text: 'window.hacked=1'}))"
    with pytest.raises(AssertionError, match="TrustedScript"):
        page.run(inject)
    page.run("document.body.appendChild(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    page.run("new Promise((done) => setTimeout(done, 100))")
    assert page.run("window.hacked === undefined")
    assert any("Content Security Policy" in json.dumps(event) for event in page.events)


def test_a_thousand_rows_stay_quick_to_step_through(browser: Chromium, tmp_path: Path) -> None:
    rows = [review_row(f"{k:04d}", "9.00 " * 40, ["9.00"], [(0, 4, 1.0), (5, 9, 1.0)], "exact") for k in range(1000)]
    inspect(dataset_of(*rows), tmp_path / "r.html", limit=1000)
    browser.open(tmp_path / "r.html")
    assert len(entries(browser)) == 1000
    browser.press(*"jjjjjaaaaa")
    assert current(browser) == "0010"
