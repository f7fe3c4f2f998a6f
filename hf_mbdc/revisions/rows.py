"""Rows of a `Dataset` as contiguous Arrow tables: what the hash, the diff and the Parquet writer all read.

`datasets` reads a filtered or shuffled dataset (one with an indices mapping) index by index, which makes a million rows
take half a minute. Here the mapping becomes one Arrow take per record batch.
"""

from __future__ import annotations

import copy
import dataclasses
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset, DatasetDict, Features, Image, LargeList, List
from datasets.features.features import require_storage_embed
from datasets.table import embed_array_storage

from hf_mbdc.errors import DataError

BLOCK_BYTES = 128_000_000  # of Arrow data held at once
MAX_BLOCK_ROWS = 2_000_000
MAX_MEDIA_BLOCK_ROWS = 1_000  # images that lie in files do not show in the size of the table


def as_splits(data: Any, default: str = "train") -> dict[str, Dataset]:
    """The splits by name; a single `Dataset` is one split, named as it says itself or `default`."""
    if isinstance(data, DatasetDict):
        return {str(name): split for name, split in data.items()}
    return {str(checked(data).split or default): data}


def checked(data: Any) -> Dataset:
    """The argument, when it is a `Dataset`."""
    if not isinstance(data, Dataset):
        raise DataError(
            f"Expected a Dataset, got {type(data).__name__}",
            mend="Load it without streaming=True, or collect a stream with Dataset.from_list.",
        )
    return data


