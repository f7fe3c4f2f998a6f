"""The hand-written rule that relabelling is compared with, and who labels what in the evaluation's folds."""

from __future__ import annotations

import argparse
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import Dataset

from hf_mbdc.approaches import annotate
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.records import Cost
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.launch import TrainingJob, TrainingResult

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "eval_receipts.py"


def receipt(*lines: str) -> dict[str, Any]:
    boxes = [
        [90 * x, 40 * y, 90 * x + 80, 40 * y + 30] for y, line in enumerate(lines) for x in range(len(line.split()))
    ]
    return {"context": "\n".join(lines), "boxes": boxes}


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        (("RICE 9.00", "SUBTOTAL 9.00", "TAX 0.54", "TOTAL 9.54", "CASH 20.00"), "9.54"),
        (("TOTAL RM12.50", "CASH 50.00"), "RM12.50"),
        (("TOTAL 9.52", "ROUNDED TOTAL 9.50"), "9.50"),
        (("TOTAL QTY 3.00", "TOTAL 1,200.00"), "1,200.00"),
        (("RICE 9.00", "CASH 20.00"), "20.00"),
        (("NO AMOUNT",), ""),
    ],
)
def test_the_rule_reads_the_lines_that_say_total(lines: tuple[str, ...], total: str) -> None:
    assert runpy.run_path(str(SCRIPT))["total_by_rule"](receipt(*lines)) == total


def test_no_label_is_made_by_a_model_that_saw_its_document_or_those_of_the_tested_fold(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fold = np.arange(8) % 4
    rows = two_places(len(fold))
    fold_of = dict(zip(rows["id"][:], fold.tolist(), strict=True))
    trained = 0

    def launch(jobs: list[TrainingJob], **settings: Any) -> list[TrainingResult]:
        nonlocal trained
        trained += len(jobs)
        return [prefers_the_last(job) for job in jobs]

    def prefers_the_last(job: TrainingJob) -> TrainingResult:
        ids = {name: part["id"][:] for name, part in job.predict.items()}
        tables = {name: pa.table({"id": of, "candidate_scores": [[-2.0, -1.0]] * len(of)}) for name, of in ids.items()}
        seen = sorted({fold_of[key] for key in job.train["id"][:]})
        return TrainingResult(f"m@{seen}", tmp_path, tables, {}, Cost(), cached=False)

    monkeypatch.setattr("hf_mbdc.training.launch.launch", launch)
    flags = argparse.Namespace(folds=4, work_dir=tmp_path, max_parallel=1)
    moved = runpy.run_path(str(SCRIPT))["relabel"](rows, fold, TrainingConfig(), flags)
    assert trained == 6  # one for each two folds
    for tested, part in moved.items():
        assert sorted(part["id"][:]) == sorted(key for key, k in fold_of.items() if k != tested)
        for key, model in zip(part["id"][:], part["mbdc_model"][:], strict=True):
            assert model == f"m@{sorted({0, 1, 2, 3} - {tested, fold_of[key]})}"


def two_places(documents: int) -> Dataset:
    """One row a document, whose answer stands in two places."""
    words = [[f"SHOP{i}", "9.00", "TOTAL", "9.00"] for i in range(documents)]
    raw = {
        "id": [f"{i}-total" for i in range(documents)],
        "question": ["What is the total?"] * documents,
        "words": words,
        "boxes": [[[10 * x, 0, 10 * x + 8, 9] for x in range(4)]] * documents,
        "context": [" ".join(row) for row in words],
        "answers": [["9.00"]] * documents,
    }
    return annotate(Dataset.from_dict(raw, features=ExtractiveQA().reads), ExtractiveQA())
