"""Fonts are found, and cover what they really draw."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.rendering.fonts import (
    Font,
    GlyphTooLarge,
    _faces_in,
    find_fonts,
    font_state,
    is_ignorable,
    rasterize,
)


def square(left: int, size: int) -> object:
    pen = TTGlyphPen(None)
    pen.moveTo((left, 0))
    for place in ((left, size), (left + size, size), (left + size, 0)):
        pen.lineTo(place)
    pen.closePath()
    return pen.glyph()


def write_font(path: Path, characters: dict[int, str], **glyphs: object) -> Path:
    """A font of squares: a small one is the glyph for missing characters."""
    names = [".notdef", *glyphs]
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap(characters)
    builder.setupGlyf({".notdef": square(100, 300), **glyphs})
    left = {name: getattr(builder.font["glyf"][name], "xMin", 0) for name in names}
    builder.setupHorizontalMetrics({name: (800, left[name]) for name in names})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular", "fullName": "Squares"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


def covers(font: Font, text: str) -> list[bool]:
    return font.covers(np.array([ord(c) for c in text])).tolist()


def test_the_packaged_fonts_have_every_hangul_syllable() -> None:
    fonts = find_fonts(["packaged"])
    assert [font.name for font in fonts] == ["Noto Sans KR", "Noto Serif KR", "DejaVu Sans", "DejaVu Serif"]
    syllables = np.arange(0xAC00, 0xD7A4, 11)
    for font in fonts[:2]:
        assert font.covers(syllables).all()
    assert covers(fonts[2], "aЩ가") == [True, True, False]
    assert fonts[0].draws("값 1")
    assert not fonts[0].draws("값ع")


def test_a_mapped_character_counts_only_if_it_is_drawn_and_not_as_the_missing_one(tmp_path: Path) -> None:
    empty = TTGlyphPen(None).glyph()
    mapped = {ord("a"): "a", ord("b"): "blank", ord("c"): "box", ord("d"): ".notdef", ord(" "): "blank"}
    path = write_font(tmp_path / "f.ttf", mapped, a=square(100, 500), blank=empty, box=square(100, 300))
    font = Font(path)
    assert covers(font, "abcd e") == [True, False, False, False, True, False]
    assert font.draws("a\u200d")  # a joiner is never seen
    assert not font.is_placeholder


def test_a_font_that_maps_everything_is_not_taken(tmp_path: Path) -> None:
    write_font(tmp_path / "last.ttf", {0x378: "a", ord("a"): "a"}, a=square(0, 500))
    write_font(tmp_path / "sound.otf", {ord("a"): "a"}, a=square(0, 500))
    assert [font.path.name for font in find_fonts([str(tmp_path)])] == ["sound.otf"]


def test_sources_that_do_not_exist_are_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no fonts under this name \(key 'fonts', value 'no_such_package'\)"):
        find_fonts(["no_such_package"])
    with pytest.raises(RecipeError, match="a list of sources"):
        find_fonts("packaged")
    with pytest.raises(DataError, match="No usable font was found"):
        find_fonts([str(tmp_path)])
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    with pytest.raises(DataError, match=r"no font that can be read.*broken\.ttf"):
        find_fonts([str(broken)])


def test_a_file_is_taken_once(tmp_path: Path) -> None:
    path = write_font(tmp_path / "f.ttf", {ord("a"): "a"}, a=square(0, 500))
    assert len(find_fonts([str(path), str(tmp_path)])) == 1


def test_an_outline_is_drawn_where_it_is(tmp_path: Path) -> None:
    font = Font(write_font(tmp_path / "f.ttf", {ord("a"): "a"}, a=square(200, 500)))
    pixels, left, top = rasterize(font.at(10), font.at(10).get_nominal_glyph(ord("a")))
    assert (pixels == 255).all()
    assert pixels.shape == (5, 5)
    assert (left, top) == (2, -5)
    pixels, left, top = rasterize(font.at(10), font.at(10).get_nominal_glyph(ord("a")), quarter=1)
    assert pixels[0].tolist() == [191, 255, 255, 255, 255, 64]
    assert left == 2


def rectangle(width: int, height: int) -> object:
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for place in ((0, height), (width, height), (width, 0)):
        pen.lineTo(place)
    pen.closePath()
    return pen.glyph()


def test_glyphs_that_would_take_gigabytes_are_not_drawn(tmp_path: Path) -> None:
    sizes = {"a": (32000, 32000), "b": (32000, 3000), "c": (13000, 3000), "d": (500, 500)}
    mapped = {ord(name): name for name in sizes}
    path = write_font(tmp_path / "f.ttf", mapped, **{name: rectangle(*size) for name, size in sizes.items()})
    assert covers(Font(path), "abcd") == [False, True, True, True]
    with pytest.raises(GlyphTooLarge, match="Squares has a glyph 32 × 32 em large"):
        Font(path).draw(1, 1024)


def test_the_bounds_that_a_font_tells_are_not_believed(tmp_path: Path) -> None:
    path = write_font(tmp_path / "f.ttf", {ord("a"): "a"}, a=rectangle(32000, 32000))
    with TTFont(path) as font:
        place = font.reader.tables["glyf"].offset + font["loca"].locations[font.getGlyphID("a")]
    content = bytearray(path.read_bytes())
    assert struct.unpack(">4h", content[place + 2 : place + 10]) == (0, 0, 32000, 32000)
    content[place + 2 : place + 10] = struct.pack(">4h", 0, 0, 500, 500)
    path.write_bytes(content)
    assert Font(path).at(10).get_glyph_extents(1).width == 320  # half an em, in 1/64 pixels
    assert covers(Font(path), "a") == [False]


def test_the_state_of_fonts_changes_with_their_files(tmp_path: Path) -> None:
    path = write_font(tmp_path / "f.ttf", {ord("a"): "a"}, a=square(0, 500))
    (before,) = font_state([str(tmp_path)])
    assert before[:2] == (str(path), path.stat().st_size)
    os.utime(path, ns=(0, 0))
    assert font_state([str(tmp_path)]) == ((*before[:2], 0),)
    write_font(tmp_path / "g.ttf", {ord("a"): "a"}, a=square(0, 500))
    assert len(font_state([str(tmp_path)])) == 2


@pytest.mark.parametrize(
    ("character", "expected"), [("\u200d", True), ("\ufe0f", True), ("a", False), ("\u0301", False)]
)
def test_ignorable_characters(character: str, expected: bool) -> None:
    assert is_ignorable(character) is expected


def test_a_collection_has_no_more_faces_than_its_header_has_room_for(tmp_path: Path) -> None:
    """A count of four billion in a file of a few bytes would be four billion attempts."""
    path = tmp_path / "many.ttc"
    path.write_bytes(b"ttcf\0\1\0\0" + b"\xff" * 4 + bytes(40))
    assert _faces_in(path) == 10
    with pytest.raises(DataError, match="No usable font"):
        find_fonts([str(tmp_path)])


def test_ignorable_characters_are_those_between_their_bounds() -> None:
    inside = "\u200b\u200f\u2060\u2064\ufe00\ufe0f\U000e0100\U000e01ef"
    outside = "\u200a\u2010\u205f\u2065\ufdff\ufe10\U000e00ff\U000e01f0"
    assert all(map(is_ignorable, inside))
    assert not any(map(is_ignorable, outside))
