"""Rows → windows of tokens, and spans of characters → spans of tokens: the one shape that every target reads.

A document that is longer than the model's input is cut into overlapping windows, so that no page is dropped. Every
possible answer belongs to exactly one window (see `make_windows`), so that the probabilities of all spans of a row add
up to one over its windows (shared normalisation, Clark & Gardner 2018, https://arxiv.org/abs/1710.10723).

Boxes are of their own page. A target that reads them gets windows of one page each, as such models are pre-trained
(LayoutLM, https://arxiv.org/abs/1912.13318): two pages in one window would lie on top of each other.
"""

from __future__ import annotations

import dataclasses
import itertools
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.transforms.boxes import page_problem, word_offsets

if TYPE_CHECKING:
    import hashlib

READS = ("id", "question", "context", "words", "boxes")
LABELS = ("answers", "answer_start", "answer_end")
OPTIONAL = ("candidates", "pages")  # read where rows have them
PAGE = 1000  # width and height of a page in `boxes`


@dataclass(frozen=True)
class Window:
    """Tokens of a question and of (a part of) a document.

    Args:
        inputs: model inputs without the batch dimension, each (tokens, …), integers.
        offsets: (tokens, 2) character range in `context`, end exclusive; −1 for tokens that are not of the document.
            Position 0 is the null token: "no answer".
        starts: (tokens,) whether a span that starts here belongs to this window.
    """

    inputs: dict[str, np.ndarray]
    offsets: np.ndarray
    starts: np.ndarray


@dataclass(frozen=True)
class EncodedRow:
    """A row as its windows, and its labels as token spans.

    Args:
        document: number of the row's document; equal for rows with the same text, boxes and pages.
        windows: at least one.
        candidates: (k, 3) `window, start, end` (end inclusive) of each row of the column `candidates`; −1 where a
            candidate has more tokens than an answer may have, or is on two pages of a target that reads one at a time.
        answer: (m, 3) the row's answer span; one row per window (the null tokens) where the row is unanswerable; empty
            where nothing can be learned from the row, see `left_out`.
        left_out: why the row cannot be trained on: "absent" (answer not located), "too long", "on two pages"
            or "no label"; None otherwise.
        widened: whether the tokens of `answer` cover more characters than the answer: it begins or ends inside a token.
    """

    id: str
    document: int
    windows: tuple[Window, ...]
    candidates: np.ndarray
    answer: np.ndarray
    unanswerable: bool = False
    left_out: str | None = None
    widened: bool = False

    @property
    def length(self) -> int:
        """Tokens of the longest window: what a batch with this row is padded to."""
        return max(len(window.offsets) for window in self.windows)

    @property
    def tokens(self) -> int:
        """Tokens of all windows, without padding."""
        return sum(len(window.offsets) for window in self.windows)

    def update(self, digest: hashlib._Hash) -> None:
        """Adds inputs and labels to a hash."""
        digest.update(self.id.encode())
        digest.update(self.answer.tobytes() + self.candidates.tobytes() + bytes([self.left_out is None]))
        for window in self.windows:
            digest.update(window.offsets.tobytes())
            for name, values in sorted(window.inputs.items()):
                digest.update(name.encode() + values.tobytes())


class Encoder(Protocol):
    """What a target needs beside its model: how rows become windows, and windows the inputs of a batch.

    Args:
        max_answer_tokens: the longest span that is decoded.
        shares_documents: whether rows of one document in one batch cost less than rows of several.
        reads_boxes: whether the model reads boxes, so that its windows must not hold words of several pages.
    """

    max_answer_tokens: int
    shares_documents: bool
    reads_boxes: bool

    def encode_document(self, context: str, words: np.ndarray, boxes: np.ndarray) -> Any:
        """What all questions of a document have in common; of one page, where the model reads boxes.

        Args:
            words: (w, 2) character ranges in `context`.
            boxes: (w, 4), or (0, 4) for a document without layout.
        """
        ...

    def encode(self, question: str, document: Any) -> list[Window]:
        """The windows of a question to a document of `encode_document`."""
        ...

    def collate(self, windows: Sequence[Window]) -> dict[str, np.ndarray]:
        """Model inputs of several windows, padded."""
        ...


