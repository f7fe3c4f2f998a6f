"""Any checkpoint with a question-answering head and a fast tokenizer as a target.

Text-only types (BERT, RoBERTa, …) read question and document; LayoutLM (v1; v3 without page images) and LiLT also read
the box of each word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Regex, Tokenizer, pre_tokenizers
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
READS_BOTH_WAYS = "Name a checkpoint of the BERT or LayoutLM kind, or layout_span."
# What becomes a piece of its own, with the mark of a space before it (▁): runs of letters of one script, numbers, other
# characters, and each character of scripts that write no space where an answer ends (Hangul: 5 to 17 % of the answers
# end inside a token otherwise); Arabic "and", and "so, in, for, like" before an article, as in `layout_features`.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_SPACED = (r"\p{Latin}", r"\p{Cyrillic}", r"\p{Greek}")
_OTHER = rf"[\p{{L}}\p{{M}}&&[^{_UNSPACED}{''.join(_SPACED)}]]"
BORDERS = "|".join(
    (
        *(rf"▁?{script}[{script}\p{{M}}]*" for script in _SPACED),
        "▁?[\u1100-\u115f]+[\u1160-\u11a7]*[\u11a8-\u11ff]*",  # a Hangul syllable in NFD, as uncased BERTs read it
        rf"▁?[{_UNSPACED}]\p{{M}}*",
        rf"▁?\u0648(?={_OTHER}{{3}})|▁?[\u0641\u0628\u0644\u0643](?=\u0627\u0644)",
        rf"▁?{_OTHER}+",
        r"▁?\p{N}+(?:[.,/:]\p{N}+)*",
        r"▁?[^\s▁]",
        "▁",
    )
)
# The same where bytes are written as letters and Ġ is the space: punctuation, and the three bytes of kana, ideographs,
# Hangul (E3 to ED) and Thai (E0 B8 to BB). Words and numbers stand alone there already.
BYTE_BORDERS = r"Ġ?(?:[!-/:-@\[-`{-~]|[ã-í]..|à[¸-»].)"
SPACE = re.compile(r"\s")
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
    if config.model_type in _one_way_types():
        raise TrainingError(
            "The model does not read both ways from a first [CLS] token, which stands for 'no answer'",
            model=name,
            model_type=config.model_type,
            mend=READS_BOTH_WAYS,
        )
    boxes = config.model_type in READS_BOXES
    return Target(model, CheckpointEncoder(tokenizer, max_length=_positions(config), boxes=boxes))


def _one_way_types() -> set[str]:
    """Model types that only predict the next token: what stands first sees nothing of the document."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    return set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES) - set(MODEL_FOR_MASKED_LM_MAPPING_NAMES)


@dataclass(frozen=True)
class _Document:
    """`text`: the context with a plain space for every space and line break, which are nothing to LayoutLM's words and
    no word border to some tokenizers. `ink` (characters + 1,): of each character the next one that is no space.
    """

    text: str
    ink: np.ndarray
    words: np.ndarray
    boxes: np.ndarray


class CheckpointEncoder:
    """Windows of question and document by the checkpoint's own tokenizer; with `bbox` for the types that read boxes.

    The tokenizer is read with token borders between words, numbers, punctuation and scripts, where answers begin and
    end, see `_with_borders`. Its vocabulary and the tokenizer that is saved with the model are its own.

    Args:
        tokenizer: a fast one, whose pairs begin with its CLS token.
        max_length: tokens of a window, at most 512 and what the tokenizer says.
        boxes: whether the model reads the box of each token.

    Raises:
        TrainingError: the tokenizer gives no offsets, cannot pad, or does not begin with CLS.
    """

    shares_documents = False

    def __init__(self, tokenizer: Any, *, max_length: int = 512, boxes: bool = False) -> None:
        name = getattr(tokenizer, "name_or_path", None) or type(tokenizer).__name__
        if not tokenizer.is_fast:
            raise TrainingError("The tokenizer gives no offsets", model=name, mend="Take the fast one of the model.")
        self.tokenizer = tokenizer
        self.reader = _text_reader(tokenizer)
        if tokenizer.pad_token_id is None or self.reader("a", "b")["input_ids"][0] != tokenizer.cls_token_id:
            what = "The tokenizer does not pad, or begin with a [CLS] token, which stands for 'no answer'"
            raise TrainingError(what, model=name, mend=READS_BOTH_WAYS)
        self.max_length = min(512, tokenizer.model_max_length, max_length)
        self.max_answer_tokens = min(MAX_ANSWER_TOKENS, self.max_length // 4)
        self.padding: dict[str, int] = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0}
        if "token_type_ids" in self.reader.model_input_names:
            self.padding["token_type_ids"] = tokenizer.pad_token_type_id
        self.reads_boxes = boxes
        if boxes:
            self.padding["bbox"] = 0
        self.separator_box = getattr(tokenizer, "sep_token_box", SEPARATOR_BOX)

    def encode_document(self, context: str, words: np.ndarray, boxes: np.ndarray) -> _Document:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        text = SPACE.sub(" ", context)
        inked = np.array([character != " " for character in text] + [True])
        places = np.where(inked, np.arange(len(inked)), len(text))
        return _Document(text, np.minimum.accumulate(places[::-1])[::-1], words, boxes)

    def encode(self, question: str, document: _Document) -> list[Window]:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        question, length = self._cut(question)
        overlap = self.max_answer_tokens + (self.max_length - length) // 8
        encoded = self.reader(
            question,
            document.text,
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
            if self.reads_boxes:
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
    start, end = ranges.T
    ink = document.ink[np.maximum(start, 0)]
    # A token of space alone stays where it is.
    return np.stack([np.where((start >= 0) & (ink < end), ink, start), end], axis=1)


def _text_reader(tokenizer: Any) -> PreTrainedTokenizerFast:
    """The tokenizer with more borders between tokens, and of a LayoutLM type, which takes words, the text one inside.

    Word lists would lose the characters between words, so that offsets could not be those of `context`.
    """
    names = [name for name in tokenizer.model_input_names if name != "bbox"]
    return PreTrainedTokenizerFast(
        tokenizer_object=_with_borders(tokenizer.backend_tokenizer),
        model_max_length=tokenizer.model_max_length,
        model_input_names=names,
        padding_side=tokenizer.padding_side,
        **tokenizer.special_tokens_map,
    )


def _with_borders(backend: Tokenizer) -> Tokenizer:
    """A copy that puts a border wherever the kind of character changes, so that `RM9.00` is never one token.

    It depends on the text alone. The borders come behind the tokenizer's own (put before, each piece would get the
    mark of a new word), and mostly stand already: BERT splits off punctuation, GPT-2's bytes also numbers.
    """
    copy = Tokenizer.from_str(backend.to_str())
    own = copy.pre_tokenizer
    bytewise = own is not None and b'"ByteLevel"' in own.__getstate__()
    borders = pre_tokenizers.Split(Regex(BYTE_BORDERS if bytewise else BORDERS), "isolated")
    copy.pre_tokenizer = borders if own is None else pre_tokenizers.Sequence([own, borders])
    return copy


def _positions(config: PretrainedConfig) -> int:
    positions = getattr(config, "max_position_embeddings", None) or 512
    return positions - (config.pad_token_id + 1) if config.model_type in OFFSET_POSITIONS else positions
