"""What a leak check found: counts and pairs for every split, column and kind, and whether they block a candidate."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["exact", "near-duplicate", "n-grams"]
WHOLE_ROW = "whole row"
EXAMPLES = 3  # pairs of each count that a record keeps


@dataclass(frozen=True)
class LeakPair:
    """A train row and an evaluation row that it gives away, with the similarity that its kind of leak measures."""

    train_id: str
    evaluation_id: str
    similarity: float


@dataclass(frozen=True)
class LeakCount:
    """What was found in one column of one split by one kind of comparison.

    Args:
        brought: whether the train rows are of the candidate; else the parent had them, too.
        evaluation_rows, train_rows: how many rows are in a pair. Rows with equal texts all count.
        pairs: the most similar ones, one for each pair of texts.
    """

    split: str
    kind: Kind
    column: str
    brought: bool
    evaluation_rows: int
    train_rows: int
    pairs: tuple[LeakPair, ...]


@dataclass(frozen=True)
class LeakReport:
    """What `find_leaks` found; `str()` is a table."""

    columns: tuple[str, ...]
    train_rows: int
    brought_rows: int
    evaluation_rows: dict[str, int]
    counts: tuple[LeakCount, ...]

    @property
    def brought(self) -> tuple[LeakCount, ...]:
        """The leaks that the candidate brings."""
        return tuple(count for count in self.counts if count.brought)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the record of an iteration, with a few pairs of each count."""
        short = (dataclasses.replace(count, pairs=count.pairs[:EXAMPLES]) for count in self.counts)
        counts = [{**dataclasses.asdict(count), "pairs": list(map(dataclasses.asdict, count.pairs))} for count in short]
        return {**dataclasses.asdict(self), "columns": list(self.columns), "counts": counts}

    def __str__(self) -> str:
        splits = ", ".join(f"{name} ({rows:,} rows)" for name, rows in self.evaluation_rows.items())
        title = f"{self.train_rows:,} train rows, {self.brought_rows:,} of them new, against {splits}"
        compared = f"compared: {', '.join(self.columns)}"
        if not self.counts:
            return f"{title}; {compared}\nno leaks"
        lines = [("split", "kind", "column", "train rows are", "evaluation rows", "train rows", "an example")]
        for count in self.counts:
            first = count.pairs[0]
            example = f"{first.train_id} → {first.evaluation_id} ({first.similarity:.2f})"
            told = (count.split, count.kind, count.column, "new" if count.brought else "the parent's")
            lines.append((*told, f"{count.evaluation_rows:,}", f"{count.train_rows:,}", example))
        widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
        table = ["  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in lines]
        return "\n".join([f"{title}; {compared}", *table])


def leak_reason(report: LeakReport) -> str | None:
    """Why a candidate cannot be accepted: the leaks that it brings, in words; None where it brings none.

    Example:
        >>> count = LeakCount("test", "exact", "context", True, 4, 2, (LeakPair("a", "b", 1.0),))
        >>> report = LeakReport(("context",), 90, 9, {"test": 40}, (count,))
        >>> print(leak_reason(report))  # doctest: +NORMALIZE_WHITESPACE
        The candidate brings evaluation rows into train: 4 of 40 test rows by 2 train rows (exact, context; such as a →
        b). What it scores on them is no evidence.
    """
    found = [
        f"{count.evaluation_rows:,} of {report.evaluation_rows[count.split]:,} {count.split} rows by "
        f"{count.train_rows:,} train rows ({count.kind}, {count.column}; such as {count.pairs[0].train_id} → "
        f"{count.pairs[0].evaluation_id})"
        for count in report.brought
    ]
    if not found:
        return None
    return (
        f"The candidate brings evaluation rows into train: {'; '.join(found)}. What it scores on them is no evidence."
    )
