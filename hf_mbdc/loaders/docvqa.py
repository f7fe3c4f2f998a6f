"""DocVQA, single pages (Mathew et al. 2021, arXiv:2007.00398), in the layout of its official download.

- `*.json`: question files (`train_v1.0.json`, `val_v1.0.json` …) with `data[]` of `questionId, question, image, docId,
  ucsf_document_id, ucsf_document_page_no, answers, data_split`. The same keys in snake_case are read too, as in
  `pixparse/docvqa-single-page-questions`.
- `ocr_results/{ucsf_document_id}_{ucsf_document_page_no}.json`: Microsoft's READ output, of which
  `recognitionResults[0]` has `width, height, lines[].words[].{text, boundingBox}`; a box is four corners in pixels.
- the image under the path that the question's `image` names, where that file exists: embedded, as it is.

One row a question; a document is a page. `boxes` are scaled to 0–1000 by the page's width and height. The lines' order
is that of the OCR. By default the splits are the official ones (`data_split`: train, val → validation, test). With
`split_by="document"` pages are assigned by hash: pages of one `ucsf_document_id`, and equal OCR files, stay together.

Set aside: a question file or an OCR file that is missing, broken or in another format; a page without words; a path
that leads out of the folder; a question without `answers` (the official test file withholds them, which does not make
the question unanswerable), and an id that was there before. Boxes that reach outside the page are clipped and reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import datasets

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding
from hf_mbdc.loaders.pages import Page, PixelBox, Word, clip, make_page, split_line
from hf_mbdc.loaders.splits import group_tie

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = "a folder with question files (*.json) and ocr_results/*.json in it"
SIDES = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "document_id": datasets.Value("string"),
        "question": datasets.Value("string"),
        "words": datasets.List(datasets.Value("string")),
        "boxes": datasets.List(datasets.List(datasets.Value("int32"))),
        "context": datasets.Value("string"),
        "answers": datasets.List(datasets.Value("string")),
        "image": datasets.Image(),
    }
)


@dataclass(frozen=True)
class PageQuestions:
    """A page's questions with keys in snake_case; all name the same OCR file."""

    ocr_name: str
    questions: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class DocVQAConfig(DocumentConfig):
    """Options of `docvqa`: `split_by` is `"official"` (the default, `data_split`) or `"document"`."""

    split_by: str = "official"

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("official", "document")

    @property
    def folder(self) -> Path:
        folder = files.open_folder(self.data_dir, "docvqa", LAYOUT)
        if not (folder / "ocr_results").is_dir():
            raise DataError("The folder has no ocr_results/ in it", data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        if not any(folder.glob("*.json")):
            raise DataError("The folder has no question file in it", data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        return folder

    def hash_inputs(self) -> str:
        # All files, since the questions may name images anywhere in the folder.
        folder = self.folder
        return files.content_hash(folder, (p for p in folder.rglob("*") if p.is_file()))


class DocVQA(DocumentBuilder):
    """The builder of `docvqa`; see the head of this file."""

    BUILDER_CONFIG_CLASS = DocVQAConfig
    FEATURES = FEATURES

    def find(self) -> Iterator[Document | Finding]:
        folder = self.config.folder
        pages: dict[tuple[str, str], PageQuestions] = {}
        seen: set[str] = set()
        for path in sorted(folder.glob("*.json")):
            try:
                entries = read_entries(folder, path.name)
            except DataError as error:
                yield Finding(path.name, "rejected", str(error))
                continue
            for entry in entries:
                try:
                    document_id = check_entry(entry, path.name, seen)
                except DataError as error:
                    yield Finding(str(entry.get("ucsf_document_id", path.name)), "rejected", str(error))
                    continue
                side = SIDES[entry["data_split"]] if self.config.split_by == "official" else ""
                page = pages.setdefault((document_id, side), PageQuestions(f"ocr_results/{document_id}.json"))
                page.questions.append(entry)
        for (document_id, side), page in pages.items():
            yield Document(document_id, page_ties(folder, page), page, side or None)

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        folder = self.config.folder
        page, clipped = read_page(folder, document.source.ocr_name)
        if clipped:
            reason = f"{clipped} boxes reached outside the page and were clipped"
            yield Finding(document.document_id, "mended", reason)
        for question in document.source.questions:
            yield {
                "id": str(question["question_id"]),
                "document_id": document.document_id,
                "question": question["question"],
                "words": page.words,
                "boxes": page.boxes,
                "context": page.context,
                "answers": question["answers"],
                "image": read_image_of(folder, question),
            }


def read_entries(folder: Path, name: str) -> list[dict[str, Any]]:
    """The questions of a file with keys in snake_case."""
    content = files.read_json(folder, name)
    entries = content.get("data") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError("The file is not in DocVQA's format: no list of objects 'data'", path=name)
    return [{re.sub(r"(?<=[a-z])[A-Z]", lambda m: "_" + m[0].lower(), k): v for k, v in e.items()} for e in entries]


def check_entry(entry: dict[str, Any], path: str, seen: set[str]) -> str:
    """Gives the id of the question's page, and notes the question's id in `seen`; `DataError` if it cannot be used."""
    where: dict[str, Any] = {"path": path, "id": entry.get("question_id")}
    names = ("question_id", "question", "ucsf_document_id", "ucsf_document_page_no", "data_split")
    missing = [name for name in names if not isinstance(entry.get(name), (str, int)) or entry[name] == ""]
    if missing:
        raise DataError(f"The question has no {missing[0]}", **where)
    if entry["data_split"] not in SIDES:
        raise DataError(f"data_split is {entry['data_split']!r}, and not one of {', '.join(SIDES)}", **where)
    if entry.get("answers") is None:
        raise DataError("The question has no `answers`: they are withheld, as in the official test file", **where)
    answers = entry["answers"]
    if not isinstance(answers, list) or not all(isinstance(a, str) and a.strip() for a in answers):
        raise DataError("`answers` is not a list of texts", **where)
    if str(entry["question_id"]) in seen:
        raise DataError("The id was there before", **where)
    seen.add(str(entry["question_id"]))
    return f"{entry['ucsf_document_id']}_{entry['ucsf_document_page_no']}"


def page_ties(folder: Path, page: PageQuestions) -> tuple[str, ...]:
    """Pages of one document, and pages with equal OCR files, stay together."""
    ties = [group_tie(str(page.questions[0]["ucsf_document_id"]))]
    try:
        path = files.inside(folder / "ocr_results", page.ocr_name.removeprefix("ocr_results/"))
        if path.is_file():
            ties.append("2-text:" + files.content_hash(path, [path]))
    except DataError:
        pass  # the page has no text to be tied by; reading it sets it aside with this very error
    return tuple(ties)


def read_page(folder: Path, name: str) -> tuple[Page, int]:
    """A page of READ output, and how many of its boxes were clipped."""
    files.inside(folder / "ocr_results", name.removeprefix("ocr_results/"))
    content = files.read_json(folder, name)
    try:
        result = content["recognitionResults"][0]
        width, height = float(result["width"]), float(result["height"])
        found = [[(w["text"], box_of(w["boundingBox"])) for w in line["words"]] for line in result["lines"]]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        mend = "It should have recognitionResults[0] with width, height and lines[].words[].{text, boundingBox[8]}."
        raise DataError(f"The OCR file is in another format: {error!r}", path=name, mend=mend) from None
    if not (0 < width < float("inf") and 0 < height < float("inf")):
        raise DataError(f"The page is {width} × {height} pixels", path=name)
    clipped = 0
    lines: list[list[Word]] = []
    for line in found:
        words: list[Word] = []
        for text, box in line:
            on_page = clip(box, width, height)
            clipped += on_page != box
            words += split_line(text, on_page)
        lines.append(words)
    if not any(lines):
        raise DataError("The document has no words", path=name)
    return make_page(lines, (0, 0, width, height)), clipped


def box_of(corners: list[float]) -> PixelBox:
    """Four corners x1 y1 … x4 y4 as the upright box around them.

    Example:
        >>> box_of([10, 5, 90, 8, 89, 30, 9, 27])
        (9, 5, 90, 30)
    """
    x1, y1, x2, y2, x3, y3, x4, y4 = corners
    return min(x1, x2, x3, x4), min(y1, y2, y3, y4), max(x1, x2, x3, x4), max(y1, y2, y3, y4)


def read_image_of(folder: Path, question: dict[str, Any]) -> dict[str, Any] | None:
    """The image of a question, or None where the file was not downloaded."""
    name = question.get("image")
    if not isinstance(name, str) or not name:
        return None
    return files.read_image(folder, name)[0] if files.inside(folder, name).is_file() else None
