"""A diagnosis: where the target fails, what it found hard to learn, and which step would help."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.experiments.examples import Example, Shown, suspect_examples, wrong_examples
from hf_mbdc.experiments.metadata import describe_rows
from hf_mbdc.experiments.misread import MisreadCharacter, confused_reach, misread_characters, rare_reach
from hf_mbdc.guidance.advice import NEARLY, OFTEN, RELABEL, Advice, Findings, Group, advise
from hf_mbdc.guidance.error_tree import FEWEST_CLUSTERS, ErrorTree, find_slices, score_interval, split_scores
from hf_mbdc.guidance.imbalance import FrequencyBucket, Imbalance, as_names, measure_imbalance, score_by_frequency
from hf_mbdc.records import Cost

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from hf_mbdc.approaches import TargetApproach
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
        metric, split, rows, seeds: what was scored. asks: the column that says what is asked; None for images.
        clusters, clustered_by: of the rows that are resampled together, and the column that tells them.
        score, interval: mean over rows and seeds.
        failures: slices of the evaluation rows, by score; None where there are too few clusters for two halves.
        hard: slices of the training rows, by the share of the epochs in which they were right; None as above.
        slice_by: the column of the classes.
        classes: those that miss most first.
        imbalance, buckets: of the training rows' classes, and the scores by how often a class was trained on.
        learned: the dynamics of the training rows, with columns for `train_ids`; None where the target's training
            keeps none. Then nothing is known of `hard` rows and `suspects`.
        misread: characters of the evaluation rows that a recogniser reads wrongly, most often first.
        wrong: examples of evaluation rows, the surest errors first.
        suspects: examples of the `suspected` training rows that were never once right.
        advice: steps that would help.
        cost: of the trainings that were read; `cached`: they were there already.
        published: the version that has what was found of each training row as columns, where that was asked for.
    """

    metric: str
    split: str
    rows: int
    clusters: int
    clustered_by: str
    asks: str | None
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
    learned: Learned | None
    misread: tuple[MisreadCharacter, ...]
    wrong: tuple[Example, ...]
    suspects: tuple[Example, ...]
    suspected: int
    advice: tuple[Advice, ...]
    cost: Cost
    cached: bool
    published: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The findings as JSON knows them; numbers that are not finite are None. Rows are there as examples only."""
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
            "misread": list(map(dataclasses.asdict, self.misread)),
            **({} if self.learned is None else self.learned.to_dict()),
        }
        return {name: _finite(value) for name, value in whole.items()}


_PLAIN = (
    "metric",
    "split",
    "rows",
    "clusters",
    "clustered_by",
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
    approach: TargetApproach,
    scores: np.ndarray,
    predictions: Sequence[pa.Table],
    learned: Learned | None,
    plan: EvaluationRecipe,
    *,
    cost: Cost,
    cached: bool,
    sensitive: frozenset[str] = frozenset(),
    earlier: Mapping[str, Cost] | None = None,
) -> Diagnosis:
    """The diagnosis of trainings that are done.

    Args:
        rows: the train split.
        evaluation: the split that was predicted.
        approach: of the rows; says what is asked and how near an answer is.
        scores: (seeds, rows) of `evaluation` by the approach's metric, from 0 to 1.
        predictions: of each seed `id, prediction` and perhaps `score`, in the order of `evaluation`.
        learned: of `rows`; None where the training keeps no dynamics.
        plan: `cluster_by`, `slice_by`, `seeds`, `split` and `confidence`.
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
    said = [table["prediction"].to_pylist() for table in predictions]
    references = evaluation[approach.reference][:]
    misread, reaches = _characters(approach, said, evaluation, score, clusters, plan.confidence)
    suspects = np.array([], int) if learned is None else _suspects(rows, learned)
    findings = Findings(
        score=float(score.mean()),
        train_rows=len(rows) if learned is None else int(learned.known.sum()),
        losses=() if learned is None else tuple(learned.losses.tolist()),
        right=() if learned is None else tuple(learned.right.tolist()),
        training=_share(cost, len(scores)),
        several=None if learned is None else _several(rows, evaluation, score, learned, plan),
        suspects=len(suspects),
        absent=_count(rows, "match_status", "absent"),
        **_nearly_right(approach, said, references, score),
        **reaches,
        buckets=tuple(buckets),
        relabelled=_count(rows, "mbdc_source", RELABEL),
        unanswered=_count(rows, "completion", None),
        earlier=earlier or {},
    )
    # A verifier that reads the prompt alone has no reference beside it.
    wanted = approach.reference if approach.reference != approach.asks else "answer"
    shown = Shown(approach.asks, wanted, slice_by, sensitive)
    return Diagnosis(
        metric=approach.metric,
        split=plan.split,
        rows=len(score),
        clusters=len(np.unique(clusters)),
        clustered_by=plan.cluster_by,
        asks=approach.asks,
        seeds=tuple(plan.seeds),
        score=findings.score,
        interval=score_interval(score, np.unique(clusters, return_inverse=True)[1], plan.confidence),
        failures=_slices(score, evaluation, clusters, plan, sensitive),
        hard=None if learned is None else _hard_slices(rows, learned, plan, sensitive),
        slice_by=slice_by,
        classes=tuple(classes),
        imbalance=imbalance,
        buckets=findings.buckets,
        train_ids=np.asarray(rows["id"][:], dtype=str),
        learned=learned,
        misread=() if sensitive & {"image", approach.reference} else misread,
        wrong=wrong_examples(evaluation, score, predictions[0], shown),
        suspects=() if learned is None else suspect_examples(rows, suspects, learned, shown),
        suspected=len(suspects),
        advice=tuple(advise(findings)),
        cost=cost,
        cached=cached,
    )


