"""Affine and perspective distortion of word images, many at once, without losing ink at an edge.

A distortion is drawn as a homography; what would leave the image is then moved and shrunk back into it, so that text
and image always agree. Places are found by additions, multiplications and divisions of IEEE numbers, and OpenCV takes
the pixels in a way that leaves nothing to round but the result (see `_places`): one row's pixels are the same whatever
is computed beside it, and on every machine.
"""

from __future__ import annotations

import numpy as np

from hf_mbdc.transforms.draws import uniform

SLANT = 0.25  # columns a row, at full strength
TURN = 0.12  # heights, between the ends of the word
STRETCH = 0.15  # of width and height
TILT = 0.18  # ratio by which one side is further away

SLANT_DRAW, TURN_DRAW, WIDE_DRAW, HIGH_DRAW, TILT_X_DRAW, TILT_Y_DRAW, X_DRAW, Y_DRAW = range(8)


def draw_warps(
    keys: np.ndarray, widths: np.ndarray, height: int, ink: np.ndarray, *, affine: float, perspective: float
) -> np.ndarray:
    """One distortion for each image.

    Args:
        keys: (images,) of the rows.
        widths: (images,) of the images, in pixels. height: of all of them.
        ink: (images, 4) x0 y0 x1 y1 of what must stay inside.
        affine: strength of slant, turn and stretch, 0 to 1.
        perspective: strength of the tilt, 0 to 1.

    Returns:
        float64 (images, 3, 3): from a place in the given image to its place in the distorted one.
    """
    flat = height / widths
    turn = np.clip(uniform(keys, TURN_DRAW, -TURN, TURN) * affine * flat, -0.1, 0.1)
    slant = uniform(keys, SLANT_DRAW, -SLANT, SLANT) * affine
    wide = 1 - uniform(keys, WIDE_DRAW, 0, STRETCH) * affine
    high = 1 - uniform(keys, HIGH_DRAW, 0, STRETCH) * affine
    tilt_x = uniform(keys, TILT_X_DRAW, -TILT, TILT) * perspective * 2 / widths
    tilt_y = uniform(keys, TILT_Y_DRAW, -TILT, TILT) * perspective * np.minimum(1.0, flat) * 2 / height
    zero, one = np.zeros(len(keys)), np.ones(len(keys))
    to_middle = _matrix(one, zero, widths / -2, zero, one, one * (-height / 2), zero, zero)
    bent = _matrix(wide, slant, zero, turn, high, zero, tilt_x, tilt_y)
    forward = _product(bent, to_middle)
    return _product(_fit(keys, move(forward, _corners(ink)), widths, height, max(affine, perspective)), forward)


def _fit(keys: np.ndarray, corners: np.ndarray, widths: np.ndarray, height: int, strength: float) -> np.ndarray:
    """Brings ink into the image, shrunk only where it must be, to a place that is drawn from those that are free."""
    low, high = corners.min(axis=1), corners.max(axis=1)
    size = np.maximum(high - low, 1e-6)
    scale = np.minimum(1.0, np.minimum((widths - 2) / size[:, 0], (height - 2) / size[:, 1]))
    moves = []
    for axis, length, draw in ((0, widths, X_DRAW), (1, height, Y_DRAW)):
        free = length - scale * size[:, axis] - 2  # a pixel on each side stays
        share = 0.5 + (uniform(keys, draw) - 0.5) * min(1.0, strength)
        moves.append(1 + free * share - scale * low[:, axis])
    zero = np.zeros(len(keys))
    return _matrix(scale, zero, moves[0], zero, scale, moves[1], zero, zero)


