"""The settings of one training; every field is a flag of the script that trains."""

from __future__ import annotations

import argparse
import dataclasses
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from hf_mbdc.errors import TrainingError

OBJECTIVES = ("chosen", "marginal", "hard_em")
FORMS = ("NFC", "NFD", "NFKC", "NFKD", "none")
UNITS = ("code_point", "grapheme")
PREFERENCES = ("dpo", "kto", "none")

AnySettings = TypeVar("AnySettings", bound="Settings")


def _flag(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


@dataclass(frozen=True)
class Settings:
    """What every training has: a model, a budget, a schedule, a seed; `task` names its kind in `training/tasks.py`."""

    task: ClassVar[str]

    model: str = _flag("", "what is trained")
    epochs: int = _flag(12, "passes over the rows")
    max_steps: int = _flag(0, "steps in all, whatever the number of rows; 0: as many as the epochs take")
    batch_size: int = _flag(8, "rows per step and process")
    learning_rate: float = _flag(2e-3, "peak of the schedule: linear warm-up, then linear to 0")
    weight_decay: float = _flag(0.05, "of AdamW, on matrices and tables only")
    warmup: float = _flag(0.1, "share of the steps that warm up")
    max_grad_norm: float = _flag(1.0, "gradients are scaled down to this norm")
    seed: int = _flag(0, "of weights, order and dropout")

    def __post_init__(self) -> None:
        self.check_least(1, "epochs", "batch_size")
        self.check_least(0, "max_steps", "learning_rate", "weight_decay", "max_grad_norm", "seed")
        self.check_share("warmup")

    def check_least(self, least: int, *names: str) -> None:
        """Raises `TrainingError` for a field that is below `least`, or NaN."""
        for name in names:
            if not getattr(self, name) >= least:
                raise TrainingError(f"{name} is {getattr(self, name)}", mend=f"It must be at least {least}.")

    def check_share(self, *names: str) -> None:
        """Raises `TrainingError` for a field that is not from 0 to 1."""
        for name in names:
            if not 0 <= getattr(self, name) <= 1:
                raise TrainingError(f"{name} is {getattr(self, name)}", mend="It must be from 0 to 1.")

    def check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        """Raises `TrainingError` for a field that is none of the choices."""
        value = getattr(self, name)
        if value not in choices:
            raise TrainingError(f"There is no {name} {value!r}", mend=f"Take one of {', '.join(choices)}.")

    def as_flags(self) -> list[str]:
        """The command-line flags that give this configuration."""
        flags: list[str] = []
        for f in dataclasses.fields(self):
            flag, value = f"--{f.name.replace('_', '-')}", str(getattr(self, f.name))
            # A charset may begin with a dash, which argparse takes for a flag where it stands alone.
            flags += [f"{flag}={value}"] if value.startswith("-") else [flag, value]
        return flags

    @classmethod
    def add_flags(cls, parser: argparse.ArgumentParser) -> None:
        """Adds one flag per field."""
        for f in dataclasses.fields(cls):
            told = f" (default: {f.default})" if f.default != "" else ""
            parser.add_argument(
                f"--{f.name.replace('_', '-')}",
                type=type(f.default),
                default=f.default,
                help=f"{f.metadata['help']}{told}".replace("%", "%%"),
            )

    @classmethod
    def from_flags(cls: type[AnySettings], flags: argparse.Namespace) -> AnySettings:
        """Reads the fields back from parsed flags."""
        return cls(**{f.name: getattr(flags, f.name) for f in dataclasses.fields(cls)})


@dataclass(frozen=True)
class TrainingConfig(Settings):
    """What is trained for extractive question answering, and how.

    Example:
        >>> TrainingConfig(objective="marginal", seed=3).as_flags()[:4]
        ['--model', 'layout_span', '--epochs', '12']
    """

    task: ClassVar[str] = "extractive_qa"

    model: str = _flag("layout_span", "layout_span (trained from nothing), or a folder or Hub id of a checkpoint")
    objective: str = _flag(
        "chosen", "chosen: the answer's span; marginal: all candidates; hard_em: marginal, then best"
    )
    marginal_fraction: float = _flag(0.5, "hard_em: share of the steps that are trained with marginal first")

    def __post_init__(self) -> None:
        self.check_choice("objective", OBJECTIVES)
        super().__post_init__()
        self.check_share("marginal_fraction")


@dataclass(frozen=True)
class RecognitionConfig(Settings):
    """What is trained for text recognition, and how.

    Example:
        >>> RecognitionConfig(seed=3).as_flags()[:4]
        ['--model', 'ctc_recogniser', '--epochs', '6']
    """

    task: ClassVar[str] = "text_recognition"

    model: str = _flag(
        "ctc_recogniser", "ctc_recogniser (trained from nothing), or a folder or Hub id of a recogniser of TrOCR's type"
    )
    epochs: int = _flag(6, "passes over the rows")
    # The net first learns to write nothing but blanks, and leaves that after a number of steps, not of images: after
    # one epoch of 6,000 plain images of 300 syllables word accuracy was .58; with 32 rows a step and 4e-3, .00.
    batch_size: int = _flag(16, "rows per step and process")
    learning_rate: float = _flag(3e-3, "peak of the schedule: linear warm-up, then linear to 0")
    charset: str = _flag("", "characters that a new model reads beside those of the texts it is trained on")
    normalization: str = _flag("NFC", f"Unicode form that a new model reads: one of {', '.join(FORMS)}")
    unit: str = _flag("code_point", f"what a character is to a new model: {' or '.join(UNITS)}")
    height: int = _flag(32, "pixels that word images are scaled to, a multiple of 4, of a new model")
    max_width: int = _flag(1024, "pixels of the widest image that a new model is trained on, after scaling")
    beam_width: int = _flag(1, "texts that are followed while reading; 1: greedily")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_choice("normalization", FORMS)
        self.check_choice("unit", UNITS)
        self.check_least(1, "height", "max_width", "beam_width")
        if self.height % 4:
            raise TrainingError(f"height is {self.height}", mend="It must be a multiple of 4.")


@dataclass(frozen=True)
class LanguageModelConfig(Settings):
    """What is trained for text generation, and how: completions first, then preferences where rows have some.

    Example:
        >>> LanguageModelConfig(seed=3).as_flags()[:4]
        ['--model', 'small_lm', '--epochs', '3']
    """

    task: ClassVar[str] = "text_generation"

    model: str = _flag("small_lm", "small_lm (trained from nothing), or a folder or Hub id of a causal language model")
    epochs: int = _flag(3, "passes over the rows")
    batch_size: int = _flag(32, "completions per step and process; half as many pairs of them")
    learning_rate: float = _flag(3e-3, "peak of the schedule: linear warm-up, then linear to 0")
    max_length: int = _flag(1024, "tokens of prompt and completion; rows that are longer are left out")
    max_new_tokens: int = _flag(256, "tokens that a prediction may have")
    words: str = _flag("", "vocabulary of a new model, words divided by blanks")
    width: int = _flag(96, "of the hidden states of a new model")
    layers: int = _flag(4, "of a new model")
    lora_rank: int = _flag(0, "of low-rank adapters, which are merged at the end; 0: all weights are trained")
    preference: str = _flag("dpo", f"what pairs teach by, in the last steps: one of {', '.join(PREFERENCES)}")
    preference_share: float = _flag(0.25, "share of the steps that learn from pairs, where there are some")
    preference_learning_rate: float = _flag(3e-4, "peak of the schedule of those steps")
    beta: float = _flag(0.1, "of DPO and KTO: how close the model stays to what it was before them")

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_choice("preference", PREFERENCES)
        self.check_least(1, "max_length", "max_new_tokens", "width", "layers")
        self.check_least(0, "lora_rank", "preference_learning_rate", "beta")
        self.check_share("preference_share")
        if self.width % 8:
            raise TrainingError(f"width is {self.width}", mend="It must be a multiple of 8.")
        if self.preference == "kto" and self.batch_size < 2:
            raise TrainingError("KTO compares the completions of a batch", mend="Give a batch_size of at least 2.")
        if self.model != "small_lm":
            object.__setattr__(self, "words", "")  # a checkpoint has a vocabulary of its own
