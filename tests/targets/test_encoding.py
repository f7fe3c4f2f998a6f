"""Rows become windows, and character spans become token spans and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.targets.encoding import Window, covered_spans, encode_rows, locate_spans, make_windows, word_ranges
from hf_mbdc.targets.layout_features import LayoutSpanEncoder
from hf_mbdc.targets.layout_span import LayoutSpanConfig

CONTEXT = "SHOP\nTOTAL RM9.00\nCASH 10.00"
ROW: dict[str, Any] = {
    "id": "1-total",
    "question": "What is the total?",
    "context": CONTEXT,
    "words": ["SHOP", "TOTAL", "RM9.00", "CASH", "10.00"],
    "boxes": [[0, 0, 40, 10], [0, 20, 50, 30], [60, 20, 120, 30], [0, 40, 40, 50], [60, 40, 110, 50]],
    "answers": ["9.00"],
    "answer_start": 13,
    "answer_end": 17,
    "candidates": [{"start": 13, "end": 17, "score": 1.0}],
}


def encoder(**options: Any) -> LayoutSpanEncoder:
    return LayoutSpanEncoder(LayoutSpanConfig(**options))


def text_of(row: dict[str, Any], encoded: Any, span: np.ndarray) -> str:
    window, start, end = span
    offsets = encoded.windows[window].offsets
    return row["context"][offsets[start, 0] : offsets[end, 1]]


def test_the_answer_is_the_tokens_it_touches() -> None:
    encoded = encode_rows([ROW], encoder())[0]
    assert len(encoded.windows) == 1
    assert text_of(ROW, encoded, encoded.answer[0]) == "9.00"
    assert encoded.candidates.tolist() == encoded.answer.tolist()
    assert (encoded.unanswerable, encoded.left_out) == (False, None)


def test_the_null_token_and_the_question_are_outside_the_document() -> None:
    window = encode_rows([ROW], encoder())[0].windows[0]
    outside = window.offsets[:, 0] < 0
    assert outside[0]
    assert [CONTEXT[a:b] for a, b in window.offsets[~outside]] == ["SHOP", "TOTAL", "RM", "9.00", "CASH", "10.00"]
    assert window.starts.tolist() == (~outside).tolist()


@pytest.mark.parametrize(
    ("change", "unanswerable", "left_out", "answer"),
    [
        ({"answers": [], "answer_start": -1, "answer_end": -1}, True, None, [[0, 0, 0]]),
        ({"answer_start": -1, "answer_end": -1, "candidates": []}, False, "absent", []),
    ],
)
def test_unanswerable_trains_null_and_absent_trains_nothing(
    change: dict[str, Any], unanswerable: bool, left_out: str | None, answer: list[list[int]]
) -> None:
    encoded = encode_rows([{**ROW, **change}], encoder())[0]
    assert (encoded.unanswerable, encoded.left_out, encoded.answer.tolist()) == (unanswerable, left_out, answer)


def test_an_answer_longer_than_may_be_decoded_is_left_out() -> None:
    row = {**ROW, "answer_start": 5, "answer_end": 28, "candidates": [{"start": 5, "end": 28, "score": 1.0}]}
    encoded = encode_rows([row], encoder(max_answer_tokens=4))[0]
    assert encoded.left_out == "too long"
    assert encoded.candidates.tolist() == [[-1, -1, -1]]


@pytest.mark.parametrize(
    ("boxes", "message"),
    [
        (None, "A box is not four numbers .*1-total.*no boxes"),
        ([[0, 0, 40]] * 5, "A box is not four numbers"),
        ([[0, 0, 40, 10]] * 4 + [[60, 40, 50, 50]], r"A box is inverted \(id '1-total', word 4\).*left ≤ right"),
        ([[0, 0, 40, 10]] * 4 + [[60, 40, 70, 30]], "A box is inverted"),
    ],
)
def test_bad_boxes_are_named(boxes: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode_rows([{**ROW, "boxes": boxes}], encoder())


def test_a_last_character_without_a_token_does_not_lose_the_answer() -> None:
    window = Window({}, np.array([[-1, -1], [0, 4], [5, 9]]), np.array([False, True, True]))
    assert locate_spans([window], [(5, 11)], 4).tolist() == [[0, 2, 2]]


def test_rows_whose_label_is_null_are_not_unanswerable() -> None:
    assert encode_rows([{**ROW, "answers": None}], encoder())[0].left_out == "no label"


def test_rows_without_labels_can_be_predicted_but_not_trained() -> None:
    row = {name: ROW[name] for name in ("id", "question", "context", "words", "boxes")}
    assert encode_rows([row], encoder())[0].left_out == "no label"


def test_a_text_only_row_and_an_empty_document() -> None:
    assert not encode_rows([{**ROW, "boxes": []}], encoder())[0].windows[0].inputs["bbox"].any()
    empty = {**ROW, "context": "", "words": [], "boxes": [], "answers": [], "candidates": []}
    assert encode_rows([empty], encoder())[0].windows[0].starts.any() == np.False_


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": [[0, 0, 1, 1]]}, r"5 words have 1 boxes \(id '1-total'\)"),
        ({"boxes": [[0, 0, 40, 1001]] * 5}, r"A box is outside the page \(id '1-total'\). Scale x by the page's width"),
        ({"boxes": [[-1, 0, 40, 10]] * 5}, "A box is outside the page"),
        ({"words": ["SHOP", "TOTAL", "9.99", "CASH", "10.00"]}, "Words and context differ: word 2 .*'9.99'"),
    ],
)
def test_rows_that_contradict_themselves(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode_rows([{**ROW, **change}], encoder())


def test_missing_columns_are_named() -> None:
    with pytest.raises(DataError, match=r"The columns \['words', 'boxes'\] are missing"):
        encode_rows([{"id": "1", "question": "", "context": ""}], encoder())


def test_repeated_words_are_found_one_after_the_other() -> None:
    assert word_ranges("9.00 9.00\n9.00", ["9.00", "9.00", "9.00"]).tolist() == [[0, 4], [5, 9], [10, 14]]


def windows_of(tokens: int, size: int, overlap: int, longest: int) -> list[Window]:
    """Windows over a document of one-character tokens, with a null token before each."""
    offsets = [
        np.array([[-1, -1], *([i, i + 1] for i in range(first, min(tokens, first + size)))])
        for first in range(0, max(1, tokens - overlap), size - overlap)
    ]
    return make_windows([{} for _ in offsets], offsets, overlap, longest)


def test_every_start_belongs_to_one_window_where_its_longest_answer_fits() -> None:
    windows = windows_of(tokens=10, size=6, overlap=3, longest=2)
    owned = [[int(o) for o in w.offsets[w.starts, 0]] for w in windows]
    assert owned == [[0, 1, 2, 3], [4, 5, 6], [7, 8, 9]]


@settings(deadline=None)
@given(
    tokens=st.integers(1, 80),
    longest=st.integers(1, 6),
    more=st.integers(0, 6),
    room=st.integers(1, 20),
    data=st.data(),
)
def test_every_span_is_in_exactly_one_window_and_comes_back(
    tokens: int, longest: int, more: int, room: int, data: st.DataObject
) -> None:
    overlap = longest + more
    windows = windows_of(tokens, overlap + room, overlap, longest)
    owners = np.zeros(tokens, dtype=int)
    for window in windows:
        owners[window.offsets[window.starts, 0]] += 1
    assert (owners == 1).all()
    start = data.draw(st.integers(0, tokens - 1))
    end = data.draw(st.integers(start + 1, min(tokens, start + longest)))
    [[w, i, j]] = locate_spans(windows, [(start, end)], longest)
    assert (windows[w].offsets[i, 0], windows[w].offsets[j, 1]) == (start, end)
    assert windows[w].starts[i]


def test_long_documents_lose_no_token_and_keep_the_answer_at_the_end() -> None:
    words = [f"w{i}" for i in range(400)]
    context = " ".join(words)
    answer = (context.index("w398"), len(context))
    row = {**ROW, "context": context, "words": words, "boxes": [], "candidates": []}
    row |= {"answers": ["w398 w399"], "answer_start": answer[0], "answer_end": answer[1]}
    encoded = encode_rows([row], encoder(max_length=128, max_answer_tokens=16))[0]
    assert len(encoded.windows) > 5
    assert text_of(row, encoded, encoded.answer[0]) == "w398 w399"
    starts = np.concatenate([w.offsets[w.starts, 0] for w in encoded.windows])
    assert len(set(starts.tolist())) == len(starts) == 800  # "w" and the number, each once


def test_a_span_between_tokens_is_not_located() -> None:
    windows = windows_of(tokens=3, size=3, overlap=1, longest=1)
    assert locate_spans(windows, [(1, 1)], 2).tolist() == [[-1, -1, -1]]


def test_an_answer_at_the_very_start_is_one() -> None:
    row = {**ROW, "answers": ["SHOP"], "answer_start": 0, "answer_end": 4, "candidates": []}
    encoded = encode_rows([row], encoder())[0]
    assert encoded.left_out is None
    assert text_of(row, encoded, encoded.answer[0]) == "SHOP"


def test_an_unanswerable_row_of_many_windows_has_a_null_token_in_each() -> None:
    words = ["word"] * 100
    row = {**ROW, "context": " ".join(words), "words": words, "boxes": [], "answers": [], "candidates": []}
    encoded = encode_rows([row], encoder(max_length=32, max_answer_tokens=4))[0]
    assert len(encoded.windows) > 2
    assert encoded.answer.tolist() == [[w, 0, 0] for w in range(len(encoded.windows))]


def test_documents_are_equal_when_text_and_boxes_are() -> None:
    moved = {**ROW, "boxes": [[100, 100, 200, 200]] * 5}
    first, second, third, fourth = encode_rows([ROW, moved, {**ROW, "question": "Which shop?"}, ROW], encoder())
    assert [row.document for row in (first, second, third, fourth)] == [0, 1, 0, 0]
    assert second.windows[0].inputs["bbox"][1].tolist() == [100, 100, 200, 200]
    assert first.windows[0].inputs["bbox"] is third.windows[0].inputs["bbox"]


def window_of(*offsets: tuple[int, int]) -> Window:
    ranges = np.array([(-1, -1), *offsets])
    return Window({}, ranges, ranges[:, 0] >= 0)


@pytest.mark.parametrize(
    ("offsets", "span", "tokens"),
    [
        ([(0, 2), (2, 6)], (2, 6), [2, 2]),
        ([(0, 2), (2, 6)], (0, 4), [1, 2]),  # ends inside a token: all of it
        ([(0, 1), (0, 2), (1, 2)], (1, 2), [3, 3]),  # bytes of two characters in one token, and the second's alone
        ([(0, 1), (0, 2), (1, 2)], (0, 1), [1, 1]),
        ([(0, 2), (1, 3)], (1, 2), [1, 2]),  # no token begins and ends there: both hold a part of it
        ([(5, 6), (5, 6), (5, 6)], (5, 6), [1, 3]),  # one character that is three tokens
        ([(0, 1), (2, 3)], (1, 2), [-1, -1]),
    ],
)
def test_the_tokens_that_hold_a_span(offsets: list[tuple[int, int]], span: tuple[int, int], tokens: list[int]) -> None:
    [[_, *found]] = locate_spans([window_of(*offsets)], [span], 4)
    assert found == tokens


def test_what_tokens_cover() -> None:
    windows = [window_of((0, 5), (6, 10)), window_of((6, 10), (11, 12))]
    located = np.array([[0, 1, 2], [1, 1, 2], [-1, -1, -1], [0, 0, 0]])
    assert covered_spans(windows, located).tolist() == [[0, 10], [6, 12], [-1, -1], [-1, -1]]


def test_an_answer_inside_a_token_is_known_to_be_widened() -> None:
    exact, inside = encode_rows([ROW, {**ROW, "answers": ["9.0"], "answer_end": 16}], encoder())
    assert (exact.widened, inside.widened) == (False, True)
    unanswerable = {**ROW, "answers": [], "answer_start": -1, "answer_end": -1, "candidates": []}
    assert not encode_rows([unanswerable], encoder())[0].widened


@settings(deadline=None, max_examples=60)
@given(text=st.text(st.sampled_from("ab AB 12.,/-:서울は東\nกำж\u0301(é"), max_size=120), data=st.data())
def test_a_span_between_token_borders_comes_back(text: str, data: st.DataObject) -> None:
    coder = encoder(max_length=24, max_answer_tokens=8)
    windows = coder.encode("?", coder.encode_document(text, np.zeros((0, 2)), np.zeros((0, 4))))
    offsets = np.concatenate([window.offsets[window.starts] for window in windows])
    assert "".join(text[a:b] for a, b in offsets) == "".join(text.split())  # each token is owned once
    if len(offsets):
        first = data.draw(st.integers(0, len(offsets) - 1))
        last = data.draw(st.integers(first, min(len(offsets) - 1, first + 7)))
        span = int(offsets[first, 0]), int(offsets[last, 1])
        assert covered_spans(windows, locate_spans(windows, [span], 8)).tolist() == [list(span)]


def test_a_page_of_fifty_thousand_words() -> None:
    words = [f"word{i % 977}" for i in range(50_000)]
    context = " ".join(words)
    start = len(context) - len(words[-1])
    row = {**ROW, "context": context, "words": words, "boxes": [[i % 900, 0, i % 900 + 50, 9] for i in range(50_000)]}
    row |= {"answers": [words[-1]], "answer_start": start, "answer_end": len(context), "candidates": []}
    encoded = encode_rows([row], encoder())[0]
    assert len(encoded.windows) > 250
    assert covered_spans(encoded.windows, encoded.answer).tolist() == [[start, len(context)]]
