"""Approximate search: which parts of their texts are nearest to needles, and where exactly do they begin and end?

Three steps, the first two for all needles in one go:

1. The grams that needle and text share vote for places (`votes`).
2. Near each place, the needle is cut out where that costs the least edits (`cuts`): at the borders of words, or inside
   a word that one of its ends is stuck to.
3. A cut inside a word must leave the needle's own word, and another word in place of its first or last is none of it.
   The distance is rapidfuzz's Levenshtein distance, which knows no limit of 64 or 256 characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

import numpy as np
from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.characters import code_points, cuts, digits_in_words, kinds_of
from hf_mbdc.transforms.cuts import INSIDE, NOWHERE, Borders, Cuts, farthest
from hf_mbdc.transforms.votes import Votes, count_votes, grams

# What is looked at in one go keeps the memory flat and the processor's cache warm.
_CHARACTERS_AT_ONCE = 1 << 20  # of texts, for each needle
_PLACES_AT_ONCE = 1 << 11
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

    Attributes:
        noise: digits inside its words (`characters.digits_in_words`), as a sign of misreading; 0 where `free` is given.
    """

    def __init__(self, text: str, free: np.ndarray | None = None) -> None:
        self.text = text
        codes = code_points(f" {text} ")
        self.grams = grams(codes)
        self.noise = 0.0
        if free is None:
            kinds = kinds_of(text)
            free, self.noise = cuts(kinds), digits_in_words(kinds)
        # 0 or 1 each, so that one operation looks at many places.
        stuck, space = (~free).view(np.uint8), (codes[1:-1] == ord(" ")).view(np.uint8)
        begins, ends = stuck.copy(), stuck.copy()
        begins[:-1] |= space
        ends[1:] |= space
        begins *= np.uint8(NOWHERE)
        ends *= np.uint8(NOWHERE)
        inside = (stuck[:-2] & stuck[1:-1] & stuck[2:]) * np.uint8(NOWHERE - INSIDE)
        begins[_LEFT_OVER - 1 :] -= inside
        ends[: 1 - _LEFT_OVER] -= inside
        self.borders = Borders(codes[1:-1], begins, ends)

    def count(self, word: str) -> int:
        """How often a word stands between spaces, those side by side counted once for two."""
        return self._padded.count(f" {word} ")

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
    votes = vote(asked)
    return list(zip(near_places(asked, [of.places for of in votes]), votes, strict=True))


def vote(asked: Sequence[Asked]) -> list[Votes]:
    """Where the grams of each needle say that it is."""
    return [
        votes
        for part in _parts(asked, (len(one.hay.text) for one in asked), _CHARACTERS_AT_ONCE)
        for votes in _count_votes(part)
    ]


def _count_votes(asked: Sequence[Asked]) -> list[Votes]:
    texts, of = _each_once([one.hay.grams for one in asked])
    return count_votes(texts, [one.needle for one in asked], of)


def near_places(asked: Sequence[Asked], places: Sequence[Sequence[int]]) -> list[list[Near]]:
    """The parts near places where each needle may begin, nearest first, but those much farther than the nearest one."""
    found: list[list[Near]] = []
    sizes = [len(where) + (len(one.hay.text) >> 10) for one, where in zip(asked, places, strict=True)]
    for part in _parts(list(zip(asked, places, strict=True)), sizes, _PLACES_AT_ONCE):
        found += _near_places([one for one, _ in part], [where for _, where in part])
    return found


def _near_places(asked: Sequence[Asked], places: Sequence[Sequence[int]]) -> list[list[Near]]:
    found: list[list[Near]] = [[] for _ in asked]
    if any(places):
        texts, of = _each_once([one.hay.borders for one in asked])
        cutter = Cuts(texts, of, [one.needle for one in asked], [one.limit for one in asked])
        which = np.arange(len(asked)).repeat(list(map(len, places)))
        for number, begin, end in cutter.find(which, np.array([place for where in places for place in where])):
            if begin < end and (near := _near(asked[number], begin, end)):
                found[number].append(near)
    return [_nearest_first(near, len(one.needle)) for near, one in zip(found, asked, strict=True)]


T = TypeVar("T")


def _parts(everything: Sequence[T], sizes: Iterable[int], most: int) -> Iterator[Sequence[T]]:
    """Everything in parts, each but those of one of at most that size."""
    begin = size = 0
    for place, own in enumerate(sizes):
        size += own
        if size > most and place > begin:
            yield everything[begin:place]
            begin, size = place, own
    if begin < len(everything):
        yield everything[begin:]


def _each_once(things: Sequence[T]) -> tuple[list[T], list[int]]:
    """The different ones of several things, and which of them each is."""
    different = {id(thing): thing for thing in things}
    number = {key: place for place, key in enumerate(different)}
    return list(different.values()), [number[id(thing)] for thing in things]


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