def _characters(
    approach: TargetApproach,
    predictions: Sequence[Sequence[str]],
    evaluation: Dataset,
    score: np.ndarray,
    clusters: np.ndarray,
    confidence: float,
) -> tuple[tuple[MisreadCharacter, ...], dict[str, Any]]:
    """What a recogniser misreads, and the rows that words of rare and of confused characters would reach."""
    from hf_mbdc.approaches.text_recognition import TextRecognition

    if not isinstance(approach, TextRecognition):
        return (), {}
    misread = misread_characters(approach, predictions, evaluation[approach.reference][:])
    rare = rare_reach(evaluation, score, clusters, confidence)
    return misread, {
        "rare": rare,
        "confused": confused_reach(evaluation, misread, score, clusters, confidence, approach),
    }


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
    learned: Learned | None,
    confidence: float,
) -> list[ClassReport]:
    missed = float((1 - score).sum())
    group = np.unique(clusters, return_inverse=True)[1]
    reports = []
    for name in np.unique(asked).tolist():
        here = asked == name
        share, hard = _learned_share(learned, trained == name)
        reports.append(
            ClassReport(
                name=name,
                train_rows=int((trained == name).sum()),
                learned=share,
                hard=hard,
                rows=int(here.sum()),
                score=float(score[here].mean()),
                interval=score_interval(score[here], group[here], confidence),
                error_share=float((1 - score[here]).sum() / missed) if missed else 0.0,
            )
        )
    return sorted(reports, key=lambda report: (-report.error_share, report.name))


def _learned_share(learned: Learned | None, rows: np.ndarray) -> tuple[float, float]:
    """Of some training rows: the share of epochs in which they were right, and the share that is hard."""
    if learned is None or not (there := rows & learned.known).any():
        return math.nan, math.nan
    return float(learned.correctness[there].mean()), float((learned.columns["dynamics_region"][there] == "hard").mean())


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


def _nearly_right(
    approach: TargetApproach, predictions: Sequence[Sequence[str]], references: Sequence[Any], score: np.ndarray
) -> dict[str, Any]:
    """How many answers are wrong, and how many of them nearly right: of an extractive target, whose answers are pieces
    of the document. What a recogniser reads nearly right is misread, and a verifier knows no nearly."""
    from hf_mbdc.approaches.extractive_qa import ExtractiveQA

    wrong = score < 0.5
    if not isinstance(approach, ExtractiveQA):
        return {"wrong": int(wrong.sum())}
    similarity = np.mean([approach.score(one, references)["anls"] for one in predictions], axis=0)
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


def _count(rows: Dataset, column: str, value: str | None) -> int:
    return rows[column][:].count(value) if column in rows.column_names else 0


def _share(cost: Cost, seeds: int) -> Cost:
    """What one of so many trainings cost."""
    return Cost(
        wall_seconds=cost.wall_seconds / seeds,
        cpu_seconds=cost.cpu_seconds / seeds,
        tokens=cost.tokens // seeds,
        gpu_seconds=cost.gpu_seconds / seeds,
    )
