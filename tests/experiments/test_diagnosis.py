"""A diagnosis: what is measured, what is advised, what the page shows and hides, from files up to the command."""

from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pyarrow as pa
import pytest
import recognition_run
from datasets import Dataset, DatasetDict, Image
from headless_chromium import Chromium, find_chromium
from typer.testing import CliRunner

import hf_mbdc as mbdc
from hf_mbdc.cli import app
from hf_mbdc.errors import DataError, StaleParentError
from hf_mbdc.experiments.diagnose import costs_of_steps, diagnose
from hf_mbdc.experiments.diagnosis import Diagnosis, examine
from hf_mbdc.experiments.diagnosis_page import render_diagnosis
from hf_mbdc.experiments.diagnosis_plots import map_svg
from hf_mbdc.experiments.learned import Learned
from hf_mbdc.experiments.revision import plan_of
from hf_mbdc.recipe import EvaluationRecipe
from hf_mbdc.records import Cost, Decision, Iteration, StepRecord
from hf_mbdc.revisions.repositories.folder import FolderRepository

EVIL = "<script>alert(1)</script>\u202e"
DOCUMENTS = 60


def rows(documents: int, prefix: str) -> Dataset:
    """Two rows a document; the answer to `total` stands in it three times."""
    return Dataset.from_list(
        [
            {
                "id": f"{prefix}{number}-{key}",
                "document_id": f"{prefix}{number}",
                "key": key,
                "question": f"What is the {key}?",
                "context": "A 9.00 9.00 9.00",
                "words": ["A", "9.00", "9.00", "9.00"],
                "answers": ["9.00"] if key == "total" else [EVIL],
                "n_occurrences": 3 if key == "total" else 1,
                "match_status": "absent" if (number, key) == (0, "company") else "exact",
            }
            for number in range(documents)
            for key in ("company", "total")
        ]
    )


def found(sensitive: frozenset[str] = frozenset()) -> Diagnosis:
    """`total` is learned badly and mostly wrong; one row of `company` never right, another wrong though sure."""
    train, test = rows(DOCUMENTS, "train-"), rows(DOCUMENTS, "test-")
    total = np.array(train["key"][:]) == "total"
    correctness = np.where(total, 0.25, 0.75)
    correctness[2], correctness[4] = 0.0, 0.25
    known = np.ones(len(train), bool)
    known[0] = False
    columns: dict[str, np.ndarray] = {
        f"dynamics_{name}": np.where(known, correctness, np.nan)
        for name in ("confidence", "correctness", "margin", "forgetting", "loss")
    }
    columns["dynamics_variability"] = np.where(known, 0.2, np.nan)
    columns["dynamics_region"] = np.where(known, np.where(total, "hard", "easy"), "")
    learned = Learned(known, columns, losses=np.array([2.0, 0.5, 0.4]), right=np.array([0.2, 0.5, 0.6]))
    scores = np.where(np.arange(len(test)) % 4 == 3, 1.0, np.where(total, 0.0, 1.0))
    scores[4] = 0.0
    said = np.where(np.arange(len(test)) % 8 == 1, "9.00x", "SECRET \u202e<b>")
    predictions = pa.table(
        {
            "id": test["id"][:],
            "prediction": said,
            "score": np.log(np.where(np.arange(len(test)) == 4, 0.99, 0.5)),
        }
    )
    return examine(
        train,
        test,
        mbdc.ExtractiveQA(),
        np.stack([scores, scores]),
        [predictions, predictions],
        learned,
        EvaluationRecipe(slice_by="key", seeds=(0, 1)),
        cost=Cost(100.0, 90.0, tokens=1000),
        cached=True,
        sensitive=sensitive,
        earlier={"relabel_occurrences": Cost(30.0)},
    )


def test_what_is_measured() -> None:
    it = found()
    assert it.score == pytest.approx((120 - 31) / 120)
    assert [(c.name, c.train_rows, c.rows, c.score) for c in it.classes] == [
        ("total", 60, 60, 0.5),
        ("company", 60, 60, pytest.approx(59 / 60)),
    ]
    assert it.classes[0].error_share == pytest.approx(30 / 31)
    assert (it.classes[0].learned, it.classes[0].hard) == (0.25, 1.0)
    assert it.classes[1].hard == 0.0
    assert it.failures is not None
    assert it.failures.slices[0].confirmed
    assert it.failures.slices[0].name == "key = total"
    assert it.hard is not None
    assert it.hard.slices[0].score == 0.25
    assert it.suspected == 1
    assert [row.id for row in it.suspects] == ["train-1-company"]
    assert it.wrong[0].id == "test-2-company"  # the surest of those with the same score
    assert it.wrong[0].note == "99 % sure"
    assert len(it.wrong) == 12


