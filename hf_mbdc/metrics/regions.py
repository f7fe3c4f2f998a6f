"""Scores of predicted regions of a page, one a row: IoU between unions of boxes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hf_mbdc.errors import DataError

Boxes = Sequence[Sequence[float]]


def box_iou_scores(predictions: Sequence[Boxes], references: Sequence[Boxes]) -> np.ndarray:
    """Intersection over union between the areas that two sets of boxes cover; overlapping boxes count once.

    A span has one box a line (column `answer_boxes`), so both sides are small sets of boxes in any order.

    Args:
        predictions: (rows,) lists of boxes `[x0, y0, x1, y1]`, any unit, x0 ≤ x1, y0 ≤ y1; an empty list = no answer.
        references: (rows,) lists of boxes of the true span, same unit; an empty list = unanswerable. (Rows of documents
            without layout have no boxes at all; leave them out, as they would count as right.)

    Returns:
        float64 array (rows,). No box on either side scores 1.0, on one side only 0.0. Where neither side covers any
        area (boxes of no width or height), 1.0 if both are the same set of boxes, else 0.0.

    Raises:
        DataError: lengths differ, a box has not four finite numbers, or is inverted.

    Example:
        >>> box_iou_scores([[[0, 0, 10, 10]], []], [[[0, 0, 10, 10], [0, 10, 10, 20]], []]).tolist()
        [0.5, 1.0]
    """
    if len(predictions) != len(references):
        raise DataError(
            f"There are {len(predictions)} predictions for {len(references)} rows of references",
            mend="Give one list of boxes a row, [] where there is no answer.",
        )
    # A loop, because each row has its own grid; the work inside is numpy.
    rows = enumerate(zip(predictions, references, strict=True))
    return np.array([_iou(_boxes(p, row), _boxes(r, row)) for row, (p, r) in rows], dtype=np.float64)


def _boxes(boxes: Boxes, row: int) -> np.ndarray:
    if not len(boxes):
        return np.empty((0, 4))
    if any(len(box) != 4 for box in boxes):
        raise DataError("A box has not four numbers", row=row, mend="Give boxes as [x0, y0, x1, y1].")
    array = np.asarray(boxes, dtype=np.float64)
    if not np.isfinite(array).all() or (array[:, :2] > array[:, 2:]).any():
        raise DataError(
            "A box is inverted or not finite", row=row, mend="Give boxes as [x0, y0, x1, y1], x0 ≤ x1, y0 ≤ y1."
        )
    return array


def _iou(predicted: np.ndarray, true: np.ndarray) -> float:
    if not len(predicted) or not len(true):
        return float(len(predicted) == len(true))
    # All edges cut the page into cells, each of which a box covers wholly or not at all: areas are exact.
    corners = np.concatenate([predicted, true])
    xs, ys = np.unique(corners[:, 0::2]), np.unique(corners[:, 1::2])
    area = np.outer(np.diff(xs), np.diff(ys))
    ours, theirs = _covered(predicted, xs, ys), _covered(true, xs, ys)
    union = area[ours | theirs].sum()
    if union == 0:
        return float({*map(tuple, predicted.tolist())} == {*map(tuple, true.tolist())})
    return float(area[ours & theirs].sum() / union)


def _covered(boxes: np.ndarray, xs: np.ndarray, ys: np.ndarray) -> np.ndarray:
    """Which cells of the grid (len(xs) − 1, len(ys) − 1) the boxes cover."""
    in_x = (boxes[:, :1] <= xs[:-1]) & (xs[1:] <= boxes[:, 2:3])
    in_y = (boxes[:, 1:2] <= ys[:-1]) & (ys[1:] <= boxes[:, 3:])
    return np.any(in_x[:, :, None] & in_y[:, None, :], axis=0)
