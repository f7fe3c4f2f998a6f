"""A folder of OCR results with a file of questions beside them.

Read are Amazon Textract's JSON, hOCR and ALTO XML, each recognised by what a file holds: what a file is called says
little (Tesseract writes ALTO to `.xml`, others hOCR to `.html`), and a folder may hold results of several engines.

- the documents: every file below the folder with one of the suffixes .json, .xml, .alto, .hocr, .html, .htm and .xhtml.
  `document_id` is its path in the folder, such as `invoices/0001.hocr`. A folder that a question names is one document
  whose files are its pages in the order of the numbers in their names (or the parts of Textract's answer).
- `questions.jsonl` (or .json, .csv): see `hf_mbdc.loaders.questions`. One row a question. A document that no question
  names is set aside.
- without such a file the questions are the queries that were put to Textract (QUERY blocks), **answered by Textract**.
  A document without any gives one row with `question` and `answers` null, to look at or to find questions for: nothing
  in it says that it answers none.
- the images: the file of the same name but for its suffix beside a file of one page, or the file beside it that the
  OCR file names (of that name only the last part counts, wherever it points to). Embedded, as they are: `image` of a
  document of one page, `images` (one of each page, null where there is none) of one of several pages.

`pages` is the 0-based page of every word; `boxes` are scaled to 0–1000 by the size of their own page.

Splits are by document; equal texts, and documents with a file in common, stay together. Set aside: a file that is
broken, incomplete or in none of the three formats, a page without words or measures, a question that is malformed or
names no document. Mended and reported: boxes given from right to left are sorted, boxes that reach outside their page
are clipped.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.alto import read_alto
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding
from hf_mbdc.loaders.hocr import read_hocr
from hf_mbdc.loaders.multipage import FEATURES, IMAGE_SUFFIXES, document_columns, find_image
from hf_mbdc.loaders.pages import Page, Sheet, fit, make_document
from hf_mbdc.loaders.questions import NAMES, Question, questions_file, read_questions
from hf_mbdc.loaders.splits import text_tie
from hf_mbdc.loaders.textract import Query, is_textract, read_textract

LAYOUT = "a folder with OCR results (Textract's JSON, hOCR, ALTO) and questions.jsonl"
SUFFIXES = frozenset((".json", ".xml", ".alto", ".hocr", ".html", ".htm", ".xhtml"))
HEAD = 4096  # bytes in which a file says what it is


@dataclass(frozen=True)
class Scan:
    """A document that was read, the image names of its pages ("" for none), and its questions with their ids."""

    page: Page
    image_names: list[str]
    questions: list[tuple[str, str | None, list[str] | None]]


@dataclass
class OcrConfig(DocumentConfig):
    """Options of `ocr`: those of all loaders."""

    @property
    def folder(self) -> Path:
        """The data set's folder; `DataError` where it is not laid out as expected."""
        folder = files.open_folder(self.data_dir, "ocr", LAYOUT)
        if not folder.is_dir():
            raise DataError("data_dir is a file", data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        return folder

    def hash_inputs(self) -> str:
        """Of all files of the folder."""
        folder = self.folder
        return files.content_hash(folder, (p for p in folder.rglob("*") if p.is_file()))


@dataclass
class Listing:
    """The files of every document by its id, the questions that name it, and what was set aside on the way."""

    documents: dict[str, list[str]]
    questions: dict[str, list[Question]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


class Ocr(DocumentBuilder):
    """The builder of `ocr`; see the head of this file."""

    BUILDER_CONFIG_CLASS = OcrConfig
    FEATURES = FEATURES

    def find(self) -> Iterator[Document | Finding]:
        """The scans of the folder, with their questions where a questions file is there."""
        folder = self.config.folder
        name = questions_file(folder)
        listing = list_documents(folder, name)
        yield from listing.findings
        seen: set[str] = set()
        for document_id, names in listing.documents.items():
            asked = listing.questions.get(document_id, [])
            try:
                if name is not None and not asked:
                    raise DataError("No question names the document", path=document_id)
                sheets, queries, mends = read_scan(folder, names, document_id)
            except DataError as error:
                yield Finding(document_id, "rejected", str(error))
                continue
            if mends:
                yield Finding(document_id, "mended", mends)
            rows: list[tuple[str, str | None, list[str] | None]] = []
            for made in ask(document_id, asked, queries, name, seen):
                if isinstance(made, Finding):
                    yield made
                else:
                    rows.append(made)
            page = make_document(sheets)
            scan = Scan(page, [sheet.image_name for sheet in sheets], rows)
            ties = (text_tie(page.context), *(f"4-file:{name}" for name in names))
            yield Document(document_id, ties, scan)

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """A row a question, or one row without a question."""
        scan: Scan = document.source
        folder = self.config.folder
        pictures = [files.read_image(folder, name)[0] if name else None for name in scan.image_names]
        shared = document_columns(scan.page, pictures)
        for row_id, question, answers in scan.questions:
            yield {
                "id": row_id,
                "document_id": document.document_id,
                "question": question,
                "answers": answers,
                **shared,
            }


def list_documents(folder: Path, questions_name: str | None) -> Listing:
    """The documents of a folder, and which question belongs to which."""
    found = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not is_hidden(path, folder)
    )
    found = [name for name in found if name not in NAMES]
    listing = Listing({name: [name] for name in found})
    if questions_name is None:
        return listing
    stems: dict[str, list[str]] = {}
    for name in found:
        stems.setdefault(name.removesuffix(PurePosixPath(name).suffix), []).append(name)
    folders: dict[str, list[str]] = {}
    for item in read_questions(folder, questions_name):
        if isinstance(item, Finding):
            listing.findings.append(item)
            continue
        try:
            document_id = resolve(folder, item, questions_name, listing.documents, stems, folders)
        except DataError as error:
            listing.findings.append(Finding(item.document, "rejected", str(error)))
            continue
        listing.questions.setdefault(document_id, []).append(item)
    # A page that is also asked about by itself stays a document of its own.
    parts = {name for names in folders.values() for name in names} - listing.questions.keys()
    listing.documents = {name: names for name, names in listing.documents.items() if name not in parts} | folders
    return listing


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether the name of a file, or of a folder on the way to it, begins with a dot."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def resolve(
    folder: Path,
    question: Question,
    path: str,
    documents: dict[str, list[str]],
    stems: dict[str, list[str]],
    folders: dict[str, list[str]],
) -> str:
    """The id of the document that a question names; a folder that is named for the first time joins `folders`.

    Raises:
        DataError: there is no such document, or several; the name leads out of the folder.
    """
    where: dict[str, Any] = {"path": path, "line": question.line, "document": question.document}
    place = files.inside(folder, question.document)
    name = place.relative_to(folder).as_posix()
    if name in documents:
        return name
    if place.is_dir():
        if name not in folders:
            members = [p for p in place.iterdir() if p.is_file() and not is_hidden(p, folder)]
            names = [p.relative_to(folder).as_posix() for p in members if p.suffix.lower() not in IMAGE_SUFFIXES]
            if not names:
                raise DataError("The folder of the document has no file in it", **where)
            folders[name] = sorted(names, key=files.natural_key)
        return name
    candidates = stems.get(name, [])
    if len(candidates) > 1:
        mend = f"Say which one with its suffix: {', '.join(candidates)}."
        raise DataError("The question's document is ambiguous", **where, mend=mend)
    if not candidates:
        mend = f"Give the path of a file below data_dir with a suffix of {', '.join(sorted(SUFFIXES))}, or of a folder."
        raise DataError("There is no such document", **where, mend=mend)
    return candidates[0]


