"""What belongs together: documents that share a tie (a text, a vendor, an article) are one group."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def groups(ties: Iterable[Sequence[str]]) -> list[str]:
    """The group of every document: the smallest tie of all documents it is tied to, directly or through others.

    Example:
        >>> groups([["a", "x"], ["b"], ["b", "x"], ["c"]])
        ['a', 'a', 'a', 'c']
    """
    parent: dict[str, str] = {}

    def root(tie: str) -> str:
        parent.setdefault(tie, tie)
        while parent[tie] != tie:
            parent[tie] = tie = parent[parent[tie]]
        return tie

    rows = [list(row) for row in ties]
    for row in rows:
        for tie in row[1:]:
            low, high = sorted((root(row[0]), root(tie)))
            parent[high] = low
    return [root(row[0]) for row in rows]
