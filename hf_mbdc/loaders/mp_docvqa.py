"""MP-DocVQA, documents of several pages (Tito et al. 2023, arXiv:2212.05935), in the two layouts of its download.

- `imdb_train.npy`, `imdb_val.npy`, `imdb_test.npy` (anywhere below the folder): an array of objects, a header and then
  one record a question with `question_id, question, image_id` (the document), `image_name` (its pages), `ocr_tokens`
  (words of every page), `ocr_normalized_boxes` (x0 y0 x1 y1 from 0 to 1 of every word), `answers, answer_page_idx`; the
  file's name says the split. Read without running the pickle in it, see `hf_mbdc.loaders.npy`. The imdb files of
  single pages (SP-DocVQA), with one image name and flat lists, are read too. A file is held in memory as a whole.
- `train.json`, `val.json`, `test.json`: `data[]` of `questionId, question, doc_id, page_ids, answers, answer_page_idx,
  data_split`, with Textract's JSON of every page in `ocr/{page_id}.json`. Where there are `.npy` files, these are read
  and the JSON files are not: they hold the same questions.

One row a question, with all its pages: `pages` is the 0-based page of every word, counted in the question's own list
(long documents are cut to 20 pages around the answer). `gold_page` is the page of the answer (−1 where it is not
given): for scoring only. The imdb files have no lines; they are inferred from the boxes.

The image of every page is embedded where `images/{page}.jpg` (or .png …) exists. Every row holds all its pages', so
leave the folder out to do without.

Splits are the official ones, or by document with `split_by="document"`. Set aside: a file that is broken or holds
anything but plain data, a record that is malformed, whose pages have no words or whose words and boxes differ in
number, a question whose answers are withheld (test), an id that was there before.
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
from hf_mbdc.loaders import files, multipage
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding
from hf_mbdc.loaders.docvqa import SIDES, check_answers, check_id, read_entries
from hf_mbdc.loaders.npy import read_object_array
from hf_mbdc.loaders.pages import Sheet, Word, fit, infer_lines, make_document
from hf_mbdc.loaders.splits import group_tie
from hf_mbdc.loaders.textract import WHOLE, is_textract, read_textract

LAYOUT = "a folder with imdb_train.npy, imdb_val.npy …, or with train.json, val.json … and ocr/*.json"
SPLIT_IN_NAME = re.compile(r"(?:^|[_-])(train|val|test)\.npy$")
FEATURES = datasets.Features({**multipage.FEATURES, "gold_page": datasets.Value("int32")})


@dataclass(frozen=True)
class Record:
    """A question with the names of its pages; `words` of every page where the record itself has them."""

    row_id: str
    question: str
    answers: list[str]
    page_names: tuple[str, ...]
    gold_page: int
    words: list[list[Word]] | None = None


@dataclass
class MPDocVQAConfig(DocumentConfig):
    """Options of `mp_docvqa`: `split_by` is `"official"` (the default) or `"document"`."""

    split_by: str = "official"

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("official", "document")

    @property
    def inputs(self) -> tuple[Path, list[str]]:
        """The folder, and the names of its files of questions."""
        folder = files.open_folder(self.data_dir, "mp_docvqa", LAYOUT)
        found = sorted(folder.rglob("*.npy")) or sorted(folder.glob("*.json"))
        if not found:
            raise DataError("The folder has no file of questions in it", data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        return folder, [path.relative_to(folder).as_posix() for path in found]

    def hash_inputs(self) -> str:
        """Of all files, since a record may name OCR and images anywhere in the folder."""
        folder, _ = self.inputs
        return files.content_hash(folder, (p for p in folder.rglob("*") if p.is_file()))


class MPDocVQA(DocumentBuilder):
    """The builder of `mp_docvqa`; see the head of this file."""

    BUILDER_CONFIG_CLASS = MPDocVQAConfig
    FEATURES = FEATURES

    @functools.cached_property
    def inputs(self) -> tuple[Path, list[str]]:
        """The config's inputs: rows are made document by document, and the folder need not be searched for each."""
        return self.config.inputs

    def find(self) -> Iterator[Document | Finding]:
        """The records of each document, whichever imdb file they stand in."""
        folder, names = self.inputs
        documents: dict[tuple[str, str], list[Record]] = {}
        seen: set[str] = set()
        for name in names:
            try:
                entries = read_imdb(folder, name) if name.endswith(".npy") else read_questions(folder, name)
            except DataError as error:
                yield Finding(name, "rejected", str(error))
                continue
            for entry in entries:
                try:
                    document_id, split, record = read_record(entry, name, seen)
                except DataError as error:
                    yield Finding(str(entry.get("image_id", name)), "rejected", str(error))
                    continue
                side = SIDES[split] if self.config.split_by == "official" else ""
                documents.setdefault((document_id, side), []).append(record)
        for (document_id, side), records in documents.items():
            yield Document(document_id, (group_tie(document_id),), records, side or None)

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """A row a question, with the words of all its pages and the page of each word."""
        folder, _ = self.inputs
        known = Shared(folder)
        mended: dict[str, None] = {}  # an ordered set: most questions of a document have the same pages
        for record in document.source:
            try:
                columns, mends = known.columns(record)
            except DataError as error:
                yield Finding(document.document_id, "rejected", str(error))
                continue
            mended |= dict.fromkeys([mends] if mends else [])
            yield {
                "id": record.row_id,
                "document_id": document.document_id,
                "question": record.question,
                "answers": record.answers,
                "gold_page": record.gold_page,
                **columns,
            }
        yield from (Finding(document.document_id, "mended", mends) for mends in mended)


