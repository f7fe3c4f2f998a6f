"""Texts of cells, cut."""

from __future__ import annotations

import doctest

from hypothesis import given
from hypothesis import strategies as st

import hf_mbdc.revisions.shorten as module
from hf_mbdc.revisions.shorten import shorten, text_pair


def test_example_in_the_docstring() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_text_is_cut_to_200_characters() -> None:
    assert shorten(None) is None
    assert shorten("x" * 200) == "x" * 200
    assert shorten("x" * 201) == "x" * 199 + "…"


def test_nothing_on_one_side() -> None:
    assert text_pair(None, "abcdef", 4) == (None, "abc…")
    assert text_pair("ab", "abcd", 4) == ("ab", "abcd")
    assert text_pair("abcd", "abcdef", 4) == ("…d", "…def")


@given(st.text("ab", max_size=60), st.text("ab", max_size=60), st.integers(8, 30))
def test_what_differs_is_always_seen(left: str, right: str, limit: int) -> None:
    pair = text_pair(left, right, limit)
    assert (pair[0] == pair[1]) == (left == right)
    assert all(len(text or "") <= limit for text in pair)
