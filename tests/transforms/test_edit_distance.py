"""The approximate search against the definition of Levenshtein distance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.edit_distance import end_distances, is_word_boundary, nearest

SHORT = st.text(alphabet="abc ", min_size=1, max_size=8)


@given(SHORT, st.text(alphabet="abc ", max_size=12))
def test_end_distances_are_the_least_of_all_starts(needle: str, text: str) -> None:
    ends = range(len(text) + 1)
    assert end_distances(needle, text) == [
        min(Levenshtein.distance(needle, text[start:end]) for start in range(end + 1)) for end in ends
    ]
    assert end_distances(needle, text, anchored=True) == [Levenshtein.distance(needle, text[:end]) for end in ends]


def test_needles_may_be_longer_than_machine_words() -> None:
    needle = "".join(chr(200 + i % 700) for i in range(700))
    text = "x" * 50 + needle[:300] + "!" + needle[300:] + "y" * 50
    near = nearest(needle, text, 5, lambda position: True)
    assert near is not None
    assert (near.start, near.end, near.distance) == (50, 751, 1)


def test_inserted_characters_do_not_cut_the_end_off() -> None:
    text = "pay to JALAN SXXXAGU TAMAN DAYA now"
    near = nearest("JALAN SAGU TAMAN DAYA", text, 5, lambda p: is_word_boundary(text, p))
    assert near is not None
    assert (text[near.start : near.end], near.distance) == ("JALAN SXXXAGU TAMAN DAYA", 3)


def test_an_end_inside_a_word_moves_to_its_edge() -> None:
    text = "the RESTORANX WAN SHENGQ is"
    near = nearest("RESTORAN WAN SHENG", text, 5, lambda p: is_word_boundary(text, p))
    assert near is not None
    assert text[near.start : near.end] == "RESTORANX WAN SHENGQ"


def test_a_needle_longer_than_the_text() -> None:
    near = nearest("SUBANG HEALTHCARE", "SUBANG HEALTHCAR", 3, lambda p: True)
    assert near is not None
    assert (near.start, near.end, near.distance) == (0, 16, 1)


def test_nothing_near() -> None:
    assert nearest("SUBANG HEALTHCARE", "entirely different words", 4, lambda p: True) is None
    assert nearest("abcdefgh", "", 2, lambda p: True) is None


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


@given(st.text(alphabet="abcdefgh ", min_size=10, max_size=40), st.text(alphabet="abcdefgh ", max_size=60))
def test_the_reported_distance_is_true_and_within_the_limit(needle: str, text: str) -> None:
    near = nearest(needle, text, 3, lambda p: is_word_boundary(text, p))
    if near is not None:
        assert 0 <= near.start < near.end <= len(text)
        assert near.distance == Levenshtein.distance(needle, text[near.start : near.end]) <= 3
