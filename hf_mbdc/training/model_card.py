"""README.md of a trained model: the data revision it was trained on, its metrics and its settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hf_mbdc

PACKAGE = Path(hf_mbdc.__file__).resolve().parent


@dataclass(frozen=True)
class Kind:
    """What the card says of a kind of model.

    Args:
        title, pipeline_tag, script: of its task.
        model_class: of `transformers`, which loads it.
        module: of this package, which registers it first; "" where `transformers` knows it.
    """

    title: str
    pipeline_tag: str
    script: str
    model_class: str
    module: str = ""


_QUESTIONS = "Extractive question answering", "document-question-answering", "train_extractive_qa.py"
_WORDS = "Text recognition", "image-to-text", "train_text_recognition.py"
QUESTION_ANSWERING = Kind(*_QUESTIONS, "AutoModelForQuestionAnswering")
CAUSAL = "causal-lm"  # stands for the model types of all language models
KINDS = {  # by `model_type`; all others answer questions
    CAUSAL: Kind("Text generation", "text-generation", "train_language_model.py", "AutoModelForCausalLM"),
    "layout_span": Kind(*_QUESTIONS, "AutoModelForQuestionAnswering", "hf_mbdc.targets.layout_span"),
    "ctc_recogniser": Kind(*_WORDS, "AutoModelForCTC", "hf_mbdc.targets.recognition.ctc_recogniser"),
    "vision-encoder-decoder": Kind(*_WORDS, "VisionEncoderDecoderModel"),
}


def shipped(folder: str, name: str) -> Path:
    """A file of `cards/` or `scripts/`: inside the package in a wheel, beside it in a checkout."""
    inside = PACKAGE / folder / name
    return inside if inside.is_file() else PACKAGE.parent / folder / name


def render_model_card(
    config: Mapping[str, Any], metrics: Mapping[str, Any], data_revision: str | None, model_type: str
) -> str:
    """The card's text.

    Args:
        config: fields of the training's settings.
        metrics: as written to `metrics.json`.
        model_type: of the model's config; `CAUSAL` for a language model.
        data_revision: `namespace/name@version` of the training data; None when it is not known.
    """
    import jinja2

    template = shipped("cards", "model_card.md.jinja").read_text(encoding="utf-8")
    # The output is Markdown: what comes from data is escaped by the filter below, not as HTML.
    environment = jinja2.Environment(
        autoescape=False, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["cell"] = escape_cell
    repository = data_revision.partition("@")[0] if data_revision else None
    settings = {**config, "model": model_name(str(config["model"]))}
    return environment.from_string(template).render(
        config=settings,
        kind=KINDS.get(model_type, QUESTION_ANSWERING),
        metrics=metrics,
        data_revision=data_revision,
        repository=repository,
        version=hf_mbdc.__version__,
    )


def model_name(model: str) -> str:
    """What may be published of `TrainingConfig.model`: of a folder only its last part, no machine's paths."""
    path = Path(model)
    return path.name if path.is_absolute() or path.exists() else model


def escape_cell(value: object) -> str:
    """A value as it may stand in a Markdown table.

    Example:
        >>> escape_cell("a|b <i>")
        'a\\\\|b &lt;i&gt;'
    """
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    text = " ".join(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").split())
    return "".join(f"\\{c}" if c in "\\`*_[]|" else c for c in text)
