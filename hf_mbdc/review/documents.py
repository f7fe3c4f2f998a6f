"""The documents of the rows on a page: each once, with its words by page and its images made small."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from hf_mbdc.review.frame import fit_frame
from hf_mbdc.review.images import shrink
from hf_mbdc.review.view import Layout, Row

PAGES = 8  # shown of a document: those that hold candidates, or else its first ones
IMAGE_BYTES = 24_000_000  # of all images together, as base64

ImageFile = Mapping[str, Any]  # {"bytes": …, "path": …}, as `datasets.Image(decode=False)` gives it


class Documents:
    """Collects the documents of rows, and turns them into plain data when all rows are known."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.layouts: list[Layout] = []
        self.spans: list[list[tuple[int, int]]] = []
        self.pictures: list[Sequence[ImageFile | None]] = []
        self.images: dict[str, str] = {}  # name → WebP as base64
        self.image_bytes = 0
        self.images_left_out = 0

    def number(self, row: Row) -> int:
        """The number of the row's document; equal words at equal places on equal images are one document."""
        pictures = row.get("images") or [row.get("image")]
        content = json.dumps([row["context"], row.get("boxes"), row.get("pages"), row.get("document_id")])
        digest = hashlib.sha256(content.encode())
        for file in pictures:
            digest.update(hashlib.sha256((file or {}).get("bytes") or b"").digest())
        key = digest.hexdigest()
        if key not in self.numbers:
            self.numbers[key] = len(self.layouts)
            self.layouts.append(Layout(row))
            self.spans.append([])
            self.pictures.append(pictures)
        return self.numbers[key]

    def add_spans(self, number: int, spans: Sequence[tuple[int, int]]) -> None:
        """Notes what rows want to see of a document."""
        self.spans[number] += spans

    def data(self, number: int) -> dict[str, Any]:
        """The pages of a document that its rows want to see."""
        layout, spans = self.layouts[number], sorted(set(self.spans[number]))
        known = layout.page_numbers()
        wanted = sorted({box[0] for span in spans for box in layout.boxes(*span)}) or known
        pages = [layout.page(page, spans) for page in wanted[:PAGES]]
        for page in pages:
            self._add_image(number, page)
        return {"pages": pages, "page_count": len(known)}

    def _add_image(self, number: int, page: dict[str, Any]) -> None:
        """Gives a page the name of its image and the part of it that the boxes span, or why it has none."""
        pictures, at = self.pictures[number], page["page"]
        file = pictures[at] if 0 <= at < len(pictures) else None
        if not file:
            return
        if not file.get("bytes"):  # a path from data is not opened: it may lead anywhere on this machine
            page["problem"] = "the image is not part of the data, only its path"
            return
        try:
            picture = shrink(file["bytes"])
        except ValueError as problem:
            page["problem"] = str(problem)
            return
        text = base64.b64encode(picture.data).decode("ascii")
        if self.image_bytes + len(text) > IMAGE_BYTES:
            self.images_left_out += 1
            page["problem"] = "left out to keep this file small"
            return
        name = hashlib.sha256(picture.data).hexdigest()[:16]
        self.image_bytes += 0 if name in self.images else len(text)
        self.images[name] = text
        frame = fit_frame(picture.grey, [word[:4] for word in page["words"]])
        page["image"] = {"name": name, "aspect": round(picture.height / picture.width, 4), "frame": frame}