def test_what_is_advised() -> None:
    advice = {one.title: one for one in found().advice}
    assert list(advice) == [
        "Let the target choose among occurrences",
        "Agree on how answers are written",
        "Look at suspicious labels",
        "Find the answers that were not located",
        "Train longer before you change data",
    ]
    relabel = advice["Let the target choose among occurrences"]
    assert (relabel.rows, relabel.room, relabel.cost) == (60, pytest.approx(30 / 120), Cost(30.0))
    assert advice["Train longer before you change data"].cost == Cost(100.0, 90.0, tokens=1000)


def test_too_few_documents_have_no_slices() -> None:
    few = rows(5, "x")
    learned = found().learned
    some = Learned(
        learned.known[:10], {name: v[:10] for name, v in learned.columns.items()}, learned.losses, learned.right
    )
    predictions = pa.table({"prediction": ["x"] * 10, "score": [0.0] * 10})
    arguments: tuple[Any, ...] = (few, few, mbdc.ExtractiveQA(), np.ones((1, 10)), [predictions], some)
    it = examine(*arguments, EvaluationRecipe(), cost=Cost(), cached=False)
    assert it.failures is None
    page = render_diagnosis(it, "me/few")
    assert "too few documents" in page
    assert "No part of the rows is surely worse" in page


def words() -> tuple[Dataset, Dataset, mbdc.TextRecognition]:
    """Two words a text, as images; `나` is rare in the train split."""
    texts = ["가다", "나다"] * 40
    train = Dataset.from_dict({"id": [f"train-{n}" for n in range(80)], "text": ["가다"] * 79 + ["나다"]})
    approach = mbdc.fit(train, mbdc.TextRecognition(few_below=2, many_above=50))
    test = Dataset.from_dict(
        {"id": [f"test-{n}" for n in range(80)], "text": texts, "group": list(range(80))}
    ).add_column("image", [{"bytes": png(), "path": None}] * 80)
    test = test.cast_column("image", Image())
    return train, mbdc.annotate(test, approach), approach


def png() -> bytes:
    buffer = BytesIO()
    PIL.Image.new("L", (40, 32), 200).save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_recogniser_and_its_characters(tmp_path: Path) -> None:
    train, test, approach = words()
    said = ["나가" if text == "나다" and n % 8 else text for n, text in enumerate(test["text"][:])]
    said[0] = "가나"
    tables = [pa.table({"id": test["id"][:], "prediction": said, "score": [-0.1] * 80})] * 2
    scores = approach.score(said, test["text"][:])["word_accuracy"]
    plan = EvaluationRecipe(cluster_by="id", seeds=(0, 1))
    it = examine(train, test, approach, np.stack([scores] * 2), tables, None, plan, cost=Cost(100.0), cached=False)
    assert (it.clusters, it.clustered_by, it.asks) == (80, "id", None)
    assert [dataclasses.astuple(one) for one in it.misread] == [("다", 41.0, 80, 80)]
    advice = {one.title: one for one in it.advice}
    assert list(advice) == ["Words of the rare characters", "Words of the characters that are confused"]
    rare = advice["Words of the rare characters"]
    assert (rare.rows, rare.room, rare.cost) == (40, 40 / 80, Cost(50.0))
    assert advice["Words of the characters that are confused"].rows == 40
    told = {"tail_characters": Cost(7.0)}
    again = examine(
        train, test, approach, np.stack([scores] * 2), tables, None, plan, cost=Cost(100.0), cached=False, earlier=told
    )
    assert again.advice[0].cost == Cost(57.0)
    page = render_diagnosis(it, "me/words")
    assert "Characters that are misread most" in page
    assert "80 rows, seeds" in page
    by_text = dataclasses.replace(it, clusters=2, clustered_by="text")
    assert "80 rows of 2 texts, seeds" in render_diagnosis(by_text, "me/words")
    assert page.count('<img alt="" src="data:image/png;base64,') == len(it.wrong) == 12
    assert "Data map" not in page
    assert "Forgotten" not in page
    assert json.loads(json.dumps(it.to_dict(), allow_nan=False))["misread"][0]["character"] == "다"
    hidden = examine(
        train,
        test,
        approach,
        np.stack([scores] * 2),
        tables,
        None,
        plan,
        cost=Cost(),
        cached=False,
        sensitive=frozenset({"text"}),
    )
    page = render_diagnosis(hidden, "me/words")
    assert not any(secret in page for secret in ("<img", "나가", "가나", "misread most"))
    assert "(sensitive)" in page


