"""Paired comparison of two revisions by the scores of the target model that was trained on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.records import Evidence, SliceEvidence, Verdict

_CHUNK = 4_000_000  # numbers drawn at a time, so that memory does not grow with resamples × documents


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. Means are over seeds and rows; `difference` is candidate − parent."""

    difference: float
    interval: tuple[float, float]
    p_value: float
    verdict: Verdict
    parent: float
    candidate: float
    rows: int
    clusters: int
    seeds: int
    confidence: float
    minimum_effect: float
    slices: tuple[SliceEvidence, ...] = ()

    def __str__(self) -> str:
        name = max([len("all rows"), *(len(part.name) for part in self.slices)])
        lines = [
            f"{self.verdict}: {self.parent:.3f} → {self.candidate:.3f}, difference {self.difference:+.3f} "
            f"({100 * self.confidence:g}% interval {self.interval[0]:+.3f} to {self.interval[1]:+.3f}, "
            f"p = {self.p_value:.2g}; {self.rows} rows, {self.clusters} clusters, {self.seeds} seeds)"
        ]
        lines += [
            f"  {part.name:<{name}}  {part.parent:.3f} → {part.candidate:.3f}  {part.difference:+.3f} "
            f"({part.interval[0]:+.3f} to {part.interval[1]:+.3f}; {part.rows} rows)"
            for part in self.slices
        ]
        return "\n".join(lines)

    def to_evidence(
        self,
        metric: str,
        split: str,
        seeds: Sequence[int],
        secondary: Mapping[str, tuple[float, float]] | None = None,
    ) -> Evidence:
        """The record that is published.

        Args:
            metric: name of the score that was compared.
            split: the evaluation split that its rows came from.
            seeds: the training seeds, one for every row of the score arrays, in their order.
            secondary: other metrics as (parent, candidate), told but not tested.

        Raises:
            DataError: the number of seeds is not that of the scores.
        """
        if len(seeds) != self.seeds:
            raise DataError(
                f"{len(seeds)} seeds are named for scores of {self.seeds}", mend="Name the seed of each row."
            )
        return Evidence(
            metric=metric,
            split=split,
            rows=self.rows,
            clusters=self.clusters,
            seeds=tuple(seeds),
            parent=self.parent,
            candidate=self.candidate,
            difference=self.difference,
            interval=self.interval,
            confidence=self.confidence,
            p_value=self.p_value,
            verdict=self.verdict,
            minimum_effect=self.minimum_effect,
            slices=self.slices,
            secondary=dict(secondary or {}),
        )


