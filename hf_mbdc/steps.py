"""The synthesis steps of a recipe: their options checked by name, run one after the other on the train split."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import RecipeError
from hf_mbdc.records import Iteration, StepRecord

if TYPE_CHECKING:
    from datasets import DatasetDict

    from hf_mbdc.recipe import Recipe, StepRecipe
    from hf_mbdc.synthesis.reuse import Earlier
    from hf_mbdc.workbench import Workbench


def check_steps(recipe: Recipe) -> None:
    """Checks the options of all steps, so that a wrong one is told before any work.

    Raises:
        RecipeError: no such step, or a wrong option, with its key.
    """
    for i, item in enumerate(recipe.iterations):
        lists = {"": item.steps} | {f".alternatives[{k}]": one.steps for k, one in enumerate(item.alternatives)}
        for place, steps in lists.items():
            for j, step in enumerate(steps):
                step_options(step.name, step.options, key=f"iterations[{i}]{place}.steps[{j}]")


def step_options(name: str, options: dict[str, Any], *, key: str) -> Any:
    """The options of a step as its dataclass; `key` is its place in the recipe."""
    from hf_mbdc.recipe import check_options
    from hf_mbdc.synthesis.relabel_occurrences import NAME, RelabelOptions

    if name != NAME:
        raise RecipeError("No such step", key=f"{key}.name", step=name, mend=f"The steps are: {NAME}.")
    return check_options(RelabelOptions, options, key=f"{key}.options")


def synthesize(
    bench: Workbench, steps: Sequence[StepRecipe], dataset: DatasetDict, earlier: Sequence[Earlier | None]
) -> tuple[DatasetDict, tuple[StepRecord, ...]]:
    """Runs the steps on the train split; the other splits only get the provenance columns, empty."""
    from datasets import DatasetDict

    from hf_mbdc.synthesis.relabel_occurrences import relabel_occurrences
    from hf_mbdc.transforms.rows import add_provenance_columns

    rows, records = dataset["train"], []
    for number, step in enumerate(steps):
        options = step_options(step.name, step.options, key=f"steps[{number}]")
        with bench.stage(f"{step.name} ({options.folds} folds)") as update:
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
            bench.say(f"Few rows changed: {models} are kept, {result.record.reused:,} rows are not scored again")
        rows = result.rows
        records.append(dataclasses.replace(result.record, why=step.why))
    others = {name: add_provenance_columns(split) for name, split in dataset.items()}
    return DatasetDict({**others, "train": rows}), tuple(records)


def stamp(dataset: DatasetDict, version: str) -> DatasetDict:
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


def earlier_rows(bench: Workbench, steps: Sequence[StepRecipe], parent: Iteration) -> list[Earlier | None]:
    """For each step the rows whose models it may use again; only the first step reads rows that are published."""
    from hf_mbdc.publishing.history import load
    from hf_mbdc.publishing.steps import trained_on
    from hf_mbdc.synthesis.relabel_occurrences import step_identity
    from hf_mbdc.synthesis.reuse import Earlier

    first, nothing = steps[0], [None] * (len(steps) - 1)
    options = step_options(first.name, first.options, key="steps[0]")
    identity = step_identity(options, bench.training)
    found = trained_on(parent, first.name, identity, bench.repository) if options.retrain_above else None
    if found is None:
        return [None, *nothing]
    return [Earlier(load(bench.recipe.repo_id, found.sha, repository=bench.repository)["train"], found), *nothing]