def test_a_language_model_keeps_no_dynamics() -> None:
    problems = {"id": list("abcd"), "prompt": ["1 + 1?", "1 + 2?", "1 + 3?", "1 + 4?"], "answer": list("2345")}
    train, test = Dataset.from_dict({**problems, "completion": ["2", None, None, "5"]}), Dataset.from_dict(problems)
    tables = [pa.table({"id": problems["id"], "prediction": ["2", "9", "9", "<b>"]})]
    scores, approach = np.array([[1.0, 0.0, 0.0, 0.0]]), mbdc.TextGeneration()
    plan = EvaluationRecipe(cluster_by="id")
    it = examine(train, test, approach, scores, tables, None, plan, cost=Cost(10.0), cached=True)
    assert [(one.title, one.rows) for one in it.advice] == [
        ("Let the target answer prompts, and learn what is right", 2)
    ]
    assert [(row.question, row.answer, row.given) for row in it.wrong[:2]] == [
        ("1 + 2?", "3", "9"),
        ("1 + 3?", "4", "9"),
    ]
    page = render_diagnosis(it, "me/sums")
    assert "&lt;b&gt;" in page
    assert "Prompt</th>" in page
    assert "surest first" not in page
    never = examine(train, test, approach, 0 * scores, tables, None, plan, cost=Cost(10.0), cached=True)
    assert never.advice == ()  # what is never right cannot be drawn


def test_as_json() -> None:
    told = json.loads(json.dumps(found().to_dict(), allow_nan=False))
    assert told["regions"] == {"easy": 59, "hard": 60}
    assert told["classes"][0]["name"] == "total"
    assert told["advice"][0]["rows"] == 60
    assert "members" not in told["failures"]["slices"][0]


# --- the page ---


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.seen.add(tag)
        self.ids += [str(given["id"])] if "id" in given else []
        self.links += [str(given["href"])] if "href" in given else []
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_runs_and_fetches_nothing_and_hides_nothing() -> None:
    text = render_diagnosis(found(), "me/receipts")
    page = Page(text)
    assert not page.seen & {"script", "link", "img", "iframe", "b", "object"}
    assert {link[1:] for link in page.links} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;⟨U+202E⟩" in text
    assert "\u202e" not in text
    assert re.search(r"default-src &#39;none&#39;|default-src 'none'", text)
    for said in (
        "me/receipts",
        ".25 in reach",
        "30 s job time",
        "Let the target choose",
        "in all, whose answer stands",
    ):
        assert said in text


def test_sensitive_columns_are_neither_shown_nor_named() -> None:
    text = render_diagnosis(found(frozenset({"answers", "key"})), "me/receipts")
    assert "alert" not in text
    assert "SECRET" not in text
    assert "SECRET" in render_diagnosis(found(), "me/receipts")
    assert "(sensitive)" in text
    assert "key = total" not in text
    assert "By key" not in text


def test_the_map_is_bounded_and_says_the_regions() -> None:
    drawn = map_svg(np.linspace(0, 1, 9000), np.linspace(0, 0.5, 9000), np.repeat(["easy", "ambiguous", "hard"], 3000))
    assert drawn.count("<circle") + drawn.count('class="hard"') == 1500
    assert 'aria-label="Data map: 3000 hard, 3000 ambiguous, 3000 easy training rows"' in drawn


