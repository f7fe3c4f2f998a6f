"""Do train rows say what the evaluation rows say? A candidate that brings such rows is not measured, it is told.

Every text column is compared by itself, so that a document that came with another question is found, too:

- **exact**: the same tokens (case, punctuation and white space aside) in a column of 13 tokens or more, or in all
  columns together; images by their bytes;
- **near-duplicate**: a Jaccard similarity of .6 or more of the sets of 3-grams, proposed by MinHash;
- **n-grams**: half of an evaluation text's 13-grams (Brown et al. 2020) or more stand in train rows.

What many documents have in common is no evidence of any of these: n-grams of more than ten documents are left out, and
so is a text, such as an instruction, that more than 5 % of the rows of both sides share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.evaluation_texts import PASSAGE, EvaluationTexts, Pairs
from hf_mbdc.guidance.leak_report import WHOLE_ROW, Kind, LeakCount, LeakPair, LeakReport
from hf_mbdc.guidance.row_texts import (
    EMPTY,
    DistinctTexts,
    check_columns,
    combine,
    image_columns,
    image_hashes,
    text_columns,
)

if TYPE_CHECKING:
    from datasets import Dataset

FORM = 20, 0.05  # rows, and share of them, from which a text is the form of the data and not its content
MOST_PAIRS = 20  # that are kept of each kind


def find_leaks(
    train: Dataset,
    evaluation: Mapping[str, Dataset],
    *,
    parent: Dataset | None = None,
    columns: Sequence[str] | None = None,
    similarity: float = 0.6,
    overlap: float = 0.5,
) -> LeakReport:
    """Compares train rows with the rows of every evaluation split.

    Args:
        train: the candidate's train rows.
        evaluation: split → rows: every split that a score is reported on, the final test split included.
        parent: the train rows before the candidate. A row that it has with the same `id` and the same values is told
            apart from those that the candidate brings. Without it, all rows are new.
        columns: of strings, messages or images, in all splits. Default: the images and the text columns
            (`hf_mbdc.guidance.row_texts.text_columns`) that all have.
        similarity: Jaccard similarity from which texts are near-duplicates.
        overlap: share of an evaluation text's 13-grams that makes a leak.

    Raises:
        DataError: a column is missing or of another kind, or there is none to compare.
        RecipeError: a threshold is not above 0 and at most 1.

    Example:
        >>> from datasets import Dataset
        >>> rows = Dataset.from_dict({"id": ["1"], "text": ["A nice film, and nothing else to say about it."]})
        >>> copied = Dataset.from_dict({"id": ["7"], "text": ["a nice film and nothing else to say about it"]})
        >>> find_leaks(copied, {"test": rows}).brought[0].pairs
        (LeakPair(train_id='7', evaluation_id='1', similarity=1.0),)
    """
    for name, value in (("similarity", similarity), ("overlap", overlap)):
        if not 0 < value <= 1:
            raise RecipeError(f"{name} is {value}", mend="Give a share above 0 and at most 1.")
    names = _columns(train, evaluation, columns)
    images = [name for name in names if name in image_columns(train)]
    texts = [name for name in names if name not in images]
    new = _is_new(train, parent, texts, images)
    sides = [_Side(train.select(np.flatnonzero(new == brought)), brought) for brought in (True, False)]
    screen = _Screen(evaluation, [side for side in sides if len(side.rows)])
    background = parent if parent is not None and len(parent) else train
    for name in texts:
        least = PASSAGE if len(names) > 1 else 1
        screen.compare_texts(name, background, least=least, similarity=similarity, overlap=overlap)
    for name in images:
        screen.compare_images(name)
    if len(names) > 1:
        screen.compare_whole_rows()
    return LeakReport(
        columns=tuple(names),
        train_rows=len(train),
        brought_rows=int(new.sum()),
        evaluation_rows={name: len(rows) for name, rows in evaluation.items()},
        counts=tuple(screen.counts),
    )


def _columns(train: Dataset, evaluation: Mapping[str, Dataset], columns: Sequence[str] | None) -> list[str]:
    splits = {"train": train, **evaluation}
    empty = [name for name, rows in splits.items() if not len(rows)]
    if empty or not evaluation:
        raise DataError("There are no rows to compare", split=(empty or ["evaluation"])[0], mend="Give rows.")
    if columns is not None:
        check_columns(splits, columns)
    named = list(columns) if columns is not None else [*text_columns(train), *image_columns(train)]
    shared = [name for name in named if all(name in rows.column_names for rows in splits.values())]
    if not shared:
        mend = "Name columns of strings, lists of strings, messages or images."
        raise DataError("No column of texts or images is in train and in every evaluation split", mend=mend)
    return shared


def _is_new(train: Dataset, parent: Dataset | None, texts: Sequence[str], images: Sequence[str]) -> np.ndarray:
    """(rows,) whether the parent lacks the row, or has other values in it."""
    if parent is None or not len(parent):
        return np.ones(len(train), bool)
    for rows, side in ((train, "train"), (parent, "parent")):
        if "id" not in rows.column_names:
            raise DataError("Rows without ids cannot be told from the parent's", split=side, mend="Add a column id.")
    check_columns({"parent": parent}, [*texts, *images])
    known = dict(zip(parent["id"][:], _row_hashes(parent, texts, images).tolist(), strict=True))
    now = zip(train["id"][:], _row_hashes(train, texts, images).tolist(), strict=True)
    return np.fromiter((known.get(key) != value for key, value in now), bool, len(train))


def _row_hashes(rows: Dataset, texts: Sequence[str], images: Sequence[str]) -> np.ndarray:
    of_texts = [DistinctTexts(rows, name).of_rows() for name in texts]
    return combine([*of_texts, *(image_hashes(rows, name) for name in images)])


class _Side:
    """Train rows that are all new, or all the parent's, and the hashes of their values, column by column."""

    def __init__(self, rows: Dataset, brought: bool) -> None:
        self.rows, self.brought = rows, brought
        self.hashes: list[np.ndarray] = []


