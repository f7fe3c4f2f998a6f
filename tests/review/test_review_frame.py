"""Boxes are laid on an image where the ink is."""

from __future__ import annotations

import numpy as np
import pytest

from hf_mbdc.review.frame import WHOLE, fit_frame

RANDOM = np.random.default_rng(3)
LINES = [
    [x, y, min(1000, x + int(w)), y + 14]
    for y in range(0, 986, 40)
    for x, w in zip(range(0, 900, 150), RANDOM.integers(30, 140, 6), strict=True)
    if RANDOM.random() < 0.6
]


def page(frame: tuple[float, float, float, float], height: int = 600, width: int = 400) -> np.ndarray:
    """Grey paper with noise, and dark strokes where the boxes lie when 0–1000 is that part of it."""
    grey = 200 + RANDOM.normal(0, 4, (height, width))
    for x0, y0, x1, y1 in LINES:
        left, right = ((frame[0] + x / 1000 * (frame[2] - frame[0])) * width for x in (x0, x1))
        top, bottom = ((frame[1] + y / 1000 * (frame[3] - frame[1])) * height for y in (y0, y1))
        grey[round(top) : round(bottom), round(left) : round(right) : 2] = 60
    return grey.clip(0, 255).astype(np.float32)


@pytest.mark.parametrize("frame", [(0.1, 0.2, 0.9, 0.95), (0.3, 0.25, 0.65, 0.6), (0.02, 0.0, 0.97, 0.7)])
def test_the_extent_of_the_text_is_found(frame: tuple[float, float, float, float]) -> None:
    found = fit_frame(page(frame), LINES)
    assert found == pytest.approx(frame, abs=0.012)


def test_boxes_of_the_whole_page_stay_exactly_there() -> None:
    assert fit_frame(page(WHOLE), LINES) == WHOLE


def test_where_boxes_and_image_do_not_belong_together_nothing_is_told() -> None:
    assert fit_frame(np.full((600, 400), 200, dtype=np.float32), LINES) is None
    assert fit_frame(200 + RANDOM.normal(0, 20, (600, 400)).astype(np.float32), LINES) is None
