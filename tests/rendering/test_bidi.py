"""Levels of mixed directions, as the Unicode Bidirectional Algorithm's own examples and rules say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.rendering.bidi import is_left_to_right, levels, visual_order


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("abc", "000"),
        ("한글1", "000"),
        ("אב", "11"),
        ("אב12", "1122"),  # a number keeps its own direction
        ("a אב", "0011"),
        ("a אב b", "001100"),
        ("אב ab", "11122"),
        ("עربي123".replace("ע", "ع"), "1111222"),
        ("١٢", "22"),  # Arabic digits, alone in a line that runs from the left
        ("אב-1", "1112"),
        ("1-2", "000"),
        ("א1-2", "1222"),  # W4
        ("א5%", "122"),  # W5
        ("א(1)", "1121"),  # N0
        ("a(א)", "0010"),  # N0 c: what is inside goes the other way, the brackets stay
        ("אב ", "111"),
        ("aא ", "010"),  # L1: the space at the end
        ("א\u0301b", "112"),  # W1
    ],
)
def test_levels(text: str, expected: str) -> None:
    assert "".join(map(str, levels(text))) == expected


def test_joiners_go_with_the_character_before_them() -> None:
    assert levels("א\u200dב") == [1, 1, 1]


@pytest.mark.parametrize(
    ("run_levels", "order"),
    [([0], [0]), ([0, 1, 0], [0, 1, 2]), ([1, 2, 1], [2, 1, 0]), ([0, 1, 2, 1, 0], [0, 3, 2, 1, 4]), ([], [])],
)
def test_visual_order(run_levels: list[int], order: list[int]) -> None:
    assert visual_order(run_levels) == order


@given(st.text(alphabet="abאبج12٣ .,%()[]-+\u0301", max_size=12))
def test_levels_stay_within_two_of_the_base_and_agree_with_the_short_cut(text: str) -> None:
    found = levels(text)
    assert len(found) == len(text)
    assert set(found) <= {0, 1, 2}
    if is_left_to_right(text):
        assert set(found) <= {0}
    assert sorted(visual_order(found)) == list(range(len(text)))
