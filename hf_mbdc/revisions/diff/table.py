"""A `Diff` as rich tables, and the same as plain text.

Names, ids and examples come from data: they are shown as literal text, with what is not printable escaped.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from hf_mbdc.revisions.diff.words import (
    column_facts,
    duplicate_lines,
    label_fact,
    leak_lines,
    move_lines,
    schema_lines,
)
from hf_mbdc.revisions.shorten import text_pair

if TYPE_CHECKING:
    from hf_mbdc.revisions.diff.diff import ColumnDiff, Diff

WIDTH = 120
SHOWN_CELL = 40  # characters of an id or a cell inside a table


def diff_table(diff: Diff) -> RenderableType:
    """Rows by split, changed cells by column, and a line for each schema change, move, reason and reordering."""
    loud = [Text(line, style="bold red") for line in (*leak_lines(diff), *duplicate_lines(diff))]
    parts: list[RenderableType] = [*loud, *([Text()] if loud else [])]
    parts += [_splits(diff)] if diff.splits else []
    if any(split.columns for split in diff.splits.values()):
        parts += [Text(), _columns(diff)]
    notes = list(_notes(diff))
    if diff.is_empty:
        notes.insert(0, "No changes.")
    return Group(*parts, *([Text()] if parts and notes else []), *map(Text, notes))


def diff_text(diff: Diff) -> str:
    """`diff_table` as plain text, `WIDTH` characters wide whatever the terminal."""
    console = Console(file=io.StringIO(), width=WIDTH, color_system=None, legacy_windows=False, _environ={})
    with console.capture() as capture:
        console.print(diff_table(diff))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def printable(text: str, limit: int = SHOWN_CELL) -> str:
    """The text in one line, with control characters escaped, and cut to `limit` characters.

    Example:
        >>> printable("two\\nlines")
        'two\\\\nlines'
    """
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return escaped if len(escaped) <= limit else f"{escaped[: limit - 1]}…"


def _splits(diff: Diff) -> Table:
    table = _table("split", *("before", "after", "added", "removed", "changed"))
    for name, split in diff.splits.items():
        mark = {"kept": "", "added": " (new split)", "removed": " (split removed)"}[split.status]
        counts = (split.rows_before, split.rows_after, split.added, split.removed, split.changed)
        table.add_row(Text(printable(name) + mark), *(f"{count:,}" for count in counts))
    return table


def _columns(diff: Diff) -> Table:
    table = _table("split", "changed cells")
    for title in ("column", "kind", "how", "for example"):
        table.add_column(title, overflow="fold")
    for name, split in diff.splits.items():
        for column, change in split.columns.items():
            texts = (printable(column), change.kind, _how(change), _example(change))
            table.add_row(Text(printable(name)), f"{change.changed:,}", *map(Text, texts))
    return table


def _table(first: str, *counts: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(first, overflow="fold")
    for title in counts:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _how(change: ColumnDiff) -> str:
    labels = [label_fact(change)] if change.labels else []
    return "; ".join([*labels, *column_facts(change)])


def _example(change: ColumnDiff) -> str:
    if not change.examples:
        return ""
    example = change.examples[0]
    before, after = text_pair(example.before, example.after, SHOWN_CELL)
    return f"{printable(example.id)}: {_cell(before)} → {_cell(after)}"


def _cell(value: str | None) -> str:
    return "null" if value is None else printable(value)


def _notes(diff: Diff) -> Iterator[str]:
    yield from schema_lines(diff.schema)
    yield from move_lines(diff)
    for name, split in diff.splits.items():
        if split.reasons:
            counts = ", ".join(f"{printable(reason)} {count:,}" for reason, count in split.reasons.items())
            yield f"reasons in {printable(name)}: {counts}"
