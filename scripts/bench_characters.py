"""How fast are characters counted and their columns made, beside reading the bytes once and a loop over a Counter?

    python scripts/bench_characters.py --data ../shared/data --words 10000000 --rounds 5

Words of `freqwords/ko_50k.txt` are drawn as often as they occur, into one Arrow array. In rounds, one after the other:

- `read`: the sum of the text buffer's bytes as numpy gives it, one pass; `read, 64-bit` is that of the same buffer as
  64-bit numbers, the least that a pass takes. Beside `read`, decoding and counting with numpy takes some 10 times as
  long, beside `read, 64-bit` some 60 times: say which one a ratio is of;
- `count`: `count_code_points`; `count, normalised` is `count_characters` (what `TextRecognition` does), `count, mixed`
  on as many words of which every tenth has other scripts, marks and emoji;
- `decode + bincount`: the whole buffer decoded, encoded as UTF-32 and counted;
- `Counter`: `counter.update(text)` for every text, on a part of the words, scaled up;
- `columns`: `TextRecognition.transform_arrow` in batches of 1,000 and of 10,000 rows.

Printed are medians of the processor time of this process, which other work on the machine disturbs less than the clock.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from hf_mbdc.approaches.text_recognition import TextRecognition
from hf_mbdc.transforms.character_frequencies import count_characters
from hf_mbdc.transforms.character_histogram import CODE_POINTS, count_code_points, text_bytes

_PART = 200_000  # words of a Counter's and the columns' round
_OTHERS = ("日本語", "naïve", "e\u0301", "👩\u200d👩\u200d👧", "слово", "…", "שלום", "नमस्ते")


def draw_words(data: Path, count: int, *, mixed: bool = False) -> pa.Array:
    """Words as often as they occur; mixed: every tenth is another script's."""
    lines = (data / "freqwords" / "ko_50k.txt").read_text(encoding="utf-8").splitlines()
    words, counts = zip(*(line.rsplit(" ", 1) for line in lines), strict=True)
    weights = np.array(counts, np.float64)
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(words), count, p=weights / weights.sum())
    if mixed:
        chosen[::10] = len(words) + rng.integers(0, len(_OTHERS), len(chosen[::10]))
    return pa.array([*words, *_OTHERS]).take(pa.array(chosen))


def by_decoding(data: np.ndarray) -> np.ndarray:
    """The peer that the bar names."""
    codes = np.frombuffer(data.tobytes().decode().encode("utf-32-le"), np.uint32)
    return np.bincount(codes, minlength=CODE_POINTS)


def by_counter(texts: list[str]) -> Counter[str]:
    """What most notebooks do."""
    counter: Counter[str] = Counter()
    for text in texts:
        counter.update(text)
    return counter


def make_columns(approach: TextRecognition, texts: pa.Array, rows: int) -> None:
    """All columns, batch by batch."""
    for begin in range(0, len(texts), rows):
        approach.transform_arrow({"text": texts.slice(begin, rows)})


def seconds_of(function: Callable[[], object]) -> float:
    """Processor time of one call."""
    began = time.process_time()
    function()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with freqwords")
    parser.add_argument("--words", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    pa.set_cpu_count(1)

    words, mixed = draw_words(flags.data, flags.words), draw_words(flags.data, flags.words, mixed=True)
    data = text_bytes(words)
    numbers = data[: len(data) // 8 * 8].view(np.uint64)
    part = words.slice(0, min(_PART, len(words)))
    texts, scale = part.to_pylist(), len(words) / len(part)
    approach = TextRecognition(frequencies=count_characters([words]))
    assert (by_decoding(data) == count_code_points(words)).all(), "two ways of counting disagree"
    cases: dict[str, tuple[Callable[[], object], float]] = {
        "read": (data.sum, 1),
        "read, 64-bit": (numbers.sum, 1),
        "count": (lambda: count_code_points(words), 1),
        "count, normalised": (lambda: count_characters([words]), 1),
        "count, mixed": (lambda: count_code_points(mixed), 1),
        "decode + bincount": (lambda: by_decoding(data), 1),
        "Counter": (lambda: by_counter(texts), scale),
        "columns, 1,000 rows": (lambda: make_columns(approach, part, 1000), scale),
        "columns, 10,000 rows": (lambda: make_columns(approach, part, 10_000), scale),
    }
    found: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(flags.rounds):
        for name, (function, factor) in cases.items():
            found[name].append(seconds_of(function) * factor)
    middle = {name: statistics.median(times) for name, times in found.items()}
    print(f"{len(words):,} words, {len(data):,} bytes, load {os.getloadavg()[0]:.0f}")
    print(f"{'':<22}{'CPU s':>9}{'least':>9}{'x read':>9}{'x 64-bit':>10}{'Counter x':>11}{'M words/s':>11}")
    for name, seconds in middle.items():
        reads = f"{seconds / middle['read']:>9.1f}{seconds / middle['read, 64-bit']:>10.1f}"
        ratios = f"{reads}{middle['Counter'] / seconds:>11.1f}{len(words) / seconds / 1e6:>11.2f}"
        print(f"{name:<22}{seconds:>9.4f}{min(found[name]):>9.4f}{ratios}")


if __name__ == "__main__":
    main()
