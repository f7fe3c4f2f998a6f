"""Target models of text recognition: what is trained on word images, how it learns and how it reads.

A target has the `model`, and
- `encode(rows, split)`: the words of a table with `id`, `image` and, where they are trained on, `text`;
- `losses(model, words, device)`: (words,) −log P(text | image) of each, and characters (words,) to divide them by;
- `read(words, device)`: a `Reading` of each;
- `save(folder)`: weights, config and all that `load_recogniser` needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa
    import torch
    from transformers import PreTrainedModel

    from hf_mbdc.targets.recognition.words import Word

CTC_RECOGNISER = "ctc_recogniser"


@dataclass(frozen=True)
class Reading:
    """What a target read, and log P(text | image) of it; of a beam search with a language model, without that."""

    text: str
    score: float


class Recogniser(Protocol):
    """See the module's description."""

    @property
    def model(self) -> PreTrainedModel: ...

    def encode(self, rows: pa.Table, split: str, *, labels: bool) -> list[Word]: ...

    def losses(
        self, model: torch.nn.Module, words: Sequence[Word], device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor]: ...

    def read(self, words: Sequence[Word], device: torch.device | str = "cpu") -> list[Reading]: ...

    def save(self, folder: Path) -> None: ...


def is_ctc(model: str) -> bool:
    """Whether a name or folder is of our CTC recogniser: a new one, or one that was saved."""
    import json

    config_file = Path(model) / "config.json"
    if model == CTC_RECOGNISER or not config_file.is_file():
        return model == CTC_RECOGNISER
    return bool(json.loads(config_file.read_text(encoding="utf-8")).get("model_type") == CTC_RECOGNISER)


def load_recogniser(model: str, *, beam_width: int = 1) -> Recogniser:
    """A trained recogniser: a folder of ours, or a folder or Hub id of a `VisionEncoderDecoderModel` (TrOCR type).

    Args:
        model: a folder, or an id of the Hub. The bare name `ctc_recogniser` has no weights: see `new_recogniser`.
        beam_width: 1 reads greedily.

    Raises:
        TrainingError: there is no such checkpoint, or it is of another kind.
    """
    if is_ctc(model):
        from hf_mbdc.targets.recognition.ctc import load_ctc

        return load_ctc(model, beam_width)
    from hf_mbdc.targets.recognition.checkpoint import load_checkpoint

    return load_checkpoint(model, beam_width)
