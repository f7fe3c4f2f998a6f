"""The file of questions beside documents that come without: `questions.jsonl`, `questions.json` or `questions.csv`.

Every question has `document` (the path of a file in the folder, or of a folder of files that are its pages),
`question`, `answers` and, if you like, `id`. `answers` is a list of texts (one text will do); an empty list says that
the document does not answer the question. In CSV a cell of answers is one text or a JSON list; an empty cell is a
missing value.

    {"document": "invoices/0001.hocr", "question": "What is the total?", "answers": ["1,284.50 EUR"]}
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.builder import Finding

NAMES = ("questions.jsonl", "questions.json", "questions.csv")
MEND = "A question needs document, question and answers (a list of texts; [] where there is no answer)."


@dataclass(frozen=True)
class Question:
    """A question as the file has it; `row_id` is "" where none is given, `line` counts from 1 (entries, in JSON)."""

    document: str
    text: str
    answers: list[str]
    row_id: str
    line: int


def questions_file(folder: Path) -> str | None:
    """The name of the folder's file of questions; None where there is none, `DataError` where there are several."""
    found = [name for name in NAMES if (folder / name).is_file()]
    if len(found) > 1:
        raise DataError(f"There are two files of questions: {' and '.join(found)}", mend="Keep one of them.")
    return found[0] if found else None


def read_questions(folder: Path, name: str) -> Iterator[Question | Finding]:
    """The questions of a file in its order; one that cannot be used is a finding under its document's name.

    Raises:
        DataError: the whole file is broken.
    """
    for line, entry in _entries(folder, name):
        try:
            if isinstance(entry, DataError):
                raise entry
            yield check_question(entry, name, line)
        except DataError as error:
            document = entry.get("document") if isinstance(entry, dict) else None
            yield Finding(document if isinstance(document, str) and document else name, "rejected", str(error))


def check_question(entry: object, path: str, line: int) -> Question:
    """An entry of the file as a question.

    Example:
        >>> check_question({"document": "a.hocr", "question": "Total?", "answers": "9.00"}, "questions.jsonl", 1)
        Question(document='a.hocr', text='Total?', answers=['9.00'], row_id='', line=1)
    """
    where: dict[str, Any] = {"path": path, "line": line}
    if not isinstance(entry, dict):
        raise DataError(f"A question is an object, and this one a {type(entry).__name__}", **where, mend=MEND)
    for key in ("document", "question"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise DataError(f"The question has no {key}", **where, mend=MEND)
    answers = entry.get("answers")
    if answers is None:
        raise DataError("The question has no answers", **where, mend=MEND)
    answers = [answers] if isinstance(answers, str) else answers
    if not isinstance(answers, list) or not all(isinstance(a, str) and a.strip() for a in answers):
        raise DataError("`answers` is not a list of texts", **where, mend=MEND)
    row_id = entry.get("id")
    if isinstance(row_id, bool) or not isinstance(row_id, str | int | None):
        raise DataError(f"The id is a {type(row_id).__name__}, and not a text", **where)
    return Question(entry["document"], entry["question"], answers, "" if row_id is None else str(row_id), line)


def _entries(folder: Path, name: str) -> Iterator[tuple[int, Any]]:
    """Line number and content of every entry; a line that cannot be read is its error."""
    if name.endswith(".json"):
        content = files.read_json(folder, name)
        if not isinstance(content, list):
            raise DataError(f"The file holds a list of questions, and this one a {type(content).__name__}", path=name)
        yield from enumerate(content, start=1)
        return
    text = files.read_text(folder, name)
    if name.endswith(".csv"):
        yield from _csv_entries(text, name)
        return
    for line, part in enumerate(text.split("\n"), start=1):  # not splitlines(): U+2028 may be inside a text
        if part.strip():
            yield line, _parse(part, name, line)


def _parse(text: str, name: str, line: int) -> Any:
    try:
        return files.parse_json(text, name, line)
    except DataError as error:
        return error


def _csv_entries(text: str, name: str) -> Iterator[tuple[int, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    missing = [key for key in ("document", "question", "answers") if key not in (reader.fieldnames or ())]
    if missing:
        raise DataError(f"The file has no column {missing[0]!r} in its first line", path=name, line=1, mend=MEND)
    try:
        for row in reader:
            answers = (row["answers"] or "").strip()
            given: Any = _parse(answers, name, reader.line_num) if answers.startswith("[") else answers or None
            entry = {**row, "id": row.get("id") or None, "answers": given}
            yield reader.line_num, given if isinstance(given, DataError) else entry
    except csv.Error as error:
        raise DataError(f"Broken CSV: {error}", path=name, line=reader.line_num) from None
