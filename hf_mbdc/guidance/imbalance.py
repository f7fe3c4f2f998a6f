"""How uneven the training rows are over classes, and whether the target pays for it on the rare ones.

Counts, the share of the tail, the normalised entropy, the effective number of classes, and the effective number of rows
of a class (Cui et al. 2019, https://arxiv.org/abs/1901.05555); then the scores of evaluation rows by how often their
class was trained on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.error_tree import score_interval

BUCKETS = (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000)  # the fewest training rows of a class in each


@dataclass(frozen=True)
class ClassCount:
    """One class: its training rows, their share, and what so many rows are worth (`effective_number`)."""

    name: str
    rows: int
    share: float
    effective: float


@dataclass(frozen=True)
class Imbalance:
    """What `measure_imbalance` found.

    Args:
        classes: most frequent first.
        ratio: rows of the most frequent class to those of the rarest.
        entropy: of the shares, from 0 (one class only) to 1 (all alike).
        effective_classes: as many equally frequent classes would have that entropy.
        tail_classes: the rarest classes that hold at most the tail's share of the rows together.
        tail_rows: their rows.
    """

    classes: tuple[ClassCount, ...]
    ratio: float
    entropy: float
    effective_classes: float
    tail_classes: int
    tail_rows: int


@dataclass(frozen=True)
class FrequencyBucket:
    """Evaluation rows whose class has from `fewest` to `most` (None: any more) training rows, and their mean score."""

    fewest: int
    most: int | None
    classes: int
    rows: int
    score: float
    interval: tuple[float, float]

    @property
    def name(self) -> str:
        """`0`, `1–2`, `3–9`, …, `10,000 or more`."""
        if self.most is None:
            return f"{self.fewest:,} or more"
        return f"{self.fewest:,}" if self.most == self.fewest else f"{self.fewest:,}–{self.most:,}"


def measure_imbalance(labels: Sequence[Any], *, tail_share: float = 0.2, beta: float = 0.999) -> Imbalance:
    """How uneven the classes of the training rows are.

    Args:
        labels: (rows,) the class of each row; null is a class of its own, called `missing`.
        tail_share: the tail is the rarest classes that hold at most this share of the rows together.
        beta: of `effective_number`.

    Raises:
        DataError: there are no rows.
        RecipeError: `tail_share` or `beta` is out of its range.

    Example:
        >>> found = measure_imbalance(["total"] * 6 + ["date"] * 3 + ["tip"])
        >>> [(c.name, c.rows) for c in found.classes], found.ratio, found.tail_classes
        ([('total', 6), ('date', 3), ('tip', 1)], 6.0, 1)
    """
    for name, value in (("tail_share", tail_share), ("beta", beta)):
        if not 0 <= value < 1:
            raise RecipeError(f"{name} is {value}", key=name, mend="Give a number from 0 to below 1.")
    if not len(labels):
        raise DataError("There are no rows to count", mend="Give the classes of the training rows.")
    names, counts = np.unique(as_names(labels), return_counts=True)
    order = np.lexsort((names, -counts))
    names, counts = names[order], counts[order]
    shares = counts / counts.sum()
    nats = -float((shares * np.log(shares)).sum())
    tail = int((np.cumsum(counts[::-1]) <= tail_share * counts.sum()).sum())
    effective = effective_number(counts, beta)
    return Imbalance(
        classes=tuple(map(ClassCount, names.tolist(), counts.tolist(), shares.tolist(), effective.tolist())),
        ratio=float(counts[0] / counts[-1]),
        entropy=nats / math.log(len(counts)) if len(counts) > 1 else 1.0,
        effective_classes=math.exp(nats),
        tail_classes=tail,
        tail_rows=int(counts[len(counts) - tail :].sum()),
    )


def effective_number(counts: Any, beta: float = 0.999) -> np.ndarray:
    """(1 − βⁿ) / (1 − β): what n rows of a class are worth, when each new one is a bit more like those before.

    Its inverse is the class weight of Cui et al.

    Example:
        >>> effective_number([1, 10, 10_000], beta=0.99).round(1).tolist()
        [1.0, 9.6, 100.0]
    """
    return np.asarray((1 - beta ** np.asarray(counts, dtype=float)) / (1 - beta))


def score_by_frequency(
    scores: Any,
    labels: Sequence[Any],
    training_labels: Sequence[Any],
    *,
    clusters: Sequence[Any] | np.ndarray | None = None,
    confidence: float = 0.95,
) -> list[FrequencyBucket]:
    """The score of evaluation rows by how often their class stands in the training rows; rarest first.

    Args:
        scores: (rows,), or (seeds, rows), which are averaged over seeds; from 0 to 1.
        labels: (rows,) the class of each evaluation row.
        training_labels: the class of each training row.
        clusters: (rows,) what rows depend on together, e.g. their document.
        confidence: of the intervals.

    Raises:
        DataError: lengths differ.

    Example:
        >>> buckets = score_by_frequency([1.0, 0.0, 0.0], ["a", "b", "new"], ["a"] * 12 + ["b"])
        >>> [(bucket.name, bucket.score) for bucket in buckets]
        [('0', 0.0), ('1–2', 0.0), ('10–29', 1.0)]
    """
    values = np.asarray(scores, dtype=float)
    values = values.mean(axis=0) if values.ndim == 2 else values
    names = as_names(labels)
    group = np.arange(len(names)) if clusters is None else np.unique(as_names(clusters), return_inverse=True)[1]
    if not len(values) == len(names) == len(group):
        what = f"{len(values)} scores, {len(names)} labels and {len(group)} clusters do not belong together"
        raise DataError(what, mend="Give one of each a row.")
    known, counts = np.unique(as_names(training_labels), return_counts=True)
    different, of = np.unique(names, return_inverse=True)
    place = np.minimum(np.searchsorted(known, different), max(0, len(known) - 1))
    trained = np.where(known[place] == different, counts[place], 0) if len(known) else np.zeros(len(different), int)
    bucket = np.searchsorted(BUCKETS, trained, side="right") - 1
    found = []
    for number in np.unique(bucket):
        inside = bucket[of] == number
        last = number + 1 == len(BUCKETS)
        found.append(
            FrequencyBucket(
                fewest=BUCKETS[number],
                most=None if last else BUCKETS[number + 1] - 1,
                classes=int((bucket == number).sum()),
                rows=int(inside.sum()),
                score=float(values[inside].mean()),
                interval=score_interval(values[inside], group[inside], confidence),
            )
        )
    return found


def as_names(labels: Sequence[Any] | np.ndarray) -> np.ndarray:
    """Labels as texts; None and NaN are `missing`."""
    return np.array(["missing" if label is None or label != label else str(label) for label in labels], dtype=str)
