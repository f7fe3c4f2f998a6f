"""The loop: load → annotate → synthesize → train → evaluate → compare → decide → publish.

`run` does what a recipe says, readable from top to bottom. Parent and candidate train the same target with the same
seeds and budget, and are scored on the same evaluation rows, which no step has touched.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.records import Decision, Iteration, StepRecord

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.approaches.extractive_qa import ExtractiveQA
    from hf_mbdc.measurement import Measurement
    from hf_mbdc.progress import Update
    from hf_mbdc.recipe import DatasetRecipe, IterationRecipe, Recipe
    from hf_mbdc.revisions.repository import Repository
    from hf_mbdc.training.config import TrainingConfig


@dataclass(frozen=True)
class Workbench:
    """What every part of a run needs, made once and checked before work starts."""

    recipe: Recipe
    approach: ExtractiveQA
    training: TrainingConfig
    repository: Repository
    work_dir: Path
    max_parallel: int | None
    progress: bool


def run(
    recipe: str | Path | Recipe,
    *,
    data_dir: str | Path | None = None,
    repository: str | Path | None = None,
    repo_id: str | None = None,
    work_dir: str | Path | None = None,
    max_parallel: int | None = None,
    progress: bool = True,
) -> Iteration:
    """Runs a recipe and publishes what it decides; returns the record of the last iteration.

    What is published already is not published again, and a training that was done already is not done again, so that a
    run that was killed goes on where it was.

    Args:
        recipe: the name of a packaged recipe (`quickstart`, `receipts`), a YAML file, or a `Recipe`.
        data_dir: the folder of the raw files, in place of the recipe's.
        repository: a folder, or `hub`, in place of the recipe's.
        repo_id: `namespace/name`, in place of the recipe's.
        work_dir: folder for trained models and predictions; default `mbdc` under HF_HOME.
        max_parallel: trainings side by side; default one a core.
        progress: whether bars are shown on standard error.

    Raises:
        MbdcError: the recipe, the data or the repository is not as it must be; said before work starts where it can be.

    Example:
        >>> iteration = run("quickstart", repository="./repo")  # doctest: +SKIP
        >>> iteration.version, iteration.decision.verdict  # doctest: +SKIP
        ('v2.0.0', 'accept')
    """
    from hf_mbdc.progress import without_bars_of_datasets

    bench = _prepare(recipe, data_dir, repository, repo_id, work_dir, max_parallel, progress)
    with without_bars_of_datasets():
        latest, dataset = _start(bench)
        for item in bench.recipe.iterations:
            if item.steps:
                latest, dataset = _iterate(bench, item, latest, dataset)
    return latest


def _prepare(
    recipe: str | Path | Recipe,
    data_dir: str | Path | None,
    repository: str | Path | None,
    repo_id: str | None,
    work_dir: str | Path | None,
    max_parallel: int | None,
    progress: bool,
) -> Workbench:
    from huggingface_hub.constants import HF_HOME

    from hf_mbdc.approaches import make_approach
    from hf_mbdc.recipe import check_options, read_recipe
    from hf_mbdc.revisions.repository import open_repository
    from hf_mbdc.training.config import TrainingConfig

    plan = read_recipe(recipe, data_dir=data_dir, repository=repository, repo_id=repo_id)
    for i, item in enumerate(plan.iterations):
        for j, step in enumerate(item.steps):
            _step_options(step.name, step.options, key=f"iterations[{i}].steps[{j}]")
    settings = {**plan.target.training, "model": plan.target.model}
    return Workbench(
        recipe=plan,
        approach=make_approach(plan.approach.name, plan.approach.options),
        training=check_options(TrainingConfig, settings, key="target.training"),
        repository=open_repository(plan.repository),
        work_dir=Path(work_dir) if work_dir is not None else Path(HF_HOME) / "mbdc",
        max_parallel=max_parallel,
        progress=progress,
    )


def _step_options(name: str, options: dict[str, Any], *, key: str) -> Any:
    from hf_mbdc.recipe import check_options
    from hf_mbdc.synthesis.relabel_occurrences import NAME, RelabelOptions

    if name != NAME:
        raise RecipeError("No such step", key=f"{key}.name", step=name, mend=f"The steps are: {NAME}.")
    return check_options(RelabelOptions, options, key=f"{key}.options")


def _start(bench: Workbench) -> tuple[Iteration, DatasetDict]:
    """The revision to start from: the one the recipe names, or the annotated raw files, published as the baseline."""
    from hf_mbdc.publication import commit, draft, find_published, load, parent_of, show

    plan = bench.recipe
    if plan.dataset.revision is not None:
        parent_of(plan.repo_id, bench.repository, plan.dataset.revision)  # a stale parent is told before any work
        where: dict[str, Any] = {"revision": plan.dataset.revision, "repository": bench.repository}
        return show(plan.repo_id, **where), load(plan.repo_id, **where)
    dataset, rejected, steps = _load_and_annotate(bench, plan.dataset)
    _check_evaluation(plan, dataset)
    if find_published(dataset, plan.repo_id, bench.repository) is not None:
        # The raw files are known: the next iteration starts from the newest revision, not from the beginning.
        return show(plan.repo_id, repository=bench.repository), load(plan.repo_id, repository=bench.repository)
    first = draft(dataset, plan.repo_id, bench.repository, message=plan.iterations[0].message, rejected=rejected)
    with _stage(bench, f"Training the target on the baseline ({len(plan.evaluation.seeds)} seeds)") as update:
        (baseline,) = _measure(bench, [dataset], update)
    record = _describe(
        bench,
        first.iteration,
        steps=steps,
        scores=_means(bench, baseline, dataset),
        decision=Decision("baseline", "The first revision: there is nothing to compare it with."),
        cost=sum((step.cost for step in steps), baseline.cost),
    )
    return commit(dataclasses.replace(first, iteration=record), bench.repository), dataset


def _load_and_annotate(bench: Workbench, source: DatasetRecipe) -> tuple[DatasetDict, Dataset, tuple[StepRecord, ...]]:
    """The raw rows with the approach's columns, the rows that were set aside, and the record of both steps."""
    from datasets import concatenate_datasets

    from hf_mbdc.approaches import annotate_with_rejected
    from hf_mbdc.guidance.ledger import Ledger
    from hf_mbdc.loaders import load_with_rejected

    assert source.name is not None  # checked by read_recipe
    with _stage(bench, f"Loading {source.name}"), Ledger() as loading:
        loaded = load_with_rejected(source.name, source.data_dir, **source.options)
    with _stage(bench, f"Annotating for {bench.approach.name}"), Ledger() as annotating:
        dataset, refused = annotate_with_rejected(loaded.dataset, bench.approach)
    rows = sum(len(split) for split in loaded.dataset.values())
    load_step = StepRecord(
        name=f"load {source.name}",
        pillar="industrial data quality",
        why="Every document becomes rows with stable ids, in splits that share no document.",
        added=rows,
        rejected=len(loaded.rejected),
        reasons=_count(loaded.rejected["reason"][:]),
        cost=loading.cost,
    )
    annotate_step = StepRecord(
        name=f"annotate {bench.approach.name}",
        pillar="approach-specific information",
        why=bench.approach.why,
        kept=0,
        changed=rows - len(refused),
        rejected=len(refused),
        reasons=_count(refused["reason"][:]) | bench.approach.count_statuses(dataset),
        cost=annotating.cost,
    )
    return dataset, concatenate_datasets([loaded.rejected, refused]), (load_step, annotate_step)


