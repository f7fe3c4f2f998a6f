"""Krippendorff's α of any level of measurement, with an interval, and the disagreement of every row.

Everything comes from one small table, the coincidences o[c, k]: how often the values c and k were given to the same
unit, each pair of a unit with m ratings weighing 1/(m−1) (Krippendorff 2011, "Computing Krippendorff's
Alpha-Reliability"). With the counts C of a block of units it is Cᵀ·diag(1/(m−1))·C − diag(ΣC/(m−1)), so that millions
of units are read block by block and nothing larger than values × values is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, get_args

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.ratings import RatingCounts, Ratings, compact, read_counts, read_ratings

Level = Literal["nominal", "ordinal", "interval", "ratio"]
FEW_UNITS = 5_000  # up to here the interval is a bootstrap, from here on the delta method gives the same
RESAMPLES = 2_000
_CHUNK = 1_000_000  # numbers drawn at a time


@dataclass(frozen=True)
class Agreement:
    """A coefficient of agreement and how sure it is. NaN: not defined, as all ratings are the same value.

    `units` are those with ratings to compare, `left_out` those without; `method` says where the interval comes from.
    """

    statistic: str
    scale: str  # level of measurement of α, weights of κ
    value: float
    interval: tuple[float, float]
    confidence: float
    units: int
    left_out: int
    ratings: int
    method: str

    def to_dict(self) -> dict[str, Any]:
        """For a manifest: plain JSON, None where a number is not defined."""
        low, high = self.interval
        numbers = {"value": _plain(self.value), "interval": [_plain(low), _plain(high)]}
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, **numbers}

    def __str__(self) -> str:
        counted = f"{self.units} units, {self.ratings} ratings" + (f", {self.left_out} left out" * bool(self.left_out))
        if math.isnan(self.value):
            return f"{self.statistic} ({self.scale}) is not defined: all ratings are the same value ({counted})"
        low, high = self.interval
        sure = f"{100 * self.confidence:g}% interval {low:.3f} to {high:.3f}, {self.method}"
        return f"{self.statistic} ({self.scale}) {self.value:.3f} ({sure}; {counted})"


@dataclass(frozen=True)
class Coincidences:
    """What α is made of: the pairs of values within units, how far values differ, and both sums."""

    pairs: np.ndarray  # (values, values)
    differences: np.ndarray  # (values, values) squared, by the level of measurement
    values: tuple[Any, ...]
    level: Level
    units: int  # with two ratings or more

    @property
    def totals(self) -> np.ndarray:
        """How often each value was given to units with two ratings or more."""
        return self.pairs.sum(axis=0)

    @property
    def observed(self) -> float:
        """Sum of the differences within units."""
        return float((self.pairs * self.differences).sum())

    @property
    def expected(self) -> float:
        """The same sum if the ratings were dealt out to the units by chance."""
        totals = self.totals
        return float(totals @ self.differences @ totals / (totals.sum() - 1))

    @property
    def alpha(self) -> float:
        """1 − observed / expected, NaN where only one value was given."""
        return 1 - self.observed / self.expected if self.expected else math.nan


def krippendorff_alpha(
    ratings: Any = None,
    level: Level = "nominal",
    *,
    counts: Any = None,
    values: Sequence[Any] | None = None,
    confidence: float = 0.95,
    seed: int = 0,
) -> Agreement:
    """Krippendorff's α: 1 for full agreement, 0 for what chance gives; for any number of ratings a unit.

    Units with fewer than two ratings say nothing about agreement and are left out, and counted in `left_out`.

    **Interval**: units are what was sampled, so units are resampled, with all their ratings. Up to 5,000 units the
    interval is that of the percentile bootstrap with 2,000 resamples, each with its own expected disagreement (and
    ranks, for `ordinal`). Krippendorff's own bootstrap (2011, Hayes & Krippendorff 2007) draws pairs instead, as if the
    pairs of one unit were independent, and keeps the expected disagreement. Above 5,000 units, it is
    α ± z·s, where s² is the sum of the squared influence of each unit (infinitesimal jackknife, Efron 1982), which the
    bootstrap tends to.

    Args:
        ratings: as `read_ratings` takes them, or what it returned: (units, annotators), NaN or None for no rating.
        level: `nominal` (names), `ordinal` (ranks), `interval` (numbers), `ratio` (numbers ≥ 0 whose zero means none).
        counts: instead of `ratings`: (units, values), how many annotators gave each value.
        values: all values in their order; needed for ordinal text; None: those that occur (or 0, 1, … of `counts`).
        confidence: of the interval, in (0, 1).
        seed: of the bootstrap.

    Raises:
        DataError: no unit has two ratings, or the values do not fit the level (text for `interval`, below 0 for
            `ratio`), and what `read_ratings` and `read_counts` raise.
        RecipeError: an unknown level, `confidence` out of range, or not exactly one of `ratings` and `counts`.

    Example:
        >>> alpha = krippendorff_alpha([[1, 1, None], [2, 2, 3], [3, 3, 3], [1, 2, 1]], "interval")
        >>> round(alpha.value, 3), alpha.units, alpha.ratings
        (0.773, 4, 11)
    """
    check_confidence(confidence)
    data = compact(read(ratings, counts, values))
    found = coincidences(data, level)
    if not found.expected:
        interval, method = (math.nan, math.nan), "none"
    elif found.units <= FEW_UNITS:
        interval, method = _bootstrap(data, found, confidence, seed), f"bootstrap of {RESAMPLES:,} resamples"
    else:
        interval, method = _delta(data, found, confidence), "infinitesimal jackknife"
    return Agreement(
        statistic="Krippendorff's alpha",
        scale=level,
        value=found.alpha,
        interval=interval,
        confidence=confidence,
        units=found.units,
        left_out=data.units - found.units,
        ratings=round(found.totals.sum()),
        method=method,
    )


def row_disagreement(
    ratings: Any = None, level: Level = "nominal", *, counts: Any = None, values: Sequence[Any] | None = None
) -> np.ndarray:
    """How far the annotators of each unit differ, in units of what chance would give: 0 none, 1 as by chance.

    The mean of it, each unit weighing as many as its ratings, is 1 − α. As a column, call it `mbdc_disagreement`.

    Args:
        ratings, level, counts, values: as for `krippendorff_alpha`.

    Returns:
        (units,) NaN for units with fewer than two ratings; 0 everywhere else when all ratings are the same value.

    Raises:
        DataError, RecipeError: as `krippendorff_alpha` does.

    Example:
        >>> row_disagreement([["a", "a"], ["a", "b"], ["b", "b"], ["b", None]]).round(3).tolist()
        [0.0, 1.667, 0.0, nan]
    """
    data = read(ratings, counts, values)
    found = coincidences(data, level)
    chance = found.expected / found.totals.sum() or 1.0
    result = np.full(data.units, np.nan)
    for units, block in data.blocks():
        number = block.sum(axis=1)
        paired = number > 1
        within = ((block @ found.differences) * block).sum(axis=1)
        result[units][paired] = within[paired] / (number * (number - 1))[paired] / chance
    return result


def read(ratings: Any, counts: Any, values: Sequence[Any] | None) -> Ratings | RatingCounts:
    """The ratings in either form."""
    if (ratings is None) == (counts is None):
        raise RecipeError("Either ratings or counts are needed", mend="Give exactly one of the two.")
    if isinstance(ratings, Ratings):
        return ratings
    return read_ratings(ratings, values=values) if counts is None else read_counts(counts, values)


def coincidences(data: Ratings | RatingCounts, level: Level) -> Coincidences:
    """Counts the pairs of values within units, block by block."""
    if level not in get_args(Level):
        raise RecipeError(f"There is no level {level!r}", mend=f"Take one of {', '.join(get_args(Level))}.")
    number = len(data.values)
    pairs, alone, units = np.zeros((number, number)), np.zeros(number), 0
    for _, block in _paired(data):
        weights = 1 / (row_sums(block) - 1)
        pairs += (block * weights[:, None]).T @ block
        alone += weights @ block
        units += len(block)
    if not units:
        raise DataError("No unit has two ratings", mend="Give units that two annotators rated: agreement needs two.")
    pairs[np.diag_indices(number)] -= alone
    pairs = (pairs + pairs.T) / 2  # the same but for rounding
    return Coincidences(pairs, _differences(level, data.values, pairs.sum(axis=0)), data.values, level, units)


def row_sums(block: np.ndarray) -> np.ndarray:
    """Sums over the values: several times as fast as `sum(axis=1)`, as values are few and units many."""
    return np.asarray(block @ np.ones(block.shape[1]))


def check_confidence(confidence: float) -> None:
    """Raises `RecipeError` when it is no share."""
    if not 0 < confidence < 1:
        raise RecipeError(f"confidence is {confidence}", mend="Give a share between 0 and 1, such as 0.95.")


def normal_interval(value: float, error: float, confidence: float) -> tuple[float, float]:
    """value ± z·error, at most 1, which no coefficient of agreement exceeds; NaN where either is."""
    if math.isnan(value) or math.isnan(error):
        return math.nan, math.nan
    reach = NormalDist().inv_cdf((1 + confidence) / 2) * error
    return float(value - reach), float(min(1.0, value + reach))


def _paired(data: Ratings | RatingCounts) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The counts of units with two ratings or more, and which units of the block these are."""
    for _, block in data.blocks():
        paired = row_sums(block) > 1
        yield paired, block if paired.all() else block[paired]


