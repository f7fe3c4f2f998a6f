"""The bit-parallel distances are those of the definition, for every text beside whatever others."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.align import WORD, Patterns
from hf_mbdc.transforms.characters import code_points


def edits(needles: list[str], texts: list[str]) -> list[list[int]]:
    """For each needle those at all places of its text."""
    longest = max(map(len, texts))
    codes = np.array([code_points(text.ljust(longest, "\0")) for text in texts])
    found = Patterns(needles).edits(np.arange(len(needles)), codes.T)
    return [column[: len(text) + 1].tolist() for column, text in zip(found.T, texts, strict=True)]


def test_a_needle_may_begin_anywhere() -> None:
    assert edits(["cat"], ["a cut cat"]) == [[3, 2, 2, 2, 2, 1, 2, 2, 1, 0]]


def test_a_needle_fills_a_word_to_its_last_bit() -> None:
    needle = "".join(chr(ord("a") + place % 26) for place in range(WORD))
    (found,) = edits([needle], [f"xx{needle}xx"])
    assert (found[0], found[WORD + 2], found[-1]) == (WORD, 0, 2)


@given(
    st.lists(
        st.tuples(st.text("ab가\U00020000 ", min_size=1, max_size=WORD), st.text("abc가나\U00020000 ", max_size=50)),
        min_size=1,
        max_size=8,
    )
)
def test_they_are_the_least_levenshtein_distances_of_all_that_ends_there(pairs: list[tuple[str, str]]) -> None:
    needles, texts = [needle for needle, _ in pairs], [text for _, text in pairs]
    for needle, text, found in zip(needles, texts, edits(needles, texts), strict=True):
        ends = range(len(text) + 1)
        assert found == [min(Levenshtein.distance(needle, text[begin:end]) for begin in range(end + 1)) for end in ends]
