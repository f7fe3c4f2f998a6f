"""Text and boxes → hashed features of `LayoutSpanForQuestionAnswering`: a pure function of its config."""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.targets.encoding import Window, make_windows, pad

if TYPE_CHECKING:
    from hf_mbdc.targets.layout_span import LayoutSpanConfig

# Borders of tokens are where an answer may begin and end. They depend on the text alone: tokens that are cut where the
# answer is would tell the model where it is.
_PUNCTUATION = (
    r"!-/:-@\[-`{-~\u00a1-\u00bf\u00d7\u00f7\u055a-\u055f\u0589\u058a\u05be\u05c0\u05c3\u05f3\u05f4"
    r"\u060c\u060d\u061b\u061d-\u061f\u066a-\u066d\u06d4\u0964\u0965\u0970\u0df4\u0e3f\u0e4f\u0e5a\u0e5b\u104a-\u104f"
    r"\u1361-\u1368\u17d4-\u17db\u2000-\u206f\u20a0-\u20cf\u2190-\u2bff\u2e00-\u2e7f\u3000-\u303f\u30fb"
    r"\ufe10-\ufe1f\ufe30-\ufe6f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65\ufeff\ufffc\ufffd"
    r"\U0001f000-\U0001faff"
)
# Scripts that write no space between words (or glue particles to them, Hangul): one token per character there.
_UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u1100-\u11ff\ua960-\ua97f\ud7b0-\ud7ff"  # Thai … Khmer, jamo
    r"\u3040-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"  # kana, Hangul, ideographs
    r"\uff66-\uffdc\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
# A character there is one with the vowels and tones that hang on it, or a syllable written as jamo (NFD).
_HANGING = (
    r"\u0300-\u036f\u0e31\u0e33-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb3-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u1056-\u1060\u1062-\u1064"
    r"\u1067-\u106d\u1071-\u1074\u1082-\u108d\u108f\u109a-\u109d\u17b4-\u17d3\u17dd\u3099\u309a\uff9e\uff9f\ufe00-\ufe0f"
)
_JAMO = r"[\u1100-\u115f\ua960-\ua97f]+[\u1160-\u11a7\ud7b0-\ud7c6]*[\u11a8-\u11ff\ud7cb-\ud7fb]*"
# Letters are everything else, so that combining marks stay with their base; a run of them ends where the script does.
_LETTER = rf"[^\s\d{_PUNCTUATION}{_UNSPACED}]"
_SCRIPTS = (
    r"\u0000-\u036f\u1d00-\u1eff\ua720-\ua7ff\uff21-\uff5a",  # Latin
    r"\u0300-\u036f\u0370-\u03ff\u1f00-\u1fff",  # Greek
    r"\u0300-\u036f\u0400-\u052f\ua640-\ua69f",  # Cyrillic
    r"\u0000-\U0010ffff",
)
# Nor does a capital follow a small letter in one token (`TaxInvoice`: OCR loses spaces).
_GLUED = r"(?<=[a-zß-öø-ÿа-яё])[A-ZÀ-ÖØ-ÞА-ЯЁ]"
_LETTERS = "|".join(rf"(?=[{script}]){_LETTER}(?:(?!{_GLUED})(?=[{script}]){_LETTER})*" for script in _SCRIPTS)
# Arabic writes "and", and before an article "so, in, for, like", as the first letter of the next word.
_PROCLITIC = rf"\u0648(?={_LETTER}{{3}})|[\u0641\u0628\u0644\u0643](?=\u0627\u0644)"
# `-` is part of a date, or before a last digit (`0031-3`); else it is between two numbers, `001-2018/02/22`, `1914-18`.
_NUMBER = r"\d{1,4}([-./])\d{1,2}\1\d{1,4}(?![\d]|[.,:/]\d)|\d+(?:[.,/:]\d+|-\d(?!\d))*"
_TOKEN = re.compile(rf"{_NUMBER}|{_JAMO}|[{_UNSPACED}][{_HANGING}]*|{_PROCLITIC}|{_LETTERS}|\S")
NULL_TOKEN, NUMBER = "[NULL]", "[NUMBER]"  # no token of a text, where brackets stand alone


def tokenize(text: str) -> tuple[list[str], np.ndarray]:
    """Cuts text into runs of letters of one script, characters where a script has no spaces, numbers with inner
    `. , / :`, dates, and single punctuation.

    Returns:
        the tokens, and their (tokens, 2) character ranges.

    Example:
        >>> tokenize("RM9.00 DATE:25-12-2018")[0]
        ['RM', '9.00', 'DATE', ':', '25-12-2018']
        >>> tokenize("3월에 서울")[0]
        ['3', '월', '에', '서', '울']
    """
    matches = list(_TOKEN.finditer(text))
    return [m.group() for m in matches], np.array([m.span() for m in matches], dtype=np.int64).reshape(-1, 2)


def shape(token: str) -> str:
    """What a token looks like: case and length of letters, lengths of the runs of digits, or the character itself.

    Example:
        >>> [shape(token) for token in ("TOTAL", "Rm", "1,234.50", ":")]
        ['X4', 'Xx2', '1,3.2', ':']
    """
    if token[0].isdecimal():
        return re.sub(r"\d+", lambda run: str(min(len(run.group()), 6)), token)[:12]
    if token.isalpha():
        case = "X" if token.isupper() else "x" if token.islower() else "Xx" if token[0].isupper() else "xX"
        return f"{case}{min(len(token), 4)}"
    return token[:1]


def _bucket(text: str, buckets: int) -> int:
    return 1 + zlib.crc32(text.encode()) % (buckets - 1)  # 0 is padding; crc32 is the same in every process


