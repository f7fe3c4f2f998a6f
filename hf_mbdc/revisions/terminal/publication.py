"""What a publication did, or would do, as a rich table for the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.text import Text

from hf_mbdc.revisions.card.wording import plural
from hf_mbdc.revisions.terminal.iterations import diff_table

if TYPE_CHECKING:
    from hf_mbdc.records import Iteration


def publication_table(record: Iteration, *, dry_run: bool = False) -> RenderableType:
    """The change, the version, and what the data files cost and hold.

    Args:
        record: what `publish` gave.
        dry_run: nothing was to be published; a record with a `sha` is then that of a version which holds the rows.
    """
    if dry_run and record.sha is not None:
        return Text(f"Nothing to publish: {record.repo_id} {record.version} holds these rows already. New bytes: 0")
    parent = record.parent.version if record.parent else "nothing"
    changes = [diff_table(record.diff, parent, record.version), Text()] if record.diff else []
    return Group(*changes, Text("\n".join(_lines(record, parent))))


def _lines(record: Iteration, parent: str) -> list[str]:
    rows = ", ".join(f"{name} {split.rows:,}" for name, split in record.splits.items())
    if record.sha is None:
        head = f"Would publish {record.repo_id} {record.version} (onto {parent}): {rows} rows"
        size = f"New bytes: {record.cost.bytes:,} (nothing was sent)"
    else:
        head = f"{record.repo_id} {record.version} (onto {parent}): {rows} rows"
        size = f"Size of new data files: {record.cost.bytes:,} bytes"
    return [head, size, *_left(record)]


def _left(record: Iteration) -> list[str]:
    """What the files hold beside the rows."""
    dead, unused = record.layout.get("dead_rows", 0), record.layout.get("unused_values", 0)
    found = [plural(dead, "dead row") if dead else "", f"{plural(unused, 'text')} that no row uses" if unused else ""]
    held = " and ".join(filter(None, found))
    return [f"The files still hold {held}; hf-mbdc compact removes them."] if held else []
