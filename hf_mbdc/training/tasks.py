"""What trainings side by side must know of a kind of target: its script, its settings, the columns that it reads.

A task is plain data. Its names of functions and classes are looked up when they are needed, so that launching a
training of one kind imports nothing of another, and neither torch nor transformers.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError
from hf_mbdc.targets.encoding import LABELS, OPTIONAL, READS

if TYPE_CHECKING:
    from collections.abc import Callable

    from datasets import Dataset

# Of hf_mbdc/training: what decides the result of a training of any kind.
COMMON_CODE = ("clock", "config", "data", "dynamics", "learner", "loop", "order", "script")


@dataclass(frozen=True)
class Task:
    """A kind of target, under the name of its approach.

    Args:
        script: of `scripts/`: trains and predicts.
        config: `module:class` of its settings; every field is a flag of the script.
        new_model: the `config.model` that is trained from nothing; any other is a checkpoint.
        reads: columns that a prediction needs.
        labels: columns that a training needs besides.
        may_read: columns that are read where rows have them.
        made_by: calls that make the columns: (those of `reads`, those of `labels`).
        check_model: `module:function`, which refuses what cannot be the target's model.
        predict: `module:function` (model folder, rows) → (table of predictions, tokens read): each row alone.
        code: files below the package, as globs, that decide a result, beside `COMMON_CODE` and the script.
        packages: whose versions decide it, beside torch, transformers and accelerate.
        dynamics: whether a training keeps what the model made of each row in each epoch (`dynamics.parquet`).
    """

    script: str
    config: str
    new_model: str
    reads: tuple[str, ...]
    labels: tuple[str, ...]
    may_read: tuple[str, ...]
    made_by: tuple[str, str]
    check_model: str
    predict: str
    code: tuple[str, ...]
    packages: tuple[str, ...] = ()
    dynamics: bool = True

    def columns_read(self, split: Dataset, name: str, *, labels: bool) -> list[str]:
        """The columns of a split that training (with `labels`) or prediction reads.

        Raises:
            DataError: some of them are missing.
        """
        wanted = dict.fromkeys((*self.reads, *self.labels) if labels else self.reads)
        missing = [column for column in wanted if column not in split.column_names]
        if missing:
            how = self.made_by[set(missing) <= set(self.labels)]
            raise DataError(f"The columns {missing} are missing", split=name, mend=f"Make them with {how}.")
        return [column for column in (*wanted, *self.may_read) if column in split.column_names]

    def sources(self, package: Path) -> list[Path]:
        """The files of the package that decide what a training of this kind gives."""
        files = [path for pattern in self.code for path in sorted(package.glob(pattern))]
        return [*files, *(package / "training" / f"{name}.py" for name in COMMON_CODE)]


TASKS = {
    "extractive_qa": Task(
        script="train_extractive_qa.py",
        config="hf_mbdc.training.config:TrainingConfig",
        new_model="layout_span",
        reads=READS,
        labels=LABELS,
        may_read=OPTIONAL,
        made_by=("hf_mbdc.load_dataset", "hf_mbdc.annotate(ds, ExtractiveQA())"),
        check_model="hf_mbdc.training.checks:check_model",
        predict="hf_mbdc.training.scoring:predict_questions",
        code=("targets/*.py", "training/predict.py", "training/spans.py"),
    ),
    "text_recognition": Task(
        script="train_text_recognition.py",
        config="hf_mbdc.training.config:RecognitionConfig",
        new_model="ctc_recogniser",
        reads=("id", "image"),
        labels=("text",),
        may_read=(),
        made_by=("hf_mbdc.render or a loader of images", "hf_mbdc.load_dataset"),
        check_model="hf_mbdc.training.checks:check_recogniser",
        predict="hf_mbdc.training.words:predict_images",
        code=("targets/recognition/*.py", "training/words.py"),
    ),
    "text_generation": Task(
        script="train_language_model.py",
        config="hf_mbdc.training.config:LanguageModelConfig",
        new_model="small_lm",
        reads=("id", "prompt"),
        labels=("completion",),
        may_read=("rejected",),
        made_by=("hf_mbdc.load_dataset", "hf_mbdc.annotate(ds, TextGeneration())"),
        check_model="hf_mbdc.training.checks:check_language_model",
        predict="hf_mbdc.training.language:answer_prompts",
        code=(
            "targets/language.py",
            "training/language.py",
            "training/phases.py",
            "training/watching.py",
            "generation/completions.py",
            "generation/generate.py",
            "generation/local.py",
            "generation/picking.py",
            "generation/prompts.py",
        ),
        packages=("trl", "peft"),
        dynamics=False,
    ),
}


def look_up(name: str) -> Callable[..., Any]:
    """The function or class at `module:name`.

    Example:
        >>> look_up("hf_mbdc.training.config:TrainingConfig").__name__
        'TrainingConfig'
    """
    module, _, attribute = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found
