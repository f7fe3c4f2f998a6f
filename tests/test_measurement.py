"""Measuring: which trainings are asked for, whose scores are whose, and what the comparison is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset

from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.measurement import Measurement, measure, weigh
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


def test_scores_are_by_data_and_seed_in_the_order_of_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {("old", 3): "9.00 x - -", ("old", 5): "- x - -", ("new", 3): "9.00 x 8.00 -", ("new", 5): "9.00 x 8.00 y"}
    asked: list[TrainingJob] = []

    def launch(jobs: list[TrainingJob], **settings: object) -> list[TrainingResult]:
        asked.extend(jobs)
        results = []
        for job in jobs:
            texts = told[job.train["name"][0], job.config.seed].split()
            table = pa.table({"id": ["d", "c", "b", "a"], "prediction": texts[::-1]})
            results.append(TrainingResult("m@0", Path("x"), {"test": table}, {}, Cost(cpu_seconds=1.0), cached=False))
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
    assert {(job.config.objective, job.config.epochs) for job in asked} == {("chosen", 7)}
    assert new.cost.cpu_seconds == 2.0
    means = new.means("exact_match", ROWS["key"][:])
    assert (means["exact_match"], means["exact_match/total"], means["exact_match/date"]) == (0.875, 1.0, 0.75)


def test_evidence_is_candidate_minus_parent_over_documents() -> None:
    rows = Dataset.from_dict(
        {"document_id": [str(i // 2) for i in range(40)], "key": ["total", "date"] * 20, "answers": [[]] * 40}
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
