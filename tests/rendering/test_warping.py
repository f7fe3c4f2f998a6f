"""Distorted images keep all ink, and boxes go with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.rendering.warping import draw_warps, move_boxes, warp
from hf_mbdc.transforms.draws import row_keys


def matrices(count: int, affine: float, perspective: float, width: int, height: int, ink: list[int]) -> np.ndarray:
    keys = row_keys([str(i) for i in range(count)], seed=0)
    boxes = np.repeat([ink], count, axis=0)
    return draw_warps(keys, np.full(count, width), height, boxes, affine=affine, perspective=perspective)


def test_nothing_moves_at_strength_zero() -> None:
    ink = np.random.default_rng(0).integers(0, 256, (2, 16, 24), dtype=np.uint8)
    still = np.repeat(np.eye(3)[None], 2, axis=0)
    assert (warp(ink, still) == ink).all()


def test_a_shift_by_whole_pixels() -> None:
    ink = np.zeros((1, 8, 8), dtype=np.uint8)
    ink[0, 2, 3] = 200
    moved = warp(ink, np.array([[[1.0, 0, 2], [0, 1, 1], [0, 0, 1]]]))
    assert moved[0, 3, 5] == 200
    assert moved.sum() == 200


def test_a_shift_by_half_a_pixel_is_shared_out() -> None:
    ink = np.zeros((1, 4, 4), dtype=np.uint8)
    ink[0, 1, 1] = 200
    moved = warp(ink, np.array([[[1.0, 0, 0.5], [0, 1, 0.25], [0, 0, 1]]]))
    assert moved[0, 1:3, 1:3].tolist() == [[75, 75], [25, 25]]


@pytest.mark.parametrize(("width", "height"), [(24, 32), (200, 32), (8000, 32), (300, 64)])
def test_all_ink_stays_in_the_image_and_in_its_box(width: int, height: int) -> None:
    box = [3, 3, width - 4, height - 3]
    ink = np.zeros((40, height, width), dtype=np.uint8)
    ink[:, box[1] : box[3], box[0] : box[2]] = 255
    forward = matrices(40, 1.0, 1.0, width, height, box)
    moved = warp(ink, forward)
    boxes = move_boxes(forward, np.repeat([box], 40, axis=0), width, height)
    for image, (x0, y0, x1, y1) in zip(moved, boxes, strict=True):
        rows, columns = np.flatnonzero(image.max(axis=1) > 128), np.flatnonzero(image.max(axis=0) > 128)
        assert x0 - 1 <= columns[0] <= x0 + 2
        assert x1 - 3 <= columns[-1] <= x1
        assert y0 - 1 <= rows[0] <= y0 + 2
        assert y1 - 3 <= rows[-1] <= y1
        assert image[0].max() < 255
        assert image[-1].max() < 255
    assert len(np.unique(boxes, axis=0)) > 10


def test_perspective_makes_one_side_smaller() -> None:
    forward = matrices(30, 0.0, 1.0, 100, 32, [5, 5, 95, 27])
    left = move_boxes(forward, np.repeat([[5, 5, 6, 27]], 30, axis=0), 100, 32)
    right = move_boxes(forward, np.repeat([[94, 5, 95, 27]], 30, axis=0), 100, 32)
    difference = (left[:, 3] - left[:, 1]) - (right[:, 3] - right[:, 1])
    assert difference.max() >= 3
    assert difference.min() <= -3


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 9), st.integers(1, 9))
def test_an_image_does_not_depend_on_those_beside_it(start: int, count: int) -> None:
    ink = np.random.default_rng(1).integers(0, 256, (20, 16, 40), dtype=np.uint8)
    forward = matrices(20, 1.0, 1.0, 40, 16, [2, 2, 38, 14])
    part = slice(start, start + count)
    assert (warp(ink[part], forward[part]) == warp(ink, forward)[part]).all()
