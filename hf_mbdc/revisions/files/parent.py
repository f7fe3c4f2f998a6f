"""The data files of the parent revision as the writer needs them: row groups, ids, dictionaries, and where rows go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from hf_mbdc.revisions.files.chunks import Mark, read_mark
from hf_mbdc.revisions.files.layout import LIVE
from hf_mbdc.revisions.rows import Rows, contiguous, plain

if TYPE_CHECKING:
    from datasets import Dataset

KEY = "id"
DELTA = "-delta-"  # in the name of a shard that holds rows which came later

_NAME = re.compile(r"-(\d{5}-of-\d{5}|delta-\d{5})\.parquet$")


@dataclass(frozen=True)
class Shard:
    """One data file; `ends`: for each of its row groups the number of rows up to its end."""

    path: Path
    ends: tuple[int, ...]
    mark: Mark

    @cached_property
    def schema(self) -> pa.Schema:
        """As it is stored."""
        return pq.read_schema(self.path)

    @property
    def columns(self) -> pa.Schema:
        """The schema without the marks of life."""
        return self.schema.remove(self.schema.get_field_index(LIVE)) if LIVE in self.schema.names else self.schema

    def read(self, column: str) -> pa.ChunkedArray:
        """A column of all its rows."""
        return pq.ParquetFile(self.path).read([column])[column]

    def group(self, index: int) -> pa.Table:
        """All rows of a group, dead ones too."""
        return pq.ParquetFile(self.path).read_row_group(index)

    def dictionaries(self, index: int, columns: list[str]) -> dict[str, pa.Array]:
        """For each of the columns that the file has: the dictionary of a row group, with its unused values."""
        there = [name for name in columns if name in self.schema.names]
        if not there:
            return {}
        table = pq.ParquetFile(self.path, read_dictionary=there).read_row_group(index, columns=there)
        chunks = {name: table[name].chunk(0) for name in there}
        found = {name: chunk.dictionary for name, chunk in chunks.items() if pa.types.is_dictionary(chunk.type)}
        return {name: values.cast(pa.string()) for name, values in found.items()}


def read_shards(snapshot: Path | None, stem: str) -> list[Shard]:
    """The files of a split (`data/train`), in the order of their rows; none when another tool wrote any of them."""
    if snapshot is None:
        return []
    shards = []
    for path in sorted(snapshot.glob(f"{stem}-*.parquet")):
        metadata, mark = pq.read_metadata(path), read_mark(path)
        if mark is None or not _NAME.search(path.name):
            return []
        rows = [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)]
        shards.append(Shard(path, tuple(np.cumsum(rows).tolist()), mark))
    return [shard for shard in shards if shard.ends]


def read_column(shards: list[Shard], name: str) -> pa.Array | None:
    """A column of all rows of some shards; None when one of them lacks it."""
    if not all(name in shard.schema.names for shard in shards):
        return None
    return pa.concat_arrays([chunk for shard in shards for chunk in shard.read(name).chunks])


def live_flags(shards: list[Shard]) -> np.ndarray:
    """For each row of the shards whether it is live; all are, where there is no such column."""
    flags = read_column(shards, LIVE)
    count = sum(shard.ends[-1] for shard in shards)
    return np.ones(count, bool) if flags is None else flags.to_numpy(zero_copy_only=False)


def group_ends(shards: list[Shard]) -> np.ndarray:
    """For each row group of all shards the number of rows up to its end."""
    first = np.cumsum([0, *(shard.ends[-1] for shard in shards)])
    return np.concatenate([start + np.array(shard.ends) for start, shard in zip(first, shards, strict=False)])


def read_keys(split: Dataset) -> pa.Array:
    """The key column; nulls where there is none."""
    if KEY not in split.column_names:
        return pa.nulls(len(split))
    blocks = [contiguous(block[KEY]) for block in Rows(split, [KEY]).blocks()]
    return pa.concat_arrays(blocks) if blocks else pa.array([], split.features.arrow_schema.field(KEY).type)


def positions(new: pa.Array, old: pa.Array | None) -> np.ndarray | None:
    """For each new key the place of the same key among the old ones, −1 where there is none.

    None where keys are missing or null, or of another type. Of equal old keys the first one counts.
    """
    if old is None or new.null_count or old.null_count:
        return None
    new, old = plain(new), plain(old)
    if new.type != old.type:
        return None
    return pc.fill_null(pc.index_in(new, value_set=old), -1).to_numpy(zero_copy_only=False).astype(np.int64)


def rising(where: np.ndarray) -> int:
    """How many of the first entries are places, each beyond the one before.

    Example:
        >>> rising(np.array([0, 3, 4, -1, 5]))
        3
    """
    good = (where >= 0) & (np.diff(where, prepend=-1) > 0)
    return len(good) if good.all() else int(good.argmin())


def place(where: np.ndarray, ends: np.ndarray) -> np.ndarray | None:
    """Which new rows each row group of the parent gets, when the rows are written in exactly the order they have.

    Args:
        where: for each new row its place in the parent, −1 for a row that came in (see `positions`).
        ends: for each row group of the parent the number of rows up to its end.

    Returns:
        None when most of the parent's rows have another order, or none is left. Else the new rows up to the end of each
        group (int64, as long as `ends`, never falling); group k gets the new rows from entry k − 1 (or 0) to entry k,
        and what comes after the last entry came in at the end.

    Example:
        >>> place(np.array([0, 2, -1, 3, -1]), np.array([2, 4])).tolist()
        [1, 4]
    """
    kept = _in_order(where)
    if not len(kept) or 2 * len(kept) < (where >= 0).sum():
        return None
    group = np.searchsorted(ends, where[kept], side="right")
    # A row that came in goes with the row before it, so a group reaches up to the first row of the next one.
    first = np.searchsorted(group, np.arange(1, len(ends)))
    last = kept[-1] + 1
    starts = np.append(kept, last)[first]
    return np.append(np.minimum(starts, last), last).astype(np.int64)


def _in_order(where: np.ndarray) -> np.ndarray:
    """Rows whose places rise; a row that was moved is left out, at best."""
    rows = np.flatnonzero(where >= 0)
    places = where[rows]
    # Either way one row that moved far hides all that it jumped over: forwards for one, backwards for the other.
    forwards = places == np.maximum.accumulate(places)
    backwards = places == np.minimum.accumulate(places[::-1])[::-1]
    return rows[forwards if forwards.sum() >= backwards.sum() else backwards]
