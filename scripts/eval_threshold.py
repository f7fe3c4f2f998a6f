"""Which `max_distance`? Draws what each one finds, and what it finds that is not there.

    python scripts/eval_threshold.py --data ../shared/data --plot threshold.png

On the noisy pages of `bench_spans.py` (its answers, its unanswerable questions; other seeds) every `max_distance` from
0 to 0.5 has, per noise, a recall: the share of answers whose words are found exactly; and a false-match rate: the share
of unanswerable questions that find something. Picked is the largest one whose false-match rate, over all noises
together, is at most `--false`: recall only grows with it, and one wrong label costs a model more than one missing row.
The default in `transforms.locate` is the one picked by the defaults of this script.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))  # a neighbour of this script, not a package

from bench_spans import NOISES, Page, Span, make_pages, rates, read_paragraphs

from hf_mbdc.transforms.boxes import word_range
from hf_mbdc.transforms.locate import MAX_DISTANCE, SearchText, locate

GRID = [number / 100 for number in range(0, 51, 5)] + [0.32, 0.34, 0.36, 0.38]


def found_words(page: Page, text: SearchText, max_distance: float) -> list[Span | None]:
    """The words of the best occurrence of every answer of a page."""
    found: list[Span | None] = []
    for answer, _ in page.questions:
        best = max(locate(text, [answer], max_distance=max_distance), key=lambda o: o.score, default=None)
        found.append(word_range(page.offsets, best.start, best.end) if best else None)
    return found


def measure(pages: Sequence[Page], grid: Sequence[float]) -> dict[float, tuple[float, float]]:
    """Recall and false-match rate of every `max_distance`; each page is prepared once."""
    texts = [SearchText(page.context) for page in pages]
    return {d: rates(pages, [found_words(p, t, d) for p, t in zip(pages, texts, strict=True)]) for d in grid}


def pick(curves: dict[float, dict[float, tuple[float, float]]], grid: Sequence[float], most_false: float) -> float:
    """The largest `max_distance` whose mean false-match rate is at most `most_false`; 0 where none is."""
    means = {d: sum(curve[d][1] for curve in curves.values()) / len(curves) for d in grid}
    return max((d for d in grid if means[d] <= most_false), default=0.0)


def draw(
    curves: dict[float, dict[float, tuple[float, float]]], grid: Sequence[float], picked: float, path: Path
) -> None:
    """Recall and false matches over `max_distance`, a line per noise, the picked one marked."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4), sharex=True, layout="constrained")
    panels: list[tuple[Any, int, str]] = [(axes[0], 0, "answers found exactly"), (axes[1], 1, "unanswerable matched")]
    for axis, which, label in panels:
        for noise, curve in curves.items():
            axis.plot(grid, [curve[d][which] for d in grid], marker="o", markersize=3, label=f"{noise:.0%} noise")
        axis.axvline(picked, color="grey", linestyle="--", label=f"picked: {picked}")
        axis.set(xlabel="max_distance", ylabel=label)
        axis.grid(alpha=0.3)
    axes[0].legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with squad")
    parser.add_argument("--pages", type=int, default=300, help="pages per noise")
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--false", type=float, default=0.01, help="share of unanswerable questions that may match")
    parser.add_argument("--plot", type=Path, help="write the curves there (PNG)")
    arguments = parser.parse_args()

    paragraphs = read_paragraphs(next((arguments.data / "squad").glob("*.json")))
    grid = sorted(GRID)
    curves = {n: measure(make_pages(paragraphs, n, arguments.pages, arguments.seed), grid) for n in NOISES}
    print(
        f"{'max_distance':>12}"
        + "".join(f"{f'{n:.0%}: found':>14}{'false':>8}" for n in NOISES)
        + f"{'mean false':>12}"
    )
    for d in grid:
        cells = "".join(f"{curves[n][d][0]:>14.4f}{curves[n][d][1]:>8.4f}" for n in NOISES)
        print(f"{d:>12.2f}{cells}{sum(curves[n][d][1] for n in NOISES) / len(NOISES):>12.4f}")
    picked = pick(curves, grid, arguments.false)
    print(
        f"picked: {picked}, the largest with at most {arguments.false:.1%} false matches; in the code: {MAX_DISTANCE}"
    )
    if arguments.plot:
        draw(curves, grid, picked, arguments.plot)


if __name__ == "__main__":
    main()
