"""From characters to words to places on the page."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import itemgetter

Box = Sequence[int]
_START, _END = itemgetter(0), itemgetter(1)


def word_offsets(words: Sequence[str], context: str) -> list[tuple[int, int]]:
    """The character range of every word in `context`, found by scanning; end exclusive.

    Args:
        words: in the order of `context`.
        context: the words with nothing but whitespace (or nothing at all) between them.

    Raises:
        ValueError: a word is not where it should be; the message says which.

    Example:
        >>> word_offsets(["TOTAL", "9.00"], "TOTAL\\n9.00")
        [(0, 5), (6, 10)]
    """
    offsets = []
    position = 0
    for number, word in enumerate(words):
        start = context.find(word, position)
        if start < 0 or context[position:start].strip():
            raise ValueError(f"word {number} ({word[:40]!r}) does not follow its predecessor in context")
        position = start + len(word)
        offsets.append((start, position))
    if context[position:].strip():
        raise ValueError(f"context goes on after the last word: {context[position:].strip()[:40]!r}")
    return offsets


def word_range(offsets: Sequence[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """First and last word (inclusive) that share a character with `start:end`; (−1, −1) when none does.

    Example:
        >>> word_range([(0, 5), (6, 10)], 3, 8)
        (0, 1)
    """
    first = bisect_right(offsets, start, key=_END)
    last = bisect_left(offsets, end, key=_START) - 1
    # A word without characters lies inside any range around it, but it is no edge of one.
    while first <= last and offsets[first][0] == offsets[first][1]:
        first += 1
    while first <= last and offsets[last][0] == offsets[last][1]:
        last -= 1
    return (first, last) if first <= last else (-1, -1)


def box_problem(words: Sequence[str], boxes: Sequence[Box]) -> str | None:
    """What is wrong with the boxes of a document, or None. No boxes at all is right: a text without a page.

    A box without height or width is right too: rounding to 0–1000 makes them.

    Example:
        >>> box_problem(["a"], [[10, 10, 5, 20]])
        'box 0 is inverted: [10, 10, 5, 20]'
    """
    if len(boxes) == 0:
        return None
    if len(boxes) != len(words):
        return f"{len(boxes)} boxes for {len(words)} words"
    for number, box in enumerate(boxes):
        if box is None or len(box) != 4 or any(value is None for value in box):
            return f"box {number} has not four numbers: {box}"
        x0, y0, x1, y1 = box
        if x0 > x1 or y0 > y1:
            return f"box {number} is inverted: {list(box)}"
        if x0 < 0 or y0 < 0 or x1 > 1000 or y1 > 1000:
            return f"box {number} is outside the page (0 to 1000): {list(box)}"
    return None


def page_problem(words: Sequence[str], pages: Sequence[int | None] | None) -> str | None:
    """What is wrong with the pages of the words of a document, or None. None is right too: all are on one page.

    Example:
        >>> page_problem(["a", "b"], [0])
        '1 pages for 2 words'
    """
    if pages is None:
        return None
    if len(pages) != len(words):
        return f"{len(pages)} pages for {len(words)} words"
    number = next((number for number, page in enumerate(pages) if page is None or page < 0), None)
    return None if number is None else f"word {number} has no page (0, 1, …): {pages[number]}"


def page_of(pages: Sequence[int] | None, word: int) -> int:
    """The page of a word, from 0; without pages all are on the first one. −1 for the word −1, which is none.

    Example:
        >>> page_of([0, 0, 1], 2)
        1
    """
    return -1 if word < 0 else pages[word] if pages else 0


def line_boxes(
    boxes: Sequence[Box],
    offsets: Sequence[tuple[int, int]],
    context: str,
    first: int,
    last: int,
    pages: Sequence[int] | None = None,
) -> list[list[int]]:
    """One box per line around the words `first` to `last` (inclusive), in reading order; [] without boxes or words.

    A line ends where the page does, or where the whitespace between two words holds a newline. Where the whole context
    holds none, geometry decides: a word whose vertical middle lies outside the line so far starts the next one.

    Example:
        >>> line_boxes([[0, 0, 9, 5], [0, 6, 9, 9]], [(0, 1), (2, 3)], "a\\nb", 0, 1)
        [[0, 0, 9, 5], [0, 6, 9, 9]]
    """
    if first < 0 or len(boxes) == 0:
        return []
    has_lines = "\n" in context
    lines = [list(boxes[first])]
    for word in range(first + 1, last + 1):
        box, line = boxes[word], lines[-1]
        if has_lines:
            starts_line = "\n" in context[offsets[word - 1][1] : offsets[word][0]]
        else:
            starts_line = not line[1] <= (box[1] + box[3]) / 2 <= line[3]
        if starts_line or (pages is not None and pages[word] != pages[word - 1]):
            lines.append(list(box))
        else:
            line[:] = min(line[0], box[0]), min(line[1], box[1]), max(line[2], box[2]), max(line[3], box[3])
    return lines
