"""Receipts that the project makes itself: real documents' difficulties with nothing to download, for the quickstart.

`load_dataset("made_receipts", documents=120)` gives the columns of `sroie` (see there) with ids `made-0007-total`. A
document depends on its number alone, so more documents leave the first ones as they are, and a smaller set is a part of
a larger one. What the receipts say and how they are laid out is in `receipt_writer`.

The images (grey PNG, about 7 kB) show the printed text at the places of the boxes, one character a cell. Their bytes
depend on the version of Pillow; text, boxes and answers do not.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar

from hf_mbdc.errors import RecipeError
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding, check_whole_number
from hf_mbdc.loaders.pages import split_line
from hf_mbdc.loaders.receipt_writer import CELL, COLUMNS, MARGIN, PrintedLine, make_receipt
from hf_mbdc.loaders.sroie import FEATURES, Receipt, text_page

if TYPE_CHECKING:
    from PIL.Image import Image

PAPER, INK = 236, 40  # grey values
GREYS = 16  # levels in the file: four bits a pixel


@dataclass
class MadeReceiptsConfig(DocumentConfig):
    """Options of `made_receipts`.

    Args:
        documents: how many receipts; each gives four rows.
    """

    documents: int = 120

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("document", "vendor")

    def __post_init__(self) -> None:
        if self.data_dir is not None:
            mend = 'Leave data_dir out, or load your own receipts with "sroie".'
            raise RecipeError("made_receipts makes its documents and reads no data_dir", key="data_dir", mend=mend)
        check_whole_number("documents", self.documents, at_least=1)
        super().__post_init__()

    def hash_inputs(self) -> str:
        """Of Pillow's version: it draws the images."""
        import PIL

        return f"pillow-{PIL.__version__}"


class MadeReceipts(DocumentBuilder):
    """The builder of `made_receipts`; see the head of this file."""

    BUILDER_CONFIG_CLASS = MadeReceiptsConfig
    FEATURES = FEATURES

    def find(self) -> Iterator[Document | Finding]:
        """The receipts in the order of their numbers; each is made from its number alone."""
        for number in range(self.config.documents):
            document_id, made = f"made-{number:04d}", make_receipt(number)
            page = text_page([split_line(line.read, line.box) for line in made.lines], document_id)
            receipt = Receipt(page, made.values, image=None)
            yield Document(document_id, receipt.ties(self.config.split_by), (receipt, made.lines))

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """A row a key, with the drawn receipt."""
        receipt, lines = document.source
        image = {"path": f"{document.document_id}.png", "bytes": png(draw(lines))}
        yield from replace(receipt, image=image).rows(document.document_id)


@functools.cache
def glyph(character: str, cell: int) -> Image:
    """A character that fills a cell of `cell` × `2 * cell` pixels, so that boxes follow from the layout and not from a
    font: one that is wider than its cell is squeezed. Pixels are grey levels, 0 to `GREYS` − 1."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(size=cell * 1.5)
    width = max(cell, math.ceil(font.getlength(character)))
    image = Image.new("L", (width, 2 * cell), PAPER)
    ImageDraw.Draw(image).text((width / 2, cell * 1.5), character, fill=INK, font=font, anchor="ms")
    return image.resize((cell, 2 * cell)).point([grey * GREYS // 256 for grey in range(256)])


def draw(lines: tuple[PrintedLine, ...]) -> Image:
    """The page with all lines as they are printed, in grey levels from 0 to `GREYS` − 1."""
    from PIL import Image

    size = (COLUMNS * CELL + 3 * MARGIN, max(line.top + 2 * line.cell for line in lines) + MARGIN)
    page = Image.new("L", size, PAPER * GREYS // 256)
    for line in lines:
        for column, character in enumerate(line.printed):
            if character != " ":
                page.paste(glyph(character, line.cell), (line.left + column * line.cell, line.top))
    return page


def png(page: Image) -> bytes:
    """A page of grey levels as a PNG file of four bits a pixel."""
    from PIL import Image

    levels = Image.frombytes("P", page.size, page.tobytes())
    levels.putpalette([level * 255 // (GREYS - 1) for level in range(GREYS) for _ in "rgb"])
    buffer = BytesIO()
    levels.save(buffer, format="PNG")
    return buffer.getvalue()
