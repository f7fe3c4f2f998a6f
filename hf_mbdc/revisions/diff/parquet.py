"""Rows in Parquet files, of which only those column chunks are decoded whose bytes differ from the other side's.

A column chunk is the part of a row group that holds one column. Two row groups whose key columns are the same bytes
hold the same keys in the same order; of these, every other column whose chunk is the same bytes (and whose type, codec
and encodings are the same) holds the same cells. All that is left is decoded and compared as any two datasets are.
Format: https://parquet.apache.org/docs/file-format/metadata/ .
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from hf_mbdc.revisions.diff.keys import Key
from hf_mbdc.revisions.diff.kinds import Tally
from hf_mbdc.revisions.diff.match import Match
from hf_mbdc.revisions.diff.parquet_rows import ParquetRows
from hf_mbdc.revisions.diff.rows import RowChanges, Work, compare_rows, compare_work
from hf_mbdc.revisions.diff.threads import in_threads
from hf_mbdc.revisions.rows import Rows


def compare_files(old: ParquetRows, new: ParquetRows, key: Key, to_rows: Callable[[Any, Any], Rows]) -> RowChanges:
    """Compares row groups with the same keys chunk by chunk, and all other rows as any two datasets.

    Args:
        to_rows: decodes some row groups (the rows, their numbers) into memory or a temporary file.
    """
    pairs = _same_keys(old, new, key)
    partner = np.full(new.count, -1, np.int64)
    for before, after in pairs:
        partner[new.starts[after] : new.starts[after + 1]] = np.arange(old.starts[before], old.starts[before + 1])
    nothing = np.empty(0, np.int64)
    found = compare_work(old, new, key, Match(partner, nothing, nothing), _work(old, new, key, pairs))
    rest_old = sorted(set(range(len(old.groups))) - {before for before, _ in pairs})
    rest_new = sorted(set(range(len(new.groups))) - {after for _, after in pairs})
    if not rest_old and not rest_new:
        return found
    rest = compare_rows(to_rows(old, rest_old), to_rows(new, rest_new), key)
    return _together(found, rest, _rows_of(old, rest_old), _rows_of(new, rest_new))


def _same_keys(old: ParquetRows, new: ParquetRows, key: Key) -> list[tuple[int, int]]:
    """Pairs of row groups whose key columns are the same bytes; equal ones pair in their order."""
    if any(old.schema.field(name).type != new.schema.field(name).type for name in key):
        return []
    head = _same_head(old, new, key)
    places = defaultdict(list)
    for number, digest in enumerate(_digests(old, key, head), start=head):
        places[digest].append(number)
    pairs = [(number, number) for number in range(head)]
    for number, digest in enumerate(_digests(new, key, head), start=head):
        if places[digest]:
            pairs.append((places[digest].pop(0), number))
    return pairs


def _same_head(old: ParquetRows, new: ParquetRows, key: Key) -> int:
    """With how many row groups of the same keys both sides begin: these need no digest, and may be all."""
    both = [(left, right) for name in key for left, right in zip(old.leaves()[name], new.leaves()[name], strict=True)]

    def same(number: int) -> bool:
        return all(_equal(old, number, left, new, number, right) for left, right in both)

    most = min(len(old.groups), len(new.groups))
    return next((number for number, found in enumerate(in_threads(same, range(most))) if not found), most)


def _digests(rows: ParquetRows, key: Key, start: int) -> Iterator[bytes]:
    leaves = [leaf for name in key for leaf in rows.leaves()[name]]

    def digest(number: int) -> bytes:
        return b"".join(rows.known_hash(number, leaf) or rows.hash_chunk(number, leaf) for leaf in leaves)

    return in_threads(digest, range(start, len(rows.groups)))


def _work(old: ParquetRows, new: ParquetRows, key: Key, pairs: Sequence[tuple[int, int]]) -> Iterator[Work]:
    """The row groups in which columns are not the same bytes, with these columns."""
    names = [name for name in new.features if name in old.features and name not in key]
    leaves_old, leaves_new = old.leaves(), new.leaves()
    same_type = {name: old.schema.field(name).type == new.schema.field(name).type for name in names}

    def differing(pair: tuple[int, int]) -> Work:
        before, after = pair
        unequal = [
            name
            for name in names
            if not same_type[name]
            or not all(
                _equal(old, before, left, new, after, right)
                for left, right in zip(leaves_old[name], leaves_new[name], strict=True)
            )
        ]
        return int(new.starts[after]), int(new.starts[after + 1]), unequal

    return (work for work in in_threads(differing, pairs) if work[2])


def _equal(old: ParquetRows, before: int, left: int, new: ParquetRows, after: int, right: int) -> bool:
    """Whether two chunks are the same bytes, and mean the same; where both hashes are known, neither is read."""
    known, known_after = old.known_hash(before, left), new.known_hash(after, right)
    if known is not None and known_after is not None:
        return known == known_after
    (data, kind), (data_after, kind_after) = old.chunk(before, left), new.chunk(after, right)
    if kind != kind_after or len(data) != len(data_after):
        return False
    return pa.py_buffer(data).equals(pa.py_buffer(data_after))  # compares memory, without a mask of every byte


def _rows_of(rows: ParquetRows, groups: Sequence[int]) -> np.ndarray:
    spans = [np.arange(rows.starts[number], rows.starts[number + 1]) for number in groups]
    return np.concatenate(spans) if spans else np.empty(0, np.int64)


def _together(found: RowChanges, rest: RowChanges, rows_old: np.ndarray, rows_new: np.ndarray) -> RowChanges:
    """Puts what the other rows gave, by their numbers among these, beside what the chunks gave."""
    partner = found.partner.copy()
    matched = np.flatnonzero(rest.partner >= 0)
    partner[rows_new[matched]] = rows_old[rest.partner[matched]]
    match = Match(partner, rows_old[rest.match.again_old], rows_new[rest.match.again_new])
    tallies = dict(found.tallies)
    for name, part in rest.tallies.items():
        part.rows = [rows_new[rows] for rows in part.rows]
        tallies.setdefault(name, Tally()).add(part)
    for part in tallies.values():
        part.rows = [np.sort(np.concatenate(part.rows))]
    ordered = {name: tallies[name] for name in found.new.features if name in tallies}
    changed = np.union1d(found.changed, rows_new[rest.changed])
    return RowChanges(found.old, found.new, found.key, match, changed, ordered)
