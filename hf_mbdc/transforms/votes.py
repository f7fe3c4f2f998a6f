"""Where in their texts do needles that are misread there begin? Every gram that both share votes.

A gram is three neighbouring characters. Each place of a gram in the text, less its place in the needle, is a vote for
the place where the needle would begin (the diagonal of the alignment). Inserted and missing characters move the
diagonal a little, so that neighbouring places count together. The needles of many texts are counted in one go: that
takes some forty array operations, whether it is one needle or a hundred.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hf_mbdc.transforms.characters import code_points

_BITS = 14  # of a gram; two may share a number
_FIRST, _SECOND, _THIRD = (np.uint16(odd) for odd in (0x79B1, 0xCA6B, 0x2F35))
_WIDTH = 3  # of the stretches of places that vote together, as a power of two
STRETCH = 1 << _WIDTH
SHORT = 12  # characters up to which misreading may leave but two grams whole
_MOST, _MOST_OF_SHORT = 4, 16  # places of a needle
_LOOKS = 3  # times as many places and others together
_LOWER = 0.25  # share of the most votes by which a second look goes lower
_GRAMS = 24  # of a needle that vote, and up to twice as many: every second, third… of a long one


class Votes(NamedTuple):
    """The votes for one needle.

    Args:
        stretches: how many grams vote for each two neighbouring `STRETCH` places; those of index 0 are before the text,
            by as much and the needle's length.
        most: the most of them.
        places: where the needle would begin, most voted first; few.
        others: the next ones, for when the needle is at none of these.
    """

    stretches: np.ndarray
    most: int
    places: list[int]
    others: list[int]


def grams(codes: np.ndarray) -> np.ndarray:
    """A number below 2 ** `_BITS` for every character with its two neighbours; the first and the last one have none.

    Args:
        codes: of the characters, unsigned integers (characters,).
    """
    low = codes.astype(np.uint16)
    return (low[:-2] * _FIRST + low[1:-1] * _SECOND + low[2:] * _THIRD) >> (16 - _BITS)


def count_votes(hays: Sequence[np.ndarray], needles: Sequence[str], of: Sequence[int]) -> list[Votes]:
    """The votes for each needle in its text.

    Args:
        hays: the grams of the texts, with a space before and behind each.
        needles: at least one character each.
        of: which text each needle is looked for in.

    Example:
        >>> hay = grams(code_points(" see the exam ple of it "))
        >>> [votes.places for votes in count_votes([hay], ["the example", "ple of it"], [0, 0])]
        [[5], [15]]
    """
    sizes = np.array(list(map(len, needles)))
    lengths = np.array(list(map(len, hays)))
    stretches = (lengths[of] + sizes >> _WIDTH) + 3  # the last one gets no votes
    rows = stretches.cumsum() - stretches
    places = _places(hays, needles, sizes, np.asarray(of), (rows << _WIDTH) - (lengths.cumsum() - lengths)[of])
    places >>= _WIDTH
    counted = np.bincount(places, minlength=rows[-1] + stretches[-1] + 1).astype(np.uint16)
    return _peaks(counted[:-1] + counted[1:], sizes, rows, stretches)


def _places(
    hays: Sequence[np.ndarray], needles: Sequence[str], sizes: np.ndarray, of: np.ndarray, begins: np.ndarray
) -> np.ndarray:
    """Every place voted for; `begins` is what is added to those of each needle, to keep them apart."""
    wanted = grams(code_points(f" {'  '.join(needles)} "))
    needle = np.arange(len(needles)).repeat(sizes + 2)[: len(wanted)]  # with the two grams between needles
    within = np.arange(len(wanted)) - ((sizes + 2).cumsum() - (sizes + 2)).take(needle)
    voting = ((within % _step(sizes).take(needle) == 0) & (within < sizes.take(needle))).nonzero()[0]
    needle = needle.take(voting)
    keys = (of.take(needle) << _BITS) + wanted.take(voting)
    order = keys.argsort(kind="stable")
    keys, shifts = keys.take(order), ((begins + sizes + STRETCH).take(needle) - within.take(voting)).take(order)
    ends = np.append((keys[1:] != keys[:-1]).nonzero()[0] + 1, len(keys))  # of equal grams
    times = np.diff(ends, prepend=0)
    known = np.zeros((len(hays), 1 << _BITS), dtype=np.int32)
    known.ravel()[keys.take(ends - 1)] = np.arange(1, len(ends) + 1)
    # For every place in the texts the needles' equal grams, all of them where there are several.
    equal = np.concatenate([of_text.take(hay) for of_text, hay in zip(known, hays, strict=True)])
    at = (equal != 0).nonzero()[0]  # of booleans: several times as fast
    equal = equal.take(at) - 1
    counts = times.take(equal)
    done = counts.cumsum()
    pairs = np.arange(done[-1] if len(done) else 0) + (ends.take(equal) - done).repeat(counts)
    return at.repeat(counts) + shifts.take(pairs)


def _peaks(pairs: np.ndarray, sizes: np.ndarray, rows: np.ndarray, stretches: np.ndarray) -> list[Votes]:
    """The votes of each needle, of those of all for two neighbouring stretches."""
    most = np.maximum.reduceat(pairs, rows)
    enough, least = _enough(sizes, most)
    high = (pairs >= least.repeat(stretches)[: len(pairs)]).nonzero()[0]
    votes = pairs.take(high)
    top = ((votes >= pairs.take(high - 1)) & (votes > pairs.take(high + 1, mode="clip"))).nonzero()[0]
    needle = rows.searchsorted(high.take(top), side="right") - 1
    order = np.lexsort((-votes.take(top).astype(np.int32), needle))
    top, needle = top.take(order), needle.take(order)
    rank = np.arange(len(needle)) - needle.searchsorted(needle)
    allowed = np.where(sizes <= SHORT, _MOST_OF_SHORT, _MOST).take(needle)
    kept = (rank < _LOOKS * allowed).nonzero()[0]
    first = (rank < allowed) & (votes.take(top) >= enough.take(needle))
    top, needle, first = top.take(kept), needle.take(kept), first.take(kept)
    begins = ((high.take(top) - rows.take(needle) << _WIDTH) - sizes.take(needle)).tolist()
    until = needle.searchsorted(np.arange(len(sizes)), side="right")
    from_, firsts = np.append(0, until[:-1]), np.bincount(needle[first], minlength=len(sizes))
    own = zip(rows.tolist(), (rows + stretches).tolist(), most.tolist(), strict=True)
    looks = zip(from_.tolist(), (from_ + firsts).tolist(), until.tolist(), strict=True)
    return [
        Votes(pairs[row:stop], count, begins[begin:middle], begins[middle:end])
        for (row, stop, count), (begin, middle, end) in zip(own, looks, strict=True)
    ]


def voters(size: int) -> int:
    """How many grams of a needle of that many characters vote."""
    return -(-size // max(1, size // _GRAMS))


def _step(sizes: np.ndarray) -> np.ndarray:
    return np.maximum(1, sizes // _GRAMS)


def _enough(sizes: np.ndarray, most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How many votes make a place worth a look, by each needle's size and the most that it has anywhere; and a second.

    The places with fewer votes are looked at where the needle is at none of the first ones.
    """
    all_of_them = -(-sizes // _step(sizes))
    share = np.where(2 * most.astype(np.int32) > all_of_them, 0.75, 0.6)
    few = most < np.maximum(2, all_of_them // 6)
    both = []
    for part in (share, share - _LOWER):
        enough = np.where(sizes <= SHORT, 2, np.maximum(2, np.ceil(part * most)))
        both.append(np.where(few, most + 1, enough).astype(np.uint16))
    return both[0], both[1]
