"""Relabelling by out-of-fold scores: which rows move, where to, and what the record says."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset, Features, List
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.approaches import annotate
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError, RecipeError, TrainingError
from hf_mbdc.records import Cost, ParentRecord
from hf_mbdc.synthesis.relabel_occurrences import (
    MOVED,
    RelabelOptions,
    apply_scores,
    relabel_occurrences,
    step_identity,
)
from hf_mbdc.synthesis.reuse import Earlier, assign_folds, documents
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.launch import TrainingJob, TrainingResult
from hf_mbdc.training.scoring import Scored, ScoringJob
from hf_mbdc.transforms.rows import replace_rows


def receipts(texts: list[str], answer: str = "9.00") -> Dataset:
    """One `total` row a text; words side by side on one line."""
    words = [text.split() for text in texts]
    raw = {
        "id": [f"{i}-total" for i in range(len(texts))],
        "question": ["What is the total?"] * len(texts),
        "words": words,
        "boxes": [[[10 * i, 0, 10 * i + 8, 9] for i in range(len(row))] for row in words],
        "context": texts,
        "answers": [[answer]] * len(texts),
    }
    return annotate(Dataset.from_dict(raw, features=ExtractiveQA().reads), ExtractiveQA())


def result(scores: dict[str, list[float]], model: str = "layout_span@abc") -> TrainingResult:
    table = pa.table({"id": list(scores), "candidate_scores": pa.array(list(scores.values()), pa.list_(pa.float32()))})
    return TrainingResult(model, Path("nowhere"), {"held_out": table}, {}, Cost(cpu_seconds=2.0), cached=False)


def test_the_offsets_move_to_the_best_scoring_occurrence() -> None:
    rows = receipts(["ITEM 9.00 TOTAL 9.00", "TOTAL 9.00", "CASH 9.00 TOTAL 9.00"])
    scores = {"0-total": [-2.0, -0.1], "1-total": [-0.5], "2-total": [-0.2, -3.0]}
    step = apply_scores(rows, ExtractiveQA(), np.array([0, 0, 0]), {0: result(scores)})
    assert step.rows["answer_start"][:] == [16, 6, 5]
    assert step.rows["word_start"][:] == [3, 1, 1]
    assert step.rows["answer_boxes"][0] == [[30, 0, 38, 9]]
    assert step.rows["mbdc_source"][:] == ["relabel_occurrences", None, None]
    assert step.rows["mbdc_parent_id"][:] == ["0-total", None, None]
    assert step.rows["mbdc_model"][:] == ["layout_span@abc", None, None]
    assert (step.record.changed, step.record.kept, step.record.reasons) == (1, 2, {MOVED: 1})
    assert step.record.cost.cpu_seconds == 2.0


def test_equal_scores_keep_the_first_occurrence() -> None:
    step = apply_scores(
        receipts(["9.00 and 9.00"]), ExtractiveQA(), np.array([0]), {0: result({"0-total": [-1.0, -1.0]})}
    )
    assert step.record.changed == 0
    assert step.rows["answer_start"][:] == [0]


@pytest.mark.parametrize("scores", [[-1.0, -1.0], [-np.inf, -np.inf]])
def test_scores_that_prefer_nothing_move_nothing(scores: list[float]) -> None:
    rows = annotate(receipts(["9.00 and 9.00"]), ExtractiveQA("last"))
    step = apply_scores(rows, ExtractiveQA(), np.array([0]), {0: result({"0-total": scores})})
    assert (step.record.changed, step.rows["answer_start"][:]) == (0, [9])


def test_scores_of_a_diverged_training_are_refused() -> None:
    with pytest.raises(TrainingError, match=r"diverged \(id '0-total'\)"):
        apply_scores(
            receipts(["9.00 and 9.00"]), ExtractiveQA(), np.array([0]), {0: result({"0-total": [np.nan, -1.0]})}
        )


def test_a_worse_match_is_no_choice() -> None:
    rows = receipts(["RM9.00 or Rm9.00 or RM9.00"], answer="RM9.00")
    assert rows["candidates"][0][1]["score"] < 1.0
    step = apply_scores(rows, ExtractiveQA(), np.array([0]), {0: result({"0-total": [-3.0, -0.1, -2.0]})})
    assert step.rows["answer_start"][:] == [20]
    assert step.rows["match_status"][:] == ["exact"]


def test_a_row_that_moves_again_waits_for_its_new_version() -> None:
    rows = receipts(["A 9.00 B 9.00"])
    once = apply_scores(rows, ExtractiveQA(), np.array([0]), {0: result({"0-total": [-2.0, -1.0]}, "m@1")}).rows
    once = replace_rows(once, np.array([0]), {"mbdc_iteration": ["v2.0.0"]})
    twice = apply_scores(once, ExtractiveQA(), np.array([0]), {0: result({"0-total": [-1.0, -2.0]}, "m@2")}).rows
    assert (twice["mbdc_model"][:], twice["mbdc_iteration"][:]) == (["m@2"], [None])


def test_one_document_cannot_be_scored_out_of_fold(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"All documents fell into one fold .*More documents|Give more documents"):
        relabel_occurrences(receipts(["9.00 9.00"]), ExtractiveQA(), config=TrainingConfig(), work_dir=tmp_path)


def test_each_moved_row_names_the_model_that_had_not_seen_it() -> None:
    rows = receipts(["A 9.00 B 9.00", "C 9.00 D 9.00"])
    results = {0: result({"1-total": [-2.0, -1.0]}, "m@0"), 1: result({"0-total": [-2.0, -1.0]}, "m@1")}
    step = apply_scores(rows, ExtractiveQA(), np.array([1, 0]), results)
    assert step.rows["mbdc_model"][:] == ["m@1", "m@0"]
    assert step.record.model == "m@0, m@1"


def test_no_model_scores_a_text_that_it_was_trained_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = receipts([f"SHOP {i % 5} 9.00 TOTAL 9.00" for i in range(10)])  # five texts, each twice
    seen: list[TrainingJob] = []

    def launch(jobs: list[TrainingJob], **settings: Any) -> list[TrainingResult]:
        seen.extend(jobs)
        return [result({key: [-2.0, -1.0] for key in job.predict["held_out"]["id"][:]}) for job in jobs]

    monkeypatch.setattr("hf_mbdc.training.launch.launch", launch)
    step = relabel_occurrences(
        rows, ExtractiveQA(), config=TrainingConfig(epochs=1), options=RelabelOptions(folds=3), work_dir=tmp_path
    )
    assert step.record.changed == 10
    assert len(seen) > 1
    for job in seen:
        assert not set(job.train["context"][:]) & set(job.predict["held_out"]["context"][:])
        assert (job.config.objective, job.config.epochs) == ("marginal", 1)
    assert sorted(key for job in seen for key in job.predict["held_out"]["id"][:]) == sorted(rows["id"][:])


def test_the_scores_of_a_row_that_moves_stay_with_its_candidates() -> None:
    rows = receipts(["ITEM 9.00 TOTAL 9.00", "A 9.00 B 9.00"])
    scores = {"0-total": [-2.0, -0.5], "1-total": [-0.5, -2.0]}
    step = apply_scores(rows, ExtractiveQA(), np.array([0, 0]), {0: result(scores)})
    assert [c["choice"] for c in step.rows["candidates"][0]] == [-2.0, -0.5]
    assert [c["score"] for c in step.rows["candidates"][0]] == [1.0, 1.0]
    assert step.rows["choice_margin"][0] == 1.5
    assert np.isnan([c["choice"] for c in step.rows["candidates"][1]]).all()


def relabel_in_rounds(
    by_round: list[dict[str, list[float]]], rounds: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[Any, list[str], list[list[int]]]:
    """The step on three receipts whose models score as told, and the objective and labels of each round."""
    rows = receipts([f"SHOP{i} 9.00 TOTAL 9.00" for i in (0, 1, 2)])
    objectives: list[str] = []
    labels: list[list[int]] = []

    def launch(jobs: list[TrainingJob], **settings: Any) -> list[TrainingResult]:
        scores = by_round[len(objectives)]
        objectives.append(jobs[0].config.objective)
        held_out = [job.predict["held_out"] for job in jobs]
        known = {key: start for ds in held_out for key, start in zip(ds["id"][:], ds["answer_start"][:], strict=True)}
        labels.append([known[key] for key in sorted(known)])
        return [result({key: scores[key] for key in ds["id"][:]}, f"m@{len(objectives)}") for ds in held_out]

    monkeypatch.setattr("hf_mbdc.training.launch.launch", launch)
    options = RelabelOptions(folds=2, rounds=rounds)
    step = relabel_occurrences(rows, ExtractiveQA(), config=TrainingConfig(), options=options, work_dir=tmp_path)
    return step, objectives, labels


LAST, FIRST = [-2.0, -1.0], [-1.0, -2.0]


def test_rounds_go_on_until_labels_settle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    by_round = [
        {"0-total": LAST, "1-total": LAST, "2-total": FIRST},
        {"0-total": FIRST, "1-total": LAST, "2-total": LAST},  # the first comes back, the third goes too
        {"0-total": FIRST, "1-total": LAST, "2-total": LAST},
    ]
    step, objectives, labels = relabel_in_rounds(by_round, 9, monkeypatch, tmp_path)
    assert objectives == ["marginal", "chosen", "chosen"]
    assert labels == [[6, 6, 6], [17, 17, 6], [6, 17, 17]]  # each round trains on what the one before chose
    assert step.rows["answer_start"][:] == [6, 17, 17]
    assert step.rows["mbdc_source"][:] == [None, "relabel_occurrences", "relabel_occurrences"]
    assert (step.record.changed, step.record.kept) == (2, 1)
    assert step.record.reasons == {
        MOVED: 2,
        "labels moved in round 1": 2,
        "labels moved in round 2": 2,
        "labels moved in round 3": 0,
    }
    assert step.rows["mbdc_model"][:] == [None, "m@1", "m@2"]
    assert step.record.cost.cpu_seconds == 12.0


def test_one_round_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scores = {"0-total": LAST, "1-total": LAST, "2-total": FIRST}
    step, objectives, _ = relabel_in_rounds([scores], RelabelOptions().rounds, monkeypatch, tmp_path)
    assert (objectives, step.record.reasons) == (["marginal"], {MOVED: 2})


@given(st.lists(st.text(max_size=5), min_size=1, max_size=20), st.integers(2, 5))
def test_folds_depend_on_the_group_alone(groups: list[str], folds: int) -> None:
    together = assign_folds(groups, folds, seed=1)
    alone = [int(assign_folds([group], folds, seed=1)[0]) for group in groups]
    assert together.tolist() == alone
    assert set(alone) <= set(range(folds))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "at least 2 folds"),
        ({"rounds": 0}, "at least one round"),
        ({"objective": "chosen"}, "marginal or hard_em"),
        ({"retrain_above": 1.5}, "between 0 and 1"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        RelabelOptions(**options)


def test_rows_of_older_versions_keep_their_columns() -> None:
    rows = receipts(["ITEM 9.00 TOTAL 9.00"]).remove_columns(["answer_page", "choice_margin"])
    old = Features(
        {
            **rows.features,
            "candidates": List({k: rows.features["candidates"].feature[k] for k in ("start", "end", "score")}),
        }
    )
    rows = Dataset.from_list(
        [
            {**row, "candidates": [{k: c[k] for k in ("start", "end", "score")} for c in row["candidates"]]}
            for row in rows
        ],
        features=old,
    )
    step = apply_scores(rows, ExtractiveQA(), np.array([0]), {0: result({"0-total": [-2.0, -1.0]})})
    assert step.rows["answer_start"][:] == [16]
    assert set(old) < set(step.rows.features)
    assert step.rows.features["candidates"] == old["candidates"]


def test_a_worse_match_has_no_part_in_the_margin() -> None:
    rows = receipts(["RM9.00 or Rm9.00 or RM9.00"], answer="RM9.00")
    step = apply_scores(rows, ExtractiveQA(), np.array([0]), {0: result({"0-total": [-3.0, -0.5, -2.0]})})
    assert step.rows["choice_margin"][:] == [1.0]
    assert np.isnan(step.rows["candidates"][0][1]["choice"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path, Any]:
    """200 rows, whose fold models are trained for real, if only for a moment; and what relabelling made of them."""
    rows = receipts([f"SHOP{i} ITEM {i % 9}.50 9.00 TOTAL 9.00 CASH {i % 7}9.00" for i in range(200)])
    work_dir = tmp_path_factory.mktemp("work")
    return rows, work_dir, relabel(rows, work_dir)


def relabel(rows: Dataset, work_dir: Path, earlier: Dataset | None = None, **options: Any) -> Any:
    return relabel_occurrences(
        rows,
        ExtractiveQA(),
        config=TrainingConfig(max_steps=2),
        options=RelabelOptions(folds=2, **options),
        work_dir=work_dir,
        earlier=None if earlier is None else Earlier(earlier, ParentRecord("v1.0.0", "sha", "hash")),
    )


def edit(rows: Dataset, *numbers: int) -> Dataset:
    """Other documents in the places of some."""
    others = receipts([f"EDITED{i} 9.00 TOTAL 9.00" for i in numbers])
    columns = {name: others[name][:] for name in others.column_names if name != "id"}
    return replace_rows(rows, np.array(numbers), columns)


def test_after_few_changes_the_model_is_called_for_these_alone(trained: tuple[Dataset, Path, Any]) -> None:
    rows, work_dir, first = trained
    assert (first.record.reused, first.record.trained_on, first.record.cost.model_calls) == (0, None, 200)
    one, two, three = np.flatnonzero(assign_folds(documents(rows), 2, 0) == 0)[:3].tolist()
    edited = edit(rows, one, two)
    step = relabel(edited, work_dir, rows)
    assert (step.record.cost.model_calls, step.record.reused) == (2, 198)
    assert step.record.trained_on == ParentRecord("v1.0.0", "sha", "hash")
    assert step.record.identity == first.record.identity != ""
    assert 0 < step.record.cost.cpu_seconds < first.record.cost.cpu_seconds
    same = np.setdiff1d(np.arange(200), [one, two])
    assert step.rows.select(same).to_list() == first.rows.select(same).to_list()

    # One row more: what was asked in the iteration before is not asked again, and nothing depends on that.
    further = edit(edited, three)
    again = relabel(further, work_dir, rows)
    assert (again.record.cost.model_calls, again.record.reused) == (1, 199)
    shutil.rmtree(work_dir / "memo")
    anew = relabel(further, work_dir, rows)
    assert (anew.record.cost.model_calls, anew.record.reused) == (3, 197)
    assert anew.rows.to_list() == again.rows.to_list()


@pytest.mark.parametrize(
    ("options", "kept"), [({}, False), ({"retrain_above": 0.5}, True), ({"retrain_above": 0}, False)]
)
def test_many_changes_train_anew(
    trained: tuple[Dataset, Path, Any], options: dict[str, Any], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, work_dir, _ = trained
    trained_rows: list[int] = []

    def launch(jobs: list[TrainingJob], **settings: Any) -> list[TrainingResult]:
        trained_rows.extend(sum(text.startswith("EDITED") for text in job.train["context"][:]) for job in jobs)
        raise TrainingError("stop here")

    monkeypatch.setattr("hf_mbdc.training.launch.launch", launch)
    with pytest.raises(TrainingError, match="stop here"):
        relabel(edit(rows, *range(11)), work_dir, rows, **options)
    assert sum(trained_rows) == (0 if kept else 11)


def test_each_round_keeps_its_own_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = receipts([f"SHOP{i} 9.00 TOTAL 9.00" for i in range(8)])
    asked: list[tuple[str, list[str]]] = []

    def launch(jobs: list[TrainingJob], **settings: Any) -> list[TrainingResult]:
        return [train(job) for job in jobs]

    def train(job: TrainingJob) -> TrainingResult:
        """The first round prefers the last occurrence, but of one row; the second one prefers the last."""
        ids = job.predict["held_out"]["id"][:]
        first = {key: FIRST if key == "0-total" and job.config.objective == "marginal" else LAST for key in ids}
        weights = {"weights_sha256": f"{job.config.objective} without {ids}"}
        return dataclasses.replace(
            result(first, job.config.objective), metrics=weights, model_path=Path(job.config.objective), cached=True
        )

    def score(jobs: list[ScoringJob], **settings: Any) -> list[Scored]:
        asked.extend((job.model_path.name, job.rows["id"][:]) for job in jobs)
        tables = [result(dict.fromkeys(job.rows["id"][:], LAST)).predictions["held_out"] for job in jobs]
        return [Scored(table, Cost(model_calls=len(table))) for table in tables]

    monkeypatch.setattr("hf_mbdc.training.launch.launch", launch)
    monkeypatch.setattr("hf_mbdc.training.scoring.score", score)
    first = relabel(rows, tmp_path, rounds=9)
    assert list(first.record.reasons.values()) == [8, 7, 1, 0]  # in all, and in three rounds
    edited = edit(rows, 5)
    step = relabel(edited, tmp_path, rows, rounds=9, retrain_above=0.2)
    assert asked == [("marginal", ["5-total"]), ("chosen", ["5-total"])]  # the third round has the models of the second
    assert (step.record.reused, step.record.cost.model_calls) == (7, 2)
    assert step.rows["answer_start"][:] == [c[-1]["start"] for c in edited["candidates"][:]]


def test_the_identity_follows_settings_but_not_how_long_models_are_kept() -> None:
    base = step_identity(RelabelOptions(), TrainingConfig())
    assert base == step_identity(RelabelOptions(retrain_above=0.2), TrainingConfig())
    assert base != step_identity(RelabelOptions(folds=3), TrainingConfig())
    assert base != step_identity(RelabelOptions(), TrainingConfig(epochs=3))
