"""The rows of one split that two sides changed: aligned by id, compared cell by cell, taken from one side or the other.

Everything is done on whole columns: a row of the merged split is a position on each of the three sides (−1: not there),
and a cell is a choice between two positions. Rows that are one side's as a whole are never copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, Features, concatenate_datasets
from datasets.table import cast_array_to_feature

from hf_mbdc.revisions.cells import cell_text, differs
from hf_mbdc.revisions.content_hash import canonical_features
from hf_mbdc.revisions.diff.diff import describe
from hf_mbdc.revisions.merge.merge import Conflict
from hf_mbdc.revisions.rows import Rows, contiguous, embed
from hf_mbdc.revisions.shorten import shorten, text_pair

if TYPE_CHECKING:
    Mask = np.ndarray  # bool, one for each row of an alignment


@dataclass(frozen=True)
class Alignment:
    """Every row that a side still has: its id, and where it stands in base, ours and theirs (−1: nowhere)."""

    ids: pa.Array
    base: np.ndarray
    ours: np.ndarray
    theirs: np.ndarray


@dataclass(frozen=True)
class Changes:
    """Per column, the aligned rows in which a side has another value than the base."""

    ours: Mapping[str, Mask]
    theirs: Mapping[str, Mask]


def merge_rows(split: str, base: Dataset, ours: Dataset, theirs: Dataset) -> tuple[Dataset | None, list[Conflict]]:
    """One split with both changes of `base`, or the conflicts that forbid it; see `hf_mbdc.revisions.merge.merge`."""
    base, ours, theirs = (side.with_format(None) for side in (base, ours, theirs))
    rows = _align(base, ours, theirs)
    changes = Changes(
        ours=_changes(base, rows.base, ours, rows.ours), theirs=_changes(base, rows.base, theirs, rows.theirs)
    )
    features, conflicts = _merge_features(split, base, ours, theirs, rows, changes)
    conflicts += _removed_and_changed(split, rows, changes)
    conflicts += _changed_differently(split, ours, theirs, rows, changes, features)
    if conflicts:
        return None, conflicts
    return _build(ours, theirs, rows, changes, features), []


def _align(base: Dataset, ours: Dataset, theirs: Dataset) -> Alignment:
    before, left, right = map(_ids, (base, ours, theirs))
    in_left, in_right = _positions(before, left), _positions(before, right)
    first, second = (left, right) if _is_sorted(in_right) and not _is_sorted(in_left) else (right, left)
    ids = pa.concat_arrays([first, second.filter(pa.array(_positions(second, first) < 0))])
    return Alignment(ids, *(_positions(ids, side) for side in (before, left, right)))


def _ids(rows: Dataset) -> pa.Array:
    parts = [contiguous(block["id"]).cast(pa.large_string()) for block in Rows(rows, ["id"]).blocks()]
    return pa.concat_arrays(parts) if parts else pa.array([], pa.large_string())


def _positions(wanted: pa.Array, there: pa.Array) -> np.ndarray:
    if wanted.equals(there):  # the usual case, which needs no table of hashes
        return np.arange(len(wanted))
    return pc.index_in(wanted, value_set=there).fill_null(-1).to_numpy().astype(np.int64)


def _is_sorted(positions: np.ndarray) -> bool:
    kept = positions[positions >= 0]
    return bool((kept[1:] > kept[:-1]).all())


def _changes(base: Dataset, in_base: np.ndarray, side: Dataset, in_side: np.ndarray) -> dict[str, Mask]:
    both = np.flatnonzero((in_base >= 0) & (in_side >= 0))
    names = [name for name in base.column_names if name in side.column_names]
    result = {name: np.zeros(len(in_base), bool) for name in names}
    for part, left, right in _blocks(base, in_base, side, in_side, both, names):
        for name in names:
            result[name][part] = differs(contiguous(left[name]), contiguous(right[name]))
    return result


def _blocks(
    left: Dataset, in_left: np.ndarray, right: Dataset, in_right: np.ndarray, chosen: np.ndarray, names: Sequence[str]
) -> Iterator[tuple[np.ndarray, pa.Table, pa.Table]]:
    """The chosen aligned rows, some at a time, as both sides have them."""
    before, after = Rows(left, names), Rows(right, names)
    step = min(before.block_rows, after.block_rows)
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        yield (
            part,
            embed(before.read(in_left[part]), before.features, paths=False),
            embed(after.read(in_right[part]), after.features, paths=False),
        )


def _merge_features(
    split: str, base: Dataset, ours: Dataset, theirs: Dataset, rows: Alignment, changes: Changes
) -> tuple[dict[str, Any], list[Conflict]]:
    """The columns of the merged split with their types; conflicts where both sides changed a column."""
    features: dict[str, Any] = {}
    conflicts: list[Conflict] = []
    alone = {"ours": rows.theirs < 0, "theirs": rows.ours < 0}  # rows that the other side does not have
    added = {side: bool((mask & (rows.base < 0)).any()) for side, mask in alone.items()}
    for name in {**theirs.features, **ours.features}:
        before, left, right = (side.features.get(name) for side in (base, ours, theirs))
        kinds = [None if kind is None else canonical_features(kind) for kind in (before, left, right)]
        if kinds[1] == kinds[2] or kinds[1] == kinds[0]:
            chosen, keeper = right, "ours"
        elif kinds[2] == kinds[0]:
            chosen, keeper = left, "theirs"
        else:
            chosen, keeper = None, "both"
        touched = (
            keeper != "both"
            and kinds[1] != kinds[2]
            and before is not None
            and _touched(getattr(changes, keeper).get(name), added[keeper] and chosen is not None)
        )
        if keeper == "both" or touched:
            conflicts.append(Conflict(split, None, name, _told(left, before), _told(right, before)))
        elif chosen is not None:
            features[name] = chosen
    return features, conflicts


def _touched(changed: Mask | None, added: bool) -> bool:
    """Whether the side that kept a column's type has new values in it, which the other side's change would miss."""
    return added or (changed is not None and bool(changed.any()))


def _told(feature: Any, before: Any) -> str:
    if feature is None:
        return "removed"
    return "changed values" if before == feature else describe(feature)


def _removed_and_changed(split: str, rows: Alignment, changes: Changes) -> Iterator[Conflict]:
    """Rows that one side removed and the other one changed."""
    for side, mask in (("ours", (rows.base >= 0) & (rows.theirs < 0)), ("theirs", (rows.base >= 0) & (rows.ours < 0))):
        columns: Mapping[str, Mask] = getattr(changes, side)
        for row in np.flatnonzero(mask & _any(columns.values(), len(mask))):
            told = f"changed in {', '.join(name for name, changed in columns.items() if changed[row])}"
            pair = (told, "removed") if side == "ours" else ("removed", told)
            yield Conflict(split, shorten(rows.ids[int(row)].as_py()), None, *pair)


def _any(masks: Iterable[Mask], rows: int) -> Mask:
    result = np.zeros(rows, bool)
    for mask in masks:
        result |= mask
    return result


def _changed_differently(
    split: str, ours: Dataset, theirs: Dataset, rows: Alignment, changes: Changes, features: Mapping[str, Any]
) -> Iterator[Conflict]:
    """Cells that both sides have, that both changed or added, and that are not the same now."""
    both = (rows.ours >= 0) & (rows.theirs >= 0)
    for name in features:
        if name not in ours.features or name not in theirs.features:
            continue
        old = (rows.base >= 0) if name in changes.ours and name in changes.theirs else np.zeros(len(both), bool)
        twice = both & ~old
        if old.any():
            twice |= both & changes.ours[name] & changes.theirs[name]
        for part, left, right in _blocks(ours, rows.ours, theirs, rows.theirs, np.flatnonzero(twice), [name]):
            mine, other = contiguous(left[name]), contiguous(right[name])
            for place in np.flatnonzero(differs(mine, other)):
                key = shorten(rows.ids[int(part[place])].as_py())
                left_text, right_text = (cell_text(side[int(place)], features[name]) for side in (mine, other))
                yield Conflict(split, key, name, *text_pair(left_text, right_text))


def _build(ours: Dataset, theirs: Dataset, rows: Alignment, changes: Changes, features: Mapping[str, Any]) -> Dataset:
    """The merged rows: those of one side as they are, and those made of cells of both."""
    removed = (rows.base >= 0) & ((rows.ours < 0) | (rows.theirs < 0))
    kept = np.flatnonzero(~removed)
    in_ours, in_theirs = rows.ours[kept], rows.theirs[kept]
    choice = {name: _takes_ours(name, ours, theirs, rows, changes)[kept] for name in features}
    names = set(features)
    all_ours = np.logical_and.reduce(list(choice.values())) & (names == set(ours.features))
    all_theirs = ~np.logical_or.reduce(list(choice.values())) & (names == set(theirs.features))
    mixed = np.flatnonzero(~all_ours & ~all_theirs)
    kinds = Features(features)
    made = _mix(ours, theirs, in_ours[mixed], in_theirs[mixed], {n: c[mixed] for n, c in choice.items()}, kinds)
    pool: list[Dataset] = []
    places = np.empty(len(kept), np.int64)
    for chosen, side, at in ((all_theirs, theirs, in_theirs), (all_ours & ~all_theirs, ours, in_ours)):
        if chosen.any():
            places[chosen] = at[chosen] + sum(len(part) for part in pool)
            pool.append(_as_features(side, kinds))
    places[mixed] = np.arange(len(mixed)) + sum(len(part) for part in pool)
    if len(mixed):
        pool.append(made)
    return concatenate_datasets(pool).select(places) if pool else made


def _takes_ours(name: str, ours: Dataset, theirs: Dataset, rows: Alignment, changes: Changes) -> Mask:
    """The aligned rows whose cell in a column is ours."""
    if name not in theirs.features:
        return np.ones(len(rows.ids), bool)
    if name not in ours.features:
        return np.zeros(len(rows.ids), bool)
    mine = rows.theirs < 0
    if name in changes.ours and name in changes.theirs:
        mine = mine | (changes.ours[name] & ~changes.theirs[name])
    return mine


def _as_features(side: Dataset, features: Features) -> Dataset:
    side = side.select_columns(list(features))
    return side if side.features == features else side.cast(features)


def _mix(
    ours: Dataset,
    theirs: Dataset,
    in_ours: np.ndarray,
    in_theirs: np.ndarray,
    choice: Mapping[str, Mask],
    features: Features,
) -> Dataset:
    """Rows made of cells of both sides; a cell of a side that lacks the row is null."""
    left, right = Rows(ours).read(in_ours[in_ours >= 0]), Rows(theirs).read(in_theirs[in_theirs >= 0])
    places = [np.where(at >= 0, np.cumsum(at >= 0) - 1, -1) for at in (in_ours, in_theirs)]
    columns = []
    for name, feature in features.items():
        mine, other = (_column(table, name, feature) for table in (left, right))
        place = np.where(choice[name], places[0], np.where(places[1] >= 0, places[1] + len(mine), -1))
        columns.append(pa.concat_arrays([mine, other]).take(pa.array(place, mask=place < 0)))
    table = pa.Table.from_arrays(columns, schema=features.arrow_schema)
    return Dataset(table)


def _column(table: pa.Table, name: str, feature: Any) -> pa.Array:
    kind = Features({name: feature}).arrow_schema.field(name).type
    if name not in table.column_names:
        return pa.nulls(0, kind)
    return cast_array_to_feature(contiguous(table[name]), feature)
