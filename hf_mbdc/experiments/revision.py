"""A revision as its run trained and scored it, so that more can be asked of the same trainings later."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import DataError
from hf_mbdc.records import Iteration

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.approaches import TargetApproach
    from hf_mbdc.measurement import Measurement
    from hf_mbdc.recipe import EvaluationRecipe
    from hf_mbdc.revisions.repositories.repository import Repository
    from hf_mbdc.training.config import Settings

EVALUATION_SPLITS = ("test", "validation")
CLASS_COLUMNS = ("key", "label")


@dataclass(frozen=True)
class Revision:
    """A published revision: its record, its rows, and how its target is trained, scored and compared.

    `training` has the number of steps that the run took, so that trainings that are still there are found.
    """

    record: Iteration
    dataset: DatasetDict
    approach: TargetApproach
    training: Settings
    plan: EvaluationRecipe

    def measure(
        self,
        *,
        work_dir: str | Path | None,
        seeds: Sequence[int] | None = None,
        max_parallel: int | None = None,
        on_progress: Callable[[float], None] | None = None,
    ) -> Measurement:
        """The target trained on the train split, with the seeds of its run or others, and scored on its split."""
        from huggingface_hub.constants import HF_HOME

        from hf_mbdc.measurement import measure
        from hf_mbdc.training.checks import check_work_dir

        plan = self.plan if seeds is None else dataclasses.replace(self.plan, seeds=tuple(seeds))
        (found,) = measure(
            [self.dataset["train"]],
            self.dataset[plan.split],
            self.approach,
            training=self.training,
            plan=plan,
            work_dir=check_work_dir(work_dir if work_dir is not None else Path(HF_HOME) / "mbdc"),
            revisions=[f"{self.record.repo_id}@{self.record.version}"],
            max_parallel=max_parallel,
            on_progress=on_progress,
        )
        return found

    def labels(self, split: str) -> list[str]:
        """What each row of a split belongs to."""
        return list(map(str, self.dataset[split][self.plan.cluster_by][:]))


def read_revision(
    repo_id: str, revision: str = "main", *, repository: str | Path | Repository | None = None
) -> Revision:
    """Reads a revision with everything that its target's training needs.

    Raises:
        RevisionNotFoundError: there is no such revision.
        DataError: its rows cannot be trained on or scored.
    """
    from hf_mbdc.publishing.history import load, show

    record = show(repo_id, revision, repository=repository)
    dataset = load(repo_id, revision, repository=repository)
    plan, training = plan_of(record, dataset)
    approach = approach_of(record)
    for name in ("train", plan.split):
        check_split(dataset, name, ("id", approach.reference, plan.cluster_by, plan.slice_by))
    return Revision(record, dataset, approach, training, plan)


def approach_of(record: Iteration) -> TargetApproach:
    """The approach as the run of a record had it, with what it had learned; one by name for rows published by hand."""
    from hf_mbdc.approaches import make_approach

    name = record.approach.get("name") or "extractive_qa"
    found: TargetApproach = make_approach(name, record.approach.get("options"))
    return found


def plan_of(record: Iteration, dataset: DatasetDict) -> tuple[EvaluationRecipe, Settings]:
    """How the run of a record scored and trained; defaults for a revision that was published by hand."""
    from hf_mbdc.recipe import EvaluationRecipe, Recipe
    from hf_mbdc.records import build
    from hf_mbdc.training.budget import with_steps_of
    from hf_mbdc.training.tasks import TASKS, look_up

    settings = look_up(TASKS[record.approach.get("name") or "extractive_qa"].config)
    rows = len(dataset["train"]) if "train" in dataset else 0
    if record.recipe.get("target"):
        recipe: Recipe = build(Recipe, record.recipe)
        config = settings(**{**recipe.target.training, "model": recipe.target.model})
        steps = record.evidence.steps if record.evidence else None
        fixed = dataclasses.replace(config, max_steps=steps) if steps else with_steps_of(config, rows)
        return recipe.evaluation, fixed
    split = next((name for name in EVALUATION_SPLITS if name in dataset), None)
    if split is None:
        mend = "Publish the rows with a split test or validation beside train."
        raise DataError(f"There is no split to score the target on, only {', '.join(dataset)}", mend=mend)
    columns = dataset[split].column_names
    slice_by = next((name for name in CLASS_COLUMNS if name in columns), None)
    cluster_by = "document_id" if "document_id" in columns else "id"
    plan = EvaluationRecipe(split=split, slice_by=slice_by, cluster_by=cluster_by)
    return plan, with_steps_of(settings(), rows)


def check_split(dataset: DatasetDict, name: str, columns: Sequence[str | None]) -> Dataset:
    """The split, when it has rows and columns.

    Raises:
        DataError: it has not.
    """
    if name not in dataset or not len(dataset[name]):
        raise DataError("The dataset has no rows in this split", split=name, mend=f"It has {', '.join(dataset)}.")
    for column in filter(None, columns):
        if column not in dataset[name].column_names:
            mend = f"It has: {', '.join(dataset[name].column_names)}."
            raise DataError("The split has no such column", split=name, column=column, mend=mend)
    return dataset[name]