def read_scan(folder: Path, names: list[str], document_id: str) -> tuple[list[Sheet], list[Query], str]:
    """The pages of a document with their images' names, the queries in it, and what was mended."""
    sheets: list[Sheet] = []
    textract: list[tuple[str, Any]] = []
    for name in names:
        content = files.read_bytes(folder, name)
        encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
        head = content[:HEAD].decode(encoding, errors="ignore").lstrip("\ufeff \t\r\n")
        if head[:1] in ("{", "["):
            textract.append((name, read_blocks(folder, name)))
        elif re.search(r"<(?:[\w.-]+:)?alto[\s>/]", head, flags=re.IGNORECASE):
            sheets += with_images(folder, name, read_alto(content, name))
        elif re.search(r"<html[\s>]|<!doctype\s+html|\bocr_page\b", head, flags=re.IGNORECASE):
            sheets += with_images(folder, name, read_hocr(files.read_text(folder, name), name))
        else:
            raise DataError("The file is neither Textract's JSON nor hOCR nor ALTO XML", path=name)
    if textract and sheets:
        raise DataError("The document's files are in different formats", path=document_id)
    queries: list[Query] = []
    if textract:
        sheets, queries = read_textract(textract)
        if len(sheets) == len(textract):  # a file a page
            sheets = [with_images(folder, name, [s])[0] for (name, _), s in zip(textract, sheets, strict=True)]
    fitted, mends = fit(sheets, document_id)
    return fitted, queries, mends


def read_blocks(folder: Path, name: str) -> Any:
    """What a JSON file holds; `DataError` unless it looks like Textract's."""
    content = files.read_json(folder, name)
    if not is_textract(content):
        raise DataError("The JSON file is not Textract's: it has no Blocks", path=name)
    return content


def with_images(folder: Path, name: str, sheets: list[Sheet]) -> list[Sheet]:
    """The pages of a file, each with the name of its image in the folder ("" for none)."""
    beside = PurePosixPath(name).parent
    named = []
    for sheet in sheets:
        # Written on another machine: only the last part of the path says something here, and it stays in this folder.
        base = PurePosixPath(PureWindowsPath(sheet.image_name).name).name
        image = (beside / base).as_posix() if base and (folder / beside / base).is_file() else None
        if image is None and len(sheets) == 1:
            image = find_image(folder, name.removesuffix(PurePosixPath(name).suffix))
        usable = image is not None and PurePosixPath(image).suffix.lower() in IMAGE_SUFFIXES
        named.append(Sheet(sheet.lines, sheet.frame, str(image) if usable else ""))
    return named


def ask(
    document_id: str, asked: list[Question], queries: list[Query], path: str | None, seen: set[str]
) -> Iterator[tuple[str, str | None, list[str] | None] | Finding]:
    """The questions of a document with their ids: those of the file `path`, or else the queries, or else none.

    `seen` are the ids so far.
    """
    if path is None:
        for number, query in enumerate(queries):
            yield f"{document_id}-{number}", query.text, list(query.answers)
        if not queries:
            yield document_id, None, None
        return
    for number, question in enumerate(asked):
        row_id = question.row_id or f"{document_id}-{number}"
        if row_id in seen:
            error = DataError("The id was there before", path=path, line=question.line, id=row_id)
            yield Finding(document_id, "rejected", str(error))
        else:
            seen.add(row_id)
            yield row_id, question.text, question.answers
