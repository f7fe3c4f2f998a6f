"""What the loaders of documents with several pages share: their columns, and the pictures of the pages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets

from hf_mbdc.loaders import files
from hf_mbdc.loaders.pages import Page

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".webp")
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "document_id": datasets.Value("string"),
        "question": datasets.Value("string"),
        "words": datasets.List(datasets.Value("string")),
        "boxes": datasets.List(datasets.List(datasets.Value("int32"))),
        "context": datasets.Value("string"),
        "answers": datasets.List(datasets.Value("string")),
        "pages": datasets.List(datasets.Value("int32")),
        "image": datasets.Image(),
        "images": datasets.List(datasets.Image()),
    }
)

Picture = dict[str, Any]  # as `datasets.Image` stores it


def document_columns(page: Page, pictures: Sequence[Picture | None]) -> dict[str, Any]:
    """The columns that all questions of a document share.

    Args:
        page: the document's text.
        pictures: one of each page, None where there is none. The only page's picture becomes `image`; those of several
            pages become `images`, which is empty where no page has one. So no picture is stored twice in a row.
    """
    several = len(pictures) > 1
    return {
        "words": page.words,
        "boxes": page.boxes,
        "context": page.context,
        "pages": page.pages,
        "image": None if several or not pictures else pictures[0],
        "images": list(pictures) if several and any(pictures) else [],
    }


def find_image(folder: Path, stem: str) -> str | None:
    """The name of the image file that has this path but for its suffix; None where there is none.

    Raises:
        DataError: the path leads out of the folder.
    """
    path = files.inside(folder, stem)
    names = (path.with_name(path.name + suffix) for suffix in IMAGE_SUFFIXES)
    return next((name.relative_to(folder).as_posix() for name in names if name.is_file()), None)
