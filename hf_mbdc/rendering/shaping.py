"""Shaping: from a word to glyphs with places, in the order in which they are seen.

A word is cut into graphemes (UAX #29), each gets the first font that draws it, and stretches of one font, script and
direction are shaped by HarfBuzz: joined letters, ligatures, marks, reordered vowels, kerning. What would not come out
right is refused with the reason.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby
from typing import Any

from hf_mbdc.rendering.bidi import EXPLICIT, is_left_to_right, levels, visual_order
from hf_mbdc.rendering.fonts import Font, is_ignorable

_DOTTED_CIRCLE = 0x25CC
_ZWJ = "\u200d"
_STRAY = 0.15  # em by which the middle of a mark may lie beside its letter


@dataclass(frozen=True)
class ShapedGlyph:
    """A glyph of a word: of which font, where its pen is and by how much it moves the next one's (1/64 pixel, upwards),
    and which graphemes it draws."""

    font: Font
    glyph: int
    x: int
    y: int
    graphemes: range
    advance: int


@dataclass(frozen=True)
class Cell:
    """Graphemes that are drawn together, and the stretch of the line that is theirs (1/64 pixel)."""

    graphemes: range
    left: int
    right: int
    right_to_left: bool


@dataclass(frozen=True)
class ShapedWord:
    """A word's glyphs and cells from left to right."""

    glyphs: tuple[ShapedGlyph, ...]
    cells: tuple[Cell, ...]


def graphemes(text: str) -> list[str]:
    """What readers take for one character each.

    Example:
        >>> len(graphemes("e\\u0301👨‍👩‍👧"))
        2
    """
    import regex

    return regex.findall(r"\X", text)


def problem_of(text: str | None) -> str | None:
    """Why a text cannot be a word image whatever the font, or None."""
    if text is None:
        return "There is no text"
    if not text:
        return "The text is empty"
    if text.isalpha():
        return None
    for character in text:
        category = unicodedata.category(character)
        if category in ("Cc", "Zl", "Zp"):
            return f"The text has {name_of(character)}, and an image shows one line"
        if character in EXPLICIT:
            return f"The text turns its direction by {name_of(character)}"
        if 0xE0000 <= ord(character) <= 0xE007F:
            return f"The text has the tag character {name_of(character)}"
    if unicodedata.category(text[0])[0] == "M":
        return f"The text begins with a mark that has no letter to stand on, {name_of(text[0])}"
    if all(is_ignorable(c) or c.isspace() for c in text):
        return "Nothing of the text can be seen"
    return None


def name_of(character: str) -> str:
    """A character for messages: code point and name, and itself where it can be seen."""
    name = unicodedata.name(character, "")
    seen = f" {character!r}" if character.isprintable() and unicodedata.category(character)[0] != "M" else ""
    return f"U+{ord(character):04X}{f' {name}' if name else ''}{seen}"


class Unshapeable(Exception):  # noqa: N818 -- a reason on its way to the row, not an error
    """Why a word cannot be shown rightly."""


def choose_fonts(parts: Sequence[str], fonts: Sequence[Font]) -> list[Font]:
    """A font for each grapheme: the one before it, if that draws it, or the first that does.

    Raises:
        Unshapeable: none of the fonts draws one of them.
    """
    if fonts[0].draws("".join(parts)):
        return [fonts[0]] * len(parts)
    chosen: list[Font] = []
    for part in parts:
        font = next((font for font in [*chosen[-1:], *fonts] if font.draws(part)), None)
        if font is None:
            best = max(fonts, key=lambda f: sum(map(f.draws, part)))
            raise Unshapeable(f"No font draws {name_of(next(c for c in part if not best.draws(c)))}")
        chosen.append(font)
    return chosen


def shape(text: str, fonts: Sequence[Font], size: int) -> ShapedWord:
    """Shapes a word.

    Args:
        text: of one line.
        fonts: tried in this order, grapheme by grapheme.
        size: pixels an em.

    Raises:
        Unshapeable: no font draws a character, or what the fonts make of it is not what it should look like.
    """
    parts = graphemes(text)
    chosen = choose_fonts(parts, fonts)
    starts = [0, *accumulate(map(len, parts))]
    grapheme_of = [number for number, part in enumerate(parts) for _ in part]
    line = [0] * len(text) if is_left_to_right(text) else levels(text)
    runs = _runs([chosen[number] for number in grapheme_of], line, _scripts(text))
    word = _Word(text, [ord(character) for character in text], starts, grapheme_of, size)
    pen, glyphs, cells = 0, [], []
    for number in visual_order([run.level for run in runs]):
        made, own, pen = _shape_run(word, runs[number], pen)
        glyphs += made
        cells += own
    _check_joined(parts, glyphs, size)
    _check_marks(text, glyphs, size)
    return ShapedWord(tuple(glyphs), tuple(cells))


@dataclass(frozen=True)
class _Word:
    """A word's text and code points, where its graphemes start, the grapheme of each character, and pixels an em."""

    text: str
    codes: list[int]
    starts: list[int]
    grapheme_of: list[int]
    size: int


@dataclass(frozen=True)
class _Run:
    """A stretch of a word in one font, script and direction."""

    start: int
    stop: int
    font: Font
    level: int
    script: str


def _runs(fonts: Sequence[Font], line: Sequence[int], scripts: Sequence[str]) -> list[_Run]:
    """The stretches of one font, level and script."""
    runs, start = [], 0
    for (font, level, script), group in groupby(zip(fonts, line, scripts, strict=True)):
        stop = start + sum(1 for _ in group)
        runs.append(_Run(start, stop, font, level, script))
        start = stop
    return runs


