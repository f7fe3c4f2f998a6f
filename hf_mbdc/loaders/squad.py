"""SQuAD 1.1 (Rajpurkar et al. 2016, arXiv:1606.05250), SQuAD 2.0 (2018, arXiv:1806.03822) and XQuAD (2020,
arXiv:1910.11856).

`data_dir` is a JSON file in SQuAD's format, or a folder with one or several: `data[].paragraphs[].qas[]`. With several
files every id begins with its file's stem (`xquad.de-56beb4343aeaaa14008c925b`), since the languages of XQuAD share
ids.

One row a question; a document is a paragraph, and articles are kept on one side of the split: by title, so that the
same article in several languages stays together, and equal paragraphs too. `answers` are the annotators' distinct
answers in the order of the file, `gold_starts` where each begins in `context`: for scoring an approach only, since
finding the places is an approach's work. `plausible_answers` of unanswerable questions are not used. The text has no
boxes.

Set aside: a file that is broken or in another format; a question whose answer is not at its place, that has no answer
but is not marked `is_impossible` (or is and has one), or whose id was there before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import datasets

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding
from hf_mbdc.loaders.splits import group_tie, text_tie

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = "a JSON file in SQuAD's format, or a folder of such files"
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "document_id": datasets.Value("string"),
        "title": datasets.Value("string"),
        "question": datasets.Value("string"),
        "words": datasets.List(datasets.Value("string")),
        "boxes": datasets.List(datasets.List(datasets.Value("int32"))),
        "context": datasets.Value("string"),
        "answers": datasets.List(datasets.Value("string")),
        "gold_starts": datasets.List(datasets.Value("int32")),
        "image": datasets.Image(),
    }
)


@dataclass(frozen=True)
class Paragraph:
    """A paragraph with its questions as the file has them, and their ids in the data set."""

    title: str
    context: str
    questions: list[tuple[str, dict[str, Any]]]


@dataclass
class SquadConfig(DocumentConfig):
    """Options of `squad`: `split_by="document"` keeps articles together; (0, 0, 1) as fractions gives a single
    split."""

    @property
    def files(self) -> tuple[Path, list[Path]]:
        """The folder and the question files in it; `DataError` where there are none."""
        place = files.open_folder(self.data_dir, "squad", LAYOUT)
        if place.is_file():
            return place.parent, [place]
        found = sorted(p for p in place.glob("*.json") if p.is_file())
        if not found:
            raise DataError("The folder has no JSON file in it", data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        return place, found

    def hash_inputs(self) -> str:
        """Of the JSON files that were given."""
        return files.content_hash(*self.files)


class Squad(DocumentBuilder):
    """The builder of `squad`; see the head of this file."""

    BUILDER_CONFIG_CLASS = SquadConfig
    FEATURES = FEATURES

    def find(self) -> Iterator[Document | Finding]:
        """The paragraphs of all files, in their order."""
        folder, paths = self.config.files
        seen: set[str] = set()
        for path in paths:
            prefix = f"{path.stem}-" if len(paths) > 1 else ""
            try:
                found = list(read_paragraphs(files.read_json(folder, path.name), path.name, prefix, seen))
            except DataError as error:
                found = [Finding(path.name, "rejected", str(error))]
            yield from found

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """A row a question, with its paragraph as words."""
        paragraph: Paragraph = document.source
        words = paragraph.context.split()
        for row_id, question in paragraph.questions:
            try:
                answers, starts = read_answers(question, paragraph.context)
            except DataError as error:
                yield Finding(document.document_id, "rejected", str(error))
                continue
            yield {
                "id": row_id,
                "document_id": document.document_id,
                "title": paragraph.title,
                "question": question["question"],
                "words": words,
                "boxes": [],
                "context": paragraph.context,
                "answers": answers,
                "gold_starts": starts,
                "image": None,
            }


def read_paragraphs(content: Any, path: str, prefix: str, seen: set[str]) -> Iterator[Document | Finding]:
    """The paragraphs of a file; `seen` are the ids so far. `DataError` where the file is in another format."""
    counts: dict[str, int] = {}
    for article in _items(content, "data", path):
        title = str(article.get("title", ""))
        for paragraph in _items(article, "paragraphs", path):
            counts[title] = counts.get(title, -1) + 1
            document_id = f"{prefix}{title or 'untitled'}-{counts[title]}"
            context = paragraph.get("context")
            if not isinstance(context, str) or not context.strip():
                yield Finding(document_id, "rejected", str(DataError("The paragraph has no text", path=path)))
                continue
            questions = []
            for question in _items(paragraph, "qas", path):
                row_id = f"{prefix}{question.get('id', '')}"
                reason = _unusable(question, row_id, seen)
                if reason:
                    yield Finding(document_id, "rejected", str(DataError(reason, path=path, id=question.get("id"))))
                else:
                    questions.append((row_id, question))
                    seen.add(row_id)
            ties = (text_tie(context), *([group_tie(title)] if title else []))
            yield Document(document_id, ties, Paragraph(title, context, questions))


def _items(parent: Any, key: str, path: str) -> list[dict[str, Any]]:
    items = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        mend = "SQuAD's format is data[].paragraphs[].qas[]."
        raise DataError(f"The file is not in SQuAD's format: no list of objects {key!r}", path=path, mend=mend)
    return items


def _unusable(question: dict[str, Any], row_id: str, seen: set[str]) -> str:
    if not isinstance(question.get("question"), str) or not question["question"].strip():
        return "The question has no text"
    if not question.get("id"):
        return "The question has no id"
    return "The id was there before" if row_id in seen else ""


def read_answers(question: dict[str, Any], context: str) -> tuple[list[str], list[int]]:
    """The distinct answers to a question and where each begins; both empty for an unanswerable one.

    Example:
        >>> read_answers({"id": "q", "answers": [{"text": "308", "answer_start": 5}]}, "just 308 points")
        (['308'], [5])
    """
    where = {"id": question["id"]}
    impossible = bool(question.get("is_impossible", False))
    found = question.get("answers") or []
    if impossible and found:
        raise DataError("The question is marked is_impossible and has answers", **where)
    if not impossible and not found:
        raise DataError("The question has no answers and is not marked is_impossible", **where)
    places: dict[tuple[str, int], None] = {}  # an ordered set
    for answer in found:
        text, start = (answer.get("text"), answer.get("answer_start")) if isinstance(answer, dict) else (None, None)
        if not isinstance(text, str) or not isinstance(start, int) or not text or start < 0:
            raise DataError("An answer needs a text and an answer_start", **where)
        if context[start : start + len(text)] != text:
            there = context[start : start + len(text)]
            raise DataError(f"The answer {text!r} is not at its answer_start, where {there!r} is", start=start, **where)
        places[text, start] = None
    return [text for text, _ in places], [start for _, start in places]
