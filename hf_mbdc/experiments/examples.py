"""Rows that a diagnosis shows: the surest errors, and the training rows that were never once right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from hf_mbdc.experiments.learned import Learned

MOST = 12
HIDDEN = "(sensitive)"
FROM_DOCUMENT = frozenset(("context", "words"))  # an answer that the target gives is a piece of these


@dataclass(frozen=True)
class Example:
    """A row as the page shows it.

    Args:
        kind: its class.
        answer: the answer that was wanted.
        given: what the target said; "" is "no answer", None where it was not asked.
        value: of an evaluation row its score, of a training row its mean margin.
        note: more about it, in words.
    """

    id: str
    kind: str
    question: str
    answer: str
    given: str | None
    value: float
    note: str


def wrong_examples(
    rows: Dataset, score: np.ndarray, predictions: pa.Table, slice_by: str | None, sensitive: frozenset[str]
) -> tuple[Example, ...]:
    """Evaluation rows with the lowest scores; of equal ones, those first of which the target was surest."""
    sure = np.exp(predictions["score"].to_numpy())
    order = np.lexsort((-sure, score))
    places = order[score[order] < 1][:MOST]
    given = predictions["prediction"].to_pylist()
    hidden = bool(sensitive & (FROM_DOCUMENT | {"answers"}))
    return tuple(
        Example(
            **shown,
            given=HIDDEN if hidden else given[place],
            value=float(score[place]),
            note=f"{100 * sure[place]:.0f} % sure",
        )
        for place, shown in zip(places, _shown(rows, places, slice_by, sensitive), strict=True)
    )


def suspect_examples(
    rows: Dataset, suspects: np.ndarray, learned: Learned, slice_by: str | None, sensitive: frozenset[str]
) -> tuple[Example, ...]:
    """The first of the training rows that were never once right."""
    places = suspects[:MOST]
    margin, confidence = (learned.columns[f"dynamics_{name}"] for name in ("margin", "confidence"))
    return tuple(
        Example(**shown, given=None, value=float(margin[place]), note=f"{100 * confidence[place]:.1f} % believed")
        for place, shown in zip(places, _shown(rows, places, slice_by, sensitive), strict=True)
    )


def _shown(
    rows: Dataset, places: np.ndarray, slice_by: str | None, sensitive: frozenset[str]
) -> Sequence[dict[str, Any]]:
    some = rows.select(places)

    def texts(column: str | None) -> list[str]:
        if column is None or column not in some.column_names:
            return [""] * len(places)
        return [HIDDEN if column in sensitive else str(value) for value in some[column][:]]

    given = [HIDDEN if "answers" in sensitive else (one[0] if one else "") for one in some["answers"][:]]
    columns = zip(texts("id"), texts(slice_by), texts("question"), given, strict=True)
    return [{"id": i, "kind": k, "question": q, "answer": a} for i, k, q, a in columns]
