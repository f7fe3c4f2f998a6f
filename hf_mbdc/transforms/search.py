"""Approximate search: which parts of their texts are nearest to needles, and where exactly do they begin and end?

Three steps, the first two for all needles in one go:

1. The grams that needle and text share vote for places (`votes`).
2. Near each place, the needle is cut out where that costs the least edits (`cuts`): at the borders of words, or inside
   a word that one of its ends is stuck to.
3. A cut inside a word must leave the needle's own word, and another word in place of its first or last is none of it.
   The distance is rapidfuzz's Levenshtein distance, which knows no limit of 64 or 256 characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.characters import SPACE, code_points, cuts, kinds_of
from hf_mbdc.transforms.cuts import INSIDE, NOWHERE, Borders, Cuts, farthest
from hf_mbdc.transforms.votes import Votes, count_votes, grams

_AT_ONCE = 1 << 21  # characters of texts that needles look at in one go; keeps the memory flat
_LEFT_OVER = 3  # characters of a word that a cut leaves out; fewer are misread ones
_SHORT_WORD = 2  # characters of which misreading may leave none


class Near(NamedTuple):
    """A part of the text, `start:end`, and its Levenshtein distance to the needle."""

    start: int
    end: int
    distance: int


class SearchIndex:
    """A text made ready for approximate search.

    Args:
        text: without whitespace at its ends.
        free: where it may be cut, bool (characters + 1,); None: where a word begins or ends (`characters.cuts`).
    """

    def __init__(self, text: str, free: np.ndarray | None = None) -> None:
        self.text = text
        codes = code_points(f" {text} ")
        self.grams = grams(codes)
        kinds = kinds_of(text)
        free = cuts(kinds) if free is None else free
        inked = (kinds & SPACE) == 0
        begins, ends = free.copy(), free.copy()
        begins[:-1] &= inked
        ends[1:] &= inked
        inside = np.uint8(NOWHERE - INSIDE) * ~(free[:-2] | free[1:-1] | free[2:])
        self.borders = Borders(codes[1:-1], np.uint8(NOWHERE) * ~begins, np.uint8(NOWHERE) * ~ends)
        self.borders.begins[_LEFT_OVER - 1 :] -= inside
        self.borders.ends[: 1 - _LEFT_OVER] -= inside

    def is_repeated(self, word: str) -> bool:
        """Whether a word stands more than once between spaces."""
        first = self._padded.find(f" {word} ")
        return first >= 0 and self._padded.find(f" {word} ", first + 1) >= 0

    @cached_property
    def _padded(self) -> str:
        return f" {self.text} "


class Asked(NamedTuple):
    """What is looked for: a needle, of at least one character, in a text, with at most `limit` edits."""

    hay: SearchIndex
    needle: str
    limit: int


def nearest(asked: Sequence[Asked]) -> list[tuple[list[Near], Votes]]:
    """The parts of each text that are nearest to its needle, nearest first, and the votes; the parts may overlap.

    Parts that are much farther than the nearest one are left out. Nothing depends on what else is asked.

    Example:
        >>> [(found, _)] = nearest([Asked(SearchIndex("see the exam ple of it"), "the example of", 3)])
        >>> found
        [Near(start=4, end=19, distance=1)]
    """
    return [one for part in _parts(asked) for one in _nearest(part)]


def _parts(asked: Sequence[Asked]) -> Iterator[Sequence[Asked]]:
    begin = characters = 0
    for place, one in enumerate(asked):
        characters += len(one.hay.text)
        if characters > _AT_ONCE and place > begin:
            yield asked[begin:place]
            begin, characters = place, len(one.hay.text)
    if begin < len(asked):
        yield asked[begin:]


def _nearest(asked: Sequence[Asked]) -> Iterator[tuple[list[Near], Votes]]:
    indexes = {id(one.hay): one.hay for one in asked}
    number = {key: place for place, key in enumerate(indexes)}
    of = [number[id(one.hay)] for one in asked]
    needles = [one.needle for one in asked]
    votes = count_votes([index.grams for index in indexes.values()], needles, of)
    places = [place for vote in votes for place in vote.places]
    found: list[list[Near]] = [[] for _ in asked]
    if places:
        cutter = Cuts([index.borders for index in indexes.values()], of, needles, [one.limit for one in asked])
        which = np.arange(len(asked)).repeat([len(vote.places) for vote in votes])
        for place, begin, end in cutter.find(which, np.array(places)):
            if begin < end and (near := _near(asked[place], begin, end)):
                found[place].append(near)
    return zip(map(_nearest_first, found, map(len, needles)), votes, strict=True)


def _near(asked: Asked, begin: int, end: int) -> Near | None:
    """The part without a first or last word that is none of the needle's; None: it is too far, or badly cut."""
    (text, borders), needle = (asked.hay.text, asked.hay.borders), asked.needle
    first, _, _ = needle.partition(" ")
    _, _, last = needle.rpartition(" ")
    if borders.begins[begin] and not _is_own_word(text[begin:end].partition(" ")[0], first):
        return None
    if borders.ends[end] and not _is_own_word(text[begin:end].rpartition(" ")[2], last):
        return None
    near = Near(begin, end, Levenshtein.distance(needle, text[begin:end]))
    if near.distance >= _SHORT_WORD:
        cut = text.rfind(" ", begin, end)
        if cut > 0 and _is_other_word(text[cut + 1 : end], last):
            near = _shorter(near, begin, cut, needle, text)
        cut = text.find(" ", begin, near.end)
        if cut > 0 and _is_other_word(text[begin:cut], first):
            near = _shorter(near, cut + 1, near.end, needle, text)
    return near if near.distance <= asked.limit else None


def _shorter(near: Near, begin: int, end: int, needle: str, text: str) -> Near:
    """The shorter part, if it is as near but for the space before a word of the needle that is not there."""
    distance = Levenshtein.distance(needle, text[begin:end])
    return Near(begin, end, distance) if distance <= near.distance + 1 else near


def _is_own_word(found: str, own: str) -> bool:
    """Whether what a cut leaves of a word can be the needle's own word."""
    return Levenshtein.distance(found, own) < max(2, len(own) // 2)


def _is_other_word(found: str, own: str) -> bool:
    """Whether a word has nothing in common with the needle's."""
    return len(own) > _SHORT_WORD and set(own).isdisjoint(found)


def _nearest_first(found: list[Near], size: int) -> list[Near]:
    if len(found) < 2:
        return found
    most = farthest(min(near.distance for near in found), size)
    near = [near for near in set(found) if near.distance <= most]
    return sorted(near, key=lambda near: (near.distance, abs(near.end - near.start - size), near.start))
