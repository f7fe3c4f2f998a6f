"""Approximate search: which parts of a text are nearest to a needle, and where exactly do they begin and end?

Three steps, each cheaper than a scan of the text:

1. The grams that needle and text share vote for places (`votes`).
2. Near each place, the first and the last piece of the needle that stand there unharmed say where it begins and ends,
   to the next word borders; where that leaves much unlike, all borders near the place are tried. The distance is
   rapidfuzz's Levenshtein distance, which knows no limit of 64 or 256 characters.
3. A needle that is stuck together with its neighbours is cut out of their word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rapidfuzz.distance import Indel, LCSseq, Levenshtein

from hf_mbdc.transforms.characters import KINDS, SPACE, code_points, cuts
from hf_mbdc.transforms.votes import SHORT, STRETCH, Votes, count_votes, grams

_MUCH_FARTHER = 0.08  # of the size of a needle
_HALF = 24  # characters of the needle that look for one of its ends
_PIECE = 4  # characters that stand for an end where they are unharmed
_NEAR = 2  # characters by which such an end may be off
_OFF = 4  # characters by which a part may be shorter than a short needle
_STUCK = 20  # edits that may vanish with the word that a needle's end is stuck to
_MUCH = 0.15  # of a needle's characters; more unlike ones may be a wrong cut


@dataclass(frozen=True)
class Near:
    """A part of the text, `start:end`, and its Levenshtein distance to the needle."""

    start: int
    end: int
    distance: int


class SearchIndex:
    """A text made ready for approximate search.

    Args:
        text: without whitespace at its ends.
        borders: where it may be cut, bool (characters + 1,); None: where a word begins or ends (`characters.cuts`).
    """

    def __init__(self, text: str, borders: np.ndarray | None = None) -> None:
        self.text = text
        self._grams = grams(text)
        kinds = KINDS[code_points(text)]
        free = cuts(kinds) if borders is None else borders
        inked = (kinds & SPACE) == 0
        self._begins = (free[:-1] & inked).tobytes()
        self._ends = b"\0" + (free[1:] & inked).tobytes()

    def votes(self, needles: list[str]) -> list[Votes]:
        """The votes for each needle; for all in one go is sooner done than one by one."""
        return count_votes(self._grams, needles)

    def nearest(self, needle: str, limit: int, votes: Votes | None = None) -> list[Near]:
        """The parts of the text at most `limit` edits away from the needle, nearest first; they may overlap.

        Parts that are much farther than the nearest one may be left out.

        Args:
            needle: at least one character, no whitespace at its ends.
            limit: at least 0.
            votes: those for the needle, where they are known.
        """
        votes = votes or self.votes([needle])[0]
        size = len(needle)
        found: dict[tuple[int, int], Near] = {}
        for place in votes.places:
            # Of many edits at least a fourth are insertions; the rest are characters that the window lacks.
            window = self.text[max(0, place - STRETCH) : place + size + size // 8 + STRETCH]
            if LCSseq.similarity(needle, window) < size - (3 * limit + 3) // 4:
                continue
            near = self._cut(needle, place, limit)
            if near is not None:
                found[near.start, near.end] = near
                limit = min(limit, near.distance + int(_MUCH_FARTHER * size) + 1)
        if len(found) < 2:
            return list(found.values())
        return sorted(found.values(), key=lambda near: (near.distance, abs(near.end - near.start - size)))

    def is_repeated(self, word: str) -> bool:
        """Whether a word stands more than once between spaces."""
        first = self._padded.find(f" {word} ")
        return first >= 0 and self._padded.find(f" {word} ", first + 1) >= 0

    @cached_property
    def _padded(self) -> str:
        return f" {self.text} "

    def _cut(self, needle: str, place: int, limit: int) -> Near | None:
        """The part that begins near `place`, cut at word borders."""
        size = len(needle)
        slack = STRETCH + min(limit, 4 + size // 6)
        begins, ends = self._begins_near(needle, place, slack), self._ends_near(needle, place + size, slack)
        options = self._options(needle, begins, ends)
        least, begin, end = min(options, default=(limit + 1, 0, 0))
        if least < 2 and len(options) == 1:
            return Near(begin, end, least)
        if least > _MUCH * size:
            all_begins = _between(self._begins, place - slack, place + slack)
            all_ends = _between(self._ends, place + size - slack, place + size + slack)
            if len(all_begins) > len(begins) or len(all_ends) > len(ends):
                options += self._options(needle, all_begins, all_ends)
                least, begin, end = min(options, default=(limit + 1, 0, 0))
        if least > limit + _STUCK:
            return None
        if 0 < least <= limit and len(options) > 1:
            close = [option for option in options if option[0] <= least + 2]
            if len(close) > 1:
                least, begin, end = min(
                    close, key=lambda option: (option[0] + self._unlike(needle, *option[1:]), option[1] - option[2])
                )
        if least > 1:
            begin, end, least = self._with_stuck_words(needle, begin, end, least)
        return Near(begin, end, least) if least <= limit else None

    def _begins_near(self, needle: str, place: int, slack: int) -> list[int]:
        """Where the needle may begin: by its first piece that stands there, or else anywhere near the place."""
        low = max(0, place - slack)
        for at in range(0, len(needle) // 2, _PIECE):
            found = self._only(needle[at : at + _PIECE], low + at, place + slack + at + _PIECE)
            if found >= 0:
                if not at and self._begins[found]:
                    return [found]
                off = _NEAR + at // _PIECE
                return _between(self._begins, found - at - off, found + (0 if at else off)) or [found] * (not at)
        return _between(self._begins, low, place + slack)

    def _ends_near(self, needle: str, place: int, slack: int) -> list[int]:
        """Where it may end, by its last piece."""
        size = len(needle)
        for at in range(0, size // 2, _PIECE):
            piece = needle[max(0, size - at - _PIECE) : size - at]
            found = self._only(piece, max(0, place - slack - at - len(piece)), place + slack - at)
            if found >= 0:
                end = found + len(piece) + at
                if not at and self._ends[end]:
                    return [end]
                off = _NEAR + at // _PIECE
                return _between(self._ends, end - (at or off), end + off) or [end] * (not at)
        return _between(self._ends, place - slack, place + slack)

    def _only(self, piece: str, low: int, high: int) -> int:
        """Where the piece stands in this part of the text; −1: nowhere, or more than once."""
        found = self.text.find(piece, low, high)
        return -1 if found >= 0 and self.text.find(piece, found + 1, high) >= 0 else found

    def _options(self, needle: str, begins: list[int], ends: list[int]) -> list[tuple[int, int, int]]:
        """Distances, begins and ends: of the three likeliest begins with the three likeliest ends.

        Of a short needle all are tried that leave about its length, and a neighbour that is stuck to it.
        """
        text, size, distance = self.text, len(needle), Levenshtein.distance
        if size <= SHORT and len(begins) > 1:
            return [
                (distance(needle, text[b:e]), b, e) for b in begins for e in ends if -_OFF <= e - b - size <= 3 * _OFF
            ]
        half = min(size, _HALF)
        if len(begins) > 3:
            head = needle[:half]
            begins = [p for _, p in sorted((distance(head, text[p : p + half]), p) for p in begins)[:3]]
        if len(ends) > 3:
            tail = needle[-half:]
            ends = [p for _, p in sorted((distance(tail, text[max(0, p - half) : p]), p) for p in ends)[:3]]
        return [(distance(needle, text[b:e]), b, e) for b in begins for e in ends if b < e]

    def _unlike(self, needle: str, begin: int, end: int) -> int:
        """Characters that one has and the other has not, spaces aside: a word in place of another is no part of it."""
        return Indel.distance(needle.replace(" ", ""), self.text[begin:end].replace(" ", ""))

    def _with_stuck_words(self, needle: str, begin: int, end: int, least: int) -> tuple[int, int, int]:
        """The same where the needle's first or last word is written together with a neighbour of its own.

        The neighbour is cut off, or the word that was left out for the neighbour's sake is taken in. A cut inside a
        word must be worth more than one edit, and leave out three characters: fewer are misread ones.
        """
        text, distance = self.text, Levenshtein.distance
        best = least
        tail = len(needle) - 1 - needle.rfind(" ")
        word = text.rfind(" ", begin, end) + 1 or begin
        inner = [word + tail, word + tail + 1] if end - word > tail + 2 else []
        if len(needle) - (end - begin) > tail // 2 and end < len(text):
            following = text.find(" ", end + 1)
            following = following if following > 0 else len(text)
            inner += [p for p in (end + 1 + tail, end + 2 + tail) if p < following - 2]
        for place in inner:
            if (worth := distance(needle, text[begin:place]) + 1) < best:
                best, end = worth, place
        head = needle.find(" ") if " " in needle else len(needle)
        word = text.find(" ", begin, end)
        word = word if word > 0 else end
        inner = [word - head, word - head - 1] if word - begin > head + 2 else []
        if len(needle) - (end - begin) > head // 2 and begin:
            before = text.rfind(" ", 0, begin - 1) + 1
            inner += [p for p in (begin - 1 - head, begin - 2 - head) if p > before + 2]
        for place in inner:
            if (worth := distance(needle, text[place:end]) + 1) < best:
                best, begin = worth, place
        return begin, end, distance(needle, text[begin:end]) if best < least else least


def _between(mask: bytes, low: int, high: int) -> list[int]:
    """The places from low to high, both included, where the mask is set."""
    places = []
    place = mask.find(1, max(0, low), high + 1)
    while place >= 0:
        places.append(place)
        place = mask.find(1, place + 1, high + 1)
    return places
