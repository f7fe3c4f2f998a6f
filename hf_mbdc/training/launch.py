"""Many trainings side by side: one process and one thread each, cached by content, resumed after a kill."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import TrainingError
from hf_mbdc.records import Cost
from hf_mbdc.revisions.disk import sha256
from hf_mbdc.training.checks import check_max_parallel, check_work_dir
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.model_card import PACKAGE, model_name, shipped
from hf_mbdc.training.running import is_done, run_all
from hf_mbdc.training.tasks import TASKS, Task, look_up

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from hf_mbdc.training.config import Settings

TRAIN_SPLIT = "train"


@dataclass(frozen=True)
class TrainingJob:
    """One training, and the splits that are predicted with its model.

    Args:
        train: annotated rows.
        predict: name → rows with the columns of a loader; `candidates` are scored where there are some.
        config: settings of the training; their class says what kind of target it is.
        data_revision: `namespace/name@version`, for the model card.
    """

    train: Dataset
    predict: Mapping[str, Dataset] = field(default_factory=dict)
    config: Settings = field(default_factory=TrainingConfig)
    data_revision: str | None = None

    @property
    def task(self) -> Task:
        """What kind of target is trained."""
        return TASKS[self.config.task]


@dataclass(frozen=True)
class TrainingResult:
    """What a job left.

    Args:
        model_id: the target's name and the first 12 digits of the SHA-256 of its weights, `layout_span@…`.
        model_path: folder that `from_pretrained` reads, with README.md.
        predictions: of each predicted split, see `hf_mbdc.training.predict.prediction_table`.
        metrics: what is in `metrics.json`.
        cost: of this training, whether it ran now or at an earlier call; a model call is one predicted row.
        cached: whether it was there already.
    """

    model_id: str
    model_path: Path
    predictions: dict[str, pa.Table]
    metrics: dict[str, Any]
    cost: Cost
    cached: bool


def launch(
    jobs: Sequence[TrainingJob],
    *,
    work_dir: str | Path,
    max_parallel: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> list[TrainingResult]:
    """Runs trainings in processes of their own; the results are in the order of `jobs`.

    Everything lies in `work_dir` under a hash of rows, settings and code: what was trained before costs nothing, what
    was killed goes on from its last checkpoint. On CPUs of one type the results do not depend on `max_parallel` or on
    the number of cores; on GPUs, kernels that add up in any order can make them differ in the last digits. No training
    outlives this process.

    Args:
        jobs: equal jobs run once.
        work_dir: made where it is missing; kept between calls.
        max_parallel: trainings at the same time; default one for each usable core.
        on_progress: called with the share of the work done, 0 to 1: the mean of the jobs' shares of their steps.

    Raises:
        DataError: a job's rows lack a column.
        RecipeError: `max_parallel` is no number of at least 1.
        TrainingError: there is no such model, or `work_dir` cannot be written; or a training failed (with what it said
            itself): the others are stopped, and go on from where they were at the next call.

    Example:
        >>> import tempfile
        >>> launch([], work_dir=tempfile.mkdtemp())
        []
    """
    check_max_parallel(max_parallel)
    root = check_work_dir(work_dir)
    hashes: dict[int, str] = {}
    places = [_place(job, root, hashes) for job in jobs]
    todo = {place: job for place, job in zip(places, jobs, strict=True) if not is_done(place)}
    for task, model in {(job.config.task, job.config.model): None for job in todo.values()}:
        look_up(TASKS[task].check_model)(model)
    for place, job in todo.items():
        place.mkdir(parents=True, exist_ok=True)
        _write_data(job, root / "data" / _data_key(job, hashes))
    commands = {place: _command(job, root / "data" / _data_key(job, hashes), place) for place, job in todo.items()}
    done_before = len(set(places)) - len(todo)
    run_all(commands, max_parallel, done_before, on_progress or (lambda fraction: None))
    return [_result(place, job, cached=place not in todo) for place, job in zip(places, jobs, strict=True)]


# --- what a job is: its rows, settings and code as a name ---


def _splits(job: TrainingJob) -> dict[str, Dataset]:
    """The rows with the columns that are read, so that nothing else changes the hash or is written."""
    if TRAIN_SPLIT in job.predict:
        raise TrainingError("A predicted split cannot be called 'train'", mend="Give it another name.")
    read = job.task.columns_read
    train = job.train.select_columns(read(job.train, TRAIN_SPLIT, labels=True))
    predict = {name: rows.select_columns(read(rows, name, labels=False)) for name, rows in sorted(job.predict.items())}
    return {TRAIN_SPLIT: train, **predict}


def _data_key(job: TrainingJob, hashes: dict[int, str]) -> str:
    """Of all splits; `hashes` keeps those of datasets that several jobs share."""
    from hf_mbdc.revisions.content_hash import content_hash

    parts = {}
    for name, given in ((TRAIN_SPLIT, job.train), *sorted(job.predict.items())):
        key = id(given) * 2 + (name == TRAIN_SPLIT)
        if key not in hashes:
            hashes[key] = content_hash(_splits(job)[name])
        parts[name] = hashes[key]
    return short_hash(parts)


def _place(job: TrainingJob, root: Path, hashes: dict[int, str]) -> Path:
    code = code_hash(job.config.task)
    return root / short_hash([_data_key(job, hashes), settings_of(job.config), job.data_revision, code])


def settings_of(config: Settings) -> dict[str, object]:
    """The settings as data, with a checkpoint's folder by its content: other weights may lie at the same path."""
    folder = Path(config.model)
    if config.model == TASKS[config.task].new_model or not folder.is_dir():
        return dataclasses.asdict(config)
    files = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.is_file()}
    return dataclasses.asdict(config) | {"model": files}


