"""Rows of Parquet files, of which large columns are read only where they are asked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class RowPlace:
    """A row of a Parquet file: the file's name in the folder, the row group, and the row in it."""

    path: str
    group: int
    row: int


class ParquetRows:
    """The Parquet files of a folder. Of every column the last row group that was read is kept, since rows are asked
    for in their order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._kept: dict[str, tuple[str, int, pa.ChunkedArray]] = {}

    def check(self, path: str, columns: Sequence[str]) -> None:
        """Raises `DataError` unless the file can be read and has the columns."""
        there = self._open(path).schema_arrow.names
        missing = [column for column in columns if column not in there]
        if missing:
            raise DataError(
                f"The Parquet file has no column {missing[0]!r}", path=path, mend=f"It has {', '.join(there)}."
            )

    def read(self, path: str, columns: Sequence[str]) -> Iterator[tuple[RowPlace, dict[str, Any]]]:
        """Every row's place and its values in these columns."""
        self.check(path, columns)
        file = self._open(path)
        for group in range(file.num_row_groups):
            for number, row in enumerate(self._group(file, path, group, columns).to_pylist()):
                yield RowPlace(path, group, number), row

    def value(self, place: RowPlace, column: str) -> Any:
        """The value of a row in a column."""
        kept = self._kept.get(column)
        if kept is None or kept[:2] != (place.path, place.group):
            table = self._group(self._open(place.path), place.path, place.group, [column])
            kept = self._kept[column] = (place.path, place.group, table.column(column))
        return kept[2][place.row].as_py()

    def hash(self, place: RowPlace, column: str) -> str:
        """SHA-256 (hex) of a row's value in a column."""
        text = json.dumps(self.value(place, column), sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()

    def _open(self, path: str) -> pq.ParquetFile:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            return pq.ParquetFile(self.folder / path)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"Not a Parquet file: {str(error).splitlines()[0].rstrip('.')}", path=path) from None

    def _group(self, file: pq.ParquetFile, path: str, group: int, columns: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        try:
            return file.read_row_group(group, columns=list(columns))
        except (pa.ArrowException, OSError) as error:
            what = f"Row group {group} of the Parquet file cannot be read: {str(error).splitlines()[0].rstrip('.')}"
            raise DataError(what, path=path) from None
