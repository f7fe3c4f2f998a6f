"""Rows in Parquet files, read by row group and column chunk: what the diff asks of files that it need not decode."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from hf_mbdc.errors import DataError
from hf_mbdc.revisions.diff.threads import in_threads
from hf_mbdc.revisions.rows import Rows

DIGEST = 16  # bytes of a chunk's hash


@dataclass(frozen=True)
class Group:
    """A row group: its file, its number there, and its rows."""

    file: int
    number: int
    rows: int


class ParquetRows:
    """The rows of some Parquet files, with the reading half of `Rows`; nothing but footers is read before it is asked.

    Args:
        hashes: path → what `hash_chunk` gives of each leaf column of each row group, where that is known beforehand.

    Raises:
        DataError: a file cannot be read, or has other columns than the first one.
    """

    def __init__(self, paths: Sequence[Path], hashes: Mapping[Path, Sequence[bytes]] | None = None) -> None:
        self.paths = list(paths)
        self.hashes = dict(hashes or {})
        self.footers = [_footer(path) for path in self.paths]
        self.bytes = [np.memmap(path, np.uint8, "r") for path in self.paths]
        self.features = Features.from_arrow_schema(self.footers[0].schema.to_arrow_schema())
        self.schema = self.features.arrow_schema
        for path, footer in zip(self.paths, self.footers, strict=True):
            if Features.from_arrow_schema(footer.schema.to_arrow_schema()) != self.features:
                raise DataError(
                    "The files of a split have different columns", path=path.name, mend="Compare them one by one."
                )
        self.groups = [
            Group(file, number, footer.row_group(number).num_rows)
            for file, footer in enumerate(self.footers)
            for number in range(footer.num_row_groups)
        ]
        self.starts = np.cumsum([0, *(group.rows for group in self.groups)])
        self.count = int(self.starts[-1])
        self.block_rows = max([group.rows for group in self.groups], default=1)
        self._local = threading.local()

    def select(self, columns: Sequence[str]) -> ParquetRows:
        """The same rows, of these columns only."""
        chosen = copy.copy(self)
        chosen.features = Features({name: self.features[name] for name in columns})
        chosen.schema = pa.schema([self.schema.field(name) for name in columns])
        return chosen

    def span(self, start: int, stop: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows from `start` up to `stop`."""
        first, last = np.searchsorted(self.starts, [start, max(stop - 1, start)], side="right") - 1
        tables = [self.group(number, columns) for number in range(first, min(last + 1, len(self.groups)))]
        if not tables or stop <= start:
            return self.schema.empty_table()
        return pa.concat_tables(tables).slice(start - self.starts[first], stop - start).combine_chunks()

    def read(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows at these positions; each row group that has some of them is decoded once."""
        if len(rows) == 0:
            return self.schema.empty_table()
        order = np.argsort(rows, kind="stable")
        ascending = rows[order]
        owner = np.searchsorted(self.starts, ascending, side="right") - 1
        groups, firsts = np.unique(owner, return_index=True)
        pieces = zip(groups.tolist(), np.split(ascending, firsts[1:]), strict=True)

        def take(piece: tuple[int, np.ndarray]) -> pa.Table:
            return self.group(piece[0], columns).take(pa.array(piece[1] - self.starts[piece[0]]))

        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        table = pa.concat_tables(in_threads(take, pieces)).combine_chunks()
        return table if (np.diff(order) == 1).all() else table.take(pa.array(back))

    def group(self, number: int, columns: Sequence[str] | None = None) -> pa.Table:
        """One row group, decoded, with the types that the features name."""
        group, names = self.groups[number], list(self.schema.names if columns is None else columns)
        readers: dict[int, pq.ParquetFile] = self._local.__dict__.setdefault("readers", {})
        if group.file not in readers:  # a reader is not for several threads
            path = self.paths[group.file]
            readers[group.file] = pq.ParquetFile(path, metadata=self.footers[group.file], memory_map=True)
        table = readers[group.file].read_row_group(group.number, columns=names, use_threads=False).select(names)
        return table.cast(pa.schema([self.schema.field(name) for name in names]))

    def chunk(self, number: int, column: int) -> tuple[np.ndarray, tuple[Any, ...]]:
        """The bytes of a leaf column in a row group, and what they mean."""
        group = self.groups[number]
        found = self.footers[group.file].row_group(group.number).column(column)
        begin = found.data_page_offset
        if found.has_dictionary_page and found.dictionary_page_offset is not None:
            begin = min(begin, found.dictionary_page_offset)
        data = self.bytes[group.file][begin : begin + found.total_compressed_size]
        kind = (found.path_in_schema, found.physical_type, found.compression, found.num_values, group.rows)
        return data, kind

    def known_hash(self, number: int, column: int) -> bytes | None:
        """`hash_chunk`, where it is known without reading the chunk."""
        group = self.groups[number]
        found = self.hashes.get(self.paths[group.file])
        return None if found is None else found[group.number * len(self.footers[group.file].schema) + column]

    def hash_chunk(self, number: int, column: int) -> bytes:
        """Equal where the bytes of a chunk, and its type, codec and size, are equal: 128 bits of a SHA-256."""
        data, kind = self.chunk(number, column)
        state = hashlib.sha256(repr(kind).encode())
        state.update(data.data)
        return state.digest()[:DIGEST]

    def leaves(self) -> dict[str, list[int]]:
        """The numbers of the leaf columns of each column."""
        found = defaultdict(list)
        if self.groups:
            first = self.footers[0].schema
            for number in range(len(first)):
                found[first.column(number).path.split(".")[0]].append(number)
        return found


def _footer(path: Path) -> pq.FileMetaData:
    try:
        return pq.read_metadata(path, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        what = str(error).split("\n")[0].replace(str(path), path.name)
        raise DataError(
            f"Not a Parquet file that can be read: {what}", path=path.name, mend="Fetch it again."
        ) from error


Side = Rows | ParquetRows
