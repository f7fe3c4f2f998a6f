"""Word images → one array of grey pixels, decoded once: what a recogniser reads in every epoch."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.image_formats import FORMATS

if TYPE_CHECKING:
    import pyarrow as pa
    from PIL.Image import Image

NO_IMAGE, NO_PIXELS, NO_FILE = "no image", "an image without pixels", "a file that is no image"
WIDEST = 1 << 15  # pixels after scaling: what one image may take of memory


@dataclass(frozen=True)
class WordImages:
    """Grey images.

    Args:
        pixels: uint8, all images one behind the other, each row by row.
        offsets: (images + 1,) int64, where each begins in `pixels`; an image that cannot be read is empty.
        heights: (images,) rows of each.
        reasons: (images,) why an image cannot be read; None where it can.
    """

    pixels: np.ndarray
    offsets: np.ndarray
    heights: np.ndarray
    reasons: list[str | None]

    def __len__(self) -> int:
        return len(self.reasons)

    def __getitem__(self, number: int) -> np.ndarray:
        """(height, width) uint8, without a copy."""
        return self.pixels[self.offsets[number] : self.offsets[number + 1]].reshape(self.heights[number], -1)


def decode_images(column: pa.Array | pa.ChunkedArray, height: int | None) -> WordImages:
    """Decodes a column of `datasets.Image`, and scales what has another height, keeping its proportions.

    Args:
        column: structs of `bytes` and `path`, as `with_format("arrow")` gives them.
        height: of the result, in pixels; None leaves each image its size.

    Example:
        >>> import io, pyarrow as pa
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> Image.new("L", (10, 16), 255).save(file, "PNG")
        >>> decoded = decode_images(pa.array([{"bytes": file.getvalue(), "path": None}, None]), 32)
        >>> decoded[0].shape, decoded.reasons
        ((32, 20), [None, 'no image'])
    """
    decoded = [_decode(stored, height) for stored in column.to_pylist()]  # a loop: each image is a file of its own
    images = [pixels for pixels, _ in decoded]
    offsets = np.cumsum([0, *(image.size for image in images)])
    pixels = np.concatenate([np.empty(0, np.uint8), *(image.reshape(-1) for image in images)])
    heights = np.array([len(image) for image in images], np.int64)
    return WordImages(pixels, offsets, heights, [reason for _, reason in decoded])


def _decode(stored: dict[str, Any] | None, height: int | None) -> tuple[np.ndarray, str | None]:
    from PIL import Image, UnidentifiedImageError

    nothing = np.empty((height or 1, 0), np.uint8)
    if stored is None or (stored["bytes"] is None and not stored["path"]):
        return nothing, NO_IMAGE
    file = io.BytesIO(stored["bytes"]) if stored["bytes"] is not None else stored["path"]
    try:
        with Image.open(file, formats=FORMATS) as opened:
            if not opened.width or not opened.height:
                return nothing, NO_PIXELS
            image = _upright(opened)
            rows = height or image.height
            width = max(1, round(image.width * rows / image.height))
            if max(width, rows) > WIDEST:
                return nothing, f"larger than {WIDEST} pixels"
            return np.asarray(_grey(image, (width, rows))), None
    except MemoryError:
        raise
    except UnidentifiedImageError:
        return nothing, NO_FILE
    except Exception as error:  # a decoder of Pillow answers broken bytes with nearly any type
        return nothing, f"an image that cannot be decoded ({type(error).__name__})"


def _upright(image: Image) -> Image:
    """An image as `datasets` shows it, and people read it: turned as its EXIF says, which photos of phones are."""
    from PIL import ExifTags, ImageOps

    return image if image.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(image)


def _grey(image: Image, size: tuple[int, int]) -> Image:
    """Grey pixels of a size; what is transparent is white."""
    from PIL import Image

    if image.mode.startswith("I;16"):  # Pillow would cut 16 bits off at 255, and all but black be white
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    grey = image.convert("L")
    return grey if grey.size == size else grey.resize(size, Image.Resampling.BILINEAR)


def scale_of(image: np.ndarray) -> tuple[np.float32, np.float32]:
    """What to multiply the pixels of an image with, and then to add, so that they have mean 0 and, as far as they have
    any contrast, spread 1. Worked out once for each image: it takes longer than to apply it.

    Example:
        >>> scale_of(np.array([[0, 200]], np.uint8)), scale_of(np.array([[7, 7]], np.uint8))
        ((np.float32(0.01), np.float32(-1.0)), (np.float32(1.0), np.float32(-7.0)))
    """
    if not image.size:
        return np.float32(1), np.float32(0)
    factor = 1 / max(1.0, float(image.std()))
    return np.float32(factor), np.float32(-factor * float(image.mean()))


def stack_images(
    images: Sequence[np.ndarray], scales: Sequence[tuple[np.float32, np.float32]], multiple: int
) -> np.ndarray:
    """(n, 1, height, width) float32 of images (height, any width) uint8, each scaled by its `scale_of`, and 0 right of
    it. The width is that of the widest, up to the next multiple.

    Example:
        >>> image = np.array([[0, 255]], np.uint8)
        >>> stack_images([image], [scale_of(image)], 4).tolist()
        [[[[-1.0, 1.0, 0.0, 0.0]]]]
    """
    widest = -(-max(image.shape[1] for image in images) // multiple) * multiple
    stacked = np.zeros((len(images), 1, images[0].shape[0], widest), np.float32)
    for image, (factor, offset), place in zip(images, scales, stacked, strict=True):
        inside = place[0, :, : image.shape[1]]
        np.multiply(image, factor, out=inside)
        inside += offset
    return stacked
