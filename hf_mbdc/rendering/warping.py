"""Affine and perspective distortion of word images, many at once, without losing ink at an edge.

A distortion is drawn as a homography; what would leave the image is then moved and shrunk back into it, so that text
and image always agree. Only additions, multiplications and divisions of IEEE numbers are used: one row's pixels are the
same whatever is computed beside it, and on every machine.
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


def move_boxes(matrices: np.ndarray, boxes: np.ndarray, width: int, height: int) -> np.ndarray:
    """The smallest upright boxes around moved boxes, whole pixels: (n, 3, 3) and (n, 4) → int64 (n, 4)."""
    corners = move(matrices, _corners(boxes))
    low, high = np.floor(corners.min(axis=1)), np.ceil(corners.max(axis=1))
    limit = np.array([width, height])
    return np.concatenate([np.clip(low, 0, limit), np.clip(high, 0, limit)], axis=1).astype(np.int64)


def _corners(boxes: np.ndarray) -> np.ndarray:
    """(n, 4) x0 y0 x1 y1 → (n, 4, 2)."""
    return boxes[:, [[0, 1], [2, 1], [2, 3], [0, 3]]].astype(np.float64)


def warp(ink: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Moves the pixels of images, with bilinear interpolation; what comes from outside is blank.

    Args:
        ink: uint8 (images, height, width).
        matrices: (images, 3, 3), from places in `ink` to places in the result.
    """
    count, height, width = ink.shape
    x, y = _sources(_inverse(matrices), width, height)
    stride = width + 2
    place = y >> 8
    place *= stride
    place += np.arange(count, dtype=np.int32)[:, None, None] * ((height + 2) * stride)
    place += x >> 8
    four = _neighbours(ink).take(place.astype(np.intp))
    # Two neighbours at a time, in the halves of a number: first those of the left column, then those of the right.
    right = (x & 255).view(np.uint32)
    mixed = four & _HALVES
    mixed *= 256 - right
    four >>= 8
    four &= _HALVES
    four *= right
    mixed += four
    lower = (y & 255).view(np.uint32)
    four = mixed >> 16
    mixed &= 0xFFFF
    four *= lower
    mixed *= 256 - lower
    mixed += four
    mixed += 1 << 15
    mixed >>= 16
    return mixed.astype(np.uint8)


_HALVES = np.uint32(0x00FF00FF)


def _neighbours(ink: np.ndarray) -> np.ndarray:
    """Each pixel with the one on its right, the one below it and the one beside that, in the bytes of one number, so
    that a place takes one look-up; flat, in a frame of one blank pixel on each side, up to the last with all four."""
    count, height, width = ink.shape
    framed = np.zeros((count, height + 2, width + 2), dtype=np.uint8)
    framed[:, 1:-1, 1:-1] = ink
    flat = framed.reshape(-1).astype(np.uint32)
    pairs = flat[1:] << 8
    pairs |= flat[:-1]
    four = pairs[width + 2 :] << 16
    four |= pairs[: -(width + 2)]
    return four


def _sources(inverse: np.ndarray, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each pixel comes from, in 1/256 pixel, in a frame with one more pixel on each side: two int32 (images,
    height, width). Pixel (0, 0) is the square around (0.5, 0.5)."""
    columns = (np.arange(width) + 0.5)[None, None, :]
    rows = (np.arange(height) + 0.5)[None, :, None]
    # A pixel's middle is half a pixel from its place in the frame: (x + 0.5 · far) / far.
    scaled = inverse.copy()
    scaled[:, :2] = (scaled[:, :2] + 0.5 * scaled[:, 2:]) * 256
    m = scaled[:, :, :, None, None]
    x, y, far = (
        (m[:, k, 0] * columns + m[:, k, 2]).astype(np.float32) + (m[:, k, 1] * rows).astype(np.float32)
        for k in range(3)
    )
    x /= far
    y /= far
    np.clip(x, 0, (width + 1) * 256 - 1, out=x)
    np.clip(y, 0, (height + 1) * 256 - 1, out=y)
    return x.astype(np.int32), y.astype(np.int32)


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
