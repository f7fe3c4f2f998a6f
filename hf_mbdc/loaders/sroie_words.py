"""Lines of SROIE's receipts (see `sroie`) as images: each box of `box/*.csv` is cut out of its page, with its text.

One row a line of text, `document_id` is the receipt, so that `cluster_by: document_id` keeps its lines together. Crops
are PNG files, in the mode of the page. Receipts stay whole on one side of the split; `split_by="vendor"` keeps those of
one vendor together, too.

Set aside: a receipt without image, with a broken one, or without any line; a line that has no eight numbers, no text,
or whose box is, after clipping to the page, less than two pixels wide or high. Mended and reported, as by `sroie`:
boxes given from right to left or from bottom to top, and boxes that reach outside the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.builder import Document, DocumentBuilder, Finding
from hf_mbdc.loaders.splits import group_tie, normalise_vendor, text_tie
from hf_mbdc.loaders.sroie import (
    ENCODING_MEND,
    SroieConfig,
    find_images,
    mend_boxes,
    parse_line,
    read_values,
)
from hf_mbdc.loaders.word_images import FEATURES, check_text, image_tie

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

    from hf_mbdc.loaders.pages import PixelBox

LEAST = 2  # pixels of width and of height
PAGE_PIXELS = 1 << 26  # of a scanned page, at most
KEPT = ("1", "L", "LA", "RGB", "RGBA", "I;16")  # modes that a PNG file has


@dataclass(frozen=True)
class Line:
    """A line of text: its number in the box file from 1 on, its text and its corners, top left first, clockwise."""

    number: int
    text: str
    corners: tuple[float, ...]


@dataclass(frozen=True)
class Scan:
    """A receipt's lines and the path of its image."""

    lines: list[Line]
    image_name: str


class SroieWords(DocumentBuilder):
    """The builder of `sroie_words`; see the head of this file. Its options are those of `sroie`."""

    BUILDER_CONFIG_CLASS = SroieConfig
    FEATURES = FEATURES

    def find(self) -> Iterator[Document | Finding]:
        """The receipts by name, with the lines of each that are set aside."""
        folder = self.config.folder
        images = find_images(folder)
        for path in sorted(folder.glob("box/*.csv")):
            try:
                if path.stem not in images:
                    raise DataError("The receipt has no image", path=f"img/{path.stem}.jpg")
                lines = list(read_lines(folder, f"box/{path.name}", self.config.fallback_encoding))
                sound = [line for line in lines if isinstance(line, Line)]
                if not sound:
                    raise DataError("The receipt has no line that can be used", path=f"box/{path.name}")
                ties = self._ties(folder, path.stem, sound, files.read_bytes(folder, images[path.stem]))
            except DataError as error:
                yield Finding(path.stem, "rejected", str(error))
                continue
            yield from (line for line in lines if isinstance(line, Finding))
            yield Document(path.stem, ties, Scan(sound, images[path.stem]))

    def _ties(self, folder: Path, stem: str, lines: list[Line], image: bytes) -> tuple[str, ...]:
        ties = text_tie("\n".join(line.text for line in lines)), image_tie(image)
        if self.config.split_by != "vendor":
            return ties
        vendor = normalise_vendor(read_values(folder, f"key/{stem}.json").get("company", ""))
        return (*ties, group_tie(vendor)) if vendor else ties

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """A row a line."""
        scan: Scan = document.source
        content = files.read_bytes(self.config.folder, scan.image_name)
        page = files.decode_image(content, scan.image_name, PAGE_PIXELS)
        for line in scan.lines:
            row_id = f"{document.document_id}-{line.number:03d}"
            (box,), mended = mend_boxes([line.corners], *page.size)
            try:
                image = {"path": f"{row_id}.png", "bytes": crop(page, box)}
            except DataError as error:
                yield Finding(row_id, "rejected", str(error))
                continue
            if mended:
                yield Finding(row_id, "mended", mended)
            yield {"id": row_id, "document_id": document.document_id, "text": line.text, "image": image}


def read_lines(folder: Path, name: str, encoding: str | None) -> Iterator[Line | Finding]:
    """The lines of a box file; one that is broken or has no text is a finding."""
    content = files.read_text(folder, name, encoding, ENCODING_MEND)
    for number, row in enumerate(content.split("\n"), start=1):
        if not row.strip():
            continue
        try:
            text, corners = parse_line(row, name, number)
            yield Line(number, check_text(text, name), corners)
        except DataError as error:
            yield Finding(f"{name.removeprefix('box/').removesuffix('.csv')}-{number:03d}", "rejected", str(error))


def crop(page: Image, box: PixelBox) -> bytes:
    """The part of a page in a box as a PNG file; `DataError` where hardly anything is in it."""
    from PIL.Image import fromarray

    x0, y0, x1, y1 = math.floor(box[0]), math.floor(box[1]), math.ceil(box[2]), math.ceil(box[3])
    if x1 - x0 < LEAST or y1 - y0 < LEAST:
        raise DataError(f"The box is {x1 - x0} × {y1 - y0} pixels on the page of {page.width} × {page.height}")
    part = page.crop((x0, y0, x1, y1))
    if part.mode.startswith("I;16"):  # a PNG file has one order of bytes
        part = fromarray(np.asarray(part).astype(np.uint16))
    if part.mode not in KEPT:  # as RGB, what is transparent could be as black as the ink, and 16 bits would be cut off
        part = part.convert("RGBA" if part.has_transparency_data else "RGB")
    buffer = BytesIO()
    part.save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
