"""Rows scored by models that were trained earlier: a process and a thread for each model, as in `launch`.

Each row is read alone. In a batch, what a model says of a row depends in its last bits on the rows beside it; alone, it
depends on the row and the weights, so that the result of a row can be kept and used again wherever the row stands.

    python -m hf_mbdc.training.scoring TASK MODEL FOLDER

is what `score` starts: it reads FOLDER/rows.parquet and writes predictions.parquet and, last, metrics.json beside it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import MbdcError
from hf_mbdc.records import Cost
from hf_mbdc.training.child import tell_launcher, watch_launcher

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

ROWS, PREDICTIONS, METRICS = "rows.parquet", "predictions.parquet", "metrics.json"


@dataclass(frozen=True)
class ScoringJob:
    """Rows, with the columns of a loader and perhaps `candidates`, for the model of a task (of `TASKS`) in a folder."""

    model_path: Path
    rows: Dataset
    task: str = "extractive_qa"


@dataclass(frozen=True)
class Scored:
    """What came out of a job: a table as `hf_mbdc.training.predict.prediction_table` makes it, and its cost."""

    predictions: pa.Table
    cost: Cost


def score(
    jobs: Sequence[ScoringJob],
    *,
    work_dir: Path,
    max_parallel: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> list[Scored]:
    """Scores rows by trained models; the results are in the order of `jobs`. Nothing is kept in `work_dir`.

    Args:
        jobs: each has at least one row.
        work_dir: existing folder, in which a temporary one is made.
        max_parallel: models at the same time; default one for each usable core.
        on_progress: called with the share of the jobs done, 0 to 1.

    Raises:
        DataError: rows lack a column.
        TrainingError: a process failed.

    Example:
        >>> score([], work_dir=Path("."))
        []
    """
    import pyarrow.parquet as pq

    from hf_mbdc.training.running import run_all
    from hf_mbdc.training.tasks import TASKS

    with tempfile.TemporaryDirectory(prefix="scoring-", dir=work_dir) as scratch:
        commands = {}
        for number, job in enumerate(jobs):
            place = Path(scratch) / str(number)
            place.mkdir()
            read = job.rows.select_columns(TASKS[job.task].columns_read(job.rows, "rows", labels=False))
            pq.write_table(read.with_format("arrow")[:], place / ROWS)
            commands[place] = [sys.executable, "-m", __name__, job.task, str(job.model_path), str(place)]
        run_all(commands, max_parallel, 0, on_progress or (lambda fraction: None))
        return [_read(place) for place in commands]


def _read(place: Path) -> Scored:
    import pyarrow.parquet as pq

    # Not mapped into memory: the file is about to go.
    return Scored(pq.read_table(place / PREDICTIONS), Cost(**json.loads((place / METRICS).read_text())))


def main(task: str, model: str, place: Path) -> None:
    """The half that runs in the process of one model."""
    started = time.monotonic()
    import pyarrow.parquet as pq

    from hf_mbdc.training.loop import make_accelerator
    from hf_mbdc.training.tasks import TASKS, look_up

    device = make_accelerator().device
    rows = pq.read_table(place / ROWS).to_pylist()  # an image stays the bytes of its file
    table, tokens = look_up(TASKS[task].predict)(model, rows, device)
    pq.write_table(table, place / PREDICTIONS)
    wall = time.monotonic() - started
    cost = {
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(time.process_time(), 3),
        "gpu_seconds": round(wall, 3) if device.type == "cuda" else 0.0,
        "model_calls": len(rows),
        "tokens": tokens,
    }
    (place / METRICS).write_text(json.dumps(cost))  # last: it says that everything is there


def predict_questions(model: str, rows: list[dict[str, Any]], device: Any) -> tuple[pa.Table, int]:
    """What an extractive target says of rows, each read alone, and the tokens that it read."""
    from hf_mbdc.targets import load_target
    from hf_mbdc.targets.encoding import encode_rows
    from hf_mbdc.training.predict import predict, prediction_table

    target = load_target(model)
    encoded = encode_rows(rows, target.encoder)
    predictions = [predict(target, [row], device)[0] for row in encoded]
    return prediction_table(rows, predictions), sum(len(window.offsets) for row in encoded for window in row.windows)


if __name__ == "__main__":
    watch_launcher()
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except MbdcError as error:
        tell_launcher(error)
        sys.exit(f"error: {error}")
