"""From texts to image files: fonts chosen, glyphs placed, pixels composed, changed and written, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from hf_mbdc.rendering.augmenting import Augmentation, Plan, augment, draw_plan
from hf_mbdc.rendering.composing import compose, layout
from hf_mbdc.rendering.encoding import jpeg_file, png_files
from hf_mbdc.rendering.fonts import Font, find_fonts
from hf_mbdc.rendering.glyphs import Glyphs, SetFont, fit
from hf_mbdc.rendering.placing import Placed, join, place_in_line, place_shaped
from hf_mbdc.rendering.shaping import problem_of
from hf_mbdc.rendering.warping import move_boxes
from hf_mbdc.transforms.characters import CharacterTable, code_points
from hf_mbdc.transforms.draws import below

_KEPT = 256 << 20  # bytes of glyphs that are kept from batch to batch: 11,172 syllables at 1024 pixels have far more
_FONT = 48  # number of the draw that chooses the font
_AT_ONCE = 1 << 18  # pixels that are changed together: fewer calls, and arrays that the caches hold
# Scripts where no character changes another one: Hangul syllables and ideographs, first and last of each block.
_SET_IN_LINE = ((0xAC00, 0xD7A3), (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))


@dataclass(frozen=True)
class Drawn:
    """The images of a batch of rows.

    Args:
        files: (rows,) PNG or JPEG files, binary; null where a row is rejected.
        boxes: (rows,) lists of x0 y0 x1 y1 in pixels of the image, one for each grapheme; null where rejected.
        fonts: (rows,) the name of the font, of several joined by " + "; null where rejected.
        reasons: why a row is rejected, or None.
    """

    files: pa.Array
    boxes: pa.Array
    fonts: pa.Array
    reasons: list[str | None]


@dataclass(frozen=True)
class _Words:
    """Placed words with the rows that they belong to, and the name of the font of each."""

    rows: np.ndarray
    placed: Placed
    fonts: list[str]


@dataclass
class Drawer:
    """Draws words in given fonts at a given height; keeps fonts and glyphs from batch to batch.

    Args:
        sources: see `find_fonts`.
        height: of the images, in pixels.
        augmentation: None: black on white.
    """

    sources: tuple[str, ...]
    height: int
    augmentation: Augmentation | None = None
    _set: dict[int, SetFont] = field(default_factory=dict)

    @cached_property
    def fonts(self) -> list[Font]:
        """All fonts."""
        return find_fonts(self.sources)

    @cached_property
    def glyphs(self) -> Glyphs:
        """The glyphs drawn so far."""
        return Glyphs(self.height)

    @property
    def margin(self) -> int:
        """Pixels around the word."""
        return max(1, round(self.height / 10))

    def draw(self, texts: Sequence[str | None], keys: np.ndarray) -> Drawn:
        """Draws a batch.

        Args:
            texts: the words.
            keys: uint64 (rows,), see `row_keys`: all that is drawn by chance follows from a row's own.
        """
        if self.glyphs.columns.nbytes > _KEPT:
            self._set.clear()
            del self.glyphs
        reasons = [problem_of(text) for text in texts]
        words = self.place(texts, keys, reasons)
        if words is None:
            return _rejected(reasons)
        made, boxes = self._pictures(words, keys[words.rows])
        files, of = [files for _, files in made], [words.rows[images] for images, _ in made]
        names = dict(zip(words.rows.tolist(), words.fonts, strict=True))
        return Drawn(
            files=_in_order(pa.concat_arrays(files), np.concatenate(of), len(texts)),
            boxes=_in_order(_box_lists(boxes, words.placed.characters), words.rows, len(texts)),
            fonts=pa.array([names.get(row) for row in range(len(texts))], type=pa.string()),
            reasons=reasons,
        )

    def place(self, texts: Sequence[str | None], keys: np.ndarray, reasons: list[str | None]) -> _Words | None:
        """Chooses a font for each word and places its glyphs.

        Args:
            texts: the words. keys: as in `draw`.
            reasons: rows with one are left out; new ones are put in.

        Returns:
            The words that can be shown, or None where there is none.
        """
        rows = np.flatnonzero([reason is None for reason in reasons])
        if not len(rows):
            return None
        sound = [str(texts[row]) for row in rows.tolist()]
        lengths = np.array([len(text) for text in sound])
        codes = code_points("".join(sound))
        first = np.cumsum(lengths) - lengths
        in_line = np.logical_and.reduceat(_IN_LINE[codes] == _YES, first)
        chosen = self._choose(codes, first, keys[rows])
        parts: list[_Words] = []
        for number in np.unique(chosen[in_line & (chosen >= 0)]).tolist():
            mine = np.flatnonzero(in_line & (chosen == number))
            font = self._set_font(number)
            own = codes[np.repeat(in_line & (chosen == number), lengths)]
            placed, outside = place_in_line(own, lengths[mine], font)
            if outside.any():  # set again below, smaller
                in_line[mine[outside]] = False
                mine = mine[~outside]
                if not len(mine):
                    continue
                own = codes[np.repeat(np.isin(np.arange(len(rows)), mine), lengths)]
                placed, _ = place_in_line(own, lengths[mine], font)
            parts.append(_Words(rows[mine], placed, [font.font.name] * len(mine)))
        others = np.flatnonzero(~in_line | (chosen < 0))
        parts += self._shaped(others, rows, sound, chosen, reasons)
        if not parts:
            return None
        names = [name for part in parts for name in part.fonts]
        return _Words(np.concatenate([part.rows for part in parts]), join([part.placed for part in parts]), names)

    def _choose(self, codes: np.ndarray, first: np.ndarray, keys: np.ndarray) -> np.ndarray:
        """The number of each word's font, one of those that draw all of it; -1 where none does."""
        covered = np.stack([np.logical_and.reduceat(font.covers(codes), first) for font in self.fonts])
        wanted = below(keys, _FONT, covered.sum(axis=0))
        return np.where(covered.any(axis=0), (covered.cumsum(axis=0) > wanted).argmax(axis=0), -1)

    def _set_font(self, number: int) -> SetFont:
        if number not in self._set:
            font = self.fonts[number]
            self._set[number] = SetFont(font, *fit(font, self.height, self.margin), self.glyphs)
        return self._set[number]

    def _shaped(
        self, others: np.ndarray, rows: np.ndarray, texts: list[str], chosen: np.ndarray, reasons: list[str | None]
    ) -> list[_Words]:
        """The words that need shaping, one by one, since HarfBuzz takes one at a time."""
        stacks = [self._tries(texts[i], int(chosen[i])) for i in others.tolist()]
        results = place_shaped([texts[i] for i in others.tolist()], stacks, self.glyphs, self.margin)
        parts = []
        for i, result in zip(others.tolist(), results, strict=True):
            if isinstance(result, str):
                reasons[rows[i]] = result
            else:
                placed, fonts = result
                parts.append(_Words(rows[i : i + 1], placed, [" + ".join(font.name for font in fonts)]))
        return parts

    def _tries(self, text: str, chosen: int) -> list[list[Font]]:
        """The fonts to try: the one that was drawn, others that have all of the text's characters, all together."""
        if chosen < 0:
            return [self.fonts]
        first = self.fonts[chosen]
        return [[first], *([font] for font in self.fonts if font is not first and font.draws(text)), self.fonts]

    def _pictures(self, words: _Words, keys: np.ndarray) -> tuple[list[tuple[np.ndarray, pa.Array]], np.ndarray]:
        """The files of all words, each array with the words that it is of, and the boxes of all characters."""
        placed = words.placed
        widths, shifts = layout(placed, self.margin)
        of = np.repeat(np.arange(len(widths)), placed.characters)
        boxes = placed.boxes.copy()
        boxes[:, [0, 2]] += shifts[of][:, None]
        composed = compose(placed, widths, shifts, self.glyphs)
        if self.augmentation is None:
            return [(images.words, _binary(png_files(255 - images.ink))) for images in composed], boxes
        top, bottom = np.zeros_like(widths), np.full_like(widths, self.height)
        ink = np.stack([placed.start + shifts, top, placed.stop + shifts, bottom], axis=1)
        plan = draw_plan(keys, widths, self.height, ink, self.augmentation)
        if plan.matrices is not None:
            boxes = move_boxes(plan.matrices[of], boxes, widths[of], self.height)
        made = []
        for images in composed:
            many = max(1, _AT_ONCE // images.ink[0].size)
            for start in range(0, len(images.words), many):
                part = images.words[start : start + many]
                own = plan.of(part)
                made += _files(part, augment(images.ink[start : start + many], own), own)
        return made, boxes


_YES, _NO = 1, 2
_IN_LINE = CharacterTable(lambda code: _YES if any(a <= code <= b for a, b in _SET_IN_LINE) else _NO, np.uint8)


def _files(words: np.ndarray, levels: np.ndarray, plan: Plan) -> list[tuple[np.ndarray, pa.Array]]:
    """The files of changed images of one size, PNG and JPEG apart: of which words, and binary (images,)."""
    made = []
    png, jpeg = np.flatnonzero(plan.quality == 0), np.flatnonzero(plan.quality)
    if len(png):
        made.append((words[png], _binary(png_files(levels[png], plan.palettes[png]))))
    if len(jpeg):
        files = [jpeg_file(levels[i], plan.palettes[i], int(plan.quality[i])) for i in jpeg.tolist()]
        made.append((words[jpeg], pa.array(files, type=pa.binary())))
    return made


def _binary(files: np.ndarray) -> pa.Array:
    """(n, bytes) → n binary values, without a copy."""
    count, size = files.shape
    offsets = np.arange(count + 1, dtype=np.int32) * size
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(files)]
    return pa.Array.from_buffers(pa.binary(), count, buffers)


def _box_lists(boxes: np.ndarray, counts: np.ndarray) -> pa.Array:
    offsets = np.zeros(len(counts) + 1, dtype=np.int32)
    np.cumsum(counts, out=offsets[1:])
    inner = pa.ListArray.from_arrays(
        pa.array(np.arange(len(boxes) + 1, dtype=np.int32) * 4), pa.array(boxes.astype(np.int32).reshape(-1))
    )
    return pa.ListArray.from_arrays(pa.array(offsets), inner)


def _in_order(values: pa.Array, rows: np.ndarray, count: int) -> pa.Array:
    """Values of some rows as a column of all rows, null where there is none."""
    place = np.full(count, -1)
    place[rows] = np.arange(len(rows))
    return values.take(pa.array(place, mask=place < 0))


def _rejected(reasons: list[str | None]) -> Drawn:
    count = len(reasons)
    boxes = pa.nulls(count, pa.list_(pa.list_(pa.int32())))
    return Drawn(pa.nulls(count, pa.binary()), boxes, pa.nulls(count, pa.string()), reasons)
