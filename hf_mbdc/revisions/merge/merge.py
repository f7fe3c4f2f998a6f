"""Three-way merge of datasets: two changes of the same revision become one where they touch different cells.

Rows are matched by `id` within a split. A cell, a row, a column or a split that only one side changed is taken from
that side; what both changed to the same is taken once; all else is a conflict and refused, with every conflict named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_mbdc.errors import StaleParentError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

SHOWN = 10  # conflicts that the message of the error spells out
LISTED = 1000  # conflicts that the error carries


@dataclass(frozen=True)
class Conflict:
    """What both sides changed differently. `id` None: the column or the split; `column` None: the row or the split."""

    split: str
    id: str | None
    column: str | None
    ours: str | None
    theirs: str | None

    def __str__(self) -> str:
        row = f" {self.id!r}" if self.id is not None else ""
        column = f" {self.column}" if self.column is not None else ""
        return f"{self.split}{row}{column}: ours {self.ours!r}, theirs {self.theirs!r}"


class MergeConflictError(StaleParentError):
    """Both sides changed the same cells, rows or columns; `conflicts` names the first 1,000 of `count`."""

    conflicts: Sequence[Conflict] = ()
    count: int = 0


def merge(base: Mapping[str, Dataset], ours: Mapping[str, Dataset], theirs: Mapping[str, Dataset]) -> DatasetDict:
    """Both changes of `base` in one dataset.

    Rows stand as in `theirs`, followed by the rows that only `ours` added; when only `ours` brought the rows into
    another order, as in `ours`, followed by those that only `theirs` added. A column that one side added is null in
    the rows that only the other side has. A column that one side gave another type is taken from it when the other
    side left the column alone and added no rows.

    Args:
        base: the revision that both changes were made from, by split; every split has a unique string column `id`.
        ours, theirs: the two changed datasets, by split.

    Raises:
        MergeConflictError: both sides changed the same cell, row, column or split, and differently.

    Example:
        >>> from datasets import Dataset
        >>> def rows(*totals): return {"train": Dataset.from_dict({"id": list("ab"), "total": list(totals)})}
        >>> merge(rows("1", "2"), rows("1", "5"), rows("4", "2"))["train"]["total"][:]
        ['4', '5']
    """
    from datasets import DatasetDict

    merged, conflicts = {}, []
    for name in [*theirs, *(name for name in ours if name not in theirs)]:
        found, against = _merge_split(name, base.get(name), ours.get(name), theirs.get(name))
        conflicts += against
        if found is not None:
            merged[name] = found
    if conflicts:
        raise _refusal(conflicts)
    return DatasetDict(merged)


def merge_rejected(base: Dataset | None, ours: Dataset | None, theirs: Dataset | None) -> Dataset | None:
    """The rows that were set aside on both sides, but for those that one side has mended; such rows have no ids.

    Raises:
        MergeConflictError: both sides changed them, and have other columns.
    """
    from datasets import Dataset, concatenate_datasets

    from hf_mbdc.revisions.content_hash import content_hash

    before, left, right = (content_hash(side) if side else "" for side in (base, ours, theirs))
    if left in (before, right):
        return theirs
    if right == before:
        return ours
    ours, theirs = ours or Dataset.from_dict({}), theirs or Dataset.from_dict({})
    if ours and theirs and ours.features != theirs.features:
        raise _refusal([Conflict("rejected", None, None, ", ".join(ours.features), ", ".join(theirs.features))])
    mine, known = (Counter(map(repr, side or ())) for side in (ours, base))
    added, mended = mine - known, known - mine
    return concatenate_datasets([_without(theirs, mended), _without(ours, mine - added)])


def _without(rows: Dataset, gone: Counter[str]) -> Dataset:
    """The rows but for some, each as often as it is counted."""
    left, kept = gone.copy(), []
    for place, row in enumerate(rows):
        if left[repr(row)] > 0:
            left[repr(row)] -= 1
        else:
            kept.append(place)
    return rows.select(kept)


def _merge_split(
    name: str, base: Dataset | None, ours: Dataset | None, theirs: Dataset | None
) -> tuple[Dataset | None, list[Conflict]]:
    """The merged split (None: it is gone), and the conflicts."""
    from hf_mbdc.revisions.content_hash import content_hash
    from hf_mbdc.revisions.merge.rows import merge_rows

    before, left, right = (None if side is None else content_hash(side) for side in (base, ours, theirs))
    if left in (before, right):
        return theirs, []
    if right == before:
        return ours, []
    if ours is None or theirs is None:
        told = ("removed", "changed") if ours is None else ("changed", "removed")
        return None, [Conflict(name, None, None, *told)]
    return merge_rows(name, ours.select([]) if base is None else base, ours, theirs)


def _refusal(conflicts: Sequence[Conflict]) -> MergeConflictError:
    count = len(conflicts)
    more = f"; and {count - SHOWN} more" if count > SHOWN else ""
    error = MergeConflictError(
        f"Both sides changed the same: {'; '.join(map(str, conflicts[:SHOWN]))}{more}",
        conflicts=count,
        mend="Load the head, decide these, and publish again.",
    )
    error.conflicts, error.count = tuple(conflicts[:LISTED]), count
    return error