class _Screen:
    """Compares column after column, and counts what it finds in `counts`."""

    def __init__(self, evaluation: Mapping[str, Dataset], sides: Sequence[_Side]) -> None:
        self.evaluation, self.sides = evaluation, sides
        self.hashes: list[np.ndarray] = []  # (evaluation rows,) of each column, split after split
        self.counts: list[LeakCount] = []

    def compare_texts(self, column: str, background: Dataset, *, least: int, similarity: float, overlap: float) -> None:
        """Exact, near and n-gram leaks of a text column; `least`: tokens that make a text evidence by itself."""
        splits = [DistinctTexts(rows, column) for rows in self.evaluation.values()]
        texts = EvaluationTexts(chain.from_iterable(splits), DistinctTexts(background, column))
        self.hashes.append(np.concatenate([split.of_rows() for split in splits]))
        for side in self.sides:
            distinct = DistinctTexts(side.rows, column)
            found = texts.search(distinct, least=least, similarity=similarity, overlap=overlap)
            side.hashes.append(distinct.of_rows())
            for kind, pairs in found.items():
                self._count(kind, column, side, pairs)

    def compare_images(self, column: str) -> None:
        """Equal images, by their bytes."""
        self.hashes.append(np.concatenate([image_hashes(rows, column) for rows in self.evaluation.values()]))
        for side in self.sides:
            side.hashes.append(image_hashes(side.rows, column))
            self._count("exact", column, side, self._same(side, nothing=np.full(1, EMPTY)))

    def compare_whole_rows(self) -> None:
        """Rows that are equal in all columns, however short they are."""
        nothing = combine([np.full(1, EMPTY)] * len(self.hashes))
        self.hashes.append(combine(self.hashes))
        for side in self.sides:
            side.hashes.append(combine(side.hashes))
            self._count("exact", WHOLE_ROW, side, self._same(side, nothing))

    def _same(self, side: _Side, nothing: np.ndarray) -> Pairs:
        """The values of the last column that both sides have."""
        same = np.setdiff1d(np.intersect1d(self.hashes[-1], side.hashes[-1]), nothing)
        return same, same, np.ones(len(same))

    def _count(self, kind: Kind, column: str, side: _Side, pairs: Pairs) -> None:
        form = _frequent(self.hashes[-1]) & _frequent(side.hashes[-1]) if column != WHOLE_ROW else set()
        kept = np.array([value not in form for value in pairs[1].tolist()], bool)
        given, taken, similarity = (values[kept] for values in pairs)
        ends = np.cumsum([len(rows) for rows in self.evaluation.values()])
        for (split, rows), hashes in zip(self.evaluation.items(), np.split(self.hashes[-1], ends[:-1]), strict=True):
            here = np.flatnonzero(np.isin(taken, hashes))
            if not len(here):
                continue
            top = here[np.argsort(-similarity[here], kind="stable")][:MOST_PAIRS]
            train_ids, ids = _first_ids(side.rows, side.hashes[-1], given[top]), _first_ids(rows, hashes, taken[top])
            named = zip(train_ids, ids, similarity[top].tolist(), strict=True)
            self.counts.append(
                LeakCount(
                    split=split,
                    kind=kind,
                    column=column,
                    brought=side.brought,
                    evaluation_rows=int(np.isin(hashes, taken[here]).sum()),
                    train_rows=int(np.isin(side.hashes[-1], given[here]).sum()),
                    pairs=tuple(LeakPair(*pair) for pair in named),
                )
            )


def _frequent(hashes: np.ndarray) -> set[int]:
    """The values that so many rows have that they are the form of the data."""
    values, counts = np.unique(hashes, return_counts=True)
    return set(values[(counts >= FORM[0]) & (counts > FORM[1] * len(hashes))].tolist())


def _first_ids(rows: Dataset, hashes: np.ndarray, wanted: np.ndarray) -> list[str]:
    """The id (or number) of the first row with each of the hashes."""
    values, first = np.unique(hashes, return_index=True)
    places = first[np.searchsorted(values, wanted)]
    return list(map(str, rows.select_columns(["id"])[places]["id"] if "id" in rows.column_names else places))
