"""Which rows a person should look at, most doubtful first.

The doubt of a row is a number from 0 to 1 that orders rows; it is no calibrated probability. It is put together from

- the match: of a fuzzy one (1 − `match_score`) / 0.35, at most 1, as a third of the characters wrong is where unrelated
  text begins to match; 0.6 for an answer that was given and not found;
- the choice among t occurrences that match equally well: (1 − 1/t), the share of wrong ones, times the share of the
  split's ambiguous rows with a larger margin. Where no margin tells rows apart, that share is one half for all;
- the label, where a model suspects it (the columns of `hf_mbdc.guidance.label_errors`): 1 − `mbdc_label_quality`.

Each alone makes a row doubtful: doubt = 1 − (1 − match) · (1 − choice) · (1 − label). A label that a person chose is
not doubtful.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError, RecipeError

if TYPE_CHECKING:
    from datasets import Dataset

STATUSES = ("fuzzy", "absent", "exact", "unanswerable")
WORST_DISTANCE = 0.35  # 1 − match_score of a match that is as good as none
ABSENT_DOUBT = 0.6
SETTLED = "review"  # `mbdc_source` of a label that a person chose
READS = ("id", "question", "answers", "context", "answer_start", "answer_end", "candidates", "match_score")


@dataclass(frozen=True)
class Doubts:
    """What makes the rows of a split doubtful; every array has one entry a row.

    `margin`: by how much the best candidate beats the second: in `choice_margin` where that is a number (`by_choice`),
    else in match score; NaN for fewer than two candidates. `tied`: how many candidates match as well as the best one.
    `larger`: share of the ambiguous rows whose margin is larger (half of those that are equal), NaN where tied < 2.
    """

    ids: list[str]
    status: np.ndarray
    doubt: np.ndarray
    margin: np.ndarray
    by_choice: np.ndarray
    tied: np.ndarray
    larger: np.ndarray

    def counts(self) -> dict[str, int]:
        """How many rows have each status."""
        return dict(Counter(self.status.tolist()))


def find_doubts(rows: Dataset, *, split: str | None = None) -> Doubts:
    """The doubts of every row of an annotated split.

    Args:
        rows: one split with the columns of `ExtractiveQA`; `choice_margin` is used where it is there.
        split: for messages.

    Raises:
        DataError: the rows are not annotated.
    """
    if missing := [name for name in (*READS, "match_status") if name not in rows.column_names]:
        raise DataError(
            f"The rows are not annotated: {', '.join(map(repr, missing))} missing",
            split=split,
            mend="Annotate them: mbdc.annotate(ds, mbdc.ExtractiveQA()).",
        )
    plain = rows.with_format(None)
    _check_whole(rows, split)
    status = np.array(plain["match_status"][:], dtype=object)
    best, second, tied = _best_two(rows)
    margin = best - second
    by_choice = np.zeros(len(rows), dtype=bool)
    if "choice_margin" in rows.column_names:
        given = _numbers(rows, "choice_margin")
        by_choice = np.isfinite(given)
        margin = np.where(by_choice, given, margin)
    larger = _share_larger(np.where(tied >= 2, margin, np.nan))
    score = np.nan_to_num(_numbers(rows, "match_score"), nan=0.0)
    match = np.where(status == "fuzzy", np.clip((1 - score) / WORST_DISTANCE, 0, 1), 0.0)
    match = np.where(status == "absent", ABSENT_DOUBT, match)
    choice = np.where(tied >= 2, (1 - 1 / np.maximum(tied, 1)) * np.nan_to_num(larger), 0.0)
    doubt = 1 - (1 - match) * (1 - choice) * (1 - _label_doubt(rows))
    if "mbdc_source" in rows.column_names:
        doubt[np.array(plain["mbdc_source"][:], dtype=object) == SETTLED] = 0.0
    return Doubts(plain["id"][:], status, doubt, margin, by_choice, tied, larger)


def select_rows(
    doubts: Doubts,
    *,
    statuses: Sequence[str] = (),
    max_margin: float | None = None,
    ids: Sequence[str] = (),
    split: str | None = None,
) -> np.ndarray:
    """The row numbers to look at, most doubtful first; of equal doubt, in the order of the data.

    Args:
        doubts: of the split.
        statuses: only rows with one of these statuses; without it, every row that there is any doubt about.
        max_margin: only rows with at least two candidates and at most this margin.
        ids: only these rows, doubtful or not.
        split: for messages.

    Raises:
        RecipeError: no such status, or `max_margin` is no number.
        DataError: no such id, or no row is left.
    """
    for status in statuses:
        if status not in STATUSES:
            raise RecipeError(f"No such status: {status!r}", key="status", mend=f"Take {', '.join(STATUSES)}.")
    if max_margin is not None and not (isinstance(max_margin, int | float) and max_margin == max_margin):
        raise RecipeError(f"max_margin is {max_margin!r}", key="max_margin", mend="Take a number, such as 0.1.")
    wanted = np.ones(len(doubts.ids), dtype=bool)
    if ids:
        _check_known(ids, doubts.ids, split)
        asked = set(ids)
        wanted &= np.array([row_id in asked for row_id in doubts.ids])
    if statuses:
        wanted &= np.isin(doubts.status, list(statuses))
    if max_margin is not None:
        # As float32, which the data is: .2 there is more than .2 here. False for NaN.
        wanted &= doubts.margin.astype(np.float32) <= np.float32(max_margin)
    if not (ids or statuses or max_margin is not None):
        wanted &= doubts.doubt > 0
    rows = np.flatnonzero(wanted)
    if not len(rows):
        found = ", ".join(f"{count} {status}" for status, count in sorted(doubts.counts().items()))
        raise DataError(
            "There is no such row to review",
            split=split,
            mend=f"The split has {found}; ask for other statuses, a larger margin, or for rows by their ids.",
        )
    return rows[np.argsort(-doubts.doubt[rows], kind="stable")]


def _check_known(ids: Sequence[str], known: Sequence[str], split: str | None) -> None:
    there = set(known)
    if missing := [row_id for row_id in ids if row_id not in there]:
        mend = f"Ids look like {known[0]!r}." if len(known) else "The split is empty."
        raise DataError(f"No row has this id ({len(missing)} of {len(ids)} ids)", split=split, id=missing[0], mend=mend)


def _check_whole(rows: Dataset, split: str | None) -> None:
    """Raises `DataError` where a row has no label, not even the one that says that there is none."""
    for name in ("id", "context", "answer_start", "answer_end", "match_status"):
        column = rows.select_columns(name).with_format("arrow")[:].column(name)
        if column.null_count:
            what = f"{column.null_count} of {len(rows)} rows are not annotated (null)"
            raise DataError(what, split=split, column=name, mend="Leave them out, or annotate them: mbdc.annotate.")


def _best_two(rows: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per row the best and second-best match score of its candidates (NaN where there is none), and how many tie."""
    import pyarrow.compute as pc

    column = rows.select_columns("candidates").with_format("arrow")[:].column("candidates").combine_chunks()
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    scores = pc.struct_field(pc.list_flatten(column), "score").to_numpy(zero_copy_only=False)
    row = np.repeat(np.arange(len(lengths)), lengths)
    scores = scores[np.lexsort((-scores, row))]  # within each row, best first
    first = np.cumsum(lengths) - lengths
    best, second = np.full(len(lengths), np.nan), np.full(len(lengths), np.nan)
    best[lengths >= 1] = scores[first[lengths >= 1]]
    second[lengths >= 2] = scores[first[lengths >= 2] + 1]
    tied = np.bincount(row[scores == best[row]], minlength=len(lengths))
    return best, second, tied


