"""Measure data by the target model: train it on every candidate alike, score it on rows that no step has touched."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.records import Cost, Evidence

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, DatasetDict

    from hf_mbdc.approaches import TargetApproach
    from hf_mbdc.guidance.row_scores import RowScores
    from hf_mbdc.recipe import EvaluationRecipe
    from hf_mbdc.training.config import Settings
    from hf_mbdc.training.launch import TrainingResult
    from hf_mbdc.workbench import Workbench


@dataclass(frozen=True)
class Measurement:
    """What the target scored after training on one dataset.

    `scores`: metric → (seeds, rows) array over the rows of the evaluation split, in their order. `cost`: of trainings
    and predictions, also of those that were done at an earlier call. `trainings`: one for each seed.
    """

    scores: dict[str, np.ndarray]
    cost: Cost
    trainings: tuple[TrainingResult, ...] = ()

    def means(self, metric: str, slices: Sequence[str] | None) -> dict[str, float]:
        """Means over seeds and rows: every metric by its name, and `metric/slice` for every slice of the main one."""
        means = {name: float(values.mean()) for name, values in self.scores.items()}
        names = np.array(slices if slices is not None else [], dtype=str)
        return means | {f"{metric}/{n}": float(self.scores[metric][:, names == n].mean()) for n in np.unique(names)}


def measure(
    train_splits: Sequence[Dataset],
    evaluation: Dataset,
    approach: TargetApproach,
    *,
    training: Settings,
    plan: EvaluationRecipe,
    work_dir: Path,
    steps: int | None = None,
    revisions: Sequence[str | None] | None = None,
    max_parallel: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> list[Measurement]:
    """Trains the target on each train split, with the same seeds, settings and budget, and scores it.

    The budget is a number of steps, not of epochs: more rows are no longer training (`hf_mbdc.training.budget`).

    Args:
        train_splits: annotated rows, e.g. of parent and candidate.
        evaluation: rows of the evaluation split; the same for all.
        approach: scores predictions against references, and says what the target learns.
        training: settings of the target; the seed comes from `plan`.
        plan: seeds and split.
        work_dir: folder of the trainings; what is there already is not trained again.
        steps: of every training; default as many as the settings take with the rows of the first train split.
        revisions: `namespace/name@version` of each train split, for the cards of the models.
        max_parallel: trainings side by side; default one a GPU, or one a core.
        on_progress: called with the fraction that is done, 0 to 1.

    Returns:
        One measurement for each train split, in their order.
    """
    from hf_mbdc.training.budget import steps_of
    from hf_mbdc.training.launch import TrainingJob, launch

    budget = steps or steps_of(training, len(train_splits[0]))
    fixed = dataclasses.replace(training, **approach.target_settings(), max_steps=budget)
    configs = [dataclasses.replace(fixed, seed=seed) for seed in plan.seeds]
    names: Sequence[str | None] = revisions or [None] * len(train_splits)
    named = zip(train_splits, names, strict=True)
    jobs = [TrainingJob(rows, {plan.split: evaluation}, config, name) for rows, name in named for config in configs]
    results = launch(jobs, work_dir=work_dir, max_parallel=max_parallel, on_progress=on_progress)
    measurements = []
    for start in range(0, len(results), len(configs)):
        seeds = results[start : start + len(configs)]
        scores = score_tables([result.predictions[plan.split] for result in seeds], evaluation, approach)
        measurements.append(Measurement(scores, sum((result.cost for result in seeds), Cost()), tuple(seeds)))
    return measurements


def score_tables(tables: Sequence[pa.Table], evaluation: Dataset, approach: TargetApproach) -> dict[str, np.ndarray]:
    """Metric → (seeds, rows) scores in the order of `evaluation`, from the predictions of each seed."""
    ids, references = evaluation["id"][:], evaluation[approach.reference][:]
    found = [table.select(["id", "prediction"]).to_pydict() for table in tables]
    texts = [dict(zip(table["id"], table["prediction"], strict=True)) for table in found]
    scored = [approach.score([text[key] for key in ids], references) for text in texts]
    return {metric: np.stack([one[metric] for one in scored]) for metric in scored[0]}


def bucket_scores(
    versions: Mapping[str, Measurement], train: Dataset, evaluation: Dataset, approach: TargetApproach, split: str
) -> dict[str, dict[str, tuple[float, float, float]]]:
    """Bucket of characters → version → F1 with its interval, for approaches that have buckets; empty for others.

    Args:
        versions: name → its measurement.
        train: whose characters tell the buckets: those of the parent, so that both versions have the same ones.
        evaluation: rows of the evaluation split `split`. Rows of one text are resampled together.
    """
    if not hasattr(approach, "bucket_scores") or not all(one.trainings for one in versions.values()):
        return {}
    recognition: Any = approach
    counted = dataclasses.replace(recognition, frequencies=None).fit({"train": train})
    ids, references = evaluation["id"][:], evaluation[approach.reference][:]
    found: dict[str, dict[str, tuple[float, float, float]]] = {}
    for name, measured in versions.items():
        predictions = []
        for training in measured.trainings:
            table = training.predictions[split].select(["id", "prediction"]).to_pydict()
            texts = dict(zip(table["id"], table["prediction"], strict=True))
            predictions.append([texts[key] for key in ids])
        for bucket, score in counted.bucket_scores(predictions, references, references).items():
            found.setdefault(bucket, {})[name] = score
    return found


def trained(bench: Workbench, version: str, dataset: DatasetDict, seeds: int | None = None) -> Measurement:
    """The target as it was trained on a version's rows: its own measurement, where that is still there.

    Args:
        seeds: of the evaluation's, only so many.
    """
    plan = dataclasses.replace(bench.recipe.evaluation, seeds=bench.recipe.evaluation.seeds[:seeds])
    (found,) = measure(
        [dataset["train"]],
        dataset[plan.split],
        bench.approach,
        training=bench.training,
        plan=plan,
        work_dir=bench.work_dir,
        revisions=[f"{bench.recipe.repo_id}@{version}"],
        max_parallel=bench.max_parallel,
    )
    return found


def misses(bench: Workbench, version: str, dataset: DatasetDict, split: str) -> dict[str, int]:
    """How often the target, trained on a version's rows, missed each character of a split, all seeds together.

    Args:
        version: of the rows.
        split: one that decides nothing.
    """
    from hf_mbdc.training.scoring import ScoringJob, score

    rows, trainings = dataset[split], trained(bench, version, dataset).trainings
    jobs = [ScoringJob(one.model_path, rows, bench.training.task) for one in trainings]
    counts: Counter[str] = Counter()
    references = rows[bench.approach.reference][:]
    for scored in score(jobs, work_dir=bench.work_dir, max_parallel=bench.max_parallel):
        texts = dict(zip(*(scored.predictions[name].to_pylist() for name in ("id", "prediction")), strict=True))
        counts.update(bench.approach.misses([texts[key] for key in rows["id"][:]], references))  # type: ignore[attr-defined]
    return dict(counts)


def weigh(
    parent: Measurement,
    candidate: Measurement,
    evaluation: Dataset,
    metric: str,
    plan: EvaluationRecipe,
    *,
    alpha: float | None = None,
) -> Evidence:
    """The paired comparison of two measurements on the same rows, resampling whole documents.

    Args:
        parent, candidate: with the same seeds, steps and first weights.
        evaluation: the rows that both were scored on.
        metric: which of the scores decides.
        plan: cluster and slice columns, confidence, minimum effect.
        alpha: level that decides; default what the confidence leaves.

    Raises:
        TrainingError: the two were not trained alike.
    """
    from hf_mbdc.guidance.compare import compare
    from hf_mbdc.training.budget import check_budget

    scores = row_scores(parent, candidate, evaluation, metric, plan)
    comparison = compare(scores, confidence=plan.confidence, alpha=alpha, minimum_effect=plan.minimum_effect)
    others = [name for name in parent.scores if name != metric]
    secondary = {n: (float(parent.scores[n].mean()), float(candidate.scores[n].mean())) for n in others}
    evidence = comparison.to_evidence(metric, plan.split, seeds=plan.seeds, secondary=secondary)
    if not parent.trainings:
        return evidence
    budget = check_budget(parent.trainings, candidate.trainings)
    tokens = (budget.parent_tokens, budget.candidate_tokens)
    return dataclasses.replace(evidence, steps=budget.steps, tokens=tokens)


def check_labels(dataset: DatasetDict, plan: EvaluationRecipe) -> None:
    """Whether every row that decides has its cluster and slice, and there are clusters to compare.

    Raises:
        DataError: no verdict could come of it; told before the trainings, not after.
    """
    rows = dataset[plan.split]
    for column in filter(None, (plan.cluster_by, plan.slice_by)):
        for key, value in zip(rows["id"][:], rows[column][:], strict=True):
            if value is None or value != value:  # NaN
                mend = "Fill it in, leave the row out, or name another column."
                raise DataError("The column has no value in a row", split=plan.split, column=column, id=key, mend=mend)
    if len(set(rows[plan.cluster_by][:])) < 2:
        mend = "Give the rows of two documents or more, so that one can tell how far another one would differ."
        raise DataError("All rows are of one cluster", split=plan.split, column=plan.cluster_by, mend=mend)


def row_scores(
    parent: Measurement, candidate: Measurement, evaluation: Dataset, metric: str, plan: EvaluationRecipe
) -> RowScores:
    """The score of every row with every seed, as it is published beside the decision."""
    from hf_mbdc.guidance.row_scores import RowScores

    return RowScores(
        ids=evaluation["id"][:],
        clusters=evaluation[plan.cluster_by][:],
        seeds=plan.seeds,
        parent=parent.scores[metric],
        candidate=candidate.scores[metric],
        slices=evaluation[plan.slice_by][:] if plan.slice_by else None,
    )
