"""Predicted characters become words and boxes, as the approach makes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc import ExtractiveQA
from hf_mbdc.targets.places import answer_places

CONTEXT = "SHOP\nTOTAL RM9.00\nTHANK YOU"
WORDS = ["SHOP", "TOTAL", "RM9.00", "THANK", "YOU"]
BOXES = [[0, 0, 40, 10], [0, 20, 50, 30], [60, 20, 120, 30], [0, 40, 40, 50], [60, 40, 110, 50]]


@pytest.mark.parametrize(
    ("span", "words", "boxes"),
    [
        ((13, 17), (2, 2), [[60, 20, 120, 30]]),  # 9.00: a part of its word
        ((5, 17), (1, 2), [[0, 20, 120, 30]]),
        ((11, 23), (2, 3), [[60, 20, 120, 30], [0, 40, 40, 50]]),  # two lines
        ((-1, -1), (-1, -1), []),
    ],
)
def test_places(span: tuple[int, int], words: tuple[int, int], boxes: list[list[int]]) -> None:
    batch = {"words": [WORDS, ["A"]], "boxes": [BOXES, []], "context": [CONTEXT, "A"]}
    places = answer_places(batch, [span, (0, 1)])
    assert (places["word_start"][0], places["word_end"][0]) == words
    assert places["answer_boxes"] == [boxes, []]
    assert (places["word_start"][1], places["word_end"][1]) == (0, 0)


@given(st.integers(0, len(CONTEXT) - 1), st.integers(1, 12))
def test_they_are_those_of_the_approach(start: int, length: int) -> None:
    span = start, min(len(CONTEXT), start + length)
    batch = {
        "id": ["0"],
        "words": [WORDS],
        "boxes": [BOXES],
        "context": [CONTEXT],
        "answers": [[CONTEXT[slice(*span)]]],
    }
    added = ExtractiveQA().transform({**batch, "question": ["?"]})
    chosen = added["answer_start"][0], added["answer_end"][0]
    places = answer_places(batch, [chosen])
    assert all(places[name] == added[name] for name in places)


def test_an_answer_over_two_pages_has_a_box_on_each() -> None:
    batch = {"words": [["A", "B"]], "boxes": [[[0, 900, 50, 910], [60, 900, 99, 910]]], "context": ["A B"]}
    assert answer_places({**batch, "pages": [[2, 3]]}, [(0, 3)]) == {
        "word_start": [0],
        "word_end": [1],
        "answer_boxes": [[[0, 900, 50, 910], [60, 900, 99, 910]]],
        "answer_page": [2],
    }
