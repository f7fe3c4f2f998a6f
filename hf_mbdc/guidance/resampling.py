"""Resampling of clusters: how skewed the error of a mean is, and how often chance alone would give the mean."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

_CHUNK = 300_000  # numbers drawn at a time: they stay in the cache, and memory does not grow with the draws
_TAIL_DRAWS = 25  # of the bootstrap, that must lie beyond a quantile for it to be read
_NORMAL = NormalDist()


def bootstrap_means(sums: np.ndarray, rows: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Means over the rows of clusters drawn with replacement, every part on the same draws.

    Args:
        sums: (clusters, parts) sum over the cluster's rows of each part.
        rows: (clusters, parts) number of those rows.
        resamples: draws.
        seed: of the draws.

    Returns:
        (resamples, parts); NaN where a draw has no row of the part.
    """
    rng, (clusters, parts) = np.random.default_rng([seed, 0]), sums.shape
    totals = np.hstack([sums, rows])
    drawn = np.empty((resamples, 2 * parts))
    for start, stop in _chunks(resamples, clusters):
        picks = rng.integers(clusters, size=(stop - start, clusters), dtype=np.int32)
        picks += np.arange(stop - start, dtype=np.int32)[:, None] * clusters
        counts = np.bincount(picks.ravel(), minlength=picks.size).reshape(picks.shape)
        drawn[start:stop] = counts.astype(float) @ totals
    return np.divide(
        drawn[:, :parts], drawn[:, parts:], out=np.full((resamples, parts), np.nan), where=drawn[:, parts:] > 0
    )


def skewness(means: np.ndarray, estimate: float, influence: np.ndarray, alpha: float) -> tuple[float, float]:
    """How much further than a normal distribution's the bootstrap's lower and upper bound are, as two factors.

    The bounds are BCa's (Efron 1987): percentiles of the bootstrap means, moved for their median bias (draws equal to
    the estimate count half below it, which discrete scores need) and for the acceleration, the jackknife's over
    clusters. Beyond the percentile that `_TAIL_DRAWS` draws reach, the factors are those of that percentile.

    Args:
        means: (resamples,) bootstrap means, NaN left out.
        estimate: the mean seen.
        influence: (clusters,) what each cluster did to it.
        alpha: two-sided level.

    Returns:
        (lower, upper); (1, 1) where nothing varies.
    """
    means = np.sort(means[~np.isnan(means)])
    spread = float(means.std()) if len(means) else 0.0
    if spread <= 1e-12 * max(1.0, abs(estimate)):
        return 1.0, 1.0
    tolerance = 1e-9 * spread
    below, until = np.searchsorted(means, [estimate - tolerance, estimate + tolerance])
    bias = _NORMAL.inv_cdf(min(max((below + until) / (2 * len(means)), 1e-6), 1 - 1e-6))
    acceleration = float((influence**3).sum() / (6 * (influence**2).sum() ** 1.5))
    steps = -_NORMAL.inv_cdf(min(max(alpha / 2, _TAIL_DRAWS / len(means)), 0.4))
    bounds = [bias + (bias + side) / max(1 - acceleration * (bias + side), 0.05) for side in (-steps, steps)]
    low, high = np.quantile(means, [_NORMAL.cdf(bound) for bound in bounds])
    return max(0.0, estimate - float(low)) / (steps * spread), max(0.0, float(high) - estimate) / (steps * spread)


def sign_flip(sums: np.ndarray, flips: int, seed: int) -> float:
    """p-value of the sign-flip permutation test of clusters: two-sided, exact where their number allows.

    If no cluster favours a side, the sign of each one's sum could as well be reversed. All 2^n reversals of the n
    clusters with a sum other than 0 are gone through where they are no more than `flips`, and the p-value is the share
    with a total at least as far from 0 as the one seen. Else `flips` of them are drawn, and the one seen is counted
    among them (Phipson and Smyth 2010), so that the test keeps its level and p is never 0.

    Args:
        sums: (clusters,) difference summed over the cluster's rows, less what the hypothesis says.
        flips: draws.
        seed: of the draws.

    Example:
        >>> sign_flip(np.array([1.0, 1, 1, 1, 1, 1, 0, 0]), 10_000, seed=0)
        0.03125
    """
    scale = np.abs(sums).sum()
    sums = sums[np.abs(sums) > 1e-12 * scale]
    # Equal totals in another order of addition must count as equal.
    observed = abs(sums.sum()) - 1e-9 * scale
    if 2 ** min(len(sums), 60) <= flips:
        return float(np.mean(np.abs(_all_totals(sums)) >= observed))
    rng, extreme = np.random.default_rng([seed, 1]), 0
    blocks = -(-len(sums) // 8)
    tables = _tables(np.pad(sums, (0, 8 * blocks - len(sums))).reshape(blocks, 8))
    for start, stop in _chunks(flips, blocks):
        bits = rng.integers(256, size=(stop - start, blocks), dtype=np.uint8)
        totals = tables[np.arange(blocks), bits].sum(axis=1)
        extreme += int(np.count_nonzero(np.abs(totals) >= observed))
    return (1 + extreme) / (1 + flips)


def _all_totals(sums: np.ndarray) -> np.ndarray:
    totals = np.zeros(1)
    for value in sums:
        totals = np.concatenate([totals - value, totals + value])
    return totals


def _tables(blocks: np.ndarray) -> np.ndarray:
    """(blocks, 256) total of every way to flip the signs of eight clusters: a byte draws eight signs at once."""
    bits = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)
    return blocks @ (2.0 * bits.T - 1.0)


def _chunks(draws: int, width: int) -> Iterator[tuple[int, int]]:
    size = max(1, math.ceil(_CHUNK / width))
    return ((start, min(start + size, draws)) for start in range(0, draws, size))
