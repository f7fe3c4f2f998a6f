"""The loop: load → annotate → synthesize → train → evaluate → compare → decide → publish.

`run` does what a recipe says, readable from top to bottom. `steps` and `selection` make a candidate; `gate` trains the
same target on parent and candidate, with the same seeds and budget, scores both on the same evaluation rows, which no
step has touched, and decides.
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
from hf_mbdc.selection import make, propose
from hf_mbdc.steps import Made, stamp, synthesize
from hf_mbdc.workbench import Workbench, check_rows, prepare

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.approaches import TargetApproach
    from hf_mbdc.publishing.publication import Draft
    from hf_mbdc.recipe import DatasetRecipe, IterationRecipe, Recipe
    from hf_mbdc.synthesis.reuse import Earlier


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
        recipe: the name of a packaged recipe (`quickstart`, `receipts`, `hangul`, `self-improve`), a YAML file,
            or a `Recipe`.
        data_dir: the folder of the raw files, in place of the recipe's.
        repository: a folder, or `hub`, in place of the recipe's.
        repo_id: `namespace/name`, in place of the recipe's.
        work_dir: folder for trained models and predictions; default `mbdc` under HF_HOME.
        max_parallel: trainings side by side; default one a GPU, or one a core.
        progress: whether bars are shown on standard error.

    Raises:
        MbdcError: the recipe, the data or the repository is not as it must be; said before work starts where it can be.

    Example:
        >>> iteration = run("quickstart", repository="./repo")  # doctest: +SKIP
        >>> iteration.version, iteration.decision.verdict  # doctest: +SKIP
        ('v2.0.0', 'accept')
    """
    from hf_mbdc.progress import without_bars_of_datasets

    bench = prepare(
        recipe,
        data_dir=data_dir,
        repository=repository,
        repo_id=repo_id,
        work_dir=work_dir,
        max_parallel=max_parallel,
        progress=progress,
    )
    bench.repository.check_writable(bench.recipe.repo_id)  # told now, not after the trainings
    with without_bars_of_datasets():
        bench, parent, dataset = _start(bench)
        latest = parent
        begun = bench.recipe.dataset.name is not None  # the first iteration is the baseline, which is there now
        for item in bench.recipe.iterations[begun:]:
            if not _stops(bench):
                latest, candidate = _iterate(bench, item, parent, dataset)
                if not latest.decision.refused:  # else the next iteration starts from the same parent
                    parent, dataset = latest, candidate
                if _judge_parted(bench, latest):
                    break
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
        bench.say(f"Stopped by the recipe's rule: {reason}")
    return reason is not None


def _judge_parted(bench: Workbench, latest: Iteration) -> bool:
    """Whether the judge of an iteration's own data has parted from the truth, so that no further one starts; says so.

    Only what was there up to that iteration counts: a run that goes on after a kill stops at the same place.
    """
    from hf_mbdc.drift import drift, reason_to_stop
    from hf_mbdc.publishing.history import log

    if not any(step.told for step in latest.steps):
        return False
    history = log(bench.recipe.repo_id, repository=bench.repository)[::-1]
    reason = reason_to_stop(drift([item for item in history if item.created_at <= latest.created_at]))
    if reason is not None:
        bench.say(f"Stopped: {reason}. Give the next iteration another judge, or a higher at_least.")
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
    given = data_dir if parent is None else None
    bench = prepare(plan, data_dir=given, work_dir=work_dir, max_parallel=max_parallel, progress=progress)
    if parent is None:
        return _load_and_annotate(bench, bench.recipe.dataset).dataset
    bench = dataclasses.replace(bench, approach=_fitted(bench, record, parent))
    version = record.parent.version if record.parent else record.version
    return stamp(make(bench, _recorded_item(plan, record), version, parent, earlier).dataset, record.version)


def _recorded_item(plan: Recipe, record: Iteration) -> IterationRecipe:
    """The iteration that made a record's rows, as its recipe has it; of alternatives, with the steps of the best."""
    names, best = [step.name for step in record.steps], record.search.get("best")
    for item in plan.iterations:
        lists = [one.steps for one in item.alternatives if best in (None, one.name)] or [item.steps]
        for steps in lists:
            if item.message == record.message and [step.name for step in steps] == names:
                return dataclasses.replace(item, steps=steps, alternatives=())
    mend = "Its manifest was edited, or another version of hf_mbdc wrote it."
    what = "The recorded recipe has no such iteration"
    raise RecipeError(what, key="iterations", message=record.message, mend=mend)


