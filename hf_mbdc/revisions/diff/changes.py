"""The changes of a diff as a `Dataset`: a row for every changed cell, and one for every row that came or went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
from datasets import ClassLabel, Dataset

from hf_mbdc.revisions.cells import as_text, cell_text, kind_of, texts_of
from hf_mbdc.revisions.diff.parquet_rows import Side
from hf_mbdc.revisions.diff.rows import RowChanges
from hf_mbdc.revisions.rows import contiguous, embed

BLOCK = 10_000  # rows turned into text at once
SCHEMA = pa.schema([(name, pa.large_string()) for name in ("split", "id", "column", "kind", "before", "after")])


def changes(splits: Mapping[str, RowChanges]) -> Dataset:
    """By split: removed rows, changed cells by row and column, added rows."""
    tables = [table for name, found in splits.items() for table in _tables(name, found)]
    return Dataset(pa.concat_tables([SCHEMA.empty_table(), *tables]))


def _tables(split: str, found: RowChanges) -> Iterator[pa.Table]:
    for rows in _blocks(found.removed):
        yield _table(split, found.ids(rows, old=True), None, "removed", before=_whole(found.old, rows))
    for name, part in found.tallies.items():
        features = found.old.features[name], found.new.features[name]
        for rows in _blocks(np.concatenate(part.rows)):
            pair = zip(found.cells(name, rows), features, strict=True)
            before, after = (_texts(cells, feature) for cells, feature in pair)
            yield _table(split, found.ids(rows), name, kind_of(features[1]), before, after)
    for rows in _blocks(found.added):
        yield _table(split, found.ids(rows), None, "added", after=_whole(found.new, rows))


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + BLOCK] for start in range(0, len(rows), BLOCK))


def _table(
    split: str, ids: pa.Array, column: str | None, kind: str, before: pa.Array = None, after: pa.Array = None
) -> pa.Table:
    size, text = len(ids), pa.large_string()
    nulls = pa.nulls(size, text)
    columns = [
        pa.repeat(pa.scalar(split, text), size),
        ids,
        pa.repeat(pa.scalar(column, text), size),
        pa.repeat(pa.scalar(kind, text), size),
        nulls if before is None else before,
        nulls if after is None else after,
    ]
    return pa.Table.from_arrays(columns, schema=SCHEMA)


def _texts(cells: pa.Array, feature: object) -> pa.Array:
    if isinstance(feature, ClassLabel) or not _is_plain(cells.type):
        return pa.array([cell_text(cell, feature) for cell in cells], pa.large_string())
    texts = cells.cast(pa.large_string())
    try:
        texts.validate(full=True)
    except pa.ArrowInvalid:  # a file may hold a string that is no valid UTF-8
        return pa.array(texts_of(texts), pa.large_string())
    return texts


def _is_plain(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)


def _whole(side: Side, rows: np.ndarray) -> pa.Array:
    """Each row as a JSON object of its cells."""
    table = embed(side.read(rows), side.features, paths=False)
    columns = [[as_text(cell) for cell in contiguous(column)] for column in table.columns]
    names = list(side.features)
    is_json = [kind_of(side.features[name]) != "text" for name in names]
    texts = []
    for cells in zip(*columns, strict=True):
        parts = (
            f"{json.dumps(name, ensure_ascii=False)}: {_json(cell, plain)}"
            for name, cell, plain in zip(names, cells, is_json, strict=True)
        )
        texts.append("{" + ", ".join(parts) + "}")
    return pa.array(texts, pa.large_string())


def _json(cell: str | None, is_json: bool) -> str:
    if cell is None:
        return "null"
    return cell if is_json and _parses(cell) else json.dumps(cell, ensure_ascii=False)


def _parses(cell: str) -> bool:
    """Whether a cell of a nested column is JSON; media are described in words."""
    try:
        json.loads(cell)
    except ValueError:
        return False
    return True
