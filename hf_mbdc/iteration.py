"""The loop: load → annotate → synthesize → train → evaluate → compare → decide → publish.

`run` does what a recipe says, readable from top to bottom. Parent and candidate train the same target with the same
seeds and budget, and are scored on the same evaluation rows, which no step has touched.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
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
    from hf_mbdc.publishing.publication import Draft
    from hf_mbdc.recipe import DatasetRecipe, IterationRecipe, Recipe
    from hf_mbdc.revisions.repositories.repository import Repository
    from hf_mbdc.synthesis.reuse import Earlier
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
        parent, dataset = _start(bench)
        latest = parent
        for item in bench.recipe.iterations:
            if item.steps and not _stops(bench):
                latest, candidate = _iterate(bench, item, parent, dataset)
                if not latest.decision.refused:  # else the next iteration starts from the same parent
                    parent, dataset = latest, candidate
    return latest


def _stops(bench: Workbench) -> bool:
    """Whether the recipe's stop rule forbids a further iteration; says so."""
    from hf_mbdc.guidance.economy import keep_ledger, reason_to_stop
    from hf_mbdc.publishing.history import log

    rule = bench.recipe.stop
    if rule is None:
        return False
    history = log(bench.recipe.repo_id, repository=bench.repository)[::-1]
    reason = reason_to_stop(keep_ledger(history, unit=rule.unit), per_point=rule.per_point, total=rule.total)
    if reason is not None:
        _say(bench, f"Stopped by the recipe's rule: {reason}")
    return reason is not None


