"""The annotation as one column `answer{match_score, matched_text, start, text}`, as `nielsr/docvqa_1200_examples` has
it on the Hub."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError
from hf_mbdc.transforms.locate import match_score
from hf_mbdc.writers.located import ANNOTATED, CannotWriteError, Written, check_columns, located_answers, report

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

COLUMNS = ("id", "context", "answers", "match_score", *ANNOTATED)


def with_answer_struct(ds: Dataset) -> tuple[Dataset, Written]:
    """Puts the chosen answer of every row into a column `answer`, in place of the columns of `ExtractiveQA`.

    Args:
        ds: an annotated split with `id, context, answers`.

    Returns:
        The rows whose answer is located or that are unanswerable, with all other columns as they were and `answer`:
        `text` (the given answer that fits best), `matched_text` (as it stands in the document), `start` (its first
        character in `context`) and `match_score`. An unanswerable row has "", "", −1 and null. And what was left out:
        rows whose answer is `absent`, which nobody should take for unanswerable.

    Raises:
        DataError: no `Dataset`, a missing column, rows that are not annotated.

    Example:
        >>> from datasets import Dataset
        >>> row = {"id": "q1", "context": "just 308 points", "answers": ["308"], "match_score": 1.0}
        >>> ds = Dataset.from_list([{**row, "match_status": "exact", "answer_start": 5, "answer_end": 8}])
        >>> with_answer_struct(ds)[0][0]["answer"]
        {'match_score': 1.0, 'matched_text': '308', 'start': 5, 'text': '308'}
    """
    from datasets import Value

    from hf_mbdc.approaches.extractive_qa import ExtractiveQA

    check_columns(ds, *COLUMNS)
    if "answer" in ds.column_names:
        mend = 'Rename it: ds.rename_column("answer", "…").'
        raise DataError("The dataset has a column of this name already", column="answer", mend=mend)
    keep: list[int] = []
    answers: list[dict[str, Any]] = []
    left_out: list[tuple[str, str]] = []
    reworded = 0
    for number, row in enumerate(ds.select_columns(list(COLUMNS)).with_format(None)):
        try:
            answers.append(_answer(row))
        except CannotWriteError as reason:
            left_out.append((str(row["id"]), str(reason)))
            continue
        keep.append(number)
        reworded += row["match_status"] == "fuzzy"
    rest = ds.select(keep).remove_columns([name for name in ExtractiveQA().adds if name in ds.column_names])
    kinds = {"match_score": "float64", "matched_text": "string", "start": "int64", "text": "string"}
    feature = {name: Value(kind) for name, kind in kinds.items()}
    unanswerable = sum(answer["start"] < 0 for answer in answers)
    written = Written(len(keep), unanswerable, reworded, tuple(left_out))
    return rest.add_column("answer", answers, feature=feature), report(logger, "with_answer_struct", written)


def _answer(row: Mapping[str, Any]) -> dict[str, Any]:
    located = located_answers(row)
    if not located:
        return {"match_score": None, "matched_text": "", "start": -1, "text": ""}
    matched, start = located[0]
    given = [answer for answer in row["answers"] or [] if answer and answer.strip()]
    if not given:
        raise CannotWriteError("an answer is located, and none is given")
    # The first of several that fit equally well, as the annotation has it.
    text = max(given, key=lambda answer: match_score(matched, answer))
    return {"match_score": row["match_score"], "matched_text": matched, "start": start, "text": text}
