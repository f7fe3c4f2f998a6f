"""What is known of each row beside its text, as columns that slices can be named by."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

MOST_TEXTS = 50  # different values of a column of texts that is metadata, not content
LONGEST_TEXT = 80  # characters of such a value
# Names and positions, which mean nothing across documents, and what a model or an annotator made of the very row.
NOT_METADATA = ("id", "document_id", "context", "answer_start", "answer_end", "word_start", "word_end", "matched_text")
MADE = ("mbdc_parent_id", "mbdc_model", "mbdc_iteration", "dynamics_", "curriculum_")


def describe_rows(rows: Dataset, leave_out: Collection[str] = ()) -> dict[str, np.ndarray]:
    """Column name → (rows,) values: the dataset's own metadata, and what can be counted in its rows.

    Own: numbers, booleans, and texts with few different values. Counted, where the columns are there: `document_words`,
    `question_words`, `prompt_words`, `text_characters`, `answer_words` and `answer_lines` (missing without an answer),
    and `answer_place`, from 0 for an answer at the document's beginning to 1. Columns that say nothing (one value only)
    or nothing new (they part the rows as one before them does, as the questions of a form do after their keys) are left
    out.

    Args:
        rows: a split.
        leave_out: columns that must not be shown, such as sensitive ones.

    Example:
        >>> from datasets import Dataset
        >>> ds = Dataset.from_dict({"id": list("123"), "key": ["a", "b", "a"], "words": [["A", "B"], ["C"], ["D"]]})
        >>> {name: values.tolist() for name, values in describe_rows(ds).items()}
        {'key': ['a', 'b', 'a'], 'document_words': [2, 1, 1]}
    """
    kept = [name for name in rows.column_names if name not in leave_out and not name.startswith(("image", *MADE))]
    table = rows.select_columns(kept).with_format("arrow")[:]
    own = [name for name in kept if name not in NOT_METADATA]
    found = {name: _plain(table[name]) for name in own if _is_metadata(table[name])} | _counted(table)
    return _different(found)


def _different(columns: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Those with more than one value that part the rows otherwise than one before them."""
    kept, parts = {}, set[bytes]()
    for name, values in columns.items():
        _, first, code = np.unique(values.astype(str), return_index=True, return_inverse=True)
        part = np.argsort(np.argsort(first))[code].tobytes()  # numbered as they come, whatever they are called
        if len(first) > 1 and part not in parts:
            kept[name] = values
        if len(first) <= MOST_TEXTS:  # numbers that all differ part the rows alike, and mean different things
            parts.add(part)
    return kept


def _is_metadata(column: pa.ChunkedArray) -> bool:
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return True
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    # Half as many values as rows would name rows, not slices.
    if not texts or pc.count_distinct(column).as_py() > min(MOST_TEXTS, max(2, len(column) // 2)):
        return False
    return (pc.max(pc.utf8_length(column)).as_py() or 0) <= LONGEST_TEXT


def _counted(table: pa.Table) -> dict[str, np.ndarray]:
    import pyarrow.compute as pc

    has, found = set(table.column_names), {}
    if "words" in has:
        found["document_words"] = _plain(pc.list_value_length(table["words"]))
    for name in ("question", "prompt"):
        if name in has:
            found[f"{name}_words"] = _plain(pc.list_value_length(pc.utf8_split_whitespace(table[name])))
    if "text" in has:
        found["text_characters"] = _plain(pc.utf8_length(table["text"]))
    if {"word_start", "word_end"} <= has:
        first, last = (table[name].to_numpy().astype(float) for name in ("word_start", "word_end"))
        located = first >= 0
        found["answer_words"] = np.where(located, last - first + 1, np.nan)
        if "words" in has:
            longest = np.maximum(found["document_words"].astype(float) - 1, 1)
            found["answer_place"] = np.where(located, first / longest, np.nan).round(3)
    if "answer_boxes" in has:
        lines = pc.list_value_length(table["answer_boxes"]).to_numpy().astype(float)
        found["answer_lines"] = np.where(lines > 0, lines, np.nan)
    return found


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.to_numpy(zero_copy_only=False) if hasattr(column, "to_numpy") else column)
