"""What the training scripts have in common: their flags, and all that comes after data and model are loaded."""

from __future__ import annotations

import argparse
import atexit
import dataclasses
import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import MbdcError
from hf_mbdc.training.child import tell_launcher, watch_launcher

if TYPE_CHECKING:
    from accelerate import Accelerator

    from hf_mbdc.training.clock import Clock
    from hf_mbdc.training.config import Settings
    from hf_mbdc.training.learner import Learner, Row
    from hf_mbdc.training.loop import TrainingState


def parse_flags(
    settings: type[Settings], description: str | None, arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    """The flags of a training script: data, output, and one for each field of its settings."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, help="folder or Hub id of the data")
    parser.add_argument("--output-dir", required=True, type=Path, help="where everything is written")
    parser.add_argument("--train-split", default="train", help="split to train on (default: train)")
    parser.add_argument("--predict-splits", nargs="*", default=[], help="splits to predict afterwards (default: none)")
    parser.add_argument("--data-revision", help="namespace/name@version of the data, for the model card")
    parser.add_argument(
        "--checkpoint-seconds",
        type=float,
        default=20.0,
        help="least time between checkpoints, which take 5 %% of it all at most (default: 20; 0: after every step)",
    )
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from the last checkpoint in the output folder (default: yes)",
    )
    settings.add_flags(parser)
    return parser.parse_args(arguments)


def prepare(output: Path) -> None:
    """Makes the output folder; before the imports that read the environment."""
    output.mkdir(parents=True, exist_ok=True)
    if not sys.stderr.isatty():
        for library in ("HUB", "DATASETS"):
            os.environ.setdefault(f"HF_{library}_DISABLE_PROGRESS_BARS", "1")


def train_and_predict(
    learner: Learner,
    rows: Sequence[Row],
    settings: Settings,
    flags: argparse.Namespace,
    accelerator: Accelerator,
    clock: Clock,
) -> None:
    """Trains, unless it is done, predicts, and writes card and metrics; `metrics.json` says that all is there.

    Args:
        learner: with the splits that are to be predicted.
        rows: encoded rows to train on.
        settings, flags: what `parse_flags` gave.
        accelerator: of this process.
        clock: started with the process.
    """
    from filelock import FileLock

    from hf_mbdc.training.model_card import render_model_card

    output: Path = flags.output_dir
    # A second process with the same output folder waits for the first.
    lock = FileLock(output / ".lock")
    if accelerator.is_main_process:
        lock.acquire()
    accelerator.wait_for_everyone()
    learner, metrics, state = _train(learner, rows, settings, flags, accelerator, clock)
    for split in flags.predict_splits:  # every process does its share
        table = learner.predict(split, accelerator)
        if accelerator.is_main_process:
            write_parquet(table, output / f"predictions-{split}.parquet")
    if accelerator.is_main_process:
        if state is not None:
            state.add_time(clock)
            gpus = accelerator.num_processes if accelerator.device.type == "cuda" else 0
            metrics = collect_metrics(state, rows, output, gpus) | learner.told(rows)
        card = render_model_card(
            dataclasses.asdict(settings), metrics, flags.data_revision, learner.model.config.model_type
        )
        _write_results(output, card, metrics)
        lock.release()
    accelerator.end_training()


def _train(
    learner: Learner,
    rows: Sequence[Row],
    settings: Settings,
    flags: argparse.Namespace,
    accelerator: Accelerator,
    clock: Clock,
) -> tuple[Learner, dict[str, Any], TrainingState | None]:
    """The trained learner, and the metrics or, where it was trained just now, the state that gives them."""
    from hf_mbdc.training.dynamics import FILE
    from hf_mbdc.training.loop import charset_of, train, training_identity
    from hf_mbdc.transforms.weights import weights_hash

    output: Path = flags.output_dir
    metrics = read_metrics(output) if flags.resume else {}
    first, charset = weights_hash(learner.model), charset_of(learner.model)
    identity = training_identity(first, rows, settings, accelerator.num_processes, charset)
    if metrics.get("identity") == identity:
        return learner.saved(output), metrics, None
    if accelerator.is_main_process:  # a kill from here on must not leave them beside other weights
        for stale in (output / "metrics.json", output / FILE, *output.glob("predictions-*.parquet")):
            stale.unlink(missing_ok=True)
    accelerator.wait_for_everyone()
    state = train(learner, rows, settings, accelerator, output, clock, resume=flags.resume)
    if accelerator.is_main_process:
        learner.save(output)
    accelerator.wait_for_everyone()
    return learner, {}, state


def _write_results(output: Path, card: str, metrics: dict[str, Any]) -> None:
    from hf_mbdc.training.loop import CHECKPOINT

    (output / "README.md").write_text(card, encoding="utf-8")
    write_atomically(output / "metrics.json", json.dumps(metrics, indent=2, sort_keys=True) + "\n")
    for left in output.glob(f"{CHECKPOINT}*"):  # a kill between two renames leaves an old or a new one, too
        shutil.rmtree(left, ignore_errors=True)


def read_metrics(output: Path) -> dict[str, Any]:
    """`metrics.json` of a training that was finished; empty where there is none."""
    path = output / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def collect_metrics(state: TrainingState, rows: Sequence[Row], output: Path, gpus: int) -> dict[str, Any]:
    """What `metrics.json` says of every training.

    Args:
        gpus: that were held, whether busy or not.
    """
    left_out = Counter(row.left_out for row in rows if row.left_out)
    weights = sorted(output.glob("*.safetensors"))
    return {
        "identity": state.identity,
        "first_weights_sha256": state.first_weights,
        "loss": state.epoch_losses[-1],
        "epoch_losses": state.epoch_losses,
        "wall_seconds": round(state.wall_seconds, 3),
        "cpu_seconds": round(state.cpu_seconds, 3),
        "gpu_seconds": round(gpus * state.wall_seconds, 3),
        "steps": state.step,
        "tokens": state.tokens,
        "rows_used": len(rows) - left_out.total(),
        "rows_left_out": dict(left_out),
        "weights_sha256": hashlib.sha256(b"".join(path.read_bytes() for path in weights)).hexdigest(),
    }


def write_parquet(table: Any, path: Path) -> None:
    """Writes a table; a kill leaves the old file or the new one."""
    import pyarrow.parquet as pq

    temporary = path.with_suffix(".tmp")
    pq.write_table(table, temporary)
    temporary.replace(path)


def write_atomically(path: Path, text: str) -> None:
    """Writes a text; a kill leaves the old file or the new one."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def run_script(main: Callable[[], None]) -> None:
    """Runs a script's `main`: an error is one line, and its launcher hears of it whole."""
    watch_launcher()
    try:
        main()
    except MbdcError as error:
        tell_launcher(error)
        sys.exit(f"error: {error}")
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        _leave()


def _leave() -> None:
    """Ends this process, one of several, after what is registered for its end, but without taking Python down.

    Gloo's threads live on after their process group wherever `DistributedDataParallel` has been used (PyTorch 2.13).
    One that releases a tensor while Python shuts down aborts the process, which fails the whole launch though all is
    written: once in 4 to 80 runs.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
