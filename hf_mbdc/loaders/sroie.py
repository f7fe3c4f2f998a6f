"""SROIE: scanned receipts with four key values each (ICDAR 2019 challenge, Huang et al., arXiv:2103.10213).

A folder as in github.com/zzzDavid/ICDAR-2019-SROIE, one file a document in each of:

- `box/NNN.csv`: one line of text a row, `x1,y1,x2,y2,x3,y3,x4,y4,text` in pixels. The text is not quoted and may hold
  commas; rows end in LF or CRLF; blank rows occur. The rows' order is kept: it follows the page from top to bottom,
  and sorting them anew finds the same answers.
- `key/NNN.json`: `company`, `date`, `address`, `total`. A key that is missing or empty gives a row with `answers: []`.
- `img/NNN.jpg` (or .jpeg, .png), where there is one: embedded, as it is.

One row a document and key. **Boxes** are scaled to 0–1000 by the extent of the document's text, from the leftmost to
the rightmost and from the highest to the lowest box, also where an image would tell the size of the page: scans have
margins of any width (a receipt may fill half of an A4 page or all of its strip), most copies of the set lack most
images, and a box must not depend on whether its image is there. To draw a box on the image, scale it by that extent
back to pixels.

What is wrong sets the whole document aside (its transcription would be incomplete, and an answer lost unnoticed): a row
that is short or has no numbers, no words, a file of the pair that is missing or broken. Mended and reported: boxes
given from right to left or from bottom to top are sorted, boxes that reach outside the page are clipped.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import datasets

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding
from hf_mbdc.loaders.pages import Page, PixelBox, Word, clip, describe_mends, extent, make_page, split_line
from hf_mbdc.loaders.splits import group_tie, normalise_vendor, text_tie

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = "a folder with box/*.csv and key/*.json (and img/*.jpg where there are images)"
ENCODING_MEND = 'If such files are in a Windows code page, pass fallback_encoding="cp1252" (or another one).'
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")
QUESTIONS = {
    "company": "What is the name of the company?",
    "date": "What is the date of the receipt?",
    "address": "What is the address of the company?",
    "total": "What is the total amount?",
}
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "document_id": datasets.Value("string"),
        "key": datasets.Value("string"),
        "vendor": datasets.Value("string"),
        "question": datasets.Value("string"),
        "words": datasets.List(datasets.Value("string")),
        "boxes": datasets.List(datasets.List(datasets.Value("int32"))),
        "context": datasets.Value("string"),
        "answers": datasets.List(datasets.Value("string")),
        "image": datasets.Image(),
    }
)


@dataclass(frozen=True)
class Receipt:
    """A receipt that was read: its page, the values of its keys, and its image as `datasets.Image` stores it."""

    page: Page
    values: dict[str, str]
    image: dict[str, Any] | None

    @property
    def vendor(self) -> str:
        """What receipts of one vendor share; "" where no company is given."""
        return normalise_vendor(self.values.get("company", ""))

    def ties(self, split_by: str) -> tuple[str, ...]:
        """Receipts with equal text or an equal image stay together, and those of one vendor when that is asked for."""
        ties = [text_tie(self.page.context)]
        if self.image is not None:
            ties.append("3-image:" + hashlib.sha256(self.image["bytes"]).hexdigest())
        if split_by == "vendor" and self.vendor:
            ties.append(group_tie(self.vendor))
        return tuple(ties)

    def rows(self, document_id: str) -> Iterator[dict[str, Any]]:
        """One row a key."""
        for key, question in QUESTIONS.items():
            yield {
                "id": f"{document_id}-{key}",
                "document_id": document_id,
                "key": key,
                "vendor": self.vendor,
                "question": question,
                "words": self.page.words,
                "boxes": self.page.boxes,
                "context": self.page.context,
                "answers": [self.values[key]] if key in self.values else [],
                "image": self.image,
            }


@dataclass
class SroieConfig(DocumentConfig):
    """Options of `sroie`.

    Args:
        fallback_encoding: of box files that are not UTF-8; by default such documents are set aside.
    """

    fallback_encoding: str | None = None

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("document", "vendor")

    def __post_init__(self) -> None:
        if self.fallback_encoding is not None:
            files.check_encoding(self.fallback_encoding)
        super().__post_init__()

    @property
    def folder(self) -> Path:
        """The data set's folder; `DataError` where it is not laid out as expected."""
        folder = files.open_folder(self.data_dir, "sroie", LAYOUT)
        missing = [name for name in ("box", "key") if not (folder / name).is_dir()]
        if missing:
            raise DataError(f"The folder has no {missing[0]}/ in it", data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        if not any((folder / "box").glob("*.csv")):
            raise DataError("The folder has no box/*.csv in it", data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        return folder

    def hash_inputs(self) -> str:
        """Of boxes, keys and images; other files of the folder change nothing."""
        folder = self.folder
        images = (p for p in folder.glob("img/*") if p.suffix.lower() in IMAGE_SUFFIXES)
        return files.content_hash(folder, [*folder.glob("box/*.csv"), *folder.glob("key/*.json"), *images])


def find_images(folder: Path) -> dict[str, str]:
    """The image of each receipt by the receipt's name; of several the one whose suffix comes last in the list."""
    suffix_of = {path: path.suffix.lower() for path in sorted(folder.glob("img/*"))}
    order = sorted((IMAGE_SUFFIXES.index(s), path) for path, s in suffix_of.items() if s in IMAGE_SUFFIXES)
    return {path.stem: f"img/{path.name}" for _, path in order}


class Sroie(DocumentBuilder):
    """The builder of `sroie`; see the head of this file."""

    BUILDER_CONFIG_CLASS = SroieConfig
    FEATURES = FEATURES

    def find(self) -> Iterator[Document | Finding]:
        """The receipts by name; one without boxes or without keys is a finding."""
        folder = self.config.folder
        images = find_images(folder)
        for stem in sorted({p.stem for p in [*folder.glob("box/*.csv"), *folder.glob("key/*.json")]}):
            try:
                receipt, mends = read_receipt(folder, stem, images.get(stem), self.config.fallback_encoding)
            except DataError as error:
                yield Finding(stem, "rejected", str(error))
                continue
            if mends:
                yield Finding(stem, "mended", mends)
            yield Document(stem, receipt.ties(self.config.split_by), receipt)

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """A row a key."""
        yield from document.source.rows(document.document_id)


def read_receipt(folder: Path, stem: str, image_name: str | None, encoding: str | None) -> tuple[Receipt, str]:
    """A receipt, and what was mended in it ("" if nothing); `DataError` if it cannot be used."""
    box_name = f"box/{stem}.csv"
    lines = [
        parse_line(line, box_name, number)
        # not str.splitlines(), which also splits at characters that may be inside a text
        for number, line in enumerate(files.read_text(folder, box_name, encoding, ENCODING_MEND).split("\n"), start=1)
        if line.strip()
    ]
    values = read_values(folder, f"key/{stem}.json")
    image, size = files.read_image(folder, image_name) if image_name else (None, (math.inf, math.inf))
    boxes, mends = mend_boxes([box for _, box in lines], *size)
    words = [split_line(text, box) for (text, _), box in zip(lines, boxes, strict=True)]
    return Receipt(text_page(words, box_name), values, image), mends


def parse_line(line: str, path: str, number: int) -> tuple[str, tuple[float, ...]]:
    """A row `x1,y1,…,x4,y4,text` as its text and its eight numbers.

    Example:
        >>> parse_line("10,20,90,20,90,40,10,40,NO.53, JALAN SAGU\\r", "box/000.csv", 1)
        ('NO.53, JALAN SAGU', (10.0, 20.0, 90.0, 20.0, 90.0, 40.0, 10.0, 40.0))
    """
    fields = line.split(",", 8)
    if len(fields) < 9:
        raise DataError(f"A box line needs 8 numbers and a text, and has {len(fields)} fields", path=path, line=number)
    try:
        numbers = tuple(float(field) for field in fields[:8])
    except ValueError as error:
        raise DataError(f"A box line does not begin with 8 numbers: {error}", path=path, line=number) from None
    if not all(map(math.isfinite, numbers)):
        raise DataError("A box line has a coordinate that is not finite", path=path, line=number)
    return fields[8].strip(), numbers


def read_values(folder: Path, name: str) -> dict[str, str]:
    """The values of a key file as text; empty ones are left out."""
    found = files.read_json(folder, name)
    if not isinstance(found, dict):
        raise DataError(f"A key file holds an object, and this one a {type(found).__name__}", path=name)
    values = {}
    for key in QUESTIONS:
        value = found.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (str, int, float))):
            raise DataError(f"The value of {key!r} is a {type(value).__name__}, and not a text", path=name)
        if value is not None and str(value).strip():
            values[key] = str(value).strip()
    return values


def mend_boxes(corners: list[tuple[float, ...]], width: float, height: float) -> tuple[list[PixelBox], str]:
    """Corner points (top left first, clockwise) as boxes on the page, and what was mended."""
    boxes: list[PixelBox] = []
    inverted = outside = 0
    for x1, y1, x2, y2, x3, y3, x4, y4 in corners:
        inverted += x1 > x3 or y1 > y3
        box = min(x1, x2, x3, x4), min(y1, y2, y3, y4), max(x1, x2, x3, x4), max(y1, y2, y3, y4)
        boxes.append(clip(box, width, height))
        outside += boxes[-1] != box
    return boxes, describe_mends(inverted, outside)


def text_page(lines: list[list[Word]], path: str) -> Page:
    """The page of a receipt, scaled by the extent of its words; `DataError` if there is nothing to scale."""
    boxes = [box for line in lines for _, box in line]
    if not boxes:
        raise DataError("The document has no words", path=path)
    frame = extent(boxes)
    if frame[0] == frame[2] or frame[1] == frame[3]:
        raise DataError("The boxes of the document have no extent", path=path)
    return make_page(lines, frame)
