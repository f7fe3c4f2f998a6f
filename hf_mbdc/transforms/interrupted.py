"""An answer in two parts: OCR reads a page line by line, so that the words of another column stand in between.

The last resort, for answers that nothing else finds; it is slower than the rest, and strict: both parts must be whole
words, nearly as they should be, and not far from each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from hf_mbdc.transforms.misread import Difference, compare
from hf_mbdc.transforms.search import Asked, Near, SearchIndex, nearest
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


def nearest_in_two(asked: Sequence[Asked], votes: Sequence[Votes]) -> list[InTwo | None]:
    """The nearest two parts of each needle; None: it is not there.

    Args:
        asked: needles, folded, with spaces between their words; the limit is for both parts together.
        votes: those of each needle; most needles that are not there have too few to look further.

    Example:
        >>> text = "please pay to acme holdings date 04/03/2018 international limited thank you"
        >>> asked = [Asked(SearchIndex(text), "acme holdings international limited", 4)]
        >>> [near] = nearest_in_two(asked, [votes for _, votes in nearest(asked)])
        >>> text[near.start : near.end]
        'acme holdings date 04/03/2018 international limited'
    """
    cut = [
        (number, *parts)
        for number, (one, of) in enumerate(zip(asked, votes, strict=True))
        if _may_be_in_two(one.needle, of)
        for parts in _parts(one.needle)
    ]
    heads = nearest([_piece(asked[number], head) for number, head, _ in cut])
    rest = [(number, tail, near) for (number, _, tail), (near, _) in zip(cut, heads, strict=True) if near]
    tails = nearest([_piece(asked[number], tail) for number, tail, _ in rest])
    found: list[list[InTwo]] = [[] for _ in asked]
    for (number, _, before), (after, _) in zip(rest, tails, strict=True):
        found[number] += _pairs(asked[number], before, after)
    return [
        min(pairs, key=lambda near: (near.difference.edits, near.end - near.start), default=None) for pairs in found
    ]


def _may_be_in_two(needle: str, votes: Votes) -> bool:
    """Whether the needle is long enough, and its grams are near each other."""
    wanted = _LEAST_VOTES * voters(len(needle))
    return len(needle) >= _LEAST and 2 * votes.most >= wanted and _most_near_each_other(votes) >= wanted


def _parts(needle: str) -> list[tuple[str, str]]:
    """The needle cut in two at each of its spaces, but for those near its ends."""
    cuts = [place for place, character in enumerate(needle) if character == " "]
    return [(needle[:cut], needle[cut + 1 :]) for cut in cuts if _LEAST_PART <= cut < len(needle) - _LEAST_PART]


def _piece(asked: Asked, part: str) -> Asked:
    return Asked(asked.hay, part, min(asked.limit, len(part) // _PER_EDIT))


def _pairs(asked: Asked, heads: Sequence[Near], tails: Sequence[Near]) -> Iterator[InTwo]:
    """Those that stand one behind the other, not far apart."""
    for head, tail in product(heads, tails):
        if 0 < tail.start - head.end <= MOST_BETWEEN and head.distance + tail.distance <= asked.limit:
            both = f"{_text(asked.hay, head)} {_text(asked.hay, tail)}"
            yield InTwo(head.start, tail.end, compare(asked.needle, both))


def _text(index: SearchIndex, near: Near) -> str:
    return index.text[near.start : near.end]


def _most_near_each_other(votes: Votes) -> int:
    """The votes for the best place and the best other one that is as near as the two parts may lie."""
    best, apart = int(votes.stretches.argmax()), MOST_BETWEEN // STRETCH + 2
    before, after = votes.stretches[max(0, best - apart) : max(0, best - 1)], votes.stretches[best + 2 : best + apart]
    return votes.most + max(int(part.max()) if len(part) else 0 for part in (before, after))
