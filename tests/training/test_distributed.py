"""Two processes train one model and share the predictions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file

from hf_mbdc.targets import Target
from hf_mbdc.targets.layout_features import LayoutSpanEncoder
from hf_mbdc.targets.layout_span import LayoutSpanConfig, LayoutSpanForQuestionAnswering

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = str(ROOT / "scripts" / "train_extractive_qa.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]


def run(launcher: list[str], data: Path, output_dir: Path, *flags: str) -> None:
    ran = subprocess.run(
        [sys.executable, *launcher, SCRIPT, "--dataset", str(data), "--output-dir", str(output_dir), *flags],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr


def test_two_processes_learn_from_the_rows_of_both(data: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "initializer_range": 0.2}
    calm = {"dropout": 0.0, "word_dropout": 0.0, "trigram_dropout": 0.0, "box_jitter": 0.0}
    model = LayoutSpanForQuestionAnswering(LayoutSpanConfig(**sizes, **calm))
    Target(model, LayoutSpanEncoder(model.config)).save(tmp_path / "start")
    same = ("--model", str(tmp_path / "start"), "--epochs", "3")
    run([], data, tmp_path / "one", *same, "--batch-size", "12")  # all rows are one batch, or two halves of it
    run(TORCHRUN, data, tmp_path / "two", *same, "--batch-size", "6")
    start, one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("start", "one", "two"))
    moved = sum(int(((one[name] - start[name]).abs() > 1e-4).sum()) for name in one)
    # Adam makes much of gradients near 0, whose sign is rounding: a few weights may differ.
    different = sum(int(((one[name] - two[name]).abs() > 1e-4).sum()) for name in one)
    assert moved > 10_000
    assert different < 100


def test_torchrun_with_two_processes(data: Path, tmp_path: Path) -> None:
    run(TORCHRUN, data, tmp_path, "--predict-splits", "test", "--epochs", "3", "--batch-size", "4")
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["steps"] == 3 * 2  # 12 rows, 4 to a process: 2 batches each, the last one repeated
    table = pq.read_table(tmp_path / "predictions-test.parquet")
    assert table["id"].to_pylist() == ["007-company", "007-total", "008-company", "008-total"]
    dynamics = pq.read_table(tmp_path / "dynamics.parquet")
    assert dynamics["epoch"].to_pylist() == [epoch for epoch in range(3) for _ in range(12)]
    assert len(set(zip(dynamics["id"].to_pylist(), dynamics["epoch"].to_pylist(), strict=True))) == 36
