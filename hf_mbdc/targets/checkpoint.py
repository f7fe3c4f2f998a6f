"""Any checkpoint with a question-answering head and a fast tokenizer as a target: BERT types, LayoutLM with boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from transformers import AutoConfig, AutoModelForQuestionAnswering, AutoTokenizer

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets import Target
from hf_mbdc.targets.encoding import Window, make_windows, pad

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedTokenizerFast

READS_BOXES = ("layoutlm",)
NEEDS_IMAGES = ("layoutlmv2", "layoutlmv3", "layoutxlm", "lilt", "udop", "donut-swin", "vision-encoder-decoder")
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet")  # positions start at pad_token_id + 1
MAX_ANSWER_TOKENS = 80
SEPARATOR_BOX = 1000  # LayoutLM's convention: [SEP] lies at 1000, every other special or question token at 0


def load_checkpoint(name: str) -> Target:
    """A folder or a Hub id → model and encoder. Weights of a missing question-answering head are drawn anew.

    Raises:
        TrainingError: there is no such checkpoint, it has no question-answering head or no fast tokenizer, or it needs
            page images.
    """
    try:
        config = AutoConfig.from_pretrained(name)
        if config.model_type in NEEDS_IMAGES:
            raise TrainingError(
                "This model type is not supported as a target",
                model=name,
                model_type=config.model_type,
                mend="Name a LayoutLM (v1) checkpoint, a text-only one such as BERT or RoBERTa, or layout_span.",
            )
        tokenizer = AutoTokenizer.from_pretrained(name, use_fast=True)
        model = AutoModelForQuestionAnswering.from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"The checkpoint could not be loaded: {str(error).splitlines()[0]}",
            model=name,
            mend="Name layout_span, a folder written by save_pretrained, or a model of the Hub that can be reached.",
        ) from error
    if not tokenizer.is_fast:
        raise TrainingError("The tokenizer gives no offsets", model=name, mend="Save the model with a fast tokenizer.")
    return Target(model, CheckpointEncoder(config, tokenizer))


@dataclass(frozen=True)
class _Document:
    context: str
    words: np.ndarray
    boxes: np.ndarray


class CheckpointEncoder:
    """Windows of question and document by the checkpoint's own tokenizer; `bbox` for LayoutLM."""

    shares_documents = False

    def __init__(self, config: PretrainedConfig, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.max_length = min(512, tokenizer.model_max_length, _positions(config))
        self.max_answer_tokens = min(MAX_ANSWER_TOKENS, self.max_length // 4)
        self.padding: dict[str, int] = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0}
        if "token_type_ids" in tokenizer.model_input_names:
            self.padding["token_type_ids"] = tokenizer.pad_token_type_id
        if config.model_type in READS_BOXES:
            self.padding["bbox"] = 0

    def encode_document(self, context: str, words: np.ndarray, boxes: np.ndarray) -> _Document:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        return _Document(context, words, boxes)

    def collate(self, windows: Sequence[Window]) -> dict[str, np.ndarray]:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        return {name: pad([window.inputs[name] for window in windows], value) for name, value in self.padding.items()}

    def encode(self, question: str, document: _Document) -> list[Window]:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        question, length = self._cut(question)
        overlap = self.max_answer_tokens + (self.max_length - length) // 8
        encoded = self.tokenizer(
            question,
            document.context,
            truncation="only_second",
            max_length=self.max_length,
            stride=overlap,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
        )
        inputs, offsets = [], []
        for index, pairs in enumerate(encoded["offset_mapping"]):
            inside = np.array([side == 1 for side in encoded.sequence_ids(index)])
            ranges = np.where(inside[:, None], np.array(pairs, dtype=np.int64), -1)
            window = {name: np.array(encoded[name][index], dtype=np.int64) for name in self.padding if name != "bbox"}
            if "bbox" in self.padding:
                window["bbox"] = self._boxes(window["input_ids"], ranges, document)
            inputs.append(window)
            offsets.append(ranges)
        return make_windows(inputs, offsets, overlap, self.max_answer_tokens)

    def _cut(self, question: str) -> tuple[str, int]:
        """The question, cut to a quarter of the input, and its number of tokens."""
        ends = [
            end
            for _, end in self.tokenizer(question, add_special_tokens=False, return_offsets_mapping=True)[
                "offset_mapping"
            ]
        ]
        longest = self.max_length // 4
        return (question, len(ends)) if len(ends) <= longest else (question[: ends[longest - 1]], longest)

    def _boxes(self, ids: np.ndarray, offsets: np.ndarray, document: _Document) -> np.ndarray:
        bbox = np.zeros((len(ids), 4), dtype=np.int64)
        bbox[ids == self.tokenizer.sep_token_id] = SEPARATOR_BOX
        inside = offsets[:, 0] >= 0
        if len(document.boxes):
            index = np.searchsorted(document.words[:, 0], offsets[inside, 0], side="right") - 1
            bbox[inside] = document.boxes[np.clip(index, 0, len(document.boxes) - 1)]
        return bbox


def _positions(config: PretrainedConfig) -> int:
    positions = getattr(config, "max_position_embeddings", None) or 512
    return positions - (config.pad_token_id + 1) if config.model_type in OFFSET_POSITIONS else positions
