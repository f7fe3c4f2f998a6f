"""Renewal of a test split: the same model scored on the old rows and on new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.guidance.uncertainty import Uncertainty, uncertainty_of


@dataclass(frozen=True)
class Renewal:
    """What the same model scores on the old and on the new split; `difference` is new − old."""

    old: float
    new: float
    difference: float
    interval: tuple[float, float]
    confidence: float
    p_value: float
    rows: tuple[int, int]
    clusters: tuple[int, int]
    seeds: int

    def __str__(self) -> str:
        low, high = self.interval
        told = (
            f"The same model scores {self.old:.3f} on the old split and {self.new:.3f} on the new one: "
            f"{self.difference:+.3f}, {100 * self.confidence:g}% interval {low:+.3f} to {high:+.3f}."
        )
        if high < 0:
            return (
                f"{told} The new rows are harder, or the old ones had been fitted to by repeated decisions; "
                "earlier scores are not to be compared with those to come."
            )
        if low > 0:
            return f"{told} The new rows are easier; earlier scores are not to be compared with those to come."
        return f"{told} Nothing shows that the old split was worn out, down to a drop of {max(0.0, -low):.3f}."


def renewal(
    old: Any,
    new: Any,
    old_clusters: Sequence[Any] | None = None,
    new_clusters: Sequence[Any] | None = None,
    *,
    confidence: float = 0.95,
) -> Renewal:
    """Says whether a new test split gives the same model another score than the old one that decisions were made on.

    Following Recht et al. (2019), who built CIFAR-10 and ImageNet tests anew: all models dropped by 3 to 15 points,
    their order hardly changed, so most of the drop came from the rows and not from having been fitted to. A drop here
    cannot tell the two apart either. Give the paired differences of candidate and parent in place of scores to ask what
    matters more: whether the gain is as large on rows that no decision has seen.

    The two splits are independent samples of clusters, so their variances add; a seed is the same model on both, so the
    seeds' effect enters by what they differ in. Quantile and limits are those of `guidance.uncertainty`.

    Args:
        old: scores (seeds, rows), or (rows,) for one model, on the old split.
        new: scores (seeds, other rows) of the same models on the new split.
        old_clusters: (rows,) what each old row belongs to; None: every row for itself.
        new_clusters: the same of the new rows.
        confidence: of the interval, in (0, 1).

    Raises:
        DataError: other seeds, no rows, scores that are not finite, labels of another length, or one cluster only.

    Example:
        >>> found = renewal([[1, 1, 1, 0] * 25], [[1, 0, 1, 0] * 25])
        >>> round(found.difference, 2), found.interval[1] < 0
        (-0.25, True)
    """
    before, after = _part(old, old_clusters, "old"), _part(new, new_clusters, "new")
    if len(before.by_seed) != len(after.by_seed):
        what = f"The old split is scored with {len(before.by_seed)} seeds and the new one with {len(after.by_seed)}"
        raise DataError(what, mend="Score the same trained models on both.")
    change = after.by_seed - before.by_seed
    known = _sum(before.uncertainty, after.uncertainty, change)
    difference, half = float(change.mean()), known.half_width(1 - confidence)
    return Renewal(
        old=float(before.by_seed.mean()),
        new=float(after.by_seed.mean()),
        difference=difference,
        interval=(difference - half, difference + half),
        confidence=confidence,
        p_value=known.p_value(difference),
        rows=(before.rows, after.rows),
        clusters=(before.uncertainty.clusters, after.uncertainty.clusters),
        seeds=len(change),
    )


@dataclass(frozen=True)
class _Part:
    rows: int
    by_seed: np.ndarray
    uncertainty: Uncertainty


def _part(scores: Any, clusters: Sequence[Any] | None, split: str) -> _Part:
    values = np.atleast_2d(np.asarray(scores, dtype=float))
    if values.size == 0 or not np.isfinite(values).all():
        raise DataError("Scores are missing or not finite", split=split, mend="Score every row with every seed.")
    labels = list(range(values.shape[1])) if clusters is None else [str(value) for value in clusters]
    if len(labels) != values.shape[1]:
        what = f"There are {len(labels)} labels for {values.shape[1]} rows"
        raise DataError(what, split=split, mend="Give one label a row.")
    names, cluster = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise DataError("All rows are of one cluster", split=split, mend="Give rows of two documents or more.")
    sums = np.stack([np.bincount(cluster, weights=seed) for seed in values])
    return _Part(values.shape[1], values.mean(axis=1), uncertainty_of(sums, np.bincount(cluster).astype(float)))


def _sum(old: Uncertainty, new: Uncertainty, change: np.ndarray) -> Uncertainty:
    """Of a difference of independent means over clusters, with the seeds' own effect taken from what they differ in."""
    clusters = old.from_clusters + new.from_clusters
    df = clusters**2 / (old.from_clusters**2 / old.cluster_df + new.from_clusters**2 / new.cluster_df or 1.0)
    return Uncertainty(
        from_seeds=float(change.var(ddof=1)) / len(change) if len(change) > 1 else 0.0,
        from_clusters=clusters,
        from_both=old.from_both + new.from_both,
        seeds=len(change),
        clusters=old.clusters + new.clusters,
        cluster_df=max(1.0, df),
    )