@pytest.mark.skipif(find_chromium() is None, reason="no Chromium")
def test_the_page_fits_a_phone_and_a_desk_without_complaint(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(render_diagnosis(found(), "me/receipts"))
    with Chromium(tmp_path) as browser:
        for width in (390, 1280):
            browser.resize(width, 900, mobile=width < 500)
            browser.open(tmp_path / "page.html")
            assert browser.run("document.documentElement.scrollWidth") == width
            assert browser.run("document.fonts.size") == 0
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(244, 245, 248)"
        browser.dark(True)
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(14, 17, 22)"
        complaints = [
            event for event in browser.events if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")
        ]
    assert complaints == []


# --- a repository ---


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diagnose")
    ds = mbdc.annotate(mbdc.load_dataset("made_receipts", documents=24, seed=0), mbdc.ExtractiveQA())
    mbdc.publish(ds, "me/made", repository=folder / "repo", message="Made")
    return folder


def test_a_revision_is_diagnosed_and_the_second_time_trains_nothing(published: Path) -> None:
    where = {"repository": published / "repo", "work_dir": published / "work", "epochs": 1, "progress": False}
    it = diagnose("me/made", output=published / "page.html", **where)
    assert not it.cached
    assert it.split == "test"
    assert it.slice_by == "key"
    train = mbdc.load("me/made", repository=published / "repo")["train"]
    assert it.train_ids.tolist() == train["id"][:]
    assert it.learned.known.tolist() == [status != "absent" for status in train["match_status"][:]]
    assert len(it.learned.losses) == 1
    assert "me/made v1.0.0" in (published / "page.html").read_text()

    command = ["diagnose", "me/made", "--repository", str(published / "repo"), "--epochs", "1"]
    command += ["--work-dir", str(published / "work"), "--output", str(published / "again.html")]
    shown = CliRunner().invoke(app, command)
    assert shown.exit_code == 0, shown.output
    assert "exact_match on test" in shown.output
    told = json.loads(CliRunner().invoke(app, [*command, "--json"]).stdout)
    assert told["cached"] is True
    assert told["score"] == it.score
    assert (published / "again.html").is_file()


def test_the_plan_is_that_of_the_recipe(published: Path) -> None:
    record = Iteration(
        "me/made",
        "v1.0.0",
        "m",
        "0" * 64,
        {},
        Decision("unmeasured", ""),
        recipe={
            "repo_id": "me/made",
            "dataset": {"name": "made_receipts"},
            "approach": {"name": "extractive_qa"},
            "target": {"model": "layout_span", "training": {"epochs": 5}},
            "evaluation": {"split": "validation", "seeds": [3, 4]},
            "iterations": [{"message": "m"}],
        },
    )
    plan, training = plan_of(record, DatasetDict())
    assert (plan.split, plan.seeds, training.epochs) == ("validation", (3, 4), 5)
    by_hand = dataclasses.replace(record, recipe={})
    plan, training = plan_of(by_hand, DatasetDict({"validation": Dataset.from_dict({"id": ["a"], "label": [1]})}))
    assert (plan.split, plan.cluster_by, plan.slice_by) == ("validation", "id", "label")
    with pytest.raises(DataError, match="There is no split to score the target on, only train"):
        plan_of(by_hand, DatasetDict({"train": Dataset.from_dict({"id": ["a"]})}))


def test_the_last_cost_of_a_step_counts() -> None:
    first, second = (
        Iteration("r", "v", "m", "0" * 64, {}, Decision("accept", ""), steps=(StepRecord("s", pillar, "", cost=cost),))
        for pillar, cost in (("industrial data quality", Cost(1.0)), ("industrial data quality", Cost(2.0)))
    )
    assert costs_of_steps([first, second]) == {"s": Cost(2.0)}


def test_a_page_that_cannot_be_written_is_told_before_any_work(published: Path) -> None:
    with pytest.raises(DataError, match="The page cannot be written"):
        diagnose("me/made", output=published / "no" / "page.html", repository=published / "repo")


def test_what_was_found_of_each_row_is_published_as_columns(published: Path) -> None:
    repository, where = published / "columns", {"work_dir": published / "work", "progress": False}
    rows = mbdc.load("me/made", repository=published / "repo")
    mbdc.publish(rows, "me/made", repository=repository, message="m", parent="")
    page = published / "columns.html"
    found = diagnose("me/made", output=page, repository=repository, epochs=1, publish_columns=True, **where)
    assert found.published == "v1.1.0"
    new = mbdc.load("me/made", found.published, repository=repository)
    train = new["train"]
    given = [value for value in train["dynamics_correctness"][:] if value is not None]
    assert given == found.learned.correctness[found.learned.known].tolist()
    assert set(train["dynamics_region"]) <= {"easy", "ambiguous", "hard", None}
    assert set(train["curriculum_stage"]) - {None} == {0, 1, 2, 3}
    losses = dict(zip(train["curriculum_stage"], train["dynamics_loss"], strict=True))
    assert losses[0] < losses[3]
    assert set(new["test"]["dynamics_loss"]) == {None}
    assert new["test"].features == train.features
    card = FolderRepository(repository).read("me/made", found.published, "README.md").decode()
    assert "How often the row was right in one epoch and wrong in the next." in card
    with pytest.raises(StaleParentError, match="Load the head"):
        diagnose("me/made", "v1.0.0", page, repository=repository, publish_columns=True, **where)


def test_a_run_of_word_recognition_is_diagnosed(tmp_path: Path) -> None:
    whole = recognition_run.recipe(tmp_path)
    first = dataclasses.replace(whole, iterations=whole.iterations[:1])
    mbdc.run(first, work_dir=tmp_path / "work", progress=False)
    where: Any = {"repository": tmp_path / "repo", "work_dir": tmp_path / "work", "progress": False}
    it = diagnose("me/words", output=tmp_path / "page.html", publish_columns=True, **where)
    assert it.cached  # the training of the run
    assert (it.metric, it.asks, it.clustered_by) == ("word_accuracy", None, "text")
    assert [part.name for part in it.classes] in (["even", "natural"], ["natural", "even"])
    assert it.learned is not None
    assert {one.character for one in it.misread} <= set(recognition_run.COMMON + recognition_run.RARE)
    assert "data:image/png;base64," in (tmp_path / "page.html").read_text()
    assert it.published == "v1.1.0"
    assert "dynamics_region" in mbdc.load("me/words", repository=tmp_path / "repo")["train"].column_names
