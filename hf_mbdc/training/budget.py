"""Equal budgets: parent and candidate train for as many steps, from the same weights, however many rows each has.

Epochs are no budget: a candidate with twice the rows would be trained twice as long, and its gain could be that of the
longer training. So the number of steps is fixed by the parent's rows. Rows of another length still make steps of
another number of tokens; that cannot be made equal too, and is told.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from hf_mbdc.errors import TrainingError
from hf_mbdc.training.config import Settings

if TYPE_CHECKING:
    from hf_mbdc.training.launch import TrainingJob, TrainingResult

AnySettings = TypeVar("AnySettings", bound=Settings)
EQUAL = {"steps": "were trained for different numbers of steps", "first_weights_sha256": "began with different weights"}


def steps_of(config: Settings, rows: int) -> int:
    """The steps that `config` takes with so many rows, on one process.

    Rows that cannot be trained on (their answer was not located) count: the budget is known before a row is encoded,
    and is that of the data as it is published.

    Example:
        >>> from hf_mbdc.training.config import TrainingConfig
        >>> steps_of(TrainingConfig(epochs=3, batch_size=8), rows=20), steps_of(TrainingConfig(max_steps=5), rows=20)
        (9, 5)
    """
    return config.max_steps or config.epochs * -(-rows // config.batch_size)


def with_steps_of(config: AnySettings, rows: int) -> AnySettings:
    """The same settings with the budget of so many rows written down as `max_steps`.

    Example:
        >>> from hf_mbdc.training.config import TrainingConfig
        >>> with_steps_of(TrainingConfig(epochs=3, batch_size=8), rows=20).max_steps
        9
    """
    return dataclasses.replace(config, max_steps=steps_of(config, rows))


def equal_budget(parent: TrainingJob, candidate: TrainingJob) -> tuple[TrainingJob, TrainingJob]:
    """Both jobs with the number of steps that the parent's settings take with the parent's rows.

    Raises:
        TrainingError: the settings differ in more than epochs and steps (seed, model, batch size, …), so that a
            difference of their scores would not be that of the data.

    Example:
        >>> from datasets import Dataset
        >>> from hf_mbdc.training.launch import TrainingJob
        >>> few, many = (TrainingJob(Dataset.from_dict({"id": ["a"] * rows})) for rows in (80, 200))
        >>> [job.config.max_steps for job in equal_budget(few, many)]
        [120, 120]
    """
    fixed = with_steps_of(parent.config, len(parent.train))
    other = dataclasses.replace(candidate.config, epochs=fixed.epochs, max_steps=fixed.max_steps)
    differing = [f.name for f in dataclasses.fields(fixed) if getattr(fixed, f.name) != getattr(other, f.name)]
    if differing:
        raise TrainingError(
            "Parent and candidate would not be trained alike",
            settings=differing,
            mend="Give both jobs the same seed, model and settings; only the rows may differ.",
        )
    return dataclasses.replace(parent, config=fixed), dataclasses.replace(candidate, config=other)


@dataclass(frozen=True)
class Budget:
    """What parent and candidate were trained with; tokens are means over the seeds."""

    steps: int
    parent_tokens: float
    candidate_tokens: float

    def __str__(self) -> str:
        more = self.candidate_tokens / self.parent_tokens - 1
        return (
            f"{self.steps:,} steps each, from the same weights; tokens read: parent {self.parent_tokens:,.0f}, "
            f"candidate {self.candidate_tokens:,.0f} ({more:+.1%})"
        )


def check_budget(parents: Sequence[TrainingResult], candidates: Sequence[TrainingResult]) -> Budget:
    """The budget that both sides had.

    Args:
        parents, candidates: results of the same seeds, in the same order; at least one.

    Raises:
        TrainingError: a pair had different numbers of steps, or began with different weights.

    Example:
        >>> from types import SimpleNamespace
        >>> told = {"steps": 90, "first_weights_sha256": "5e"}
        >>> parent, candidate = (SimpleNamespace(metrics={**told, "tokens": tokens}) for tokens in (1000, 1100))
        >>> print(check_budget([parent], [candidate]))
        90 steps each, from the same weights; tokens read: parent 1,000, candidate 1,100 (+10.0%)
    """
    pairs = [(p.metrics, c.metrics) for p, c in zip(parents, candidates, strict=True)]
    for number, (parent, candidate) in enumerate(pairs):
        for name, what in EQUAL.items():
            if parent[name] != candidate[name]:
                raise TrainingError(
                    f"Parent and candidate {what}",
                    pair=number,
                    parent=parent[name],
                    candidate=candidate[name],
                    mend="Make the jobs with equal_budget, from the same model and seeds.",
                )
    tokens = [sum(side["tokens"] for side in sides) / len(pairs) for sides in zip(*pairs, strict=True)]
    return Budget(pairs[0][0]["steps"], *tokens)
