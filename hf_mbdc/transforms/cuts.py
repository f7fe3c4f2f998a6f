"""Where do misread needles begin and end, near the places where they are thought to be?

The least edits between a needle and what ends at each character (`align`), and what it costs to cut the text there, say
where it ends; the same backwards where it begins. All needles are looked at in one go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from hf_mbdc.transforms.align import WORD, Patterns
from hf_mbdc.transforms.votes import STRETCH

INSIDE, NOWHERE = 3, 70  # what a cut inside a word costs, and no cut at all, in half edits
_BEYOND = WORD + NOWHERE // 2 + 1  # edits, more than anything costs within the window; twice that is below 256
_MUCH_FARTHER = 0.08  # of the size of a needle


class Borders(NamedTuple):
    """A text, and what it costs to begin or to end at each of its places.

    Args:
        codes: code points, uint32 (characters,).
        begins, ends: costs in half edits, uint8 (characters + 1,).
    """

    codes: np.ndarray
    begins: np.ndarray
    ends: np.ndarray


class Cuts:
    """Needles with their texts, ready to be cut out.

    Args:
        texts: each once.
        of: which of them each needle is looked for in.
        needles: at least one character each; the first and the last `WORD` of them say where it begins and ends.
        limits: edits that each may have.
    """

    def __init__(self, texts: Sequence[Borders], of: Sequence[int], needles: Sequence[str], limits: Sequence[int]):
        self._needles, self._limits = needles, np.array(limits)
        self._sizes = np.array(list(map(len, needles)))
        self._widths = np.minimum(self._sizes, WORD)
        self._slack = STRETCH + np.minimum(self._limits, 4 + self._sizes // 12)
        self._own = self._widths + 2 * self._slack  # columns of each one's windows
        self._columns = int(self._own.max())
        lengths = np.array([len(text.codes) for text in texts])
        offsets = (lengths + 1 + self._columns).cumsum() - lengths - 1
        self._lengths, self._offsets = lengths[of], offsets[of]
        # The texts one behind the other, so far apart that no window reaches into a neighbour.
        self._codes = np.zeros(offsets[-1] + lengths[-1] + 1 + self._columns, dtype=np.uint32)
        self._begins, self._ends = np.full((2, len(self._codes)), NOWHERE, dtype=np.uint8)
        for text, offset in zip(texts, offsets.tolist(), strict=True):
            self._codes[offset : offset + len(text.codes)] = text.codes
            self._begins[offset : offset + len(text.begins)] = text.begins
            self._ends[offset : offset + len(text.ends)] = text.ends

    def find(self, which: np.ndarray, places: np.ndarray) -> list[tuple[int, int, int]]:
        """The numbers of the needles that may stand near places of their texts, and where they begin and end there.

        Args:
            which: needles, in ascending order, (places,).
            places: where they may begin.
        """
        patterns = Patterns([needle[-WORD:] for needle in self._needles])
        starts = places + (self._sizes - self._widths - self._slack)[which]
        at = self._offsets[which] + np.clip(starts, -self._own[which], self._lengths[which])
        at, edits = self._windows(patterns, which, at, 1)
        kept = self._near_enough(which, edits.min(axis=0))
        which, places = which[kept], places[kept]
        ends = _cheapest(edits[:, kept], self._ends, at[:, kept]) - self._offsets[which]

        patterns = Patterns([needle[:WORD][::-1] for needle in self._needles])
        starts = places + (self._widths + self._slack)[which]
        at = self._offsets[which] + np.clip(starts, 0, self._lengths[which] + self._own[which])
        at, edits = self._windows(patterns, which, at, -1)
        begins = _cheapest(edits, self._begins, at) - self._offsets[which]
        return list(zip(which.tolist(), begins.tolist(), ends.tolist(), strict=True))

    def _windows(
        self, patterns: Patterns, which: np.ndarray, starts: np.ndarray, step: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The places of each window, one behind (step 1) or before the other (-1), and the edits there.

        Each is (columns + 1, windows); what is beyond a needle's own window has more edits than any place in it.
        """
        at = starts + step * np.arange(self._columns + 1)[:, None]
        edits = patterns.edits(which, self._codes.take(at[:-1] if step > 0 else at[1:]))
        own = self._own[which]
        for column in range(int(self._own.min()) + 1, self._columns + 1):
            edits[column, column > own] = _BEYOND
        return at, edits

    def _near_enough(self, which: np.ndarray, edits: np.ndarray) -> np.ndarray:
        """Which places are within the limit and not much farther from the needle than its nearest one."""
        first = np.flatnonzero(np.diff(which, prepend=-1))
        least = np.zeros(len(self._needles), dtype=np.int64)
        least[which[first]] = np.minimum.reduceat(edits, first)
        most = np.minimum(self._limits, least + (_MUCH_FARTHER * self._sizes).astype(np.int64) + 1)
        return np.flatnonzero(edits <= most[which])


def _cheapest(edits: np.ndarray, costs: np.ndarray, at: np.ndarray) -> np.ndarray:
    """The place of each text, a column of `at`, that costs least; the last one of several, which leaves nothing out."""
    sums = costs.take(at)
    sums += edits.view(np.uint8)
    sums += edits.view(np.uint8)
    last = len(sums) - 1 - sums[::-1].argmin(axis=0)
    return at[last, np.arange(len(last))]


def farthest(least: int, size: int) -> int:
    """How far from a needle of that size a part may be where the nearest has the least edits."""
    return least + int(_MUCH_FARTHER * size) + 1
