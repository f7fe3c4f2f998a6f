"""What every part of a run needs, made once from its recipe, and the checks that come before any work."""

from __future__ import annotations

import itertools
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError
from hf_mbdc.progress import Update, say, stage

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.approaches import TargetApproach
    from hf_mbdc.recipe import Recipe
    from hf_mbdc.revisions.repositories.repository import Repository
    from hf_mbdc.synthesis.step import StepContext
    from hf_mbdc.training.config import Settings

SHOWN = 10  # values of a column, in a message


@dataclass(frozen=True)
class Workbench:
    """What a run works with."""

    recipe: Recipe
    approach: TargetApproach
    training: Settings
    repository: Repository
    work_dir: Path
    max_parallel: int | None
    progress: bool

    def stage(self, title: str) -> AbstractContextManager[Update]:
        """A bar on standard error while a part of the work is done."""
        return stage(title, show=self.progress)

    def context(self, **given: Any) -> StepContext:
        """What a step works with; `given` is what differs from step to step."""
        from hf_mbdc.synthesis.step import StepContext

        return StepContext(self.approach, self.training, self.work_dir, max_parallel=self.max_parallel, **given)

    def say(self, text: str) -> None:
        """A line on standard error."""
        say(text, show=self.progress)


def prepare(
    recipe: str | Path | Recipe,
    *,
    data_dir: str | Path | None = None,
    repository: str | Path | None = None,
    repo_id: str | None = None,
    work_dir: str | Path | None = None,
    max_parallel: int | None = None,
    progress: bool = True,
) -> Workbench:
    """The workbench of a recipe; arguments as for `hf_mbdc.run`.

    Raises:
        MbdcError: a key, an option, the model, the repository or the work dir is not as it must be.
    """
    from huggingface_hub.constants import HF_HOME

    from hf_mbdc.approaches import make_approach
    from hf_mbdc.recipe import check_options, read_recipe
    from hf_mbdc.revisions.repositories.repository import open_repository
    from hf_mbdc.steps import check_steps
    from hf_mbdc.training.checks import check_max_parallel, check_work_dir
    from hf_mbdc.training.tasks import TASKS, look_up

    plan = read_recipe(recipe, data_dir=data_dir, repository=repository, repo_id=repo_id)
    approach = make_approach(plan.approach.name, plan.approach.options)
    check_steps(plan)
    task = TASKS[plan.approach.name]
    look_up(task.check_model)(plan.target.model)
    check_max_parallel(max_parallel)
    settings = {**plan.target.training, "model": plan.target.model}
    config: Any = look_up(task.config)
    return Workbench(
        recipe=plan,
        approach=approach,
        training=check_options(config, settings, key="target.training"),
        repository=open_repository(plan.repository),
        work_dir=check_work_dir(work_dir if work_dir is not None else Path(HF_HOME) / "mbdc"),
        max_parallel=max_parallel,
        progress=progress,
    )


def check_rows(bench: Workbench, dataset: DatasetDict) -> None:
    """Whether the rows can be trained on and compared: splits, columns, and no document on both sides.

    Raises:
        DataError: they cannot.
    """
    from hf_mbdc.measurement import check_labels
    from hf_mbdc.transforms.checks import check_columns

    wanted = bench.recipe.evaluation
    read = ("train", *bench.recipe.read_splits)
    for split in (*read, *([wanted.final] if wanted.final else [])):
        if split not in dataset:
            raise DataError("The dataset has no such split", split=split, mend=f"It has: {', '.join(dataset)}.")
        if len(dataset[split]) == 0:
            raise DataError("The split is empty", split=split, mend="Give more documents or other split_fractions.")
    for split in read:
        check_columns(dataset[split].features, {**bench.approach.reads, **bench.approach.adds}, split=split)
        _check_label_column(dataset[split], split, wanted.cluster_by, "evaluation.cluster_by")
    if wanted.slice_by is not None:
        _check_label_column(dataset[wanted.split], wanted.split, wanted.slice_by, "evaluation.slice_by")
        parts = set(map(str, dataset[wanted.split][wanted.slice_by][:]))
        for name in wanted.no_loss:
            if name not in parts:
                mend = f"The values of {wanted.slice_by!r} are: {', '.join(sorted(parts)[:SHOWN])}."
                raise DataError(
                    "No row is in this part", split=wanted.split, key=f"evaluation.no_loss.{name}", mend=mend
                )
    check_labels(dataset, wanted)
    for one, other in itertools.combinations(read, 2):
        _check_apart(dataset, one, other, wanted.cluster_by)


def _check_apart(dataset: DatasetDict, one: str, other: str, column: str) -> None:
    if shared := set(dataset[one][column][:]) & set(dataset[other][column][:]):
        what = "were trained on" if one == "train" else "chose among alternatives"
        raise DataError(
            f"{len(shared)} values of {column!r} stand in {one} and in {other}",
            column=column,
            value=min(shared, key=str),
            mend=f"Evaluation rows that {what} measure memory: split by document, or name another column.",
        )


def _check_label_column(rows: Dataset, split: str, column: str, key: str) -> None:
    from datasets import Value

    if column not in rows.column_names:
        mend = f"It has: {', '.join(rows.column_names)}."
        raise DataError("The split has no such column", split=split, column=column, key=key, mend=mend)
    if not isinstance(rows.features[column], Value):
        mend = "Name a column of texts or numbers."
        raise DataError("The column does not hold one value a row", split=split, column=column, key=key, mend=mend)
