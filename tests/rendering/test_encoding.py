"""Files hold exactly the pixels that were given."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from hf_mbdc.rendering.encoding import jpeg_file, png_files


def opened(file: np.ndarray) -> Image.Image:
    image = Image.open(BytesIO(file.tobytes()))
    image.verify()  # checksums
    return Image.open(BytesIO(file.tobytes()))


@pytest.mark.parametrize(("height", "width"), [(1, 1), (32, 80), (300, 400), (256, 255), (1024, 200)])
def test_grey_files(height: int, width: int) -> None:
    """Also above 65,535 bytes, where the data is cut into several blocks, and just at it."""
    pixels = np.random.default_rng(0).integers(0, 256, (3, height, width), dtype=np.uint8)
    for file, own in zip(png_files(pixels), pixels, strict=True):
        assert opened(file).mode == "L"
        assert (np.asarray(opened(file)) == own).all()


def test_palette_files() -> None:
    random = np.random.default_rng(0)
    levels = random.integers(0, 64, (3, 20, 30), dtype=np.uint8)
    palettes = random.integers(0, 256, (3, 64, 3), dtype=np.uint8)
    for file, own, palette in zip(png_files(levels, palettes), levels, palettes, strict=True):
        assert (np.asarray(opened(file).convert("RGB")) == palette[own]).all()


def test_jpeg_files_are_near_to_the_colours() -> None:
    palette = np.array([[250, 240, 200], [10, 30, 90]], dtype=np.uint8)
    levels = np.repeat(np.array([[0, 1]], dtype=np.uint8), 16, axis=0).repeat(16, axis=1)
    image = Image.open(BytesIO(jpeg_file(levels, palette, 90)))
    assert image.format == "JPEG"
    assert np.abs(np.asarray(image)[:, 2].astype(int) - palette[0]).max() < 12