def encode_rows(rows: Iterable[Mapping[str, Any]], encoder: Encoder) -> list[EncodedRow]:
    """Encodes rows once, before the first epoch; each document once for all its questions.

    Args:
        rows: dictionaries with the columns `READS`; with `LABELS` (and `candidates`) where they are trained on; with
            `pages`, the page of each word, where a document has several.
        encoder: of the target, see `hf_mbdc.targets.load_target`.

    Raises:
        DataError: a column is missing, `words` are not those of `context`, there is not one box per word, or a box is
            inverted or outside the page, or not every word has a page.

    Example:
        >>> from hf_mbdc.targets.layout_features import LayoutSpanEncoder
        >>> from hf_mbdc.targets.layout_span import LayoutSpanConfig
        >>> row = {"id": "1", "question": "Total?", "context": "Total RM9.00", "words": ["Total", "RM9.00"],
        ...        "boxes": [], "answers": ["9.00"], "answer_start": 8, "answer_end": 12}
        >>> encoded = encode_rows([row], LayoutSpanEncoder(LayoutSpanConfig()))[0]
        >>> encoded.windows[0].offsets[encoded.answer[0, 1]].tolist()
        [8, 12]
    """
    documents: _Documents = {}
    return [_encode_row(row, encoder, documents) for row in rows]  # a loop: each row has its own number of windows


@dataclass(frozen=True)
class _Part:
    """The page of a document (or all of it) that begins at the character `begin`, as the encoder made it."""

    begin: int
    document: Any

    def windows(self, question: str, encoder: Encoder) -> list[Window]:
        """The windows of a question to this part, with character ranges in the whole context."""
        windows = encoder.encode(question, self.document)
        if not self.begin:
            return windows
        moved = (np.where(window.offsets < 0, window.offsets, window.offsets + self.begin) for window in windows)
        return [dataclasses.replace(window, offsets=o) for window, o in zip(windows, moved, strict=True)]


# By text, boxes and the first words of pages: the document's number, and its pages.
_Documents = dict[tuple[str, bytes, tuple[int, ...]], tuple[int, list[_Part]]]


def _encode_row(row: Mapping[str, Any], encoder: Encoder, documents: _Documents) -> EncodedRow:
    missing = [name for name in READS if name not in row]
    if missing:
        raise DataError(f"The columns {missing} are missing", mend="Load the data with hf_mbdc.load_dataset.")
    if null := next((name for name in READS[:-1] if row[name] is None), None):
        raise DataError("A value is missing (null)", id=row["id"], column=null, mend="Leave the row out.")
    boxes = _read_boxes(row)
    first_words = _first_words(row) if encoder.reads_boxes and len(boxes) else (0,)
    key = row["context"], boxes.tobytes(), first_words
    if key not in documents:
        words = word_ranges(row["context"], row["words"], row["id"])
        documents[key] = len(documents), _encode_parts(row["context"], words, boxes, first_words, encoder)
    number, parts = documents[key]
    windows = [window for part in parts for window in part.windows(row["question"], encoder)]
    spans = [(c["start"], c["end"]) for c in row.get("candidates") or []]
    candidates = locate_spans(windows, spans, encoder.max_answer_tokens)
    unanswerable, answer, left_out = _label(row, windows, encoder.max_answer_tokens, [part.begin for part in parts])
    widened = bool(
        len(answer)
        and not unanswerable
        and covered_spans(windows, answer).tolist() != [[row["answer_start"], row["answer_end"]]]
    )
    return EncodedRow(row["id"], number, tuple(windows), candidates, answer, unanswerable, left_out, widened)


def _read_boxes(row: Mapping[str, Any]) -> np.ndarray:
    """(w, 4), or (0, 4) for a document without layout."""
    given, words = row["boxes"], len(row["words"])
    if given is None or any(box is None or len(box) != 4 for box in given):
        raise DataError(
            "A box is not four numbers", id=row["id"], mend="Give left, top, right, bottom of each word, or no boxes."
        )
    boxes = np.asarray(given, dtype=np.int64).reshape(-1, 4)
    if len(boxes) not in (0, words):
        raise DataError(
            f"{words} words have {len(boxes)} boxes", id=row["id"], mend="Give one box per word, or none at all."
        )
    if boxes.size and (boxes.min() < 0 or boxes.max() > PAGE):
        raise DataError(
            "A box is outside the page",
            id=row["id"],
            mend=f"Scale x by the page's width and y by its height to 0–{PAGE}.",
        )
    if (boxes[:, :2] > boxes[:, 2:]).any():
        raise DataError(
            "A box is inverted",
            id=row["id"],
            word=int(np.flatnonzero((boxes[:, :2] > boxes[:, 2:]).any(1))[0]),
            mend="The order is left, top, right, bottom, with left ≤ right and top ≤ bottom.",
        )
    return boxes


