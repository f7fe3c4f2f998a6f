"""The synthesis steps of a recipe: their options checked by name, run one after the other."""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import RecipeError
from hf_mbdc.records import Cost, Iteration, StepRecord

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.progress import Update
    from hf_mbdc.recipe import Recipe, StepRecipe
    from hf_mbdc.synthesis.reuse import Earlier
    from hf_mbdc.synthesis.step import Step, StepContext, StepResult
    from hf_mbdc.training.launch import TrainingResult
    from hf_mbdc.workbench import Workbench

MODULES = {  # of hf_mbdc.synthesis, each with its STEP
    "filter_texts": "filter_texts",
    "new_prompts": "new_prompts",
    "relabel_occurrences": "relabel_occurrences",
    "render": "word_images",
    "self_training": "self_training",
    "tail_characters": "tail_words",
}


@dataclasses.dataclass(frozen=True)
class Made:
    """What steps made: all splits, the record of each step, and the rows that steps left out, with their reasons."""

    dataset: DatasetDict
    records: tuple[StepRecord, ...]
    rejected: tuple[Dataset, ...] = ()


def find_step(name: str, *, key: str = "steps") -> Step:
    """The step of that name; `key` is its place in the recipe.

    Raises:
        RecipeError: there is no such step.
    """
    if name not in MODULES:
        near = difflib.get_close_matches(name, MODULES, n=1)
        hint = f"Did you mean {near[0]!r}? " if near else ""
        mend = f"{hint}The steps are: {', '.join(MODULES)}."
        raise RecipeError("No such step", key=f"{key}.name", step=name, mend=mend)
    found: Step = importlib.import_module(f"hf_mbdc.synthesis.{MODULES[name]}").STEP
    return found


def check_steps(recipe: Recipe) -> None:
    """Checks the names and options of all steps, so that a wrong one is told before any work.

    Raises:
        RecipeError: no such step, one that does not fit the approach or the baseline, or a wrong option, with its key.
    """
    for i, item in enumerate(recipe.iterations):
        lists = {"": item.steps} | {f".alternatives[{k}]": one.steps for k, one in enumerate(item.alternatives)}
        for place, steps in lists.items():
            for j, step in enumerate(steps):
                key = f"iterations[{i}]{place}.steps[{j}]"
                found = find_step(step.name, key=key)
                step_options(step.name, step.options, key=key)
                if found.approaches and recipe.approach.name not in found.approaches:
                    mend = f"It is for {', '.join(found.approaches)}."
                    what = f"The step does not fit the approach {recipe.approach.name!r}"
                    raise RecipeError(what, key=f"{key}.name", step=step.name, mend=mend)
                if i == 0 and recipe.dataset.name is not None and found.splits != "all":
                    mend = "Give it to the next iteration: the baseline only takes steps that prepare rows, as render."
                    raise RecipeError("The step changes the data", key=f"{key}.name", step=step.name, mend=mend)


def step_options(name: str, options: dict[str, Any], *, key: str) -> Any:
    """The options of a step as its dataclass; `key` is its place in the recipe."""
    from hf_mbdc.recipe import check_options

    return check_options(find_step(name, key=key).options, options, key=f"{key}.options")


