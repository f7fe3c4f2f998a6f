"""What several annotators said about the same units, as one table of small integers.

Agreement, disagreement of rows and reliability of annotators are all computed from `Ratings`, block by block: a block
of units becomes a table that counts how often each value was given to each unit, and no larger table is ever made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError

MAX_VALUES = 2_000  # tables of values × values stay below 32 MB
_BLOCK = 1_000_000  # numbers in a block: 8 MB as float64


@dataclass(frozen=True)
class Ratings:
    """Ratings by position: row u, column r holds which of `values` was given, or −1 for none.

    `annotators` says, in the same shape, who gave it (index into `names`); None: column r is annotator r.
    """

    codes: np.ndarray
    values: tuple[Any, ...]
    annotators: np.ndarray | None = None
    names: tuple[Any, ...] = ()

    @property
    def units(self) -> int:
        return len(self.codes)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """The units block by block: which they are, and their (units, values) counts as float64."""
        size = max(1, _BLOCK // max(1, len(self.values), self.codes.shape[1]))
        for start in range(0, self.units, size):
            codes = self.codes[start : start + size]
            yield slice(start, start + len(codes)), count_codes(codes, len(self.values))


@dataclass(frozen=True)
class RatingCounts:
    """The same where only the counts are known: (units, values) whole numbers, nobody's name."""

    counts: np.ndarray
    values: tuple[Any, ...]

    @property
    def units(self) -> int:
        return len(self.counts)

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """The units block by block: which they are, and their (units, values) counts as float64."""
        size = max(1, _BLOCK // max(1, len(self.values)))
        for start in range(0, self.units, size):
            block = self.counts[start : start + size].astype(float)
            yield slice(start, start + len(block)), block


def compact(data: Ratings | RatingCounts) -> Ratings | RatingCounts:
    """The counts of the ratings where they take no more memory than the ratings do: who reads twice counts once."""
    if isinstance(data, RatingCounts) or len(data.values) > data.codes.shape[1] or data.codes.shape[1] > 255:
        return data
    counts = np.empty((data.units, len(data.values)), np.uint8)
    for units, block in data.blocks():
        counts[units] = block
    return RatingCounts(counts, data.values)


def count_codes(codes: np.ndarray, values: int) -> np.ndarray:
    """How often each of the values 0 … `values` − 1 is in each row of `codes`; −1 is not counted.

    Example:
        >>> count_codes(np.array([[0, 2, 2], [1, -1, -1]]), 3).tolist()
        [[1.0, 0.0, 2.0], [0.0, 1.0, 0.0]]
    """
    # A column of its own for the missing ones is cheaper than a mask.
    cells = codes.astype(np.intp)
    cells += np.arange(len(codes))[:, None] * (values + 1) + 1
    counts = np.bincount(cells.ravel(), minlength=len(codes) * (values + 1))
    return counts.reshape(len(codes), values + 1)[:, 1:].astype(float)


def read_ratings(ratings: Any, *, annotators: Any | None = None, values: Sequence[Any] | None = None) -> Ratings:
    """Reads ratings in the shapes in which data sets have them.

    Args:
        ratings: (units, annotators) array of numbers or text, NaN or None where an annotator gave none; or a sequence
            with one list of ratings a unit, of any length.
        annotators: who gave each rating, in the same shape as `ratings`; None: the position tells, as in a table with
            one column an annotator.
        values: every value that can be given, in their order, which an ordinal scale needs for text; None: those that
            occur, sorted.

    Raises:
        DataError: no units, a rating that is none of `values`, more than 2,000 values, an unnamed annotator, or one who
            rated a unit twice.

    Example:
        >>> read = read_ratings([["yes", "no"], ["no"], ["no", None]])
        >>> read.values, read.codes.tolist()
        (('no', 'yes'), [[1, 0], [0, -1], [0, -1]])
    """
    table = _table(ratings)
    if not table.size:
        raise DataError("There are no ratings", mend="Give one row a unit, with one rating or more.")
    known, codes = _encode(table, values)
    if annotators is None:
        return Ratings(codes, known, names=tuple(range(table.shape[1])))
    who = _table(annotators)
    if who.shape != table.shape:
        raise DataError(
            f"The annotators have shape {who.shape}, the ratings {table.shape}", mend="Name who gave each rating."
        )
    names, people = _encode(who, None, limit=None)
    _check_annotators(codes, people, names)
    return Ratings(codes, known, people, names)


def read_counts(counts: Any, values: Sequence[Any] | None = None) -> RatingCounts:
    """Reads a (units, values) table of how many annotators gave each value.

    Args:
        counts: whole numbers ≥ 0.
        values: what the columns stand for, in their order; None: 0, 1, 2, …

    Raises:
        DataError: not a table, a number that is no count, or another number of values than columns.
    """
    table = np.asarray(counts)
    if table.ndim != 2 or not table.size or table.dtype.kind not in "biuf":
        raise DataError(f"Counts of ratings have shape {table.shape}", mend="Give (units, values) whole numbers.")
    for start in range(0, len(table), size := max(1, _BLOCK // table.shape[1])):
        block = table[start : start + size]
        wrong = ~((block >= 0) & (block == np.floor(block)))  # NaN too
        if wrong.any():
            unit, value = np.argwhere(wrong)[0]
            raise DataError(
                f"{block[unit, value]} is no count of ratings",
                unit=int(start + unit),
                value=int(value),
                mend="Give whole numbers of 0 or more.",
            )
    known = tuple(range(table.shape[1])) if values is None else tuple(values)
    if len(known) != table.shape[1]:
        raise DataError(f"{len(known)} values are named for {table.shape[1]} columns", mend="Name each column once.")
    _check_number(len(known), MAX_VALUES)
    return RatingCounts(table, known)


def _table(rows: Any) -> np.ndarray:
    """A two-dimensional array, None where a row is shorter than the longest."""
    if isinstance(rows, np.ndarray) and rows.dtype != object:
        table = rows
    else:
        rows = [row if isinstance(row, list | tuple | np.ndarray) else [row] for row in rows]
        width = max(map(len, rows), default=0)
        table = np.full((len(rows), width), None, dtype=object)
        for unit, row in enumerate(rows):  # rows may be of any length: numpy has no faster way
            table[unit, : len(row)] = row
    if table.ndim != 2:
        raise DataError(f"Ratings have shape {table.shape}", mend="Give (units, annotators).")
    return table


def _encode(
    table: np.ndarray, values: Sequence[Any] | None, limit: int | None = MAX_VALUES
) -> tuple[tuple[Any, ...], np.ndarray]:
    """The values, and for each entry the index of its value, −1 where it is missing."""
    if table.dtype.kind == "b":
        table = table.astype(np.uint8)
    if table.dtype.kind in "iuf":
        return _encode_numbers(table, values, limit)
    if table.dtype.kind == "O":
        given = {v for v in table.flat if v is not None and v == v}
        if given and all(isinstance(v, int | float | np.number) for v in given):
            return _encode_numbers(np.where(table == None, np.nan, table).astype(float), values, limit)  # noqa: E711
    else:
        given = set(np.unique(table).tolist())
    if values is None:
        _check_number(len(given), limit)
    known = tuple(sorted(given, key=str) if values is None else values)
    index = {value: code for code, value in enumerate(known)} | {None: -1}
    try:
        codes = [-1 if v != v else index[v] for v in table.flat]
    except KeyError as error:
        raise _unknown(error.args[0], known) from None
    return known, np.array(codes, dtype=_kind(len(known))).reshape(table.shape)


def _encode_numbers(
    table: np.ndarray, values: Sequence[Any] | None, limit: int | None
) -> tuple[tuple[Any, ...], np.ndarray]:
    """As `_encode`, in blocks of rows, so that the table is never copied."""
    size = max(1, _BLOCK // table.shape[1])
    blocks = [table[start : start + size] for start in range(0, len(table), size)]
    if values is None:
        found: np.ndarray = np.empty(0, table.dtype)
        for block in blocks:
            new = _distinct(block)
            if not np.isin(new, found).all():
                found = np.union1d(found, new)
                _check_number(len(found), limit)
    else:
        found = np.asarray(values)
    codes = np.empty(table.shape, dtype=_kind(len(found)))
    if values is None and _are_small_whole(found):  # all ratings are among them: a look-up is several times faster
        code_of = np.full(int(found[-1]) + 2, -1, codes.dtype)  # the last entry, −1, is for a missing rating
        code_of[found.astype(np.intp)] = np.arange(len(found))
        for block, out in zip(blocks, np.split(codes, range(size, len(table), size)), strict=True):
            given = np.fmax(block, -1) if block.dtype.kind == "f" else block
            np.take(code_of, given.astype(np.int16), out=out, mode="wrap")
        return tuple(found.tolist()), codes
    order = np.argsort(found)
    for block, out in zip(blocks, np.split(codes, range(size, len(table), size)), strict=True):
        place = np.minimum(np.searchsorted(found, block, sorter=order), max(0, len(found) - 1))
        out[:] = order[place] if len(found) else -1
        missing = np.isnan(block) if block.dtype.kind == "f" else np.zeros(block.shape, bool)
        out[missing] = -1
        if values is not None and (wrong := (found[order[place]] != block) & ~missing).any():
            raise _unknown(block[wrong][0], tuple(found.tolist()))
    return tuple(found.tolist()), codes


def _distinct(block: np.ndarray) -> np.ndarray:
    """The different numbers of a block, sorted, NaN left out."""
    if block.dtype.kind == "f":
        values = np.unique(block)
        return values[~np.isnan(values)]
    low, high = int(block.min()), int(block.max())
    if high - low > 1_000_000:
        return np.unique(block)
    return np.flatnonzero(np.bincount((block - low).ravel().astype(np.intp))).astype(block.dtype) + block.dtype.type(
        low
    )


def _are_small_whole(values: np.ndarray) -> bool:
    """Whether the numbers, which are sorted, are whole and from 0 to 10,000."""
    return bool(len(values) and values[0] >= 0 and values[-1] <= 10_000 and (values == np.floor(values)).all())


def _kind(values: int) -> Any:
    """The smallest signed integers that hold the codes, as ratings are many."""
    return next(kind for kind in (np.int8, np.int16, np.int32) if values <= np.iinfo(kind).max)


def _unknown(value: Any, known: tuple[Any, ...]) -> DataError:
    some = ", ".join(map(repr, known[:10])) + (", …" if len(known) > 10 else "")
    return DataError(f"The rating {value!r} is none of the values {some}", mend="Correct it, or name it in `values`.")


def _check_number(values: int, limit: int | None) -> None:
    if limit is not None and values > limit:
        raise DataError(
            f"There are more than {limit} different values",
            mend="Round the ratings to what an annotator can tell apart, e.g. to a hundredth of the scale.",
        )


def _check_annotators(codes: np.ndarray, people: np.ndarray, names: tuple[Any, ...]) -> None:
    given = codes >= 0
    if (unnamed := given & (people < 0)).any():
        raise DataError(
            "A rating has no annotator", unit=int(np.argwhere(unnamed)[0][0]), mend="Name who gave it, or drop it."
        )
    ordered = np.sort(np.where(given, people, -1), axis=1)
    twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)
    if twice.any():
        unit, place = np.argwhere(twice)[0]
        raise DataError(
            "An annotator rated a unit twice",
            unit=int(unit),
            annotator=names[ordered[unit, place]],
            mend="Keep one of the two: agreement with oneself is no agreement.",
        )
