"""Values of sensitive columns, taken out of what is published about a change: counts stay, examples do not.

The rows themselves are published as they are: a column that nobody may read must be dropped from the data.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import DatasetDict

MASK = "‹masked›"
TOLD = (
    "changed",
    "kind",
    "to_null",
    "from_null",
    "to_nan",
    "from_nan",
)  # of a sensitive column: how many cells, not which values


def check_sensitive(columns: str | Sequence[str], splits: DatasetDict) -> tuple[str, ...]:
    """The names; refuses one that no split has, since a slip of the pen would publish what should be masked.

    Raises:
        DataError: there is no such column.
    """
    known = {name for rows in splits.values() for name in rows.column_names}
    named = (columns,) if isinstance(columns, str) else tuple(columns)
    for column in named:
        if column not in known:
            mend = f"The columns are: {', '.join(sorted(known))}."
            raise DataError("A sensitive column is not there", column=column, mend=mend)
    return named


def mask(diff: dict[str, Any], columns: Iterable[str]) -> dict[str, Any]:
    """`Diff.to_dict()` without values of these columns: no example, label or range; ids too when they are the key.

    Example:
        >>> example = {"id": "1", "before": "Ann", "after": None}
        >>> found = {"changed": 1, "kind": "text", "examples": [example]}
        >>> split = {"columns": {"name": found}, "added_ids": []}
        >>> mask({"key": "id", "splits": {"train": split}}, ["name"])["splits"]["train"]["columns"]["name"]["examples"]
        [{'id': '1', 'before': '‹masked›', 'after': None}]
    """
    hidden = set(columns)
    if not hidden or not diff:
        return diff
    key = diff.get("key", "id")
    masked = {**diff, "splits": {name: _split(split, hidden) for name, split in diff.get("splits", {}).items()}}
    return _without_ids(masked) if hidden & ({key} if isinstance(key, str) else set(key)) else masked


def _split(split: dict[str, Any], hidden: set[str]) -> dict[str, Any]:
    columns = {name: _column(found) if name in hidden else found for name, found in split["columns"].items()}
    return {**split, "columns": columns}


def _column(found: dict[str, Any]) -> dict[str, Any]:
    examples = [
        {**example, **{side: None if example[side] is None else MASK for side in ("before", "after")}}
        for example in found.get("examples", ())
    ]
    return {name: value for name, value in found.items() if name in TOLD} | {"examples": examples}


def _without_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: _hidden(name, item) for name, item in value.items()}


def _hidden(name: str, item: Any) -> Any:
    if name in ("ids", "added_ids", "removed_ids", "changed_ids") and isinstance(item, list):
        return [MASK] * len(item)
    return MASK if name == "id" and isinstance(item, str) else _without_ids(item)
