"""What the input of a training of `ctc_recogniser` costs beside the training itself.

    OMP_NUM_THREADS=1 python scripts/bench_training_input.py

Draws word images, and measures on them, in CPU seconds of one thread: decoding (once for all epochs, spread over them),
putting a batch together, and a whole step of the optimizer, for a small and a full charset. The bar: input ≤ 5 % of a
step. Rounds of input and of steps take turns; medians are printed. CPU time hardly depends on what else is running.
"""

from __future__ import annotations

import argparse
import statistics
import time
from typing import Any

BAR = 0.05


def parse_flags(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2000, help="word images (default: 2000)")
    parser.add_argument("--epochs", type=int, default=6, help="that decoding is spread over (default: 6)")
    parser.add_argument("--rounds", type=int, default=5, help="of 10 steps each (default: 5)")
    parser.add_argument("--augmented", action="store_true", help="colours, noise and distortion (default: plain)")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    flags = parse_flags(arguments)
    print(
        f"{'characters':>10} {'parameters':>10} {'decode ms':>10} {'batch ms':>9} {'step ms':>8} {'input / step':>12}"
    )
    for size in (300, 1400):
        decode, batch, step, parameters = measure(size, flags)
        share = (decode / flags.epochs + batch) / step
        told = f"{size:>10} {parameters:>10,} {decode:>10.4f} {batch:>9.4f} {step:>8.3f} {share:>12.1%}"
        print(f"{told}  {'ok' if share <= BAR else 'missed'}")
    print(f"an image each; decoding counts for one of {flags.epochs} epochs; a step holds its batch")


def measure(size: int, flags: argparse.Namespace) -> tuple[float, float, float, int]:
    """CPU milliseconds for an image: decoding, putting into a batch, a step; and the model's parameters."""
    import torch
    from accelerate.utils import set_seed

    from hf_mbdc.targets.recognition.ctc_recogniser import STRIDE
    from hf_mbdc.targets.recognition.images import stack_images
    from hf_mbdc.training.config import RecognitionConfig
    from hf_mbdc.training.data import read_images
    from hf_mbdc.training.order import epoch_batches
    from hf_mbdc.training.words import WordLearner, make_recogniser

    torch.set_num_threads(1)
    rows = read_images(draw_words(size, flags), "train", labels=True)
    config = RecognitionConfig()
    set_seed(0)
    target = make_recogniser(config, rows["text"])
    began = time.process_time()
    words = target.encode(rows, "train", labels=True)
    decode = (time.process_time() - began) / len(words)
    learner = WordLearner(target)
    optimizer = torch.optim.AdamW(target.model.parameters(), fused=True)
    batches = iter(epoch_batches(words, config.batch_size, seed=0, epoch=0))
    inputs, steps = [], []
    for _ in range(flags.rounds):
        some = [[words[n] for n in next(batches)] for _ in range(10)]
        images = sum(map(len, some))
        began = time.process_time()
        for part in some:
            torch.from_numpy(stack_images([word.pixels for word in part], [word.scale for word in part], STRIDE))
        inputs.append((time.process_time() - began) / images)
        began = time.process_time()
        for part in some:
            loss, _ = learner.loss(target.model, part, torch.device("cpu"), 0, 1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(target.model.parameters(), 1.0)
            optimizer.step()
        steps.append((time.process_time() - began) / images)
    parameters = sum(weights.numel() for weights in target.model.parameters())
    return 1e3 * decode, 1e3 * statistics.median(inputs), 1e3 * statistics.median(steps), parameters


def draw_words(size: int, flags: argparse.Namespace) -> Any:
    """Words of 2 to 6 of so many Hangul syllables, as images."""
    import numpy as np
    from datasets import Dataset
    from datasets.utils import disable_progress_bars

    import hf_mbdc

    disable_progress_bars()
    draw = np.random.default_rng(0)
    syllables = [chr(0xAC00 + int(n)) for n in draw.choice(11172, size, replace=False)]
    lengths = draw.integers(2, 7, flags.images)
    texts = ["".join(draw.choice(syllables, length)) for length in lengths]
    ids = [str(n) for n in range(flags.images)]
    augmentation = hf_mbdc.Augmentation() if flags.augmented else None
    return hf_mbdc.render(
        Dataset.from_dict({"id": ids, "text": texts}), hf_mbdc.RenderOptions(augmentation=augmentation)
    )


if __name__ == "__main__":
    main()
