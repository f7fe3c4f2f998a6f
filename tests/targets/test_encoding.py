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


PAGES: dict[str, Any] = {  # the words "9.00" and "CASH" lie at the same place of two pages
    **ROW,
    "context": "SHOP\nTOTAL RM9.00\nSHOP\nCASH 10.00",
    "words": ["SHOP", "TOTAL", "RM9.00", "SHOP", "CASH", "10.00"],
    "boxes": [
        [0, 0, 40, 10],
        [0, 20, 50, 30],
        [60, 20, 120, 30],
        [0, 0, 40, 20],
        [60, 20, 110, 50],
        [200, 20, 300, 50],
    ],
    "pages": [0, 0, 0, 1, 1, 1],
    "answers": ["10.00"],
    "answer_start": 28,
    "answer_end": 33,
    "candidates": [{"start": 28, "end": 33, "score": 1.0}, {"start": 13, "end": 22, "score": 0.5}],
}


def page_rows(row: dict[str, Any]) -> list[dict[str, Any]]:
    """Each page of `PAGES` as a document of its own."""
    first, second = "SHOP\nTOTAL RM9.00", "SHOP\nCASH 10.00"
    assert row["context"] == f"{first}\n{second}"
    return [
        {**row, "context": text, "words": row["words"][at], "boxes": row["boxes"][at], "pages": None, "answers": None}
        for text, at in ((first, slice(0, 3)), (second, slice(3, 6)))
    ]


def test_each_page_has_windows_of_its_own() -> None:
    [encoded] = encode_rows([PAGES], encoder())
    alone = encode_rows(page_rows(PAGES), encoder())
    assert len(encoded.windows) == 2
    for window, page, begin in zip(encoded.windows, alone, (0, 18), strict=True):
        [own] = page.windows
        assert window.inputs.keys() == own.inputs.keys()
        for name, values in own.inputs.items():
            np.testing.assert_array_equal(window.inputs[name], values)
        assert window.offsets.tolist() == [[a, b] if a < 0 else [a + begin, b + begin] for a, b in own.offsets]
        assert window.starts.tolist() == own.starts.tolist()
    assert text_of(PAGES, encoded, encoded.answer[0]) == "10.00"
    assert encoded.answer[0, 0] == 1
    assert encoded.candidates.tolist() == [encoded.answer[0].tolist(), [-1, -1, -1]]  # "9.00\nSHOP" is on two


def test_an_answer_on_two_pages_is_told_from_one_that_is_too_long() -> None:
    crossing = {**PAGES, "answers": ["9.00 SHOP"], "answer_start": 13, "answer_end": 22}
    assert encode_rows([crossing], encoder())[0].left_out == "on two pages"
    assert encode_rows([{**crossing, "pages": None}], encoder())[0].left_out is None
    long = {**PAGES, "answers": ["CASH 10.00"], "answer_start": 23}
    assert encode_rows([long], encoder(max_answer_tokens=1))[0].left_out == "too long"


def test_one_page_is_a_document_without_pages() -> None:
    plain, *others = encode_rows([ROW, {**ROW, "pages": [0] * 5}, {**ROW, "pages": [3] * 5}], encoder())
    for other in others:
        assert other.document == plain.document
        assert other.windows[0].inputs["bbox"] is plain.windows[0].inputs["bbox"]
        assert other.answer.tolist() == plain.answer.tolist()


def test_pages_are_nothing_to_a_text_without_boxes() -> None:
    apart, together = encode_rows([{**PAGES, "boxes": []}, {**PAGES, "boxes": [], "pages": None}], encoder())
    assert apart.document == together.document
    assert len(apart.windows) == 1


def test_documents_differ_when_their_pages_do() -> None:
    first, second, third = encode_rows([PAGES, {**PAGES, "pages": [0, 0, 1, 1, 1, 1]}, PAGES], encoder())
    assert [row.document for row in (first, second, third)] == [0, 1, 0]
    assert len(encode_rows([{**PAGES, "pages": [0, 0, 1, 0, 0, 0]}], encoder())[0].windows) == 3


def test_a_questions_of_one_document_share_its_pages() -> None:
    first, second = encode_rows([PAGES, {**PAGES, "question": "Which shop?"}], encoder())
    for one, other in zip(first.windows, second.windows, strict=True):
        assert one.inputs["input_ids"] is other.inputs["input_ids"]


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ([0], r"1 pages for 6 words \(id '1-total', column 'pages'\). Give the page of each word"),
        ([0, 0, 0, None, 1, 1], r"word 3 has no page"),
    ],
)
def test_pages_that_are_not_of_the_words(pages: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        encode_rows([{**PAGES, "pages": pages}], encoder())


@settings(deadline=None, max_examples=60)
@given(pages=st.lists(st.integers(0, 2), min_size=1, max_size=60), data=st.data())
def test_windows_never_cross_pages_and_spans_on_one_page_come_back(pages: list[int], data: st.DataObject) -> None:
    words = [f"{page}.{number}" for number, page in enumerate(pages)]  # a number is one token
    context = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, min(len(words) - 1, first + 5)))
    bounds = word_ranges(context, words)
    label = {"answers": ["x"], "answer_start": int(bounds[first, 0]), "answer_end": int(bounds[last, 1])}
    row = {**ROW, "context": context, "words": words, "boxes": [[0, 0, 9, 9]] * len(words), "pages": pages, **label}
    encoded = encode_rows([{**row, "candidates": []}], encoder(max_length=24, max_answer_tokens=8))[0]
    owned = []
    for window in encoded.windows:
        inside = window.offsets[window.offsets[:, 0] >= 0]
        assert len({context[a:b].split(".")[0] for a, b in inside}) == 1
        owned += window.offsets[window.starts].tolist()
    assert owned == bounds.tolist()
    if len(set(pages[first : last + 1])) == 1:
        assert covered_spans(encoded.windows, encoded.answer).tolist() == [bounds[[first, last], [0, 1]].tolist()]
    else:
        assert encoded.left_out == "on two pages"


def test_a_character_without_a_token_at_the_end_of_a_page_does_not_lose_the_answer() -> None:
    first, second = np.array([[-1, -1], [0, 4]]), np.array([[-1, -1], [6, 9]])
    windows = [Window({}, offsets, offsets[:, 0] >= 0) for offsets in (first, second)]
    assert locate_spans(windows, [(0, 5), (6, 9)], 4).tolist() == [[0, 1, 1], [1, 1, 1]]


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
