"""The CTC recogniser as a target: images and texts → batches, losses and readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets.recognition import CTC_RECOGNISER, Reading
from hf_mbdc.targets.recognition.ctc_recogniser import (
    BLANK,
    STRIDE,
    CtcRecogniser,
    CtcRecogniserConfig,
    columns_of,
)
from hf_mbdc.targets.recognition.decoding import Language, read_greedily, read_with_beams
from hf_mbdc.targets.recognition.images import decode_images, stack_images
from hf_mbdc.targets.recognition.words import EMPTY_TEXT, NO_TEXT, Word, check_readable, number_texts

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_COLUMNS = 4096  # of a batch that is read, with padding; a wider image is alone


@dataclass(frozen=True)
class CtcTarget:
    """The model, and how it reads.

    Args:
        beam_width: 1 reads greedily, more by prefix beam search.
        language, language_weight: of the beam search, see `read_with_beams`.
    """

    model: CtcRecogniser
    beam_width: int = 1
    language: Language | None = None
    language_weight: float = 0.0

    def encode(self, rows: pa.Table, split: str, *, labels: bool) -> list[Word]:
        """The words of a table with `id`, `image` and, with `labels`, `text`.

        A word that cannot be trained on (no image, no text, too wide, too few columns) has its reason in `left_out`.

        Raises:
            DataError: without `labels`, an image cannot be read; with them, a character cannot be written.
        """
        config = self.model.config
        ids = rows["id"].to_pylist()
        images = decode_images(rows["image"], config.height)
        if not labels:
            check_readable(ids, images.reasons, split)
            nothing = np.empty(0, np.int64)
            return [Word(name, images[n], nothing, columns_of(images[n].shape[1])) for n, name in enumerate(ids)]
        texts = rows["text"]
        numbers = number_texts(texts, config.characters, config.normalization, config.unit, ids)
        null = texts.is_null().to_pylist()
        words = []
        for n, (name, text) in enumerate(zip(ids, numbers, strict=True)):  # a loop: images have widths of their own
            width = images[n].shape[1]
            reason = images.reasons[n] or (NO_TEXT if null[n] else self._problem(width, text))
            words.append(Word(name, images[n], text, columns_of(width), reason))
        return words

    def _problem(self, width: int, text: np.ndarray) -> str | None:
        """Why an image of so many pixels cannot teach a text."""
        if not len(text):
            return EMPTY_TEXT
        if width > self.model.config.max_width:
            return f"wider than {self.model.config.max_width} pixels"
        if columns_of(width) < columns_needed(text):
            return "too narrow for its text"
        return None

    def losses(self, model: torch.nn.Module, words: Sequence[Word], device: torch.device) -> tuple[Tensor, Tensor]:
        """(words,) −log P(text | image), and (words,) number of characters."""
        logits, columns = self._logits(model, words, device)
        sizes = torch.tensor([len(word.labels) for word in words], device=device)
        labels = torch.from_numpy(np.concatenate([word.labels for word in words])).to(device)
        return _ctc_losses(logits, columns, labels, sizes), sizes

    def read(self, words: Sequence[Word], device: torch.device | str = "cpu") -> list[Reading]:
        """Texts in the order of `words`. How they are put into batches does not matter, but for rounding."""
        self.model.to(device).eval()
        readings: dict[int, Reading] = {}
        for batch in _batches(words):
            readings.update(zip(batch, self._read([words[n] for n in batch], torch.device(device)), strict=True))
        return [readings[n] for n in range(len(words))]

    def _read(self, words: Sequence[Word], device: torch.device) -> list[Reading]:
        with torch.inference_mode():
            logits, columns = self._logits(self.model, words, device)
            found = self._decode(torch.log_softmax(logits.float(), -1).cpu().numpy(), columns.cpu().numpy())
            labels = torch.from_numpy(np.concatenate(found) + 1).to(device)
            sizes = torch.tensor([len(text) for text in found], device=device)
            scores = -_ctc_losses(logits, columns, labels, sizes)
        characters = self.model.config.characters
        texts = ("".join(characters[number] for number in text.tolist()) for text in found)
        return [Reading(text, score) for text, score in zip(texts, scores.tolist(), strict=True)]

    def _decode(self, log_probabilities: np.ndarray, columns: np.ndarray) -> list[np.ndarray]:
        if self.beam_width == 1 and self.language is None:
            return read_greedily(log_probabilities, columns)
        return read_with_beams(
            log_probabilities,
            columns,
            self.beam_width,
            language=self.language,
            language_weight=self.language_weight,
        )

    def _logits(self, model: torch.nn.Module, words: Sequence[Word], device: torch.device) -> tuple[Tensor, Tensor]:
        pixels = torch.from_numpy(
            stack_images([word.pixels for word in words], [word.scale for word in words], STRIDE)
        ).to(device)
        columns = torch.tensor([word.length for word in words], device=device)
        return model(pixel_values=pixels, columns=columns).logits, columns

    def save(self, folder: Path) -> None:
        """Writes weights and config, charset included."""
        self.model.save_pretrained(folder)


def columns_needed(text: np.ndarray) -> int:
    """Columns that CTC needs for a text: one a character, and a blank between two equal ones.

    Example:
        >>> columns_needed(np.array([1, 2, 2, 2]))
        6
    """
    return len(text) + int(np.count_nonzero(text[1:] == text[:-1]))


def _ctc_losses(logits: Tensor, columns: Tensor, labels: Tensor, sizes: Tensor) -> Tensor:
    log_probabilities = torch.log_softmax(logits.float(), -1).transpose(0, 1)
    return torch.nn.functional.ctc_loss(log_probabilities, labels, columns, sizes, blank=BLANK, reduction="none")


def _batches(words: Sequence[Word]) -> list[list[int]]:
    """Words of like length together, up to `BATCH_COLUMNS` with padding."""
    batches: list[list[int]] = []
    for n in sorted(range(len(words)), key=lambda n: (words[n].length, n)):
        if not batches or (len(batches[-1]) + 1) * words[n].length > BATCH_COLUMNS:
            batches.append([])
        batches[-1].append(n)
    return batches


def new_ctc(config: CtcRecogniserConfig, beam_width: int = 1) -> CtcTarget:
    """A recogniser with weights drawn from torch's generator.

    Raises:
        TrainingError: it has no character to read, or a height that its columns do not divide.
    """
    if not config.characters:
        raise TrainingError("The recogniser has no characters to read", mend="Give texts to train on, or a charset.")
    if config.height < STRIDE or config.height % STRIDE:
        raise TrainingError(f"The height is {config.height}", mend=f"It must be a multiple of {STRIDE}.")
    return CtcTarget(CtcRecogniser(config), beam_width)


def load_ctc(folder: str, beam_width: int = 1) -> CtcTarget:
    """A saved recogniser.

    Raises:
        TrainingError: there is none, or it cannot be read.
    """
    if folder == CTC_RECOGNISER:
        mend = "Name the folder that it was saved to."
        raise TrainingError(f"{CTC_RECOGNISER} is a new model, and has learned nothing yet", mend=mend)
    try:
        return CtcTarget(CtcRecogniser.from_pretrained(folder), beam_width)
    except (OSError, ValueError, RuntimeError) as error:
        what = f"The recogniser cannot be loaded: {str(error).splitlines()[0]}"
        raise TrainingError(what, model=folder, mend="Name a folder that save_pretrained wrote.") from error
