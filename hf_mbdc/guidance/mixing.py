"""How much of each source? Rows mixed by a ratio, and a search for the ratio by the target's score.

The search spends trainings where they tell most: some that fill the simplex, then one after the other where the
expected improvement over the best known ratio is largest (Jones et al. 1998), on a Gaussian-process surface whose noise
comes from the seeds. `scripts/eval_mixing.py` compares it with a grid and with random ratios on known surfaces.

What is chosen is the top of the surface, not the luckiest training. Its interval is about other seeds on the same
evaluation rows; whether the mixture beats the parent is for `compare` to say, on rows that did not choose it.

A recipe gives either a ratio or none (`MixOptions`); `choose_ratio` searches where there is none. What it returns is
recorded in its place, so that the recorded recipe mixes as the run did and searches no second time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.draws import PARENT, SOURCE, check_ids, drawn_order, set_column, take_rounds
from hf_mbdc.guidance.simplex import allocate, fill, lattice
from hf_mbdc.guidance.surface import Surface, fit_surface
from hf_mbdc.guidance.uncertainty import student_quantile

if TYPE_CHECKING:
    from datasets import Dataset

Ratio = dict[str, float]
# Ratios → for each of them scores (seeds, rows) of the target trained on that mixture; may run them side by side.
ScoreRatios = Callable[[Sequence[Ratio]], Sequence[Any]]


@dataclass(frozen=True)
class MixingPoint:
    """A ratio that was trained with, and its score: the mean over seeds and rows."""

    ratio: Ratio
    score: float


@dataclass(frozen=True)
class Curve:
    """The surface along one source's share, the others as the chosen ratio has them among themselves.

    The interval is for comparing ratios: what the seeds do to all ratios alike, which would move the whole curve, is
    left out of it.

    Args:
        shares: (n,) from 0 to 1.
        score, low, high: (n,) and the interval.
    """

    source: str
    shares: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class Mixing:
    """What the search found; `str()` is a table of its trainings, `to_dict()` is for the manifest.

    Args:
        ratio: the chosen one.
        score, interval: of the target at that ratio, by the surface, about other seeds; one seed alone does not tell
            how far others would move all of the surface.
        points: what was trained, in that order.
        improvement: what one more training is expected to gain.
        curves: for every source.
    """

    ratio: Ratio
    score: float
    interval: tuple[float, float]
    confidence: float
    points: tuple[MixingPoint, ...]
    improvement: float
    curves: tuple[Curve, ...]

    def to_dict(self) -> dict[str, Any]:
        """The choice and its trainings as plain data; the curves follow from these."""
        return {
            "ratio": self.ratio,
            "score": self.score,
            "interval": list(self.interval),
            "confidence": self.confidence,
            "improvement": self.improvement,
            "points": [{"ratio": point.ratio, "score": point.score} for point in self.points],
        }

    def __str__(self) -> str:
        names = list(self.ratio)
        chosen = ", ".join(f"{name} {share:.0%}" for name, share in self.ratio.items())
        lines = [
            f"{chosen}: score {self.score:.4f} ({100 * self.confidence:g}% interval {self.interval[0]:.4f} to "
            f"{self.interval[1]:.4f}) after {len(self.points)} ratios; one more should gain {self.improvement:.4f}",
            "  ".join([*(f"{name:>12}" for name in names), "   score"]),
        ]
        for point in self.points:
            lines.append("  ".join([*(f"{point.ratio[name]:>12.0%}" for name in names), f"{point.score:>8.4f}"]))
        return "\n".join(lines)


@dataclass(frozen=True)
class MixOptions:
    """What a recipe says about a mixture: its ratio, or how it is searched.

    Args:
        ratio: name of a source → share; None: the one with the highest score.
        points: ratios to train with, at most.
        tolerance: the search ends early when one more training is expected to gain less.
    """

    ratio: dict[str, float] | None = None
    points: int = 12
    tolerance: float = 0.0


def choose_ratio(
    options: MixOptions, sources: Sequence[str], score: ScoreRatios, **search: Any
) -> tuple[MixOptions, Mixing | None]:
    """The options with the ratio filled in, as the run records them in its recipe, and the search if there was one.

    Args:
        options: of the recipe.
        sources, score: as for `search_ratio`.
        **search: further arguments of `search_ratio`.

    Raises:
        RecipeError: the ratio names an unknown source, is negative or all 0, and what `search_ratio` raises.

    Example:
        >>> def score(ratios):
        ...     return [[[1 - (ratio["made"] - 0.3) ** 2]] for ratio in ratios]
        >>> options, found = choose_ratio(MixOptions(points=7), ["real", "made"], score)
        >>> options.ratio, choose_ratio(options, ["real", "made"], score)[1]
        ({'real': 0.7, 'made': 0.3}, None)
    """
    if options.ratio is not None:
        return replace(options, ratio=_shares(options.ratio, sources)), None
    found = search_ratio(sources, score, points=options.points, tolerance=options.tolerance, **search)
    return replace(options, ratio=found.ratio), found


def mix(
    sources: Mapping[str, Dataset], ratio: Mapping[str, float], size: int, *, seed: int = 0, named: bool = True
) -> Dataset:
    """Rows of several sources in a ratio.

    Each source gives its rows in an order that the seed and their ids draw, so that a larger mixture, or one with a
    larger share, holds what the smaller one held. A source that has too few rows gives each of them once before one
    comes again, as a copy with an id of its own (`a~2`).

    Args:
        sources: name → rows with the same columns and ids.
        ratio: name → share; scaled to add up to 1. Sources that it does not name give nothing.
        size: rows of the mixture.
        seed: of the draws.
        named: whether `mbdc_source` becomes the name of the source in every row, or only in copies.

    Returns:
        The rows, source after source.

    Raises:
        DataError: a source has no rows or ids, two rows share one, or sources have different columns.
        RecipeError: the ratio names an unknown source, is negative or all 0, or `size` is not positive.

    Example:
        >>> from datasets import Dataset
        >>> real, made = (Dataset.from_dict({"id": [f"{p}{n}" for n in range(9)]}) for p in "rm")
        >>> mix({"real": real, "made": made}, {"real": 3, "made": 1}, 8)["mbdc_source"][:]
        ['real', 'real', 'real', 'real', 'real', 'real', 'made', 'made']
    """
    from datasets import concatenate_datasets

    shares = _shares(ratio, sources)
    if size < 1:
        raise RecipeError(f"size is {size}", key="size", mend="Give a positive number of rows.")
    counts = allocate(np.array(list(shares.values())), size)
    _check_columns({name: sources[name] for name, count in zip(shares, counts, strict=True) if count})
    parts = [
        _part(sources[name], name, int(count), seed, named) for name, count in zip(shares, counts, strict=True) if count
    ]
    mixture = concatenate_datasets(parts)
    check_ids(mixture, "mixture")
    return mixture


def search_ratio(
    sources: Sequence[str],
    score: ScoreRatios,
    *,
    points: int = 12,
    start: int | None = None,
    batch: int = 1,
    steps: int = 20,
    known: Sequence[Mapping[str, float]] = (),
    tolerance: float = 0.0,
    confidence: float = 0.95,
) -> Mixing:
    """Looks for the ratio with the highest score, by few trainings.

    Args:
        sources: names, at least two.
        score: given ratios, the scores (seeds, rows) of each, the same seeds and rows for all.
        points: ratios to train with, at most.
        start: how many of these fill the simplex before the search; default the number of sources + 1.
        batch: ratios per round after that, for trainings side by side: each next one takes the surface at the others
            for granted (kriging believer, Ginsbourger et al. 2010), and costs a little of the search's wit.
        steps: ratios are in parts of 1/steps (coarser for many sources).
        known: ratios to begin with, e.g. the natural one; they count as points. Default: equal shares.
        tolerance: the search ends early when one more training is expected to gain less.
        confidence: of the intervals.

    Raises:
        RecipeError: fewer than two sources, no points, or a known ratio that is none.
        DataError: a score is not a finite number, or ratios have different numbers of scores.

    Example:
        >>> def score(ratios):
        ...     return [[[1 - (ratio["made"] - 0.3) ** 2]] for ratio in ratios]
        >>> search_ratio(["real", "made"], score, points=7).ratio
        {'real': 0.7, 'made': 0.3}
    """
    names = list(sources)
    start = len(names) + 1 if start is None else start
    _check(names, points, start, batch, confidence)
    grid = lattice(len(names), steps)
    first = [list(_shares(ratio, names).values()) for ratio in known] or [[1 / len(names)] * len(names)]
    tried = np.array(first)[:points]
    tried = np.vstack([tried, grid[fill(grid, min(max(0, start - len(tried)), points - len(tried)), tried)]])
    scores = _score(score, names, tried)
    while len(tried) < points:
        wanted = _propose(grid, tried, scores, min(batch, points - len(tried)), tolerance)
        if not len(wanted):
            break
        tried, scores = np.vstack([tried, wanted]), scores + _score(score, names, wanted)
    return _found(names, grid, tried, scores, confidence)


def _part(rows: Dataset, name: str, count: int, seed: int, named: bool) -> Dataset:
    ids = check_ids(rows, name)
    if not ids:
        raise DataError("The source has no rows", source=name, mend="Leave it out of the ratio.")
    rounds = -(-count // len(ids))
    order = np.concatenate([drawn_order(ids, seed, name, number) for number in range(rounds)])[:count]
    taken = take_rounds(rows, order, name)
    return set_column(taken, SOURCE, [name] * count) if named else taken


def _shares(ratio: Mapping[str, float], sources: Sequence[str] | Mapping[str, Any]) -> Ratio:
    unknown = [name for name in ratio if name not in sources]
    if unknown:
        raise RecipeError("The ratio names no source", key=unknown[0], mend=f"The sources are: {', '.join(sources)}.")
    values = {name: float(ratio.get(name, 0.0)) for name in sources}
    total = sum(values.values())
    if not all(0 <= value < np.inf for value in values.values()) or not 0 < total < np.inf:
        raise RecipeError(f"The ratio is {dict(ratio)}", mend="Give shares of at least 0, not all 0.")
    return {name: value / total for name, value in values.items()}


def _check_columns(sources: Mapping[str, Dataset]) -> None:
    first, *others = sources.items()
    for source, rows in others:
        names = (rows.features.keys() | first[1].features.keys()) - {SOURCE, PARENT}
        different = [name for name in names if rows.features.get(name) != first[1].features.get(name)]
        if different:
            mend = f"Give it the columns and types of {first[0]!r}."
            raise DataError("The source has other columns", source=source, column=min(different), mend=mend)


def _score(score: ScoreRatios, names: Sequence[str], ratios: np.ndarray) -> list[np.ndarray]:
    """(seeds,) the mean over rows for each ratio."""
    given = [_named(names, ratio) for ratio in ratios]
    tables = [np.atleast_2d(np.asarray(values, float)) for values in score(given)]
    if len(tables) != len(given) or len({table.shape for table in tables}) > 1:
        what = f"{len(given)} ratios have scores of shapes {', '.join(str(table.shape) for table in tables)}"
        raise DataError(what, mend="Give (seeds, rows) of each ratio, the same seeds and rows for all.")
    for ratio, table in zip(given, tables, strict=True):
        if not np.isfinite(table).all():
            raise DataError("A score is not a finite number", ratio=ratio, mend="Look at its training.")
    return [table.mean(axis=1) for table in tables]


def _named(names: Sequence[str], ratio: np.ndarray) -> Ratio:
    return {name: round(float(share), 6) for name, share in zip(names, ratio, strict=True)}


def _fit(tried: np.ndarray, scores: Sequence[np.ndarray]) -> Surface:
    """The surface of the mean scores. What a seed does to all ratios alike is no noise between them."""
    table = np.array(scores)
    points, seeds = table.shape
    if seeds == 1:
        return fit_surface(tried, table[:, 0])
    mixed = table - table.mean(axis=0) - table.mean(axis=1, keepdims=True) + table.mean()
    freedom = (points - 1) * (seeds - 1)
    return fit_surface(tried, table.mean(axis=1), (float((mixed**2).sum()) / max(freedom, 1) / seeds, freedom))


def _propose(
    grid: np.ndarray, tried: np.ndarray, scores: Sequence[np.ndarray], count: int, tolerance: float
) -> np.ndarray:
    """(count or fewer, sources) where trainings are expected to gain most."""
    found: list[np.ndarray] = []
    for _ in range(count):
        surface = _fit(tried, scores)
        gain = surface.expected_improvement(grid, float(surface.predict(tried)[0].max()))
        gain[(np.abs(grid[:, None] - tried[None]).max(axis=2) < 1e-9).any(axis=1)] = -1
        best = int(np.argmax(gain))
        if gain[best] <= tolerance:
            break
        found.append(grid[best])
        believed = float(surface.predict(grid[best : best + 1])[0][0])
        tried = np.vstack([tried, grid[best]])
        scores = [*scores, np.array(scores).mean(axis=0) + believed - float(np.mean(scores))]
    return np.array(found).reshape(-1, grid.shape[1])


def _found(
    names: Sequence[str], grid: np.ndarray, tried: np.ndarray, scores: Sequence[np.ndarray], confidence: float
) -> Mixing:
    surface = _fit(tried, scores)
    everywhere = np.unique(np.vstack([grid, tried]), axis=0)
    top = everywhere[int(np.argmax(surface.predict(everywhere)[0]))]
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    mean, deviation = (float(values[0]) for values in surface.predict(top[None]))
    reach = math.hypot(quantile * deviation, _common_reach(scores, confidence))
    gain = surface.expected_improvement(grid, float(surface.predict(tried)[0].max()))
    return Mixing(
        ratio=_named(names, top),
        score=mean,
        interval=(mean - reach, mean + reach),
        confidence=confidence,
        points=tuple(MixingPoint(_named(names, r), float(np.mean(s))) for r, s in zip(tried, scores, strict=True)),
        improvement=float(max(gain.max(), 0.0)),
        curves=tuple(_curve(surface, name, number, top, quantile) for number, name in enumerate(names)),
    )


def _common_reach(scores: Sequence[np.ndarray], confidence: float) -> float:
    """Half the interval of what the seeds do to all ratios alike, which moves all of the surface; 0 for one seed."""
    table = np.array(scores)
    seeds = table.shape[1]
    if seeds == 1:
        return 0.0
    error = math.sqrt(table.mean(axis=0).var(ddof=1) / seeds)
    return float(student_quantile(np.array([1 - confidence]), seeds - 1)[0]) * error


def _curve(surface: Surface, name: str, source: int, top: np.ndarray, quantile: float) -> Curve:
    shares = np.linspace(0, 1, 101)
    others = np.delete(top, source)
    others = others / others.sum() if others.sum() else np.full(len(others), 1 / len(others))
    ratios = np.insert((1 - shares)[:, None] * others, source, shares, axis=1)
    mean, deviation = surface.predict(ratios)
    return Curve(name, shares, mean, mean - quantile * deviation, mean + quantile * deviation)


def _check(names: Sequence[str], points: int, start: int, batch: int, confidence: float) -> None:
    if len(names) < 2 or len(set(names)) != len(names):
        raise RecipeError(f"{len(names)} sources", mend="Give two or more, each with a name of its own.")
    if points < 2 or start < 2 or batch < 1:
        given = f"points is {points}, start {start}, batch {batch}"
        raise RecipeError(given, mend="Give at least two points, two to start with, and batches of one or more.")
    if not 0 < confidence < 1:
        raise RecipeError(f"confidence is {confidence}", mend="Give a share between 0 and 1, such as 0.95.")
