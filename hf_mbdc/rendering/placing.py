"""Glyphs in their places: which slot of the glyph cache stands where in which word, and the boxes of its characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_mbdc.rendering.fonts import Font, GlyphTooLarge
from hf_mbdc.rendering.glyphs import Glyphs, SetFont, fit
from hf_mbdc.rendering.shaping import ShapedWord, Unshapeable, shape

# Pixels: a JPEG file has at most 65,500, and single precision tells 1/256 pixel apart up to 65,535.
WIDEST = 65_000
SMALLEST = 7  # pixels an em; a word that needs a smaller font to fit in is refused


@dataclass(frozen=True)
class Placed:
    """Words as placed glyphs; pixels, from the pen's start and the image's top.

    Args:
        word: (glyphs,) the word of each glyph, increasing.
        slot: (glyphs,) its slot in the cache.
        left: (glyphs,) the column of its first column of ink.
        boxes: (characters, 4) x0 y0 x1 y1 of each grapheme, in the order of the text.
        characters: (words,) how many graphemes each word has.
        start: (words,) the column where the word's first ink or pen is. stop: where its last one is, exclusive.
    """

    word: np.ndarray
    slot: np.ndarray
    left: np.ndarray
    boxes: np.ndarray
    characters: np.ndarray
    start: np.ndarray
    stop: np.ndarray


def place_in_line(codes: np.ndarray, lengths: np.ndarray, font: SetFont) -> tuple[Placed, np.ndarray]:
    """Sets characters one after the other, for scripts where no character changes another.

    Args:
        codes: (characters,) of all words, one word after the other.
        lengths: (words,) characters of each; none is 0.
        font: at its size and baseline.

    Returns:
        The placed words, and which of them reach above or below the image or are wider than `WIDEST`, bool (words,).
    """
    glyphs = font.glyphs
    slot = font.slots(codes)
    facts = glyphs.facts[slot]
    first = np.cumsum(lengths) - lengths
    word = np.repeat(np.arange(len(lengths)), lengths)
    moved = np.cumsum(facts[:, Glyphs.ADVANCE])
    pen = moved - facts[:, Glyphs.ADVANCE]
    pen -= np.repeat(pen[first], lengths)
    left = pen + facts[:, Glyphs.LEFT]
    right = left + facts[:, Glyphs.WIDTH]
    top, bottom = facts[:, Glyphs.TOP], facts[:, Glyphs.BOTTOM]
    outside = np.logical_or.reduceat((top < 0) | (bottom > glyphs.height), first)
    start = np.minimum(np.minimum.reduceat(left, first), 0)
    stop = np.maximum(np.maximum.reduceat(right, first), np.maximum.reduceat(pen + facts[:, Glyphs.ADVANCE], first))
    outside |= stop - start > WIDEST
    boxes = np.stack([left, top, right, bottom], axis=1)
    return Placed(word, slot, left, boxes, lengths, start, stop), outside


def place_shaped(
    texts: Sequence[str], fonts: Sequence[Sequence[Sequence[Font]]], glyphs: Glyphs, margin: int
) -> list[tuple[Placed, list[Font]] | str]:
    """Shapes words one by one and places their glyphs on quarters of a pixel.

    Args:
        texts: of one line each.
        fonts: for each text, lists of fonts: the first list that shows it rightly is taken.
        glyphs: the cache.
        margin: rows that stay free above and below where possible.

    Returns:
        For each text, the one placed word with the fonts that were used, or the reason why it cannot be shown.
    """
    placed: list[tuple[Placed, list[Font]] | str] = []
    for text, tries in zip(texts, fonts, strict=True):
        reasons = []
        for own in tries:
            try:
                placed.append(_place(text, own, glyphs, margin))
                break
            except (Unshapeable, GlyphTooLarge) as reason:
                reasons.append(str(reason))
        else:
            placed.append(reasons[0])
    return placed


def _place(text: str, fonts: Sequence[Font], glyphs: Glyphs, margin: int) -> tuple[Placed, list[Font]]:
    word, size, baseline = _fitted(text, fonts, glyphs.height, margin)
    count = 1 + max(cell.graphemes.stop - 1 for cell in word.cells)
    end = -(-max(cell.right for cell in word.cells) // 64)
    if end > WIDEST:
        raise Unshapeable(f"The text of {count} characters is {end} pixels wide; an image has at most {WIDEST}")
    slots, lefts, owners = [], [], []
    for glyph in word.glyphs:
        column, quarter = divmod(round(glyph.x / 16), 4)
        number = glyphs.of_outline(glyph.font, size, glyph.glyph, quarter, baseline - round(glyph.y / 64))
        if number >= 0:
            slots.append(number)
            lefts.append(column + int(glyphs.facts[number, Glyphs.LEFT]))
            owners.append(glyph.graphemes.start)
    slot, left = np.array(slots, dtype=np.int64), np.array(lefts, dtype=np.int64)
    facts = glyphs.facts[slot]
    right = left + facts[:, Glyphs.WIDTH]
    ink = np.stack([left, facts[:, Glyphs.TOP], right, facts[:, Glyphs.BOTTOM]], axis=1)
    placed = Placed(
        word=np.zeros(len(slot), dtype=np.int64),
        slot=slot,
        left=left,
        boxes=_boxes(word, count, ink, np.array(owners)),
        characters=np.array([count]),
        start=np.array([min(0, int(left.min()))]),
        stop=np.array([max(end, int(right.max()))]),
    )
    return placed, list(dict.fromkeys(glyph.font for glyph in word.glyphs))


def _fitted(text: str, fonts: Sequence[Font], height: int, margin: int) -> tuple[ShapedWord, int, int]:
    """The shaped word with the size and baseline at which all of its ink is in the image.

    Raises:
        Unshapeable: there is no ink, or too much of it one above the other.
    """
    size, baseline = fit(fonts[0], height, margin)
    room = height - 2 * margin
    while True:
        word = shape(text, fonts, size)
        extents = [(g.y, g.font.at(size).get_glyph_extents(g.glyph)) for g in word.glyphs]
        inked = [(y + e.y_bearing, y + e.y_bearing + e.height) for y, e in extents if e is not None and e.height]
        if not inked:
            raise Unshapeable(f"Nothing of {text!r} can be seen in {fonts[0].name}")
        above, below = -(-max(top for top, _ in inked) // 64) + 1, -(-max(-low for _, low in inked) // 64) + 1
        if above <= baseline and baseline + below <= height:
            return word, size, baseline
        if above + below <= height:
            return word, size, min(max(baseline, above), height - below)
        smaller = min(size - 1, int(size * room / (above + below)))
        if smaller < min(SMALLEST, size):
            raise Unshapeable(f"{text!r} reaches too far up and down to be read at a height of {height} pixels")
        size, baseline = smaller, height - margin - round(below * smaller / size)


def _boxes(word: ShapedWord, count: int, ink: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """A box for each grapheme: the ink of its cell, shared out evenly where one glyph draws several; where a cell has
    no ink (a space), its stretch of the line at the height of the word's ink."""
    boxes = np.zeros((count, 4), dtype=np.int64)
    for cell in word.cells:
        own = ink[owners == cell.graphemes.start]
        if len(own):
            x0, y0 = own[:, :2].min(axis=0)
            x1, y1 = own[:, 2:].max(axis=0)
        else:
            x0, x1 = round(cell.left / 64), round(cell.right / 64)
            y0, y1 = ink[:, 1].min(), ink[:, 3].max()
        edges = np.round(np.linspace(x0, x1, len(cell.graphemes) + 1)).astype(np.int64)
        order = cell.graphemes[::-1] if cell.right_to_left else cell.graphemes
        for place, grapheme in enumerate(order):
            boxes[grapheme] = edges[place], y0, edges[place + 1], y1
    return boxes


def join(parts: Sequence[Placed]) -> Placed:
    """Several placements as one, their words numbered through."""
    counts = [len(part.start) for part in parts]
    offsets = np.cumsum([0, *counts[:-1]])
    together = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("slot", "left", "boxes", "characters", "start", "stop")
    }
    word = np.concatenate([part.word + offset for part, offset in zip(parts, offsets, strict=True)])
    return Placed(word=word, **together)
