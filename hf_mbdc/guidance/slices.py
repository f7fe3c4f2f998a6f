"""Many slices at once: corrected p-values, intervals that hold together, and gains that hide a loss."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hf_mbdc.records import SliceEvidence


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for their number (Holm 1979): the chance of any false one stays below the level.

    Valid however the slices depend on each other. It is never worse than Bonferroni's. The false discovery rate of
    Benjamini and Hochberg (1995) would find more, but lets a share of what it names be false: fit for a list of
    hundreds of slices to look into, not for a sentence that says a model lost.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p_values, kind="stable")
    factors = np.arange(len(order), 0, -1)
    corrected = np.minimum(1.0, np.maximum.accumulate(np.asarray(p_values, float)[order] * factors))
    found = np.empty(len(order))
    found[order] = corrected
    return found.tolist()


def sure_losses(slices: Sequence[SliceEvidence]) -> list[SliceEvidence]:
    """Slices on which the candidate is worse for sure, however many were looked at."""
    return [part for part in slices if part.simultaneous is not None and part.simultaneous[1] < 0]


def sure_gains(slices: Sequence[SliceEvidence]) -> list[SliceEvidence]:
    """Slices on which the candidate is better for sure, however many were looked at."""
    return [part for part in slices if part.simultaneous is not None and part.simultaneous[0] > 0]


def likely_losses(slices: Sequence[SliceEvidence]) -> list[SliceEvidence]:
    """Slices that look worse taken alone; one in 40 would by chance, so they are a reason to look, not a finding."""
    sure = sure_losses(slices)
    return [part for part in slices if part.interval[1] < 0 and part not in sure]


def likely_gains(slices: Sequence[SliceEvidence]) -> list[SliceEvidence]:
    """Slices that look better taken alone; one in 40 would by chance."""
    sure = sure_gains(slices)
    return [part for part in slices if part.interval[0] > 0 and part not in sure]
