"""Trains a target model for extractive question answering and predicts other splits with it.

    python scripts/train_extractive_qa.py --dataset DATA --output-dir OUT --predict-splits test
    torchrun --nproc_per_node 2 scripts/train_extractive_qa.py --dataset DATA --output-dir OUT
    accelerate launch scripts/train_extractive_qa.py --dataset DATA --output-dir OUT --model bert-base-uncased

DATA is a folder written by `save_to_disk` or anything that `load_dataset` reads, with the columns of a loader and of
`hf_mbdc.annotate`. OUT gets the model (`from_pretrained` reads it), its README.md, `metrics.json`, `dynamics.parquet`
(what it made of each training row in each epoch) and `predictions-<split>.parquet`. A run that was killed goes on from
its last checkpoint when the same command is given again, and ends with the same weights; one that was finished only
predicts. `--epochs`, `--batch-size` and so on are the fields of `TrainingConfig`; rows per step are per process, as in
every accelerate script.
"""

from __future__ import annotations

import argparse
import dataclasses
import hashlib
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import MbdcError
from hf_mbdc.training.child import tell_launcher, watch_launcher
from hf_mbdc.training.clock import Clock
from hf_mbdc.training.config import TrainingConfig

if TYPE_CHECKING:
    from hf_mbdc.targets.encoding import EncodedRow
    from hf_mbdc.training.loop import TrainingState


def parse_flags(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", required=True, help="folder or Hub id of the data")
    parser.add_argument("--output-dir", required=True, type=Path, help="where everything is written")
    parser.add_argument("--train-split", default="train", help="split to train on (default: train)")
    parser.add_argument("--predict-splits", nargs="*", default=[], help="splits to predict afterwards (default: none)")
    parser.add_argument("--data-revision", help="namespace/name@version of the data, for the model card")
    parser.add_argument("--checkpoint-seconds", type=float, default=20.0, help="time between checkpoints (default: 20)")
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on from the last checkpoint in the output folder (default: yes)",
    )
    TrainingConfig.add_flags(parser)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    flags = parse_flags(arguments)
    clock = Clock(flags.checkpoint_seconds)
    config = TrainingConfig.from_flags(flags)
    output: Path = flags.output_dir
    output.mkdir(parents=True, exist_ok=True)
    if not sys.stderr.isatty():  # before the imports that read it
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

    # Imported here, so that --help and a wrong flag answer at once.
    from accelerate.utils import set_seed
    from filelock import FileLock

    from hf_mbdc.targets import load_target
    from hf_mbdc.targets.encoding import encode_rows
    from hf_mbdc.training.data import read_dataset, read_rows, split_of
    from hf_mbdc.training.dynamics import FILE
    from hf_mbdc.training.loop import CHECKPOINT, make_accelerator, train, training_identity, weights_hash
    from hf_mbdc.training.model_card import render_model_card
    from hf_mbdc.training.predict import predict_rows

    # 1. Data
    accelerator = make_accelerator()
    dataset = read_dataset(flags.dataset)
    rows = read_rows(split_of(dataset, flags.train_split), flags.train_split, labels=True)
    to_predict = {name: read_rows(split_of(dataset, name), name, labels=False) for name in flags.predict_splits}

    # 2. Model; set_seed makes new weights, dropout and everything else depend on the seed alone
    set_seed(config.seed)
    target = load_target(config.model)
    encoded = encode_rows(rows, target.encoder)

    # 3. Training, unless it is done; a second process with the same output folder waits for the first
    lock = FileLock(output / ".lock")
    if accelerator.is_main_process:
        lock.acquire()
    accelerator.wait_for_everyone()
    metrics = read_metrics(output) if flags.resume else {}
    identity = training_identity(weights_hash(target.model), encoded, config, accelerator.num_processes)
    if metrics.get("identity") == identity:
        target, state = load_target(str(output)), None
    else:
        if accelerator.is_main_process:  # a kill from here on must not leave them beside other weights
            for stale in (output / "metrics.json", output / FILE, *output.glob("predictions-*.parquet")):
                stale.unlink(missing_ok=True)
        accelerator.wait_for_everyone()
        state = train(
            target,
            encoded,
            config,
            accelerator,
            output,
            clock,
            resume=flags.resume,
        )
        if accelerator.is_main_process:
            target.save(output)
        accelerator.wait_for_everyone()

    # 4. Predictions; every process does its share
    for name, split_rows in to_predict.items():
        table = predict_rows(target, split_rows, accelerator)
        if accelerator.is_main_process:
            write_parquet(table, output / f"predictions-{name}.parquet")

    # 5. Card and metrics; metrics.json comes last and says that everything is there
    if accelerator.is_main_process:
        if state is not None:
            state.add_time(clock)
            gpus = accelerator.num_processes if accelerator.device.type == "cuda" else 0
            metrics = collect_metrics(state, encoded, output, gpus)
        card = render_model_card(dataclasses.asdict(config), metrics, flags.data_revision)
        (output / "README.md").write_text(card, encoding="utf-8")
        write_atomically(output / "metrics.json", json.dumps(metrics, indent=2, sort_keys=True) + "\n")
        for left in output.glob(f"{CHECKPOINT}*"):  # a kill between two renames leaves an old or a new one, too
            shutil.rmtree(left, ignore_errors=True)
        lock.release()
    accelerator.end_training()


def read_metrics(output: Path) -> dict[str, Any]:
    path = output / "metrics.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def collect_metrics(state: TrainingState, encoded: list[EncodedRow], output: Path, gpus: int) -> dict[str, Any]:
    left_out = Counter(row.left_out for row in encoded if row.left_out)
    weights = sorted(output.glob("*.safetensors"))
    return {
        "identity": state.identity,
        "first_weights_sha256": state.first_weights,
        "loss": state.epoch_losses[-1],
        "epoch_losses": state.epoch_losses,
        "wall_seconds": round(state.wall_seconds, 3),
        "cpu_seconds": round(state.cpu_seconds, 3),
        "gpu_seconds": round(gpus * state.wall_seconds, 3),  # held, whether busy or not
        "steps": state.step,
        "tokens": state.tokens,
        "rows_used": len(encoded) - left_out.total(),
        "rows_left_out": dict(left_out),
        "rows_widened": sum(row.widened for row in encoded),  # the answer ends inside a token: all of it is the label
        "weights_sha256": hashlib.sha256(b"".join(path.read_bytes() for path in weights)).hexdigest(),
    }


def write_parquet(table: Any, path: Path) -> None:
    import pyarrow.parquet as pq

    temporary = path.with_suffix(".tmp")
    pq.write_table(table, temporary)
    temporary.replace(path)


def write_atomically(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


if __name__ == "__main__":
    watch_launcher()
    try:
        main()
    except MbdcError as error:
        tell_launcher(error)
        sys.exit(f"error: {error}")