def short_hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:20]


@functools.cache
def code_hash(task: str) -> str:
    """Of everything that decides what a training gives: our code, and the versions of what it stands on.

    Args:
        task: a name in `TASKS`.
    """
    files = (*TASKS[task].sources(PACKAGE), shipped("scripts", TASKS[task].script))
    sources = [code_only(path.read_text(encoding="utf-8")) for path in files]
    packages = ("torch", "transformers", "accelerate", *TASKS[task].packages)
    return short_hash([sources, [_version(name) for name in packages]])


def _version(package: str) -> str:
    """ "" where it is not installed: `check_model` says what a training needs."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def code_only(source: str) -> str:
    """The code without comments, docstrings and layout, which change no result.

    Example:
        >>> code_only("'Adds.'; x = 1  # one") == code_only("x  =  1")
        True
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if (
            isinstance(body, list)
            and body
            and isinstance(body[0], ast.Expr)
            and isinstance(body[0].value, ast.Constant)
        ):
            del body[0]
    return ast.dump(tree)


def _write_data(job: TrainingJob, folder: Path) -> None:
    from datasets import Dataset, DatasetDict
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if folder.is_dir():
        return
    # Through an Arrow table: writing a dataset with an indices mapping row by row is 25 times slower.
    splits = {name: Dataset(rows.with_format("arrow")[:]) for name, rows in _splits(job).items()}
    folder.parent.mkdir(parents=True, exist_ok=True)
    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        try:
            DatasetDict(splits).save_to_disk(f"{scratch}/data")
            Path(f"{scratch}/data").rename(folder)
        except OSError:
            if not folder.is_dir():  # else another launch was faster, with the same rows
                raise
        finally:
            if shown:
                enable_progress_bars()


# --- running ---


def _command(job: TrainingJob, data: Path, place: Path) -> list[str]:
    command = [
        sys.executable,
        str(shipped("scripts", job.task.script)),
        "--dataset",
        str(data),
        "--output-dir",
        str(place),
    ]
    command += ["--train-split", TRAIN_SPLIT, "--predict-splits", *job.predict, *job.config.as_flags()]
    return command + (["--data-revision", job.data_revision] if job.data_revision else [])


def _result(place: Path, job: TrainingJob, *, cached: bool) -> TrainingResult:
    import pyarrow.parquet as pq

    metrics = json.loads((place / "metrics.json").read_text())
    predictions = {split: pq.read_table(place / f"predictions-{split}.parquet") for split in job.predict}
    calls = sum(table.num_rows for table in predictions.values())
    return TrainingResult(
        model_id=f"{model_name(job.config.model)}@{metrics['weights_sha256'][:12]}",
        model_path=place,
        predictions=predictions,
        metrics=metrics,
        cost=Cost(
            metrics["wall_seconds"],
            metrics["cpu_seconds"],
            model_calls=calls,
            tokens=metrics["tokens"],
            gpu_seconds=metrics.get("gpu_seconds", 0.0),
        ),
        cached=cached,
    )
