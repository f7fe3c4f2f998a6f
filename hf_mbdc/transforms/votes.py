"""Where in a text do needles that are misread there begin? Every gram they share with it votes.

A gram is three neighbouring characters. Each place of a gram in the text, less its place in the needle, is a vote for
the place where the needle would begin (the diagonal of the alignment). Inserted and missing characters move the
diagonal a little, so that neighbouring places count together. All needles of a text are counted in one go: that takes
some twenty array operations, whether it is one needle or ten.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from math import ceil
from typing import NamedTuple

import numpy as np

from hf_mbdc.transforms.characters import code_points

_BITS = 14  # of a gram; two may share a number
_FIRST, _SECOND, _THIRD = (np.uint16(odd) for odd in (0x79B1, 0xCA6B, 0x2F35))
_WIDTH = 3  # of the stretches of places that vote together, as a power of two
STRETCH = 1 << _WIDTH
SHORT = 12  # characters up to which misreading may leave but two grams whole
_MOST, _MOST_OF_SHORT = 4, 16  # places of a needle
_GRAMS = 24  # of a needle that vote, and up to twice as many: every second, third… of a long one
_AT_ONCE = 32  # needles


class Votes(NamedTuple):
    """The votes for one needle.

    Args:
        stretches: how many grams vote for each `STRETCH` places; those of index 0 are before the text, by as much and
            the needle's length.
        most: the most for two neighbouring stretches.
        places: where the needle would begin, most voted first; few.
    """

    stretches: np.ndarray
    most: int
    places: list[int]


def grams(text: str) -> np.ndarray:
    """A number below 2 ** `_BITS` for every character with its two neighbours, those at the ends beside a space."""
    codes = code_points(f" {text} ").astype(np.uint16)
    return (codes[:-2] * _FIRST + codes[1:-1] * _SECOND + codes[2:] * _THIRD) >> (16 - _BITS)


def count_votes(hay: np.ndarray, needles: Sequence[str]) -> list[Votes]:
    """The votes for each needle.

    Args:
        hay: the grams of the text.
        needles: at least one character each.

    Example:
        >>> [votes.places for votes in count_votes(grams("see the exam ple of it"), ["the example", "ple of it"])]
        [[5], [15]]
    """
    votes: list[Votes] = []
    for first in range(0, len(needles), _AT_ONCE):
        part = needles[first : first + _AT_ONCE]
        sizes = [len(needle) for needle in part]
        stretches = (len(hay) + max(sizes) >> _WIDTH) + 3  # the last one gets no votes
        places = _places(hay, part, sizes, stretches << _WIDTH)
        counted = np.bincount(places >> _WIDTH, minlength=len(part) * stretches + 2)
        votes += _peaks(counted, sizes, stretches)
    return votes


def _places(hay: np.ndarray, needles: Sequence[str], sizes: Sequence[int], apart: int) -> np.ndarray:
    """Every place voted for; those of each needle are by `apart` higher than those of the one before."""
    wanted = grams("  ".join(needles))
    apiece = [size + 2 for size in sizes]  # with the two between needles, which stand nowhere in the text
    of = np.arange(len(needles)).repeat(apiece)[: len(wanted)]
    begins = np.array([0, *accumulate(apiece[:-1])])
    within = np.arange(len(wanted)) - begins.take(of)
    voting = (within % np.array(list(map(_step, sizes))).take(of) == 0).nonzero()[0]
    shifts = (np.arange(len(needles)) * apart + STRETCH + np.array(sizes)).take(of) - within
    wanted = wanted.take(voting)
    order = wanted.argsort(kind="stable")
    wanted, at_needle = wanted.take(order), shifts.take(voting.take(order))
    ends = np.append((wanted[1:] != wanted[:-1]).nonzero()[0] + 1, len(wanted))  # of equal grams
    times = ends.copy()
    times[1:] -= ends[:-1]
    known = np.zeros(1 << _BITS, dtype=np.int32)
    known[wanted.take(ends - 1)] = np.arange(1, len(ends) + 1)
    # For every place in the text the needles' equal grams, all of them where there are several.
    equal = known.take(hay)
    at = (equal != 0).nonzero()[0]
    equal = equal.take(at) - 1
    counts = times.take(equal)
    done = counts.cumsum()
    pairs = np.arange(done[-1] if len(done) else 0) + (ends.take(equal) - done).repeat(counts)
    return at.repeat(counts) + at_needle.take(pairs)


def _peaks(counted: np.ndarray, sizes: Sequence[int], stretches: int) -> list[Votes]:
    """The votes of each needle, of those of all."""
    pairs = counted[:-1] + counted[1:]
    rows = pairs[:-1].reshape(len(sizes), stretches)
    most = rows.max(axis=1).tolist()
    enough = np.array(list(map(_enough, sizes, most)))
    high = (rows >= enough[:, None]).ravel().nonzero()[0]
    votes = pairs.take(high)
    top = ((votes >= pairs.take(high - 1)) & (votes > pairs.take(high + 1))).nonzero()[0]
    top = top[(-votes[top]).argsort(kind="stable")]
    places: list[list[int]] = [[] for _ in sizes]
    for peak in high[top].tolist():
        row, stretch = divmod(peak, stretches)
        if len(places[row]) < (_MOST_OF_SHORT if sizes[row] <= SHORT else _MOST):
            places[row].append((stretch << _WIDTH) - sizes[row])
    return list(map(Votes, counted[:-2].reshape(rows.shape), most, places))


def voters(size: int) -> int:
    """How many grams of a needle of that many characters vote."""
    return -(-size // _step(size))


def _step(size: int) -> int:
    return max(1, size // _GRAMS)


def _enough(size: int, most: int) -> int:
    """How many votes make a place worth a look, by the needle's size and the most that it has anywhere."""
    all_of_them = voters(size)
    if most < max(2, all_of_them // 6):
        return most + 1
    if size <= SHORT:
        return 2
    return max(2, ceil((0.75 if 2 * most > all_of_them else 0.6) * most))