def _differences(level: Level, values: Sequence[Any], totals: np.ndarray) -> np.ndarray:
    """Squared difference of each pair of values (Krippendorff 2011, section E)."""
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "ordinal":
        place = _ranks(totals)
        return np.subtract.outer(place, place) ** 2
    try:
        numbers = np.array(values, dtype=float)
    except ValueError:
        raise DataError(
            f"The values are no numbers, as the level {level!r} needs", mend="Take nominal, or give numbers."
        ) from None
    if not np.isfinite(numbers).all():
        raise DataError("A value is infinite", mend="Correct the rating, or leave it out as NaN.")
    apart = np.subtract.outer(numbers, numbers)
    if level == "interval":
        return apart**2
    if numbers.min() < 0:
        raise DataError("A value is below 0, which no ratio scale has", value=numbers.min(), mend="Take interval.")
    both = np.add.outer(numbers, numbers)
    return np.divide(apart, both, out=np.zeros_like(apart), where=both > 0) ** 2


def _ranks(totals: np.ndarray) -> np.ndarray:
    """Mean rank of each value: their squared differences are Krippendorff's ordinal metric."""
    return np.cumsum(totals, axis=-1) - totals / 2


def _delta(data: Ratings | RatingCounts, found: Coincidences, confidence: float) -> tuple[float, float]:
    """α ± z·√(sum of squared influences). Influence: the derivative of α by the weight of one unit."""
    totals, observed, expected = found.totals, found.observed, found.expected
    within = np.zeros(len(totals))  # derivative of the observed sum by one more of each value, through the ranks
    chance = 2 * found.differences @ totals  # the same of the expected one, times the number of ratings − 1
    if found.level == "ordinal":
        place = _ranks(totals)
        within = _through_ranks(4 * (totals * place - found.pairs @ place))
        chance += _through_ranks(4 * totals * (totals.sum() * place - totals @ place))
    chance = (chance - expected) / (totals.sum() - 1)
    sums = np.zeros(2)
    for _, block in _paired(data):
        own = row_sums((block @ found.differences) * block) / (row_sums(block) - 1)
        influence = (observed * (block @ chance) - expected * (own + block @ within)) / expected**2
        sums += influence.sum(), (influence**2).sum()
    variance = max(0.0, sums[1] - sums[0] ** 2 / found.units) * found.units / (found.units - 1)
    return normal_interval(found.alpha, math.sqrt(variance), confidence)


