"""What `annotate` refuses before any work, and how it tells which rows it left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hf_mbdc.approaches._find import approach_names
from hf_mbdc.errors import DataError, RecipeError

if TYPE_CHECKING:
    from datasets import Features

KINDS_SHOWN = 3  # in the warning about rows that were left out
PARTS = ("name", "reads", "adds", "try_transform")
_VALUES = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\[[^\]]*\]|-?\d+(?:\.\d+)?")


class LeftOut(NamedTuple):
    """A row that could not be annotated."""

    id: str
    split: str | None
    reason: str


def check_approach(approach: Any) -> None:
    """Raises `RecipeError` for what is no approach: None, a name, a class without its parentheses."""
    mend = "Pass one, for example hf_mbdc.ExtractiveQA()."
    if isinstance(approach, type):
        what = f"The approach is the class {approach.__name__}, not an object of it"
        mend = f"Write {approach.__name__}() with its parentheses."
    elif isinstance(approach, str):
        what = f"The approach is its name, {approach!r}, not an object"
        if approach in approach_names():
            mend = f"Pass hf_mbdc.approaches.make_approach({approach!r})."
    elif missing := [part for part in PARTS if not hasattr(approach, part)]:
        what = f"annotate needs an approach, not {type(approach).__name__}, which has no {', '.join(missing)}"
    else:
        return
    raise RecipeError(what, key="approach", mend=mend)


def wanted_columns(present: Iterable[str], approach: Any) -> Features:
    """What an approach reads of these columns: all that it must, and of `may_read`, if it has that, what is there."""
    optional = getattr(approach, "may_read", {})
    here = set(present)
    wanted = {**approach.reads, **{name: feature for name, feature in optional.items() if name in here}}
    return type(approach.reads)(wanted)


def check_workload(num_proc: object, batch_size: object) -> None:
    """Raises `RecipeError` unless there is at least one process and one row per call."""
    for key, value, other in (
        ("num_proc", num_proc, ", or None for this process alone"),
        ("batch_size", batch_size, ""),
    ):
        if value is None and key == "num_proc":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise RecipeError(f"{key} is {value!r}", key=key, mend=f"Give a whole number of at least 1{other}.")


def refuse_first(
    ids: Iterable[str], reasons: Iterable[str | None], *, what: str = "row", mend: str = "Remove the row, or mend it."
) -> None:
    """Raises `DataError` for the first row that has a reason why it cannot be annotated."""
    for row_id, reason in zip(ids, reasons, strict=True):
        if reason is not None:
            raise DataError(f"The {what} cannot be annotated: {reason}", id=row_id, mend=mend)


def reason_kind(reason: str) -> str:
    """A reason without the values of its row, so that reasons can be counted.

    Example:
        >>> reason_kind("box 12 is inverted: [300, 53, 0, 0]")
        'box … is inverted: …'
    """
    return _VALUES.sub("…", reason)


def describe_left_out(rows: Sequence[LeftOut]) -> str:
    """How many rows were left out, for which kinds of reasons, and the first row of each kind.

    Example:
        >>> describe_left_out([LeftOut("7", "train", "box 0 is inverted: [9, 9, 1, 1]")])
        "1 row was left out: 1 × box 0 is inverted: [9, 9, 1, 1] (id '7', split 'train')"
    """
    kinds: dict[str, list[LeftOut]] = {}
    for row in rows:
        kinds.setdefault(reason_kind(row.reason), []).append(row)
    largest = sorted(kinds.items(), key=lambda kind: -len(kind[1]))
    parts = [_describe_kind(kind, members) for kind, members in largest[:KINDS_SHOWN]]
    if rest := sum(len(members) for _, members in largest[KINDS_SHOWN:]):
        parts.append(f"{rest} × other reasons")
    return f"{len(rows)} {'row was' if len(rows) == 1 else 'rows were'} left out: {'; '.join(parts)}"


def _describe_kind(kind: str, members: Sequence[LeftOut]) -> str:
    first = members[0]
    place = f"id {first.id!r}" + (f", split {first.split!r}" if first.split else "")
    if len(members) == 1:
        return f"1 × {first.reason} ({place})"
    return f"{len(members)} × {kind} (first {place}{'' if first.reason == kind else f': {first.reason}'})"