class LayoutSpanEncoder:
    """The featuriser of `LayoutSpanForQuestionAnswering`.

    Each token has hashed ids of its lower-cased text (`input_ids`), its shape (`shape_ids`) and its character trigrams
    (`trigram_ids`, a bag); numbers have their shape only. Document tokens also have their place in line and word
    (`place_ids`) and a box (`bbox`, 0–1000, the token's part of its word's). Documents and questions are inputs of
    their own, so that a document is read once for all its questions in a batch.
    """

    shares_documents = True
    reads_boxes = True

    def __init__(self, config: LayoutSpanConfig) -> None:
        self.config = config
        self.max_answer_tokens = config.max_answer_tokens
        self._known: dict[str, tuple[int, int, list[int]]] = {}

    def encode_document(self, context: str, words: np.ndarray, boxes: np.ndarray) -> list[Window]:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        tokens, offsets = tokenize(context)
        features = self._features(tokens)
        features["place_ids"] = _places(context, offsets)
        features["bbox"] = np.zeros((len(tokens), 4), dtype=np.int64)
        if len(boxes) and len(tokens):
            features["bbox"] = token_boxes(offsets, words, boxes)
        heights = features["bbox"][:, 3] - features["bbox"][:, 1]
        line_height = np.array([max(2, int(np.median(heights)) if len(tokens) else 0)])
        null = self._features([NULL_TOKEN]) | {"place_ids": np.zeros(1, np.int64), "bbox": np.zeros((1, 4), np.int64)}
        room = self.config.max_length - 1
        overlap = self.max_answer_tokens + room // 8  # room // 8: what the first own token of a window sees before it
        inputs, ranges = [], []
        for first in range(0, max(1, len(offsets) - overlap), room - overlap):
            part = slice(first, first + room)
            inputs.append({name: np.concatenate([null[name], features[name][part]]) for name in features})
            inputs[-1]["line_height"] = line_height
            ranges.append(np.concatenate([[[-1, -1]], offsets[part]]))
        return make_windows(inputs, ranges, overlap, self.max_answer_tokens)

    def encode(self, question: str, document: list[Window]) -> list[Window]:
        """See `hf_mbdc.targets.encoding.Encoder`."""
        tokens = [NULL_TOKEN, *tokenize(question)[0][: self.config.max_question_tokens]]  # never empty
        asked = {f"question_{name}": values for name, values in self._features(tokens).items()}
        return [dataclasses.replace(window, inputs={**window.inputs, **asked}) for window in document]

    def collate(self, windows: Sequence[Window]) -> dict[str, np.ndarray]:
        """Documents (d, n), questions (windows, q), and `document_index` (windows,), the document of each question."""
        places: dict[int, int] = {}
        # Windows of one document hold the same arrays, see `encode_document`.
        index = [places.setdefault(id(window.inputs["input_ids"]), len(places)) for window in windows]
        documents = [windows[index.index(place)].inputs for place in range(len(places))]
        questions = [window.inputs for window in windows]
        names = documents[0].keys()
        return {
            name: pad([inputs[name] for inputs in (questions if name.startswith("question_") else documents)], 0)
            for name in names
        } | {"document_index": np.array(index)}

    def _features(self, tokens: list[str]) -> dict[str, np.ndarray]:
        known = self._known
        for token in set(tokens) - known.keys():
            known[token] = self._token_features(token)
        rows = [known[token] for token in tokens]
        n = len(rows)
        return {
            "input_ids": np.fromiter((row[0] for row in rows), np.int64, n),
            "shape_ids": np.fromiter((row[1] for row in rows), np.int64, n),
            "trigram_ids": np.array([row[2] for row in rows], dtype=np.int64).reshape(n, self.config.max_trigrams),
        }

    def _token_features(self, token: str) -> tuple[int, int, list[int]]:
        config, lower = self.config, token.lower()
        looks = _bucket(shape(token), config.shape_buckets)
        if token[0].isdecimal():
            # A number's own digits say nothing about another document, and would be learned by heart.
            return _bucket(NUMBER, config.word_buckets), looks, [0] * config.max_trigrams
        padded = f"^{lower}$"
        trigrams = [_bucket(padded[i : i + 3], config.trigram_buckets) for i in range(len(padded) - 2)]
        trigrams = trigrams[: config.max_trigrams]
        trigrams += [0] * (config.max_trigrams - len(trigrams))
        return _bucket(lower, config.word_buckets), looks, trigrams


def _places(context: str, offsets: np.ndarray) -> np.ndarray:
    """1 + 1·(starts a word) + 2·(starts a line) + 4·(ends a line); 0 is for tokens outside the document."""
    gaps = [context[end:start] for end, start in zip(offsets[:-1, 1], offsets[1:, 0], strict=True)]
    space = np.array([True, *(gap != "" for gap in gaps)])[: len(offsets)]
    newline = np.array([True, *("\n" in gap for gap in gaps), True])
    return 1 + space + 2 * newline[: len(offsets)] + 4 * newline[1 : len(offsets) + 1]


def token_boxes(offsets: np.ndarray, words: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """(tokens, 4): each token's share of the width of its word's box.

    Args:
        offsets: (tokens, 2) character ranges of the tokens.
        words: (words, 2) character ranges of the words, in order.
        boxes: (words, 4) x0 y0 x1 y1.
    """
    index = np.clip(np.searchsorted(words[:, 0], offsets[:, 0], side="right") - 1, 0, len(words) - 1)
    start, end = words[index].T
    share = (np.clip(offsets, start[:, None], end[:, None]) - start[:, None]) / np.maximum(end - start, 1)[:, None]
    box = boxes[index].copy()
    width = box[:, 2] - box[:, 0]
    box[:, 2] = box[:, 0] + np.rint(share[:, 1] * width).astype(np.int64)
    box[:, 0] += np.rint(share[:, 0] * width).astype(np.int64)
    return box