def move(matrices: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Where places go: (images, 3, 3) and (images, n, 2) → (images, n, 2), float64."""
    x, y = places[..., 0], places[..., 1]
    m = matrices[:, :, :, None]
    far = m[:, 2, 0] * x + m[:, 2, 1] * y + m[:, 2, 2]
    return np.stack(
        [(m[:, 0, 0] * x + m[:, 0, 1] * y + m[:, 0, 2]) / far, (m[:, 1, 0] * x + m[:, 1, 1] * y + m[:, 1, 2]) / far],
        axis=-1,
    )


def move_boxes(matrices: np.ndarray, boxes: np.ndarray, widths: np.ndarray | int, height: int) -> np.ndarray:
    """The smallest upright boxes around moved boxes, whole pixels: (n, 3, 3) and (n, 4) → int64 (n, 4).

    Args:
        matrices: see `draw_warps`. boxes: x0 y0 x1 y1. widths: (n,) of their images. height: of all images.
    """
    corners = move(matrices, _corners(boxes))
    low, high = np.floor(corners.min(axis=1)), np.ceil(corners.max(axis=1))
    limit = np.stack(np.broadcast_arrays(widths, height, boxes[:, 0])[:2], axis=-1)
    return np.concatenate([np.clip(low, 0, limit), np.clip(high, 0, limit)], axis=1).astype(np.int64)


def _corners(boxes: np.ndarray) -> np.ndarray:
    """(n, 4) x0 y0 x1 y1 → (n, 4, 2)."""
    return boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].astype(np.float64)


def sources(matrices: np.ndarray) -> np.ndarray:
    """For distortions, the way back, as `warp` takes it: float64 (images, 3, 3), from the column and row of a pixel of
    the result, and 1, to three numbers: the first two, divided by the third, are its column and row in an image that
    begins with one more column and row."""
    back = _inverse(matrices)
    back[:, :, 2] += 0.5 * (back[:, :, 0] + back[:, :, 1])  # the middle of the first pixel is at (0.5, 0.5)
    back[:, :2] += 0.5 * back[:, 2:]
    return back


def warp(ink: np.ndarray, back: np.ndarray) -> np.ndarray:
    """Moves the pixels of images, with bilinear interpolation; what comes from outside is blank.

    Args:
        ink: uint8 (images, height, width).
        back: (images, 3, 3), see `sources`.
    """
    import cv2

    count, height, width = ink.shape
    framed = np.zeros((count, height + 2, width + 3), dtype=np.uint8)
    framed[:, 1:-1, 1:-2] = ink
    moved = np.empty((count, height, width), dtype=np.uint8)
    wide = min(width, _WIDEST)
    many = max(1, _TOGETHER // ((height + 2) * max(wide, 4))) if wide == width else 1
    for start in range(0, count, many):
        tall = framed[start : start + many].reshape(-1, width + 3)
        for column in range(0, width, wide):
            into = moved[start : start + many, :, column : column + wide]
            x, y = _places(back[start : start + many], column, into.shape[2], (height, width))
            first, last = (0, width + 3) if wide == width else (int(x.min()), int(x.max()) + 2)
            x -= first
            cv2.remap(tall[:, first:last], x, y, cv2.INTER_LINEAR, into.reshape(x.shape), cv2.BORDER_CONSTANT, 0)
    return moved


# OpenCV takes from images of less than 32,767 columns and rows. Even shrunk to a third, 8,000 columns come from fewer.
_WIDEST = 8_000
# Pixels in one call, of 16,384 rows at most. From twice as many on OpenCV starts threads, beside other workers.
_TOGETHER = 1 << 16
# Added to a number below 65,536 and subtracted again, it leaves the nearest multiple of 1/64.
_ROUNDING = np.float32(1.5 * 2**17)


def _places(back: np.ndarray, start: int, wide: int, size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel of some columns of images comes from, if those stand one below the other, each in its frame of
    blank pixels: two float32 (images · height, wide), columns and rows in steps of 1/64.

    Such a place has six bits after the point, so the products and sums of the interpolation (nine bits, twice) fit
    into the 24 bits of a float32: nothing is rounded before the end, and whether a processor multiplies and adds in
    one go or in two, and in which order, makes no difference. With finer places it would, now and then.

    Args:
        back: (images, 3, 3), see `sources`. start: the first column. wide: how many.
        size: height and width of an image.
    """
    count, (height, width) = len(back), size
    across = (back[:, :, 0, None] * np.arange(start, start + wide) + back[:, :, 2, None]).astype(np.float32)
    down = (back[:, :, 1, None] * np.arange(height)).astype(np.float32)
    x, y, far = (across[:, k, None, :] + down[:, k, :, None] for k in range(3))
    above = (np.arange(count) * (height + 2)).astype(np.float32)[:, None, None]
    for places, last, moved in ((x, width + 1, np.float32(0)), (y, height + 1, above)):
        places /= far
        np.clip(places, 0, last, out=places)
        places += _ROUNDING
        places -= _ROUNDING - moved
    return x.reshape(-1, wide), y.reshape(-1, wide)


def _matrix(*entries: np.ndarray) -> np.ndarray:
    """(n, 3, 3) from the first eight entries, row by row; the last one is 1."""
    return np.stack([*entries, np.ones_like(entries[0])], axis=-1).reshape(-1, 3, 3)


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Matrix products, each entry added up in one order (BLAS promises none)."""
    return (
        left[:, :, 0, None] * right[:, None, 0, :]
        + left[:, :, 1, None] * right[:, None, 1, :]
        + left[:, :, 2, None] * right[:, None, 2, :]
    )


def _inverse(matrices: np.ndarray) -> np.ndarray:
    """Inverses, by cofactors, up to a factor that homographies do not see, brought to a last entry of 1."""
    a, b, c, d, e, f, g, h, i = np.moveaxis(matrices.reshape(-1, 9), 1, 0)
    entries = (
        *(e * i - f * h, c * h - b * i, b * f - c * e),
        *(f * g - d * i, a * i - c * g, c * d - a * f),
        *(d * h - e * g, b * g - a * h, a * e - b * d),
    )
    return (np.stack(entries, axis=-1) / entries[8][:, None]).reshape(-1, 3, 3)