def _label_doubt(rows: Dataset) -> np.ndarray:
    """How surely a model takes each label for wrong: 0 for those that it does not suspect."""
    if not {"mbdc_label_suspected", "mbdc_label_quality"} <= set(rows.column_names):
        return np.zeros(len(rows))
    suspected = np.nan_to_num(_numbers(rows, "mbdc_label_suspected")) > 0
    return np.where(suspected, 1 - np.nan_to_num(_numbers(rows, "mbdc_label_quality"), nan=1.0), 0.0)


def _numbers(rows: Dataset, name: str) -> np.ndarray:
    """A column of numbers with NaN for null."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = rows.select_columns(name).with_format("arrow")[:].column(name)
    return pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy()


def _share_larger(values: np.ndarray) -> np.ndarray:
    """For every number, the share of the numbers that are larger, plus half the share that are equal; NaN stays.

    Example:
        >>> _share_larger(np.array([1.0, np.nan, 3.0, 3.0])).round(2).tolist()
        [0.83, nan, 0.33, 0.33]
    """
    numbers = np.sort(values[~np.isnan(values)])
    if not len(numbers):
        return np.full(len(values), np.nan)
    left, right = np.searchsorted(numbers, values, "left"), np.searchsorted(numbers, values, "right")
    return np.where(np.isnan(values), np.nan, 1 - (left + right) / 2 / len(numbers))
