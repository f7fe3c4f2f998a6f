"""Annotated rows of every kind, written by hand: the review must not depend on how rows are annotated today."""

from __future__ import annotations

from typing import Any

from datasets import Dataset, Features, List, Value

NAN = float("nan")
NUMBER = Value("int32")
FEATURES = Features(
    {
        "id": Value("string"),
        "question": Value("string"),
        "words": List(Value("string")),
        "boxes": List(List(NUMBER)),
        "context": Value("string"),
        "answers": List(Value("string")),
        "answer_start": NUMBER,
        "answer_end": NUMBER,
        "word_start": NUMBER,
        "word_end": NUMBER,
        "answer_boxes": List(List(NUMBER)),
        "matched_text": Value("string"),
        "match_score": Value("float32"),
        "n_occurrences": NUMBER,
        "candidates": List({"start": NUMBER, "end": NUMBER, "score": Value("float32")}),
        "match_status": Value("string"),
    }
)


def review_row(
    row_id: str,
    context: str,
    answers: list[str],
    candidates: list[tuple[int, int, float]],
    status: str,
    boxes: list[list[int]] | None = None,
    question: str = "What is the total?",
) -> dict[str, Any]:
    """A row whose label is its first candidate."""
    start, end, score = candidates[0] if candidates else (-1, -1, NAN)
    return {
        "id": row_id,
        "question": question,
        "words": context.split(),
        "boxes": boxes or [],
        "context": context,
        "answers": answers,
        "answer_start": start,
        "answer_end": end,
        "word_start": len(context[:start].split()) if candidates else -1,
        "word_end": len(context[:end].split()) - 1 if candidates else -1,
        "answer_boxes": [],
        "matched_text": context[start:end] if candidates else "",
        "match_score": score,
        "n_occurrences": len(candidates),
        "candidates": [{"start": a, "end": b, "score": value} for a, b, value in candidates],
        "match_status": status,
    }


def dataset_of(*rows: dict[str, Any]) -> Dataset:
    return Dataset.from_list(list(rows), features=FEATURES)


def review_rows() -> Dataset:
    """Once and verbatim, twice, fuzzy, absent, unanswerable."""
    boxes = [[0, 0, 90, 20], [100, 0, 180, 20], [0, 30, 90, 50], [100, 30, 180, 50]]
    return dataset_of(
        review_row("once", "TOTAL 9.00", ["9.00"], [(6, 10, 1.0)], "exact"),
        review_row("twice", "CASH 9.00\nTOTAL 9.00", ["9.00"], [(5, 9, 1.0), (16, 20, 1.0)], "exact", boxes),
        review_row("fuzzy", "ACNE CO B\nTOTAL 9.00", ["ACME CO. B"], [(0, 9, 0.8)], "fuzzy"),
        review_row("missing", "TOTAL 9.00", ["12 May 2018"], [], "absent"),
        review_row("nothing", "TOTAL 9.00", [], [], "unanswerable"),
    )
