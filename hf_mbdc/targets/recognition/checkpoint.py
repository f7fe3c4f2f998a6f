"""A `VisionEncoderDecoderModel` (TrOCR type, Li et al. 2021, https://arxiv.org/abs/2109.10282) as a target.

An image encoder (ViT, DeiT, …) reads the whole image, scaled by the checkpoint's own image processor; a text decoder
writes the tokens of its tokenizer one after the other. It is trained with the true tokens before each one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets.recognition import Reading
from hf_mbdc.targets.recognition.images import decode_images
from hf_mbdc.targets.recognition.words import EMPTY_TEXT, NO_TEXT, Word, check_readable

if TYPE_CHECKING:
    import pyarrow as pa
    from transformers import PreTrainedModel

BATCH = 16  # images that are read together
IGNORED = -100  # label of padding, as `transformers` has it
EXAMPLE = "microsoft/trocr-small-printed"
MEND = f"Name a folder with model, image processor and tokenizer, or a model of the Hub such as {EXAMPLE}."


@dataclass(frozen=True)
class CheckpointTarget:
    """A vision encoder–decoder, and how it reads.

    Args:
        processor: image processor of the encoder.
        tokenizer: of the decoder.
        max_length: tokens of the longest text, its beginning and end included.
        beam_width: 1 reads greedily, more by beam search.
    """

    model: PreTrainedModel
    processor: Any
    tokenizer: Any
    max_length: int
    beam_width: int = 1

    def encode(self, rows: pa.Table, split: str, *, labels: bool) -> list[Word]:
        """The words of a table with `id`, `image` and, with `labels`, `text`; the image keeps its size.

        A word that cannot be trained on (no image, no text, too many tokens) has its reason in `left_out`.

        Raises:
            DataError: without `labels`, an image cannot be read.
        """
        ids = rows["id"].to_pylist()
        images = decode_images(rows["image"], None)
        nothing = np.empty(0, np.int64)
        if not labels:
            check_readable(ids, images.reasons, split)
            return [Word(name, images[n], nothing, images[n].shape[1]) for n, name in enumerate(ids)]
        words = []
        for n, (name, text) in enumerate(zip(ids, rows["text"].to_pylist(), strict=True)):
            tokens = self._tokens(text) if text else nothing
            reason = images.reasons[n] or (NO_TEXT if text is None else self._problem(tokens))
            words.append(Word(name, images[n], tokens, images[n].shape[1], reason))
        return words

    def _tokens(self, text: str) -> np.ndarray:
        """Tokens with the end behind them; the model puts the beginning before them."""
        tokens = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return np.array([*tokens, self.model.config.eos_token_id], np.int64)

    def _problem(self, tokens: np.ndarray) -> str | None:
        if not len(tokens):
            return EMPTY_TEXT
        return f"longer than {self.max_length} tokens" if len(tokens) >= self.max_length else None

    def losses(self, model: torch.nn.Module, words: Sequence[Word], device: torch.device) -> tuple[Tensor, Tensor]:
        """(words,) −log P(text | image), and (words,) number of tokens, the end included."""
        sizes = torch.tensor([len(word.labels) for word in words])
        labels = torch.full((len(words), int(sizes.max())), IGNORED)
        for place, word in zip(labels, words, strict=True):
            place[: len(word.labels)] = torch.from_numpy(word.labels)
        labels = labels.to(device)
        logits = model(pixel_values=self._pixels(words).to(device), labels=labels).logits
        losses = torch.nn.functional.cross_entropy(
            logits.float().transpose(1, 2), labels, ignore_index=IGNORED, reduction="none"
        )
        return losses.sum(1), sizes.to(device)

    def read(self, words: Sequence[Word], device: torch.device | str = "cpu") -> list[Reading]:
        """Texts in the order of `words`."""
        self.model.to(device).eval()
        parts = (words[begin : begin + BATCH] for begin in range(0, len(words), BATCH))
        return [reading for part in parts for reading in self._read(part, torch.device(device))]

    def _read(self, words: Sequence[Word], device: torch.device) -> list[Reading]:
        # Of a beam search, the most probable text, however long.
        beams_only = {"length_penalty": 0.0} if self.beam_width > 1 else {}
        with torch.inference_mode():
            found = self.model.generate(
                pixel_values=self._pixels(words).to(device),
                max_length=self.max_length,
                num_beams=self.beam_width,
                do_sample=False,
                return_dict_in_generate=True,
                output_scores=True,
                **beams_only,
            )
            beams = getattr(found, "beam_indices", None)
            steps = self.model.compute_transition_scores(found.sequences, found.scores, beams, normalize_logits=True)
        tokens = found.sequences[:, -steps.shape[1] :]
        end = self.model.config.eos_token_id
        ended = torch.cumsum(tokens == end, 1) - (tokens == end).long() > 0  # behind the first end
        scores = torch.where(ended | torch.isinf(steps), 0.0, steps).sum(1)
        texts = self.tokenizer.batch_decode(found.sequences, skip_special_tokens=True)
        return [Reading(text.strip(), score) for text, score in zip(texts, scores.tolist(), strict=True)]

    def _pixels(self, words: Sequence[Word]) -> Tensor:
        images = [np.repeat(word.pixels[:, :, None], 3, axis=2) for word in words]
        pixels: Tensor = self.processor(images=images, return_tensors="pt", input_data_format="channels_last")[
            "pixel_values"
        ]
        return pixels

    def save(self, folder: Path) -> None:
        """Writes weights, config, image processor and tokenizer."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)


def load_checkpoint(name: str, beam_width: int = 1) -> CheckpointTarget:
    """A folder or a Hub id → model, image processor and tokenizer.

    Raises:
        TrainingError: there is no such checkpoint, it is of another type, or lacks a part.
    """
    from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer, VisionEncoderDecoderModel

    try:
        config = AutoConfig.from_pretrained(name)
        if config.model_type != "vision-encoder-decoder":
            what = f"A model of type {config.model_type!r} reads no word images, and cannot be a target"
            raise TrainingError(what, model=name, mend=MEND)
        processor, tokenizer = AutoImageProcessor.from_pretrained(name), AutoTokenizer.from_pretrained(name)
        model = VisionEncoderDecoderModel.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        what = f"The checkpoint could not be loaded: {str(error).splitlines()[0]}"
        raise TrainingError(what, model=name, mend=MEND) from error
    return make_target(model, processor, tokenizer, beam_width)


def make_target(model: Any, processor: Any, tokenizer: Any, beam_width: int = 1) -> CheckpointTarget:
    """The target of a model with its image processor and tokenizer; sets what training and `generate` need to know.

    Raises:
        TrainingError: the tokenizer has no tokens for padding, beginning and end.
    """
    config, decoder = model.config, model.config.decoder
    given = [
        getattr(part, name, None) for name in ("decoder_start_token_id", "bos_token_id") for part in (config, decoder)
    ]
    start = _first(*given, tokenizer.bos_token_id, tokenizer.cls_token_id)
    end = _first(tokenizer.eos_token_id, tokenizer.sep_token_id)
    if start is None or end is None or tokenizer.pad_token_id is None:
        raise TrainingError("The tokenizer has no tokens for padding, beginning and end", mend=MEND)
    positions = getattr(decoder, "max_position_embeddings", None) or 128
    for settings in (config, model.generation_config):
        settings.decoder_start_token_id, settings.eos_token_id = start, end
        settings.pad_token_id = tokenizer.pad_token_id
    return CheckpointTarget(model, processor, tokenizer, min(positions, 128), beam_width)


def _first(*tokens: int | None) -> int | None:
    return next((token for token in tokens if token is not None), None)
