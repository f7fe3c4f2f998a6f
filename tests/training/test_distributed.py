"""Two processes train one model and share the predictions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parents[2]


def test_torchrun_with_two_processes(data: Path, tmp_path: Path) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    flags = ["--dataset", str(data), "--output-dir", str(tmp_path), "--predict-splits", "test"]
    subprocess.run(
        [*torchrun, str(ROOT / "scripts" / "train_extractive_qa.py"), *flags, "--epochs", "3", "--batch-size", "4"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        timeout=120,
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["steps"] == 3 * 2  # 12 rows, 4 to a process: 2 batches each, the last one repeated
    table = pq.read_table(tmp_path / "predictions-test.parquet")
    assert table["id"].to_pylist() == ["007-company", "007-total", "008-company", "008-total"]
    contexts = pq.ParquetFile(tmp_path / "predictions-test.parquet").metadata.num_rows
    assert contexts == 4
