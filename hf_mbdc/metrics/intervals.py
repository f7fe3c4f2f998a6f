"""Confidence intervals of ratios whose rows belong to clusters: the bootstrap over clusters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_mbdc.errors import DataError, RecipeError

RESAMPLES = 2000
_DRAWN = 4_000_000  # numbers at a time


@dataclass(frozen=True)
class Estimate:
    """A value with its interval; NaN where there is nothing to divide by."""

    value: float
    low: float
    high: float


def ratio_estimates(
    numerators: np.ndarray,
    denominators: np.ndarray,
    clusters: Sequence[object] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Estimate]:
    """Σ numerator / Σ denominator of each part, with the percentile bootstrap's interval over clusters.

    Args:
        numerators, denominators: (rows,) or (rows, parts); all parts on the same draws.
        clusters: (rows,) what rows have in common, such as the word that they show; rows of one cluster are drawn
            together. Without it, each row is drawn alone.
        confidence: of the intervals.
        resamples, seed: of the draws.

    Returns:
        One estimate for each part. With fewer than two clusters, and for a part that some draws have nothing of, the
        interval is that of the draws that have something; NaN where none has.

    Raises:
        DataError: there are no rows, or not as many clusters as rows.
        RecipeError: `confidence` is not between 0 and 1.

    Example:
        >>> [one] = ratio_estimates(np.array([1.0, 1, 0, 1]), np.ones(4))
        >>> one.value, one.low < 0.75 < one.high
        (0.75, True)
    """
    numerators, denominators = (np.atleast_2d(np.asarray(part, float).T).T for part in (numerators, denominators))
    if not len(numerators):
        raise DataError("There are no rows to score", mend="Give at least one prediction with its reference.")
    if not 0 < confidence < 1:
        raise RecipeError(f"confidence is {confidence}", key="confidence", mend="Take a number between 0 and 1.")
    top, bottom = _by_cluster(numerators, clusters), _by_cluster(denominators, clusters)
    parts = top.shape[1]
    values = _divide(top.sum(0), bottom.sum(0))
    rng, drawn = np.random.default_rng(seed), np.empty((resamples, parts))
    size = max(1, _DRAWN // len(top))
    for begin in range(0, resamples, size):
        count = min(size, resamples - begin)
        picks = rng.integers(len(top), size=(count, len(top)))
        picks += np.arange(count)[:, None] * len(top)
        times = np.bincount(picks.ravel(), minlength=count * len(top)).reshape(count, -1).astype(float)
        drawn[begin : begin + count] = _divide(times @ top, times @ bottom)
    return [Estimate(float(values[part]), *_interval(drawn[:, part], confidence)) for part in range(parts)]


def _by_cluster(values: np.ndarray, clusters: Sequence[object] | None) -> np.ndarray:
    if clusters is None:
        return values
    if len(clusters) != len(values):
        raise DataError(f"There are {len(clusters)} clusters for {len(values)} rows", mend="Give one a row.")
    numbers: dict[object, int] = {}
    of = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    sums = np.zeros((len(numbers), values.shape[1]))
    np.add.at(sums, of, values)
    return sums


def _divide(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    return np.divide(top, bottom, out=np.full(np.shape(top), np.nan), where=bottom > 0)


def _interval(drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    known = drawn[~np.isnan(drawn)]
    if not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)
