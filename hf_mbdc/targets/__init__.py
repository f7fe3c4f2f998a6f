"""Target models of extractive question answering: the model that will ship, and how rows become its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from hf_mbdc.targets.encoding import Encoder

LAYOUT_SPAN = "layout_span"


@dataclass(frozen=True)
class Target:
    """A model and the encoder that makes its inputs."""

    model: PreTrainedModel
    encoder: Encoder

    def save(self, folder: Path) -> None:
        """Writes weights (safetensors), config and, where it has one, tokenizer, as `from_pretrained` reads them."""
        self.model.save_pretrained(folder)
        tokenizer = getattr(self.encoder, "tokenizer", None)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)


def load_target(model: str) -> Target:
    """A target model by name.

    Args:
        model: `layout_span` for a new small layout-aware model with weights drawn from torch's generator; or a folder
            or Hub id of a checkpoint: one of ours, or any text-only or LayoutLM type that
            `AutoModelForQuestionAnswering` knows and that has a fast tokenizer.

    Raises:
        TrainingError: there is no such checkpoint, or it needs inputs that are not supported.
    """
    import json

    config_file = Path(model) / "config.json"
    # The bare name is always a new model, even where a folder of that name lies in the working directory.
    given = model != LAYOUT_SPAN and config_file.is_file()
    saved = given and json.loads(config_file.read_text(encoding="utf-8")).get("model_type") == LAYOUT_SPAN
    if model != LAYOUT_SPAN and not saved:
        from hf_mbdc.targets.checkpoint import load_checkpoint

        return load_checkpoint(model)
    from hf_mbdc.targets.layout_features import LayoutSpanEncoder
    from hf_mbdc.targets.layout_span import LayoutSpanConfig, LayoutSpanForQuestionAnswering

    kind = LayoutSpanForQuestionAnswering
    network = kind.from_pretrained(model) if saved else kind(LayoutSpanConfig())
    return Target(network, LayoutSpanEncoder(network.config))
