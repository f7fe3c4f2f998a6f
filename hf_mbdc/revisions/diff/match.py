"""Which row of the new side is which of the old one, by their keys.

Keys that do not ascend (see `ascending.py`) meet in one sort of 64-bit numbers: bits of the key's hash, the side and
the row, packed in one word. NumPy sorts these with vector instructions, and after it equal keys stand side by side; the
keys themselves are compared afterwards, so that a collision of hashes cannot pair two rows. Of keys that one side has
several times the first is paired with the first of the other side, the second with the second.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from hf_mbdc.revisions.cells import differs
from hf_mbdc.revisions.diff.ascending import ascends, match_ascending
from hf_mbdc.revisions.diff.keys import Key, hash_keys, key_arrays
from hf_mbdc.revisions.diff.threads import in_threads

if TYPE_CHECKING:
    from hf_mbdc.revisions.rows import Rows

BLOCK = 1 << 15  # rows whose keys are read at once: what that takes stays in the fast caches
MANY = 1 << 18  # rows from which on they are matched in parts, in threads
PART_BITS = 3  # of a hash, that tell its part


@dataclass(frozen=True)
class Match:
    """`partner[i]`: the old row that is row i of new, −1 for none. `again_old`, `again_new`: rows whose key may be in
    their side more than once, ascending."""

    partner: np.ndarray
    again_old: np.ndarray
    again_new: np.ndarray


def match_rows(old: Rows, new: Rows, key: Key) -> Match:
    """Pairs the rows of both sides whose keys are equal; null equals null."""
    old, new = old.select(key), new.select(key)
    if len(key) == 1 and old.count and new.count and ascends(old) and ascends(new):
        nothing = np.empty(0, np.int64)
        return Match(match_ascending(old, new), nothing, nothing)
    hashes = _hashes(old), _hashes(new)
    match = match_hashes(*hashes)
    blocks = in_threads(lambda start: _collisions(old, new, match, start), _starts(new))
    wrong = np.concatenate([np.empty(0, np.int64), *blocks])
    return _match_again(old, new, *hashes, match, np.unique(hashes[1][wrong])) if len(wrong) else match


def _starts(rows: Rows) -> range:
    return range(0, rows.count, BLOCK)


def _hashes(keys: Rows) -> np.ndarray:
    spans = (keys.span(start, min(start + BLOCK, keys.count)) for start in _starts(keys))
    parts = list(in_threads(lambda table: hash_keys(key_arrays(table)), spans))
    return np.concatenate(parts) if parts else np.empty(0, np.uint64)


def match_hashes(old: np.ndarray, new: np.ndarray) -> Match:
    """Pairs rows by their hashes, wherever they stand."""
    partner = np.full(len(new), -1, np.int64)
    many = max(len(old), len(new)) > MANY

    def pair(part: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        rows_old, rows_new = part
        found, again_old, again_new = _pair(old[rows_old], new[rows_new])
        partner[rows_new[found[1]]] = rows_old[found[0]]  # parts have no rows in common
        return rows_old[again_old], rows_new[again_new]

    parts = zip(*in_threads(_parts if many else _one_part, (old, new)), strict=True)
    again = list(in_threads(pair, parts))
    return Match(partner, *(np.sort(np.concatenate(rows)) for rows in zip(*again, strict=True)))


def _one_part(hashes: np.ndarray) -> list[np.ndarray]:
    return [np.arange(len(hashes))]


def _parts(hashes: np.ndarray) -> list[np.ndarray]:
    """The rows of each part, ascending."""
    part = (hashes >> np.uint64(64 - PART_BITS)).astype(np.uint8)
    order = np.argsort(part, kind="stable")  # of bytes: a radix sort
    return np.split(order, np.cumsum(np.bincount(part, minlength=1 << PART_BITS))[:-1])


def _pair(old: np.ndarray, new: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """Pairs of rows (old, new) with the same hash, and the rows whose hash is in their side more than once."""
    bits = np.uint64(max(len(old), len(new), 1).bit_length())
    shift, side = bits + np.uint64(1), np.uint64(1) << bits
    packed = np.concatenate([_packed(old, shift), _packed(new, shift) | side])
    packed.sort()
    # How two neighbours differ, above their rows: 0 as two rows of one side with equal bits of their hash, 1 as an old
    # row and then a new one with equal bits, more where the bits are others.
    apart = (packed[1:] ^ packed[:-1]) >> bits
    same = np.zeros(len(packed) + 1, bool)  # same[i]: the entries i − 1 and i have the same bits of their hash
    np.less_equal(apart, 1, out=same[1:-1])
    two = (apart == 1) & ~same[:-2] & ~same[2:]  # the usual case
    first = np.flatnonzero(two)
    pairs_old, pairs_new = _row(packed[first], side), _row(packed[first + 1], side)
    right = old[pairs_old] == new[pairs_new]  # the bits that had no place in the packed word
    rest = same[:-1] | same[1:]
    rest[first] = rest[first + 1] = False
    if not rest.any():
        nothing = np.empty(0, np.int64)
        return (pairs_old[right], pairs_new[right]), nothing, nothing
    crowd = packed[rest]
    is_new = (crowd & side) != 0
    more, again_old, again_new = _pair_crowds(old, new, _row(crowd[~is_new], side), _row(crowd[is_new], side))
    pairs = (np.concatenate([pairs_old[right], more[0]]), np.concatenate([pairs_new[right], more[1]]))
    return pairs, again_old, again_new


def _packed(hashes: np.ndarray, shift: np.uint64) -> np.ndarray:
    # The lowest bits of the hash stay: the highest are the same within a part.
    return (hashes << shift) | np.arange(len(hashes), dtype=np.uint64)


def _row(packed: np.ndarray, side: np.uint64) -> np.ndarray:
    return (packed & (side - np.uint64(1))).view(np.int64)


def _pair_crowds(
    old: np.ndarray, new: np.ndarray, rows_old: np.ndarray, rows_new: np.ndarray
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """The same for the rows whose hash, or what is left of it, more than two rows have; by the whole hash."""
    rows = np.concatenate([rows_old, rows_new])
    is_new = np.arange(len(rows)) >= len(rows_old)
    hashes = np.concatenate([old[rows_old], new[rows_new]])
    order = np.lexsort((rows, is_new, hashes))
    rows, is_new, hashes = rows[order], is_new[order], hashes[order]
    starts = np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))
    sizes = np.diff(np.append(starts, len(rows)))
    olds = np.add.reduceat(~is_new, starts, dtype=np.int64)
    start, of_old, of_new = (np.repeat(counts, sizes) for counts in (starts, olds, sizes - olds))
    rank = np.arange(len(rows)) - start - np.where(is_new, of_old, 0)
    paired = np.flatnonzero(is_new & (rank < of_old))
    pairs = (rows[start[paired] + rank[paired]], rows[paired])
    return pairs, rows[~is_new & (of_old > 1)], rows[is_new & (of_new > 1)]


def _collisions(old: Rows, new: Rows, match: Match, start: int) -> np.ndarray:
    """The new rows of a block that were paired with an old row of another key."""
    partner = match.partner[start : start + BLOCK]
    there = partner >= 0
    if not there.any():
        return np.empty(0, np.int64)
    # Rows without a partner meet any row: to leave them out would be to copy all others.
    before = key_arrays(old.read(np.where(there, partner, partner[there.argmax()])))
    after = key_arrays(new.span(start, start + len(partner)))
    wrong = np.zeros(len(partner), bool)
    for left, right in zip(before, after, strict=True):
        wrong |= differs(left, right)
    return start + np.flatnonzero(wrong & there)


def _match_again(
    old: Rows, new: Rows, old_hashes: np.ndarray, new_hashes: np.ndarray, match: Match, collided: np.ndarray
) -> Match:
    """Pairs the rows of hashes that different keys have, by the keys: so rare that a loop will do."""
    partner = match.partner.copy()
    rows_old, rows_new = (np.flatnonzero(np.isin(hashes, collided)) for hashes in (old_hashes, new_hashes))
    places: defaultdict[Sequence[object], list[int]] = defaultdict(list)
    for row, value in zip(rows_old[::-1].tolist(), _tuples(old, rows_old[::-1]), strict=True):
        places[value].append(row)
    for row, value in zip(rows_new.tolist(), _tuples(new, rows_new), strict=True):
        partner[row] = places[value].pop() if places[value] else -1
    return Match(partner, match.again_old, match.again_new)


def _tuples(keys: Rows, rows: np.ndarray) -> list[tuple[object, ...]]:
    columns = key_arrays(keys.read(rows))
    texts = [c if pa.types.is_integer(c.type) else c.cast(pa.large_binary()) for c in columns]
    return list(zip(*(column.to_pylist() for column in texts), strict=True))
