"""Words become the glyphs that they should, or are refused with the reason."""

from __future__ import annotations

import pytest

from hf_mbdc.rendering.fonts import Font, find_fonts
from hf_mbdc.rendering.shaping import Unshapeable, graphemes, problem_of, shape


@pytest.fixture(scope="module")
def packaged() -> list[Font]:
    return find_fonts(["packaged"])


@pytest.fixture(scope="module")
def noto() -> list[Font]:
    pytest.importorskip("manimgx_fonts")
    return find_fonts(["packaged", "manimgx_fonts"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "There is no text"),
        ("", "The text is empty"),
        ("a\nb", "The text has U+000A, and an image shows one line"),
        ("\u0301a", "The text begins with a mark that has no letter to stand on, U+0301 COMBINING ACUTE ACCENT"),
        ("a\u202eb", "The text turns its direction by U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("🏴\U000e0067\U000e007f", "The text has the tag character U+E0067 TAG LATIN SMALL LETTER G"),
        (" \u200d", "Nothing of the text can be seen"),
        ("값", None),
        ("a 1", None),
    ],
)
def test_texts_that_no_font_can_show(text: str | None, reason: str | None) -> None:
    assert problem_of(text) == reason


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("값이", ["값", "이"]),
        ("e\u0301a", ["e\u0301", "a"]),
        ("👨‍👩‍👧!", ["👨‍👩‍👧", "!"]),
        ("ที่", ["ที่"]),
        ("\u1112\u1161\u11ab", ["\u1112\u1161\u11ab"]),
    ],
)
def test_graphemes(text: str, parts: list[str]) -> None:
    assert graphemes(text) == parts


def names(text: str, fonts: list[Font]) -> list[str]:
    return [glyph.font.name for glyph in shape(text, fonts, 24).glyphs]


def test_arabic_letters_join_and_run_to_the_left(packaged: list[Font]) -> None:
    word = shape("بب", packaged, 24)
    assert [glyph.graphemes for glyph in word.glyphs] == [range(1, 2), range(0, 1)]
    assert len({glyph.glyph for glyph in word.glyphs}) == 2  # final and initial form
    isolated = shape("ب", packaged, 24)
    assert isolated.glyphs[0].glyph not in {glyph.glyph for glyph in word.glyphs}


def test_a_ligature_belongs_to_all_of_its_letters(packaged: list[Font]) -> None:
    assert [cell.graphemes for cell in shape("لا", packaged, 24).cells] == [range(0, 2)]
    assert [len(cell.graphemes) for cell in shape("office", packaged, 24).cells] == [1, 3, 1, 1]


def test_a_decomposed_syllable_is_drawn_as_one(packaged: list[Font]) -> None:
    whole, apart = shape("한", packaged, 24), shape("\u1112\u1161\u11ab", packaged, 24)
    assert [glyph.glyph for glyph in apart.glyphs] == [glyph.glyph for glyph in whole.glyphs]
    assert apart.cells[0].graphemes == range(0, 1)


def test_each_character_gets_a_font_that_has_it(packaged: list[Font]) -> None:
    assert names("가a", packaged) == ["Noto Sans KR", "Noto Sans KR"]
    assert names("가ع", packaged) == ["Noto Sans KR", "DejaVu Sans"]
    with pytest.raises(Unshapeable, match=r"No font draws U\+0E01 THAI CHARACTER KO KAI 'ก'"):
        shape("aก", packaged, 24)


def test_numbers_between_right_to_left_letters_keep_their_order(packaged: list[Font]) -> None:
    order = [glyph.graphemes.start for glyph in shape("א12ב", packaged, 24).glyphs]
    assert order == [3, 1, 2, 0]


def test_devanagari_reorders_and_joins(noto: list[Font]) -> None:
    word = shape("क्षि", noto, 24)
    assert [cell.graphemes for cell in word.cells] == [range(0, 1)]
    vowel = shape("कि", noto, 24).glyphs
    assert vowel[0].x < vowel[1].x
    assert vowel[1].glyph == shape("क", noto, 24).glyphs[0].glyph


def test_thai_marks_stand_over_their_letter(noto: list[Font]) -> None:
    letter, *marks = shape("ที่", noto, 24).glyphs
    assert letter.advance
    assert not marks[0].advance
    assert {glyph.graphemes for glyph in (letter, *marks)} == {range(0, 1)}


def test_joined_emoji_are_one_picture_or_refused(noto: list[Font]) -> None:
    assert len(shape("👨‍👩‍👧", noto, 24).glyphs) == 1
    assert len(shape("👍🏽", noto, 24).glyphs) == 1
    with pytest.raises(Unshapeable, match="draws the pieces of"):
        shape("👨‍👩‍👧‍👦‍👦", noto, 24)


def test_a_mark_without_its_letter_is_refused(noto: list[Font]) -> None:
    with pytest.raises(Unshapeable, match="a mark where the font finds no letter"):
        shape("\u093f", noto, 24)


def test_marks_that_a_font_cannot_place_are_refused(packaged: list[Font]) -> None:
    text = "a\u0301\u0301"
    with pytest.raises(Unshapeable, match=r"Noto Sans KR has no place for the marks"):
        shape(text, packaged[:1], 24)
    assert len(shape(text, packaged[2:], 24).glyphs) == 2