@dataclass
class Shared:
    """The columns of a document's page lists: questions with the same pages share them."""

    folder: Path
    known: dict[tuple[str, ...], tuple[Record, dict[str, Any], str]] = field(default_factory=dict)

    def columns(self, record: Record) -> tuple[dict[str, Any], str]:
        """The columns of the record's document, and what was mended in it."""
        before = self.known.get(record.page_names)
        if before is None or before[0].words != record.words:
            sheets, mends = fit(self._sheets(record), ", ".join(record.page_names))
            pictures = [self._picture(name) for name in record.page_names]
            before = record, multipage.document_columns(make_document(sheets), pictures), mends
            self.known[record.page_names] = before
        return before[1], before[2]

    def _sheets(self, record: Record) -> list[Sheet]:
        if record.words is not None:
            return [Sheet(infer_lines(words), WHOLE) for words in record.words]
        sheets = []
        for name in record.page_names:
            path = f"ocr/{name}.json"
            files.inside(self.folder / "ocr", f"{name}.json")
            content = files.read_json(self.folder, path)
            if not is_textract(content):
                raise DataError("The OCR file is not Textract's", path=path)
            page, _ = read_textract([(path, content)])
            if len(page) != 1:
                raise DataError(f"The OCR file of a page has {len(page)} pages", path=path)
            sheets += page
        return sheets

    def _picture(self, name: str) -> multipage.Picture | None:
        image = multipage.find_image(self.folder, f"images/{name}")
        return None if image is None else files.read_image(self.folder, image)[0]


def read_imdb(folder: Path, name: str) -> list[dict[str, Any]]:
    """The records of an imdb file, each with its split as `data_split`; the header is left out."""
    split = SPLIT_IN_NAME.search(PurePosixPath(name).name)
    if split is None:
        raise DataError("The file's name does not end in train.npy, val.npy or test.npy", path=name)
    records = read_object_array(folder, name)
    if not all(isinstance(record, dict) for record in records):
        raise DataError("The file is not an imdb: a record is no dictionary", path=name)
    return [{**record, "data_split": split[1]} for record in records if "question_id" in record or "question" in record]


def read_questions(folder: Path, name: str) -> list[dict[str, Any]]:
    """The questions of a JSON file under the names that the imdb files have for them."""
    names = {"doc_id": "image_id", "page_ids": "image_name"}
    return [{names.get(key, key): value for key, value in entry.items()} for entry in read_entries(folder, name)]


def read_record(entry: dict[str, Any], path: str, seen: set[str]) -> tuple[str, str, Record]:
    """A record's document, its split (`train`, `val`, `test`) and its question; notes the question's id in `seen`."""
    where: dict[str, Any] = {"path": path, "id": entry.get("question_id")}
    for key in ("question_id", "question", "image_id", "data_split"):
        value = entry.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
            raise DataError(f"The question has no {key}", **where)
    if entry["data_split"] not in SIDES:
        raise DataError(f"data_split is {entry['data_split']!r}, and not one of {', '.join(SIDES)}", **where)
    page_names = [entry["image_name"]] if isinstance(entry.get("image_name"), str) else entry.get("image_name")
    if not isinstance(page_names, list) or not page_names or not all(isinstance(n, str) and n for n in page_names):
        raise DataError("The question has no list of pages", **where)
    check_answers(entry.get("answers"), entry["data_split"], where)
    gold = entry.get("answer_page_idx")
    gold = -1 if gold is None else gold
    if isinstance(gold, bool) or not isinstance(gold, int) or not -1 <= gold < len(page_names):
        raise DataError(f"answer_page_idx is {gold!r}, and the question has {len(page_names)} pages", **where)
    words = words_of(entry, len(page_names), where) if "ocr_tokens" in entry else None
    check_id(entry["question_id"], where, seen)
    answers = list(dict.fromkeys(entry["answers"]))  # imdb files may repeat them
    row_id, question = str(entry["question_id"]), str(entry["question"])
    return (
        str(entry["image_id"]),
        entry["data_split"],
        Record(row_id, question, answers, tuple(page_names), gold, words),
    )


def words_of(entry: dict[str, Any], pages: int, where: dict[str, Any]) -> list[list[Word]]:
    """The words of every page of an imdb record with their boxes, as shares of the page."""
    tokens, boxes = entry["ocr_tokens"], entry.get("ocr_normalized_boxes")
    if isinstance(entry["image_name"], str):
        tokens, boxes = [tokens], [boxes]
    if not isinstance(tokens, list) or not isinstance(boxes, list) or not len(tokens) == len(boxes) == pages:
        raise DataError(f"ocr_tokens and ocr_normalized_boxes are not lists of {pages} pages", **where)
    try:
        found = [
            [
                (token, (float(x0), float(y0), float(x1), float(y1)))
                for token, (x0, y0, x1, y1) in zip(*page, strict=True)
            ]
            for page in zip(tokens, boxes, strict=True)
        ]
    except (TypeError, ValueError):
        what = "ocr_tokens and ocr_normalized_boxes do not fit: every word has a box x0 y0 x1 y1"
        raise DataError(what, **where) from None
    if not all(isinstance(token, str) for page in found for token, _ in page):
        raise DataError("A word in ocr_tokens is no text", **where)
    return found
