"""Word images a second on one core: cached glyphs beside a loop over Pillow, plain and augmented, in the same run.

    taskset -c 0 python scripts/bench_rendering.py --data ../shared/data

Hangul words as Korean subtitles have them, 32 pixels high, in Noto Sans KR. Times are CPU time, medians of interleaved
rounds. The Pillow loops make the same pictures in the way that most generators do: one word after the other, drawn by
`ImageDraw.text`, changed by `Image.transform`, `ImageFilter` and numpy, saved as PNG (and a tenth as JPEG). Other
generators need an environment of their own, see `bench_rendering_peers.py`; with `--peers` they are measured, too.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

import numpy as np
from datasets import Dataset, disable_caching
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from hf_mbdc.rendering.augmenting import Augmentation
from hf_mbdc.rendering.composing import compose, layout
from hf_mbdc.rendering.drawing import Drawer
from hf_mbdc.rendering.fonts import find_fonts
from hf_mbdc.rendering.glyphs import Glyphs, SetFont, fit
from hf_mbdc.rendering.placing import place_in_line
from hf_mbdc.synthesis.rendering import RenderOptions, render
from hf_mbdc.transforms.characters import code_points
from hf_mbdc.transforms.draws import row_keys

HEIGHT, MARGIN, BATCH = 32, 3, 5000
FEW = 200  # words for the slow ones
FONT = find_fonts(["packaged"])[0]
SIZE, BASELINE = fit(FONT, HEIGHT, MARGIN)
PILLOW = ImageFont.truetype(str(FONT.path), SIZE, layout_engine=ImageFont.Layout.BASIC)


def read_words(folder: Path, count: int) -> list[str]:
    """The most frequent words that are Hangul alone."""
    lines = (folder / "freqwords" / "ko_50k.txt").read_text(encoding="utf-8").splitlines()
    words = [line.split()[0] for line in lines]
    return [word for word in words if all("가" <= character <= "힣" for character in word)][:count]


class Plain:
    """Arrays of pixels from cached glyphs; the cache lives on from round to round, as from batch to batch."""

    def __init__(self) -> None:
        self.glyphs = Glyphs(HEIGHT)
        self.font = SetFont(FONT, SIZE, BASELINE, self.glyphs)

    def __call__(self, words: list[str]) -> int:
        made = 0
        for start in range(0, len(words), BATCH):
            part = words[start : start + BATCH]
            lengths = np.fromiter(map(len, part), dtype=np.int64, count=len(part))
            placed, _ = place_in_line(code_points("".join(part)), lengths, self.font)
            made += sum(len(images.ink) for images in compose(placed, *layout(placed, MARGIN), self.glyphs))
        return made


class Files:
    """Image files, boxes and font names of batches of 1,000, without a dataset around them."""

    def __init__(self, augmentation: Augmentation | None) -> None:
        self.drawer = Drawer((str(FONT.path),), HEIGHT, augmentation)

    def __call__(self, words: list[str]) -> int:
        for start in range(0, len(words), 1000):
            part = words[start : start + 1000]
            self.drawer.draw(part, row_keys(part, 0))
        return len(words)


def into_column(augmentation: Augmentation | None) -> Callable[[list[str]], int]:
    """The whole call: a dataset with an `Image` column."""
    options = RenderOptions(fonts=(str(FONT.path),), height=HEIGHT, augmentation=augmentation)

    def run(words: list[str]) -> int:
        ds = Dataset.from_dict({"id": [str(i) for i in range(len(words))], "text": words})
        return len(render(ds, options))

    return run


def draw_with_pillow(word: str) -> Image.Image:
    width = round(PILLOW.getlength(word)) + 2 * MARGIN
    image = Image.new("L", (width, HEIGHT), 255)
    ImageDraw.Draw(image).text((MARGIN, BASELINE), word, font=PILLOW, fill=0, anchor="ls")
    return image


def pillow_arrays(words: list[str]) -> int:
    return sum(np.asarray(draw_with_pillow(word)).shape[0] > 0 for word in words)


def pillow_files(words: list[str]) -> int:
    for word in words:
        draw_with_pillow(word).save(io.BytesIO(), "PNG")
    return len(words)


def pillow_augmented(words: list[str]) -> int:
    """Perspective, blur, texture, noise, colours, and a file, as `Augmentation()` makes them."""
    random = np.random.default_rng(0)
    for word in words:
        image = ImageOps.invert(draw_with_pillow(word))
        a, b, c, d = random.uniform(-0.1, 0.1, 4)
        coefficients = (1 + a, b, 0, c / 5, 1 + d, 0, a / 500, b / 500)
        image = image.transform(image.size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR)
        image = image.filter(ImageFilter.GaussianBlur(random.uniform(0, 0.8)))
        pixels = np.asarray(image, dtype=np.float32) * 0.7 + 40
        coarse = Image.fromarray(random.integers(0, 40, (3, 8), dtype=np.uint8))
        pixels += np.asarray(coarse.resize(image.size, Image.Resampling.BILINEAR))
        pixels += random.normal(0, random.uniform(0, 12), pixels.shape)
        image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
        paper, ink = (tuple(random.integers(*ends, 3).tolist()) for ends in ((160, 256), (0, 96)))
        colored = ImageOps.colorize(image, black=paper, white=ink)
        kind = "JPEG" if random.uniform() < 0.1 else "PNG"
        colored.save(io.BytesIO(), kind)
    return len(words)


def other_generator(python: Path, name: str, augmented: bool) -> Callable[[list[str]], float]:
    """How many words a second another generator draws, with the interpreter of its environment."""
    script = Path(__file__).with_name("bench_rendering_peers.py")
    flags = ["--font", str(FONT.path), "--size", str(SIZE), "--height", str(HEIGHT), *["--augmented"][: int(augmented)]]

    def run(words: list[str]) -> float:
        call = [str(python), "-W", "ignore", str(script), name, *flags]
        said = subprocess.run(call, input=json.dumps(words), capture_output=True, text=True, check=False)
        if said.returncode:
            raise SystemExit(f"{name} does not run in {python}:\n{said.stderr}")
        return float(said.stdout.split()[-1])

    return run


def measure(
    ways: dict[str, tuple[Callable[[list[str]], int], int]],
    others: dict[str, Callable[[list[str]], float]],
    words: list[str],
    rounds: int,
) -> dict[str, float]:
    """Words a second of CPU time for each way: its function, and how many words it gets a round; others get a few."""
    speeds: dict[str, list[float]] = {name: [] for name in (*ways, *others)}
    for name, (way, _) in ways.items():
        way(words[:200] if "glyph" not in name else words)  # fills caches
    for _ in range(rounds):
        for name, (way, count) in ways.items():
            part = words[:count]
            began = time.process_time()
            assert way(part) == len(part)
            speeds[name].append(len(part) / (time.process_time() - began))
        for name, other in others.items():
            speeds[name].append(other(words[:FEW]))
    return {name: statistics.median(found) for name, found in speeds.items()}


def main() -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with freqwords")
    parser.add_argument("--words", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", type=Path, help="interpreter of an environment with trdg and synthtiger")
    flags = parser.parse_args()
    disable_caching()
    words = read_words(flags.data, flags.words)
    few = max(1, len(words) // 20)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {len(words):,} words in {FONT.name}, {SIZE} px")
    augmentation = Augmentation()
    ways: dict[str, tuple[Callable[[list[str]], int], int]] = {
        "plain, arrays: Pillow": (pillow_arrays, few),
        "plain, arrays: cached glyphs": (Plain(), len(words)),
        "plain, files: Pillow": (pillow_files, few),
        "plain, files: cached glyphs": (Files(None), len(words)),
        "plain, Image column: cached glyphs": (into_column(None), len(words)),
        "augmented, files: Pillow": (pillow_augmented, few),
        "augmented, files: cached glyphs": (Files(augmentation), len(words) // 4),
        "augmented, Image column: cached glyphs": (into_column(augmentation), len(words) // 4),
    }
    others = {
        f"{'augmented' if augmented else 'plain'}, arrays: {name}": other_generator(flags.peers, name, augmented)
        for augmented in (False, True)
        for name in (("trdg", "synthtiger") if flags.peers else ())
    }
    speeds = measure(ways, others, words, flags.rounds)
    print(f"{'':42}{'images/s':>12}{'times Pillow':>14}")
    for name, speed in speeds.items():
        kind = name.split(",")[0]
        base = speeds[f"{kind}, {'arrays' if 'arrays' in name and kind == 'plain' else 'files'}: Pillow"]
        print(f"{name:42}{speed:>12,.0f}{speed / base:>14.2f}")


if __name__ == "__main__":
    main()
