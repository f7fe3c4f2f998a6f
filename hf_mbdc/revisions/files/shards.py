"""Writes the files of one split: anew, or in the places that its rows have in the parent revision.

The rows are always read back in exactly the order in which they were published. As long as rows that the parent has
keep their order, each stays in its file and row group, rows that came in at the end become a shard of their own (a
delta shard), and rows that came in between join the group before them. Rows in quite another order are written anew.

What becomes of rows and texts that go (`deletes`): `hard`: the new files do not hold them. `lazy`: no reader sees them,
but text may stay in the dictionaries of `chunks.py`. `live`: the rows of the parent's files are never changed; one that
was removed or edited only gets false in the column `mbdc_live`, and its new version comes in at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from hf_mbdc.revisions.files.chunks import ChunkWriter, Group, open_writer, text_columns
from hf_mbdc.revisions.files.layout import LIVE, Deletes
from hf_mbdc.revisions.files.parent import (
    DELTA,
    KEY,
    Shard,
    group_ends,
    live_flags,
    place,
    positions,
    read_column,
    read_keys,
    read_shards,
    rising,
)
from hf_mbdc.revisions.rows import Rows, contiguous, embed, value_bytes

if TYPE_CHECKING:
    from datasets import Dataset, Features

GROUP_ROWS = 200_000  # many, because every group of every column has two borders at which a store's chunks are cut anew
GROUP_BYTES = 48_000_000  # a reader holds a row group at once
MEDIA_GROUP_ROWS = 100  # rows with images, whose size is not known before they are read
SAMPLE_ROWS = 10_000  # from which the size of a row is taken
SHARD_BYTES = 500_000_000  # a file that has grown to this size is followed by another one
MAX_DELTAS = 32  # more delta shards become one

Written = tuple[dict[str, Path], int]  # path in the revision → file, and how many of the rows these files hold


@dataclass(frozen=True)
class Target:
    """Where a split goes. `stem` is its path in the revision without number and ending, such as `data/train`."""

    folder: Path
    stem: str
    features: Features
    deletes: Deletes

    @property
    def name(self) -> str:
        """Of the split, as its files begin with it."""
        return self.stem.rpartition("/")[2]

    @property
    def schema(self) -> pa.Schema:
        """As it is stored."""
        schema = self.features.arrow_schema
        return schema.append(pa.field(LIVE, pa.bool_())) if self.deletes == "live" else schema

    @property
    def texts(self) -> list[str]:
        """The columns whose dictionaries go on from revision to revision."""
        return text_columns(self.features) if self.deletes == "lazy" else []

    def path(self, name: str) -> Path:
        """Where a file of this name is written."""
        return self.folder / self.inside(name)

    def open(self, name: str) -> AbstractContextManager[ChunkWriter]:
        """A writer of a new file."""
        return open_writer(self.path(name), self.schema, self.texts, self.deletes)

    def inside(self, name: str) -> str:
        """The path in the revision of a file of this name."""
        return f"{self.stem.rpartition('/')[0]}/{name}"


def write_split(
    split: Dataset, features: Features, folder: Path, stem: str, *, parent: Path | None, deletes: Deletes
) -> dict[str, Path]:
    """Writes the files of a split; gives path in the revision → file.

    Args:
        split: the rows.
        features: the columns in the order in which to store them.
        folder: existing or not; the files are made in it.
        stem: path in the revision without number and ending, such as `data/train`.
        parent: the parent's snapshot, where the rows stay in their places; None: all is written anew.
        deletes: hard, lazy or live, see above.
    """
    target = Target(folder, stem, features, deletes)
    (folder / stem).parent.mkdir(parents=True, exist_ok=True)
    rows = Rows(split, list(features))
    before = read_shards(parent, stem)
    deltas = [int(shard.path.stem.rpartition("-")[2]) for shard in before if DELTA in shard.path.name]
    if len(deltas) >= MAX_DELTAS:  # their rows come in once more, as one shard
        before = [shard for shard in before if DELTA not in shard.path.name]
    write = _write_with_dead if deletes == "live" else _write_in_place
    written = write(target, split, before) if before and rows.count else None
    if written is None:
        return _write_anew(target, rows)
    files, rest = written
    if rest < rows.count:
        name = f"{target.name}{DELTA}{max(deltas, default=0) + 1:05d}.parquet"
        with target.open(name) as writer:
            for table in _read(rows, target, _even(rows, rest)):
                writer.write(Group(table))
        files[target.inside(name)] = target.path(name)
    return files


def _write_anew(target: Target, rows: Rows) -> dict[str, Path]:
    """Shards of row groups of one size, under names without their total, which is known only at the end."""
    shards: list[str] = []
    tables = _read(rows, target, _even(rows, 0))
    table = next(tables, None)
    while table is not None or not shards:  # no rows make a file without row groups
        shards.append(f"{target.name}-{len(shards):05d}.part")
        with target.open(shards[-1]) as writer:
            while table is not None and writer.size < SHARD_BYTES:
                writer.write(Group(table))
                table = next(tables, None)
    names = [f"{target.name}-{index:05d}-of-{len(shards):05d}.parquet" for index in range(len(shards))]
    return {
        target.inside(new): target.path(old).rename(target.path(new)) for old, new in zip(shards, names, strict=True)
    }


def _write_in_place(target: Target, split: Dataset, before: list[Shard]) -> Written | None:
    """Writes the parent's files with the rows as they are now.

    None where that makes no sense: keys that tell no rows apart, dead rows (which are to go), too few rows in place.
    """
    if any(LIVE in shard.schema.names for shard in before):
        return None
    where = positions(read_keys(split), read_column(before, KEY))
    if where is None:
        return None
    ends = group_ends(before)
    cuts = place(where, ends)
    if cuts is None or np.diff(cuts, prepend=0).max() > 2 * np.diff(ends, prepend=0).max():
        return None
    rows, files = Rows(split, list(target.features)), {}
    for shard, bounds in _by_shard(before, cuts):
        if bounds[0] == bounds[-1]:
            continue  # all its rows are gone
        name = shard.path.name
        with target.open(name) as writer:
            for index, table in enumerate(_read(rows, target, bounds)):
                writer.write(Group(table, shard.dictionaries(index, target.texts)))
        files[target.inside(name)] = target.path(name)
    return files, int(cuts[-1])


def _write_with_dead(target: Target, split: Dataset, before: list[Shard]) -> Written | None:
    """Writes the parent's files with new marks of life.

    They hold the first rows, up to one that is not the next live row of the parent with the same content;
    `live.arrange` puts as many as can be there. None where the columns are not the parent's, or most rows come in.
    """
    if any(shard.columns != target.features.arrow_schema for shard in before):
        return None
    alive, keys = np.flatnonzero(live_flags(before)), read_column(before, KEY)
    found = positions(read_keys(split), None if keys is None else keys.take(pa.array(alive)))
    if found is None or 2 * (run := rising(found)) < len(split):
        return None
    where = alive[found[:run]]
    ends = group_ends(before)
    offsets = iter([0, *ends.tolist()])
    rows, files, rest = Rows(split, list(target.features)), {}, run
    for shard, bounds in _by_shard(before, np.searchsorted(where, ends)):
        name = shard.path.name
        with target.open(name) as writer:
            for index, table in enumerate(_read(rows, target, bounds)):
                raw, start = shard.group(index), bounds[index]
                places = where[start : min(start + table.num_rows, rest)] - next(offsets)
                same = _same_rows(raw.take(pa.array(places)), table)
                rest = start + same if same < table.num_rows and start < rest else rest
                if same:
                    writer.write(Group(_mark(raw, places[:same]), dead=raw.num_rows - same))
        if writer.rows:
            files[target.inside(name)] = target.path(name)
        else:
            target.path(name).unlink()  # all its rows are dead
    return files, rest


def _mark(raw: pa.Table, places: np.ndarray) -> pa.Table:
    """All rows of a group, live at these places and dead elsewhere."""
    flags = np.zeros(raw.num_rows, bool)
    flags[places] = True
    stored = raw.drop_columns(LIVE) if LIVE in raw.column_names else raw
    return stored.append_column(LIVE, pa.array(flags))


def _same_rows(before: pa.Table, now: pa.Table) -> int:
    """How many of the first rows of two tables are equal."""
    from hf_mbdc.revisions.cells import differs

    count = before.num_rows
    for name in before.column_names:
        if name != LIVE and count:
            unequal = differs(contiguous(before[name].slice(0, count)), contiguous(now[name].slice(0, count)))
            count = int(unequal.argmax()) if unequal.any() else count
    return count


def _by_shard(shards: list[Shard], cuts: np.ndarray) -> Iterator[tuple[Shard, list[int]]]:
    """Each shard with the bounds of its row groups among the new rows: one more than it has groups."""
    bounds, first = [0, *cuts.tolist()], 0
    for shard in shards:
        last = first + len(shard.ends)
        yield shard, bounds[first : last + 1]
        first = last


def _even(rows: Rows, start: int) -> list[int]:
    """Bounds of row groups of one size from a row on; the size follows from the content of the first rows."""
    from datasets.features.features import require_storage_embed

    size = MEDIA_GROUP_ROWS
    if not any(map(require_storage_embed, rows.features.values())):
        sample = rows.read(np.arange(start, min(start + SAMPLE_ROWS, rows.count)))
        used = sum(value_bytes(contiguous(column)) for column in sample.columns)
        size = max(1, min(GROUP_ROWS, GROUP_BYTES * sample.num_rows // max(used, 1)))
    return [*range(start, rows.count, size), rows.count]


def _read(rows: Rows, target: Target, bounds: Sequence[int]) -> Iterator[pa.Table]:
    """The rows between each two bounds as they are stored, with images embedded; all live.

    Row groups are read together as long as they are small: a scattered read costs as much for a few rows as for many.
    """
    from datasets.table import table_cast

    schema = target.features.arrow_schema
    index = 0
    while index < len(bounds) - 1:
        following = index + 1
        while following < len(bounds) - 1 and bounds[following + 1] - bounds[index] <= rows.block_rows:
            following += 1
        block = embed(rows.read(np.arange(bounds[index], bounds[following])), rows.features, paths=True)
        table = table_cast(block, schema)
        if target.deletes == "live":
            table = table.append_column(LIVE, pa.array(np.ones(table.num_rows, bool)))
        for start, stop in zip(bounds[index:following], bounds[index + 1 : following + 1], strict=True):
            yield table.slice(start - bounds[index], stop - start)
        index = following
