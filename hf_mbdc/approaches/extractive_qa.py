"""Extractive question answering on documents: where in the transcription, and on the page, is each answer?

Training an extractive model needs the answer's offsets, which question-answering data seldom has. This approach adds
them: every occurrence of every given answer, one of them chosen, and its words and boxes. A miss is a status, never a
silent "no answer".
"""

from __future__ import annotations

import dataclasses
import hashlib
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.transforms.boxes import box_problem, line_boxes, word_offsets, word_range
from hf_mbdc.transforms.locate import Occurrence, SearchText, locate, match_score

if TYPE_CHECKING:
    import numpy as np
    from datasets import DatasetDict, Features

Choice = Literal["first", "last", "random"]


@dataclass(frozen=True)
class ExtractiveQA:
    """Adds the offsets of the answers.

    Args:
        choose: which of several occurrences becomes the annotation: the `first`, the `last`, or one at `random`. The
            choice is among the occurrences with the best score and, of those, of the earliest answer in `answers`.
        max_distance: share of an answer's characters that may differ in the document, from 0 (none) to 0.5.
            Above 0.35 unanswerable questions begin to find answers.
        seed: of the random choice, which also depends on the row's id and on nothing else.

    Reads (one row per question):
        `id`, `question` string · `words` list of string · `boxes` list of four integers each (x0 y0 x1 y1, 0–1000;
        [] for text without a page) · `context` string (the words with whitespace between them, "\\n" between lines) ·
        `answers` list of string (different ways to give the one answer; [] for an unanswerable question).

    Adds:
        `answer_start`, `answer_end` (characters of `context`, end exclusive), `word_start`, `word_end` (inclusive), all
        −1 when there is no occurrence · `answer_boxes` (one per line) · `matched_text` · `match_score` (1.0 verbatim,
        NaN without occurrence; see `hf_mbdc.transforms.locate`) · `n_occurrences` · `candidates` (every occurrence in
        document order: `start, end, score`) · `match_status`: `exact` (the answer's own characters, whitespace and
        Unicode form aside), `fuzzy` (any other match), `absent` (an answer was given and not found), `unanswerable`
        (no answer was given).

    Raises:
        RecipeError: an option is out of its range.

    Example:
        >>> batch = {"id": ["0"], "question": ["total"], "words": [["TOTAL", "9.00"]], "context": ["TOTAL 9.00"],
        ...          "boxes": [[[0, 0, 90, 20], [100, 0, 180, 20]]], "answers": [["9.00"]]}
        >>> added = ExtractiveQA().transform(batch)
        >>> added["answer_start"], added["word_start"], added["answer_boxes"], added["match_status"]
        ([6], [1], [[[100, 0, 180, 20]]], ['exact'])
    """

    name: ClassVar[str] = "extractive_qa"
    why: ClassVar[str] = "An extractive model learns from positions in the transcription, which the task does not give."
    metric: ClassVar[str] = "exact_match"
    meanings: ClassVar[Mapping[str, str]] = {
        "answer_start": "First character of the answer in `context`; −1 = none.",
        "answer_end": "Character after the answer's last one; −1 = none.",
        "word_start": "First word of the answer; −1 = none.",
        "word_end": "Last word of the answer, inclusive; −1 = none.",
        "answer_boxes": "One box per line of the answer, x0 y0 x1 y1 from 0 to 1000.",
        "matched_text": "The answer as it stands in `context`.",
        "match_score": "1.0 = verbatim, less = how near; NaN = none.",
        "n_occurrences": "How often the answer occurs.",
        "candidates": "Every occurrence, in document order.",
        "match_status": "exact | fuzzy | absent | unanswerable",
    }

    choose: Choice = "first"
    max_distance: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.choose not in get_args(Choice):
            raise RecipeError(
                f"choose is {self.choose!r}", key="choose", mend=f"Take one of {', '.join(get_args(Choice))}."
            )
        if type(self.max_distance) not in (int, float) or not 0 <= self.max_distance <= 0.5:
            raise RecipeError(
                f"max_distance is {self.max_distance!r}", key="max_distance", mend="Take a number from 0 to 0.5."
            )
        if type(self.seed) is not int:
            raise RecipeError(f"seed is {self.seed!r}", key="seed", mend="Take a whole number.")

    @cached_property
    def reads(self) -> Features:
        """The columns that must be there."""
        from datasets import Features, List, Value

        text = Value("string")
        return Features(
            {
                "id": text,
                "question": text,
                "words": List(text),
                "boxes": List(List(Value("int32"))),
                "context": text,
                "answers": List(text),
            }
        )

    @cached_property
    def adds(self) -> Features:
        """The columns that `transform` returns."""
        from datasets import Features, List, Value

        number = Value("int32")
        return Features(
            {
                "answer_start": number,
                "answer_end": number,
                "word_start": number,
                "word_end": number,
                "answer_boxes": List(List(number)),
                "matched_text": Value("string"),
                "match_score": Value("float32"),
                "n_occurrences": number,
                "candidates": List({"start": number, "end": number, "score": Value("float32")}),
                "match_status": Value("string"),
            }
        )

    def transform(self, batch: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        """The added columns of a batch.

        Raises:
            DataError: a document of the batch is unsound (`annotate` sets such rows aside instead).
        """
        columns, reasons = self.try_transform(batch)
        for row_id, reason in zip(batch["id"], reasons, strict=True):
            if reason is not None:
                raise DataError(
                    f"The document cannot be annotated: {reason}",
                    id=row_id,
                    mend="Mend the row, or let hf_mbdc.annotate set such rows aside.",
                )
        return columns

    def try_transform(self, batch: Mapping[str, Sequence[Any]]) -> tuple[dict[str, list[Any]], list[str | None]]:
        """The added columns, and for each row why it cannot be annotated (its added values are then None), or None."""
        documents = _Documents()
        rows: list[dict[str, Any]] = []
        reasons: list[str | None] = []
        columns = (batch[name] for name in ("id", "words", "boxes", "context", "answers"))
        for row_id, words, boxes, context, answers in zip(*columns, strict=True):
            try:
                document = documents.get(words, boxes, context)
                given = _given(answers)
            except ValueError as problem:
                rows.append(dict.fromkeys(self.adds))
                reasons.append(str(problem))
                continue
            found = locate(document.text, given, max_distance=self.max_distance)
            candidates = [{"start": o.start, "end": o.end, "score": _single(o.score)} for o in found]
            rows.append(_annotation(document, given, candidates, self._choice(found, row_id)))
            reasons.append(None)
        return _columns(rows, list(self.adds)), reasons

    def choose_candidate(self, batch: Mapping[str, Sequence[Any]], index: Sequence[int]) -> dict[str, list[Any]]:
        """The added columns once more, with another candidate chosen; `candidates` stay as they are, scores included.

        Args:
            batch: annotated rows.
            index: which candidate of each row; −1 for a row without candidates, and only there.

        Raises:
            DataError: an index is out of range, or a document is unsound.
        """
        documents = _Documents()
        rows = []
        columns = (batch[name] for name in ("id", "words", "boxes", "context", "answers", "candidates"))
        for row_id, words, boxes, context, answers, candidates, chosen in zip(*columns, index, strict=True):
            if not (0 <= chosen < len(candidates) or (chosen == -1 and not candidates)):
                raise DataError(
                    f"There is no candidate {chosen}",
                    id=row_id,
                    mend=f"The row has {len(candidates)} candidates; −1 is for rows without any.",
                )
            try:
                document = documents.get(words, boxes, context)
            except ValueError as problem:
                raise DataError(f"The document cannot be annotated: {problem}", id=row_id) from problem
            rows.append(_annotation(document, _given(answers), candidates, chosen))
        return _columns(rows, list(self.adds))

    def options(self) -> dict[str, Any]:
        """The options as plain data, for a manifest."""
        return dataclasses.asdict(self)

    def count_statuses(self, ds: DatasetDict) -> dict[str, int]:
        """How many rows of an annotated dataset have each `match_status`."""
        counts = Counter(status for split in ds.values() for status in split["match_status"][:])
        return dict(sorted(counts.items()))

    def score(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
        """The scores (rows,) of a target model's answers, by metric; `metric` names the main one."""
        from hf_mbdc.metrics.text import anls_scores, exact_match_scores, f1_scores

        return {
            "exact_match": exact_match_scores(predictions, references),
            "f1": f1_scores(predictions, references),
            "anls": anls_scores(predictions, references),
        }

    def _choice(self, found: Sequence[Occurrence], row_id: str) -> int:
        """The index of the chosen occurrence; −1 when there is none."""
        if not found:
            return -1
        best = max((o.score, -o.answer) for o in found)
        pool = [index for index, o in enumerate(found) if (o.score, -o.answer) == best]
        if self.choose == "random":
            draw = hashlib.sha256(f"{self.seed}:{row_id}".encode()).digest()
            return pool[int.from_bytes(draw[:8], "big") % len(pool)]
        return pool[0] if self.choose == "first" else pool[-1]


class _Document:
    """A checked document; everything that its questions share is worked out once."""

    def __init__(self, words: Sequence[str], boxes: Sequence[Sequence[int]], context: str) -> None:
        if not context or not words:
            raise ValueError("the document has no words")
        if boxes is None or any(word is None for word in words):
            raise ValueError("a word or the list of boxes is missing (null)")
        problem = box_problem(words, boxes)
        if problem:
            raise ValueError(problem)
        self.words, self.boxes, self.context = words, boxes, context
        self.offsets = word_offsets(words, context)
        self.text = SearchText(context)


class _Documents:
    """The documents of one batch. Rows of one document follow each other, each with its own copy of words and boxes."""

    def __init__(self) -> None:
        self.by_context: dict[str, _Document] = {}

    def get(self, words: Sequence[str], boxes: Sequence[Sequence[int]], context: str) -> _Document:
        known = self.by_context.get(context)
        if known is None or known.words != words or known.boxes != boxes:
            known = self.by_context[context] = _Document(words, boxes, context)
        return known


def _given(answers: Sequence[str | None] | None) -> list[str]:
    """The answers that say something. A null answer is a hole in the data, not an unanswerable question."""
    if answers is None or any(answer is None for answer in answers):
        raise ValueError("answers is missing (null); an unanswerable question has an empty list")
    return [answer for answer in answers if answer and answer.strip()]


def _annotation(
    document: _Document, answers: Sequence[str], candidates: Sequence[Mapping[str, Any]], chosen: int
) -> dict[str, Any]:
    start, end = (candidates[chosen]["start"], candidates[chosen]["end"]) if chosen >= 0 else (-1, -1)
    first, last = word_range(document.offsets, start, end) if chosen >= 0 else (-1, -1)
    matched = document.context[start:end] if chosen >= 0 else ""
    score = max((match_score(matched, answer) for answer in answers), default=0.0) if chosen >= 0 else float("nan")
    found, missed = "exact" if score == 1.0 else "fuzzy", "absent" if answers else "unanswerable"
    return {
        "answer_start": start,
        "answer_end": end,
        "word_start": first,
        "word_end": last,
        "answer_boxes": line_boxes(document.boxes, document.offsets, document.context, first, last),
        "matched_text": matched,
        "match_score": _single(score),
        "n_occurrences": len(candidates),
        "candidates": list(candidates),
        "match_status": found if chosen >= 0 else missed,
    }


def _single(score: float) -> float:
    """The score as the float32 that it is stored as, so that a stream yields what a file holds."""
    return float(struct.unpack("f", struct.pack("f", score))[0])


def _columns(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in names}
