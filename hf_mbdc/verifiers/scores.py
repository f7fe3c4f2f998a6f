"""A verifier's scores beside the completions of a dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

Verifier = Callable[[str, str], float]


def score_completions(rows: Dataset, verifier: Verifier, *, reference: str = "answer") -> Dataset:
    """The rows with `scores`: what the verifier says of each completion.

    Args:
        rows: `completions` (list of string) and the column of the reference; an earlier `scores` is replaced.
        verifier: gives 1, 0 or NaN.
        reference: column of what is right.

    Returns:
        The rows with `scores` (list of float); null where the verifier could not read the completion.

    Raises:
        DataError: a column is missing, or a reference is null.

    Example:
        >>> from datasets import Dataset
        >>> from hf_mbdc.verifiers import ExactAnswer
        >>> rows = Dataset.from_dict({"id": ["a"], "completions": [["A: 4", "A: 5", "?"]], "answer": ["#### 4"]})
        >>> score_completions(rows, ExactAnswer())["scores"][:]
        [[1.0, 0.0, None]]
    """
    for name in ("completions", reference):
        if name not in rows.column_names:
            raise DataError(
                "There is no such column", column=name, mend=f"The rows have {', '.join(rows.column_names)}."
            )
    read = rows.select_columns(["completions", reference])[:]
    scores: list[list[float | None]] = []
    for number, (texts, right) in enumerate(zip(read["completions"], read[reference], strict=True)):
        if right is None:
            raise DataError("The reference is null", column=reference, row=number, mend="Leave the row out.")
        scores.append([_or_null(verifier(text, right)) if text is not None else None for text in texts or []])
    return _with_scores(rows, scores)


def _or_null(score: float) -> float | None:
    return None if score != score else score


def _with_scores(rows: Dataset, scores: list[Any]) -> Dataset:
    from datasets import List, Value

    kept = rows.remove_columns(["scores"]) if "scores" in rows.column_names else rows
    return kept.add_column("scores", scores, feature=List(Value("float64")))
