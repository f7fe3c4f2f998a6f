"""What a `Diff` says beside its tables, as lines of plain text that the terminal and the page both show.

Names and ids come from data: `visible` shows what hides in them; who puts the lines into markup escapes them.
"""

from __future__ import annotations

from collections.abc import Iterator

from hf_mbdc.revisions.diff.diff import ColumnDiff, Diff, Move, SchemaDiff
from hf_mbdc.revisions.escape import visible

NAME = 40  # characters of a name or an id
TYPE = 200
SHOWN_IDS = 5
MOST_FIELDS = 8


def leak_lines(diff: Diff) -> Iterator[str]:
    """A line for each way on which rows crossed between training and evaluation."""
    for moves, verb in ((diff.moved, "moved"), (diff.copied, "copied")):
        for move in moves:
            if move.leaks:
                into = "into evaluation" if move.into_evaluation else "into training"
                yield f"LEAK {into}: {_move(move, verb)} ({_ids(move.ids, move.rows)})"


def move_lines(diff: Diff) -> Iterator[str]:
    """A line for each pair of splits between which rows moved, and for each split in another order."""
    for move in diff.moved:
        yield f"moved: {_move(move)}"
    for move in diff.copied:
        yield f"copied: {_move(move)}, where they stay"
    for name, split in diff.splits.items():
        if split.reordered:
            yield f"order: the rows of {visible(name, NAME)} stand in another order, which counts as no change"


def _move(move: Move, verb: str = "") -> str:
    rows = "1 row" if move.rows == 1 else f"{move.rows:,} rows"
    return f"{rows}{f' {verb}' if verb else ''} from {visible(move.before, NAME)} to {visible(move.after, NAME)}"


def _ids(ids: tuple[str, ...], rows: int) -> str:
    shown = [visible(key, NAME) for key in ids[:SHOWN_IDS]]
    rest = rows - len(shown)
    return ", ".join(shown) + (f" and {rest:,} more" if rest > 0 else "")


def duplicate_lines(diff: Diff) -> Iterator[str]:
    """A line for each split in which a key is there more than once."""
    for name, split in diff.splits.items():
        found = split.duplicates
        if found.before or found.after:
            rows = "row repeats" if found.after == 1 else "rows repeat"
            yield (
                f"DUPLICATES: {found.after:,} {rows} a key in {visible(name, NAME)} (before: {found.before:,}), "
                f"for example {', '.join(visible(key, NAME) for key in found.ids[:SHOWN_IDS])}; paired in their order"
            )


def schema_lines(schema: SchemaDiff) -> Iterator[str]:
    """A line for each column that came, went or got another type."""
    for name, kind in schema.added.items():
        yield f"column added: {visible(name, NAME)} ({visible(kind, TYPE)})"
    for name, kind in schema.removed.items():
        yield f"column removed: {visible(name, NAME)} ({visible(kind, TYPE)})"
    for name, (before, after) in schema.retyped.items():
        yield f"column retyped: {visible(name, NAME)} ({visible(before, TYPE)} → {visible(after, TYPE)})"


def column_facts(change: ColumnDiff) -> Iterator[str]:
    """How the cells of a column changed, a phrase for each thing that is known."""
    if change.text:
        edits = change.text
        whole = change.changed - change.to_null - change.from_null
        of = "" if edits.sampled == whole else f" (of {edits.sampled:,} looked at)"
        least = f" on average, {edits.lowest:.2f} at least{of}" if edits.sampled > 1 else ""
        yield f"similarity {edits.similarity:.2f}{least}"
        for number, what in ((edits.only_case, "case"), (edits.only_space, "white space")):
            if number:
                yield f"{number:,} of them only in {what}"
    if change.shift:
        found = change.shift
        spread = f", from {_signed(found.lowest)} to {_signed(found.highest)}"
        more = f" on average, median {_signed(found.median)}{spread}" if found.lowest < found.highest else ""
        yield f"shift {_signed(found.mean)}{more}"
    if change.lists:
        yield from _list_facts(change)
    if change.fields:
        named = [f"{visible(name, NAME)} {count:,}" for name, count in list(change.fields.items())[:MOST_FIELDS]]
        rest = len(change.fields) - len(named)
        yield f"fields: {', '.join(named)}{f' and {rest:,} more' if rest > 0 else ''}"
    for number, what in (
        (change.to_null, "became null"),
        (change.from_null, "were null"),
        (change.to_nan, "became NaN"),
        (change.from_nan, "were NaN"),
    ):
        if number:
            yield f"{number:,} {what}"


def _list_facts(change: ColumnDiff) -> Iterator[str]:
    found = change.lists
    assert found is not None
    whole = change.changed - change.to_null - change.from_null
    of = "" if found.sampled == whole else f", of {found.sampled:,} looked at"
    yield f"elements +{found.elements_added:,} −{found.elements_removed:,}{of}"
    lengths = [(found.longer, "longer"), (found.shorter, "shorter"), (found.reordered, "only in another order")]
    if told := [f"{number:,} {what}" for number, what in lengths if number]:
        yield ", ".join(told)


def label_fact(change: ColumnDiff, most: int = 3) -> str:
    """The most frequent old → new pairs in a line."""
    named = [f"{_label(label.before)} → {_label(label.after)} {label.rows:,}" for label in change.labels[:most]]
    rest = len(change.labels) - len(named)
    return ", ".join(named) + (f" and {rest:,} more pairs" if rest > 0 else "")


def _label(value: str | None) -> str:
    return "null" if value is None else visible(value, NAME)


def _signed(number: float) -> str:
    return f"{number:+,.4g}".replace("-", "−")
