"""Word images a second of other generators, for `bench_rendering.py --peers`: these need older packages than ours.

    python -m venv peers
    peers/bin/pip install trdg synthtiger "setuptools<81" "pillow<10" "numpy<2" "opencv-python<4.11"
    python scripts/bench_rendering.py --peers peers/bin/python

Reads a list of words as JSON from stdin and prints what one way made of them a second of CPU time. TRDG draws each word
white or, augmented, on Gaussian noise, and then skewed, bent and blurred;
SynthTIGER gets the components that do what `Augmentation()` does. Neither makes files here, so that costs them nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from typing import Any


def draw_with_trdg(words: list[str], font: str, size: int, height: int, augmented: bool) -> int:
    from trdg.generators import GeneratorFromStrings  # type: ignore[import-not-found]

    changes: dict[str, Any] = {"background_type": 1}
    if augmented:
        changes = {"skewing_angle": 3, "random_skew": True, "blur": 1, "random_blur": True, "distorsion_type": 1}
    return sum(
        image is not None
        for image, _ in GeneratorFromStrings(words, count=len(words), fonts=[font], size=height, **changes)
    )


def draw_with_synthtiger(words: list[str], font: str, size: int, height: int, augmented: bool) -> int:
    from synthtiger import components, layers  # type: ignore[import-not-found]

    bent = [
        components.Skew(weights=(1, 0), angle=(-14, 14)),
        components.Rotate(angle=(-4, 4)),
        components.Perspective(percents=((0.9, 1.0),) * 4),
    ]
    worn = [components.GaussianBlur(sigma=(0, 0.8)), components.AdditiveGaussianNoise(scale=(0, 12))]
    made = 0
    for word in words:
        text = layers.TextLayer(word, path=font, size=size, color=(40, 20, 60, 255))
        paper = layers.RectLayer((text.size[0] + 6, height), (220, 210, 190, 255))
        paper.center = text.center
        for change in bent if augmented else ():
            change.apply([text])
        image = (text + paper).merge()
        for change in worn if augmented else ():
            change.apply([image])
        made += image.output(paper.bbox).shape[0] == height
    return made


WAYS: dict[str, Callable[[list[str], str, int, int, bool], int]] = {
    "trdg": draw_with_trdg,
    "synthtiger": draw_with_synthtiger,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("generator", choices=WAYS)
    parser.add_argument("--font", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--height", type=int, required=True)
    parser.add_argument("--augmented", action="store_true")
    flags = parser.parse_args()
    words = json.load(sys.stdin)
    draw = WAYS[flags.generator]
    draw(words[:5], flags.font, flags.size, flags.height, flags.augmented)
    began = time.process_time()
    made = draw(words, flags.font, flags.size, flags.height, flags.augmented)
    print(made / (time.process_time() - began))


if __name__ == "__main__":
    main()
