"""The settings of one training; every field is a flag of `scripts/train_extractive_qa.py`."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field
from typing import Any

from hf_mbdc.errors import TrainingError

OBJECTIVES = ("chosen", "marginal", "hard_em")


def _flag(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class TrainingConfig:
    """What is trained, and how.

    Example:
        >>> TrainingConfig(objective="marginal", seed=3).as_flags()[:4]
        ['--model', 'layout_span', '--objective', 'marginal']
    """

    model: str = _flag("layout_span", "layout_span (trained from nothing), or a folder or Hub id of a checkpoint")
    objective: str = _flag(
        "chosen", "chosen: the answer's span; marginal: all candidates; hard_em: marginal, then best"
    )
    epochs: int = _flag(12, "passes over the rows")
    max_steps: int = _flag(0, "steps in all, whatever the number of rows; 0: as many as the epochs take")
    batch_size: int = _flag(8, "rows per step and process")
    learning_rate: float = _flag(2e-3, "peak of the schedule: linear warm-up, then linear to 0")
    weight_decay: float = _flag(0.05, "of AdamW, on matrices and tables only")
    warmup: float = _flag(0.1, "share of the steps that warm up")
    max_grad_norm: float = _flag(1.0, "gradients are scaled down to this norm")
    marginal_fraction: float = _flag(0.5, "hard_em: share of the steps that are trained with marginal first")
    seed: int = _flag(0, "of weights, order and dropout")

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise TrainingError(
                f"There is no objective {self.objective!r}", mend=f"Take one of {', '.join(OBJECTIVES)}."
            )
        for name in ("epochs", "max_steps", "batch_size", "learning_rate", "weight_decay", "max_grad_norm", "seed"):
            least = 1 if name in ("epochs", "batch_size") else 0
            if not getattr(self, name) >= least:
                raise TrainingError(f"{name} is {getattr(self, name)}", mend=f"It must be at least {least}.")
        for name in ("warmup", "marginal_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} is {getattr(self, name)}", mend="It must be from 0 to 1.")

    def as_flags(self) -> list[str]:
        """The command-line flags that give this configuration."""
        return [
            text
            for f in dataclasses.fields(self)
            for text in (f"--{f.name.replace('_', '-')}", str(getattr(self, f.name)))
        ]

    @classmethod
    def add_flags(cls, parser: argparse.ArgumentParser) -> None:
        """Adds one flag per field."""
        for f in dataclasses.fields(cls):
            parser.add_argument(
                f"--{f.name.replace('_', '-')}",
                type=type(f.default),
                default=f.default,
                help=f"{f.metadata['help']} (default: {f.default})",
            )

    @classmethod
    def from_flags(cls, flags: argparse.Namespace) -> TrainingConfig:
        """Reads the fields back from parsed flags."""
        return cls(**{f.name: getattr(flags, f.name) for f in dataclasses.fields(cls)})
