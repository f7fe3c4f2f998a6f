"""Paired comparison of two revisions by the scores of the target model that was trained on each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.planner import plan
from hf_mbdc.guidance.resampling import bootstrap_means, sign_flip, skewness
from hf_mbdc.guidance.row_scores import RowScores
from hf_mbdc.guidance.slices import holm, sure_losses
from hf_mbdc.guidance.uncertainty import Uncertainty, uncertainty_of
from hf_mbdc.records import Evidence, Plan, SliceEvidence, Verdict


@dataclass(frozen=True)
class Comparison:
    """What `compare` found. Means are over seeds and rows; `difference` is candidate − parent.

    `p_value` is the larger one of the permutation's (`permutation_p_value`) and of the test that belongs to the
    interval. `effect_size` is Cohen's d of paired differences (d_z): the difference in standard deviations of what one
    row's score differs by with one seed; None where all differ alike. `alpha` is the level that decided.
    """

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
    permutation_p_value: float
    effect_size: float | None
    alpha: float
    uncertainty: Uncertainty
    slices: tuple[SliceEvidence, ...] = ()

    @property
    def plan(self) -> Plan:
        """How many clusters or seeds would settle it, were the difference seen the true one."""
        return plan(self.uncertainty, self.difference - self.minimum_effect, alpha=self.alpha)

    @property
    def hidden_losses(self) -> tuple[str, ...]:
        """Names of the slices on which the candidate is worse for sure, corrected for their number."""
        return tuple(part.name for part in sure_losses(self.slices))

    def __str__(self) -> str:
        name = max([len("all rows"), *(len(part.name) for part in self.slices)])
        lines = [
            f"{self.verdict}: {self.parent:.3f} → {self.candidate:.3f}, difference {self.difference:+.3f} "
            f"({100 * self.confidence:g}% interval {self.interval[0]:+.3f} to {self.interval[1]:+.3f}, "
            f"p = {self.p_value:.2g}; {self.rows} rows, {self.clusters} clusters, {self.seeds} seeds)"
        ]
        lines += [
            f"  {part.name:<{name}}  {part.parent:.3f} → {part.candidate:.3f}  {part.difference:+.3f} "
            f"({part.interval[0]:+.3f} to {part.interval[1]:+.3f}, corrected p = {part.p_value:.2g}; {part.rows} rows)"
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
            effect_size=self.effect_size,
            permutation_p_value=self.permutation_p_value,
            alpha=self.alpha,
            plan=self.plan,
        )


def compare(
    parent: Any,
    candidate: Any = None,
    clusters: Sequence[Any] | None = None,
    *,
    slices: Sequence[Any] | None = None,
    confidence: float = 0.95,
    alpha: float | None = None,
    minimum_effect: float = 0.0,
    resamples: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Says whether the target scores higher with the candidate data, with an interval that knows documents and seeds.

    Everything rests on the paired differences d[s, r] = candidate[s, r] − parent[s, r]: same seed, same row. Two things
    are random, and crossed, as every seed meets every document: which documents were scored (rows of one stand or
    fall together), and which seeds were trained with. The claim is about other documents and other seeds alike; with
    one seed it can only be about that one pair of trainings.

    **Interval.** Its width is that of the crossed random effects of seeds, clusters and their meeting
    (`guidance.uncertainty`), with a quantile between Student's t of the clusters and that of the seeds: 2 seeds that
    disagree give a very wide interval, and rightly so, since no resampling finds in 3 seeds what they do not hold (the
    plain bootstrap of both covers 78 to 95 % for a nominal 95 %). The BCa bootstrap (Efron 1987) over whole clusters,
    all seeds together, with the acceleration by the jackknife over clusters, moves each bound further out where it lies
    further out, in proportion to the clusters' share of the variance, and to the share of the sample's skewness that
    is more than noise; it never moves one inwards. A sample can show that errors are skewed; that the rare clusters
    which would make a bound too near did not come into it, it cannot show, and BCa's inner bounds rest on that: taken
    as they are, they cover 87 to 93 % where few clusters differ. Where
    all clusters differ alike, or not at all, no variance is seen: the interval then allows for as many others as could
    have stayed out of the sample by chance (the rule of three), at the range of the scores seen.

    In the simulations of `scripts/eval_guidance.py` a nominal 95 % covers 94 to 97 % with 3 and 5 seeds and 40 to 200
    clusters of like and of very different size. Limits: clusters are taken as independent, seeds' effects as near
    normal. Very skewed effects, and scores of which only a handful of clusters differ, bring it to 88 to 94 %, the
    misses on the side of the rare large ones; the permutation test keeps the verdict from it.

    **p-value** (two-sided) of the hypothesis that the true difference is `minimum_effect`: the larger one of two. One
    belongs to the interval's width (documents and seeds random). The other is a sign-flip permutation of clusters: if
    the hypothesis holds and a cluster's differences, less `minimum_effect` a row, could as well have the other sign,
    how often is the mean as far away? It assumes no distribution but symmetry, and is about these trained models on
    other documents, as 3 seeds allow no permutation of their own.

    **Verdict**: `accept` if the interval with confidence 1 − `alpha` lies above `minimum_effect` and p ≤ `alpha`,
    `reject` if it lies below and p is as small, else `inconclusive`. The interval alone is too sure where few documents
    differ: with 4 of 79 better and none worse it lies above 0, but p = 2/2⁴ = .125. Six are enough.

    **Slices** are tested alike, against 0. `interval` is for a slice alone; `p_value` (Holm) and `simultaneous`
    (Bonferroni) are right for all of them together. They do not change the verdict; `hidden_losses` names those that
    are worse for sure.

    Args:
        parent: scores (seeds, rows), or (rows,) for one seed, of the target trained on the parent revision; or
            `RowScores`, which hold both, the clusters and the slices.
        candidate: the same of the target trained on the candidate, same seeds and rows in the same order.
        clusters: (rows,) what each row belongs to, e.g. its document, no nulls; None: every row for itself.
        slices: (rows,) a label for each row, no nulls. A slice that lies in one cluster has no interval of its own and
            gets the widest that the scores allow.
        confidence: of the intervals, in (0, 1).
        alpha: level of this decision, where the looks at the rows are rationed (`guidance.looks`); default
            1 − `confidence`. The intervals told keep `confidence`.
        minimum_effect: gain from which a candidate is worth having, in units of the score.
        resamples: number of bootstrap draws, and of permutations.
        seed: of the random draws; equal input and seed give equal output.

    Returns:
        The comparison; `str()` of it is a table.

    Raises:
        DataError: shapes differ, no rows, a score that is not finite (a row that only some seeds scored), labels of
            another length or null, or one cluster only.
        RecipeError: `confidence`, `alpha` or `resamples` out of range, `minimum_effect` not finite.

    Example:
        >>> parent = [[0, 0, 1, 0, 1, 0, 0, 0]]
        >>> candidate = [[1, 1, 1, 1, 1, 1, 1, 1]]
        >>> found = compare(parent, candidate, clusters=["a", "b", "c", "d", "e", "f", "g", "h"])
        >>> found.difference, found.p_value, found.verdict
        (0.75, 0.03125, 'accept')
    """
    if isinstance(parent, RowScores):
        parent, candidate, clusters, slices = parent.parent, parent.candidate, parent.clusters, parent.slices
    alpha = 1 - confidence if alpha is None else alpha
    _check_options(confidence, alpha, minimum_effect, resamples)
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
    skews = _skews([found, *parts], 1 - confidence, resamples, seed)
    permutation, p_value = _p_values(found, minimum_effect, resamples, seed)
    low, high = _interval(found, skews[0], alpha)
    return Comparison(
        difference=found.difference,
        interval=_interval(found, skews[0], 1 - confidence),
        p_value=p_value,
        verdict=_verdict(low, high, minimum_effect, sure=p_value <= alpha),
        parent=found.parent,
        candidate=found.candidate,
        rows=rows,
        clusters=len(names),
        seeds=len(before),
        confidence=confidence,
        minimum_effect=minimum_effect,
        permutation_p_value=permutation,
        effect_size=_effect_size(after - before),
        alpha=alpha,
        uncertainty=found.uncertainty,
        slices=_slices(slice_names, parts, skews[1:], 1 - confidence, resamples, seed),
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

    parent: float
    candidate: float
    difference: float
    by_cluster: np.ndarray  # (clusters,) sum over the cluster's rows of the difference, mean over seeds
    rows: np.ndarray  # (clusters,)
    uncertainty: Uncertainty
    scale: float  # the largest difference that scores in the range seen could have
    alone: bool  # whether all rows are of one cluster, so that the scale is all one knows


def _part(before: np.ndarray, after: np.ndarray, cluster: np.ndarray, clusters: int, mask: np.ndarray) -> _Part:
    scale = float(max(before.max(), after.max()) - min(before.min(), after.min()))
    before, after, cluster = before[:, mask], after[:, mask], cluster[mask]
    sums = np.stack([np.bincount(cluster, weights=change, minlength=clusters) for change in after - before])
    rows = np.bincount(cluster, minlength=clusters).astype(float)
    met = rows > 0
    alone = np.count_nonzero(met) < 2
    nothing = Uncertainty(0.0, 0.0, 0.0, len(before), 1, 1.0)
    return _Part(
        parent=float(before.mean()),
        candidate=float(after.mean()),
        difference=float((after - before).mean()),
        by_cluster=sums.mean(axis=0),
        rows=rows,
        uncertainty=nothing if alone else uncertainty_of(sums[:, met], rows[met]),
        scale=scale,
        alone=bool(alone),
    )


def _skews(parts: Sequence[_Part], alpha: float, resamples: int, seed: int) -> list[tuple[float, float]]:
    """How much further out than Student's the bounds of each part are, below and above, by the clusters' bootstrap."""
    sums, rows = (np.stack(columns, axis=1) for columns in zip(*((p.by_cluster, p.rows) for p in parts), strict=True))
    means = bootstrap_means(sums, rows, resamples, seed)
    found = []
    for k, part in enumerate(parts):
        influence = part.by_cluster - part.difference * part.rows
        factors, kept = skewness(means[:, k], part.difference, influence, alpha), _beyond_noise(influence, part.rows)
        below, above = (1 + kept * max(0.0, factor - 1) for factor in factors)
        found.append((below, above))
    return found


def _beyond_noise(influence: np.ndarray, rows: np.ndarray) -> float:
    """Which share of a sample's skewness is more than the noise of one: 1 − (6/n)/g², 0 at least (James and Stein).

    g is the skewness of what each cluster did to the mean, 6/n its variance where there is none, n the number of
    clusters of one size that would be worth as much.
    """
    length = float(np.linalg.norm(influence))
    if length <= 0:
        return 0.0
    clusters = float(rows.sum() ** 2 / (rows**2).sum())
    skew_square = float(((influence / length) ** 3).sum() ** 2) * clusters
    return max(0.0, 1 - 6 / clusters / skew_square) if skew_square > 0 else 0.0


def _interval(part: _Part, skew: tuple[float, float], alpha: float) -> tuple[float, float]:
    """The interval of the crossed effects, its cluster part leaning as the bootstrap does."""
    if part.alone:
        return -part.scale, part.scale
    known = part.uncertainty
    if known.variance <= (1e-12 * part.scale) ** 2:
        # All clusters alike: others may not be, but only so many that none of them came among these by chance.
        unseen = part.scale * (1 - (alpha / 2) ** (1 / known.clusters))
        return max(part.difference - unseen, -part.scale), min(part.difference + unseen, part.scale)
    share = min(1.0, (known.from_clusters + known.from_both) / known.variance)  # the seeds' part does not lean
    half = known.half_width(alpha)
    below, above = (half * float(np.sqrt(1 + share * (factor**2 - 1))) for factor in skew)
    return part.difference - below, part.difference + above


def _p_values(part: _Part, minimum_effect: float, resamples: int, seed: int) -> tuple[float, float]:
    """Of the permutation alone, and the larger one of it and of the crossed effects."""
    if part.alone:
        return 1.0, 1.0
    permutation = sign_flip(part.by_cluster - minimum_effect * part.rows, resamples, seed)
    return permutation, max(permutation, part.uncertainty.p_value(part.difference - minimum_effect))


def _effect_size(change: np.ndarray) -> float | None:
    spread = float(change.std())
    return float(change.mean()) / spread if spread > 1e-12 * float(np.abs(change).max()) else None


def _slices(
    names: Sequence[str],
    parts: Sequence[_Part],
    skews: Sequence[tuple[float, float]],
    alpha: float,
    resamples: int,
    seed: int,
) -> tuple[SliceEvidence, ...]:
    p_values = holm([_p_values(part, 0.0, resamples, seed)[1] for part in parts])
    return tuple(
        SliceEvidence(
            name=name,
            rows=int(part.rows.sum()),
            parent=part.parent,
            candidate=part.candidate,
            difference=part.difference,
            interval=_interval(part, skew, alpha),
            p_value=p_value,
            simultaneous=_interval(part, skew, alpha / len(parts)),
            clusters=int(np.count_nonzero(part.rows)),
        )
        for name, part, skew, p_value in zip(names, parts, skews, p_values, strict=True)
    )


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
                mend="Score the row with every seed, or leave it out on both sides.",
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


def _check_options(confidence: float, alpha: float, minimum_effect: float, resamples: int) -> None:
    if not 0 < confidence < 1:
        raise RecipeError(f"confidence is {confidence}", mend="Give a share between 0 and 1, such as 0.95.")
    if not 0 < alpha < 1:
        raise RecipeError(f"alpha is {alpha}", mend="Give a share between 0 and 1, such as 0.05, or a fresh split.")
    if not np.isfinite(minimum_effect):
        raise RecipeError(f"minimum_effect is {minimum_effect}", mend="Give a finite difference, such as 0.01.")
    if resamples < 100:
        raise RecipeError(f"resamples is {resamples}, too few for an interval", mend="Give 1000 or more.")
