"""Sources of training rows: what is left without one, what is trained, what is scored, from rows up to the command."""

from __future__ import annotations

import doctest
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict, Features, Image, Value
from typer.testing import CliRunner

import hf_mbdc as mbdc
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.cli import app
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.experiments import attribution as module
from hf_mbdc.experiments.attribute import attribute, earlier_versions
from hf_mbdc.experiments.attribution import attribute_rows, rows_of
from hf_mbdc.experiments.scores import score_predictions
from hf_mbdc.recipe import EvaluationRecipe
from hf_mbdc.records import Cost
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.launch import TrainingJob, TrainingResult

PLAN = EvaluationRecipe(seeds=(0, 1), slice_by="key")


def row(name: str, start: int = 0, **more: Any) -> dict[str, Any]:
    """A row whose `answer_start` tells which state of it this is."""
    word = {"words": ["9.00"], "boxes": [[0, 0, 9, 9]], "context": "9.00 9.00", "question": "Total?"}
    return {"id": name, "document_id": name, "key": "total", **word, **label(start), **more}


def label(start: int) -> dict[str, Any]:
    places = [{"start": 0, "end": 4, "score": 1.0}, {"start": 5, "end": 9, "score": 1.0}]
    return {"answers": ["9.00"], "answer_start": start, "answer_end": start + 4, "candidates": places}


def made(source: str | None, parent: str | None = None, iteration: str | None = None) -> dict[str, str | None]:
    return {"mbdc_source": source, "mbdc_parent_id": parent, "mbdc_model": None, "mbdc_iteration": iteration}


def states(rows: Dataset) -> list[tuple[str, int]]:
    return list(zip(rows["id"][:], rows["answer_start"][:], strict=True))


def test_the_examples() -> None:
    assert doctest.testmod(module).failed == 0


# --- what is left without a source ---


def test_added_rows_go_with_their_source() -> None:
    rows = Dataset.from_list([row("1", **made(None)), row("2", **made("a")), row("3", **made("b"))])
    assert states(rows_of(rows, frozenset())) == [("1", 0)]
    assert states(rows_of(rows, frozenset("b"))) == [("1", 0), ("3", 0)]
    assert rows_of(rows, frozenset("ab")).column_names == [
        *("id", "question", "context", "words", "boxes", "answers", "answer_start", "answer_end", "candidates")
    ]


def test_changed_rows_come_back_as_they_were() -> None:
    parent = Dataset.from_list([row("1"), row("2"), row("3")])
    rows = Dataset.from_list(
        [row("1", **made(None)), row("2", 5, **made("a", "2", "v2.0.0")), row("3", 5, **made("b", "3", "v2.0.0"))]
    )
    earlier = {"v2.0.0": parent}
    assert states(rows_of(rows, frozenset("ab"), earlier=earlier)) == [("1", 0), ("2", 5), ("3", 5)]
    assert states(rows_of(rows, frozenset("b"), earlier=earlier)) == [("1", 0), ("3", 5), ("2", 0)]
    assert states(rows_of(rows, frozenset(), earlier=earlier)) == [("1", 0), ("2", 0), ("3", 0)]


def test_a_row_that_was_made_from_one_that_is_still_there_just_goes() -> None:
    parent = Dataset.from_list([row("1")])
    rows = Dataset.from_list([row("1", **made(None)), row("1-rephrased", 5, **made("a", "1"))])
    assert states(rows_of(rows, frozenset(), earlier={None: parent})) == [("1", 0)]
    gone = rows.select([1])
    assert states(rows_of(gone, frozenset(), earlier={None: parent})) == [("1", 0)]


def test_two_rows_made_from_one_give_it_back_once() -> None:
    rows = Dataset.from_list([row(key, 5, **made("a", "1", "v2.0.0")) for key in ("1-x", "1-y")])
    assert states(rows_of(rows, frozenset(), earlier={"v2.0.0": Dataset.from_list([row("1")])})) == [("1", 0)]


