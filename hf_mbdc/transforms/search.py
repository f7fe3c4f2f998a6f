"""Approximate search: which parts of a text are nearest to a needle, and where exactly do they begin and end?

The text is worked out once: every three neighbouring characters (a gram) with their places, and the places where words
may be cut. A needle then asks in three steps, each cheaper than a scan of the text:

1. Every gram that needle and text share votes for the place where the needle would begin (the diagonal of the
   alignment). Inserted and missing characters move the diagonal a little, so that neighbouring places count together.
2. The most voted places are cut at word borders: the beginning that is nearest by Levenshtein distance, then the end,
   then the best of their combinations. The distance is rapidfuzz's, which knows no limit of 64 or 256 characters.
3. A needle that is stuck together with its neighbours is cut out of their word.

Of a short needle little may be left, so that every place with two votes is looked at.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rapidfuzz.distance import Indel, LCSseq, Levenshtein

from hf_mbdc.transforms.characters import KINDS, SPACE, code_points, cuts

_MIX = np.array([0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35])
_FIRST, _SECOND, _THIRD = _MIX.astype(np.uint32)
_SMALL = 500  # characters
_MUCH_FARTHER = 0.08  # of the size of a needle
_HALF = 24  # characters of the needle that look for one of its ends
_SHORT = 12  # characters up to which misreading may leave but two grams whole
_WIDTH = 3  # of the stretches of places that vote together, as a power of two
STRETCH = 1 << _WIDTH
_MOST = 4  # places looked at


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
        codes = code_points(text)
        kinds = KINDS[codes]
        grams = _grams(np.concatenate(([32], codes, [32])).astype(np.uint32), self._shift(len(text)))
        self._order = np.argsort(grams, kind="stable").astype(np.int32)  # a radix sort for 16-bit numbers
        counts = np.bincount(grams, minlength=1 << 32 - self._shift(len(text)))
        self._firsts = np.zeros(len(counts) + 1, dtype=np.int64)
        np.cumsum(counts, out=self._firsts[1:])
        free = cuts(kinds) if borders is None else borders
        inked = (kinds & SPACE) == 0
        self._begins = np.flatnonzero(free[:-1] & inked).tolist()
        self._ends = (np.flatnonzero(free[1:] & inked) + 1).tolist()

    def nearest(self, needle: str, limit: int) -> list[Near]:
        """The parts of the text at most `limit` edits away from the needle, nearest first; they may overlap.

        Parts that are much farther than the nearest one may be left out.

        Args:
            needle: at least one character, no whitespace at its ends.
            limit: at least 0.
        """
        return self.nearest_by(self.votes(needle), needle, limit)

    def nearest_by(self, votes: np.ndarray, needle: str, limit: int) -> list[Near]:
        """The same with the needle's `votes`."""
        size = len(needle)
        found: dict[tuple[int, int], Near] = {}
        for place in self._voted(votes, size):
            # Of many edits at least a fourth are insertions; the rest are characters that the window lacks.
            window = self.text[max(0, place - STRETCH) : place + size + size // 8 + STRETCH]
            if LCSseq.similarity(needle, window) < size - (3 * limit + 3) // 4:
                continue
            near = self._cut(needle, place, limit)
            if near is not None:
                found[near.start, near.end] = near
                limit = min(limit, near.distance + int(_MUCH_FARTHER * size) + 1)
        return sorted(found.values(), key=lambda near: (near.distance, abs(near.end - near.start - size)))

    @cached_property
    def word_counts(self) -> Counter[str]:
        """How often each word stands between spaces."""
        return Counter(self.text.split(" "))

    @staticmethod
    def _shift(length: int) -> int:
        return 19 if length < 1 << 14 else 16

    def votes(self, needle: str) -> np.ndarray:
        """How many grams of the needle vote for each stretch of `STRETCH` places, which begins that much earlier."""
        size = len(needle)
        grams = _grams(code_points(f" {needle} "), self._shift(len(self.text)))
        firsts = self._firsts[grams]
        counts = self._firsts[grams + 1] - firsts
        total = np.cumsum(counts)
        # For every gram of the needle all its places in the text, less its place in the needle.
        shifts = firsts - total + counts
        places = self._order[np.arange(total[-1]) + np.repeat(shifts, counts)] - np.repeat(np.arange(size), counts)
        return np.bincount((places + size) >> _WIDTH, minlength=2)

    def _voted(self, votes: np.ndarray, size: int) -> list[int]:
        """Where the needle would begin, most voted places first."""
        votes = votes[:-1] + votes[1:]
        best = int(votes.max())
        if best < max(2, size // 6):
            return []
        share, most = (0, 16) if size <= _SHORT else (0.75, _MOST) if 2 * best > size else (0.6, _MOST)
        peaks = np.flatnonzero(votes >= max(2, share * best))
        if len(peaks) > 1:
            around = np.concatenate(([0], votes, [0]))
            peaks = peaks[(votes[peaks] >= around[peaks]) & (votes[peaks] > around[peaks + 2])]
            peaks = peaks[np.argsort(-votes[peaks], kind="stable")[:most]]
        return [(peak + 1 << _WIDTH) - size for peak in peaks.tolist()]

    def _cut(self, needle: str, place: int, limit: int) -> Near | None:
        """The part that begins near `place`, cut at word borders."""
        text, size = self.text, len(needle)
        slack = STRETCH + 4 + size // 6
        half = min(size, _HALF)
        head, tail = needle[:half], needle[-half:]
        begins = _between(self._begins, place - slack, place + slack)
        ends = _between(self._ends, place + size - slack, place + size + slack)
        if not begins or not ends:
            return None
        distance = Levenshtein.distance
        if len(begins) > 3:
            begins = [p for _, p in sorted((distance(head, text[p : p + half]), p) for p in begins)[:3]]
        if len(ends) > 3:
            ends = [p for _, p in sorted((distance(tail, text[max(0, p - half) : p]), p) for p in ends)[:3]]
        options = [(distance(needle, text[b:e]), b, e) for b in begins for e in ends if b < e]
        if not options:
            return None
        least, begin, end = min(options)
        if least:
            close = [option for option in options if option[0] <= least + 2]
            if len(close) > 1:
                least, begin, end = min(
                    close, key=lambda option: (option[0] + self._unlike(needle, *option[1:]), option[1] - option[2])
                )
        if least > 1:
            begin, end, least = self._with_stuck_words(needle, begin, end, least)
        return Near(begin, end, least) if least <= limit else None

    def _unlike(self, needle: str, begin: int, end: int) -> int:
        """Characters that one has and the other has not, spaces aside: a word in place of another is no part of it."""
        return Indel.distance(needle.replace(" ", ""), self.text[begin:end].replace(" ", ""))

    def _with_stuck_words(self, needle: str, begin: int, end: int, least: int) -> tuple[int, int, int]:
        """The same where the needle's first or last word is written together with a neighbour of its own.

        The neighbour is cut off, or the word that was left out for the neighbour's sake is taken in. A cut inside a
        word must be worth more than one edit, and leave out three characters: fewer are misread ones.
        """
        text = self.text
        head = needle.find(" ") if " " in needle else len(needle)
        tail = len(needle) - 1 - needle.rfind(" ")
        best = (least, begin, end)
        word = text.rfind(" ", begin, end) + 1 or begin
        following = text.find(" ", end + 1) if end < len(text) else end
        inner = [p for p in (word + tail, word + tail + 1) if p < end - 2]
        inner += [p for p in (end + 1 + tail, end + 2 + tail) if p < (following if following > 0 else len(text)) - 2]
        best = min([best, *((Levenshtein.distance(needle, text[begin:p]) + 1, begin, p) for p in inner if p > begin)])
        end = best[2]
        word = text.find(" ", begin, end) if text.find(" ", begin, end) > 0 else end
        before = text.rfind(" ", 0, max(0, begin - 1)) + 1
        inner = [p for p in (word - head, word - head - 1) if p > begin + 2]
        inner += [p for p in (begin - 1 - head, begin - 2 - head) if p > before + 2]
        best = min([best, *((Levenshtein.distance(needle, text[p:end]) + 1, p, end) for p in inner if p < end)])
        return best[1], best[2], Levenshtein.distance(needle, text[best[1] : best[2]])


def _between(places: list[int], low: int, high: int) -> list[int]:
    """Those from low to high, both included."""
    return places[bisect_left(places, low) : bisect_right(places, high)]


def _grams(codes: np.ndarray, shift: int) -> np.ndarray:
    """A number below 2 ** (32 − shift) for every three neighbouring characters; two grams may share one."""
    if len(codes) < _SMALL:  # one call is sooner done than five
        mixed = np.correlate(codes.astype(np.int64), _MIX, "valid") & 0xFFFFFFFF
    else:
        mixed = codes[:-2] * _FIRST + codes[1:-1] * _SECOND + codes[2:] * _THIRD
    return (mixed >> shift).astype(np.uint16)
