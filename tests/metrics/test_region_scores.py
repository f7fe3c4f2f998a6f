"""Box IoU: literal boxes → literal score, and exact against counting pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.metrics import box_iou_scores

SIDE = 12
EDGES = st.tuples(st.integers(0, SIDE), st.integers(0, SIDE)).map(sorted)
BOX = st.tuples(EDGES, EDGES).map(lambda e: [e[0][0], e[1][0], e[0][1], e[1][1]])


@pytest.mark.parametrize(
    ("predicted", "true", "expected"),
    [
        ([[0, 0, 10, 10]], [[0, 0, 10, 10]], 1.0),
        ([[0, 0, 10, 10]], [[10, 0, 20, 10]], 0.0),  # touching edges share no area
        ([[0, 0, 10, 10]], [[5, 0, 15, 10]], 1 / 3),
        ([[0, 0, 10, 10], [0, 20, 10, 30]], [[0, 0, 10, 10]], 0.5),  # a line too many
        ([[0, 0, 10, 10], [5, 0, 15, 10]], [[0, 0, 15, 10]], 1.0),  # overlap counts once
        ([[0, 0, 5, 10], [5, 0, 10, 10]], [[0, 0, 10, 10]], 1.0),  # any cut, any order
        ([], [], 1.0),
        ([], [[0, 0, 1, 1]], 0.0),
        ([[0, 0, 1, 1]], [], 0.0),
        ([[3, 3, 3, 9]], [[3, 3, 3, 9]], 1.0),  # no area on either side
        ([[3, 3, 3, 9]], [[4, 3, 4, 9]], 0.0),
        ([[3, 3, 3, 9]], [[0, 0, 9, 9]], 0.0),
    ],
)
def test_box_iou(predicted: list, true: list, expected: float) -> None:
    assert box_iou_scores([predicted], [true]) == pytest.approx([expected])
    assert box_iou_scores([true], [predicted]) == pytest.approx([expected])


@given(st.lists(BOX, min_size=1, max_size=4), st.lists(BOX, min_size=1, max_size=4))
def test_box_iou_equals_counting_pixels(predicted: list, true: list) -> None:
    def paint(boxes: list) -> np.ndarray:
        page = np.zeros((SIDE, SIDE), bool)
        for x0, y0, x1, y1 in boxes:
            page[y0:y1, x0:x1] = True
        return page

    ours, theirs = paint(predicted), paint(true)
    if (ours | theirs).any():
        expected = (ours & theirs).sum() / (ours | theirs).sum()
        assert box_iou_scores([predicted], [true]) == pytest.approx([expected])


def test_bad_boxes_are_told_with_their_row() -> None:
    with pytest.raises(DataError, match="There are 0 predictions for 1 rows"):
        box_iou_scores([], [[]])
    with pytest.raises(DataError, match=r"A box has not four numbers \(row 0\)"):
        box_iou_scores([[[0, 0, 1]]], [[]])
    with pytest.raises(DataError, match=r"A box is inverted or not finite \(row 1\)"):
        box_iou_scores([[], []], [[], [[5, 0, 1, 1]]])
    with pytest.raises(DataError, match="inverted or not finite"):
        box_iou_scores([[[0, 5, 1, 1]]], [[]])
    with pytest.raises(DataError, match="inverted or not finite"):
        box_iou_scores([[[0, 0, float("nan"), 1]]], [[]])


def test_no_rows_give_no_scores() -> None:
    assert box_iou_scores([], []).shape == (0,)
