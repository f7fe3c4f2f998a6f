"""Distorted images keep all ink, and boxes go with it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.rendering import warping
from hf_mbdc.rendering.warping import draw_warps, move_boxes, sources, warp
from hf_mbdc.transforms.draws import row_keys


def matrices(count: int, affine: float, perspective: float, width: int, height: int, ink: list[int]) -> np.ndarray:
    keys = row_keys([str(i) for i in range(count)], seed=0)
    boxes = np.repeat([ink], count, axis=0)
    return draw_warps(keys, np.full(count, width), height, boxes, affine=affine, perspective=perspective)


def test_nothing_moves_at_strength_zero() -> None:
    ink = np.random.default_rng(0).integers(0, 256, (2, 16, 24), dtype=np.uint8)
    still = np.repeat(np.eye(3)[None], 2, axis=0)
    assert (warp(ink, sources(still)) == ink).all()


def test_a_shift_by_whole_pixels() -> None:
    ink = np.zeros((1, 8, 8), dtype=np.uint8)
    ink[0, 2, 3] = 200
    moved = warp(ink, sources(np.array([[[1.0, 0, 2], [0, 1, 1], [0, 0, 1]]])))
    assert moved[0, 3, 5] == 200
    assert moved.sum() == 200


def test_a_shift_by_half_a_pixel_is_shared_out() -> None:
    ink = np.zeros((1, 4, 4), dtype=np.uint8)
    ink[0, 1, 1] = 200
    moved = warp(ink, sources(np.array([[[1.0, 0, 0.5], [0, 1, 0.25], [0, 0, 1]]])))
    assert moved[0, 1:3, 1:3].tolist() == [[75, 75], [25, 25]]


@pytest.mark.parametrize(("right", "down"), [(3, 2), (-3, -2), (30, -20)])
def test_what_comes_from_outside_is_blank(right: int, down: int) -> None:
    ink = np.full((3, 12, 16), 255, dtype=np.uint8)
    moved = warp(ink, sources(np.repeat([[[1.0, 0, right], [0, 1, down], [0, 0, 1]]], 3, axis=0)))
    wanted = np.zeros_like(ink)
    wanted[:, max(0, down) : max(0, 12 + down), max(0, right) : max(0, 16 + right)] = 255
    assert (moved == wanted).all()


def test_boxes_end_where_their_image_does() -> None:
    still = np.repeat(np.eye(3)[None], 2, axis=0)
    boxes = move_boxes(still, np.array([[-2, 1, 90, 40], [3, -1, 90, 9]]), np.array([80, 100]), 32)
    assert boxes.tolist() == [[0, 1, 80, 32], [3, 0, 90, 9]]


@pytest.mark.parametrize(("width", "height"), [(24, 32), (200, 32), (8000, 32), (300, 64)])
def test_all_ink_stays_in_the_image_and_in_its_box(width: int, height: int) -> None:
    box = [3, 3, width - 4, height - 3]
    ink = np.zeros((40, height, width), dtype=np.uint8)
    ink[:, box[1] : box[3], box[0] : box[2]] = 255
    forward = matrices(40, 1.0, 1.0, width, height, box)
    moved = warp(ink, sources(forward))
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
    back = sources(matrices(20, 1.0, 1.0, 40, 16, [2, 2, 38, 14]))
    part = slice(start, start + count)
    assert (warp(ink[part], back[part]) == warp(ink, back)[part]).all()


def test_pixels_are_those_of_exact_arithmetic() -> None:
    """So that every processor gives them, whether or not it multiplies and adds in one go."""
    ink = np.random.default_rng(2).integers(0, 256, (60, 24, 72), dtype=np.uint8)
    back = sources(matrices(60, 1.0, 1.0, 72, 24, [3, 3, 69, 21]))
    x, y = (np.round(places * 64).astype(np.int64) for places in warping._places(back, 0, 72, (24, 72)))
    tall = np.pad(ink, ((0, 0), (1, 1), (1, 2))).reshape(-1, 75)
    tall = np.pad(tall, ((0, 1), (0, 0))).astype(np.int64)
    row, column, down, right = y >> 6, x >> 6, y & 63, x & 63
    upper = tall[row, column] * (64 - right) + tall[row, column + 1] * right
    lower = tall[row + 1, column] * (64 - right) + tall[row + 1, column + 1] * right
    exact = upper * (64 - down) + lower * down  # 4096 times the pixel, halves of which go to the even number
    wanted = np.rint(exact / 4096).astype(np.uint8)
    assert (warp(ink, back).reshape(wanted.shape) == wanted).all()


@pytest.mark.parametrize(("name", "value"), [("_WIDEST", 20), ("_TOGETHER", 1), ("_TOGETHER", 4000)])
def test_parts_of_limited_size_make_the_same_images(name: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ink = np.random.default_rng(3).integers(0, 256, (7, 16, 73), dtype=np.uint8)
    back = sources(matrices(7, 1.0, 1.0, 73, 16, [2, 2, 70, 14]))
    whole = warp(ink, back)
    monkeypatch.setattr(warping, name, value)
    assert (warp(ink, back) == whole).all()


@pytest.mark.parametrize(("count", "height", "width"), [(1, 32, 65_000), (40_000, 8, 1)])
def test_more_columns_and_rows_than_opencv_takes(count: int, height: int, width: int) -> None:
    ink = np.random.default_rng(4).integers(0, 256, (count, height, width), dtype=np.uint8)
    assert (warp(ink, sources(np.repeat(np.eye(3)[None], count, axis=0))) == ink).all()
    if width > height:
        forward = matrices(count, 1.0, 1.0, width, height, [1, 1, width - 1, height - 1])
        assert warp(ink, sources(forward)).std() > 20