def _start(bench: Workbench) -> tuple[Workbench, Iteration, DatasetDict]:
    """The revision to start from: the one the recipe names, or the annotated raw files, published as the baseline.

    The workbench is given back with an approach that has learned what it learns.
    """
    from hf_mbdc.publishing.history import find_published, load, show
    from hf_mbdc.publishing.parentage import parent_of
    from hf_mbdc.publishing.publication import draft

    plan = bench.recipe
    if plan.dataset.revision is not None:
        parent_of(plan.repo_id, bench.repository, plan.dataset.revision)  # a stale parent is told before any work
        where: dict[str, Any] = {"revision": plan.dataset.revision, "repository": bench.repository}
        latest, dataset = show(plan.repo_id, **where), load(plan.repo_id, **where)
        check_rows(bench, dataset)
        return dataclasses.replace(bench, approach=_fitted(bench, latest, dataset)), latest, dataset
    raw = _load_and_annotate(bench, plan.dataset)
    bench, dataset = dataclasses.replace(bench, approach=raw.approach), raw.dataset
    check_rows(bench, dataset)
    known = find_published(dataset, plan.repo_id, bench.repository)
    if known is not None and not known.decision.refused:
        return bench, known, dataset
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
        rejected=raw.rejected,
        sensitive=plan.sensitive,
    )
    return bench, _publish_baseline(bench, first, raw.steps), dataset


def _fitted(bench: Workbench, record: Iteration, dataset: DatasetDict) -> TargetApproach:
    """The approach as the record's run had it, so that new rows get the columns that the others have."""
    from hf_mbdc.approaches import fit, make_approach

    if not getattr(bench.approach, "learns", False):
        return bench.approach
    then: TargetApproach = make_approach(bench.approach.name, record.approach.get("options"))
    return then if not getattr(then, "learns", False) else fit(dataset, bench.approach)


def _publish_baseline(bench: Workbench, first: Draft, steps: tuple[StepRecord, ...]) -> Iteration:
    """Measures the first revision, to which everything later is compared, and commits it."""
    from hf_mbdc.gate import check_leaks, means, measure_versions
    from hf_mbdc.publishing.publication import commit

    seeds, rows = len(bench.recipe.evaluation.seeds), first.dataset[bench.recipe.evaluation.split]
    with bench.stage(f"Training the target on the baseline ({seeds} {'seed' if seeds == 1 else 'seeds'})") as update:
        (baseline,) = measure_versions(bench, {first.iteration.version: first.dataset["train"]}, rows, update)
    leaks = check_leaks(first.dataset, None, bench.approach.adds)
    record = _describe(
        bench,
        first.iteration,
        steps=steps,
        scores=means(bench, baseline, first.dataset),
        decision=Decision("baseline", "The first revision: there is nothing to compare it with."),
        leaks=leaks.to_dict() if leaks else {},
        cost=sum((step.cost for step in steps), baseline.cost),
    )
    return commit(dataclasses.replace(first, iteration=record), bench.repository)


@dataclass(frozen=True)
class _Raw:
    """Raw rows with the approach's columns, what was set aside, the record of each step, and the fitted approach."""

    dataset: DatasetDict
    rejected: Dataset
    steps: tuple[StepRecord, ...]
    approach: TargetApproach


def _load_and_annotate(bench: Workbench, source: DatasetRecipe) -> _Raw:
    """Loads the raw rows, prepares them by the baseline's steps, and annotates them."""
    from datasets import concatenate_datasets

    from hf_mbdc.approaches import annotate_with_rejected, fit, reason_kind
    from hf_mbdc.guidance.meter import CostMeter
    from hf_mbdc.loaders import load_with_rejected

    assert source.name is not None  # checked by read_recipe
    with bench.stage(f"Loading {source.name}"), CostMeter() as loading:
        loaded = load_with_rejected(source.name, source.data_dir, **source.options)
    steps = bench.recipe.iterations[0].steps
    made = synthesize(bench, steps, loaded.dataset) if steps else Made(loaded.dataset, ())
    with bench.stage(f"Annotating for {bench.approach.name}"), CostMeter() as annotating:
        approach = fit(made.dataset, bench.approach)
        dataset, refused = annotate_with_rejected(made.dataset, approach)
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
        name=f"annotate {approach.name}",
        pillar="approach-specific information",
        why=approach.why,
        kept=0,
        changed=sum(len(split) for split in dataset.values()),
        rejected=len(refused),
        reasons=_count(map(reason_kind, refused["reason"][:])) | approach.count_statuses(dataset),
        cost=annotating.cost,
    )
    rejected = concatenate_datasets([loaded.rejected, *made.rejected, refused])
    return _Raw(dataset, rejected, (load_step, *made.records, annotate_step), approach)