def _check_evaluation(plan: Recipe, dataset: DatasetDict) -> None:
    wanted = plan.evaluation
    for split in ("train", wanted.split):
        if split not in dataset:
            raise DataError("The dataset has no such split", split=split, mend=f"It has: {', '.join(dataset)}.")
        if len(dataset[split]) == 0:
            raise DataError("The split is empty", split=split, mend="Give more documents or other split_fractions.")
    for column in (wanted.cluster_by, wanted.slice_by):
        if column is not None and column not in dataset[wanted.split].column_names:
            raise DataError(
                "The evaluation split has no such column",
                split=wanted.split,
                column=column,
                mend=f"It has: {', '.join(dataset[wanted.split].column_names)}.",
            )


def _iterate(
    bench: Workbench, item: IterationRecipe, parent: Iteration, dataset: DatasetDict
) -> tuple[Iteration, DatasetDict]:
    """Makes a candidate from the parent, measures both, and publishes or records the candidate."""
    from hf_mbdc.guidance.decide import decide
    from hf_mbdc.measurement import weigh
    from hf_mbdc.publication import commit, draft, find_published
    from hf_mbdc.revisions.diff import diff
    from hf_mbdc.revisions.version import next_version

    candidate, steps = _synthesize(bench, item, dataset)
    changes = diff(dataset, candidate)
    if not any(step.changed or step.added or step.rejected for step in steps):
        return parent, dataset
    candidate = _stamp(candidate, next_version(parent.version, changes))
    if (known := find_published(candidate, bench.recipe.repo_id, bench.repository)) is not None:
        return known, candidate if known.decision.verdict == "accept" else dataset
    drafted = draft(candidate, bench.recipe.repo_id, bench.repository, message=item.message, parent=parent.sha)
    seeds = bench.recipe.evaluation.seeds
    with _stage(bench, f"Training the target on parent and candidate ({len(seeds)} seeds each)") as update:
        before, after = _measure(bench, [dataset, candidate], update)
    plan = bench.recipe.evaluation
    evidence = weigh(before, after, dataset[plan.split], bench.approach.metric, plan)
    record = _describe(
        bench,
        drafted.iteration,
        steps=steps,
        scores=_means(bench, after, dataset),
        evidence=evidence,
        decision=decide(evidence),
        cost=sum((step.cost for step in steps), after.cost),
    )
    published = commit(dataclasses.replace(drafted, iteration=record), bench.repository)
    accepted = record.decision.verdict == "accept"
    return published, candidate if accepted else dataset


