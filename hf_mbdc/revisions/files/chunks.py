"""Writes Parquet files whose unchanged column chunks stay byte for byte what they were in the parent revision.

With plain columns that follows from fixed row groups alone. But where rows are removed or texts edited all over, a
store that keeps equal chunks once (Xet, about 64 kB each) finds next to none: one row in 200 touches every chunk of a
column.

So a text column can be written as a dictionary and row numbers into it (`texts`), where the dictionary of a row group
is that of the parent plus the values that are new. Removed and edited cells then change the numbers, two bytes or three
a row, and what is appended to the dictionary. Readers get exactly the rows that were written; but values that no row
uses any more stay in the file, unread, until they are a third of a dictionary, or the revision is compacted.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from datasets import Features

MARK = b"hf_mbdc.layout"  # key in a file's metadata; its value is a `Mark` as JSON
FORMAT = 1
WAYS = ("hard", "lazy", "live")
UNUSED_SHARE = 1 / 3  # a dictionary with more values that no row uses is written anew
# As datasets writes them, so that a stock push of the same rows meets the same chunks.
PAGES: dict[str, Any] = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}
COMPRESSION = "zstd"  # text takes 0.6 of the room that it takes with Snappy, the default
THREADS = 4


@dataclass(frozen=True)
class Mark:
    """What a file notes about itself."""

    deletes: str
    unused_values: int = 0
    dead_rows: int = 0


@dataclass(frozen=True)
class Group:
    """A row group to write: its rows, the dictionaries that the parent has for them by column, and its dead rows."""

    table: pa.Table
    dictionaries: Mapping[str, pa.Array] = field(default_factory=dict)
    dead: int = 0


def text_columns(features: Features) -> list[str]:
    """The columns that are written with a dictionary: plain text."""
    from datasets import Value

    texts = ("string", "large_string")
    return [name for name, kind in features.items() if isinstance(kind, Value) and kind.dtype in texts]


class ChunkWriter:
    """Writes one file, group after group; see `open_writer`."""

    def __init__(self, file: BinaryIO, writer: pq.ParquetWriter, schema: pa.Schema, texts: list[str]) -> None:
        self._file, self._writer, self._schema, self._texts = file, writer, schema, texts
        self._pool = ThreadPoolExecutor(THREADS)
        self.rows = self.unused = self.dead = 0

    @property
    def size(self) -> int:
        """Bytes so far."""
        return self._file.tell()

    def write(self, group: Group) -> None:
        """Appends a row group; a table without rows appends nothing (stock load_dataset fails on an empty group)."""
        table = group.table
        if not table.num_rows:
            return
        encoded = self._pool.map(lambda name: encode(table[name], group.dictionaries.get(name)), self._texts)
        for name, column in zip(self._texts, encoded, strict=True):
            self.unused += _unused(column)
            table = table.set_column(table.schema.get_field_index(name), name, column)
        self.rows += table.num_rows
        self.dead += group.dead
        self._writer.write_table(table.cast(self._schema), row_group_size=table.num_rows)

    def close(self) -> None:
        """Ends its threads."""
        self._pool.shutdown()


@contextmanager
def open_writer(path: Path, schema: pa.Schema, texts: list[str], deletes: str) -> Iterator[ChunkWriter]:
    """A writer of one Parquet file.

    Args:
        path: the file; overwritten.
        schema: the columns as readers get them, `texts` too.
        texts: names of the columns of `schema` to write with a dictionary that goes on that of the parent.
        deletes: noted in the file.
    """
    stored = _with_dictionaries(schema, texts)
    with (
        path.open("wb") as file,
        pq.ParquetWriter(
            file,
            stored,
            # At the default of 1 MB the dictionary of a long column is given up.
            **({"dictionary_pagesize_limit": 1 << 30} if texts else {}),
            compression=COMPRESSION,
            store_schema=False,  # it would make readers hand out dictionaries
            write_page_index=True,
            use_content_defined_chunking=PAGES,
        ) as parquet,
    ):
        writer = ChunkWriter(file, parquet, stored, texts)
        try:
            yield writer
        finally:
            writer.close()
        # Arrow's own types (large_string, lists of fixed size) are read back from here.
        plain = base64.b64encode(schema.serialize().to_pybytes())
        mark = asdict(Mark(deletes, writer.unused, writer.dead)) | {"format": FORMAT}
        parquet.add_key_value_metadata({b"ARROW:schema": plain, MARK: json.dumps(mark, sort_keys=True).encode()})


def read_mark(path: Path) -> Mark | None:
    """What `open_writer` noted in a file; None for a file of another writer or of another format."""
    try:
        noted = json.loads((pq.read_metadata(path).metadata or {}).get(MARK, b"{}"))
        mark = Mark(noted["deletes"], int(noted["unused_values"]), int(noted["dead_rows"]))
    except (ValueError, TypeError, KeyError):  # anybody may write anything into a file
        return None
    return mark if noted.get("format") == FORMAT and mark.deletes in WAYS else None


def encode(column: pa.ChunkedArray, known: pa.Array | None) -> pa.DictionaryArray:
    """A text column as a dictionary that starts with the values in `known`, in their order, followed by new ones.

    Example:
        >>> encode(pa.chunked_array([["b", "c", "c"]]), pa.array(["a", "b"])).dictionary.to_pylist()
        ['a', 'b', 'c']
    """
    cells = _one_array(column)
    if known is None:
        return cells.dictionary_encode()
    numbers = pc.index_in(cells, value_set=known)
    missing = pc.and_(numbers.is_null(), cells.is_valid())
    new = cells.filter(missing).dictionary_encode()
    if len(new):
        numbers = pc.replace_with_mask(numbers, missing, pc.add(new.indices, pa.scalar(len(known), pa.int32())))
    found = pa.DictionaryArray.from_arrays(numbers, pa.concat_arrays([known, new.dictionary]))
    return found if _unused(found) <= UNUSED_SHARE * len(found.dictionary) else cells.dictionary_encode()


def _one_array(column: pa.ChunkedArray) -> pa.Array:
    # A row group is far below the 2 GB that a string array with 32-bit offsets holds.
    cells = column.cast(pa.string())
    return cells.chunk(0) if cells.num_chunks == 1 else pa.concat_arrays([*cells.chunks, pa.array([], pa.string())])


def _unused(column: pa.DictionaryArray) -> int:
    used = np.zeros(len(column.dictionary), bool)
    used[column.indices.drop_null().to_numpy()] = True
    return int(len(used) - used.sum())


def _with_dictionaries(schema: pa.Schema, texts: list[str]) -> pa.Schema:
    kind = pa.dictionary(pa.int32(), pa.string())
    fields = [field.with_type(kind) if field.name in texts else field for field in schema]
    return pa.schema(fields, metadata=schema.metadata)