def synthesize(
    bench: Workbench,
    steps: Sequence[StepRecipe],
    dataset: DatasetDict,
    earlier: Sequence[Earlier | None] = (),
    misses: Callable[[], Mapping[str, int]] | None = None,
    target: Callable[[], TrainingResult] | None = None,
) -> Made:
    """Runs steps on the train split, and those that prepare rows on all; gives every split the provenance columns.

    Args:
        earlier: for each step the rows whose models it may use again.
        misses, target: as of `StepContext`.
    """
    from datasets import DatasetDict

    from hf_mbdc.transforms.rows import add_provenance_columns

    splits, records, rejected = dict(dataset), [], []
    for number, item in enumerate(steps):
        options = step_options(item.name, item.options, key=f"steps[{number}]")
        parts = []
        with bench.stage(_title(item.name, options)) as update:
            names = list(splits) if find_step(item.name).splits == "all" else ["train"]
            for place, split in enumerate(names):
                context = bench.context(
                    split=split,
                    others={name: rows for name, rows in splits.items() if name != split},
                    earlier=earlier[number] if number < len(earlier) else None,
                    misses=misses,
                    target=target,
                    on_progress=functools.partial(_part, update, place, len(names)),
                )
                result = _run(item.name, splits[split], options, context)
                splits[split] = result.rows
                parts.append(result.record)
                rejected += [result.rejected] if result.rejected is not None and len(result.rejected) else []
        record = dataclasses.replace(_together(parts), why=item.why)
        if (source := record.trained_on) is not None:
            models = f"models trained on {source.version}"
            bench.say(f"Few rows changed: {models} are kept, {record.reused:,} rows are not scored again")
        records.append(record)
    splits = {name: add_provenance_columns(rows) for name, rows in splits.items()}
    return Made(DatasetDict(splits), tuple(records), tuple(rejected))


def _run(name: str, rows: Dataset, options: Any, context: StepContext) -> StepResult:
    """What a step makes of a split, with its cost."""
    from hf_mbdc.guidance.meter import CostMeter

    step = find_step(name)
    with CostMeter() as meter:
        result = step.run(rows, options, context)
    if step.trains:
        return result
    return dataclasses.replace(result, record=dataclasses.replace(result.record, cost=meter.cost))


def _part(update: Update, place: int, places: int, done: float) -> None:
    """Tells the progress of one split as a part of the whole."""
    update((place + done) / places)


def stamp(dataset: DatasetDict, version: str) -> DatasetDict:
    """Says in `mbdc_iteration` which version changed a row, for the rows that this iteration changed."""
    import numpy as np
    import pyarrow.compute as pc
    from datasets import DatasetDict

    from hf_mbdc.transforms.rows import replace_rows

    table = dataset["train"].select_columns(["mbdc_source", "mbdc_iteration"]).with_format("arrow")[:]
    new = pc.and_(pc.is_valid(table["mbdc_source"]), pc.is_null(table["mbdc_iteration"]))
    positions = np.flatnonzero(new.to_numpy())
    stamped = replace_rows(dataset["train"], positions, {"mbdc_iteration": [version] * len(positions)})
    return DatasetDict({**dataset, "train": stamped})


def earlier_rows(bench: Workbench, steps: Sequence[StepRecipe], parent: Iteration) -> list[Earlier | None]:
    """For each step the rows whose models it may use again; only the first step reads rows that are published."""
    from hf_mbdc.publishing.history import load
    from hf_mbdc.publishing.steps import trained_on
    from hf_mbdc.synthesis.reuse import Earlier

    first, nothing = find_step(steps[0].name), [None] * (len(steps) - 1)
    if first.identity is None:
        return [None, *nothing]
    identity = first.identity(step_options(steps[0].name, steps[0].options, key="steps[0]"), bench.training)
    found = None if identity is None else trained_on(parent, steps[0].name, identity, bench.repository)
    if found is None:
        return [None, *nothing]
    return [Earlier(load(bench.recipe.repo_id, found.sha, repository=bench.repository)["train"], found), *nothing]


def _title(name: str, options: Any) -> str:
    folds = getattr(options, "folds", None)
    return name if folds is None else f"{name} ({folds} folds)"


def _together(records: Sequence[StepRecord]) -> StepRecord:
    """The record of a step that ran on several splits, as one."""
    if len(records) == 1:
        return records[0]
    reasons: dict[str, int] = {}
    for record in records:
        for reason, count in record.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
    sums = {name: sum(getattr(one, name) for one in records) for name in ("kept", "changed", "added", "rejected")}
    cost = sum((one.cost for one in records), Cost())
    return dataclasses.replace(records[0], reasons=reasons, cost=cost, **sums)