def rebuild(
    record: Iteration,
    parent: DatasetDict | None,
    *,
    earlier: Sequence[Earlier | None] = (),
    data_dir: str | Path | None = None,
    work_dir: str | Path | None = None,
    max_parallel: int | None = None,
    progress: bool = True,
) -> DatasetDict:
    """The rows that the recipe of a record gives: by its steps from the parent's rows, or from raw files without one.

    Nothing is measured and nothing is published.

    Args:
        earlier: for each step the rows that trained its models, where `StepRecord.trained_on` names some.

    Raises:
        MbdcError: the recipe cannot run here: raw files or a model are missing.
    """
    from hf_mbdc.recipe import Recipe
    from hf_mbdc.records import build

    plan: Recipe = build(Recipe, record.recipe)
    bench = _prepare(plan, data_dir if parent is None else None, None, None, work_dir, max_parallel, progress)
    if parent is None:
        return _load_and_annotate(bench, bench.recipe.dataset)[0]
    wanted = (record.message, [step.name for step in record.steps])
    item = next((i for i in plan.iterations if (i.message, [step.name for step in i.steps]) == wanted), None)
    if item is None:
        mend = "Its manifest was edited, or another version of hf_mbdc wrote it."
        raise RecipeError("The recorded recipe has no such iteration", key="iterations", message=wanted[0], mend=mend)
    return _stamp(_synthesize(bench, item, parent, earlier)[0], record.version)


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
    from hf_mbdc.revisions.repositories.repository import open_repository
    from hf_mbdc.training.checks import check_max_parallel, check_model, check_work_dir
    from hf_mbdc.training.config import TrainingConfig

    plan = read_recipe(recipe, data_dir=data_dir, repository=repository, repo_id=repo_id)
    for i, item in enumerate(plan.iterations):
        for j, step in enumerate(item.steps):
            _step_options(step.name, step.options, key=f"iterations[{i}].steps[{j}]")
    check_model(plan.target.model)
    check_max_parallel(max_parallel)
    settings = {**plan.target.training, "model": plan.target.model}
    return Workbench(
        recipe=plan,
        approach=make_approach(plan.approach.name, plan.approach.options),
        training=check_options(TrainingConfig, settings, key="target.training"),
        repository=open_repository(plan.repository),
        work_dir=check_work_dir(work_dir if work_dir is not None else Path(HF_HOME) / "mbdc"),
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
    from hf_mbdc.publishing.history import find_published, load, show
    from hf_mbdc.publishing.parentage import parent_of
    from hf_mbdc.publishing.publication import draft

    plan = bench.recipe
    if plan.dataset.revision is not None:
        parent_of(plan.repo_id, bench.repository, plan.dataset.revision)  # a stale parent is told before any work
        where: dict[str, Any] = {"revision": plan.dataset.revision, "repository": bench.repository}
        latest, dataset = show(plan.repo_id, **where), load(plan.repo_id, **where)
        _check_rows(bench, dataset)
        return latest, dataset
    dataset, rejected, steps = _load_and_annotate(bench, plan.dataset)
    _check_rows(bench, dataset)
    known = find_published(dataset, plan.repo_id, bench.repository)
    if known is not None and not known.decision.refused:
        return known, dataset
    if (head := bench.repository.head(plan.repo_id)) is not None:
        raise DataError(
            "The repository began with other rows than the recipe gives now",
            repo_id=plan.repo_id,
            head=head[:12],
            mend="Publishing them would drop what later versions changed: name another repo_id, or a dataset.revision.",
        )
    first = draft(
        dataset,
        plan.repo_id,
        bench.repository,
        message=plan.iterations[0].message,
        rejected=rejected,
        sensitive=plan.sensitive,
    )
    return _publish_baseline(bench, first, steps), dataset


def _publish_baseline(bench: Workbench, first: Draft, steps: tuple[StepRecord, ...]) -> Iteration:
    from hf_mbdc.publishing.publication import commit

    seeds = len(bench.recipe.evaluation.seeds)
    with _stage(bench, f"Training the target on the baseline ({seeds} {'seed' if seeds == 1 else 'seeds'})") as update:
        (baseline,) = _measure(bench, {first.iteration.version: first.dataset}, update)
    record = _describe(
        bench,
        first.iteration,
        steps=steps,
        scores=_means(bench, baseline, first.dataset),
        decision=Decision("baseline", "The first revision: there is nothing to compare it with."),
        cost=sum((step.cost for step in steps), baseline.cost),
    )
    return commit(dataclasses.replace(first, iteration=record), bench.repository)


def _load_and_annotate(bench: Workbench, source: DatasetRecipe) -> tuple[DatasetDict, Dataset, tuple[StepRecord, ...]]:
    """The raw rows with the approach's columns, the rows that were set aside, and the record of both steps."""
    from datasets import concatenate_datasets

    from hf_mbdc.approaches import annotate_with_rejected, reason_kind
    from hf_mbdc.guidance.meter import CostMeter
    from hf_mbdc.loaders import load_with_rejected

    assert source.name is not None  # checked by read_recipe
    with _stage(bench, f"Loading {source.name}"), CostMeter() as loading:
        loaded = load_with_rejected(source.name, source.data_dir, **source.options)
    with _stage(bench, f"Annotating for {bench.approach.name}"), CostMeter() as annotating:
        dataset, refused = annotate_with_rejected(loaded.dataset, bench.approach)
    rows = sum(len(split) for split in loaded.dataset.values())
    load_step = StepRecord(
        name=f"load {source.name}",
        pillar="industrial data quality",
        why="Every document becomes rows with stable ids, in splits that share no document.",
        added=rows,
        changed=len(loaded.mended),
        rejected=len(loaded.rejected),
        reasons=_count(loaded.rejected["reason"][:] + loaded.mended["reason"][:]),
        cost=loading.cost,
    )
    annotate_step = StepRecord(
        name=f"annotate {bench.approach.name}",
        pillar="approach-specific information",
        why=bench.approach.why,
        kept=0,
        changed=rows - len(refused),
        rejected=len(refused),
        reasons=_count(map(reason_kind, refused["reason"][:])) | bench.approach.count_statuses(dataset),
        cost=annotating.cost,
    )
    return dataset, concatenate_datasets([loaded.rejected, refused]), (load_step, annotate_step)


def _check_rows(bench: Workbench, dataset: DatasetDict) -> None:
    """Whether the rows can be trained on and compared: splits, columns, and no document on both sides."""
    from hf_mbdc.transforms.checks import check_columns

    wanted = bench.recipe.evaluation
    for split in ("train", wanted.split):
        if split not in dataset:
            raise DataError("The dataset has no such split", split=split, mend=f"It has: {', '.join(dataset)}.")
        if len(dataset[split]) == 0:
            raise DataError("The split is empty", split=split, mend="Give more documents or other split_fractions.")
        check_columns(dataset[split].features, {**bench.approach.reads, **bench.approach.adds}, split=split)
        _check_label_column(dataset[split], split, wanted.cluster_by, "evaluation.cluster_by")
    if wanted.slice_by is not None:
        _check_label_column(dataset[wanted.split], wanted.split, wanted.slice_by, "evaluation.slice_by")
    shared = set(dataset["train"][wanted.cluster_by][:]) & set(dataset[wanted.split][wanted.cluster_by][:])
    if shared:
        raise DataError(
            f"{len(shared)} values of {wanted.cluster_by!r} stand in train and in {wanted.split}",
            column=wanted.cluster_by,
            value=min(shared),
            mend="Evaluation rows that were trained on measure memory: split by document, or name another column.",
        )


def _check_label_column(rows: Dataset, split: str, column: str, key: str) -> None:
    from datasets import Value

    if column not in rows.column_names:
        mend = f"It has: {', '.join(rows.column_names)}."
        raise DataError("The split has no such column", split=split, column=column, key=key, mend=mend)
    if not isinstance(rows.features[column], Value):
        mend = "Name a column of texts or numbers."
        raise DataError("The column does not hold one value a row", split=split, column=column, key=key, mend=mend)


def _iterate(
    bench: Workbench, item: IterationRecipe, parent: Iteration, dataset: DatasetDict
) -> tuple[Iteration, DatasetDict]:
    """Makes a candidate from the parent, measures both, publishes or records the candidate; gives record and rows."""
    from hf_mbdc.publishing.history import find_published
    from hf_mbdc.publishing.publication import draft
    from hf_mbdc.publishing.version import next_version
    from hf_mbdc.revisions.diff.diff import diff

    candidate, steps = _synthesize(bench, item, dataset, _earlier(bench, item, parent))
    if not any(step.changed or step.added or step.rejected for step in steps):
        _say(bench, f"No row changed: {parent.version} stays")
        return parent, dataset
    candidate = _stamp(candidate, next_version(parent.version, diff(dataset, candidate)))
    known = find_published(candidate, bench.recipe.repo_id, bench.repository)
    if known is not None and (not known.decision.refused or _measured_alike(bench, known)):
        _say(bench, f"These rows are known: {known.version}, {known.decision.verdict}; nothing was trained")
        return known, candidate
    drafted = draft(
        candidate,
        bench.recipe.repo_id,
        bench.repository,
        message=item.message,
        parent=parent.sha,
        sensitive=bench.recipe.sensitive,
    )
    return _weigh_and_publish(bench, drafted, steps, parent, dataset), candidate


def _measured_alike(bench: Workbench, known: Iteration) -> bool:
    """Whether a refused candidate was refused on the same terms: more seeds or another bar deserve another look."""
    from hf_mbdc.recipe import recipe_to_dict

    now = recipe_to_dict(bench.recipe)
    return all(known.recipe.get(part) == now[part] for part in ("target", "evaluation"))


def _weigh_and_publish(
    bench: Workbench, drafted: Draft, steps: tuple[StepRecord, ...], parent: Iteration, dataset: DatasetDict
) -> Iteration:
    """Trains on parent and candidate, compares them, decides, and commits the candidate where it then belongs."""
    from hf_mbdc.guidance.decide import decide
    from hf_mbdc.measurement import weigh
    from hf_mbdc.publishing.publication import commit

    plan = bench.recipe.evaluation
    with _stage(bench, f"Training the target on parent and candidate (seeds: {len(plan.seeds)} each)") as update:
        versions = {parent.version: dataset, drafted.iteration.version: drafted.dataset}
        before, after = _measure(bench, versions, update)
    evidence = weigh(before, after, dataset[plan.split], bench.approach.metric, plan)
    trainings = after.cost if parent.scores else before.cost + after.cost  # a measured parent has paid for its own
    record = _describe(
        bench,
        drafted.iteration,
        steps=steps,
        scores=_means(bench, after, dataset),
        evidence=evidence,
        decision=decide(evidence),
        cost=sum((step.cost for step in steps), trainings),
    )
    return commit(dataclasses.replace(drafted, iteration=record), bench.repository)


def _earlier(bench: Workbench, item: IterationRecipe, parent: Iteration) -> list[Earlier | None]:
    """For each step the rows whose models it may use again; only the first step reads rows that are published."""
    from hf_mbdc.publishing.history import load
    from hf_mbdc.publishing.steps import trained_on
    from hf_mbdc.synthesis.relabel_occurrences import step_identity
    from hf_mbdc.synthesis.reuse import Earlier

    first, nothing = item.steps[0], [None] * (len(item.steps) - 1)
    options = _step_options(first.name, first.options, key="steps[0]")
    identity = step_identity(options, bench.training)
    found = trained_on(parent, first.name, identity, bench.repository) if options.retrain_above else None
    if found is None:
        return [None, *nothing]
    return [Earlier(load(bench.recipe.repo_id, found.sha, repository=bench.repository)["train"], found), *nothing]


def _synthesize(
    bench: Workbench, item: IterationRecipe, dataset: DatasetDict, earlier: Sequence[Earlier | None]
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
                earlier=earlier[number] if number < len(earlier) else None,
                max_parallel=bench.max_parallel,
                on_progress=update,
            )
        if (source := result.record.trained_on) is not None:
            models = f"models trained on {source.version}"
            _say(bench, f"Few rows changed: {models} are kept, {result.record.reused:,} rows are not scored again")
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


def _measure(bench: Workbench, versions: dict[str, DatasetDict], update: Update) -> list[Measurement]:
    """The target trained on the train split of each version, scored on the first one's evaluation split."""
    from hf_mbdc.measurement import measure

    plan = bench.recipe.evaluation
    return measure(
        [dataset["train"] for dataset in versions.values()],
        next(iter(versions.values()))[plan.split],
        bench.approach,
        training=bench.training,
        plan=plan,
        work_dir=bench.work_dir,
        revisions=[f"{bench.recipe.repo_id}@{version}" for version in versions],
        max_parallel=bench.max_parallel,
        on_progress=update,
    )


def _means(bench: Workbench, measured: Measurement, dataset: DatasetDict) -> dict[str, float]:
    plan = bench.recipe.evaluation
    return measured.means(bench.approach.metric, dataset[plan.split][plan.slice_by][:] if plan.slice_by else None)


def _describe(bench: Workbench, drafted: Iteration, **measured: Any) -> Iteration:
    """The draft's record with what the run knows: steps, scores, evidence, decision, cost, approach and recipe."""
    from hf_mbdc.recipe import recipe_to_dict

    cost, recipe = measured.pop("cost") + drafted.cost, recipe_to_dict(bench.recipe)
    approach = {**drafted.approach, "options": bench.approach.options(), "target": recipe["target"]["model"]}
    return dataclasses.replace(drafted, **measured, cost=cost, approach=approach, recipe=recipe)


def _stage(bench: Workbench, title: str) -> Any:
    from hf_mbdc.progress import stage

    return stage(title, show=bench.progress)


def _say(bench: Workbench, text: str) -> None:
    from hf_mbdc.progress import say

    say(text, show=bench.progress)


def _count(reasons: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(reasons).items()))
