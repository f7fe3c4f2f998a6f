"""What the writers share: which answer of a row is written, and what was left out and why."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

ANNOTATED = ("match_status", "answer_start", "answer_end")  # what an annotation is read from
GOLD = "gold_starts"  # of the loader `squad`


@dataclass(frozen=True)
class Written:
    """What became of the rows of a dataset.

    `rows` were written, of which `unanswerable` without an answer and `reworded` with the document's words in place of
    the given answer (`match_status` is "fuzzy"). `left_out` has the id and the reason of every other row.
    """

    rows: int
    unanswerable: int
    reworded: int
    left_out: tuple[tuple[str, str], ...]

    @property
    def reasons(self) -> dict[str, int]:
        """How many rows were left out for each reason."""
        return dict(sorted(Counter(reason for _, reason in self.left_out).items()))


class CannotWriteError(ValueError):
    """A row cannot be written; the message is the reason."""


def check_columns(ds: Dataset, *needed: str) -> None:
    """Raises `DataError` unless `ds` is a `Dataset` with offsets of answers and these columns."""
    from datasets import Dataset

    if not isinstance(ds, Dataset):
        raise DataError(f"A Dataset is written, and this is a {type(ds).__name__}", mend='Give one split: ds["train"].')
    names = set(ds.column_names)
    missing = [column for column in needed if column not in names]
    if missing:
        raise DataError("A column is missing", column=missing[0], mend=f"The dataset has {', '.join(ds.column_names)}.")
    if not names.issuperset(ANNOTATED) and not names.issuperset((GOLD, "answers")):
        mend = "Annotate the dataset first: hf_mbdc.annotate(ds, hf_mbdc.ExtractiveQA())."
        raise DataError("The dataset does not say where its answers are", column=ANNOTATED[0], mend=mend)


def located_answers(row: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The answers of a row as they stand in `context`, each with its first character; [] for an unanswerable one.

    An annotation gives the chosen occurrence; a row without one gives `answers` at `gold_starts`.

    Raises:
        CannotWriteError: the answer is not located, or not where the row says.

    Example:
        >>> row = {"context": "just 308 points", "match_status": "exact", "answer_start": 5, "answer_end": 8}
        >>> located_answers(row)
        [('308', 5)]
    """
    context = row["context"]
    if not isinstance(context, str) or not context.strip():
        raise CannotWriteError("the document has no text")
    if "match_status" not in row:
        return _gold_answers(row, context)
    status, start, end = (row[column] for column in ANNOTATED)
    if status == "unanswerable":
        return []
    if status not in ("exact", "fuzzy"):
        raise CannotWriteError(f"the answer is not located (match_status is {status!r})")
    if start is None or end is None or not 0 <= start < end <= len(context):
        raise CannotWriteError("answer_start and answer_end are no range of context")
    return [(context[start:end], start)]


def _gold_answers(row: Mapping[str, Any], context: str) -> list[tuple[str, int]]:
    answers, starts = row["answers"], row[GOLD]
    if answers is None or starts is None or len(answers) != len(starts):
        raise CannotWriteError("answers and gold_starts differ in number")
    for text, start in zip(answers, starts, strict=True):
        if not text or start is None or start < 0 or not context.startswith(text, start):
            raise CannotWriteError("an answer is not at its gold_starts")
    return list(zip(answers, starts, strict=True))


def report(logger: logging.Logger, what: str, written: Written) -> Written:
    """Warns of what was left out, and gives it back."""
    if written.left_out:
        reasons = "; ".join(f"{count} × {reason}" for reason, count in written.reasons.items())
        logger.warning("%s: %d rows left out (`left_out` has their ids): %s", what, len(written.left_out), reasons)
    return written
