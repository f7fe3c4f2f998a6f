"""An answer in two parts: OCR reads a page line by line, so that the words of another column stand in between.

The last resort, for answers that nothing else finds; it is slower than the rest, and strict: both parts must be whole
words, nearly as they should be, and not far from each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from hf_mbdc.transforms.misread import Difference, compare
from hf_mbdc.transforms.search import Near, SearchIndex
from hf_mbdc.transforms.votes import STRETCH, Votes, voters

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


def nearest_in_two(index: SearchIndex, votes: Votes, needle: str, limit: int) -> InTwo | None:
    """The nearest two parts of the needle; None: it is not there.

    Args:
        index: the text.
        votes: those of the needle in it; most needles that are not there have too few to look further.
        needle: folded, with spaces between its words.
        limit: edits that both parts may have together.

    Example:
        >>> text = "please pay to acme holdings date 04/03/2018 international limited thank you"
        >>> index, needle = SearchIndex(text), "acme holdings international limited"
        >>> near = nearest_in_two(index, index.votes([needle])[0], needle, 4)
        >>> text[near.start : near.end]
        'acme holdings date 04/03/2018 international limited'
    """
    best: InTwo | None = None
    wanted = _LEAST_VOTES * voters(len(needle))
    if len(needle) < _LEAST or 2 * votes.most < wanted or _most_near_each_other(votes) < wanted:
        return None
    cuts = [place for place, character in enumerate(needle) if character == " "]
    parts = [(needle[:cut], needle[cut + 1 :]) for cut in cuts if _LEAST_PART <= cut < len(needle) - _LEAST_PART]
    counted = index.votes([part for pair in parts for part in pair])
    for (head, tail), of_head, of_tail in zip(parts, counted[::2], counted[1::2], strict=True):
        heads = index.nearest(head, min(limit, len(head) // _PER_EDIT), of_head)
        tails = index.nearest(tail, min(limit, len(tail) // _PER_EDIT), of_tail) if heads else []
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


def _most_near_each_other(votes: Votes) -> int:
    """The votes for the best place and the best other one that is as near as the two parts may lie."""
    pairs = votes.stretches[:-1] + votes.stretches[1:]
    best, apart = int(pairs.argmax()), MOST_BETWEEN // STRETCH + 2
    before, after = pairs[max(0, best - apart) : max(0, best - 1)], pairs[best + 2 : best + apart]
    return votes.most + max(int(part.max()) if len(part) else 0 for part in (before, after))
