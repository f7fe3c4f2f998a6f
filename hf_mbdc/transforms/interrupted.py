"""An answer in two parts: OCR reads a page line by line, so that the words of another column stand in between.

The last resort, for answers that nothing else finds; it is slower than the rest, and strict: both parts must be whole
words, nearly as they should be, and not far from each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from hf_mbdc.transforms.misread import Difference, compare
from hf_mbdc.transforms.search import STRETCH, Near, SearchIndex

MOST_BETWEEN = 200  # characters between the two parts
_LEAST_PART = 6  # characters of a part
_LEAST = 16  # characters of both
_PER_EDIT = 8  # characters of a part for each that may differ
_LEAST_VOTES = 0.6  # of the needle's grams, near each other


@dataclass(frozen=True)
class InTwo:
    """The smallest range `start:end` around both parts, and how they, put together, differ from the needle."""

    start: int
    end: int
    difference: Difference


def nearest_in_two(index: SearchIndex, votes: np.ndarray, needle: str, limit: int) -> InTwo | None:
    """The nearest two parts of the needle; None: it is not there.

    Args:
        index: the text.
        votes: those of the needle in it; most needles that are not there have too few to look further.
        needle: folded, with spaces between its words.
        limit: edits that both parts may have together.

    Example:
        >>> text = "please pay to acme holdings date 04/03/2018 international limited thank you"
        >>> index, needle = SearchIndex(text), "acme holdings international limited"
        >>> near = nearest_in_two(index, index.votes(needle), needle, 4)
        >>> text[near.start : near.end]
        'acme holdings date 04/03/2018 international limited'
    """
    best: InTwo | None = None
    if len(needle) < _LEAST or _most_near_each_other(votes) < _LEAST_VOTES * len(needle):
        return None
    for cut in (place for place, character in enumerate(needle) if character == " "):
        head, tail = needle[:cut], needle[cut + 1 :]
        if min(len(head), len(tail)) < _LEAST_PART:
            continue
        heads = index.nearest(head, min(limit, len(head) // _PER_EDIT))
        tails = index.nearest(tail, min(limit, len(tail) // _PER_EDIT)) if heads else []
        for first, second in product(heads, tails):
            if 0 < second.start - first.end <= MOST_BETWEEN and first.distance + second.distance <= limit:
                both = f"{_text(index, first)} {_text(index, second)}"
                near = InTwo(first.start, second.end, compare(needle, both))
                if best is None or _order(near) < _order(best):
                    best = near
    return best


def _text(index: SearchIndex, near: Near) -> str:
    return index.text[near.start : near.end]


def _order(near: InTwo) -> tuple[int, int]:
    return near.difference.edits, near.end - near.start


def _most_near_each_other(votes: np.ndarray) -> int:
    """The votes for the best place and the best other one that is as near as the two parts may lie."""
    votes = votes[:-1] + votes[1:]
    best, apart = int(votes.argmax()), MOST_BETWEEN // STRETCH + 2
    before, after = votes[max(0, best - apart) : max(0, best - 1)], votes[best + 2 : best + apart]
    return int(votes[best]) + max(int(part.max()) if len(part) else 0 for part in (before, after))
