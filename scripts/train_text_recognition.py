"""Trains a text recogniser on word images and reads other splits with it.

    python scripts/train_text_recognition.py --dataset DATA --output-dir OUT --predict-splits test
    torchrun --nproc_per_node 2 scripts/train_text_recognition.py --dataset DATA --output-dir OUT
    accelerate launch scripts/train_text_recognition.py --dataset DATA --output-dir OUT \\
        --model microsoft/trocr-small-printed

DATA is a folder written by `save_to_disk` or anything that `load_dataset` reads, with `id`, `image` and `text`. OUT
gets the model (`from_pretrained` reads it), its README.md, `metrics.json`, `dynamics.parquet` (what it made of each
training row in each epoch) and `predictions-<split>.parquet`. A run that was killed goes on from its last checkpoint
when the same command is given again, and ends with the same weights; one that was finished only predicts. `--epochs`,
`--batch-size` and so on are the fields of `RecognitionConfig`; rows per step are per process, as in every accelerate
script. `tokens` in `metrics.json` are columns of the model's output (pixels of width for a checkpoint).
"""

from __future__ import annotations

from hf_mbdc.training.clock import Clock
from hf_mbdc.training.config import RecognitionConfig
from hf_mbdc.training.script import parse_flags, prepare, run_script, train_and_predict


def main(arguments: list[str] | None = None) -> None:
    flags = parse_flags(RecognitionConfig, __doc__, arguments)
    clock = Clock(flags.checkpoint_seconds)
    config = RecognitionConfig.from_flags(flags)
    prepare(flags.output_dir)

    # Imported here, so that --help and a wrong flag answer at once.
    from accelerate.utils import set_seed

    from hf_mbdc.training.data import read_dataset, read_images, split_of
    from hf_mbdc.training.loop import make_accelerator
    from hf_mbdc.training.words import WordLearner, make_recogniser

    # 1. Data
    accelerator = make_accelerator()
    dataset = read_dataset(flags.dataset)
    rows = read_images(split_of(dataset, flags.train_split), flags.train_split, labels=True)
    to_read = {name: read_images(split_of(dataset, name), name, labels=False) for name in flags.predict_splits}

    # 2. Model; set_seed makes new weights and everything else depend on the seed alone. Images are decoded once
    set_seed(config.seed)
    target = make_recogniser(config, rows["text"])
    words = target.encode(rows, flags.train_split, labels=True)
    to_predict = {name: target.encode(images, name, labels=False) for name, images in to_read.items()}

    # 3. Training, predictions, card and metrics
    train_and_predict(WordLearner(target, to_predict), words, config, flags, accelerator, clock)


if __name__ == "__main__":
    run_script(main)
