"""Texts of cells and ids, cut so that what differs is still seen."""

from __future__ import annotations

from typing import Any

SHOWN = 200  # characters of a cell or an id


def shorten(text: Any) -> Any:
    """The text, cut to `SHOWN` characters with an ellipsis; None stays None."""
    return _cut(text, SHOWN)


def text_pair(left: str | None, right: str | None, limit: int = SHOWN) -> tuple[str | None, str | None]:
    """Both texts, cut to at most `limit` characters so that the first difference can be seen.

    Example:
        >>> text_pair("total " * 50 + "12.50 RM", "total " * 50 + "12.80 RM", 16)
        ('… 12.50 RM', '… 12.80 RM')
    """
    if left is None or right is None or max(len(left), len(right)) <= limit:
        return _cut(left, limit), _cut(right, limit)
    same = next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    start = max(0, same - limit // 4)
    lead = "…" if start else ""
    return _cut(lead + left[start:], limit), _cut(lead + right[start:], limit)


def _cut(text: Any, limit: int) -> Any:
    return text if text is None or len(text) <= limit else f"{text[: limit - 1]}…"
