"""Words as pixels: takes the columns of placed glyphs, for many words at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hf_mbdc.rendering.glyphs import Glyphs
from hf_mbdc.rendering.placing import Placed

STEP = 8  # widths are multiples of it, so that many words share a size
AT_ONCE = 1 << 20  # pixels composed in one go: larger arrays come fresh from the system each time


@dataclass(frozen=True)
class Images:
    """Images of one size: which words they show, and their ink, uint8 (words, height, width), 255 where it is full."""

    words: np.ndarray
    ink: np.ndarray


def layout(placed: Placed, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """The width of each word's image, and by how many columns its glyphs move to stand in the middle of it."""
    wide = placed.stop - placed.start + 2 * margin
    widths = -(-wide // STEP) * STEP
    return widths, margin - placed.start + (widths - wide) // 2


def compose(placed: Placed, widths: np.ndarray, shifts: np.ndarray, glyphs: Glyphs) -> Iterator[Images]:
    """The images of all words, those of one width together, in parts of limited size."""
    import cv2

    order = np.argsort(widths, kind="stable")
    sizes = widths[order] * glyphs.height
    part = np.cumsum(sizes) // AT_ONCE
    counts = np.bincount(placed.word, minlength=len(widths))
    starts = np.cumsum(counts) - counts
    for words in np.split(order, np.flatnonzero(np.diff(part)) + 1):
        chosen = _ranges(starts[words], counts[words])
        first = np.cumsum(widths[words]) - widths[words]
        base = np.repeat(first + shifts[words], counts[words]) + placed.left[chosen]
        columns = _columns(base, placed.slot[chosen], int(widths[words].sum()), glyphs)
        cuts = np.flatnonzero(np.diff(widths[words])) + 1
        for group, at in zip(np.split(words, cuts), np.split(first, cuts), strict=True):
            width = int(widths[group[0]])
            rows = cv2.transpose(columns[at[0] : at[0] + len(group) * width])
            yield Images(group, rows.reshape(glyphs.height, len(group), width).swapaxes(0, 1))


def _columns(base: np.ndarray, slot: np.ndarray, total: int, glyphs: Glyphs) -> np.ndarray:
    """All columns, one word after the other, uint8 (total, height).

    Args:
        base: (glyphs,) the first column of each glyph among all columns.
        slot: (glyphs,) its slot.
        total: number of columns.
    """
    taken = np.zeros(total, dtype=np.int64)  # column 0 of the cache is blank
    facts = glyphs.facts[slot]
    first, width = facts[:, Glyphs.FIRST].astype(np.int64), facts[:, Glyphs.WIDTH].astype(np.int64)
    over = _overlaps(base, width)
    to, source = _ranges(base[~over], width[~over]), _ranges(first[~over], width[~over])
    taken[to] = source
    columns = glyphs.columns.take(taken, axis=0)
    rest = np.flatnonzero(over)
    while len(rest):  # a layer for every glyph that lies over another one
        again = _overlaps(base[rest], width[rest])
        layer = rest[~again]
        to, source = _ranges(base[layer], width[layer]), _ranges(first[layer], width[layer])
        columns[to] = _over(columns[to], glyphs.columns[source])
        rest = rest[again]
    return columns


def _over(below: np.ndarray, above: np.ndarray) -> np.ndarray:
    """Ink over ink, rounded as Pillow's text drawing does: what is not covered yet takes its share of the new ink."""
    product = below.astype(np.uint16) * (255 - above) + 128
    return above + (((product >> 8) + product) >> 8).astype(np.uint8)


def _overlaps(base: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Which glyphs begin before an earlier one ends."""
    if not len(base):
        return np.zeros(0, dtype=bool)
    ends = np.maximum.accumulate(base + width)
    over = np.zeros(len(base), dtype=bool)
    over[1:] = base[1:] < ends[:-1]
    return over


def _ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The numbers `starts[i]` … `starts[i] + counts[i] - 1` of all i, one after the other.

    Example:
        >>> _ranges(np.array([5, 9]), np.array([2, 3])).tolist()
        [5, 6, 9, 10, 11]
    """
    ends = np.cumsum(counts)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - counts), counts)