def _through_ranks(gradient: np.ndarray) -> np.ndarray:
    """Chain rule of `_ranks`: one more of a value moves its own rank by a half, and those above it by one."""
    return gradient.sum() - np.cumsum(gradient) + gradient / 2


def _bootstrap(data: Ratings | RatingCounts, found: Coincidences, confidence: float, seed: int) -> tuple[float, float]:
    counts = np.concatenate([block for _, block in _paired(data)])
    rng = np.random.default_rng(seed)
    size = max(1, _CHUNK // len(counts))
    drawn = [
        _alphas(rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=number), counts, found)
        for number in (min(size, RESAMPLES - start) for start in range(0, RESAMPLES, size))
    ]
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(np.concatenate(drawn), [tail, 1 - tail])
    return float(low), float(high)


def _alphas(weights: np.ndarray, counts: np.ndarray, found: Coincidences) -> np.ndarray:
    """α of every resample; NaN where it holds one value only, which says nothing about agreement."""
    weights = weights.astype(float)
    number = counts.sum(axis=1)
    totals = weights @ counts
    ratings = totals.sum(axis=1)
    if found.level == "ordinal":
        place = _ranks(totals)
        place -= (place * totals).sum(axis=1, keepdims=True) / ratings[:, None]  # sums of squares stay small
        within = 2 * (number * (place**2 @ counts.T) - (place @ counts.T) ** 2) / (number - 1)
        observed = (weights * within).sum(axis=1)
        expected = 2 * ratings * (totals * place**2).sum(axis=1)
    else:
        observed = weights @ (((counts @ found.differences) * counts).sum(axis=1) / (number - 1))
        expected = ((totals @ found.differences) * totals).sum(axis=1)
    one_value = np.count_nonzero(totals, axis=1) < 2
    return 1 - np.divide(observed * (ratings - 1), expected, out=np.full(len(totals), np.nan), where=~one_value)


def _plain(number: float) -> float | None:
    return None if math.isnan(number) else number
