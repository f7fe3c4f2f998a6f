"""Folding keeps the way back to the original characters."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.transforms.text import fold, plain, squeeze


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("  Sdn\t\nBHD ", "sdn bhd"),
        ("ﬁne", "fine"),
        ("ＲＭ９", "rm9"),
        ("“it’s” – ok", '"it\'s" - ok'),
        ("a\u200bb\u00adc", "abc"),
        ("e\u0301", "é"),
        ("한국", unicodedata.normalize("NFC", "한국")),
        (unicodedata.normalize("NFD", "한국"), "한국"),
        ("Straße", "strasse"),
        ("a\u00a0 b", "a b"),
        ("\u00b4x", "'x"),
        ("", ""),
        (" \u3000", ""),
    ],
)
def test_fold(text: str, folded: str) -> None:
    assert fold(text).text == folded


def test_folded_characters_know_their_origin() -> None:
    folded = fold("e\u0301 \u00a0ﬁ")
    assert folded.text == "é fi"
    assert [folded.original(i, i + 1) for i in range(4)] == [(0, 2), (2, 4), (4, 5), (4, 5)]


def test_whitespace_at_the_ends_is_dropped_with_its_place() -> None:
    for text in ("  ab  c ", "  äb  c "):
        folded = fold(text)
        assert len(folded.text) == 4
        assert folded.original(0, 4) == (2, 7)
        assert folded.original(2, 3) == (4, 6)


def test_ascii_takes_the_same_way_as_the_rest() -> None:
    text = "A `quote'\x1c \t B-c\x00"
    longer = fold(text + "ä")
    short = fold(text)
    assert longer.text == short.text + "ä"
    assert [list(places)[:-1] for places in longer.places] == [list(places) for places in short.places]


def test_squeeze_keeps_numbers_apart() -> None:
    assert squeeze(fold("NO.53 55,57 & 59,")).text == "no53 55 57 59"
    assert squeeze(fold("9.00")).text != squeeze(fold("900")).text
    assert squeeze(fold("นี่ คือ")).text == "นี่คือ"  # vowel signs are marks, not punctuation


def test_plain() -> None:
    assert plain(" a\n b\u00a0c ") == "a b c"
    assert plain("e\u0301") == "é"
    assert plain("ﬁ A") == "ﬁ A"


@given(st.text())
def test_every_folded_character_has_a_place_in_order(text: str) -> None:
    for folded in (fold(text), squeeze(fold(text))):
        starts, ends = folded.places
        assert len(folded.text) == len(starts) == len(ends)
        assert list(starts) == sorted(starts)
        assert list(ends) == sorted(ends)
        assert all(0 <= s < e <= len(text) for s, e in zip(starts, ends, strict=True))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_folding_twice_changes_nothing(text: str) -> None:
    once = fold(text).text
    assert not once.startswith(" ")
    assert "  " not in once
    assert fold(once + "").text.replace(" ", "") == fold(once).text.replace(" ", "")


@given(st.text(alphabet="aé한ﬁ\u0301 \n", max_size=12))
def test_canonically_equal_texts_fold_alike(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)).text == fold(unicodedata.normalize("NFC", text)).text
