"""Conditions on one column, in words and as masks of rows: what error trees split by and slices are named with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

MOST_VALUES = 32  # of a column of texts: the most frequent ones are tried
MOST_THRESHOLDS = 7  # of a column of numbers
Operator = Literal["=", "≠", ">", "≤", "missing", "there"]


@dataclass(frozen=True)
class Condition:
    """`column operator value`. A missing value is `≠` every text; it is `≤` a number where `or_missing` says so.

    Example:
        >>> str(Condition("n_occurrences", ">", 3.0)), str(Condition("page", "≤", 2.5, or_missing=True))
        ('n_occurrences > 3', 'page ≤ 2.5 or missing')
    """

    column: str
    operator: Operator
    value: str | float | None = None
    or_missing: bool = False

    def __str__(self) -> str:
        if self.operator in ("missing", "there"):
            return f"{self.column} is {self.operator}"
        value = f"{self.value:.4g}" if isinstance(self.value, float) else self.value
        return f"{self.column} {self.operator} {value}{' or missing' if self.or_missing else ''}"


@dataclass(frozen=True)
class Column:
    """A column as numbers, read once.

    Args:
        name: of the column.
        values: (rows,) numbers, NaN = missing; of a column of texts the place in `texts`.
        texts: the different texts, sorted; empty for a column of numbers.
    """

    name: str
    values: np.ndarray
    texts: tuple[str, ...] = ()

    def take(self, rows: np.ndarray) -> Column:
        """The same column of some rows."""
        return replace(self, values=self.values[rows])

    def mask(self, condition: Condition) -> np.ndarray:
        """(rows,) which rows meet a condition."""
        missing = np.isnan(self.values)
        if condition.operator in ("missing", "there"):
            return missing if condition.operator == "missing" else ~missing
        if condition.operator in ("=", "≠"):
            equal = self.values == self.texts.index(str(condition.value))
            return equal if condition.operator == "=" else ~equal
        above = self.values > float(condition.value or 0.0)
        return above if condition.operator == ">" else ~above & (~missing | condition.or_missing)

    def splits(self) -> list[tuple[Condition, Condition]]:
        """The ways to part the rows in two by this column that are worth a try."""
        missing = np.isnan(self.values)
        pairs = [(Condition(self.name, "missing"), Condition(self.name, "there"))] if missing.any() else []
        found, counts = np.unique(self.values[~missing], return_counts=True)
        if self.texts:
            often = found[np.argsort(-counts, kind="stable")[:MOST_VALUES]]
            names = [self.texts[int(code)] for code in often]
            if len(names) == 2 and not missing.any():
                return [(Condition(self.name, "=", names[0]), Condition(self.name, "=", names[1]))]
            return pairs + [(Condition(self.name, "=", text), Condition(self.name, "≠", text)) for text in names]
        borders = found[:-1]
        if len(borders) > MOST_THRESHOLDS:
            shares = np.arange(1, MOST_THRESHOLDS + 1) / (MOST_THRESHOLDS + 1)
            borders = np.unique(np.quantile(self.values[~missing], shares, method="lower"))
        return pairs + [
            (Condition(self.name, ">", border), Condition(self.name, "≤", border, bool(missing.any())))
            for border in borders.tolist()
        ]


def read_column(name: str, values: Sequence[Any] | np.ndarray) -> Column:
    """Numbers stay numbers; everything else is a text. None and NaN are missing.

    Example:
        >>> read_column("page", [2, None, 1]).values.tolist(), read_column("signed", [True, None]).texts
        ([2.0, nan, 1.0], ('True',))
    """
    array = np.asarray(values)
    if array.dtype.kind in "iuf":
        return Column(name, array.astype(float))
    if array.dtype.kind == "U":
        names, places = np.unique(array, return_inverse=True)
        return Column(name, places.astype(float), tuple(names.tolist()))
    missing = np.array([value is None or value != value for value in values], dtype=bool)  # only objects can tell
    there = [value for value, absent in zip(values, missing, strict=True) if not absent]
    numbers = np.full(len(missing), np.nan)
    if there and all(isinstance(value, int | float) and not isinstance(value, bool) for value in there):
        numbers[~missing] = there
        return Column(name, numbers)
    texts, codes = np.unique(np.array(there, dtype=str), return_inverse=True)
    numbers[~missing] = codes
    return Column(name, numbers, tuple(texts.tolist()))


def in_words(conditions: Sequence[Condition]) -> str:
    """The name of the rows that meet all conditions; what another condition says already is left out.

    Example:
        >>> in_words([Condition("key", "≠", "date"), Condition("key", "=", "total"), Condition("n", ">", 1.0),
        ...           Condition("n", ">", 3.0)])
        'key = total and n > 3'
    """
    return " and ".join(map(str, needed(conditions))) or "all rows"


def needed(conditions: Sequence[Condition]) -> tuple[Condition, ...]:
    """Those that no other one of them implies."""
    return tuple(c for c in conditions if not any(_implies(other, c) for other in conditions if other is not c))


def _implies(one: Condition, other: Condition) -> bool:
    if one.column != other.column or one == other:
        return False
    if one.operator == "=":
        return True  # all conditions of a slice hold together, so this one says it all
    if one.operator == ">" and other.operator == ">":
        return float(one.value or 0) > float(other.value or 0)
    if one.operator == "≤" and other.operator == "≤":
        return float(one.value or 0) < float(other.value or 0) and (other.or_missing or not one.or_missing)
    return other.operator == "there" and (one.operator == ">" or (one.operator == "≤" and not one.or_missing))
