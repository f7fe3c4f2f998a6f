"""Makes a `Diff` of two sides: compares every split, and tells of each column, key and move what people ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hf_mbdc.revisions.cells import as_text, cell_text, differs, kind_of
from hf_mbdc.revisions.content_hash import canonical_features
from hf_mbdc.revisions.diff import kinds as diff_kinds
from hf_mbdc.revisions.diff.diff import (
    MAX_IDS,
    ColumnDiff,
    Diff,
    Duplicates,
    Example,
    Ids,
    Move,
    SchemaDiff,
    SplitDiff,
    describe,
)
from hf_mbdc.revisions.diff.keys import Key, as_ids, check_key, check_kinds, key_arrays
from hf_mbdc.revisions.diff.kinds import Tally
from hf_mbdc.revisions.diff.parquet_rows import Side
from hf_mbdc.revisions.diff.rows import BLOCK, RowChanges
from hf_mbdc.revisions.diff.sources import compare
from hf_mbdc.revisions.rows import contiguous, nothing_like
from hf_mbdc.revisions.shorten import shorten, text_pair

SOURCE = "mbdc_source"  # the column that says which method made or changed a row
MAX_EXAMPLES = 5  # of each column
MAX_REASONS = 20
MAX_FIELDS = 50  # of nested columns, that are named


def build_diff(before: Mapping[str, Side], after: Mapping[str, Side], key: Key) -> Diff:
    """The difference of the splits of two sides."""
    rows = {name: _compare_split(before.get(name), after.get(name), key, name) for name in {**after, **before}}
    status = {name: "added" if name not in before else "removed" if name not in after else "kept" for name in rows}
    splits = {name: _split_diff(found, status[name]) for name, found in rows.items()}
    schema = _diff_schema(before, after)
    moved, copied = tuple(_moves(splits)), tuple(_copies(rows))
    return Diff(splits, schema, moved, key[0] if len(key) == 1 else key, copied, rows)


def _compare_split(old: Side | None, new: Side | None, key: tuple[str, ...], split: str) -> RowChanges:
    kinds_old = check_key(old, key, split=split, side="old")
    kinds_new = check_key(new, key, split=split, side="new")
    check_kinds(kinds_old, kinds_new, key, split)
    if old is None or new is None:
        there = new if new is not None else old
        assert there is not None
        empty = nothing_like(there.features)
        old, new = old or empty, new or empty
    return compare(old, new, key)


def _split_diff(found: RowChanges, status: Any) -> SplitDiff:
    return SplitDiff(
        rows_before=found.old.count,
        rows_after=found.new.count,
        added=len(found.added),
        removed=len(found.removed),
        changed=len(found.changed),
        columns={name: _column_diff(found, name, part) for name, part in found.tallies.items()},
        added_ids=found.ids(found.added),
        removed_ids=found.ids(found.removed, old=True),
        changed_ids=Ids(len(found.changed), lambda: found.ids(found.changed)),
        reasons=_reasons(found.new, {"added": found.added, "edited": found.changed}),
        reordered=found.reordered,
        status=status,
        duplicates=_duplicates(found),
    )


def _column_diff(found: RowChanges, name: str, part: Tally) -> ColumnDiff:
    features = found.old.features[name], found.new.features[name]
    kind, rows = kind_of(features[1]), np.concatenate(part.rows)
    sample = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), diff_kinds.SAMPLE)).astype(np.int64))]
    looked_at = kind in ("text", "list") and kind_of(features[0]) == kind
    cells = found.cells(name, sample) if looked_at else None
    return ColumnDiff(
        changed=len(rows),
        kind=kind,
        examples=tuple(_examples(found, name, rows[:MAX_EXAMPLES])),
        to_null=part.to_null,
        from_null=part.from_null,
        to_nan=part.to_nan,
        from_nan=part.from_nan,
        text=diff_kinds.text_edits(*cells) if cells and kind == "text" else None,
        shift=diff_kinds.shift(part.shifts),
        labels=diff_kinds.confusion(part, features, len(rows)),
        lists=diff_kinds.list_edits(*cells) if cells and kind == "list" else None,
        fields=dict(part.fields.most_common(MAX_FIELDS)),
    )


def _examples(found: RowChanges, name: str, rows: np.ndarray) -> Iterator[Example]:
    features = found.old.features[name], found.new.features[name]
    for key, before, after in zip(found.ids(rows).to_pylist(), *found.cells(name, rows), strict=True):
        yield Example(shorten(key), *text_pair(cell_text(before, features[0]), cell_text(after, features[1])))


def _duplicates(found: RowChanges) -> Duplicates:
    counts, ids = [], dict[str, None]()
    for rows, old in ((found.match.again_old, True), (found.match.again_new, False)):
        times = Counter(found.ids(rows, old=old).to_pylist())
        counts.append(times.total() - len(times))
        ids |= {key: None for key, number in times.items() if number > 1}
    return Duplicates(counts[0], counts[1], tuple(shorten(key) for key in list(ids)[:MAX_IDS]))


def _reasons(new: Side, rows: dict[str, np.ndarray]) -> dict[str, int]:
    """Counts `mbdc_source` of these rows of the new side, most frequent first; a null counts as its group's name."""
    counts: Counter[str] = Counter()
    for default, chosen in rows.items():
        if SOURCE not in new.features:
            counts[default] += len(chosen)
            continue
        source = contiguous(new.select([SOURCE]).read(chosen)[SOURCE])
        for item in pc.value_counts(source):
            counts[shorten(as_text(item["values"])) or default] += item["counts"].as_py()
    most = {name: count for name, count in counts.most_common(MAX_REASONS) if count}
    rest = counts.total() - sum(most.values())
    return most | ({"other": most.get("other", 0) + rest} if rest else {})