def test_what_an_earlier_iteration_of_the_same_source_did_is_undone_too_and_that_of_another_stays() -> None:
    first = Dataset.from_list([row("1"), row("2")])
    second = Dataset.from_list([row("1", 5, **made("a", "1", "v2.0.0")), row("2", 5, **made("b", "2", "v2.0.0"))])
    third = Dataset.from_list([row("1", 6, **made("a", "1", "v3.0.0")), row("2", 6, **made("a", "2", "v3.0.0"))])
    earlier = {"v3.0.0": second, "v2.0.0": first}
    assert sorted(states(rows_of(third, frozenset("b"), earlier=earlier))) == [("1", 0), ("2", 5)]
    assert sorted(states(rows_of(third, frozenset(), earlier=earlier))) == [("1", 0), ("2", 0)]
    by_version = rows_of(third, frozenset(["v2.0.0"]), "mbdc_iteration", earlier)
    assert sorted(states(by_version)) == [("1", 5), ("2", 5)]


def test_rows_without_a_former_state_just_go() -> None:
    rows = Dataset.from_list([row("1", **made(None)), row("2", **made("a", "2", "v2.0.0"))])
    assert states(rows_of(rows, frozenset(), earlier={"v9.0.0": Dataset.from_list([row("2", 5)])})) == [("1", 0)]


# --- what is trained, and what comes of it ---


class Launched:
    """In place of `launch`: a target answers a row rightly where its key was told by a source it was trained on."""

    def __init__(self, right: Callable[[TrainingJob], Sequence[str]]) -> None:
        self.right, self.jobs = right, list[TrainingJob]()

    def __call__(self, jobs: Sequence[TrainingJob], **options: Any) -> list[TrainingResult]:
        self.jobs += jobs
        return [self.result(job) for job in jobs]

    def result(self, job: TrainingJob) -> TrainingResult:
        [(split, rows)] = job.predict.items()
        known = self.right(job)
        said = ["9.00" if key in known else "1" for key in rows["key"][:]]
        table = pa.table({"id": rows["id"][:], "prediction": said}).take(list(range(len(said)))[::-1])
        metrics = {"steps": job.config.max_steps}
        return TrainingResult("m", Path(), {split: table}, metrics, Cost(cpu_seconds=1.0), cached=False)


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Launched:
    fake = Launched(
        lambda job: {"a": ["total"], "b": []}.get(
            "".join(sorted(set(job.train["id"][:]) & set("ab"))), ["total", "date"]
        )
    )
    monkeypatch.setattr("hf_mbdc.training.launch.launch", fake)
    return fake


def evaluation() -> Dataset:
    return Dataset.from_list(
        [row(f"e{n}", key="date" if n % 2 else "total", document_id=f"d{n // 2}") for n in range(40)]
    )


def run(rows: Dataset, launched: Launched, **options: Any) -> module.SourceReport:
    given = {"training": TrainingConfig(epochs=4, batch_size=2, seed=9), "plan": PLAN, "work_dir": "unused"}
    return attribute_rows(rows, evaluation(), ExtractiveQA(), **{**given, **options})


SOURCES = [row("0", **made(None)), row("a", **made("good")), row("b", **made("useless"))]


def test_every_union_is_trained_with_every_seed_and_the_steps_of_all_rows(launched: Launched) -> None:
    found = run(Dataset.from_list(SOURCES), launched)
    told = [(job.train["id"][:], job.config.seed, job.config.max_steps) for job in launched.jobs]
    unions = [["0"], ["0", "a"], ["0", "b"], ["0", "a", "b"]]
    assert told == [(union, seed, 8) for union in unions for seed in (0, 1)]
    assert (found.steps, found.cost.cpu_seconds, found.rows) == (8, 8.0, {"good": 1, "useless": 1})
    assert found.metric == "exact_match"


def test_scores_are_compared_by_document_and_slice(launched: Launched) -> None:
    # Alone, the base and the union of all know both keys, good knows totals, useless nothing.
    found = run(Dataset.from_list(SOURCES), launched)
    added = found.attribution.of("add_one_in")
    assert (added["good"].difference, added["useless"].difference) == (-0.5, -1.0)
    assert [(part.name, part.difference) for part in added["good"].slices] == [("date", -1.0), ("total", 0.0)]
    assert (added["good"].clusters, added["good"].seeds) == (20, 2)
    left = found.attribution.of("leave_one_out")
    assert (left["good"].difference, left["useless"].difference) == (1.0, 0.5)
    told = found.to_dict()
    assert json.loads(json.dumps(told)) == told
    assert [r["difference"] for r in told["effects"] if r["slice"] is None] == [-0.5, -1.0, 1.0, 0.5]


