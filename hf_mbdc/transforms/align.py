"""How far from its text is a needle that ends at each place of it? For hundreds of needles in one go.

Myers' bit-parallel algorithm (A fast bit-vector algorithm for approximate string matching, 1999) in Hyyrö's form: the
differences between neighbouring cells of a column of the distance matrix are the bits of two words, and a dozen
operations on words lead to the next column. Here every word is an array, one element for each needle, so that numpy's
costs are shared. The last character of a needle is the highest bit; bits below its first one match everything, which
costs nothing anywhere: a needle may begin at any place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hf_mbdc.transforms.characters import code_points

_Word, _Sign = np.uint32, np.int32
WORD = 32  # characters of a needle at most
_ONE = _Word(1)


class Patterns:
    """Needles made ready for `edits`.

    Args:
        needles: one to `WORD` characters each.
    """

    def __init__(self, needles: Sequence[str]) -> None:
        self.sizes = np.array(list(map(len, needles)))
        codes = code_points("".join(needles))
        # Characters are numbered in the order of their code points; 0: in no needle.
        present = np.zeros(int(codes.max()) + 2, dtype=bool)
        present[codes] = True
        self._number = present.cumsum(dtype=np.int32) * present
        letters = int(self._number.max()) + 1
        needle = np.arange(len(needles)).repeat(self.sizes)
        within = np.arange(len(codes)) - (self.sizes.cumsum() - self.sizes).take(needle)
        bits = _ONE << (WORD - self.sizes.take(needle) + within).astype(_Word)
        matches = np.zeros((len(needles), letters), dtype=_Word)
        np.add.at(matches.ravel(), needle * letters + self._number.take(codes), bits)
        self._below = ~_Word(0) >> self.sizes.astype(_Word) if len(self.sizes) else bits
        self._below[self.sizes == WORD] = 0
        self._matches = (matches | self._below[:, None]).ravel()
        self._letters = letters

    def edits(self, which: np.ndarray, texts: np.ndarray) -> np.ndarray:
        """The least Levenshtein distance of a needle to what ends at each place, wherever it begins.

        Args:
            which: the needle of each text, (texts,).
            texts: code points, (characters, texts).

        Returns:
            int8 (characters + 1, texts), from before the first character to behind the last.
        """
        numbers = self._number.take(texts, mode="clip")
        numbers += (which * self._letters).astype(np.int32)
        ups, downs = np.empty((2, *texts.shape), dtype=_Word)
        vertical_up, vertical_down = ~self._below.take(which), np.zeros(len(which), dtype=_Word)
        equal, diagonal = np.empty((2, len(which)), dtype=_Word)
        for row, up, down in zip(numbers, ups, downs, strict=True):
            self._matches.take(row, out=equal, mode="clip")
            # diagonal = (((equal & vertical_up) + vertical_up) ^ vertical_up) | equal
            np.bitwise_and(equal, vertical_up, out=diagonal)
            diagonal += vertical_up
            diagonal ^= vertical_up
            diagonal |= equal
            # up = vertical_down | ~(diagonal | vertical_up); down = vertical_up & diagonal
            np.bitwise_or(diagonal, vertical_up, out=up)
            np.invert(up, out=up)
            up |= vertical_down
            np.bitwise_and(vertical_up, diagonal, out=down)
            # vertical_up = (down << 1) | ~(equal | vertical_down | up << 1)
            # vertical_down = (up << 1) & (equal | vertical_down)
            equal |= vertical_down
            np.left_shift(up, _ONE, out=diagonal)
            np.bitwise_and(diagonal, equal, out=vertical_down)
            equal |= diagonal
            np.invert(equal, out=equal)
            np.left_shift(down, _ONE, out=vertical_up)
            vertical_up |= equal
        steps = np.empty((len(texts) + 1, len(which)), dtype=np.int8)
        steps[0] = self.sizes.take(which)
        np.subtract(ups.view(_Sign) < 0, downs.view(_Sign) < 0, out=steps[1:], dtype=np.int8, casting="unsafe")
        return steps.cumsum(axis=0, dtype=np.int8)