def _diff_schema(before: Mapping[str, Side], after: Mapping[str, Side]) -> SchemaDiff:
    """Over the splits that both sides have; when there is none, over the first of each."""
    names = [name for name in after if name in before]
    pairs = [(before[name].features, after[name].features) for name in names]
    if not pairs and before and after:
        pairs = [(next(iter(before.values())).features, next(iter(after.values())).features)]
    schema = SchemaDiff()
    for old, new in pairs:
        for name in {**new, **old}:
            if name not in old:
                schema.added[name] = describe(new[name])
            elif name not in new:
                schema.removed[name] = describe(old[name])
            elif canonical_features(old[name]) != canonical_features(new[name]):
                schema.retyped[name] = (describe(old[name]), describe(new[name]))
    return schema


def _moves(splits: Mapping[str, SplitDiff]) -> Iterator[Move]:
    for before, source in splits.items():
        for after, target in splits.items():
            if source.removed and target.added:
                ids = source.removed_ids
                if len(found := ids.filter(pc.is_in(ids, value_set=target.added_ids))):
                    yield _move(before, after, found)


def _move(before: str, after: str, ids: pa.Array) -> Move:
    return Move(before, after, len(ids), tuple(shorten(key) for key in ids[:MAX_IDS].to_pylist()))


def _copies(rows: Mapping[str, RowChanges]) -> Iterator[Move]:
    """Rows that came into a split while another one goes on having the same: key and all cells that both have.

    The key alone tells nothing here, since it need be unique only within a split.
    """
    for after, target in rows.items():
        for before, source in rows.items():
            if before == after or not len(target.added) or not source.new.count:
                continue
            places, copies = _with_keys_of(source, ids := target.ids(target.added))
            twins = target.added[pc.index_in(copies, value_set=ids).to_numpy()]
            same = _equal_rows(source.new, places, target.new, twins)
            if same.any():
                yield _move(before, after, copies.filter(pa.array(same)))


def _with_keys_of(side: RowChanges, ids: pa.Array) -> tuple[np.ndarray, pa.Array]:
    """The new rows that were there before and have one of these keys, and their keys."""
    keys, rows = side.new.select(side.key), []
    for start in range(0, side.new.count, BLOCK):
        found = as_ids(key_arrays(keys.span(start, min(start + BLOCK, side.new.count))))
        hits = pc.is_in(found, value_set=ids).to_numpy(zero_copy_only=False)
        rows.append(start + np.flatnonzero(hits & (side.partner[start : start + BLOCK] >= 0)))
    places = np.concatenate(rows)
    return places, side.ids(places)


def _equal_rows(left: Side, rows: np.ndarray, right: Side, rows_right: np.ndarray) -> np.ndarray:
    same = np.ones(len(rows), bool)
    for name in left.features:
        if name in right.features:
            pair = (side.select([name]).read(chosen) for side, chosen in ((left, rows), (right, rows_right)))
            same &= ~differs(*(contiguous(table.column(0)) for table in pair))
    return same