def _first_words(row: Mapping[str, Any]) -> tuple[int, ...]:
    """Of each page, the number of its first word; a page that is gone on with after another one is two."""
    pages = row.get("pages")
    if problem := page_problem(row["words"], pages):
        raise DataError(problem, id=row["id"], column="pages", mend="Give the page of each word, or no pages.")
    turns = (number for number, (a, b) in enumerate(itertools.pairwise(pages or ()), 1) if a != b)
    return (0, *turns)


def _encode_parts(
    context: str, words: np.ndarray, boxes: np.ndarray, first_words: Sequence[int], encoder: Encoder
) -> list[_Part]:
    """The pages of a document, each encoded by itself."""
    parts = []
    for first, end in itertools.pairwise([*first_words, len(words)]):
        begin = int(words[first, 0]) if first else 0
        text = context[begin : words[end - 1, 1] if end < len(words) else None]
        parts.append(_Part(begin, encoder.encode_document(text, words[first:end] - begin, boxes[first:end])))
    return parts


def _label(
    row: Mapping[str, Any], windows: list[Window], longest: int, begins: Sequence[int]
) -> tuple[bool, np.ndarray, str | None]:
    """Whether the row is unanswerable, the tokens of its answer, and why it cannot be trained on.

    `begins`: the first character of each page.
    """
    nothing = np.zeros((0, 3), dtype=np.int64)
    if any(row.get(name) is None for name in LABELS):
        return False, nothing, "no label"
    if not any(answer and answer.strip() for answer in row["answers"]):  # as ExtractiveQA: blank answers are none
        return True, np.array([(w, 0, 0) for w in range(len(windows))], dtype=np.int64), None
    if row["answer_start"] < 0:
        return False, nothing, "absent"
    start, end = row["answer_start"], row["answer_end"]
    answer = locate_spans(windows, [(start, end)], longest)
    if answer[0, 0] >= 0:
        return False, answer, None
    same_page = bisect_right(begins, start) == bisect_right(begins, end - 1)
    return False, nothing, "too long" if same_page else "on two pages"


def word_ranges(context: str, words: Sequence[str], row_id: str | None = None) -> np.ndarray:
    """(len(words), 2) character range of each word in `context`, found by scanning from left to right.

    Example:
        >>> word_ranges("TOTAL 9.00\\nTHANK YOU", ["TOTAL", "9.00", "THANK", "YOU"]).tolist()
        [[0, 5], [6, 10], [11, 16], [17, 20]]
    """
    try:
        offsets = word_offsets(words, context)
    except ValueError as problem:
        mend = "`context` must be the `words` joined by spaces and line breaks."
        raise DataError(f"Words and context differ: {problem}", id=row_id, mend=mend) from problem
    return np.array(offsets, dtype=np.int64).reshape(-1, 2)


def make_windows(
    inputs: Sequence[dict[str, np.ndarray]], offsets: Sequence[np.ndarray], overlap: int, max_answer_tokens: int
) -> list[Window]:
    """Windows of one document; each of its tokens becomes the start of an answer in exactly one of them.

    Of the tokens that two neighbours share, the first `overlap − max_answer_tokens` belong to the earlier window, where
    the longest answer still fits behind them, and the others to the later one: a span is scored whole, and never twice.

    Args:
        inputs, offsets: of each window, see `Window`.
        overlap: document tokens that two neighbours share, at least `max_answer_tokens`.
    """
    starts = [window[:, 0] >= 0 for window in offsets]
    kept = overlap - max_answer_tokens
    for before, here in itertools.pairwise(starts):
        before[np.flatnonzero(before)[-max_answer_tokens:]] = False
        here[np.flatnonzero(here)[:kept]] = False
    return [Window(*window) for window in zip(inputs, offsets, starts, strict=True)]


def pad(arrays: Sequence[np.ndarray], value: int) -> np.ndarray:
    """Stacks arrays of different first dimension, with `value` behind the shorter ones."""
    padded = np.full((len(arrays), max(map(len, arrays)), *arrays[0].shape[1:]), value, dtype=arrays[0].dtype)
    for place, array in zip(padded, arrays, strict=True):
        place[: len(array)] = array
    return padded


def locate_spans(windows: Sequence[Window], spans: Sequence[tuple[int, int]], max_answer_tokens: int) -> np.ndarray:
    """Character spans → (k, 3) `window, start, end` of the tokens that hold them; −1 where no window can score one.

    A span that begins or ends inside a token gets the whole token. Where tokens overlap (one character in several
    tokens, or a token with a part of two), the token that begins, or ends, where the span does is taken.
    """
    found = np.full((len(spans), 3), -1, dtype=np.int64)
    if not len(spans):
        return found
    starts, ends = np.asarray(spans, dtype=np.int64).T
    ends = _held_ends(windows, ends)
    for w, window in enumerate(windows):
        first, last = _held_whole(window, starts, ends, max_answer_tokens)
        take = window.starts[first] & (found[:, 0] < 0)
        found[take] = np.stack([np.full(take.sum(), w), first[take], last[take]], axis=1)
    return found


