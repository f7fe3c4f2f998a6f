"""Pages of text: lines of words with boxes, in any unit, and the columns that are made of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_mbdc.errors import DataError

GRID = 1000  # boxes are published as whole thousandths of the page
SAME_LINE = 0.5  # share of the smaller word's height by which neighbours overlap that stand in one line

PixelBox = tuple[float, float, float, float]  # x0 y0 x1 y1
Word = tuple[str, PixelBox]


@dataclass(frozen=True)
class Page:
    """The columns of a document's text.

    `words`, one `boxes` entry (x0 y0 x1 y1, 0–1000 on the word's own page) and one `pages` entry (0-based) each, and
    `context`, in which every line of every page begins a new line.
    """

    words: list[str]
    boxes: list[list[int]]
    context: str
    pages: list[int]


@dataclass(frozen=True)
class Sheet:
    """A page as an OCR file gives it: lines of words in reading order, and the part of the plane that is the page."""

    lines: list[list[Word]]
    frame: PixelBox
    image_name: str = ""


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


def infer_lines(words: Sequence[Word]) -> list[list[Word]]:
    """Lines of words that came without any: a line goes on while words go right and overlap in height.

    The order of the words stays as it is. Upright text that runs from left to right is assumed.

    Example:
        >>> lines = infer_lines([("Dear", (0, 0, 9, 9)), ("Bob", (10, 1, 19, 9)), ("Bye", (0, 20, 9, 29))])
        >>> [[text for text, _ in line] for line in lines]
        [['Dear', 'Bob'], ['Bye']]
    """
    lines: list[list[Word]] = []
    for word in words:
        if lines and _goes_on(lines[-1][-1][1], word[1]):
            lines[-1].append(word)
        else:
            lines.append([word])
    return lines


def _goes_on(box: PixelBox, following: PixelBox) -> bool:
    overlap = min(box[3], following[3]) - max(box[1], following[1])
    height = min(box[3] - box[1], following[3] - following[1])
    return following[0] >= box[0] and overlap >= SAME_LINE * height


def extent(boxes: Sequence[PixelBox]) -> PixelBox:
    """The smallest box around all boxes."""
    array = np.asarray(boxes, dtype=np.float64)
    (x0, y0), (x1, y1) = array[:, :2].min(axis=0), array[:, 2:].max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def fit(sheets: Sequence[Sheet], path: str) -> tuple[list[Sheet], str]:
    """Pages with sound boxes and without blanks inside words, and what was mended in them ("" if nothing).

    A box that is given from right to left or from bottom to top is sorted, one that reaches outside its page is
    clipped, and a word with blanks in it becomes several, each with its share of the box.

    Raises:
        DataError: a page without extent, a coordinate that is not finite, a document without words.
    """
    fitted: list[Sheet] = []
    inverted = outside = 0
    for sheet in sheets:
        x0, y0, x1, y1 = sheet.frame
        if not (np.isfinite(sheet.frame).all() and x0 < x1 and y0 < y1):
            raise DataError(f"The page is {x1 - x0:g} × {y1 - y0:g}", path=path, page=len(fitted))
        given = np.asarray([box for line in sheet.lines for _, box in line], dtype=np.float64).reshape(-1, 2, 2)
        if not np.isfinite(given).all():
            raise DataError("A box has a coordinate that is not finite", path=path, page=len(fitted))
        upright = np.sort(given, axis=1)
        on_page = upright.clip((x0, y0), (x1, y1))
        inverted += int((upright != given).any(axis=(1, 2)).sum())
        outside += int((on_page != upright).any(axis=(1, 2)).sum())
        boxes = ((x0, y0, x1, y1) for x0, y0, x1, y1 in on_page.reshape(-1, 4).tolist())
        lines = [[word for text, _ in line for word in split_line(text, next(boxes))] for line in sheet.lines]
        fitted.append(Sheet(lines, sheet.frame, sheet.image_name))
    if not any(line for sheet in fitted for line in sheet.lines):
        raise DataError("The document has no words", path=path)
    return fitted, describe_mends(inverted, outside)


def describe_mends(inverted: int, outside: int) -> str:
    """What was mended in the boxes of a document; "" if nothing."""
    mends = [f"{inverted} inverted boxes were sorted"] if inverted else []
    mends += [f"{outside} boxes reached outside the page and were clipped"] if outside else []
    return "; ".join(mends)


def make_page(lines: Sequence[Sequence[Word]], frame: PixelBox) -> Page:
    """Lines of words in reading order as the columns of a document of one page.

    Args:
        lines: the words of every line with their boxes in pixels; lines without words are left out.
        frame: the part of the pixel plane that becomes 0–1000 in both directions; what is outside is clipped.
    """
    return make_document([Sheet([list(line) for line in lines], frame)])


def make_document(sheets: Sequence[Sheet]) -> Page:
    """Pages in order as the columns of one document.

    Example:
        >>> sheet = Sheet([[("Page", (0, 0, 40, 10)), ("1", (50, 0, 60, 10))]], (0, 0, 100, 50))
        >>> make_document([sheet, sheet])
        Page(words=['Page', '1', 'Page', '1'], boxes=[[0, 0, 400, 200], [500, 0, 600, 200], [0, 0, 400, 200], \
[500, 0, 600, 200]], context='Page 1\\nPage 1', pages=[0, 0, 1, 1])
    """
    words: list[str] = []
    boxes: list[list[int]] = []
    pages: list[int] = []
    lines: list[str] = []
    for number, sheet in enumerate(sheets):
        kept = [line for line in sheet.lines if line]
        corners = np.asarray([box for line in kept for _, box in line], dtype=np.float64).reshape(-1, 2, 2)
        low, high = np.asarray(sheet.frame[:2]), np.asarray(sheet.frame[2:])
        scaled = np.rint((corners - low) / (high - low) * GRID).clip(0, GRID).astype(int).reshape(-1, 4)
        words += [word for line in kept for word, _ in line]
        boxes += scaled.tolist()
        pages += [number] * len(scaled)
        lines += [" ".join(word for word, _ in line) for line in kept]
    return Page(words, boxes, "\n".join(lines), pages)


def clip(box: PixelBox, width: float, height: float) -> PixelBox:
    """The part of a box that is on the page; a box beside the page becomes a line on its edge."""
    x0, y0, x1, y1 = box
    return min(max(x0, 0), width), min(max(y0, 0), height), min(max(x1, 0), width), min(max(y1, 0), height)
