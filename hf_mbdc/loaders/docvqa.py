"""DocVQA, single pages (Mathew et al. 2021, arXiv:2007.00398), in two layouts.

The official download:

- `*.json`: question files (`train_v1.0.json`, `val_v1.0.json` …) with `data[]` of `questionId, question, image, docId,
  ucsf_document_id, ucsf_document_page_no, answers, data_split`. The same keys in snake_case are read too.
- `ocr_results/{ucsf_document_id}_{ucsf_document_page_no}.json`: Microsoft's READ output, of which
  `recognitionResults[0]` has `width, height, lines[].words[].{text, boundingBox}`; a box is four corners in pixels.
- the image under the path that the question's `image` names, where that file exists: embedded, as it is.

The Parquet files of `pixparse/docvqa-single-page-questions` (a downloaded snapshot of that repository): one row a
question with the same in snake_case, `ucsf_document_id` and `ucsf_document_page_no` inside `other_metadata`, the READ
output in `ocr_results` and the image in `image`.

One row a question; a document is a page. `boxes` are scaled to 0–1000 by the page's width and height. The lines' order
is that of the OCR. By default the splits are the official ones (`data_split`: train, val → validation, test). With
`split_by="document"` pages are assigned by hash: pages of one `ucsf_document_id`, and equal OCR results, stay together.

Set aside: a question file or an OCR file that is missing, broken or in another format; a page without words; a path
that leads out of the folder; a question without `answers` (the official test file withholds them, which does not make
the question unanswerable), and an id that was there before. Boxes that reach outside the page are clipped and reported.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import datasets

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding
from hf_mbdc.loaders.pages import Page, PixelBox, Sheet, fit, make_document
from hf_mbdc.loaders.parquet import ParquetRows, RowPlace
from hf_mbdc.loaders.splits import group_tie

LAYOUT = "a folder with question files (*.json) and ocr_results/*.json in it, or with Parquet files"
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
    """A page's questions with keys in snake_case; all are about the same OCR result, in a file or a row."""

    ocr: str | RowPlace
    questions: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class DocVQAConfig(DocumentConfig):
    """Options of `docvqa`: `split_by` is `"official"` (the default, `data_split`) or `"document"`."""

    split_by: str = "official"

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("official", "document")

    @property
    def folder(self) -> Path:
        """The data set's folder; `DataError` where it is not laid out as expected."""
        folder = files.open_folder(self.data_dir, "docvqa", LAYOUT)
        if self.parquet_files(folder):
            return folder
        if not (folder / "ocr_results").is_dir():
            what = "The folder has no ocr_results/ in it, and no Parquet file"
            raise DataError(what, data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        if not any(folder.glob("*.json")):
            raise DataError("The folder has no question file in it", data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        return folder

    @staticmethod
    def parquet_files(folder: Path) -> list[str]:
        """The names of the Parquet files below the folder; empty for the official layout."""
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet") if path.is_file())

    def hash_inputs(self) -> str:
        """Of all files, since the questions may name images anywhere in the folder."""
        folder = self.folder
        return files.content_hash(folder, (p for p in folder.rglob("*") if p.is_file()))


class DocVQA(DocumentBuilder):
    """The builder of `docvqa`; see the head of this file."""

    BUILDER_CONFIG_CLASS = DocVQAConfig
    FEATURES = FEATURES

    @functools.cached_property
    def table(self) -> ParquetRows:
        """The folder's Parquet files. Rows are made page by page, and the folder need not be searched for each."""
        return ParquetRows(self.config.folder)

    def find(self) -> Iterator[Document | Finding]:
        """The questions of each page, in the files' order; questions of splits that were not asked for are left out."""
        folder = self.config.folder
        parquet = self.config.parquet_files(folder)
        table = self.table
        pages: dict[tuple[str, str], PageQuestions] = {}
        seen: set[str] = set()
        for name in parquet or sorted(path.name for path in folder.glob("*.json")):
            try:
                entries = read_rows(table, name) if parquet else read_entries(folder, name)
            except DataError as error:
                yield Finding(name, "rejected", str(error))
                continue
            for entry in entries:
                try:
                    document_id = check_entry(entry, name, seen)
                except DataError as error:
                    yield Finding(str(entry.get("ucsf_document_id", name)), "rejected", str(error))
                    continue
                side = SIDES[entry["data_split"]] if self.config.split_by == "official" else ""
                ocr = entry.get("place", f"ocr_results/{document_id}.json")
                pages.setdefault((document_id, side), PageQuestions(ocr)).questions.append(entry)
        for (document_id, side), page in pages.items():
            # With official splits nothing is tied: then the OCR results need not be read for it.
            yield Document(document_id, () if side else page_ties(folder, table, page), page, side or None)

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """A row a question, with the words of its page as the OCR file has them."""
        folder, table = self.table.folder, self.table
        page, mends = read_page(folder, table, document.source.ocr)
        if mends:
            yield Finding(document.document_id, "mended", mends)
        for question in document.source.questions:
            yield {
                "id": str(question["question_id"]),
                "document_id": document.document_id,
                "question": question["question"],
                "words": page.words,
                "boxes": page.boxes,
                "context": page.context,
                "answers": question["answers"],
                "image": read_image_of(folder, table, question),
            }


def read_entries(folder: Path, name: str) -> list[dict[str, Any]]:
    """The questions of a file with keys in snake_case."""
    content = files.read_json(folder, name)
    entries = content.get("data") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError("The file is not in DocVQA's format: no list of objects 'data'", path=name)
    return [{re.sub(r"(?<=[a-z])[A-Z]", lambda m: "_" + m[0].lower(), k): v for k, v in e.items()} for e in entries]


def read_rows(table: ParquetRows, name: str) -> list[dict[str, Any]]:
    """The questions of a Parquet file, each with the place of its row, where the OCR result and the image are."""
    table.check(name, ("ocr_results", "other_metadata", "image"))
    entries = []
    for place, row in table.read(name, ("question_id", "question", "answers", "data_split", "other_metadata")):
        metadata = row.pop("other_metadata") or {}
        page = {key: metadata.get(key) for key in ("ucsf_document_id", "ucsf_document_page_no")}
        entries.append({**row, **page, "place": place})
    return entries


def check_entry(entry: dict[str, Any], path: str, seen: set[str]) -> str:
    """Gives the id of the question's page, and notes the question's id in `seen`; `DataError` if it cannot be used."""
    where: dict[str, Any] = {"path": path, "id": entry.get("question_id")}
    names = ("question_id", "question", "ucsf_document_id", "ucsf_document_page_no", "data_split")
    missing = [name for name in names if not isinstance(entry.get(name), (str, int)) or entry[name] == ""]
    if missing:
        raise DataError(f"The question has no {missing[0]}", **where)
    if entry["data_split"] not in SIDES:
        raise DataError(f"data_split is {entry['data_split']!r}, and not one of {', '.join(SIDES)}", **where)
    check_answers(entry.get("answers"), entry["data_split"], where)
    check_id(entry["question_id"], where, seen)
    return f"{entry['ucsf_document_id']}_{entry['ucsf_document_page_no']}"


def check_answers(answers: object, split: str, where: dict[str, Any]) -> None:
    """`DataError` unless the answers of an official question are texts; in the test split they are withheld."""
    # Copies of the set keep the column of answers in the test split, with nothing in it.
    if answers is None or (answers == [] and split == "test"):
        raise DataError("The question has no `answers`: they are withheld, as in the official test file", **where)
    if not isinstance(answers, list) or not all(isinstance(a, str) and a.strip() for a in answers):
        raise DataError("`answers` is not a list of texts", **where)


def check_id(row_id: object, where: dict[str, Any], seen: set[str]) -> None:
    """Notes a question's id in `seen`; `DataError` if it was there before."""
    if str(row_id) in seen:
        raise DataError("The id was there before", **where)
    seen.add(str(row_id))


def page_ties(folder: Path, table: ParquetRows, page: PageQuestions) -> tuple[str, ...]:
    """Pages of one document, and pages with equal OCR results, stay together."""
    group = group_tie(str(page.questions[0]["ucsf_document_id"]))
    if isinstance(page.ocr, RowPlace):
        return group, "2-text:" + table.hash(page.ocr, "ocr_results")
    try:
        path = ocr_path(folder, page.ocr)
    except DataError:
        return (group,)  # the page has no text to be tied by; reading it sets it aside with this very error
    return (group, "2-text:" + files.content_hash(path, [path])) if path.is_file() else (group,)


def ocr_path(folder: Path, name: str) -> Path:
    """The OCR file of this name; `DataError` where the name, which is made of the data's ids, leads elsewhere."""
    return files.inside(folder / "ocr_results", name.removeprefix("ocr_results/"))


def read_page(folder: Path, table: ParquetRows, place: str | RowPlace) -> tuple[Page, str]:
    """A page of READ output, and what was mended in it."""
    if isinstance(place, RowPlace):
        name, result = place.path, table.value(place, "ocr_results")
    else:
        ocr_path(folder, place)
        name, content = place, files.read_json(folder, place)
        try:
            result = content["recognitionResults"][0]
        except (KeyError, IndexError, TypeError) as error:
            raise _other_format(error, name) from None
    sheets, mends = fit([read_layout(result, name)], name)
    return make_document(sheets), mends


def read_layout(result: Any, name: str) -> Sheet:
    """A page in READ's format: `width, height, lines[].words[].{text, boundingBox}`, or the same in snake_case."""
    try:
        frame = 0.0, 0.0, float(result["width"]), float(result["height"])
        lines = [
            [(w["text"], box_of(w["boundingBox"] if "boundingBox" in w else w["bounding_box"])) for w in line["words"]]
            for line in result["lines"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise _other_format(error, name) from None
    if not all(isinstance(text, str) for line in lines for text, _ in line):
        raise DataError("A word of the OCR result is no text", path=name)
    return Sheet(lines, frame)


def _other_format(error: Exception, name: str) -> DataError:
    mend = "It should have recognitionResults[0] with width, height and lines[].words[].{text, boundingBox[8]}."
    return DataError(f"The OCR file is in another format: {error!r}", path=name, mend=mend)


def box_of(corners: list[float]) -> PixelBox:
    """Four corners x1 y1 … x4 y4 as the upright box around them.

    Example:
        >>> box_of([10, 5, 90, 8, 89, 30, 9, 27])
        (9, 5, 90, 30)
    """
    x1, y1, x2, y2, x3, y3, x4, y4 = corners
    return min(x1, x2, x3, x4), min(y1, y2, y3, y4), max(x1, x2, x3, x4), max(y1, y2, y3, y4)


def read_image_of(folder: Path, table: ParquetRows, question: dict[str, Any]) -> dict[str, Any] | None:
    """The image of a question as `datasets.Image` stores it, or None where there is none."""
    if "place" in question:
        image = table.value(question["place"], "image")
        if not isinstance(image, dict) or not image.get("bytes"):
            return None
        base = PurePosixPath(image.get("path") or "image").name
        files.image_size(image["bytes"], base)
        return {"path": base, "bytes": image["bytes"]}
    name = question.get("image")
    if not isinstance(name, str) or not name:
        return None
    return files.read_image(folder, name)[0] if files.inside(folder, name).is_file() else None
