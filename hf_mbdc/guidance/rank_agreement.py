"""Does a cheap score order candidates as the full one does? Rank correlations with intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class RankAgreement:
    """Spearman's ρ and Kendall's τ-b of two scores of the same candidates; NaN where a side has one value only."""

    candidates: int
    spearman: float
    spearman_interval: tuple[float, float]
    kendall: float
    kendall_interval: tuple[float, float]
    confidence: float

    def __str__(self) -> str:
        told = [
            f"{name} {value:+.2f} ({100 * self.confidence:g}% interval {low:+.2f} to {high:+.2f})"
            for name, value, (low, high) in (
                ("Spearman", self.spearman, self.spearman_interval),
                ("Kendall", self.kendall, self.kendall_interval),
            )
        ]
        return f"{', '.join(told)}, {self.candidates} candidates"


def rank_agreement(proxy: Sequence[float], full: Sequence[float], confidence: float = 0.95) -> RankAgreement:
    """How well the proxy orders the candidates.

    The intervals take the candidates as a sample of those that one could try: Fisher's z with the standard errors of
    Bonett & Wright (2000), √((1 + ρ²/2)/(n − 3)) for Spearman and √(.437/(n − 4)) for Kendall. Fewer than four or five
    candidates say nothing: the interval is −1 to 1. Noise of the scores makes the correlation smaller than that of the
    true scores.

    Args:
        proxy, full: (n,) scores of the same candidates, in the same order.

    Example:
        >>> print(rank_agreement([1, 2, 3, 4, 5, 6], [1, 2, 4, 3, 5, 6]))
        Spearman +0.94 (95% interval +0.38 to +1.00), Kendall +0.87 (95% interval +0.38 to +0.98), 6 candidates
    """
    one, two = np.asarray(proxy, float), np.asarray(full, float)
    count = len(one)
    rho = _correlation(_ranks(one), _ranks(two))
    above = np.triu_indices(count, 1)
    signs = [np.sign(values[above[0]] - values[above[1]]) for values in (one, two)]
    scale = math.sqrt(float((signs[0] ** 2).sum() * (signs[1] ** 2).sum()))
    tau = float(signs[0] @ signs[1]) / scale if scale else math.nan
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    of_rho = math.sqrt((1 + rho**2 / 2) / (count - 3)) if count > 3 else math.inf
    of_tau = math.sqrt(0.437 / (count - 4)) if count > 4 else math.inf
    intervals = (_interval(rho, quantile * of_rho), _interval(tau, quantile * of_tau))
    return RankAgreement(count, rho, intervals[0], tau, intervals[1], confidence)


def _ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share their mean rank."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _correlation(one: np.ndarray, two: np.ndarray) -> float:
    if len(one) < 2 or not one.std() or not two.std():
        return math.nan
    return float(np.clip(np.corrcoef(one, two)[0, 1], -1, 1))


def _interval(value: float, half_width: float) -> tuple[float, float]:
    if math.isnan(value) or math.isinf(half_width):
        return -1.0, 1.0
    z = math.atanh(min(max(value, -1 + 1e-6), 1 - 1e-6))  # ±1 has no finite z
    return math.tanh(z - half_width), math.tanh(z + half_width)
