"""Rows that a diagnosis shows: the surest errors, and the training rows that were never once right."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from hf_mbdc.experiments.learned import Learned

MOST = 12
HIDDEN = "(sensitive)"
FROM_DOCUMENT = frozenset(("context", "words", "image"))  # what the target says is a piece of these
WIDEST = 320  # pixels of an image on the page


@dataclass(frozen=True)
class Shown:
    """Which columns of a row the page shows.

    Args:
        asks: what is asked; None where an image is.
        wanted: the right answer.
        kind: the class; None where rows have none.
        sensitive: columns whose values are not shown.
    """

    asks: str | None
    wanted: str
    kind: str | None
    sensitive: frozenset[str] = frozenset()

    @property
    def hides_predictions(self) -> bool:
        """Whether what the target said would tell of a sensitive column."""
        return bool(self.sensitive & (FROM_DOCUMENT | {self.wanted, self.asks, "completion"}))


@dataclass(frozen=True)
class Example:
    """A row as the page shows it.

    Args:
        kind: its class.
        question: what was asked; "" where it was an image.
        answer: the answer that was wanted.
        given: what the target said; "" is "no answer", None where it was not asked.
        value: of an evaluation row its score, of a training row its mean margin.
        note: more about it, in words.
        image: a PNG file as base64, where rows are images that may be shown.
    """

    id: str
    kind: str
    question: str
    answer: str
    given: str | None
    value: float
    note: str
    image: str | None = None


def wrong_examples(rows: Dataset, score: np.ndarray, predictions: pa.Table, shown: Shown) -> tuple[Example, ...]:
    """Evaluation rows with the lowest scores; of equal ones, those first of which the target was surest."""
    told = "score" in predictions.column_names
    sure = np.exp(predictions["score"].to_numpy()) if told else np.zeros(len(score))
    order = np.lexsort((-sure, score))
    places = order[score[order] < 1][:MOST]
    given = predictions["prediction"].to_pylist()
    return tuple(
        Example(
            **row,
            given=HIDDEN if shown.hides_predictions else given[place],
            value=float(score[place]),
            note=f"{100 * sure[place]:.0f} % sure" if told else "",
        )
        for place, row in zip(places, _rows(rows, places, shown), strict=True)
    )


def suspect_examples(rows: Dataset, suspects: np.ndarray, learned: Learned, shown: Shown) -> tuple[Example, ...]:
    """The first of the training rows that were never once right."""
    places = suspects[:MOST]
    margin, confidence = (learned.columns[f"dynamics_{name}"] for name in ("margin", "confidence"))
    return tuple(
        Example(**row, given=None, value=float(margin[place]), note=f"{100 * confidence[place]:.1f} % believed")
        for place, row in zip(places, _rows(rows, places, shown), strict=True)
    )


def _rows(rows: Dataset, places: np.ndarray, shown: Shown) -> Sequence[dict[str, Any]]:
    some = rows.select(places)

    def texts(column: str | None) -> list[str]:
        if column is None or column not in some.column_names:
            return [""] * len(places)
        values = some[column][:]
        return [HIDDEN if column in shown.sensitive else _text(value) for value in values]

    images: list[str | None] = [None] * len(places)
    if shown.asks is None and not shown.sensitive & {"image", shown.wanted}:
        images = [_thumbnail(image) for image in some["image"][:]]
    columns = zip(texts("id"), texts(shown.kind), texts(shown.asks), texts(shown.wanted), images, strict=True)
    return [{"id": i, "kind": k, "question": q, "answer": a, "image": m} for i, k, q, a, m in columns]


def _text(value: Any) -> str:
    """Of several right answers the first."""
    if isinstance(value, list):
        return str(value[0]) if value else ""
    return "" if value is None else str(value)


def _thumbnail(image: Any) -> str:
    """An image as a PNG file, made anew, so that nothing of the given file but its pixels gets onto the page."""
    small = image.convert("RGB")
    small.thumbnail((WIDEST, WIDEST))
    buffer = BytesIO()
    small.save(buffer, format="PNG")
    return base64.b64encode(buffer.getvalue()).decode()
