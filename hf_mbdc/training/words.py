"""Text recognition as the training loop sees it: a target, its loss, its predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hf_mbdc.targets.recognition import CTC_RECOGNISER, Reading, Recogniser, load_recogniser
from hf_mbdc.targets.recognition.words import charset_of

if TYPE_CHECKING:
    import pyarrow as pa
    from accelerate import Accelerator
    from transformers import PreTrainedModel

    from hf_mbdc.targets.recognition.words import Word
    from hf_mbdc.training.config import RecognitionConfig

LEFT_OUT_TOLD = 10  # ids for each reason


def make_recogniser(config: RecognitionConfig, texts: pa.ChunkedArray) -> Recogniser:
    """The target that a configuration names: a new one reads its charset and the characters of these texts.

    Raises:
        TrainingError: there is no such checkpoint, or nothing to read.
    """
    if config.model != CTC_RECOGNISER:
        return load_recogniser(config.model, beam_width=config.beam_width)
    from hf_mbdc.targets.recognition.ctc import new_ctc
    from hf_mbdc.targets.recognition.ctc_recogniser import CtcRecogniserConfig

    form: Any = None if config.normalization == "none" else config.normalization
    unit: Any = config.unit
    sizes = CtcRecogniserConfig(
        characters=list(charset_of(config.charset, texts, form, unit)),
        normalization=form,
        unit=unit,
        height=config.height,
        max_width=config.max_width,
    )
    return new_ctc(sizes, config.beam_width)


@dataclass(frozen=True)
class WordLearner:
    """A target that learns the texts of word images.

    Args:
        target: see `hf_mbdc.targets.recognition`.
        to_predict: name → words of each split that can be read.
    """

    target: Recogniser
    to_predict: Mapping[str, Sequence[Word]] = field(default_factory=dict)

    @property
    def model(self) -> PreTrainedModel:
        """The target's."""
        return self.target.model

    @property
    def shares_documents(self) -> bool:
        """Word images share nothing."""
        return False

    def loss(
        self, model: torch.nn.Module, rows: Sequence[Word], device: torch.device, step: int, steps: int
    ) -> tuple[Tensor, Tensor]:
        """The mean of −log P(text | image) by character, and −log P of each text with its margin.

        The margin is that to all other texts together, log P − log(1 − P): the best other text of a row would take a
        beam search. So a text counts as `correct` when the target thinks it more probable than all others.
        """
        losses, sizes = self.target.losses(model, rows, device)
        with torch.no_grad():
            others = torch.log(-torch.expm1(-losses.clamp(min=1e-7)))
            seen = torch.stack([losses, -losses - others])
        return (losses / sizes).mean(), seen

    def predict(self, split: str, accelerator: Accelerator) -> pa.Table:
        """See `reading_table`."""
        from accelerate.utils import gather_object

        words = self.to_predict[split]
        mine = range(accelerator.process_index, len(words), accelerator.num_processes)
        read = self.target.read([words[index] for index in mine], accelerator.device)
        gathered = dict(gather_object(list(zip(mine, read, strict=True))))
        return reading_table(words, [gathered[index] for index in range(len(words))])

    def save(self, folder: Path) -> None:
        """Writes weights, config, and what else the target reads with."""
        self.target.save(folder)

    def saved(self, folder: Path) -> WordLearner:
        """The same with the weights in a folder."""
        width = getattr(self.target, "beam_width", 1)
        return dataclasses.replace(self, target=load_recogniser(str(folder), beam_width=width))

    def told(self, rows: Sequence[Word]) -> dict[str, Any]:
        """How many characters the target can write, where it writes characters; and by reason the ids of the first
        words that it could not learn, to look at."""
        characters = getattr(self.model.config, "characters", None)
        found: dict[str, Any] = {} if characters is None else {"characters": len(characters)}
        first: dict[str, list[str]] = {}
        for word in rows:
            if word.left_out and len(first.setdefault(word.left_out, [])) < LEFT_OUT_TOLD:
                first[word.left_out].append(word.id)
        return found | ({"first_left_out": first} if first else {})


def reading_table(words: Sequence[Word], readings: Sequence[Reading]) -> pa.Table:
    """`id, prediction, score`: what was read in each image, and log P of it."""
    import pyarrow as pa

    return pa.table(
        {
            "id": pa.array([word.id for word in words], pa.string()),
            "prediction": pa.array([reading.text for reading in readings], pa.string()),
            "score": pa.array([reading.score for reading in readings], pa.float64()),
        }
    )


def predict_images(model: str, rows: Sequence[Mapping[str, Any]], device: Any) -> tuple[pa.Table, int]:
    """What a saved recogniser reads in rows with `id` and `image`, each row alone, and the tokens that it saw.

    Args:
        model: folder of the recogniser.
        rows: `image` as its file: `bytes` and `path`.
        device: to read on.
    """
    import pyarrow as pa

    target = load_recogniser(model)
    files = pa.array([row["image"] for row in rows], pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    table = pa.table({"id": pa.array([row["id"] for row in rows], pa.string()), "image": files})
    words = target.encode(table, "rows", labels=False)
    readings = [target.read([word], device)[0] for word in words]
    return reading_table(words, readings), sum(word.tokens for word in words)
