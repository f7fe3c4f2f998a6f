"""Where does the target fail? Slices of rows with a low score, found among the metadata columns and then checked.

A small tree is grown on one half of the documents: at each node the split whose two sides differ most surely in their
mean score, if it is sure enough against all the splits that were tried (Bonferroni) and all nodes of the tree. Its
leaves, named in words (`key = total and n_occurrences > 3`), are then measured on the other half, which had no say in
them: a slice that is picked and measured on the same rows looks worse than it is. Such honest trees are those of Athey
& Imbens 2016 (https://arxiv.org/abs/1504.01132), error trees those of Singla et al. 2021
(https://arxiv.org/abs/2012.01750).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.conditions import Column, Condition, in_words, needed, read_column

FEWEST_CLUSTERS = 5  # on each side of a split: fewer say nothing of other documents


@dataclass(frozen=True)
class Slice:
    """A part of the rows that the tree found, measured on the half that did not choose it.

    Args:
        name: in words, such as `key = total and n_occurrences > 3`; `all rows` where the tree did not split.
        conditions: what its rows have in common.
        rows, score, interval: of the measuring half; the interval knows clusters.
        row_share: its share of the rows of that half.
        error_share: its share of all that these rows miss to a perfect score.
        confirmed: whether the score lies below that of all other rows beyond chance, corrected for the number of
            slices.
        members: (n,) numbers of its rows in both halves.
    """

    name: str
    conditions: tuple[Condition, ...]
    rows: int
    score: float
    interval: tuple[float, float]
    row_share: float
    error_share: float
    confirmed: bool
    members: np.ndarray


@dataclass(frozen=True)
class ErrorTree:
    """What `find_slices` found: slices by what they miss, most first, and the score of all measured rows."""

    slices: tuple[Slice, ...]
    score: float
    interval: tuple[float, float]
    rows_to_find: int
    rows_to_measure: int

    def __str__(self) -> str:
        width = max(len(part.name) for part in self.slices)
        lines = [f"{'all rows':<{width}}  {self.score:.3f} [{self.interval[0]:.3f}, {self.interval[1]:.3f}]"]
        lines += [
            f"{part.name:<{width}}  {part.score:.3f} [{part.interval[0]:.3f}, {part.interval[1]:.3f}]  "
            f"{part.rows} rows ({100 * part.row_share:.0f} %), {100 * part.error_share:.0f} % of the errors"
            f"{', confirmed' if part.confirmed else ''}"
            for part in self.slices
        ]
        return "\n".join(lines)


def find_slices(
    scores: Any,
    columns: Mapping[str, Sequence[Any] | np.ndarray],
    *,
    clusters: Sequence[Any] | np.ndarray | None = None,
    min_rows: int = 15,
    depth: int = 3,
    confidence: float = 0.95,
    seed: int = 0,
) -> ErrorTree:
    """Finds slices of low score on one half of the clusters, and measures them on the other.

    Args:
        scores: (rows,), or (seeds, rows), which are averaged over seeds; from 0 to 1, 1 = right.
        columns: name → (rows,) values: texts and booleans are split by value, numbers by thresholds at their quantiles;
            a missing value (None, NaN) is a value of its own.
        clusters: (rows,) what each row belongs to, e.g. its document: rows of one cluster are in one half, and count as
            dependent; None: every row for itself.
        min_rows: of each side of a split, in the half that finds it; both have at least 5 clusters, too.
        depth: the most conditions of a slice.
        confidence: of the splits (all of a tree together) and of the intervals.
        seed: of the halves; to which one a cluster belongs depends on seed and name only.

    Raises:
        DataError: lengths differ, there is no score, or one that is not from 0 to 1, or one half would be empty.
        RecipeError: an option is out of its range.

    Example:
        >>> total = np.arange(400) % 4 == 0
        >>> found = find_slices(np.where(total, 0.0, 1.0), {"key": np.where(total, "total", "date")})
        >>> worst = found.slices[0]
        >>> worst.name, worst.score, worst.error_share, worst.confirmed
        ('key = total', 0.0, 1.0, True)
    """
    _check_options(min_rows, depth, confidence)
    values, names = _check(scores, columns, clusters)
    finding = first_half(names, seed)
    cluster = np.unique(names, return_inverse=True)[1]
    read = [read_column(name, given) for name, given in columns.items()]
    half = [column.take(finding) for column in read]
    leaves = _grow(values[finding], cluster[finding], half, (), min_rows, depth, (1 - confidence) / 2)
    checking = ~finding
    slices = [
        _measure(path, _members(read, path), values, cluster, checking, confidence, len(leaves)) for path in leaves
    ]
    return ErrorTree(
        slices=tuple(sorted(slices, key=lambda part: (-part.error_share, part.name))),
        score=float(values[checking].mean()),
        interval=score_interval(values[checking], cluster[checking], confidence),
        rows_to_find=int(finding.sum()),
        rows_to_measure=int(checking.sum()),
    )


def first_half(names: np.ndarray, seed: int) -> np.ndarray:
    """(rows,) whether a row's cluster is in the half that finds: by a hash, so that new rows move no old one."""
    different, number = np.unique(names, return_inverse=True)
    keys = np.array([hashlib.sha256(f"{seed}\x1f{name}".encode()).digest()[0] for name in different])
    half = (keys % 2 == 0)[number]
    if half.all() or not half.any():
        raise DataError(
            "All rows fell into one half, so that there is none to check on",
            clusters=len(different),
            mend="Give more documents, or another seed.",
        )
    return np.asarray(half)


