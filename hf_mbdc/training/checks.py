"""What can be told before any training starts: a model that cannot be one, a folder that cannot be written."""

from __future__ import annotations

import difflib
import importlib.util
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from hf_mbdc.errors import RecipeError, TrainingError
from hf_mbdc.targets import LAYOUT_SPAN
from hf_mbdc.targets.language import SMALL_LM
from hf_mbdc.targets.recognition import CTC_RECOGNISER

EXAMPLE, RECOGNISER_EXAMPLE = "google-bert/bert-base-uncased", "microsoft/trocr-small-printed"
LANGUAGE_MODEL_EXAMPLE = "Qwen/Qwen3-0.6B"
# The Hub's first models have no owner; every other name without one is a slip.
FIRST = ("albert-", "bert-", "camembert-", "distilbert-", "distilroberta-", "roberta-", "xlm-roberta-", "xlnet-")


def check_work_dir(work_dir: str | Path) -> Path:
    """Makes the folder of trained models where it is missing, and gives its absolute path.

    Raises:
        TrainingError: it is a file, or cannot be made or written.

    Example:
        >>> check_work_dir(tempfile.gettempdir()).is_dir()
        True
    """
    mend = "Name another folder for trained models: work_dir=… (--work-dir)."
    if not isinstance(work_dir, str | Path) or not str(work_dir).strip():
        raise TrainingError(f"The folder for trained models is {work_dir!r}", mend=mend)
    try:
        folder = Path(work_dir).expanduser().resolve()
        if file := next((path for path in (folder, *folder.parents) if path.is_file()), None):
            raise TrainingError("The folder for trained models is a file", path=str(file), mend=mend)
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        what = f"The folder for trained models cannot be written: {error.strerror}"
        raise TrainingError(what, path=str(work_dir), mend=mend) from error


def check_max_parallel(max_parallel: object) -> None:
    """Raises `RecipeError` unless it is None or at least 1."""
    if max_parallel is None or (type(max_parallel) is int and max_parallel >= 1):
        return
    raise RecipeError(
        f"max_parallel is {max_parallel!r}",
        key="max_parallel",
        mend="Give a whole number of at least 1, or leave it out for one training a GPU, or a core.",
    )


def check_model(name: object) -> None:
    """Refuses what cannot be a target model, without asking the Hub.

    Args:
        name: `layout_span`, a folder with the `config.json` of an extractive model, or an id of the Hub.

    Raises:
        TrainingError: it is none of them.

    Example:
        >>> check_model("layoutspan")
        Traceback (most recent call last):
        hf_mbdc.errors.TrainingError: There is no target model 'layoutspan'. Did you mean 'layout_span'?
    """
    _check_name(name, LAYOUT_SPAN, EXAMPLE, _check_extractive)


def check_recogniser(name: object) -> None:
    """Refuses what cannot be a target of text recognition, without asking the Hub.

    Args:
        name: `ctc_recogniser`, a folder with the `config.json` of one or of a `VisionEncoderDecoderModel`, or an id of
            the Hub.

    Raises:
        TrainingError: it is none of them.

    Example:
        >>> check_recogniser("ctc-recogniser")
        Traceback (most recent call last):
        hf_mbdc.errors.TrainingError: There is no target model 'ctc-recogniser'. Did you mean 'ctc_recogniser'?
    """
    _check_name(name, CTC_RECOGNISER, RECOGNISER_EXAMPLE, _check_reader)


def check_language_model(name: object) -> None:
    """Refuses what cannot be a target of text generation, without asking the Hub, and tells when TRL is missing.

    Args:
        name: `small_lm`, a folder with the `config.json` of a causal language model, or an id of the Hub.

    Raises:
        TrainingError: it is none of them, or TRL is not installed.

    Example:
        >>> check_language_model("small-lm")
        Traceback (most recent call last):
        hf_mbdc.errors.TrainingError: There is no target model 'small-lm'. Did you mean 'small_lm'?
    """
    if importlib.util.find_spec("trl") is None:
        raise TrainingError("Language models are trained by TRL", mend='Install it: pip install "hf-mbdc[trl]".')
    _check_name(name, SMALL_LM, LANGUAGE_MODEL_EXAMPLE, _check_causal)


def _check_name(name: object, new: str, example: str, check_kind: Callable[[object, str], None]) -> None:
    """Refuses what is neither the new model's name, nor a folder with a fitting model, nor an id of the Hub."""
    if name == new:
        return
    text = name if isinstance(name, str) else ""
    folder = f"Name a folder that save_pretrained wrote, or {new}."
    if text.strip() and Path(text).is_dir():
        check_kind(_kind_of(Path(text), folder), text)
    elif text.startswith(("/", "./", "../", "~")) or text.count("/") > 1 or "\\" in text or Path(text).is_file():
        raise TrainingError("There is no such folder with a model", model=text, mend=folder)
    elif not _may_be_on_hub(text):
        close = difflib.get_close_matches(text.casefold(), [new], n=1, cutoff=0.75)
        mend = f"Name {new}, a folder that save_pretrained wrote, or a model of the Hub with its owner ({example})."
        raise TrainingError(f"There is no target model {name!r}", mend=f"Did you mean {new!r}?" if close else mend)


def _check_extractive(kind: object, folder: str) -> None:
    if kind == LAYOUT_SPAN:
        return
    from transformers.models.auto.modeling_auto import MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES as EXTRACTIVE

    from hf_mbdc.targets.checkpoint import HEAD_OF, NEEDS_IMAGES

    if kind in NEEDS_IMAGES or kind not in {*EXTRACTIVE, *HEAD_OF}:
        reason = "needs page images" if kind in NEEDS_IMAGES else "has no question-answering head"
        raise TrainingError(
            f"A model of type {kind!r} {reason}, and cannot be a target",
            model=folder,
            mend="Name a LayoutLM (v1, v3) or LiLT checkpoint, a text-only one such as BERT, or layout_span.",
        )


def _check_reader(kind: object, folder: str) -> None:
    if kind not in (CTC_RECOGNISER, "vision-encoder-decoder"):
        mend = f"Name a VisionEncoderDecoderModel such as {RECOGNISER_EXAMPLE}, or {CTC_RECOGNISER}."
        what = f"A model of type {kind!r} reads no word images, and cannot be a target"
        raise TrainingError(what, model=folder, mend=mend)


def _check_causal(kind: object, folder: str) -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL

    if kind not in CAUSAL:
        mend = f"Name a causal language model such as {LANGUAGE_MODEL_EXAMPLE}, or {SMALL_LM}."
        raise TrainingError(f"A model of type {kind!r} writes no text, and cannot be a target", model=folder, mend=mend)


def _may_be_on_hub(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return "/" in name or name.startswith(FIRST)


def _kind_of(folder: Path, mend: str) -> object:
    """The `model_type` of a folder's config."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return config["model_type"]
    except FileNotFoundError as error:
        raise TrainingError("The folder holds no model: it has no config.json", model=str(folder), mend=mend) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = "The config.json of the model cannot be read, or names no model_type"
        raise TrainingError(what, model=str(folder), mend=mend) from error