def _iterate(
    bench: Workbench, item: IterationRecipe, parent: Iteration, dataset: DatasetDict
) -> tuple[Iteration, DatasetDict]:
    """Makes a candidate from the parent, judges it, and publishes it or records it beside; gives record and rows."""
    from hf_mbdc.gate import judge
    from hf_mbdc.publishing.history import find_published
    from hf_mbdc.publishing.publication import commit, draft
    from hf_mbdc.publishing.version import next_version
    from hf_mbdc.revisions.diff.diff import diff

    proposed = propose(bench, item, parent, dataset)
    if not proposed.changes_rows:
        bench.say(f"No row changed: {parent.version} stays")
        return parent, dataset
    candidate = stamp(proposed.dataset, next_version(parent.version, diff(dataset, proposed.dataset)))
    known = find_published(candidate, bench.recipe.repo_id, bench.repository)
    if known is not None and (not known.decision.refused or _measured_alike(bench, known)):
        bench.say(f"These rows are known: {known.version}, {known.decision.verdict}; nothing was trained")
        return known, candidate
    drafted = draft(
        candidate,
        bench.recipe.repo_id,
        bench.repository,
        message=item.message,
        parent=parent.sha,
        rejected=_set_aside(bench, parent, proposed.rejected),
        sensitive=bench.recipe.sensitive,
    )
    judged = judge(bench, drafted, parent, dataset)
    cost = proposed.cost + judged.cost
    found = {"steps": proposed.steps, "search": proposed.search, "mixing": proposed.mixing}
    record = _describe(_with_ratio(bench, item, proposed.ratio), drafted.iteration, **judged.record, **found, cost=cost)
    drafted = dataclasses.replace(drafted, iteration=record, scores=judged.scores)
    return commit(drafted, bench.repository), candidate


def _set_aside(bench: Workbench, parent: Iteration, left_out: Sequence[Dataset]) -> Dataset | None:
    """What the parent's revision set aside with what steps left out; None where they left out nothing."""
    from datasets import concatenate_datasets

    from hf_mbdc.publishing.parentage import read_side

    if not left_out:
        return None
    before = read_side(bench.recipe.repo_id, str(parent.sha), bench.repository).rejected
    return concatenate_datasets([*([] if before is None else [before]), *left_out])


def _with_ratio(bench: Workbench, item: IterationRecipe, ratio: dict[str, float] | None) -> Workbench:
    """The workbench with the ratio that was found in its recipe: the recorded recipe searches no second time."""
    if ratio is None or item.mix is None:
        return bench
    done = dataclasses.replace(item, mix=dataclasses.replace(item.mix, ratio=ratio))
    items = tuple(done if one is item else one for one in bench.recipe.iterations)
    return dataclasses.replace(bench, recipe=dataclasses.replace(bench.recipe, iterations=items))


def _measured_alike(bench: Workbench, known: Iteration) -> bool:
    """Whether a refused candidate was refused on the same terms: more seeds or another bar deserve another look."""
    from hf_mbdc.recipe import recipe_to_dict

    now = recipe_to_dict(bench.recipe)
    return all(known.recipe.get(part) == now[part] for part in ("target", "evaluation"))


def _describe(bench: Workbench, drafted: Iteration, **measured: Any) -> Iteration:
    """The draft's record with what the run knows: steps, scores, evidence, decision, cost, approach and recipe."""
    from hf_mbdc.recipe import recipe_to_dict

    cost, recipe = measured.pop("cost") + drafted.cost, recipe_to_dict(bench.recipe)
    approach = {**drafted.approach, "options": bench.approach.options(), "target": recipe["target"]["model"]}
    return dataclasses.replace(drafted, **measured, cost=cost, approach=approach, recipe=recipe)


def _count(reasons: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(reasons).items()))