def test_one_source_is_left_out_and_an_empty_base_is_not_trained(launched: Launched) -> None:
    one = run(Dataset.from_list(SOURCES[:2]), launched)
    assert [(e.method, e.source) for e in one.attribution.effects] == [("leave_one_out", "good")]
    alone = run(Dataset.from_list(SOURCES[1:]), launched)
    assert {e.method for e in alone.attribution.effects} == {"leave_one_out"}
    with pytest.raises(DataError, match=r"Without its sources the train split is empty.*sources \[\]"):
        run(Dataset.from_list(SOURCES[1:]), launched, methods=["add_one_in"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"by": "origin"}, DataError, r"no such column \(split 'train', column 'origin'\)"),
        ({"by": "mbdc_model"}, DataError, "No row names a source"),
        ({"plan": EvaluationRecipe(cluster_by="page")}, DataError, r"no such column \(split 'test', column 'page'\)"),
        ({"plan": EvaluationRecipe(slice_by="page")}, DataError, r"no such column \(split 'test', column 'page'\)"),
        ({"metric": "bleu"}, RecipeError, "There is no metric 'bleu'.*exact_match, f1, anls, answer_probability"),
        ({"methods": ["shapley"]}, RecipeError, "There is no method 'shapley'"),
    ],
)
def test_what_is_asked_wrongly(launched: Launched, options: dict[str, Any], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        run(Dataset.from_list(SOURCES), launched, **options)


def test_real_trainings_differ_by_their_rows_only(tmp_path: Path) -> None:
    rows = mbdc.annotate(
        mbdc.load_dataset("made_receipts", documents=4, split_fractions=(1, 0, 0))["train"].remove_columns("image"),
        ExtractiveQA(),
    )
    rows = rows.add_column("origin", [None, "a"] * (len(rows) // 2))
    found = attribute_rows(
        rows,
        rows,
        ExtractiveQA(),
        training=TrainingConfig(max_steps=2),
        plan=EvaluationRecipe(split="seen"),
        work_dir=tmp_path,
        by="origin",
        metric="answer_probability",
        max_parallel=1,
    )
    [effect] = found.attribution.effects
    assert effect.method == "leave_one_out"
    assert 0 < effect.comparison.parent != effect.comparison.candidate > 0
    assert found.steps == 2


# --- scores ---


def table_of(ids: Sequence[str], scores: Sequence[list[float]], nulls: Sequence[float]) -> pa.Table:
    return pa.table(
        {
            "id": list(ids),
            "prediction": [""] * len(ids),
            "null_score": np.log(nulls),
            "candidate_scores": [[float(np.log(p)) if p else -np.inf for p in row] for row in scores],
        }
    )


def test_the_probability_of_the_answer_is_that_of_its_best_places_together() -> None:
    places = lambda *scores: [{"start": 0, "end": 1, "score": score} for score in scores]  # noqa: E731
    rows = Dataset.from_dict(
        {
            "id": ["both", "best", "absent", "none", "blank", "double"],
            "answers": [["x"], ["x"], ["x"], [], [" "], ["x"]],
            "candidates": [places(1.0, 1.0), places(1.0, 0.8), [], [], places(1.0), places(1.0, 1.0)],
        }
    )
    scores = [[0.3, 0.2], [0.3, 0.5], [], [], [0.1], [0.7, 0.7]]
    table = table_of(rows["id"][:], scores, [0.1, 0.1, 0.6, 0.7, 0.8, 0.1])
    found = score_predictions(table.take([5, 4, 3, 2, 1, 0]), rows, ExtractiveQA(), "answer_probability")
    assert found.tolist() == pytest.approx([0.5, 0.3, 0.0, 0.7, 0.8, 1.0])


def test_a_candidate_that_is_too_long_has_no_probability() -> None:
    rows = Dataset.from_dict({"id": ["1"], "answers": [["x"]], "candidates": [[{"start": 0, "end": 1, "score": 1.0}]]})
    assert score_predictions(table_of(["1"], [[0.0]], [0.5]), rows, ExtractiveQA(), "answer_probability").tolist() == [
        0
    ]


def test_a_metric_that_is_none_is_told_before_any_training(launched: Launched) -> None:
    rows = Dataset.from_list([row("1", **made(None)), row("a", **made("a"))])
    with pytest.raises(RecipeError, match="There is no metric 'bleu'"):
        run(rows, launched, metric="bleu")
    assert launched.jobs == []


def test_metrics_of_the_approach_are_in_the_order_of_the_rows() -> None:
    rows = Dataset.from_dict({"id": ["1", "2"], "answers": [["a"], ["b"]]})
    table = pa.table({"id": ["2", "1"], "prediction": ["b", "x"]})
    assert score_predictions(table, rows, ExtractiveQA(), "exact_match").tolist() == [0.0, 1.0]
    with pytest.raises(RecipeError, match="needs the column candidates"):
        score_predictions(table, rows, ExtractiveQA(), "answer_probability")


# --- a repository ---


def typed(rows: Sequence[dict[str, Any]]) -> Dataset:
    """As published rows are: a column of nulls alone is one of strings, too."""
    found = Dataset.from_list([{**made(None), **row} for row in rows])
    for name in made(None):
        found = found.cast_column(name, Value("string"))
    return found


@pytest.fixture
def published(tmp_path: Path) -> str:
    """v1: two labels; v2: a step moved one of them; v3: another step moved the other one."""
    root = str(tmp_path / "repo")
    versions = (
        [row("a"), row("b")],
        [row("a", 5, **made("relabel", "a", "v2.0.0")), row("b")],
        [row("a", 5, **made("relabel", "a", "v2.0.0")), row("b", 5, **made("[bold]hand", "b", "v3.0.0"))],
    )
    for rows in versions:
        splits = DatasetDict(train=typed(rows), test=typed(evaluation().to_list()))
        mbdc.publish(splits, "me/r", repository=root, message="Labels")
    return root


def test_a_revision_is_put_back_source_by_source(published: str, launched: Launched) -> None:
    launched.right = lambda job: ["total", "date"] if 5 in job.train["answer_start"][:] else []
    found = attribute("me/r", repository=published, work_dir="unused", epochs=3, progress=False)
    assert found.attribution.of("add_one_in")["relabel"].difference == 1.0
    assert found.attribution.of("leave_one_out")["relabel"].difference == 0.0
    assert [sorted(states(job.train)) for job in launched.jobs] == [
        [("a", 0), ("b", 0)],
        [("a", 0), ("b", 5)],
        [("a", 5), ("b", 0)],
        [("a", 5), ("b", 5)],
    ]
    assert {(job.config.max_steps, job.config.objective) for job in launched.jobs} == {(3, "chosen")}  # 3 epochs
    attribute("me/r", repository=published, work_dir="unused", progress=False)
    assert launched.jobs[-1].config.max_steps == 12  # the default epochs'


def test_only_versions_that_made_rows_are_loaded(published: str) -> None:
    rows = mbdc.load("me/r", repository=published)["train"]
    record = mbdc.show("me/r", repository=published)
    found = earlier_versions(record, rows, published)
    assert {version: states(train) for version, train in found.items()} == {
        "v3.0.0": [("a", 5), ("b", 0)],
        "v2.0.0": [("a", 0), ("b", 0)],
    }
    assert list(found) == ["v3.0.0", "v2.0.0"]
    assert list(earlier_versions(record, rows.select([0]), published)) == ["v2.0.0"]
    assert earlier_versions(record, rows.remove_columns("mbdc_iteration"), published) == {}


def test_the_command_prints_a_table_or_json(published: str, launched: Launched) -> None:
    words = ["attribute", "me/r", "--repository", published, "--by", "mbdc_source"]
    shown = CliRunner().invoke(app, words, env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert "[bold]hand" in shown.output
    assert "Best first: " in shown.output
    done = CliRunner().invoke(app, [*words, "--json", "--metric", "f1"])
    told = json.loads(done.output)
    assert told["metric"] == "f1"
    assert {r["source"] for r in told["effects"]} == {"relabel", "[bold]hand"}


def test_rows_of_another_kind_of_target_keep_its_columns_and_images_stay_images() -> None:
    features = Features({name: Value("string") for name in ("id", "text", "mbdc_source")} | {"image": Image()})
    file = {"bytes": b"a picture", "path": None}
    given = [
        {"id": key, "text": "가", "mbdc_source": source, "image": file} for key, source in (("1", None), ("2", "b"))
    ]
    rows = Dataset.from_list(given, features=features)
    left = rows_of(rows, frozenset(), task="text_recognition")
    assert left.features == Features({name: features[name] for name in ("id", "image", "text")})
    assert left.with_format("arrow")[:].to_pylist() == [{"id": "1", "image": file, "text": "가"}]