# --- growing ---

Path = tuple[Condition, ...]


def _grow(
    values: np.ndarray, cluster: np.ndarray, columns: list[Column], path: Path, min_rows: int, depth: int, alpha: float
) -> list[Path]:
    """The leaves below a node. `alpha` is its share of the chance that any split of the tree is none in truth.

    The root takes one half; at each level the chance of a node halves twice, since there are twice as many nodes.
    """
    split = _best_split(values, cluster, columns, min_rows, alpha) if depth else None
    if split is None:
        return [path]
    mask, sides = split
    leaves = []
    for side, condition in zip((mask, ~mask), sides, strict=True):
        inside = [column.take(side) for column in columns]
        leaves += _grow(values[side], cluster[side], inside, (*path, condition), min_rows, depth - 1, alpha / 4)
    return leaves


def _best_split(
    values: np.ndarray, cluster: np.ndarray, columns: list[Column], min_rows: int, alpha: float
) -> tuple[np.ndarray, tuple[Condition, Condition]] | None:
    pairs, masks = [], []
    for column in columns:
        for pair in column.splits():
            mask = column.mask(pair[0])
            if min_rows <= mask.sum() <= len(mask) - min_rows and _clusters_on_both_sides(mask, cluster):
                pairs.append(pair)
                masks.append(mask)
    if not pairs:
        return None
    scores = split_scores(values, cluster, masks)
    best = int(np.argmax(np.abs(scores)))
    p_value = math.erfc(abs(float(scores[best])) / math.sqrt(2))
    return (masks[best], pairs[best]) if p_value * len(pairs) <= alpha else None


def _clusters_on_both_sides(mask: np.ndarray, cluster: np.ndarray) -> bool:
    return all(np.count_nonzero(np.bincount(cluster[side])) >= FEWEST_CLUSTERS for side in (mask, ~mask))


def split_scores(values: np.ndarray, cluster: np.ndarray, masks: Sequence[np.ndarray]) -> np.ndarray:
    """(splits,) how surely the two sides of each split differ in their mean: a score test that knows clusters.

    The difference of the two means is a sum over clusters. Under the hypothesis that there is none, residuals are
    about the common mean, and the sum of squares of the clusters' parts is its variance; unlike the variance within
    sides, this cannot be 0 where one side is all wrong and the other all right. Normal for many clusters.

    Example:
        >>> half = np.arange(8) < 4
        >>> split_scores(np.array([0, 0, 0, 1, 1, 1, 1, 1.0]), np.arange(8), [half]).round(2).tolist()
        [-2.19]
    """
    rest = values - values.mean()
    number = np.unique(cluster, return_inverse=True)[1]
    whole = np.bincount(number, weights=rest)
    found = np.zeros(len(masks))
    for place, mask in enumerate(masks):  # one at a time, so that memory does not grow with the number of splits
        inside = int(mask.sum())
        outside = len(mask) - inside
        part = np.bincount(number[mask], weights=rest[mask], minlength=len(whole))
        sums = part / inside - (whole - part) / outside
        spread = math.sqrt(float((sums**2).sum()))
        found[place] = sums.sum() / spread if spread > 1e-12 else 0.0
    return found


