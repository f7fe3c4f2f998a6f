"""Which row of the new side is which of the old one, where the keys of both ascend, as those of most published data do.

No key is there twice then, and rows that both sides have stand in the same order. Every block of new keys is looked up
between the places in old where its first and its last key belong.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hf_mbdc.revisions.diff.keys import ascending, key_arrays
from hf_mbdc.revisions.diff.threads import in_threads
from hf_mbdc.revisions.rows import text_buffers

if TYPE_CHECKING:
    from hf_mbdc.revisions.rows import Rows

BLOCK = 1 << 16  # rows whose keys are looked up at once: what that takes stays in the fast caches
STRIDE = 64  # of that many keys one is searched for, and the others are guessed from it
WORD = 8  # bytes


def ascends(keys: Rows) -> bool:
    """Whether the values of a single column grow strictly from row to row."""
    # One row more than the block, so that neighbours in two blocks are compared as well.
    head = key_arrays(keys.span(0, min(keys.count, 100)))[0]
    if not ascending(head):
        return False
    spans = (keys.span(start, min(start + BLOCK + 1, keys.count)) for start in _starts(keys))
    return all(in_threads(lambda table: ascending(key_arrays(table)[0]), spans))


def match_ascending(old: Rows, new: Rows) -> np.ndarray:
    """For each new row its old row, or −1; of keys that ascend on both sides, of which neither is empty."""
    partner = np.full(new.count, -1, np.int64)
    heads = [_comparable(old.span(start, start + 1).column(0)[0]) for start in _starts(old)]

    def look_up(start: int) -> None:
        stop = min(start + BLOCK, new.count)
        keys = key_arrays(new.span(start, stop))[0]
        low, high = _place(old, heads, keys[0]), _place(old, heads, keys[-1], after=True)
        found = key_arrays(old.span(low, high))[0]
        if keys.type != found.type:
            keys, found = keys.cast(_wider(keys, found)), found.cast(_wider(keys, found))
        if keys.equals(found):
            partner[start:stop] = np.arange(low, high)
            return
        place = _look_up(keys, found)
        partner[start:stop] = np.where(place >= 0, place + low, -1)

    for _ in in_threads(look_up, _starts(new)):
        pass
    return partner


def _starts(rows: Rows) -> range:
    return range(0, rows.count, BLOCK)


def _place(keys: Rows, heads: Sequence[Any], value: pa.Scalar, *, after: bool = False) -> int:
    """How many of the ascending keys are below a value, with `after` also those equal to it.

    Args:
        heads: the first key of every block.
    """
    wanted = _comparable(value)
    block = bisect.bisect_right(heads, wanted) - 1
    if block < 0:
        return 0
    start = block * BLOCK
    found = key_arrays(keys.span(start, min(start + BLOCK, keys.count)))[0]
    search = bisect.bisect_right if after else bisect.bisect_left
    return start + search(found, wanted, key=_comparable)


def _comparable(value: pa.Scalar) -> Any:
    if isinstance(value, pa.DictionaryScalar):
        value = value.value
    # Arrow orders texts by their bytes, and a file may hold texts that are no valid UTF-8.
    return value.as_py() if pa.types.is_integer(value.type) else bytes(value.as_buffer())


def _wider(left: pa.Array, right: pa.Array) -> pa.DataType:
    if pa.types.is_integer(left.type):
        return pa.uint64() if pa.uint64() in (left.type, right.type) else pa.int64()
    return pa.large_string()


def _look_up(keys: pa.Array, found: pa.Array) -> np.ndarray:
    """Where each of some ascending keys stands among others that ascend, −1 for nowhere."""
    if not len(keys) or not len(found):
        return np.full(len(keys), -1, np.int64)
    sides = _as_numbers(keys, found)
    if sides is None:
        return pc.index_in(keys, value_set=found).fill_null(-1).to_numpy()
    return find(*sides)


def find(wanted: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Where each of some ascending numbers stands among others that ascend, −1 for nowhere.

    Most rows stand as far from a neighbour as its partner does on the other side: a guess that a look proves right is
    a quarter of the work of a search.

    Example:
        >>> find(np.array([2, 3, 7]), np.array([1, 2, 4, 7])).tolist()
        [1, -1, 3]
    """
    marks = np.arange(0, len(wanted), STRIDE)
    ahead = np.searchsorted(there, wanted[marks]) - marks
    last = len(there) - 1
    place = np.arange(len(wanted)) + np.repeat(ahead, STRIDE)[: len(wanted)]
    np.minimum(place, last, out=place)
    rest = np.flatnonzero(there[place] != wanted)
    # Behind a row that came or went, the guess is that of the next mark.
    place[rest] = np.clip(rest + np.append(ahead[1:], ahead[-1])[rest // STRIDE], 0, last)
    rest = rest[there[place[rest]] != wanted[rest]]
    searched = np.minimum(np.searchsorted(there, wanted[rest]), last)
    place[rest] = np.where(there[searched] == wanted[rest], searched, -1)
    return place


def _as_numbers(left: pa.Array, right: pa.Array) -> tuple[np.ndarray, np.ndarray] | None:
    """Both as numbers in the same order: whole numbers, or texts that differ within 8 bytes.

    None where they differ in more, or where two texts could be the same number.
    """
    if pa.types.is_integer(left.type):
        return left.to_numpy(), right.to_numpy()
    sides = [text_buffers(side) for side in (left, right)]
    sizes = [np.diff(starts) for starts, _ in sides]
    longest, shortest = max(int(size.max()) for size in sizes), min(int(size.min()) for size in sizes)
    # Of ascending texts the first and the last tell what all of them begin with.
    ends = sorted(_comparable(side[at]) for side in (left, right) for at in (0, -1))
    lead = next((i for i, (a, b) in enumerate(zip(ends[0], ends[-1], strict=False)) if a != b), len(ends[0]))
    if longest - lead > WORD:
        return None
    if longest == shortest >= WORD:
        first, second = (
            np.ndarray(len(starts) - 1, ">u8", data, int(starts[0]) + longest - WORD, (longest,)).astype(np.uint64)
            for starts, data in sides
        )
        return first, second
    at = max(longest - WORD, 0)
    found = [_padded(starts + at, data, size - at) for (starts, data), size in zip(sides, sizes, strict=True)]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _padded(starts: np.ndarray, data: np.ndarray, sizes: np.ndarray) -> np.ndarray | None:
    """Texts of at most 8 bytes as numbers, zeros after those that are shorter; None where one ends with a zero."""
    first = int(starts[0])
    data = np.append(data[first : int(starts[-1])], np.zeros(WORD, np.uint8))  # a word may reach over the end
    words = np.ndarray(len(data) - WORD + 1, ">u8", data, 0, (1,))[starts[:-1] - first].astype(np.uint64)
    beyond = (8 * (WORD - np.maximum(sizes, 1))).astype(np.uint64)  # bits of what follows the text
    numbers = np.where(sizes > 0, words >> beyond, 0)
    if ((numbers & np.uint64(0xFF) == 0) & (sizes > 0)).any():
        return None
    return numbers << beyond
