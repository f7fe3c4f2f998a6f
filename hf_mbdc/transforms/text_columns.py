"""The texts of a column: strings, lists of strings, or messages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset


def read_texts(rows: Dataset, column: str) -> list[str]:
    """The column as one text a row: lists and messages are joined, null is empty."""
    return ["\n".join(pieces) for pieces in read_pieces(rows, column)]


def read_pieces(rows: Dataset, column: str) -> list[list[str]]:
    """The texts of every row: one of a string, one of each message or item of a list."""
    return [_pieces(value) for value in rows.select_columns([column])[:][column]]


def is_text(feature: Any) -> bool:
    """Whether a feature is a string, a list of strings or messages."""
    from datasets import List, Value

    inner = feature.feature if isinstance(feature, List) else feature
    kind = inner.get("content") if isinstance(inner, dict) else inner
    return isinstance(kind, Value) and kind.dtype in ("string", "large_string")


def map_texts(value: Any, change: Callable[[str], str]) -> Any:
    """A value with other texts; roles and everything else of a message stay as they are.

    Example:
        >>> map_texts([{"role": "user", "content": "hello"}, None], str.upper)
        [{'role': 'user', 'content': 'HELLO'}, None]
    """
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {**value, "content": map_texts(value.get("content"), change)}
    return None if value is None else [map_texts(item, change) for item in value]


def _pieces(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):  # a message
        return _pieces(value.get("content"))
    return [""] if value is None else [piece for item in value for piece in _pieces(item)]