# --- measuring ---


def _members(columns: Sequence[Column], path: Path) -> np.ndarray:
    of = {column.name: column for column in columns}
    mask = np.ones(len(columns[0].values) if columns else 0, dtype=bool)
    for condition in path:
        mask &= of[condition.column].mask(condition)
    return mask


def _measure(
    path: Path,
    members: np.ndarray,
    values: np.ndarray,
    cluster: np.ndarray,
    checking: np.ndarray,
    confidence: float,
    slices: int,
) -> Slice:
    values, cluster, inside = values[checking], cluster[checking], members[checking]
    missed = float((1 - values).sum())
    confirmed = False
    if _clusters_on_both_sides(inside, cluster):
        score = float(split_scores(values, cluster, [inside])[0])
        confirmed = 0.5 * math.erfc(-score / math.sqrt(2)) * slices <= 1 - confidence
    return Slice(
        name=in_words(path),
        conditions=needed(path),
        rows=int(inside.sum()),
        score=float(values[inside].mean()) if inside.any() else math.nan,
        interval=score_interval(values[inside], cluster[inside], confidence),
        row_share=float(inside.mean()),
        error_share=float((1 - values[inside]).sum() / missed) if missed else 0.0,
        confirmed=confirmed,
        members=np.flatnonzero(members),
    )


def score_interval(values: np.ndarray, cluster: np.ndarray, confidence: float) -> tuple[float, float]:
    """Wilson's interval of a mean of scores from 0 to 1, for the number of rows that clusters leave (design effect).

    Never narrower than for independent rows that are right or wrong; (0, 1) without rows.

    Example:
        >>> low, high = score_interval(np.ones(20), np.arange(20), 0.95)
        >>> round(low, 3), high
        (0.839, 1.0)
    """
    if not len(values):
        return 0.0, 1.0
    mean, number = float(values.mean()), np.unique(cluster, return_inverse=True)[1]
    clusters = int(number.max()) + 1
    parts = np.bincount(number, weights=values - mean) / len(values)
    variance = float((parts**2).sum()) * clusters / max(1, clusters - 1)
    alone = mean * (1 - mean) / max(1, len(values) - 1)
    # Without errors, or without right rows, nothing is seen of how rows hang together: each cluster counts as one.
    effect = max(1.0, variance / alone) if alone > 1e-12 else len(values) / clusters
    rows, z = len(values) / effect, NormalDist().inv_cdf((1 + confidence) / 2)
    middle = (mean + z * z / (2 * rows)) / (1 + z * z / rows)
    reach = z / (1 + z * z / rows) * math.sqrt(mean * (1 - mean) / rows + z * z / (4 * rows * rows))
    return max(0.0, middle - reach), min(1.0, middle + reach)


# --- what was given ---


def _check(
    scores: Any, columns: Mapping[str, Sequence[Any] | np.ndarray], clusters: Sequence[Any] | np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(scores, dtype=float)
    values = values.mean(axis=0) if values.ndim == 2 else values
    if values.ndim != 1 or not len(values):
        raise DataError(f"Scores have the shape {np.shape(scores)}", mend="Give them as (rows,) or (seeds, rows).")
    if not ((values >= 0) & (values <= 1)).all():
        bad = int(np.flatnonzero(~((values >= 0) & (values <= 1)))[0])
        raise DataError("A score is not from 0 to 1", row=bad, score=float(values[bad]), mend="Scale it: 1 = right.")
    if not columns:
        raise DataError("There is no column to split by", mend="Give metadata columns, such as the key of a row.")
    given = np.arange(len(values)) if clusters is None else np.asarray([str(name) for name in clusters])
    for name, column in {"clusters": given, **columns}.items():
        if len(column) != len(values):
            raise DataError(f"{len(column)} values for {len(values)} rows", column=name, mend="Give one value a row.")
    return values, given.astype(str)


def _check_options(min_rows: int, depth: int, confidence: float) -> None:
    for name, value, least in (("min_rows", min_rows, 2), ("depth", depth, 1)):
        if value < least:
            raise RecipeError(f"{name} is {value}", key=name, mend=f"Give a whole number of at least {least}.")
    if not 0 < confidence < 1:
        raise RecipeError(f"confidence is {confidence}", key="confidence", mend="Give a share such as 0.95.")
