"""Measuring: which trainings are asked for, whose scores are whose, and what the comparison is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset

from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import TrainingError
from hf_mbdc.guidance.compare import compare
from hf_mbdc.guidance.row_scores import RowScores
from hf_mbdc.measurement import Measurement, measure, row_scores, weigh
from hf_mbdc.recipe import EvaluationRecipe
from hf_mbdc.records import Cost
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.launch import TrainingJob, TrainingResult

ROWS = Dataset.from_dict(
    {
        "id": ["a", "b", "c", "d"],
        "document_id": ["1", "1", "2", "2"],
        "key": ["total", "date", "total", "date"],
        "answers": [["9.00"], ["x"], ["8.00"], ["y"]],
    }
)
PLAN = EvaluationRecipe(slice_by="key", seeds=(3, 5))


def trained(job: TrainingJob, tokens: int) -> dict[str, object]:
    return {"steps": job.config.max_steps, "first_weights_sha256": str(job.config.seed), "tokens": tokens}


def test_scores_are_by_data_and_seed_in_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {("old", 3): "9.00 x - -", ("old", 5): "- x - -", ("new", 3): "9.00 x 8.00 -", ("new", 5): "9.00 x 8.00 y"}
    asked: list[TrainingJob] = []

    def launch(jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
        asked.extend(jobs)
        results = []
        for job in jobs:
            texts = told[job.train["name"][0], job.config.seed].split()
            table = pa.table({"id": ["d", "c", "b", "a"], "prediction": texts[::-1]})
            metrics = trained(job, 100)
            results.append(
                TrainingResult("m@0", Path("x"), {"test": table}, metrics, Cost(cpu_seconds=1.0), cached=False)
            )
        return results

    monkeypatch.setattr("hf_mbdc.training.launch.launch", launch)
    old, new = measure(
        [Dataset.from_dict({"name": ["old"]}), Dataset.from_dict({"name": ["new"]})],
        ROWS,
        ExtractiveQA(),
        training=TrainingConfig(epochs=7, objective="marginal"),
        plan=PLAN,
        work_dir=Path("nowhere"),
    )
    assert old.scores["exact_match"].tolist() == [[1, 1, 0, 0], [0, 1, 0, 0]]
    assert new.scores["exact_match"].tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]
    assert {(job.config.objective, job.config.max_steps) for job in asked} == {("chosen", 7)}
    assert new.cost.cpu_seconds == 2.0
    means = new.means("exact_match", ROWS["key"][:])
    assert (means["exact_match"], means["exact_match/total"], means["exact_match/date"]) == (0.875, 1.0, 0.75)


def test_evidence_is_candidate_minus_parent_over_documents() -> None:
    rows = Dataset.from_dict(
        {
            "id": [str(i) for i in range(40)],
            "document_id": [str(i // 2) for i in range(40)],
            "key": ["total", "date"] * 20,
            "answers": [[]] * 40,
        }
    )
    before = np.tile([0.0, 1.0], (2, 20))
    after = np.ones((2, 40))
    parent, candidate = (Measurement({"exact_match": s, "f1": s / 2}, Cost()) for s in (before, after))
    found = weigh(parent, candidate, rows, "exact_match", PLAN)
    assert (found.parent, found.candidate, found.difference, found.verdict) == (0.5, 1.0, 0.5, "accept")
    assert (found.rows, found.clusters, found.seeds, found.split) == (40, 20, (3, 5), "test")
    assert {part.name: part.difference for part in found.slices} == {"date": 0.0, "total": 1.0}
    assert found.secondary == {"f1": (0.25, 0.5)}
    strict = EvaluationRecipe(slice_by="key", seeds=(3, 5), minimum_effect=0.6)
    assert weigh(parent, candidate, rows, "exact_match", strict).verdict != "accept"
    assert weigh(candidate, parent, rows, "exact_match", PLAN).verdict == "reject"


def test_more_rows_are_no_longer_training(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[TrainingJob] = []

    def launch(jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
        asked.extend(jobs)
        table = pa.table({"id": ["a", "b", "c", "d"], "prediction": ["-"] * 4})
        return [
            TrainingResult("m@0", Path("x"), {"test": table}, trained(job, len(job.train)), Cost(), cached=False)
            for job in jobs
        ]

    monkeypatch.setattr("hf_mbdc.training.launch.launch", launch)
    splits = [Dataset.from_dict({"name": ["x"] * rows}) for rows in (20, 50)]
    settings: dict[str, Any] = {"training": TrainingConfig(epochs=3, batch_size=8), "work_dir": Path("nowhere")}
    few, many = measure(splits, ROWS, ExtractiveQA(), plan=PLAN, **settings)
    assert {job.config.max_steps for job in asked} == {9}
    found = weigh(few, many, ROWS, "exact_match", PLAN)
    assert (found.steps, found.tokens) == (9, (20.0, 50.0))
    measure(splits, ROWS, ExtractiveQA(), plan=PLAN, steps=4, **settings)
    assert {job.config.max_steps for job in asked[4:]} == {4}


def test_trainings_that_differ_in_more_than_data_are_not_weighed() -> None:
    def measured(first_weights: str) -> Measurement:
        metrics = {"steps": 9, "first_weights_sha256": first_weights, "tokens": 1.0}
        result = TrainingResult("m@0", Path("x"), {}, metrics, Cost(), cached=False)
        return Measurement({"exact_match": np.zeros((2, 4))}, Cost(), (result, result))

    with pytest.raises(TrainingError, match="began with different weights"):
        weigh(measured("a"), measured("b"), ROWS, "exact_match", PLAN)


def test_the_scores_of_rows_give_the_decision_again() -> None:
    before, after = np.array([[0.0, 1, 0, 1], [0, 1, 1, 1]]), np.array([[1.0, 1, 0, 1], [1, 1, 1, 1]])
    parent, candidate = (Measurement({"exact_match": scores}, Cost()) for scores in (before, after))
    kept = RowScores.from_parquet(row_scores(parent, candidate, ROWS, "exact_match", PLAN).to_parquet())
    assert (kept.ids, kept.clusters, kept.slices) == (list("abcd"), list("1122"), ["total", "date"] * 2)
    again, then = compare(kept), weigh(parent, candidate, ROWS, "exact_match", PLAN)
    assert (again.interval, again.p_value, again.slices) == (then.interval, then.p_value, then.slices)
