"""What a camera, a scanner and a designer do to a word: distortion, blur, background, noise and colours.

Ink becomes one of `LEVELS` steps from the colour of the background to that of the text, and each image has its own
palette. So a coloured image costs one byte a pixel. Every draw belongs to its row; noise and textures are windows of
fixed banks, so that a row's pixels do not depend on the rows beside it. All arithmetic on pixels is of whole numbers.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import as_strided

from hf_mbdc.errors import RecipeError
from hf_mbdc.rendering.warping import draw_warps, sources, warp
from hf_mbdc.transforms.draws import below, uniform

LEVELS = 64
_STEP = 256 // LEVELS
_PAPER, _INK = 40, 216  # where blank and full ink lie between 0 and 255: noise goes both ways
_SHARE = (_INK - _PAPER) // _STEP  # levels from blank to full ink
_BLUR, _TEXTURE, _TEXTURE_X, _TEXTURE_Y, _NOISE, _NOISE_X, _TURNED, _JPEG, _QUALITY = range(16, 25)
_COLORS = 32  # and the seven after it
TINT = 90  # of a channel
NOISE, TEXTURE = 40, 64  # levels of 255: three standard deviations of noise, and the range of a texture
_BANK = 512  # rows and columns of a bank


@dataclass(frozen=True)
class Augmentation:
    """How strongly word images are changed; 0 leaves a thing as it is, 1 is as much as stays easy to read for people.

    Each image draws its own amount between nothing and the given strength.

    Args:
        affine: slant, turn, stretch and place.
        perspective: tilt of the plane.
        blur: from nothing to a mean over three pixels, at a height of 32.
        background: texture behind the word.
        noise: of each pixel.
        color: how far text and background are from grey; with any, some images are light on dark.
        jpeg: share of the images that are JPEG files, of quality 30 to 90. The others are PNG files.
    """

    affine: float = 1.0
    perspective: float = 1.0
    blur: float = 1.0
    background: float = 1.0
    noise: float = 1.0
    color: float = 1.0
    jpeg: float = 0.1

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                mend = "0 leaves it out, 1 is all of it."
                raise RecipeError("Strengths lie between 0 and 1", key=name, value=value, mend=mend)


@dataclass(frozen=True)
class Plan:
    """What is done to each image of a batch.

    Args:
        matrices: float64 (images, 3, 3), from places in the given image to places in the changed one; None: the same.
        back: float64 (images, 3, 3), the way back, see `sources`; None as well.
        blur: uint16 (images,) weight of each neighbour, of 256.
        texture: int64 (images, 3) amount, and the row and column of the bank where its window begins.
        noise: int64 (images, 2) amount, and the place of the bank where it begins.
        palettes: uint8 (images, LEVELS, 3).
        quality: int64 (images,) of the JPEG file; 0 where it becomes a PNG file.
    """

    matrices: np.ndarray | None
    back: np.ndarray | None
    blur: np.ndarray
    texture: np.ndarray
    noise: np.ndarray
    palettes: np.ndarray
    quality: np.ndarray

    def of(self, images: np.ndarray) -> Plan:
        """The plan of some of the images."""
        matrices, back = (None if both is None else both[images] for both in (self.matrices, self.back))
        others = [getattr(self, field.name)[images] for field in dataclasses.fields(self)[2:]]
        return Plan(matrices, back, *others)


def draw_plan(keys: np.ndarray, widths: np.ndarray, height: int, ink: np.ndarray, strength: Augmentation) -> Plan:
    """Draws what is done to each image.

    Args:
        keys: uint64 (images,) of the rows.
        widths: (images,) of the images, in pixels. height: of all of them.
        ink: (images, 4) x0 y0 x1 y1 of the word, which stays in the image.
        strength: of each change.
    """
    matrices = None
    if strength.affine or strength.perspective:
        matrices = draw_warps(keys, widths, height, ink, affine=strength.affine, perspective=strength.perspective)
    amounts = [uniform(keys, _TEXTURE) * strength.background * TEXTURE, uniform(keys, _NOISE) * strength.noise * NOISE]
    jpeg = uniform(keys, _JPEG) < strength.jpeg
    return Plan(
        matrices=matrices,
        back=None if matrices is None else sources(matrices),
        blur=(uniform(keys, _BLUR) * strength.blur * 85).astype(np.uint16),
        texture=np.stack([amounts[0], below(keys, _TEXTURE_Y, _BANK), below(keys, _TEXTURE_X, _BANK)], 1).astype(int),
        noise=np.stack([amounts[1], below(keys, _NOISE_X, _BANK * _BANK)], 1).astype(int),
        palettes=draw_palettes(keys, strength.color),
        quality=np.where(jpeg, 30 + below(keys, _QUALITY, 61), 0),
    )


def augment(ink: np.ndarray, plan: Plan) -> np.ndarray:
    """Changes word images of one size.

    Args:
        ink: uint8 (images, height, width), 255 where ink is full.
        plan: of these images.

    Returns:
        uint8 (images, height, width), numbers of entries of the palettes.
    """
    if plan.back is not None:
        ink = warp(ink, plan.back)
    levels = blur(ink, plan.blur).view(np.int16)
    levels *= _SHARE  # now in 1/256 of a level, as what follows
    levels += _PAPER * 256 // _STEP + 128
    for change, own in ((_texture, plan.texture), (_noise, plan.noise)):
        if own[:, 0].any():
            levels += change(own, ink.shape)
    levels >>= 8
    np.clip(levels, 0, LEVELS - 1, out=levels)
    return levels.astype(np.uint8)


def blur(ink: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Mixes each pixel with its neighbours, once for 32 pixels of height.

    Args:
        ink: uint8 (images, height, width).
        weight: uint16 (images,) of each neighbour, of 256; at 85 a pixel becomes the mean of three.

    Returns:
        uint16 (images, height, width), 0 to 255.
    """
    pixels = ink.astype(np.uint16, order="C")
    if not weight.any():
        return pixels
    weight = weight[:, None, None]
    for _ in range(max(1, round(ink.shape[1] / 32))):
        for axis in (1, 2):
            around = _neighbours(pixels, axis)
            around *= weight
            pixels *= 256 - 2 * weight
            pixels += around
            pixels += 128
            pixels >>= 8
    return pixels


