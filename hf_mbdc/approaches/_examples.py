"""The rows that `choose="learned"` learns from, read in an order that nothing but their ids decides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hf_mbdc.approaches._extractive_rows import read_rows
from hf_mbdc.transforms.choose import best_matches
from hf_mbdc.transforms.choose_learned import MAX_ROWS, Example
from hf_mbdc.transforms.locate import locate

if TYPE_CHECKING:
    from datasets import Dataset

_CHUNK = 1000
MAX_CHARACTERS = 8_000_000  # of documents that are read; keeps the memory flat where they are long
_COLUMNS = ("id", "question", "words", "boxes", "context", "answers", "pages")


def examples(parts: Sequence[Dataset], max_distance: float) -> list[Example]:
    """Rows with their occurrences, until `MAX_ROWS` of them have one or much was read.

    Unsound rows and blank questions are passed over.

    Args:
        parts: splits with the columns of `ExtractiveQA.reads`; an id may stand in several.
        max_distance: as of `ExtractiveQA`.
    """
    order = sorted(
        (hashlib.sha256(row_id.encode()).digest(), part, row)
        for part, ds in enumerate(parts)
        for row, row_id in enumerate(ds.with_format(None)["id"][:])
    )
    found: list[Example] = []
    once = characters = 0
    for begin in range(0, len(order), _CHUNK):
        chunk = order[begin : begin + _CHUNK]
        for part, ds in enumerate(parts):
            made = _read(ds, sorted(row for _, p, row in chunk if p == part), max_distance)
            found += made
            once += sum(len(example.spans) == 1 for example in made)
            characters += sum(map(len, {example.text.context for example in made}))
        if once >= MAX_ROWS or characters >= MAX_CHARACTERS:
            break
    return found


def _read(ds: Dataset, rows: list[int], max_distance: float) -> list[Example]:
    columns = [name for name in _COLUMNS if name in ds.column_names]
    batch = ds.with_format(None).select_columns(columns).select(rows)[:]
    asked, _ = read_rows(batch)  # the others have a reason, which annotate tells
    made = []
    for row, (document, given) in asked.items():
        row_id, question = batch["id"][row], batch["question"][row]
        occurrences = locate(document.text, given, max_distance=max_distance)
        pool = best_matches(occurrences)
        if pool and question and question.strip():
            spans = tuple((occurrences[i].start, occurrences[i].end) for i in pool)
            if len(pool) > 1 or len(occurrences) == 1:
                made.append(Example(row_id, document.choice_text, question, spans))
    return made
