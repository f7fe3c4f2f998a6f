"""Which rows that a model made are fit to train on: every row is kept or refused with one reason.

The filters judge in this order, and the first that refuses gives the reason: empty texts; refusals; repetition;
language; contamination by evaluation rows (equal, n-grams, near-duplicates); near-duplicates of the pool; and last
near-duplicates among the rows themselves, so that a refused row never stands in the way of a good one.

Of rows that are alike the one whose `id` sorts first is kept, so that the order of the rows does not matter. What is
kept passes again: filtering twice refuses nothing more.
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.records import StepRecord
from hf_mbdc.synthesis.filters.options import FilterOptions
from hf_mbdc.transforms.checks import check_columns, check_id_values
from hf_mbdc.transforms.rows import replace_rows
from hf_mbdc.transforms.text_columns import is_text, map_texts, read_pieces

if TYPE_CHECKING:
    from datasets import Dataset, Features

NAME = "filter_texts"
EMPTY = "a text is empty"
REFUSAL = "a refusal, or an assistant's phrase"
LANGUAGE = "another language"
EQUAL = "equal to an evaluation text"
NGRAMS = "words in common with an evaluation text"
NEAR_EVALUATION = "a near-duplicate of an evaluation text"
NEAR_POOL = "a near-duplicate of a row of the pool"
NEAR_ROWS = "a near-duplicate of another row"
ROWS, POOL = "rows", "pool"


@dataclass(frozen=True)
class FilterResult:
    """What became of the rows.

    Args:
        rows: that are kept, in their order; masked where it was asked for.
        rejected: `id`, `reason`, and where the reason is another row, its id in `like` and where it stands in
            `against`: `rows`, `pool` or the name of an evaluation split; null otherwise.
        masked: ids of kept rows in which something was masked.
        record: of the step: how many rows were kept as they are, changed and rejected, and why.
    """

    rows: Dataset
    rejected: Dataset
    masked: tuple[str, ...]
    record: StepRecord


def filter_rows(
    rows: Dataset,
    options: FilterOptions,
    *,
    pool: Dataset | None = None,
    evaluation: Mapping[str, Dataset] | None = None,
) -> FilterResult:
    """Keeps the rows that are fit to train on.

    Args:
        rows: `id` and the columns that are judged.
        options: the columns and the filters.
        pool: rows that are there already, with the same columns; new rows may not repeat them. Texts of all columns
            together are compared.
        evaluation: name → rows of an evaluation split or a benchmark, with one of the columns at least; texts of each
            column are compared by themselves, and short ones together.

    Returns:
        The rows that are kept, and all others with their reasons.

    Raises:
        DataError: a column or an id is missing, or is of another kind.
        MbdcError: languages are asked for, and py3langid is not installed.
        RecipeError: a language is not known, or an evaluation split has one of the names `rows` and `pool`.

    Example:
        >>> from datasets import Dataset
        >>> rows = Dataset.from_dict(
        ...     {"id": ["a", "b", "c"], "text": ["Name a sea.", "As an AI model, I cannot swim.", "name a sea."]}
        ... )
        >>> kept = filter_rows(rows, FilterOptions(columns=["text"], refusals=True))
        >>> kept.rows["id"][:], kept.rejected[1]["reason"], kept.rejected[1]["like"], kept.rejected[1]["against"]
        (['a'], 'a near-duplicate of another row', 'a', 'rows')
    """
    sides = {**({POOL: pool} if pool is not None and len(pool) else {}), **_named(evaluation or {})}
    _check(rows, sides, options)
    order = np.array(sorted(range(len(rows)), key=rows["id"][:].__getitem__), np.int64)
    given = _Texts(rows.select_columns(["id", *options.columns]).select(order), options)
    verdicts = _Verdicts(given.ids)
    _judge_alone(given, verdicts, options)
    others = {name: _Texts(side, options) for name, side in sides.items()}
    for name, side in others.items():
        if name != POOL and options.contamination is not None:
            _judge_contamination(given, verdicts, name, side, options.contamination)
    if options.near_duplicates is not None:
        _judge_near(given, verdicts, others, options.near_duplicates)
    return _result(rows, given, verdicts, order, options)


class _Texts:
    """The texts of some rows by column, masked where it is asked for."""

    def __init__(self, rows: Dataset, options: FilterOptions) -> None:
        self.columns = [name for name in options.columns if name in rows.column_names]
        self.ids = list(map(str, rows["id"][:] if "id" in rows.column_names else range(len(rows))))
        self.masks: dict[int, Counter[str]] = {}
        self.pieces = {name: read_pieces(rows, name) for name in self.columns}
        if options.mask_pii:
            self._mask()

    def column(self, name: str, rows: np.ndarray | None = None) -> list[str]:
        """The texts of a column, of some rows."""
        pieces = self.pieces[name]
        wanted = pieces if rows is None else [pieces[row] for row in rows.tolist()]
        return ["\n".join(row) for row in wanted]

    def joined(self, rows: np.ndarray | None = None) -> list[str]:
        """The texts of all columns as one a row."""
        texts = (self.column(name, rows) for name in self.columns)
        return ["\n\n".join(row) for row in zip(*texts, strict=True)]

    def _mask(self) -> None:
        from hf_mbdc.synthesis.filters.pii import mask_pii

        for name in self.columns:
            for number, row in enumerate(self.pieces[name]):
                masked = [mask_pii(piece) for piece in row]
                if counts := sum((counts for _, counts in masked), Counter()):
                    self.masks[number] = self.masks.get(number, Counter()) + counts
                    self.pieces[name][number] = [text for text, _ in masked]


class _Verdicts:
    """The reason why each row is refused, "" while none is found, and the row that it is like."""

    def __init__(self, ids: Sequence[str]) -> None:
        self.ids = ids
        self.reasons = [""] * len(ids)
        self.like: list[str | None] = [None] * len(ids)
        self.against: list[str | None] = [None] * len(ids)

    @property
    def open(self) -> np.ndarray:
        """The rows that no filter has refused."""
        return np.array([row for row, reason in enumerate(self.reasons) if not reason], np.int64)

    def reject(self, rows: np.ndarray, reasons: Sequence[str]) -> None:
        """Refuses those of the open rows for which there is a reason."""
        for row, reason in zip(rows.tolist(), reasons, strict=True):
            self.reasons[row] = reason

    def reject_like(self, rows: np.ndarray, like: np.ndarray, reason: str, against: str, ids: Sequence[str]) -> None:
        """Refuses those of the open rows that are like another one, whose position is not −1."""
        for row, other in zip(rows.tolist(), like.tolist(), strict=True):
            if other >= 0:
                self.reasons[row], self.like[row], self.against[row] = reason, ids[other], against


def _judge_alone(given: _Texts, verdicts: _Verdicts, options: FilterOptions) -> None:
    """The filters that look at nothing but the text itself, column by column."""
    filters: list[Callable[[list[list[str]]], list[str]]] = [_empty]
    if options.refusals:
        filters.append(functools.partial(_refusals, patterns=options.refusal_patterns))
    if options.repetition:
        filters.append(_repetition)
    if options.languages:
        filters.append(functools.partial(_languages, languages=options.languages))
    for find in filters:
        for name in given.columns:
            rows = verdicts.open
            verdicts.reject(rows, find([given.pieces[name][row] for row in rows.tolist()]))


def _empty(rows: list[list[str]]) -> list[str]:
    return ["" if any(piece.strip() for piece in row) else EMPTY for row in rows]


def _refusals(rows: list[list[str]], patterns: Sequence[str]) -> list[str]:
    from hf_mbdc.synthesis.filters.refusals import find_refusals

    found = find_refusals([piece for row in rows for piece in row], patterns)  # the answer may be the second message
    ends = np.cumsum([0, *map(len, rows)])
    return [REFUSAL if found[start:stop].any() else "" for start, stop in itertools.pairwise(ends.tolist())]


def _repetition(rows: list[list[str]]) -> list[str]:
    from hf_mbdc.synthesis.filters.repetition import find_repetition

    return find_repetition(list(map("\n".join, rows)))


def _languages(rows: list[list[str]], languages: Sequence[str]) -> list[str]:
    from hf_mbdc.synthesis.filters.language import find_other_languages

    codes = find_other_languages(list(map("\n".join, rows)), languages)
    return [f"{LANGUAGE}: {code}" if code else "" for code in codes]


def _judge_contamination(given: _Texts, verdicts: _Verdicts, split: str, side: _Texts, n: int) -> None:
    """Texts that an evaluation split has, too: whole rows, texts of a column, n-grams of any column."""
    from hf_mbdc.synthesis.filters.contamination import NgramIndex, find_equal

    rows = verdicts.open
    verdicts.reject_like(rows, find_equal(given.joined(rows), side.joined(), least=1), EQUAL, split, side.ids)
    for name in side.columns:
        rows = verdicts.open
        like = find_equal(given.column(name, rows), side.column(name))
        verdicts.reject_like(rows, like, EQUAL, split, side.ids)
    index = NgramIndex([text for name in side.columns for text in side.column(name)], n)
    ids = side.ids * len(side.columns)
    for name in given.columns:
        rows = verdicts.open
        verdicts.reject_like(rows, index.find(given.column(name, rows)), NGRAMS, split, ids)


def _judge_near(given: _Texts, verdicts: _Verdicts, others: Mapping[str, _Texts], threshold: float) -> None:
    from hf_mbdc.synthesis.filters.near_duplicates import SHORT, near_duplicates, near_known

    for split in (name for name in others if name != POOL):
        for name in others[split].columns:
            rows = verdicts.open
            like = near_known(given.column(name, rows), others[split].column(name), threshold, least=SHORT)
            verdicts.reject_like(rows, like, NEAR_EVALUATION, split, others[split].ids)
    if POOL in others:
        rows = verdicts.open
        like = near_known(given.joined(rows), others[POOL].joined(), threshold)
        verdicts.reject_like(rows, like, NEAR_POOL, POOL, others[POOL].ids)
    rows = verdicts.open
    like = near_duplicates(given.joined(rows), threshold)
    verdicts.reject_like(rows, like, NEAR_ROWS, ROWS, [given.ids[row] for row in rows.tolist()])


def _named(evaluation: Mapping[str, Dataset]) -> dict[str, Dataset]:
    for name in evaluation:
        if name in (ROWS, POOL):
            mend = f"{ROWS!r} and {POOL!r} say in `against` where the other row stands."
            raise RecipeError("An evaluation split needs another name", key="evaluation", value=name, mend=mend)
    return {name: side for name, side in evaluation.items() if len(side)}


def _check(rows: Dataset, sides: Mapping[str, Dataset], options: FilterOptions) -> None:
    for split, side in {ROWS: rows, **sides}.items():
        there = [name for name in options.columns if name in side.column_names]
        needed = options.columns if split in (ROWS, POOL) else options.columns[: not there]
        for name in needed:
            if name not in side.column_names:
                mend = f'Rename the one that holds it: ds.rename_column("…", "{name}").'
                what = f"There is no such column; there are {', '.join(side.column_names)}"
                raise DataError(what, split=split, column=name, mend=mend)
        for name in there:
            if not is_text(side.features[name]):
                mend = "Name columns of strings, lists of strings or messages."
                raise DataError("The column holds no texts", split=split, column=name, mend=mend)
    check_columns(rows.features, _id_feature(), split=ROWS)
    check_id_values(rows["id"][:], split=ROWS)


def _id_feature() -> Features:
    from datasets import Features, Value

    return Features({"id": Value("string")})


def _result(
    rows: Dataset, given: _Texts, verdicts: _Verdicts, order: np.ndarray, options: FilterOptions
) -> FilterResult:
    """Puts everything back into the order of the rows."""
    place = np.argsort(order)  # of each row among the sorted ones
    kept = [row for row, sorted_ in enumerate(place.tolist()) if not verdicts.reasons[sorted_]]
    left_out = [sorted_ for sorted_ in place.tolist() if verdicts.reasons[sorted_]]
    masked = [row for row in kept if int(place[row]) in given.masks]
    reasons = Counter(verdicts.reasons[row] for row in left_out)
    for row in masked:
        reasons.update(f"masked: {kind}" for kind in given.masks[int(place[row])])
    return FilterResult(
        _masked(rows, np.array(masked, np.int64), options).select(kept),
        _rejected(verdicts, left_out),
        tuple(rows.select_columns(["id"])[masked]["id"]) if masked else (),
        StepRecord(
            name=NAME,
            pillar="industrial data quality",
            why="",
            kept=len(kept) - len(masked),
            changed=len(masked),
            rejected=len(left_out),
            reasons=dict(sorted(reasons.items())),
        ),
    )


def _masked(rows: Dataset, masked: np.ndarray, options: FilterOptions) -> Dataset:
    from hf_mbdc.synthesis.filters.pii import mask_pii

    if not len(masked):
        return rows
    old = rows.select_columns(list(options.columns)).select(masked)[:]
    new = {name: [map_texts(value, lambda text: mask_pii(text)[0]) for value in old[name]] for name in options.columns}
    return replace_rows(rows, masked, new)


def _rejected(verdicts: _Verdicts, rows: Sequence[int]) -> Dataset:
    from datasets import Dataset, Features, Value

    values = {"id": verdicts.ids, "reason": verdicts.reasons, "like": verdicts.like, "against": verdicts.against}
    features = Features({name: Value("string") for name in values})
    return Dataset.from_dict({name: [column[row] for row in rows] for name, column in values.items()}, features)
