"""Words, lines and boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.transforms.boxes import box_problem, line_boxes, word_offsets, word_range


def test_word_offsets_of_repeated_words() -> None:
    assert word_offsets(["a", "a", "ba"], "a a\nba") == [(0, 1), (2, 3), (4, 6)]
    assert word_offsets(["a", ",b"], " a,b ") == [(1, 2), (2, 4)]
    assert word_offsets([], " \n") == []


@pytest.mark.parametrize(
    ("words", "context", "message"),
    [
        (["a", "c"], "a b c", r"word 1 \('c'\) does not follow"),
        (["a", "x"], "a b", r"word 1 \('x'\)"),
        (["a"], "a b", "goes on after the last word: 'b'"),
    ],
)
def test_words_that_are_not_the_context(words: list[str], context: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        word_offsets(words, context)


@pytest.mark.parametrize(
    ("span", "words"),
    [((0, 1), (0, 0)), ((4, 5), (0, 0)), ((4, 7), (0, 1)), ((6, 10), (1, 1)), ((5, 6), (-1, -1)), ((0, 12), (0, 2))],
)
def test_word_range(span: tuple[int, int], words: tuple[int, int]) -> None:
    assert word_range([(0, 5), (6, 10), (11, 12)], *span) == words


def test_words_without_characters_are_no_edge() -> None:
    assert word_range([(0, 0), (0, 2), (3, 3), (4, 5)], 0, 4) == (1, 1)
    assert word_range([(0, 2), (3, 3), (4, 5)], 0, 5) == (0, 2)


@pytest.mark.parametrize(
    ("boxes", "problem"),
    [
        ([[5, 0, 4, 9]], "box 0 is inverted: [5, 0, 4, 9]"),
        ([[0, 9, 4, 8]], "box 0 is inverted: [0, 9, 4, 8]"),
        ([[-1, 0, 4, 9]], "box 0 is outside the page (0 to 1000): [-1, 0, 4, 9]"),
        ([[0, 0, 1001, 9]], "box 0 is outside the page (0 to 1000): [0, 0, 1001, 9]"),
        ([[0, 0, 4, 1001]], "box 0 is outside the page (0 to 1000): [0, 0, 4, 1001]"),
        ([[0, 0, 4]], "box 0 has not four numbers: [0, 0, 4]"),
        ([[0, 0, None, 4]], "box 0 has not four numbers: [0, 0, None, 4]"),
        ([None], "box 0 has not four numbers: None"),
        ([[0, 0, 4, 4], [0, 0, 4, 4]], "2 boxes for 1 words"),
        ([[0, 0, 0, 0]], None),
        ([[0, 0, 1000, 1000]], None),
        ([], None),
    ],
)
def test_box_problem(boxes: list, problem: str | None) -> None:
    assert box_problem(["a"], boxes) == problem


WORDS = [[10, 10, 20, 20], [25, 9, 40, 21], [10, 30, 30, 40]]
OFFSETS = [(0, 1), (2, 3), (4, 5)]


def test_one_box_per_line() -> None:
    assert line_boxes(WORDS, OFFSETS, "a b\nc", 0, 2) == [[10, 9, 40, 21], [10, 30, 30, 40]]
    assert line_boxes(WORDS, OFFSETS, "a b\nc", 1, 1) == [[25, 9, 40, 21]]
    assert line_boxes(WORDS, OFFSETS, "a\nb c", 0, 1) == [[10, 10, 20, 20], [25, 9, 40, 21]]


def test_a_line_reaches_to_its_outermost_boxes() -> None:
    boxes = [[10, 10, 60, 30], [5, 12, 40, 25]]
    assert line_boxes(boxes, [(0, 1), (2, 3)], "a b", 0, 1) == [[5, 10, 60, 30]]


def test_geometry_decides_where_the_context_has_no_lines() -> None:
    assert line_boxes(WORDS, OFFSETS, "a b c", 0, 2) == [[10, 9, 40, 21], [10, 30, 30, 40]]


def test_no_boxes_or_no_words() -> None:
    assert line_boxes([], OFFSETS, "a b c", 0, 2) == []
    assert line_boxes(WORDS, OFFSETS, "a b c", -1, -1) == []
    assert WORDS[0] == [10, 10, 20, 20]  # the input was not grown in place


@given(st.lists(st.text(alphabet="ab", min_size=1, max_size=3), min_size=1, max_size=8), st.data())
def test_the_word_range_is_the_smallest_that_covers_the_span(words: list[str], data: st.DataObject) -> None:
    context = " ".join(words)
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    offsets = word_offsets(words, context)
    first, last = word_range(offsets, start, end)
    touched = [i for i, (s, e) in enumerate(offsets) if s < end and e > start]
    assert (first, last) == ((touched[0], touched[-1]) if touched else (-1, -1))
