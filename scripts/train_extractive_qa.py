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

from hf_mbdc.training.clock import Clock
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.script import parse_flags, prepare, run_script, train_and_predict


def main(arguments: list[str] | None = None) -> None:
    flags = parse_flags(TrainingConfig, __doc__, arguments)
    clock = Clock(flags.checkpoint_seconds)
    config = TrainingConfig.from_flags(flags)
    prepare(flags.output_dir)

    # Imported here, so that --help and a wrong flag answer at once.
    from accelerate.utils import set_seed

    from hf_mbdc.targets import load_target
    from hf_mbdc.targets.encoding import encode_rows
    from hf_mbdc.training.data import read_dataset, read_rows, split_of
    from hf_mbdc.training.loop import make_accelerator
    from hf_mbdc.training.spans import SpanLearner

    # 1. Data
    accelerator = make_accelerator()
    dataset = read_dataset(flags.dataset)
    rows = read_rows(split_of(dataset, flags.train_split), flags.train_split, labels=True)
    to_predict = {name: read_rows(split_of(dataset, name), name, labels=False) for name in flags.predict_splits}

    # 2. Model; set_seed makes new weights, dropout and everything else depend on the seed alone
    set_seed(config.seed)
    target = load_target(config.model)
    encoded = encode_rows(rows, target.encoder)

    # 3. Training, predictions, card and metrics
    train_and_predict(SpanLearner(target, config, to_predict), encoded, config, flags, accelerator, clock)


if __name__ == "__main__":
    run_script(main)