def _neighbours(pixels: np.ndarray, axis: int) -> np.ndarray:
    """The sum of each pixel's two neighbours on an axis; at the edges a pixel is its own neighbour."""
    step = 1 if axis == 2 else pixels.shape[2]
    around, flat = np.empty_like(pixels), pixels.reshape(-1)
    # All images as one line: one long loop instead of one for each row; what is wrong at the edges is set after it.
    np.add(flat[: -2 * step], flat[2 * step :], out=around.reshape(-1)[step:-step])
    lines, sums = pixels.swapaxes(axis, -1), around.swapaxes(axis, -1)
    last = lines.shape[-1] - 1
    for edge, inner in ((0, min(1, last)), (last, max(0, last - 1))):
        np.add(lines[..., edge], lines[..., inner], out=sums[..., edge])
    return around


def _texture(texture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The texture of each image, int16 (images, height, width), a window of the bank from its place on."""
    _, height, width = shape
    wide = _tiled(-(-height // _BANK) + 1, -(-width // _BANK) + 1)
    row, column = wide.strides
    windows = as_strided(wide, (_BANK, _BANK, height, width), (row, column, row, column), writeable=False)
    return _weighted(windows[texture[:, 1], texture[:, 2]], texture[:, 0])


def _noise(noise: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The noise of each image, int16 (images, height, width), a stretch of the bank from its place on."""
    _, height, width = shape
    long = _long_noise(-(-height * width // (_BANK * _BANK)) + 1)
    (step,) = long.strides
    stretches = as_strided(long, (_BANK * _BANK, height, width), (step, width * step, step), writeable=False)
    return _weighted(stretches[noise[:, 1]], noise[:, 0])


def _weighted(change: np.ndarray, amounts: np.ndarray) -> np.ndarray:
    change *= amounts.astype(np.int16)[:, None, None]
    return change


@lru_cache(maxsize=8)
def _tiled(rows: int, columns: int) -> np.ndarray:
    return np.tile(texture_bank(), (rows, columns)).astype(np.int16) >> 1


@lru_cache(maxsize=8)
def _long_noise(times: int) -> np.ndarray:
    return np.tile(noise_bank().reshape(-1), times).astype(np.int16) >> 1


@lru_cache(maxsize=1)
def noise_bank() -> np.ndarray:
    """Noise near to Gaussian, int8 (512, 512): the sum of eight bytes, with a standard deviation of 41."""
    bytes_ = np.random.Generator(np.random.PCG64(1)).bytes(8 * _BANK * _BANK)
    total = np.frombuffer(bytes_, dtype=np.uint8).reshape(_BANK, _BANK, 8).sum(axis=2, dtype=np.int64)
    return np.clip((total - 1020) // 5, -127, 127).astype(np.int8)


@lru_cache(maxsize=1)
def texture_bank() -> np.ndarray:
    """Smooth stains and grain, int8 (512, 512) from -127 to 127, without a seam: noise summed over four scales."""
    total = np.zeros((_BANK, _BANK), dtype=np.int64)
    generator = np.random.Generator(np.random.PCG64(2))
    for size, share in ((128, 8), (64, 4), (16, 2), (4, 1)):
        cells = _BANK // size
        coarse = np.frombuffer(generator.bytes(cells * cells), dtype=np.uint8).reshape(cells, cells).astype(np.int64)
        for axis in (0, 1):  # linear between the cells
            step = np.arange(size).reshape((-1, 1) if axis == 0 else (1, -1))
            left, right = np.repeat(coarse, size, axis), np.repeat(np.roll(coarse, -1, axis), size, axis)
            share_right = np.tile(step, (coarse.shape[0], 1) if axis == 0 else (1, coarse.shape[1]))
            coarse = (left * (size - share_right) + right * share_right) // size
        total += share * (coarse - 128)
    return np.clip(total * 127 // np.abs(total).max(), -127, 127).astype(np.int8)


def draw_palettes(keys: np.ndarray, color: float) -> np.ndarray:
    """The colours of each image, from beyond the background's to beyond the text's, uint8 (images, LEVELS, 3)."""
    paper, ink = uniform(keys, _COLORS, 160, 256), uniform(keys, _COLORS + 1, 0, 96)
    turned = uniform(keys, _TURNED) < (0.2 if color else 0.0)
    paper, ink = np.where(turned, ink, paper), np.where(turned, paper, ink)
    tints = [uniform(keys, _COLORS + 2 + k, -TINT, TINT) * color for k in range(6)]
    for k in (0, 3):  # a tint has the lightness of grey, so that text stays apart from its background
        lightness = 0.3 * tints[k] + 0.6 * tints[k + 1] + 0.1 * tints[k + 2]
        tints[k : k + 3] = [tint - lightness for tint in tints[k : k + 3]]
    ends = np.clip(np.stack([paper] * 3 + [ink] * 3) + np.stack(tints), 0, 255).astype(np.int32)
    low, high = ends[:3].T[:, None, :], ends[3:].T[:, None, :]
    step = np.arange(LEVELS, dtype=np.int32) * _STEP + _STEP // 2 - _PAPER
    share = step * 65536 // (_INK - _PAPER)
    return np.clip(low + ((high - low) * share[:, None] >> 16), 0, 255).astype(np.uint8)
