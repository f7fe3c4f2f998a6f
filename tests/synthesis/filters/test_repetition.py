"""Repetition: Gopher's rules, each by a text that breaks it and one that does not, and loops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.synthesis.filters.repetition import (
    DUPLICATE_LINES,
    DUPLICATE_PARAGRAPHS,
    DUPLICATES,
    LEAST_WORDS,
    LOOP,
    TOP,
    find_repetition,
    is_loop,
)


def prose(words: int) -> str:
    """So many different words."""
    return " ".join(f"word{number:03d}" for number in range(words))


PHRASE = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", ""),
        ("a b\nc d\na b\n", DUPLICATE_LINES),  # 1 of 3 lines
        ("a b\nc d e\nf g h\na b", ""),  # 1 of 4 lines, 3 of 16 characters
        ("a b c\nd\ne f\na b c", DUPLICATE_LINES),  # 5 of 14 characters
        ("a long line\n\nb\n\na long line", DUPLICATE_PARAGRAPHS),
        ("\n\n\n" + prose(5) + "\n\n\n\n", ""),  # empty lines are none
        (prose(160), ""),
        (f"{prose(90)} {PHRASE} and {PHRASE} or {PHRASE}", DUPLICATES),
        (" ".join(f"{word} New York" for word in prose(50).split()), TOP),
        (" ".join(f"{word} New York" for word in prose(30).split()), ""),  # 90 words: too short to judge
        (f"{prose(100)} {PHRASE} and on {PHRASE}", ""),  # 10 of 122 words
    ],
)
def test_each_rule(text: str, reason: str) -> None:
    assert find_repetition([text]) == [reason]


@pytest.mark.parametrize(
    "text",
    [
        "The sum is " + "0.3333333333" * 9,
        "Then " + "we add 3 and " * 8 + "we a",
        "x" * 64,
        "So " + "the answer is five, as the question says so, and " * 5,
    ],
)
def test_a_loop_is_found_wherever_it_was_cut_off(text: str) -> None:
    assert all(is_loop(text[:end]) for end in range(len(text) - 3, len(text) + 1) if len(text[:end].rstrip()) >= 64)
    assert find_repetition([text]) == [LOOP]


@pytest.mark.parametrize(
    "text",
    [
        "no, no, no, no",
        "x" * 63,
        "a sentence that stands there, but thrice only. " * 3,
        "ab" * 16,
        "a b c " * 20 + "and that is all",
        "1/3 = 0.33333",
    ],
)
def test_what_repeats_little_or_goes_on_is_no_loop(text: str) -> None:
    assert not is_loop(text)


@given(st.text("abc .", min_size=1, max_size=60), st.integers(0, 40))
def test_four_times_anything_long_enough_is_a_loop(unit: str, cut: int) -> None:
    text = unit * (4 + 64 // len(unit))
    text = text + (unit * 40)[:cut]
    assert is_loop(text) or len(text.rstrip()) < 64 + 4 * len(unit)


def test_the_least_words_keep_a_phrase_that_stands_twice() -> None:
    """The reason that is given for the least: a 10-gram that stands twice is 10 % of 100 words."""
    text = f"{prose(LEAST_WORDS - 20)} {PHRASE} {PHRASE}"
    assert len(text.split()) == LEAST_WORDS
    assert find_repetition([text]) == [""]  # its words are shorter than the others
    assert find_repetition([text.replace("word", "")]) == [DUPLICATES]
