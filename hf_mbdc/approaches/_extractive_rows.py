"""Documents and rows of `ExtractiveQA`: what is worked out once per document, and the columns of one row."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from hf_mbdc.transforms.boxes import box_problem, line_boxes, page_of, page_problem, word_offsets, word_range
from hf_mbdc.transforms.choose import margin
from hf_mbdc.transforms.choose_text import ChoiceText
from hf_mbdc.transforms.locate import SearchText, match_score

NAN = float("nan")


class Document:
    """A checked document; everything that its questions share is worked out once.

    Raises:
        ValueError: it is unsound; the message says how.
    """

    def __init__(
        self,
        words: Sequence[str],
        boxes: Sequence[Sequence[int]],
        context: str,
        pages: Sequence[int] | None = None,
    ) -> None:
        if not context or not words:
            raise ValueError("the document has no words")
        if boxes is None or any(word is None for word in words):
            raise ValueError("a word or the list of boxes is missing (null)")
        problem = box_problem(words, boxes) or page_problem(words, pages)
        if problem:
            raise ValueError(problem)
        self.words, self.boxes, self.context, self.pages = words, boxes, context, pages
        self.offsets = word_offsets(words, context)
        self.text = SearchText(context)

    @cached_property
    def choice_text(self) -> ChoiceText:
        """The document as the choice among occurrences reads it; made when first asked for."""
        return ChoiceText(self.context, self.boxes, self.offsets, self.pages)


class Documents:
    """The documents of one batch. Rows of one document follow each other, each with its own copy of words and boxes."""

    def __init__(self, batch: Mapping[str, Sequence[Any]]) -> None:
        pages = batch.get("pages") or [None] * len(batch["id"])
        self._rows = (batch["words"], batch["boxes"], batch["context"], pages)
        self._by_context: dict[str, Document] = {}

    def get(self, row: int) -> Document:
        """The document of a row; rows with equal words, boxes and pages share one."""
        words, boxes, context, pages = (column[row] for column in self._rows)
        known = self._by_context.get(context)
        if known is None or known.words != words or known.boxes != boxes or known.pages != pages:
            known = self._by_context[context] = Document(words, boxes, context, pages)
        return known


def read_rows(batch: Mapping[str, Sequence[Any]]) -> tuple[dict[int, tuple[Document, list[str]]], list[str | None]]:
    """The document and the given answers of every sound row, and for each row why it is unsound, or None."""
    documents = Documents(batch)
    asked: dict[int, tuple[Document, list[str]]] = {}
    reasons: list[str | None] = [None] * len(batch["id"])
    for row, answers in enumerate(batch["answers"]):
        try:
            asked[row] = documents.get(row), given_answers(answers)
        except ValueError as problem:
            reasons[row] = str(problem)
    return asked, reasons


def given_answers(answers: Sequence[str | None] | None) -> list[str]:
    """The answers that say something. A null answer is a hole in the data, not an unanswerable question."""
    if answers is None or any(answer is None for answer in answers):
        raise ValueError("answers is missing (null); an unanswerable question has an empty list")
    return [answer for answer in answers if answer and answer.strip()]


def annotation(
    document: Document, answers: Sequence[str], candidates: Sequence[Mapping[str, Any]], chosen: int
) -> dict[str, Any]:
    """The added columns of a row: its candidates, and the chosen one's place; −1 for none."""
    start, end = (candidates[chosen]["start"], candidates[chosen]["end"]) if chosen >= 0 else (-1, -1)
    first, last = word_range(document.offsets, start, end) if chosen >= 0 else (-1, -1)
    matched = document.context[start:end] if chosen >= 0 else ""
    score = max((match_score(matched, answer) for answer in answers), default=0.0) if chosen >= 0 else NAN
    found, missed = "exact" if score == 1.0 else "fuzzy", "absent" if answers else "unanswerable"
    return {
        "answer_start": start,
        "answer_end": end,
        "word_start": first,
        "word_end": last,
        "answer_boxes": line_boxes(document.boxes, document.offsets, document.context, first, last, document.pages),
        "answer_page": page_of(document.pages, first),
        "matched_text": matched,
        "match_score": single(score),
        "n_occurrences": len(candidates),
        "candidates": list(candidates),
        "choice_margin": single(margin([candidate["choice"] for candidate in candidates])),
        "match_status": found if chosen >= 0 else missed,
    }


def single(score: float) -> float:
    """The score as the float32 that it is stored as, so that a stream yields what a file holds."""
    return float(struct.unpack("f", struct.pack("f", score))[0])


def columns_of(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    """Rows as columns."""
    return {name: [row[name] for row in rows] for name in names}
