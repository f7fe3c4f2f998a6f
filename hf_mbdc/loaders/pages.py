"""A page of text: lines of words with boxes, in pixels, and the columns that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

GRID = 1000  # boxes are published as whole thousandths of the page

PixelBox = tuple[float, float, float, float]  # x0 y0 x1 y1
Word = tuple[str, PixelBox]


@dataclass(frozen=True)
class Page:
    """The columns of a page: `words`, one `boxes` entry (x0 y0 x1 y1, 0–1000) each, and `context`."""

    words: list[str]
    boxes: list[list[int]]
    context: str


def split_line(text: str, box: PixelBox) -> list[Word]:
    """The words of a line, each with its part of the line's box: by its share of the line's characters.

    The line is taken to run from left to right with characters of one width; every blank between words counts as one.

    Example:
        >>> split_line("TOTAL  9.00", (0, 0, 100, 20))
        [('TOTAL', (0.0, 0, 50.0, 20)), ('9.00', (60.0, 0, 100.0, 20))]
    """
    words = text.split()
    length = sum(map(len, words)) + len(words) - 1
    x0, y0, x1, y1 = box
    result, start = [], 0
    for word in words:
        end = start + len(word)
        result.append((word, (x0 + (x1 - x0) * start / length, y0, x0 + (x1 - x0) * end / length, y1)))
        start = end + 1
    return result


def extent(boxes: Sequence[PixelBox]) -> PixelBox:
    """The smallest box around all boxes."""
    array = np.asarray(boxes, dtype=np.float64)
    (x0, y0), (x1, y1) = array[:, :2].min(axis=0), array[:, 2:].max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def make_page(lines: Sequence[Sequence[Word]], frame: PixelBox) -> Page:
    """Lines of words in reading order as columns.

    Args:
        lines: the words of every line with their boxes in pixels; lines without words are left out.
        frame: the part of the pixel plane that becomes 0–1000 in both directions; what is outside is clipped.
    """
    kept = [line for line in lines if line]
    corners = np.asarray([box for line in kept for _, box in line], dtype=np.float64).reshape(-1, 2, 2)
    low, high = np.asarray(frame[:2]), np.asarray(frame[2:])
    scaled = np.rint((corners - low) / (high - low) * GRID).clip(0, GRID).astype(int).reshape(-1, 4)
    context = "\n".join(" ".join(word for word, _ in line) for line in kept)
    return Page([word for line in kept for word, _ in line], scaled.tolist(), context)


def clip(box: PixelBox, width: float, height: float) -> PixelBox:
    """The part of a box that is on the page; a box beside the page becomes a line on its edge."""
    x0, y0, x1, y1 = box
    return min(max(x0, 0), width), min(max(y0, 0), height), min(max(x1, 0), width), min(max(y1, 0), height)
