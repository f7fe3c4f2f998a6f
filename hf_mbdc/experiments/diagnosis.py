"""A diagnosis: where the target fails, what it found hard to learn, and which step would help."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.experiments.examples import Example, suspect_examples, wrong_examples
from hf_mbdc.experiments.metadata import describe_rows
from hf_mbdc.guidance.advice import NEARLY, OFTEN, RELABEL, Advice, Findings, Group, advise
from hf_mbdc.guidance.error_tree import FEWEST_CLUSTERS, ErrorTree, find_slices, score_interval, split_scores
from hf_mbdc.guidance.imbalance import FrequencyBucket, Imbalance, as_names, measure_imbalance, score_by_frequency
from hf_mbdc.records import Cost

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from hf_mbdc.experiments.learned import Learned
    from hf_mbdc.recipe import EvaluationRecipe


@dataclass(frozen=True)
class ClassReport:
    """One class of rows: how well its training rows were learned, and how its evaluation rows score.

    `learned`: share of the epochs in which its training rows were right. `hard`: share of them in the region `hard`.
    `error_share`: of all that the evaluation rows miss.
    """

    name: str
    train_rows: int
    learned: float
    hard: float
    rows: int
    score: float
    interval: tuple[float, float]
    error_share: float


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found.

    Args:
        metric, split, rows, documents, seeds: what was scored.
        score, interval: mean over rows and seeds.
        failures: slices of the evaluation rows, by score; None where there are too few documents for two halves.
        hard: slices of the training rows, by the share of the epochs in which they were right; None as above.
        slice_by: the column of the classes.
        classes: those that miss most first.
        imbalance, buckets: of the training rows' classes, and the scores by how often a class was trained on.
        learned: the dynamics of the training rows, with columns for `train_ids`.
        wrong: examples of evaluation rows, the surest errors first.
        suspects: examples of the `suspected` training rows that were never once right.
        advice: steps that would help.
        cost: of the trainings that were read; `cached`: they were there already.
        published: the version that has what was found of each training row as columns, where that was asked for.
    """

    metric: str
    split: str
    rows: int
    documents: int
    seeds: tuple[int, ...]
    score: float
    interval: tuple[float, float]
    failures: ErrorTree | None
    hard: ErrorTree | None
    slice_by: str | None
    classes: tuple[ClassReport, ...]
    imbalance: Imbalance | None
    buckets: tuple[FrequencyBucket, ...]
    train_ids: np.ndarray
    learned: Learned
    wrong: tuple[Example, ...]
    suspects: tuple[Example, ...]
    suspected: int
    advice: tuple[Advice, ...]
    cost: Cost
    cached: bool
    published: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The findings as JSON knows them; numbers that are not finite are None. Rows are there as examples only."""
        regions = np.unique(self.learned.columns["dynamics_region"][self.learned.known], return_counts=True)
        whole = {
            **{field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name in _PLAIN},
            "classes": list(map(dataclasses.asdict, self.classes)),
            "buckets": list(map(dataclasses.asdict, self.buckets)),
            "failures": None if self.failures is None else _tree_dict(self.failures),
            "hard": None if self.hard is None else _tree_dict(self.hard),
            "wrong": list(map(dataclasses.asdict, self.wrong)),
            "suspects": list(map(dataclasses.asdict, self.suspects)),
            "advice": list(map(dataclasses.asdict, self.advice)),
            "cost": dataclasses.asdict(self.cost),
            "regions": dict(zip(regions[0].tolist(), regions[1].tolist(), strict=True)),
            "losses": self.learned.losses.tolist(),
            "right": self.learned.right.tolist(),
        }
        return {name: _finite(value) for name, value in whole.items()}


_PLAIN = (
    "metric",
    "split",
    "rows",
    "documents",
    "seeds",
    "score",
    "interval",
    "slice_by",
    "suspected",
    "cached",
    "published",
)


def _tree_dict(tree: ErrorTree) -> dict[str, Any]:
    told = ("name", "rows", "score", "interval", "row_share", "error_share", "confirmed")
    return {
        "score": tree.score,
        "interval": tree.interval,
        "rows_to_find": tree.rows_to_find,
        "rows_to_measure": tree.rows_to_measure,
        "slices": [{name: getattr(part, name) for name in told} for part in tree.slices],
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def examine(
    rows: Dataset,
    evaluation: Dataset,
    scores: np.ndarray,
    similarity: np.ndarray,
    predictions: pa.Table,
    learned: Learned,
    plan: EvaluationRecipe,
    *,
    metric: str,
    cost: Cost,
    cached: bool,
    sensitive: frozenset[str] = frozenset(),
    earlier: Mapping[str, Cost] | None = None,
) -> Diagnosis:
    """The diagnosis of trainings that are done.

    Args:
        rows: the train split.
        evaluation: the split that was predicted.
        scores: (seeds, rows) of `evaluation`, from 0 to 1.
        similarity: (seeds, rows) how near each answer is to the right one, from 0 to 1.
        predictions: `id, prediction, score` of the first seed, in the order of `evaluation`.
        learned: of `rows`.
        plan: `cluster_by`, `slice_by`, `seeds`, `split` and `confidence`.
        metric: name of the scores.
        cost, cached: of the trainings, and whether they were there already.
        sensitive: columns whose values are neither shown nor used to name slices.
        earlier: what steps cost when they ran last, by name.
    """
    score, clusters = scores.mean(axis=0), as_names(evaluation[plan.cluster_by][:])
    slice_by = None if plan.slice_by in sensitive else plan.slice_by
    imbalance, buckets, classes = None, list[FrequencyBucket](), list[ClassReport]()
    if slice_by is not None:
        trained, asked = rows[slice_by][:], evaluation[slice_by][:]
        imbalance = measure_imbalance(trained)
        buckets = score_by_frequency(score, asked, trained, clusters=clusters, confidence=plan.confidence)
        classes = _classes(as_names(trained), as_names(asked), score, clusters, learned, plan.confidence)
    suspects = _suspects(rows, learned)
    findings = Findings(
        score=float(score.mean()),
        train_rows=int(learned.known.sum()),
        losses=tuple(learned.losses.tolist()),
        right=tuple(learned.right.tolist()),
        training=_share(cost, len(scores)),
        several=_several(rows, evaluation, score, learned, plan),
        suspects=len(suspects),
        absent=_count(rows, "match_status", "absent"),
        **_nearly_right(score, similarity.mean(axis=0)),
        buckets=tuple(buckets),
        relabelled=_count(rows, "mbdc_source", RELABEL),
        earlier=earlier or {},
    )
    return Diagnosis(
        metric=metric,
        split=plan.split,
        rows=len(score),
        documents=len(np.unique(clusters)),
        seeds=tuple(plan.seeds),
        score=findings.score,
        interval=score_interval(score, np.unique(clusters, return_inverse=True)[1], plan.confidence),
        failures=_slices(score, evaluation, clusters, plan, sensitive),
        hard=_hard_slices(rows, learned, plan, sensitive),
        slice_by=slice_by,
        classes=tuple(classes),
        imbalance=imbalance,
        buckets=findings.buckets,
        train_ids=np.asarray(rows["id"][:], dtype=str),
        learned=learned,
        wrong=wrong_examples(evaluation, score, predictions, slice_by, sensitive),
        suspects=suspect_examples(rows, suspects, learned, slice_by, sensitive),
        suspected=len(suspects),
        advice=tuple(advise(findings)),
        cost=cost,
        cached=cached,
    )


def _slices(
    score: np.ndarray, rows: Dataset, clusters: np.ndarray, plan: EvaluationRecipe, sensitive: frozenset[str]
) -> ErrorTree | None:
    columns = describe_rows(rows, sensitive)
    if len(np.unique(clusters)) < 4 * FEWEST_CLUSTERS or not columns:
        return None
    return find_slices(score, columns, clusters=clusters, confidence=plan.confidence)


def _hard_slices(
    rows: Dataset, learned: Learned, plan: EvaluationRecipe, sensitive: frozenset[str]
) -> ErrorTree | None:
    used = rows.select(np.flatnonzero(learned.known))
    return _slices(learned.correctness[learned.known], used, as_names(used[plan.cluster_by][:]), plan, sensitive)


def _classes(
    trained: np.ndarray,
    asked: np.ndarray,
    score: np.ndarray,
    clusters: np.ndarray,
    learned: Learned,
    confidence: float,
) -> list[ClassReport]:
    missed = float((1 - score).sum())
    group = np.unique(clusters, return_inverse=True)[1]
    reports = []
    for name in np.unique(asked).tolist():
        here, there = asked == name, (trained == name) & learned.known
        reports.append(
            ClassReport(
                name=name,
                train_rows=int((trained == name).sum()),
                learned=float(learned.correctness[there].mean()) if there.any() else np.nan,
                hard=float((learned.columns["dynamics_region"][there] == "hard").mean()) if there.any() else np.nan,
                rows=int(here.sum()),
                score=float(score[here].mean()),
                interval=score_interval(score[here], group[here], confidence),
                error_share=float((1 - score[here]).sum() / missed) if missed else 0.0,
            )
        )
    return sorted(reports, key=lambda report: (-report.error_share, report.name))


def _several(
    rows: Dataset, evaluation: Dataset, score: np.ndarray, learned: Learned, plan: EvaluationRecipe
) -> Group | None:
    """The rows whose answer occurs several times in its document, and what classes with many of them miss."""
    if "n_occurrences" not in rows.column_names:
        return None
    several = np.asarray(rows["n_occurrences"][:])[learned.known] > 1
    if several.all() or not several.any():
        return None
    values = learned.correctness[learned.known]
    clusters = as_names(rows[plan.cluster_by][:])[learned.known]
    missed = None
    if plan.slice_by is not None:  # a class that is taught the wrong place is wrong on all its rows
        taught = as_names(rows[plan.slice_by][:])[learned.known]
        touched = [name for name in np.unique(taught) if several[taught == name].mean() >= OFTEN]
        reached = np.isin(as_names(evaluation[plan.slice_by][:]), touched)
        missed = float((1 - score)[reached].sum() / len(score))
    return Group(
        rows=int(several.sum()),
        learned=float(values[several].mean()),
        learned_others=float(values[~several].mean()),
        surely=float(split_scores(values, clusters, [several])[0]),
        missed=missed,
    )


def _nearly_right(score: np.ndarray, similarity: np.ndarray) -> dict[str, Any]:
    wrong = score < 0.5
    nearly = wrong & (similarity >= NEARLY)
    missed = float((1 - score)[nearly].sum() / len(score))
    return {"wrong": int(wrong.sum()), "nearly": int(nearly.sum()), "nearly_missed": missed}


def _suspects(rows: Dataset, learned: Learned) -> np.ndarray:
    """Numbers of training rows that were never once right, least margin first; rows with a choice of places aside."""
    never = learned.known & (learned.correctness == 0)
    if "n_occurrences" in rows.column_names:
        never &= np.asarray(rows["n_occurrences"][:]) <= 1
    found = np.flatnonzero(never)
    return found[np.argsort(learned.columns["dynamics_margin"][found], kind="stable")]


def _count(rows: Dataset, column: str, value: str) -> int:
    return rows[column][:].count(value) if column in rows.column_names else 0


def _share(cost: Cost, seeds: int) -> Cost:
    """What one of so many trainings cost."""
    return Cost(
        wall_seconds=cost.wall_seconds / seeds,
        cpu_seconds=cost.cpu_seconds / seeds,
        tokens=cost.tokens // seeds,
        gpu_seconds=cost.gpu_seconds / seeds,
    )
