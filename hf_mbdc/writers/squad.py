"""SQuAD 2.0's JSON (Rajpurkar et al. 2018, arXiv:1806.03822), which most readers of extractive QA data take."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError
from hf_mbdc.writers.located import ANNOTATED, GOLD, CannotWriteError, Written, check_columns, located_answers, report

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

VERSION = "v2.0"
COLUMNS = ("id", "document_id", "title", "question", "context", "answers", GOLD, *ANNOTATED)
BATCH = 1000  # rows that are in memory at once; contexts repeat for every question

Key = tuple[str, str, str]


def write_squad(ds: Dataset, path: str | Path) -> Written:
    """Writes located answers as SQuAD 2.0.

    The layout is `data[].{title, paragraphs[].{context, qas[].{id, question, answers[].{text, answer_start},
    is_impossible}}}`.

    Args:
        ds: one split with `id, question, context` and either the columns of `ExtractiveQA` (the chosen occurrence is
            the answer) or `answers` with `gold_starts`, as the loader `squad` gives them. `title` and `document_id`,
            where there are any, make the articles (by title, else by document) and their paragraphs.
        path: of the file; its folder is made, and an old file is replaced once the new one is whole.

    Returns:
        How many rows were written, and which were left out, with the reason of each: an answer that is not located, a
        question without text. An unanswerable question is written with `is_impossible`.

    Raises:
        DataError: no `Dataset`, a missing column, ids that are missing or not unique, a path that cannot be written.

    Questions of one paragraph are put together, so rows that were not grouped by document come back in another order.
    What is written is what `datasets` holds as text: characters, so that offsets count code points, as in SQuAD.

    Example:
        >>> from datasets import Dataset
        >>> row = {"id": "q1", "question": "How many?", "context": "just 308 points", "answers": ["308"]}
        >>> import os, tempfile
        >>> path = os.path.join(tempfile.mkdtemp(), "train.json")
        >>> write_squad(Dataset.from_list([{**row, "gold_starts": [5]}]), path).rows
        1
    """
    check_columns(ds, "id", "question", "context")
    articles: dict[str, dict[Key, dict[str, Any]]] = {}
    seen: set[str] = set()
    left_out: list[tuple[str, str]] = []
    unanswerable = reworded = 0
    for row in _rows(ds):
        row_id = _check_id(row["id"], seen)
        try:
            question = _question(row, row_id)
        except CannotWriteError as reason:
            left_out.append((row_id, str(reason)))
            continue
        unanswerable += question["is_impossible"]
        reworded += row.get("match_status") == "fuzzy"
        title, document = row.get("title"), row.get("document_id")
        article = articles.setdefault(title or document or "", {})
        paragraph = article.setdefault(
            (document or "", title or "", row["context"]), {"context": row["context"], "qas": []}
        )
        paragraph["qas"].append(question)
    data = [{"title": title, "paragraphs": list(paragraphs.values())} for title, paragraphs in articles.items()]
    _replace(Path(path), {"version": VERSION, "data": data})
    written = Written(len(seen) - len(left_out), unanswerable, reworded, tuple(left_out))
    return report(logger, f"write_squad to {Path(path).name}", written)


def _rows(ds: Dataset) -> Iterator[Mapping[str, Any]]:
    """The rows with the columns that are read, in their plain types: a dataset may be set to give arrays."""
    plain = ds.select_columns([column for column in COLUMNS if column in ds.column_names]).with_format(None)
    for batch in plain.iter(batch_size=BATCH):
        yield from (dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True))


def _check_id(row_id: object, seen: set[str]) -> str:
    if not isinstance(row_id, str) or not row_id:
        raise DataError("A row has no id that is a text", column="id", mend="Give every row an id; it is the key.")
    if row_id in seen:
        raise DataError("Two rows have the same id", id=row_id, mend="Make ids unique in the split.")
    seen.add(row_id)
    return row_id


def _question(row: Mapping[str, Any], row_id: str) -> dict[str, Any]:
    if not isinstance(row["question"], str) or not row["question"].strip():
        raise CannotWriteError("the question has no text")
    answers = [{"text": text, "answer_start": start} for text, start in located_answers(row)]
    return {"id": row_id, "question": row["question"], "answers": answers, "is_impossible": not answers}


def _replace(path: Path, content: object) -> None:
    """Writes the file beside its place and moves it there, so that no reader ever sees a part of it."""
    if not path.name:
        raise DataError("This is no path of a file", path=str(path), mend="Give one such as train.json.")
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            part.write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"The file cannot be written: {error.strerror}", path=str(path)) from error
