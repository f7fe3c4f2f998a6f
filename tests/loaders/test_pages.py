from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.loaders.pages import Page, Sheet, clip, extent, fit, infer_lines, make_document, make_page, split_line
from hf_mbdc.transforms.boxes import box_problem, word_offsets

WORDS = st.lists(st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=6), min_size=1, max_size=6)


def test_words_get_their_share_of_the_line():
    assert split_line("NO.53 55,57 & 59,", (0, 10, 170, 30)) == [
        ("NO.53", (0, 10, 50, 30)),
        ("55,57", (60, 10, 110, 30)),
        ("&", (120, 10, 130, 30)),
        ("59,", (140, 10, 170, 30)),
    ]
    assert split_line(" \t ", (0, 0, 9, 9)) == []


def test_page_columns():
    lines = [[("TOTAL", (20, 10, 70, 30)), ("9.00", (80, 10, 120, 30))], [], [("CASH", (20, 50, 60, 60))]]
    page = make_page(lines, (20, 10, 120, 60))
    assert page.words == ["TOTAL", "9.00", "CASH"]
    assert page.context == "TOTAL 9.00\nCASH"
    assert page.boxes == [[0, 0, 500, 400], [600, 0, 1000, 400], [0, 800, 400, 1000]]


def test_what_is_outside_the_frame_is_clipped():
    assert make_page([[("a", (-50, 5, 250, 20))]], (0, 0, 100, 10)).boxes == [[0, 500, 1000, 1000]]
    assert clip((-5, 2, 30, 40), 20, 10) == (0, 2, 20, 10)
    assert clip((50, 2, 60, 8), 20, 10) == (20, 2, 20, 8)


def test_extent_is_around_all():
    assert extent([(5, 9, 6, 10), (1, 20, 3, 30)]) == (1, 9, 6, 30)


@given(st.lists(WORDS, min_size=1, max_size=5))
def test_every_word_is_found_by_scanning_the_context(rows):
    lines = [split_line(" ".join(row), (0, 20 * i, 100, 20 * i + 10)) for i, row in enumerate(rows)]
    page = make_page(lines, (0, 0, 100, 20 * len(rows)))
    assert page.words == [word for row in rows for word in row] == page.context.split()
    assert page.context == "\n".join(map(" ".join, rows))
    assert all(0 <= x0 <= x1 <= 1000 and 0 <= y0 <= y1 <= 1000 for x0, y0, x1, y1 in page.boxes)


def test_pages_follow_each_other():
    one, two = Sheet([[("a", (0, 0, 10, 10))]], (0, 0, 10, 20)), Sheet([[("b", (5, 5, 10, 10))], []], (0, 0, 10, 10))
    page = make_document([one, Sheet([], (0, 0, 1, 1)), two])
    assert page == Page(["a", "b"], [[0, 0, 1000, 500], [500, 500, 1000, 1000]], "a\nb", [0, 2])


def test_lines_are_inferred_from_boxes():
    words = [
        ("DATE:", (0.1, 0.1, 0.2, 0.12)),
        ("1/8", (0.25, 0.105, 0.3, 0.125)),  # a little lower, in the same line
        ("Dear", (0.1, 0.2, 0.2, 0.22)),
        ("Bob", (0.1, 0.215, 0.2, 0.235)),  # overlaps by a quarter of its height
        ("right", (0.5, 0.215, 0.6, 0.235)),
        ("left", (0.05, 0.215, 0.09, 0.235)),  # goes back
        ("flat", (0.3, 0.22, 0.4, 0.22)),  # no height: inside is enough
    ]
    lines = [[text for text, _ in line] for line in infer_lines(words)]
    assert lines == [["DATE:", "1/8"], ["Dear"], ["Bob", "right"], ["left", "flat"]]
    assert infer_lines([]) == []


def test_boxes_are_mended_and_counted():
    sheets = [
        Sheet([[("a b", (30, 0, 0, 10)), (" ", (0, 0, 1, 1))], [("c", (-5, 8, 4, 25))]], (0, 0, 40, 20), "a.png"),
        Sheet([], (0, 0, 1, 1)),
    ]
    fitted, mends = fit(sheets, "a.hocr")
    assert fitted[0] == Sheet(
        [[("a", (0, 0, 10, 10)), ("b", (20, 0, 30, 10))], [("c", (0, 8, 4, 20))]], (0, 0, 40, 20), "a.png"
    )
    assert mends == "1 inverted boxes were sorted; 1 boxes reached outside the page and were clipped"
    assert fit(fitted, "a.hocr") == (fitted, "")


NAN = float("nan")


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        (
            Sheet([[("a", (0, NAN, 1, 1))]], (0, 0, 1, 1)),
            "A box has a coordinate that is not finite (path 'a', page 0).",
        ),
        (Sheet([[("a", (0, 0, 1, 1))]], (0, 0, 1, 0)), "The page is 1 × 0 (path 'a', page 0)."),
        (Sheet([[("a", (0, 0, 1, 1))]], (0, 0, NAN, 1)), "The page is nan × 1 (path 'a', page 0)."),
        (Sheet([[("a", (0, 0, 1, 1))]], (0, 0, -5, 1)), "The page is -5 × 1 (path 'a', page 0)."),
        (Sheet([[("\t", (0, 0, 1, 1))], []], (0, 0, 1, 1)), "The document has no words (path 'a')."),
    ],
)
def test_pages_that_cannot_be_used(sheet, message):
    with pytest.raises(DataError) as caught:
        fit([sheet], "a")
    assert str(caught.value) == message


NUMBERS = st.floats(-1e6, 1e6)
ANY_WORD = st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), st.tuples(*[NUMBERS] * 4))


@given(st.lists(st.lists(st.lists(ANY_WORD, max_size=3), max_size=3), min_size=1, max_size=3))
def test_any_boxes_become_sound_columns(pages):
    sheets = [Sheet([[("word", (0, 0, 1, 1))], *lines], (-10, 0, 90, 50)) for lines in pages]
    page = make_document(fit(sheets, "a")[0])
    assert word_offsets(page.words, page.context)
    assert box_problem(page.words, page.boxes) is None
    assert len(page.pages) == len(page.words)
    assert page.pages == sorted(page.pages)
    assert set(page.pages) == set(range(len(pages)))