def _synthesize(
    bench: Workbench, item: IterationRecipe, dataset: DatasetDict
) -> tuple[DatasetDict, tuple[StepRecord, ...]]:
    """Runs the steps on the train split; the other splits only get the provenance columns, empty."""
    from datasets import DatasetDict

    from hf_mbdc.synthesis.relabel_occurrences import relabel_occurrences
    from hf_mbdc.transforms.rows import add_provenance_columns

    rows, records = dataset["train"], []
    for number, step in enumerate(item.steps):
        options = _step_options(step.name, step.options, key=f"steps[{number}]")
        with _stage(bench, f"{step.name} ({options.folds} folds)") as update:
            result = relabel_occurrences(
                rows,
                bench.approach,
                config=bench.training,
                options=options,
                work_dir=bench.work_dir,
                max_parallel=bench.max_parallel,
                on_progress=update,
            )
        rows = result.rows
        records.append(dataclasses.replace(result.record, why=step.why))
    others = {name: add_provenance_columns(split) for name, split in dataset.items()}
    return DatasetDict({**others, "train": rows}), tuple(records)


def _stamp(dataset: DatasetDict, version: str) -> DatasetDict:
    """Says in `mbdc_iteration` which version changed a row, for the rows that this iteration changed."""
    import numpy as np
    import pyarrow.compute as pc
    from datasets import DatasetDict

    from hf_mbdc.transforms.rows import replace_rows

    table = dataset["train"].with_format("arrow")[:]
    new = pc.and_(pc.is_valid(table["mbdc_source"]), pc.is_null(table["mbdc_iteration"]))
    positions = np.flatnonzero(new.to_numpy())
    stamped = replace_rows(dataset["train"], positions, {"mbdc_iteration": [version] * len(positions)})
    return DatasetDict({**dataset, "train": stamped})


def _measure(bench: Workbench, datasets: list[DatasetDict], update: Update) -> list[Measurement]:
    """The target trained on the train split of each dataset, scored on the first one's evaluation split."""
    from hf_mbdc.measurement import measure

    plan = bench.recipe.evaluation
    return measure(
        [dataset["train"] for dataset in datasets],
        datasets[0][plan.split],
        bench.approach,
        training=bench.training,
        plan=plan,
        work_dir=bench.work_dir,
        max_parallel=bench.max_parallel,
        on_progress=update,
    )


def _means(bench: Workbench, measured: Measurement, dataset: DatasetDict) -> dict[str, float]:
    plan = bench.recipe.evaluation
    return measured.means(bench.approach.metric, dataset[plan.split][plan.slice_by][:] if plan.slice_by else None)


def _describe(bench: Workbench, drafted: Iteration, **measured: Any) -> Iteration:
    """The draft's record with what the run knows: steps, scores, evidence, decision, cost, approach and recipe."""
    from hf_mbdc.recipe import recipe_to_dict

    cost = measured.pop("cost") + drafted.cost
    approach = {**drafted.approach, "options": bench.approach.options(), "target": bench.training.model}
    return dataclasses.replace(drafted, **measured, cost=cost, approach=approach, recipe=recipe_to_dict(bench.recipe))


def _stage(bench: Workbench, title: str) -> Any:
    from hf_mbdc.progress import stage

    return stage(title, show=bench.progress)


def _count(reasons: list[str]) -> dict[str, int]:
    return {reason: reasons.count(reason) for reason in sorted(set(reasons))}
