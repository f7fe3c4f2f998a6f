"""What a step of a recipe is: a function of rows, options and what it works with, in a file of its own.

A module of a step has a constant `STEP`; `hf_mbdc.steps` finds it by the step's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hf_mbdc.records import StepRecord
from hf_mbdc.synthesis.reuse import Earlier

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.training.launch import TrainingResult


@dataclass(frozen=True)
class StepResult:
    """The rows after a step, and the record of what the step did to them.

    `rejected`: `id` and `reason` of the rows that it left out; None where it leaves out none.
    """

    rows: Dataset
    record: StepRecord
    rejected: Dataset | None = None


@dataclass(frozen=True)
class StepContext:
    """What a step works with, beside its rows and options.

    Args:
        approach: that annotated the rows; it has learned what it learns.
        config: training settings of the target.
        work_dir: folder of the trainings; what is there already is not trained again.
        split: of the rows.
        others: the other splits, whose rows a step may look at to keep clear of them, and must not copy.
        earlier: rows that the same step read in an earlier iteration, whose models it may use again.
        misses: how often the target, trained on these rows, missed each character of the split that searches; a call
            may train. None where no split searches.
        target: the target as it was trained on these rows with the first seed; a call may train. None where no target
            is trained on them yet.
        max_parallel: processes side by side; None: one a core.
        on_progress: called with the share of the step that is done, 0 to 1.
    """

    approach: Any
    config: Any
    work_dir: Path
    split: str = "train"
    others: Mapping[str, Dataset] = field(default_factory=dict)
    earlier: Earlier | None = None
    misses: Callable[[], Mapping[str, int]] | None = None
    target: Callable[[], TrainingResult] | None = None
    max_parallel: int | None = None
    on_progress: Callable[[float], None] | None = None


@dataclass(frozen=True)
class Step:
    """A step as the loop calls it.

    Args:
        options: the dataclass of its options in a recipe.
        run: gives what the step makes of the rows of a split.
        splits: `train`, or `all` for a step that only prepares rows, such as drawing their images: it may stand before
            the baseline.
        approaches: names of those whose rows it understands; empty: of all.
        trains: whether its record tells the cost, that of its trainings; else the loop measures it.
        identity: hash of all that decides what it makes of rows, given its options and the target's settings, for a
            step that can use the models of an earlier iteration again; None where its options forbid it.
    """

    options: type[Any]
    run: Callable[[Dataset, Any, StepContext], StepResult]
    splits: Literal["train", "all"] = "train"
    approaches: tuple[str, ...] = ()
    trains: bool = False
    identity: Callable[[Any, Any], str | None] | None = None
