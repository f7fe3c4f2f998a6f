"""Glyphs drawn once: the columns of their pixels, kept for every font, size and baseline that a batch uses.

A word image is a row of columns. Each glyph is kept as columns as high as the image, with its ink at the right height,
so that a word is made by taking columns: no pixel is computed twice.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from hf_mbdc.rendering.fonts import Font, trimmed
from hf_mbdc.transforms.characters import CharacterTable

# What decides about a font's size: letters that reach far up or down, of scripts with long ones.
_PROBES = ("HÅgjpqy", "가힣뷁", "國鬱", "あぎ", "Щйу", "ΆΨξγ", "קלץ", "لآجيعخ", "ฐูปั๊ที่", "हिंद्रूर्क्षौ", "ঁক্ষূ", "😀")


class Glyphs:
    """Glyphs of one image height, growing as new ones are asked for.

    A glyph has a number ("slot") here. `facts[slot]` tells its first column in `columns`, its width, the place of its
    first column from the pen, what the pen moves (whole pixels; only of glyphs that are set without shaping), and the
    rows with ink, from and to. A column has `height` pixels of ink from 0 to 255; a glyph's are cut to its ink.
    """

    FIRST, WIDTH, LEFT, ADVANCE, TOP, BOTTOM = range(6)

    def __init__(self, height: int) -> None:
        self.height = height
        self.columns = np.zeros((4096, height), dtype=np.uint8)
        self.used = 1  # column 0 is blank
        self.facts = np.zeros((1024, 6), dtype=np.int32)
        self.count = 0
        self._by_glyph: dict[tuple[Any, ...], int] = {}

    def add(self, pixels: np.ndarray, left: int, top: int, advance: int) -> int:
        """Keeps a glyph and gives its slot.

        Args:
            pixels: uint8 (rows, columns), its ink.
            left: of its first column, from the pen.
            top: of its first row in the image; rows outside the image are cut off, `top` and `bottom` still tell.
            advance: of the pen.
        """
        rows, width = pixels.shape
        if self.used + width > len(self.columns):
            more = np.zeros((len(self.columns) + width, self.height), dtype=np.uint8)
            self.columns = np.concatenate([self.columns, more])
        if self.count == len(self.facts):
            self.facts = np.concatenate([self.facts, np.zeros_like(self.facts)])
        upper, lower = max(top, 0), min(top + rows, self.height)
        if upper < lower:
            self.columns[self.used : self.used + width, upper:lower] = pixels[upper - top : lower - top].T
        self.facts[self.count] = self.used, width, left, advance, top, top + rows
        self.used += width
        self.count += 1
        return self.count - 1

    def of_outline(self, font: Font, size: int, glyph: int, quarter: int, baseline: int) -> int:
        """The slot of a glyph by its number in the font, `quarter` quarters of a pixel right of the pen, or -1 where
        it has no ink.

        Raises:
            GlyphTooLarge: see `Font.draw`.
        """
        key = (font, size, glyph, quarter, baseline)
        if key not in self._by_glyph:
            pixels, left, top = font.draw(glyph, size, quarter)
            self._by_glyph[key] = self.add(pixels, left, baseline + top, 0) if pixels.size else -1
        return self._by_glyph[key]


class SetFont:
    """A font at one size and baseline, for characters that are set one after the other without shaping.

    Pictures and advances are those of Pillow's basic layout, pixel for pixel.
    """

    def __init__(self, font: Font, size: int, baseline: int, glyphs: Glyphs) -> None:
        self.font, self.size, self.baseline, self.glyphs = font, size, baseline, glyphs

    @cached_property
    def _slots(self) -> CharacterTable:
        return CharacterTable(self._add, np.uint32)

    @cached_property
    def _pillow(self) -> Any:
        from PIL import ImageFont

        basic = ImageFont.Layout.BASIC
        return ImageFont.truetype(str(self.font.path), self.size, index=self.font.index, layout_engine=basic)

    def slots(self, codes: np.ndarray) -> np.ndarray:
        """The slot of each code point, int64 (codes,)."""
        return self._slots[codes].astype(np.int64) - 1

    def _add(self, code: int) -> int:
        character = chr(code)
        mask, (left, top) = self._pillow.getmask2(character, mode="L", anchor="ls")
        width, height = mask.size
        pixels = np.array(mask, dtype=np.uint8).reshape(height, width)
        pixels, left, top = trimmed(pixels, left, top)
        advance = round(self._pillow.getlength(character))
        return self.glyphs.add(pixels, left, self.baseline + top, advance) + 1


def fit(font: Font, height: int, margin: int) -> tuple[int, int]:
    """Size and baseline at which a font's ordinary letters fill an image.

    Args:
        font: any.
        height: of the image, in pixels.
        margin: rows that stay free above and below.

    Returns:
        Pixels an em, and the row of the baseline.
    """
    above, below = probe(font)
    room = height - 2 * margin
    size = max(1, int(room / max(above + below, 1e-3)))
    return size, margin + round((room + size * (above - below)) / 2)


def probe(font: Font) -> tuple[float, float]:
    """How far a font's ordinary letters reach above and below the baseline, in em."""
    cached = getattr(font, "_probe", None)
    if cached is None:
        cached = _probe(font)
        font._probe = cached  # type: ignore[attr-defined]
    return cached


def _probe(font: Font) -> tuple[float, float]:
    import uharfbuzz as hb

    size = 64
    at = font.at(size)
    above = below = 0.0
    for text in _PROBES:
        if not font.covers(np.array([ord(c) for c in text])).all():
            continue
        buffer = hb.Buffer()
        buffer.add_str(text)
        buffer.guess_segment_properties()
        hb.shape(at, buffer)
        for info, position in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
            extents = at.get_glyph_extents(info.codepoint)
            above = max(above, extents.y_bearing + position.y_offset)
            below = max(below, -(extents.y_bearing + extents.height + position.y_offset))
    if not above + below:
        metrics = at.get_font_extents("ltr")
        above, below = metrics.ascender, -metrics.descender
    return above / (64 * size), below / (64 * size)
