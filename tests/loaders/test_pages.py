from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.loaders.pages import clip, extent, make_page, split_line

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
