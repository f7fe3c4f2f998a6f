"""Cells of chosen rows, compared where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hf_mbdc.revisions import cells

CELLS = st.lists(st.tuples(st.sampled_from(["", "a", "b", "ab", "abc", None]), st.integers(0, 3)), min_size=1)


def chosen(column: list[Any], rows: np.ndarray | None) -> list[Any]:
    return column if rows is None else [column[row] for row in rows]


@settings(max_examples=200, deadline=None)
@given(CELLS, st.sampled_from([pa.string(), pa.large_string()]), st.sampled_from([1, 16, 10**9]), st.integers(0, 3))
def test_texts_of_chosen_rows(column: list[tuple[Any, int]], kind: pa.DataType, runs: int, head: int) -> None:
    """Of four rows one goes and one is edited; `runs` makes texts lie in long runs, or be copied."""
    before = ["x"] * head + [text for text, _ in column]
    kept = np.array([row for row in range(len(before)) if row < head or column[row - head][1] != 0], np.int64)
    assume(len(kept))
    after = ["b" if row >= head and column[row - head][1] == 1 else before[row] for row in kept]
    sides = [pa.array(["zz", *side], kind)[1:] for side in (before, after)]
    expected = [a != b for a, b in zip(chosen(before, kept), after, strict=True)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "MANY_ROWS", 1 / runs)
        assert cells.differs_at(*sides, cells.Pairs(kept, None)).tolist() == expected
        assert cells.differs_at(sides[1], sides[0], cells.Pairs(None, kept)).tolist() == expected
        assert cells.differs_at(sides[0], sides[0], cells.Pairs(kept, kept)).tolist() == [False] * len(kept)


def test_what_lies_under_a_null_is_not_compared() -> None:
    """The bytes of a null text need not be those of the other side's."""
    offsets, valid = pa.py_buffer(np.array([0, 1, 2, 3], np.int32)), pa.array([False, True, True])
    bits = pa.BooleanArray.from_buffers(pa.bool_(), 3, [None, valid.buffers()[1]]).buffers()[1]
    left, right = (pa.StringArray.from_buffers(3, offsets, pa.py_buffer(data), bits) for data in (b"xbc", b"ybd"))
    rows = np.array([0, 1, 2])
    for runs in (1e-9, 1e9):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cells, "MANY_ROWS", runs)
            assert cells.differs_at(left, right, cells.Pairs(rows, None)).tolist() == [False, False, True]


def test_a_null_is_no_empty_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "MANY_ROWS", 1e-9)  # all texts are compared where they lie
    left, right = pa.array(["", None, "x", None]), pa.array([None, "", "x", None])
    rows = np.arange(4)
    assert cells.differs_at(left, right, cells.Pairs(rows, None)).tolist() == [True, True, False, False]
