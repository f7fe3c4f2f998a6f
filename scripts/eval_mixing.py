"""How many trainings does the search for a mixing ratio need, beside a grid and random ratios?

    python scripts/eval_mixing.py

The truth is a known score of every ratio, for two and three sources: a peak inside, a source that helps only a little
and then harms, diminishing returns of each source, and a best ratio at the edge. A "training" gives that score with
noise: a part of every seed that is alike for all ratios, and one of its own for each. Three seeds a ratio; the noise of
one training is a tenth or three tenths of the range from the worst ratio to the best.

Regret: how much the score of the chosen ratio is below the best, as a share of that range; grid and random search
choose the ratio that scored best, as is usual. Coverage: how often the 95 % interval of the search holds the true score
of the ratio that it chose, and, along the curves, the share of the points whose interval holds the true score, moved by
what these seeds do to all ratios alike.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np

from hf_mbdc.guidance.mixing import Mixing, search_ratio
from hf_mbdc.guidance.simplex import fill, lattice

SEEDS = 3
POINTS = (8, 12, 16)
GRIDS = {2: (6, 11, 21), 3: (15, 36, 66, 231)}
NOISES = (0.1, 0.3)

Truth = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=100, help="of every surface and noise (default: 100)")
    flags = parser.parse_args()
    for sources in (2, 3):
        for noise in NOISES:
            print_table(sources, noise, flags.repetitions)


def draw_truths(rng: np.random.Generator, sources: int) -> dict[str, Truth]:
    """A surface of every kind: ratios (n, sources) → scores (n,)."""
    top = rng.dirichlet(np.full(sources, 3.0))
    gains, needs = rng.uniform(0.3, 1.0, sources), rng.uniform(3.0, 20.0, sources)
    slopes = rng.uniform(-1, 1, sources)
    little = rng.uniform(0.03, 0.15)

    def spice(ratios: np.ndarray) -> np.ndarray:
        share = ratios[:, 0]
        return (1 - np.exp(-share / little)) - 1.2 * share + 0.2 * ratios[:, 1]

    return {
        "peak": lambda ratios: -((ratios - top) ** 2).sum(axis=1),
        "spice": spice,
        "diminishing": lambda ratios: (gains * (1 - np.exp(-needs * ratios))).sum(axis=1),
        "edge": lambda ratios: ratios @ slopes,
    }


class Trainer:
    """Noisy scores of a truth that is scaled to 0 … 1 over the simplex, and a count of its trainings."""

    def __init__(self, truth: Truth, sources: int, noise: float, rng: np.random.Generator) -> None:
        values = truth(lattice(sources, 200 if sources == 2 else 60))
        self.low, self.range = float(values.min()), float(np.ptp(values))
        self.truth, self.noise, self.rng = truth, noise, rng
        self.names = [f"source {number}" for number in range(sources)]
        self.common = rng.normal(size=SEEDS) * noise / np.sqrt(2)

    def true(self, ratios: np.ndarray) -> np.ndarray:
        return (self.truth(ratios) - self.low) / self.range

    def seeds(self, ratios: np.ndarray) -> np.ndarray:
        """(ratios, seeds)."""
        own = self.rng.normal(size=(len(ratios), SEEDS)) * self.noise / np.sqrt(2)
        return self.true(ratios)[:, None] + self.common + own

    def score(self, ratios: Sequence[dict[str, float]]) -> list[np.ndarray]:
        return list(self.seeds(np.array([list(ratio.values()) for ratio in ratios]))[:, :, None])

    def regret(self, ratio: np.ndarray) -> float:
        return float(1 - self.true(ratio[None])[0])


def print_table(sources: int, noise: float, repetitions: int) -> None:
    regrets: dict[tuple[str, int], dict[str, list[float]]] = {}
    coverage: dict[tuple[str, int], list[tuple[float, float]]] = {}
    seconds = []
    for repetition in range(repetitions):
        for kind in draw_truths(np.random.default_rng(0), sources):
            truth = draw_truths(np.random.default_rng([repetition, sources]), sources)[kind]
            rng = np.random.default_rng([repetition, sources, round(100 * noise), len(kind)])
            for points in POINTS:
                trainer = Trainer(truth, sources, noise, rng)
                began = time.process_time()
                found = search_ratio(trainer.names, trainer.score, points=points)
                seconds.append((time.process_time() - began) / points)
                regrets.setdefault(("search", points), {}).setdefault(kind, []).append(regret_of(found, trainer))
                coverage.setdefault(("search", points), []).append(covered(found, trainer))
            for name, points, ratios in plain_choices(rng, sources):
                trainer = Trainer(truth, sources, noise, rng)
                best = ratios[int(np.argmax(trainer.seeds(ratios).mean(axis=1)))]
                regrets.setdefault((name, points), {}).setdefault(kind, []).append(trainer.regret(best))
    kinds = list(next(iter(regrets.values())))
    print(f"\n{sources} sources, noise of a training {noise:g} of the range, {SEEDS} seeds a ratio: mean regret in %")
    print(
        f"  {'':<8}{'ratios':>7}"
        + "".join(f"{kind:>13}" for kind in kinds)
        + f"{'mean':>16}{'coverage':>11}{'curve':>8}"
    )
    for (name, points), by_kind in regrets.items():
        every = 100 * np.array([by_kind[kind] for kind in kinds])
        error = every.mean(axis=0).std(ddof=1) / np.sqrt(every.shape[1]) if every.shape[1] > 1 else np.nan
        cells = "".join(f"{value:>13.2f}" for value in every.mean(axis=1)) + f"{every.mean():>9.2f} ± {error:.2f}"
        held = np.mean(coverage[name, points], axis=0) if (name, points) in coverage else None
        print(f"  {name:<8}{points:>7}{cells}" + (f"{held[0]:>11.3f}{held[1]:>8.3f}" if held is not None else ""))
    print(f"  processor time of the search itself: {np.mean(seconds):.2f} s a training")


def plain_choices(rng: np.random.Generator, sources: int) -> list[tuple[str, int, np.ndarray]]:
    """Grids of evenly spread ratios, and as many random ones."""
    found = []
    for points in GRIDS[sources]:
        steps = next(steps for steps in range(1, 1000) if len(lattice(sources, steps)) >= points)
        grid = lattice(sources, steps)
        found.append(("grid", points, grid if len(grid) == points else grid[fill(grid, points, grid[:1])]))
        found.append(("random", points, rng.dirichlet(np.ones(sources), points)))
    return found


def regret_of(found: Mixing, trainer: Trainer) -> float:
    return trainer.regret(np.array(list(found.ratio.values())))


def covered(found: Mixing, trainer: Trainer) -> tuple[float, float]:
    """Whether the interval holds the truth at the chosen ratio, and the share of the curves' points where it does."""
    top = np.array(list(found.ratio.values()))
    held = found.interval[0] <= trainer.true(top[None])[0] <= found.interval[1]
    shares = []
    for place, curve in enumerate(found.curves):
        others = np.delete(top, place)
        others = others / others.sum() if others.sum() else np.full(len(others), 1 / len(others))
        true = trainer.true(np.insert((1 - curve.shares)[:, None] * others, place, curve.shares, axis=1))
        true = true + trainer.common.mean()
        shares.append(((curve.low <= true) & (true <= curve.high)).mean())
    return float(held), float(np.mean(shares))


if __name__ == "__main__":
    main()