def compare(
    parent: Any,
    candidate: Any,
    clusters: Sequence[Any] | None = None,
    *,
    slices: Sequence[Any] | None = None,
    confidence: float = 0.95,
    minimum_effect: float = 0.0,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Says whether the target scores higher with the candidate data, with an interval that knows documents and seeds.

    Everything rests on the paired differences d[s, r] = candidate[s, r] − parent[s, r]: same seed, same row.

    **Interval** (percentile bootstrap of the mean difference). Two things are random and crossed (every seed meets
    every document), so each is drawn by itself. (1) Documents: whole clusters are drawn with replacement, all their
    rows and all seeds together, because rows of one document stand or fall together; the mean is over the rows drawn,
    so clusters may differ in size. (2) Seeds: the deviations of the seeds' mean differences from the overall one are
    drawn with replacement, stretched by √(S/(S−1)) since S of them show only (S−1)/S of their variance, and added.
    Noise of seed and document together is in both, so the interval errs to the wide side, though less than Owen's
    (2007) pigeonhole bootstrap, which counts it three times. Its limit: where the seeds' own effect outweighs the
    documents', 3 seeds are too few for any bootstrap (a nominal .95 covered .86 to .94 in simulation); with one seed,
    the interval is about that one pair of trainings.

    **p-value** (two-sided sign-flip permutation) of the hypothesis that the true difference is `minimum_effect`. If it
    is, the signs of a cluster's differences, less `minimum_effect` a row, could as well be reversed: they are flipped
    by cluster, all seeds together. p = (1 + flips at least as extreme) / (1 + flips). It is about these trained models
    on other documents, as 3 seeds allow no permutation of their own.

    **Verdict**, by both: `accept` if the interval lies above `minimum_effect` and p ≤ 1 − `confidence`, `reject` if it
    lies below and p is as small, else `inconclusive`. The bootstrap alone is too sure where few documents differ: with
    4 of 79 better and none worse its interval is .013 to .101, but p = 2/2⁴ = .125. Five are not enough either
    (.0625); six are.

    Args:
        parent: scores (seeds, rows), or (rows,) for one seed, of the target trained on the parent revision.
        candidate: the same of the target trained on the candidate, same seeds and rows in the same order.
        clusters: (rows,) what each row belongs to, e.g. its document, no nulls; None: every row for itself.
        slices: (rows,) a label for each row, no nulls; each gets its own interval (not corrected for their number). A
            slice that lies in one cluster has no interval of its own and gets the widest that the scores allow.
        confidence: of the intervals, in (0, 1).
        minimum_effect: gain from which a candidate is worth having, in units of the score.
        resamples: number of bootstrap draws, and of permutations.
        seed: of the random draws; equal input and seed give equal output.

    Returns:
        The comparison; `str()` of it is a table.

    Raises:
        DataError: shapes differ, no rows, a score that is not finite, labels of another length or null, or one cluster
            only.
        RecipeError: `confidence` or `resamples` out of range, `minimum_effect` not finite.

    Example:
        >>> parent = [[0, 0, 1, 0, 1, 0, 0, 0]]
        >>> candidate = [[1, 1, 1, 1, 1, 1, 1, 1]]
        >>> found = compare(parent, candidate, clusters=["a", "b", "c", "d", "e", "f", "g", "h"])
        >>> found.difference, found.verdict
        (0.75, 'accept')
    """
    _check_options(confidence, minimum_effect, resamples)
    before, after = _scores(parent, candidate)
    rows = before.shape[1]
    labels = np.arange(rows) if clusters is None else _labels(clusters, rows, "clusters")
    names, cluster = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise DataError(
            "All rows are of one cluster, so nothing says how much another document would differ",
            mend="Give rows of two documents or more.",
        )
    kinds = np.empty(rows, str) if slices is None else _labels(slices, rows, "slices")
    slice_names = [] if slices is None else np.unique(kinds).tolist()
    masks = [np.ones(rows, bool), *(kinds == name for name in slice_names)]
    found, *parts = (_part(before, after, cluster, len(names), mask) for mask in masks)
    (low, high), *intervals = _intervals([found, *parts], confidence, resamples, seed)
    p_value = _sign_flip(found.by_cluster - minimum_effect * found.rows_by_cluster, resamples, seed)
    return Comparison(
        difference=found.difference,
        interval=(low, high),
        p_value=p_value,
        verdict=_verdict(low, high, minimum_effect, sure=p_value <= 1 - confidence),
        parent=found.parent,
        candidate=found.candidate,
        rows=rows,
        clusters=len(names),
        seeds=len(before),
        confidence=confidence,
        minimum_effect=minimum_effect,
        slices=tuple(
            SliceEvidence(name, part.rows, part.parent, part.candidate, part.difference, interval)
            for name, part, interval in zip(slice_names, parts, intervals, strict=True)
        ),
    )


def _verdict(low: float, high: float, minimum_effect: float, *, sure: bool) -> Verdict:
    if sure and low > minimum_effect:
        return "accept"
    if sure and high < minimum_effect:
        return "reject"
    return "inconclusive"


@dataclass(frozen=True)
class _Part:
    """A group of rows, summed as far as resampling allows."""

    rows: int
    parent: float
    candidate: float
    difference: float
    by_cluster: np.ndarray  # (clusters,) sum over the cluster's rows of the difference, mean over seeds
    rows_by_cluster: np.ndarray  # (clusters,)
    by_seed: np.ndarray  # (seeds,) the seed's mean difference less the overall one
    widest: float  # the largest difference that scores in the range seen could have


def _part(before: np.ndarray, after: np.ndarray, cluster: np.ndarray, clusters: int, mask: np.ndarray) -> _Part:
    widest = float(max(before.max(), after.max()) - min(before.min(), after.min()))
    before, after, cluster = before[:, mask], after[:, mask], cluster[mask]
    change = after - before
    return _Part(
        rows=int(mask.sum()),
        parent=float(before.mean()),
        candidate=float(after.mean()),
        difference=float(change.mean()),
        by_cluster=np.bincount(cluster, weights=change.mean(axis=0), minlength=clusters),
        rows_by_cluster=np.bincount(cluster, minlength=clusters).astype(float),
        by_seed=change.mean(axis=1) - change.mean(),
        widest=widest,
    )


def _intervals(parts: Sequence[_Part], confidence: float, resamples: int, seed: int) -> list[tuple[float, float]]:
    """Percentile bootstrap intervals; every part is computed on the same draws of clusters and seeds."""
    for_clusters, for_seeds = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    clusters, seeds = len(parts[0].by_cluster), len(parts[0].by_seed)
    totals = np.stack([p.by_cluster for p in parts] + [p.rows_by_cluster for p in parts], axis=1)
    drawn = np.concatenate(
        [
            for_clusters.multinomial(clusters, np.full(clusters, 1 / clusters), size=size) @ totals
            for size in _chunks(resamples, clusters)
        ]
    )
    sums, rows = np.hsplit(drawn, 2)
    # A draw without any row of a part says nothing about it and is left out.
    means = np.divide(sums, rows, out=np.full_like(sums, np.nan), where=rows > 0)
    if seeds > 1:
        weights = for_seeds.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds
        means += np.sqrt(seeds / (seeds - 1)) * weights @ np.stack([p.by_seed for p in parts], axis=1)
    tail = (1 - confidence) / 2
    bounds = np.nanquantile(means, [tail, 1 - tail], axis=0).T.tolist()
    return [
        (low, high) if np.count_nonzero(part.rows_by_cluster) > 1 else (-part.widest, part.widest)
        for part, (low, high) in zip(parts, bounds, strict=True)
    ]


def _sign_flip(by_cluster: np.ndarray, flips: int, seed: int) -> float:
    """Share of sign flips by cluster with a sum at least as far from 0 as the observed, which counts as one of them."""
    rng = np.random.default_rng([seed, 2])
    observed = abs(by_cluster.sum())
    tolerance = 1e-9 * np.abs(by_cluster).sum()  # equal sums in another order of addition must count as equal
    extreme = 0
    for size in _chunks(flips, len(by_cluster)):
        signs = rng.integers(0, 2, size=(size, len(by_cluster)), dtype=np.int8) * 2.0 - 1.0
        extreme += int(np.count_nonzero(np.abs(signs @ by_cluster) >= observed - tolerance))
    return (1 + extreme) / (1 + flips)


def _chunks(draws: int, width: int) -> list[int]:
    size = max(1, _CHUNK // width)
    return [min(size, draws - start) for start in range(0, draws, size)]


def _scores(parent: Any, candidate: Any) -> tuple[np.ndarray, np.ndarray]:
    before, after = np.asarray(parent, dtype=float), np.asarray(candidate, dtype=float)
    if before.shape != after.shape or before.ndim not in (1, 2):
        raise DataError(
            f"Scores of parent and candidate have shapes {before.shape} and {after.shape}",
            mend="Give both as (seeds, rows): the same seeds, the same rows, in the same order.",
        )
    if before.size == 0:
        raise DataError("There are no scores to compare", mend="Score at least two documents with one seed.")
    for name, scores in (("parent", before), ("candidate", after)):
        if not np.isfinite(scores).all():
            place = np.argwhere(~np.isfinite(np.atleast_2d(scores)))[0]
            raise DataError(
                f"A score of the {name} is not a finite number",
                seed=int(place[0]),
                row=int(place[1]),
                mend="Score the row, or leave it out on both sides.",
            )
    return np.atleast_2d(before), np.atleast_2d(after)


def _labels(values: Sequence[Any], rows: int, option: str) -> np.ndarray:
    if len(values) != rows:
        raise DataError(f"{option} has {len(values)} labels for {rows} rows", mend="Give one label a row.")
    for row, value in enumerate(values):
        if value is None or value != value:  # NaN: what pandas and numpy make of a null
            # As text, all nulls would be one document, or one slice, named "None".
            raise DataError(f"A label of {option} is null", row=row, mend="Fill it in, or leave the row out.")
    return np.array([str(value) for value in values])


def _check_options(confidence: float, minimum_effect: float, resamples: int) -> None:
    if not 0 < confidence < 1:
        raise RecipeError(f"confidence is {confidence}", mend="Give a share between 0 and 1, such as 0.95.")
    if not np.isfinite(minimum_effect):
        raise RecipeError(f"minimum_effect is {minimum_effect}", mend="Give a finite difference, such as 0.01.")
    if resamples < 100:
        raise RecipeError(f"resamples is {resamples}, too few for an interval", mend="Give 1000 or more.")