def locate_in_each(windows: Sequence[Window], span: tuple[int, int], max_answer_tokens: int) -> np.ndarray:
    """(windows, 2) first and last token of a span of characters in every window that holds all of it.

    Whichever window owns it; 0, the null token, in the others. Tokens as in `locate_spans`.

    Args:
        windows: all of the document.

    Example:
        >>> halves = [np.array([[-1, -1], [0, 3], [4, 8]]), np.array([[-1, -1], [4, 8], [9, 12]])]
        >>> locate_in_each([Window({}, half, half[:, 0] >= 0) for half in halves], (4, 12), 4).tolist()
        [[0, 0], [1, 2]]
    """
    start, end = np.array([span[0]]), _held_ends(windows, np.array([span[1]]))
    places = [_held_whole(window, start, end, max_answer_tokens) for window in windows]
    return np.array(places, dtype=np.int64).reshape(-1, 2)


def _held_ends(windows: Sequence[Window], ends: np.ndarray) -> np.ndarray:
    """(k,) the ends of spans, moved back to the last character before them that a token holds; −1 where there is none.

    A tokenizer may drop characters (controls, joiners): the last of a page would belong to no window.
    """
    ranges = np.concatenate([window.offsets[window.offsets[:, 0] >= 0] for window in windows])
    begins, held = ranges[np.argsort(ranges[:, 0], kind="stable")].T
    # The furthest that a token reaches which begins before the end, and the last token that ends there or before.
    reached = np.maximum.accumulate(np.concatenate([[-1], held]))[np.searchsorted(begins, ends, side="left")]
    held = np.sort(held)
    last = np.concatenate([[-1], held])[np.searchsorted(held, ends, side="right")]
    return np.maximum(last, np.minimum(ends, reached))


def _held_whole(
    window: Window, starts: np.ndarray, ends: np.ndarray, max_answer_tokens: int
) -> tuple[np.ndarray, np.ndarray]:
    """First and last token of each span; 0 where the window does not hold all of it, or it has too many tokens."""
    positions = np.flatnonzero(window.offsets[:, 0] >= 0)
    if not len(positions):
        return np.zeros(len(starts), dtype=np.int64), np.zeros(len(starts), dtype=np.int64)
    offsets = window.offsets[positions]
    first, last = _held_by(offsets, starts, ends)
    inside = (first <= last) & (last - first < max_answer_tokens)
    inside &= (starts >= offsets[0, 0]) & (ends <= offsets[-1, 1])
    return np.where(inside, positions[first * inside], 0), np.where(inside, positions[last * inside], 0)


def _held_by(offsets: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First and last token of each span; first > last where there is none."""
    begin, end = offsets.T
    first, last = np.searchsorted(end, starts, side="right"), np.searchsorted(begin, ends, side="left") - 1
    exact_first, exact_last = np.searchsorted(begin, starts, side="left"), np.searchsorted(end, ends, side="right") - 1
    first_fits = begin[np.minimum(exact_first, len(begin) - 1)] == starts
    last_fits = (exact_last >= 0) & (end[exact_last] == ends)
    # Never crossed: two tokens that hold parts of one character each are both of its span.
    uncrossed = np.where(first_fits, exact_first, first) <= np.where(last_fits, exact_last, last)
    first = np.where(first_fits & uncrossed, exact_first, first)
    return first, np.where(last_fits & uncrossed, exact_last, last)


def covered_spans(windows: Sequence[Window], located: np.ndarray) -> np.ndarray:
    """(k, 3) of `locate_spans` → (k, 2) character ranges that those tokens cover: what decoding them gives; −1 for −1.

    Example:
        >>> window = Window({}, np.array([[-1, -1], [0, 5], [6, 10]]), np.array([False, True, True]))
        >>> covered_spans([window], locate_spans([window], [(6, 9)], 4)).tolist()
        [[6, 10]]
    """
    covered = np.full((len(located), 2), -1, dtype=np.int64)
    for place, (window, first, last) in zip(covered, located, strict=True):
        if window >= 0 and first > 0:  # 0 is the null token
            offsets = windows[window].offsets
            place[:] = offsets[first, 0], offsets[last, 1]
    return covered
