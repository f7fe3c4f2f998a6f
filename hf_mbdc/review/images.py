"""Document images made small enough for a page."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

SIDE = 16_383  # pixels; WebP knows no more
PIXELS = 1_600_000  # of an image in the page: small print of an A4 page can still be read
QUALITY = 60
MAP = 640  # pixels along the longer side of the map of ink that boxes are fitted to


@dataclass(frozen=True)
class Picture:
    """An image for the page: WebP bytes without metadata, its size in pixels, and its grey values."""

    data: bytes
    width: int
    height: int
    grey: np.ndarray


def shrink(data: bytes) -> Picture:
    """Reads an image file, makes it at most `PIXELS` large and encodes it anew.

    Raises:
        ValueError: the bytes are no image that can be read; the message says why.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(BytesIO(data)) as opened:
            if opened.format == "EPS":  # a program, which Pillow would give to Ghostscript
                raise ValueError("PostScript is not run")
            image = ImageOps.exif_transpose(opened)  # as `datasets` decodes it
            image = image.convert("L" if image.mode in ("1", "L", "I;16") else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"the image cannot be read ({type(error).__name__})") from error
    scale = min(1.0, (PIXELS / (image.width * image.height)) ** 0.5, SIDE / max(image.size))
    if scale < 1:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    file = BytesIO()
    image.save(file, "WEBP", quality=QUALITY)
    return Picture(file.getvalue(), image.width, image.height, _grey(image))


def _grey(image: Image) -> np.ndarray:
    from PIL import Image as Images

    scale = min(1.0, MAP / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return np.asarray(image.convert("L").resize(size, Images.Resampling.BOX), dtype=np.float32)