class Rows:
    """Reads rows of a dataset by position, in the order that the dataset shows them.

    Args:
        dataset: in memory or memory-mapped, with or without an indices mapping.
        columns: names of the columns to read; all by default.
    """

    def __init__(self, dataset: Dataset, columns: Sequence[str] | None = None) -> None:
        table = checked(dataset).data.table
        table = table if columns is None else table.select(list(columns))
        features = dataset.features  # a deep copy at every look
        self.features = Features({name: features[name] for name in table.column_names})
        self.schema = table.schema
        self.batches = [batch for batch in table.to_batches() if batch.num_rows]
        self.starts = np.cumsum([0, *(batch.num_rows for batch in self.batches)])
        # The mapping has no public name in datasets; its own writer and formatter read it like this too.
        mapping = dataset._indices
        self.positions = None if mapping is None else mapping.column(0).to_numpy()
        self.count = len(dataset)
        self.keeps: object = None  # what has to live as long as the rows
        self.block_rows = self._block_rows(table)

    def _block_rows(self, table: pa.Table) -> int:
        most = MAX_MEDIA_BLOCK_ROWS if any(map(require_storage_embed, self.features.values())) else MAX_BLOCK_ROWS
        return int(np.clip(BLOCK_BYTES * max(table.num_rows, 1) // max(table.nbytes, 1), 1, most))

    def blocks(self, rows: int | None = None) -> Iterator[pa.Table]:
        """All rows, `rows` at a time (by default about `BLOCK_BYTES`)."""
        step = rows or self.block_rows
        for start in range(0, self.count, step):
            yield self.read(np.arange(start, min(start + step, self.count)))

    def select(self, columns: Sequence[str]) -> Rows:
        """The same rows, of these columns only."""
        chosen = copy.copy(self)
        chosen.features = Features({name: self.features[name] for name in columns})
        chosen.schema = pa.schema([self.schema.field(name) for name in columns])
        chosen.batches = [batch.select(list(columns)) for batch in self.batches]
        return chosen

    def span(self, start: int, stop: int, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows from `start` up to `stop`; without an indices mapping, and within a batch, nothing is copied."""
        if self.positions is not None or stop <= start:
            return self.read(np.arange(start, stop), columns)
        if len(self.batches) == 1:
            table = pa.Table.from_batches([self.batches[0].slice(start, stop - start)], self.schema)
        else:
            table = self._gather(np.array([start, stop]), None)
        return table if columns is None else table.select(list(columns))

    def read(self, rows: np.ndarray, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows at these positions, each column in one chunk (or none when there are no rows)."""
        if columns is not None:
            return self.select(columns).read(rows)
        if len(rows) == 0:
            return self.schema.empty_table()
        if self.positions is not None:
            rows = self.positions[rows]
        rows = rows.astype(np.int64, copy=False)
        if rows[-1] - rows[0] == len(rows) - 1 and (np.diff(rows) == 1).all():
            return self._gather(np.array([rows[0], rows[-1] + 1]), None)
        if len(self.batches) == 1:
            return pa.Table.from_batches([self.batches[0].take(pa.array(rows))], self.schema)
        order = None if (np.diff(rows) >= 0).all() else np.argsort(rows, kind="stable")
        table = self._gather(None, rows if order is None else rows[order])
        if order is None:
            return table
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        return table.take(pa.array(back))

    def _gather(self, span: np.ndarray | None, ascending: np.ndarray | None) -> pa.Table:
        """A contiguous span [start, stop) sliced, or ascending positions taken batch by batch.

        `ChunkedArray.take` would first concatenate the whole column, each time.
        """
        ends = span if span is not None else ascending
        assert ends is not None
        first, last = np.searchsorted(self.starts, [ends[0], ends[-1] - (span is not None)], side="right") - 1
        parts = []
        for index in range(first, last + 1):
            start, stop = self.starts[index], self.starts[index + 1]
            if span is not None:
                low, high = max(start, span[0]), min(stop, span[1])
                parts.append(self.batches[index].slice(low - start, high - low))
            else:
                low, high = np.searchsorted(ends, [start, stop])
                if high > low:
                    parts.append(self.batches[index].take(pa.array(ends[low:high] - start)))
        return pa.Table.from_batches(parts, schema=self.schema).combine_chunks()


def nothing_like(features: Features) -> Rows:
    """No rows, of these columns."""
    return rows_of(features.arrow_schema.empty_table())


def rows_of(table: pa.Table) -> Rows:
    """The rows of a table, in the order they have there."""
    # A name of its own spares the fingerprint, which datasets makes by reading and copying the whole table.
    return Rows(Dataset(table, fingerprint="hf_mbdc-rows"))


def holds_files(feature: Any) -> bool:
    """Whether cells may name a file whose bytes are what counts: images, audio, …, nested ones too."""
    return bool(require_storage_embed(feature))


def contiguous(column: pa.ChunkedArray) -> pa.Array:
    """One array of a column that `Rows` has read."""
    if column.num_chunks == 1:
        return column.chunk(0)
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], type=column.type)


def plain(array: pa.Array) -> pa.Array:
    """The same values without extension types, dictionary encoding and view types, and with 64-bit offsets."""
    while isinstance(array.type, pa.BaseExtensionType) or pa.types.is_dictionary(array.type):
        array = array.storage if isinstance(array.type, pa.BaseExtensionType) else array.dictionary_decode()
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_string_view(kind):
        return array.cast(pa.large_string())
    if pa.types.is_binary(kind) or pa.types.is_binary_view(kind):
        return array.cast(pa.large_binary())
    return array


def text_buffers(array: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Of a text or binary array: where each value starts (and the last one ends), and all bytes; nothing is copied."""
    _, offsets, data = array.buffers()
    wide = pa.types.is_large_string(array.type) or pa.types.is_large_binary(array.type)
    if offsets is None or len(array) == 0:
        return np.zeros(len(array) + 1, np.int64), np.empty(0, np.uint8)
    starts = np.frombuffer(offsets, np.int64 if wide else np.int32)[array.offset : array.offset + len(array) + 1]
    return starts, np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8)


def is_list(kind: pa.DataType) -> bool:
    """Whether a type that `plain` returns is a list of some sort."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def value_bytes(array: pa.Array) -> int:
    """Bytes of the values, plus 4 for the length of each text and list; the same however the array is stored.

    Example:
        >>> value_bytes(pa.array([["ab"], [], None]))
        18
    """
    array = plain(array)
    kind = array.type
    if pa.types.is_struct(kind):
        return sum(map(value_bytes, array.flatten()))
    if is_list(kind):
        return 4 * len(array) + value_bytes(array.flatten())
    if pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        return 4 * len(array) + (pc.sum(pc.binary_length(array)).as_py() or 0)
    return 0 if pa.types.is_null(kind) else len(array) * max(kind.bit_width // 8, 1)


def embed(table: pa.Table, features: Features, *, paths: bool) -> pa.Table:
    """The table with every image (audio, …), nested ones too, held as bytes.

    Args:
        paths: keep the path, cut down to its base name; otherwise it becomes null, since it says nothing about content.

    Raises:
        DataError: a file is missing, is a URL, or is no image.
    """
    columns = [
        embed_array_storage(contiguous(table[name]), _with_embedder(feature, _Embedder(name, paths)))
        if require_storage_embed(feature)
        else table[name]
        for name, feature in features.items()
    ]
    return pa.table(columns, names=list(features))


def _with_embedder(feature: Any, embedder: _Embedder) -> Any:
    """The feature tree with our reader in the place of each Image: datasets walks the nesting and calls it."""
    if hasattr(feature, "embed_storage"):
        return dataclasses.replace(embedder, is_image=isinstance(feature, Image))
    if isinstance(feature, dict):
        return {name: _with_embedder(inner, embedder) for name, inner in feature.items()}
    if isinstance(feature, LargeList):
        return LargeList(_with_embedder(feature.feature, embedder))
    if isinstance(feature, List):
        return List(_with_embedder(feature.feature, embedder), length=feature.length)
    return feature


@dataclasses.dataclass(frozen=True)
class _Embedder:
    column: str
    paths: bool
    is_image: bool = False

    def embed_storage(self, storage: pa.StructArray, **_: Any) -> pa.StructArray:
        data, path = storage.field("bytes"), storage.field("path")
        outside = pc.and_(storage.is_valid(), pc.and_(data.is_null(), path.is_valid()))
        if pc.any(outside).as_py():
            # One file at a time: there is nothing to vectorise in reading files.
            content = [self._read(Path(name)) for name in path.filter(outside).to_pylist()]
            data = pc.replace_with_mask(data, outside, pa.array(content, type=data.type))
        kept = pc.replace_substring_regex(path, r"^(?s:.*)[/\\]", "") if self.paths else pa.nulls(len(path), path.type)
        return pa.StructArray.from_arrays([data, kept], names=["bytes", "path"], mask=storage.is_null())

    def _read(self, path: Path) -> bytes:
        where = {"column": self.column, "file": path.name}
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(
                f"Cannot read the file of a cell: {error.strerror}",
                mend="Embed the bytes of the file, or restore it; files behind a URL have to be downloaded first.",
                **where,
            ) from error
        if self.is_image:
            _check_is_image(content, where)
        return content


def _check_is_image(content: bytes, where: dict[str, str]) -> None:
    # Rows of a foreign dataset may name any file of this machine: without this check, publishing would upload it.
    from PIL import Image as PillowImage

    try:
        PillowImage.open(io.BytesIO(content)).close()
    except (OSError, PillowImage.DecompressionBombError) as error:
        raise DataError(
            "The file of an image cell is no image", mend="Remove the row or mend its file.", **where
        ) from error
