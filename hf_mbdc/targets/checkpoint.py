"""Any checkpoint with a question-answering head and a fast tokenizer as a target.

Text-only types (BERT, RoBERTa, …) read question and document; LayoutLM (v1; v3 without page images) and LiLT also read
the box of each word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import (
    AutoConfig,
    AutoModelForDocumentQuestionAnswering,
    AutoModelForQuestionAnswering,
    AutoTokenizer,
    PreTrainedTokenizerFast,
)

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets import Target
from hf_mbdc.targets.encoding import Window, make_windows, pad

if TYPE_CHECKING:
    from transformers import PretrainedConfig

HEAD_OF = {"layoutlm": AutoModelForDocumentQuestionAnswering, "layoutlmv3": AutoModelForDocumentQuestionAnswering}
READS_BOXES = ("layoutlm", "layoutlmv3", "lilt")
NEEDS_IMAGES = ("layoutlmv2", "layoutxlm", "udop", "donut-swin", "vision-encoder-decoder")
# Types whose first position is pad_token_id + 1, so that `max_position_embeddings` is more than fits.
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "longformer", "mpnet", "layoutlmv3", "lilt")
MAX_ANSWER_TOKENS = 80
NO_BOX, SEPARATOR_BOX = [0, 0, 0, 0], [1000, 1000, 1000, 1000]  # of special tokens, where the tokenizer names none


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
                "This model type needs page images and is not supported as a target",
                model=name,
                model_type=config.model_type,
                mend="Name a LayoutLM (v1, v3) or LiLT checkpoint, a text-only one such as BERT, or layout_span.",
            )
        tokenizer = AutoTokenizer.from_pretrained(name)
        model = HEAD_OF.get(config.model_type, AutoModelForQuestionAnswering).from_pretrained(name)
    except (OSError, ValueError, KeyError) as error:
        raise TrainingError(
            f"The checkpoint could not be loaded: {str(error).splitlines()[0]}",
            model=name,
            mend="Name layout_span, a folder written by save_pretrained, or a model of the Hub that can be reached.",
        ) from error
    if not tokenizer.is_fast:
        raise TrainingError("The tokenizer gives no offsets", model=name, mend="Save the model with a fast tokenizer.")
    first = _text_reader(tokenizer)("a", "b")["input_ids"][0]
    if tokenizer.pad_token_id is None or first != tokenizer.cls_token_id or config.model_type in _one_way_types():
        raise TrainingError(
            "The model does not read both ways from a first [CLS] token, which stands for 'no answer'",
            model=name,
            model_type=config.model_type,
            mend="Name a checkpoint of the BERT or LayoutLM kind, or layout_span.",
        )
    return Target(model, CheckpointEncoder(config, tokenizer))


def _one_way_types() -> set[str]:
    """Model types that only predict the next token: what stands first sees nothing of the document."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    return set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) - set(MODEL_FOR_MASKED_LM_MAPPING_NAMES)


@dataclass(frozen=True)
class _Document:
    context: str
    words: np.ndarray
    boxes: np.ndarray


class CheckpointEncoder:
    """Windows of question and document by the checkpoint's own tokenizer; with `bbox` for the types that read boxes."""

    shares_documents = False

    def __init__(self, config: PretrainedConfig, tokenizer: PreTrainedTokenizerFast) -> None:
        self.tokenizer = tokenizer
        self.reader = _text_reader(tokenizer)
        self.max_length = min(512, tokenizer.model_max_length, _positions(config))
        self.max_answer_tokens = min(MAX_ANSWER_TOKENS, self.max_length // 4)
        self.padding: dict[str, int] = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0}
        if "token_type_ids" in self.reader.model_input_names:
            self.padding["token_type_ids"] = tokenizer.pad_token_type_id
        if config.model_type in READS_BOXES:
            self.padding["bbox"] = 0
        self.separator_box = getattr(tokenizer, "sep_token_box", SEPARATOR_BOX)

    def encode_document(self, context: str, words: np.ndarray, boxes: np.ndarray) -> _Document:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        return _Document(context, words, boxes)

    def encode(self, question: str, document: _Document) -> list[Window]:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        question, length = self._cut(question)
        overlap = self.max_answer_tokens + (self.max_length - length) // 8
        encoded = self.reader(
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
            ranges = _without_leading_space(np.where(inside[:, None], np.array(pairs, dtype=np.int64), -1), document)
            window = {name: np.array(encoded[name][index], dtype=np.int64) for name in self.padding if name != "bbox"}
            if "bbox" in self.padding:
                window["bbox"] = self._boxes(window["input_ids"], ranges, document)
            inputs.append(window)
            offsets.append(ranges)
        return make_windows(inputs, offsets, overlap, self.max_answer_tokens)

    def collate(self, windows: Sequence[Window]) -> dict[str, np.ndarray]:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        return {name: pad([window.inputs[name] for window in windows], value) for name, value in self.padding.items()}

    def _cut(self, question: str) -> tuple[str, int]:
        """The question, cut to a quarter of the input, and its number of tokens."""
        pairs = self.reader(question, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        longest = self.max_length // 4
        return (question, len(pairs)) if len(pairs) <= longest else (question[: pairs[longest - 1][1]], longest)

    def _boxes(self, ids: np.ndarray, offsets: np.ndarray, document: _Document) -> np.ndarray:
        """(n, 4): of document tokens their word's box; [0, 0, 0, 0] for the question."""
        bbox = np.array([NO_BOX] * len(ids), dtype=np.int64)
        bbox[ids == self.tokenizer.sep_token_id] = self.separator_box
        inside = offsets[:, 0] >= 0
        if len(document.boxes):
            index = np.searchsorted(document.words[:, 0], offsets[inside, 0], side="right") - 1
            bbox[inside] = document.boxes[np.clip(index, 0, len(document.boxes) - 1)]
        return bbox


def _without_leading_space(ranges: np.ndarray, document: _Document) -> np.ndarray:
    """Tokenizers of the Metaspace kind (DeBERTa v2, XLM-R) count the space before a word as part of its first token."""
    for i in np.flatnonzero(ranges[:, 0] >= 0):
        text = document.context[ranges[i, 0] : ranges[i, 1]]
        if text.strip():  # a token of space alone stays where it is
            ranges[i, 0] += len(text) - len(text.lstrip())
    return ranges


def _text_reader(tokenizer: Any) -> PreTrainedTokenizerFast:
    """The tokenizer, or for one of the LayoutLM types, which take lists of words with boxes, the one inside it.

    Word lists would lose the characters between words, so that offsets could not be those of `context`.
    """
    if not hasattr(tokenizer, "sep_token_box"):
        return tokenizer
    names = [name for name in tokenizer.model_input_names if name != "bbox"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer,
        model_max_length=tokenizer.model_max_length,
        model_input_names=names,
        **tokenizer.special_tokens_map,
    )


def _positions(config: PretrainedConfig) -> int:
    positions = getattr(config, "max_position_embeddings", None) or 512
    return positions - (config.pad_token_id + 1) if config.model_type in OFFSET_POSITIONS else positions
