"""Where words may be cut: one place at a time and for whole texts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.transforms.characters import CharacterTable, as_text, code_points, cuts, is_word_boundary, kinds_of


@pytest.mark.parametrize(
    ("text", "boundaries"),
    [
        ("RM9", {0, 2, 3}),
        ("19", {0, 2}),
        ("ab-c", {0, 2, 3, 4}),
        ("서울에", {0, 1, 2, 3}),
        ("日本", {0, 1, 2}),
        ("ไทย", {0, 1, 2, 3}),
        ("e\u0301a", {0, 3}),
        ("да", {0, 2}),
        ("A서", {0, 1, 2}),
    ],
)
def test_word_boundaries(text: str, boundaries: set[int]) -> None:
    assert {p for p in range(len(text) + 1) if is_word_boundary(text, p)} == boundaries


@given(st.text(alphabet="aB9 -é\u0301한서ไ\u0e35日½") | st.text())
def test_whole_texts_are_cut_like_single_places(text: str) -> None:
    assert cuts(kinds_of(text)).tolist() == [is_word_boundary(text, p) for p in range(len(text) + 1)]


@given(st.text(alphabet=st.characters()))
def test_code_points_and_back(text: str) -> None:
    assert as_text(code_points(text)) == text


def test_a_table_asks_once_for_each_character() -> None:
    asked = []
    table = CharacterTable(lambda code: asked.append(code) or code % 7 + 1, np.uint8)
    assert table[code_points("abab")].tolist() == table[code_points("abab")].tolist() == [7, 1, 7, 1]
    assert asked == [97, 98]
