"""Two sides of a split, row by row: which rows came, went and changed, and in which columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from hf_mbdc.revisions.cells import Pairs, differs_at
from hf_mbdc.revisions.diff.keys import Key, as_ids, key_arrays
from hf_mbdc.revisions.diff.kinds import Tally, tally
from hf_mbdc.revisions.diff.match import Match, match_rows
from hf_mbdc.revisions.diff.parquet_rows import Side
from hf_mbdc.revisions.diff.threads import in_threads
from hf_mbdc.revisions.rows import Rows, contiguous, embed, holds_files

BLOCK = 1 << 16  # rows gathered and compared at once; fewer cost more in calls, more leave the caches (measured)
RUN = 1 << 18  # the same where rows are in order, so that little is copied (measured from 2^15 to 2^18)
SAMPLE = 100_000  # rows that tell whether both sides are in the same order
SCATTER = 64  # rows of each record batch, on average, when a block of rows is gathered from all over the other side

Work = tuple[int, int, Sequence[str]]  # new rows from, up to, and the columns in which they may differ


@dataclass(frozen=True)
class RowChanges:
    """What changed between two sides; rows are numbers of rows, `changed` and `added` of new, `removed` of old."""

    old: Side
    new: Side
    key: Key
    match: Match
    changed: np.ndarray
    tallies: dict[str, Tally]

    @property
    def partner(self) -> np.ndarray:
        """For each new row its old row, or −1."""
        return self.match.partner

    @cached_property
    def added(self) -> np.ndarray:
        """The new rows without a partner."""
        return np.flatnonzero(self.partner < 0)

    @cached_property
    def removed(self) -> np.ndarray:
        """The old rows without a partner."""
        if len(self.added) == self.new.count - self.old.count:  # no old row has two partners: all have one
            return np.empty(0, np.int64)
        if self._gaps is not None:
            firsts, sizes = self._gaps
            return np.arange(sizes.sum()) + np.repeat(firsts - np.cumsum(sizes) + sizes, sizes)
        left = np.full(self.old.count + 1, True)  # of one row more, for the partner −1
        left[self.partner] = False
        return np.flatnonzero(left[:-1])

    @property
    def reordered(self) -> bool:
        """Whether the rows that both sides have stand in another order."""
        return self._gaps is None

    @cached_property
    def _gaps(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Runs of old rows that have no partner: first rows and sizes. None where partners do not ascend."""
        last, firsts, sizes = -1, [], []
        for start in range(0, self.new.count, BLOCK):  # which needs no copies of the whole
            block = self.partner[start : start + BLOCK]
            both = block[block >= 0]
            steps = np.diff(both, prepend=last)
            if (steps < 1).any():
                return None
            wide = np.flatnonzero(steps > 1)
            sizes.append(steps[wide] - 1)
            firsts.append(both[wide] - sizes[-1])
            last = int(both[-1]) if len(both) else last
        ends = np.array([last + 1]), np.array([self.old.count - last - 1])
        return np.concatenate([*firsts, ends[0]]), np.concatenate([*sizes, ends[1]])

    def ids(self, rows: np.ndarray, *, old: bool = False) -> pa.Array:
        """The keys of some rows as text."""
        side = self.old if old else self.new
        return as_ids(key_arrays(side.select(self.key).read(rows)))

    def cells(self, name: str, rows: np.ndarray) -> tuple[pa.Array, pa.Array]:
        """A column of some new rows that have a partner: its cells before and after, media as bytes."""
        before, after = self.old.select([name]), self.new.select([name])
        return _cells(before, self.partner[rows]), _cells(after, rows)


def _cells(rows: Side, chosen: np.ndarray) -> pa.Array:
    return contiguous(embed(rows.read(chosen), rows.features, paths=False).column(0))


def compare_rows(old: Rows, new: Rows, key: Key) -> RowChanges:
    """Matches the rows of two sides by their keys and compares the columns that both have."""
    match = match_rows(old, new, key)
    names = [name for name in new.features if name in old.features and (name not in key or len(match.again_new))]
    step = min(RUN if _in_order(match.partner) else SCATTER * len(old.batches), old.block_rows, new.block_rows)
    step = max(step, min(BLOCK, old.block_rows, new.block_rows))
    work = ((start, min(start + step, new.count), names) for start in range(0, new.count, step))
    return compare_work(old, new, key, match, work)


def _in_order(partner: np.ndarray) -> bool:
    """Whether most rows, of some that are evenly spaced, follow the partner of the one before."""
    some = partner[:: max(1, len(partner) // SAMPLE)]
    both = some[some >= 0]
    return len(both) < 2 or float((both[1:] > both[:-1]).mean()) > 0.9


def compare_work(old: Side, new: Side, key: Key, match: Match, work: Iterable[Work]) -> RowChanges:
    """Compares the cells of matched rows where the work says."""
    found: dict[str, Tally] = {}
    for tallies in in_threads(lambda block: _compare(old, new, match.partner, *block), work):
        for name, part in tallies.items():
            found.setdefault(name, Tally()).add(part)
    tallies = {name: found[name] for name in new.features if name in found}
    changed = np.zeros(new.count, bool)
    for part in tallies.values():
        for rows in part.rows:
            changed[rows] = True
    return RowChanges(old, new, key, match, np.flatnonzero(changed), tallies)


def _compare(
    old: Side, new: Side, partner: np.ndarray, start: int, stop: int, names: Sequence[str]
) -> dict[str, Tally]:
    old_rows = partner[start:stop]
    there = old_rows >= 0
    chosen = old_rows if there.all() else old_rows[there]
    if not len(chosen) or not names:
        return {}
    right = None if len(chosen) == len(old_rows) else np.flatnonzero(there)
    first, last = int(chosen[0]), int(chosen[-1]) + 1
    left = None
    # Rows in the same order are compared where they lie, those that have no partner are cut out.
    if last - first <= 2 * len(chosen) + BLOCK and (len(chosen) == 1 or (np.diff(chosen) > 0).all()):
        before = old.span(first, last, names)
        left = chosen - first if last - first > len(chosen) else None
    elif len(chosen) > len(old_rows) // 2:
        # Rows without a partner meet any row: to leave them out would be to copy all others.
        before, right = old.read(np.where(there, old_rows, first), names), None
    else:
        before = old.read(chosen, names)
    after = new.span(start, stop, names)
    found, pairs = {}, Pairs(left, right)
    for name in names:
        cells, cells_after = _column(before, old, name), _column(after, new, name)
        if left is None and right is None and _same_memory(cells, cells_after):
            continue
        unequal = differs_at(cells, cells_after, pairs)
        hits = np.flatnonzero(unequal & there if len(unequal) == len(there) else unequal)
        if len(hits):
            places, places_after = (hits if rows is None else rows[hits] for rows in (left, right))
            sides = cells.take(pa.array(places)), cells_after.take(pa.array(places_after))
            found[name] = tally(start + places_after, *sides, new.features[name])
    return found


def _column(table: pa.Table, rows: Side, name: str) -> pa.Array:
    feature: Any = rows.features[name]
    if not holds_files(feature):
        return contiguous(table[name])
    return contiguous(embed(table.select([name]), type(rows.features)({name: feature}), paths=False)[name])


def _same_memory(before: pa.Array, after: pa.Array) -> bool:
    """Whether two arrays are the same bytes of memory, as after adding a column or removing one."""
    if before.type != after.type or before.offset != after.offset or len(before) != len(after):
        return False
    pairs = zip(before.buffers(), after.buffers(), strict=True)
    return all((b is None) == (a is None) and (b is None or b.address == a.address) for b, a in pairs)
