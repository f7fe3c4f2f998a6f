"""`blame`: the history of one row: which version added, changed, moved or removed it, which cells, and by what.

A row is an Arrow table of one row, with media as bytes and the features in its schema.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hf_mbdc.errors import DataError
from hf_mbdc.records import Iteration

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, DatasetDict

    from hf_mbdc.revisions.repositories.repository import Repository


@dataclass(frozen=True)
class Event:
    """What one version did to a row. Cells are text, cut to 200 characters; `columns`: name → (before, after).

    `by`: the method that the row names (`mbdc_source`), else the steps of the version, else "by hand"; `model` is the
    row's own, or the steps'.
    """

    version: str
    sha: str
    created_at: str
    message: str
    kind: Literal["added", "changed", "moved", "removed"]
    split: str
    moved_from: str | None = None
    columns: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    by: str = "by hand"
    model: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return dataclasses.asdict(self)


def blame(
    repo_id: str,
    id: str,
    *,
    revision: str = "main",
    split: str | None = None,
    repository: str | Path | Repository | None = None,
) -> list[Event]:
    """The history of the row with this id, oldest first, up to a revision.

    Args:
        repo_id: `namespace/name`.
        id: the row's id.
        revision: the version, branch or commit whose history is read.
        split: only what happened in this split; default: in all.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.

    Raises:
        DataError: no version has such a row; the error names the nearest ids.
        RevisionNotFoundError: no such revision, or one that was not published by this package.

    Example:
        >>> [(event.version, event.kind) for event in blame("me/receipts", "a", repository="./repo")]  # doctest: +SKIP
        [('v1.0.0', 'added'), ('v2.0.0', 'changed')]
    """
    from hf_mbdc.publishing.history import find_revision, read_manifest
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    newest = read_manifest(repo_id, find_revision(repo_id, revision, opened), opened)
    history = list(ancestors(newest, opened))[::-1]
    events: list[Event] = []
    before: Mapping[str, pa.Table] = {}
    hashes: dict[str, str] = {}
    for record in history:
        now = {name: said.content_hash for name, said in record.splits.items()}
        if now == hashes:
            continue
        after = _find_rows(repo_id, record, id, before, hashes, opened)
        events += _events(record, before, after)
        before, hashes = after, now
    events = [event for event in events if split in (None, event.split, event.moved_from)]
    if not events:
        raise _unknown(repo_id, id, split, newest, opened)
    return events


def ancestors(record: Iteration, repository: Repository) -> Iterator[Iteration]:
    """A record and those before it, newest first; commits that others made in between are passed over."""
    from hf_mbdc.publishing.history import versions

    known = versions(record.repo_id, repository)
    yield record
    parent = record.parent.version if record.parent else None
    places = [place for place, item in enumerate(known) if item.version == parent]
    if places:
        yield from known[places[0] :]


def _find_rows(
    repo_id: str,
    record: Iteration,
    id: str,
    before: Mapping[str, pa.Table],
    hashes: Mapping[str, str],
    repository: Repository,
) -> dict[str, pa.Table]:
    """The row in each split that has it; splits that are as they were are not searched again."""
    from hf_mbdc.revisions.card import wording

    splits: DatasetDict | None = None
    found: dict[str, pa.Table] = {}
    for name in wording.in_order(record.splits):
        said = record.splits[name]
        if hashes.get(name) == said.content_hash:
            row = before.get(name)
        else:
            splits = splits if splits is not None else _read(repo_id, record, repository)
            row = _find_row(splits[name], id) if name in splits else None
        if row is not None:
            found[name] = row
    return found


def _read(repo_id: str, record: Iteration, repository: Repository) -> DatasetDict:
    from hf_mbdc.revisions.files.layout import read_files

    return read_files(repository.snapshot(repo_id, str(record.sha)))


def _find_row(rows: Dataset, id: str) -> pa.Table | None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from hf_mbdc.revisions.rows import Rows, embed

    if "id" not in rows.column_names:
        return None
    ids = rows.data.table["id"]
    place = pc.index(ids, pa.scalar(id, ids.type)).as_py()
    if place < 0:
        return None
    reader = Rows(rows)
    row = embed(reader.read(np.array([place])), reader.features, paths=False)
    return row.replace_schema_metadata(reader.features.arrow_schema.metadata)


def _events(record: Iteration, before: Mapping[str, pa.Table], after: Mapping[str, pa.Table]) -> Iterator[Event]:
    gone = {name: row for name, row in before.items() if name not in after}
    for name, row in after.items():
        if name in before:
            if columns := _changed_cells(before[name], row):
                yield _event(record, "changed", name, row, columns)
        elif gone:
            source = next(iter(gone))
            yield _event(record, "moved", name, row, _changed_cells(gone.pop(source), row), source)
        else:
            yield _event(record, "added", name, row)
    for name in gone:
        yield _event(record, "removed", name, None)


def _event(
    record: Iteration,
    kind: Literal["added", "changed", "moved", "removed"],
    split: str,
    row: pa.Table | None,
    columns: dict[str, tuple[str | None, str | None]] | None = None,
    moved_from: str | None = None,
) -> Event:
    made = _cell(row, "mbdc_source") if _cell(row, "mbdc_iteration") == record.version else None
    models = [step.model for step in record.steps if step.model]
    return Event(
        version=record.version,
        sha=str(record.sha),
        created_at=record.created_at,
        message=record.message,
        kind=kind,
        split=split,
        moved_from=moved_from,
        columns=columns or {},
        by=made or ", ".join(step.name for step in record.steps) or "by hand",
        model=_cell(row, "mbdc_model") if made else ", ".join(models) or None,
    )


def _cell(row: pa.Table | None, column: str) -> str | None:
    if row is None or column not in row.column_names:
        return None
    value = row[column][0].as_py()
    return None if value is None else str(value)


def _changed_cells(before: pa.Table, after: pa.Table) -> dict[str, tuple[str | None, str | None]]:
    import pyarrow as pa
    from datasets import Features

    from hf_mbdc.revisions.cells import cell_text, differs
    from hf_mbdc.revisions.rows import contiguous
    from hf_mbdc.revisions.shorten import text_pair

    features, features_after = (Features.from_arrow_schema(row.schema) for row in (before, after))
    changed = {}
    for name in dict.fromkeys((*after.column_names, *before.column_names)):
        left, right = (contiguous(row[name]) if name in row.column_names else pa.nulls(1) for row in (before, after))
        if left.null_count and right.null_count:  # a column that came or went without a value here
            continue
        if left.null_count or right.null_count or differs(left, right)[0]:
            cells = cell_text(left[0], features.get(name)), cell_text(right[0], features_after.get(name))
            changed[name] = text_pair(*cells)
    return changed


def _unknown(repo_id: str, id: str, split: str | None, newest: Iteration, repository: Repository) -> DataError:
    from rapidfuzz import process

    splits = _read(repo_id, newest, repository)
    if split is not None and split not in splits:
        mend = f"It has: {', '.join(splits)}."
        return DataError("There never was such a split with this row", split=split, id=id[:200], mend=mend)
    ids = [key for name, rows in splits.items() if split in (None, name) for key in rows.with_format(None)["id"][:]]
    near = [f"{match[0][:80]!r}" for match in process.extract(id, ids, limit=3)]
    return DataError(
        "No version has a row with this id", id=id[:200], split=split, mend=f"Near are: {', '.join(near)}."
    )