def _scripts(text: str) -> list[str]:
    """The script of every character; those of all scripts (digits, marks, punctuation) go with the one before them."""
    own = [_script(character) for character in text]
    before = next((script for script in own if script not in ("Zyyy", "Zinh")), "Zyyy")
    for i, script in enumerate(own):
        if script in ("Zyyy", "Zinh"):
            own[i] = before
        before = own[i]
    return own


@lru_cache(maxsize=100_000)
def _script(character: str) -> str:
    from fontTools import unicodedata as scripts

    return str(scripts.script(character))


def _shape_run(word: _Word, run: _Run, pen: int) -> tuple[list[ShapedGlyph], list[Cell], int]:
    """The glyphs and cells of one run, from left to right, and where the pen is after it."""
    infos, positions = _harfbuzz(word, run)
    blocks = _blocks(sorted({cluster for _, cluster in infos}), run, word)
    circle = run.font.at(word.size).get_nominal_glyph(_DOTTED_CIRCLE)
    glyphs: list[ShapedGlyph] = []
    cells: list[Cell] = []
    for (glyph, cluster), (advance, dx, dy) in zip(infos, positions, strict=True):
        if not glyph:
            raise Unshapeable(f"{run.font.name} has no glyph for {name_of(word.text[cluster])} in {word.text!r}")
        if glyph == circle and "◌" not in word.text:
            raise Unshapeable(f"{word.text!r} has a mark where the font finds no letter for it")
        block = blocks[cluster]
        glyphs.append(ShapedGlyph(run.font, glyph, pen + dx, dy, block, advance))
        left = cells.pop().left if cells and cells[-1].graphemes == block else pen
        pen += advance
        cells.append(Cell(block, left, pen, run.level % 2 == 1))
    return glyphs, cells, pen


def _harfbuzz(word: _Word, run: _Run) -> tuple[list[tuple[int, int]], list[tuple[int, int, int]]]:
    """Glyphs with clusters, and advances with offsets, as HarfBuzz gives them."""
    import uharfbuzz as hb

    buffer: Any = hb.Buffer()
    buffer.add_codepoints(word.codes, run.start, run.stop - run.start)
    buffer.direction = "rtl" if run.level % 2 else "ltr"
    buffer.script = run.script
    buffer.language = "und"  # not the locale's, so that every machine shapes alike
    hb.shape(run.font.at(word.size), buffer)
    infos = [(info.codepoint, info.cluster) for info in buffer.glyph_infos]
    return infos, [(p.x_advance, p.x_offset, p.y_offset) for p in buffer.glyph_positions]


def _blocks(clusters: Sequence[int], run: _Run, word: _Word) -> dict[int, range]:
    """For every cluster of HarfBuzz, the graphemes that it cannot be told apart from: a ligature draws several, and a
    grapheme may be drawn by several clusters."""
    of_cluster: dict[int, range] = {}
    first = 0
    for number in range(len(clusters)):
        end = clusters[number + 1] if number + 1 < len(clusters) else run.stop
        if end < run.stop and word.starts[word.grapheme_of[end]] != end:
            continue  # the cluster ends inside a grapheme
        block = range(word.grapheme_of[clusters[first]], word.grapheme_of[end - 1] + 1)
        of_cluster.update(dict.fromkeys(clusters[first : number + 1], block))
        first = number + 1
    return of_cluster


def _check_joined(parts: Sequence[str], glyphs: Sequence[ShapedGlyph], size: int) -> None:
    """Emoji that are joined, coloured or paired by further characters must come out as one picture.

    Raises:
        Unshapeable: the font shows the pieces side by side.
    """
    for number, part in enumerate(parts):
        if not _is_emoji_sequence(part):
            continue
        inked = [g for g in glyphs if number in g.graphemes and g.font.at(size).get_glyph_extents(g.glyph).width]
        if len(inked) > 1:
            raise Unshapeable(f"{inked[0].font.name} draws the pieces of {part!r} one by one")


def _check_marks(text: str, glyphs: Sequence[ShapedGlyph], size: int) -> None:
    """Marks must lie over or under their letter, each in its own place.

    Raises:
        Unshapeable: the font has the mark but not where it goes.
    """
    if text.isalpha():
        return
    for _, group in groupby(glyphs, key=lambda glyph: glyph.graphemes):
        cell = list(group)
        marks = [_ink(glyph, size) for glyph in cell if not glyph.advance]
        marks = [ink for ink in marks if ink[0] < ink[1]]
        letters = [ink for glyph in cell if glyph.advance for ink in [_ink(glyph, size)] if ink[0] < ink[1]]
        if not marks or not letters:
            continue
        room = 64 * size * _STRAY
        low, high = min(ink[0] for ink in letters) - room, max(ink[1] for ink in letters) + room
        if len(set(marks)) < len(marks) or any(not low <= (ink[0] + ink[1]) / 2 <= high for ink in marks):
            raise Unshapeable(f"{cell[0].font.name} has no place for the marks of {text!r}")


def _ink(glyph: ShapedGlyph, size: int) -> tuple[int, int, int]:
    """Where a glyph's ink begins and ends, and its height over the baseline; all the same where there is none."""
    extents = glyph.font.at(size).get_glyph_extents(glyph.glyph)
    left = glyph.x + extents.x_bearing
    return left, left + extents.width, glyph.y + extents.y_bearing


def _is_emoji_sequence(part: str) -> bool:
    if len(part) < 2:
        return False
    symbols = [c for c in part if unicodedata.category(c) == "So"]
    return bool(symbols) and (_ZWJ in part or len(symbols) > 1 or any("🏻" <= c <= "🏿" for c in part))
