"""What can be compared: datasets, streams, Parquet files and folders of them, each as rows by split."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from datasets import Dataset, DatasetDict, Features, IterableDataset, IterableDatasetDict

from hf_mbdc.errors import DataError
from hf_mbdc.revisions.diff.keys import Key
from hf_mbdc.revisions.diff.parquet import compare_files
from hf_mbdc.revisions.diff.parquet_rows import ParquetRows, Side
from hf_mbdc.revisions.diff.rows import RowChanges, compare_rows
from hf_mbdc.revisions.rows import Rows, rows_of

IN_MEMORY = 500_000_000  # bytes of decoded row groups up to which they are kept in memory
BATCH = 1000  # rows of a stream written at once

_SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}\.parquet")


def open_sides(old: Any, new: Any) -> tuple[dict[str, Side], dict[str, Side]]:
    """The splits of both sides by name; two single datasets are one split, whatever they are called.

    Raises:
        DataError: a side is nothing that can be compared.
    """
    before, after = _open(old), _open(new)
    if _is_single(old) and _is_single(new) and len(before) == len(after) == 1:
        named = [side.split for side in (new, old) if isinstance(side, Dataset | IterableDataset) and side.split]
        name = str(named[0]) if named else "train"
        return {name: next(iter(before.values()))}, {name: next(iter(after.values()))}
    return before, after


def compare(old: Side, new: Side, key: Key) -> RowChanges:
    """Compares two sides in the way that their kinds allow."""
    if isinstance(old, ParquetRows) and isinstance(new, ParquetRows):
        return compare_files(old, new, key, decoded)
    return compare_rows(_as_rows(old), _as_rows(new), key)


def _is_single(side: Any) -> bool:
    return isinstance(side, Dataset | IterableDataset) or (isinstance(side, str | Path) and Path(side).is_file())


def _open(side: Any) -> dict[str, Side]:
    if isinstance(side, DatasetDict | IterableDatasetDict):
        return {str(name): split for name, rows in side.items() for split in _open(rows).values()}
    if isinstance(side, Dataset):
        return {str(side.split or "train"): Rows(side)}
    if isinstance(side, IterableDataset):
        return {str(side.split or "train"): _spilled(_batches(side), side.features)}
    if isinstance(side, str | Path):
        return _open_path(Path(side))
    raise DataError(
        f"Expected a Dataset, got {type(side).__name__}",
        mend="Give a Dataset, a DatasetDict, a stream of datasets, a Parquet file, or the folder of a revision.",
    )


def _open_path(path: Path) -> dict[str, Side]:
    if path.is_file():
        return {"train": ParquetRows([path])}
    if not path.is_dir():
        raise DataError(
            "There is no such file or folder",
            path=str(path),
            mend="Of a repository, give what hf_mbdc.load(repo_id, revision) returns.",
        )
    from hf_mbdc.revisions.files.chunk_hashes import read_chunks

    files = _files_of_card(path) if (path / "README.md").is_file() else _files_by_name(path)
    if files:
        hashes = read_chunks(path, [file for paths in files.values() for file in paths])
        return {name: ParquetRows(paths, hashes) for name, paths in files.items()}
    # No Parquet, or the card says something about the rows that only `datasets` knows how to do.
    from hf_mbdc.revisions.files.layout import read_files

    return _open(read_files(path))


def _files_of_card(folder: Path) -> dict[str, list[Path]] | None:
    """The Parquet files of each split of the only or default config; None when the card asks for more than files."""
    from huggingface_hub import DatasetCard

    configs = DatasetCard.load(folder / "README.md", ignore_metadata_errors=True).data.to_dict().get("configs") or []
    chosen = [c for c in configs if c.get("default")] or [c for c in configs if c.get("config_name") == "default"]
    if len(chosen) != 1 or set(chosen[0]) - {"config_name", "data_files", "default"}:
        return None
    entries = chosen[0].get("data_files")
    if not isinstance(entries, list) or not all(isinstance(e, dict) and set(e) == {"split", "path"} for e in entries):
        return None
    files: dict[str, list[Path]] = {}
    for entry in entries:
        patterns = [entry["path"]] if isinstance(entry["path"], str) else entry["path"]
        if any(Path(pattern).is_absolute() or ".." in Path(pattern).parts for pattern in patterns):
            return None
        found = sorted(path for pattern in patterns for path in folder.glob(pattern))
        if not found or any(path.suffix != ".parquet" for path in found):
            return None
        files[str(entry["split"])] = found
    return files | _empty_splits(folder, files)


def _empty_splits(folder: Path, known: Mapping[str, Sequence[Path]]) -> dict[str, list[Path]]:
    """Splits without rows have a file, but no place in a card: stock `load_dataset` fails on them."""
    import pyarrow.parquet as pq

    data = folder / "data"
    named = {name: paths for name, paths in _files_by_name(data).items() if name not in known} if data.is_dir() else {}
    return {name: paths for name, paths in named.items() if not any(pq.read_metadata(p).num_rows for p in paths)}


def _files_by_name(folder: Path) -> dict[str, list[Path]]:
    """By the names that shards have, `train-00000-of-00002.parquet`; all other files are the split train."""
    files: dict[str, list[Path]] = {}
    for path in sorted([*folder.glob("*.parquet"), *folder.glob("data/*.parquet")]):
        match = _SHARD.fullmatch(path.name)
        files.setdefault(match[1] if match else "train", []).append(path)
    return files


def decoded(rows: ParquetRows, groups: Sequence[int]) -> Rows:
    """Some row groups in memory, or when they are large, in a temporary file that is memory-mapped."""
    metadata = ((rows.groups[n], rows.footers[rows.groups[n].file]) for n in groups)
    size = sum(footer.row_group(group.number).total_byte_size for group, footer in metadata)
    tables = (rows.group(number) for number in groups)
    if size > IN_MEMORY:
        return _spilled(tables, rows.features)
    table = pa.concat_tables([rows.schema.empty_table(), *tables])
    return rows_of(table.replace_schema_metadata(rows.features.arrow_schema.metadata))


def _as_rows(side: Side) -> Rows:
    return side if isinstance(side, Rows) else decoded(side, range(len(side.groups)))


def _batches(stream: IterableDataset) -> Iterator[pa.Table]:
    return iter(stream.with_format("arrow").iter(batch_size=BATCH))


def _spilled(tables: Iterable[pa.Table], features: Features | None) -> Rows:
    """Writes tables into a temporary Arrow file, one after the other, and maps it into memory."""
    folder = tempfile.TemporaryDirectory(prefix="hf-mbdc-diff-")
    path = Path(folder.name) / "rows.arrow"
    writer, schema = None, features.arrow_schema if features is not None else None
    with pa.OSFile(str(path), "wb") as file:
        for table in tables:
            schema = schema if schema is not None else table.schema
            writer = writer or pa.ipc.new_stream(file, schema)
            writer.write_table(_cast(table, schema))
        writer = writer or pa.ipc.new_stream(file, schema or pa.schema([]))
        writer.close()
    with pa.memory_map(str(path)) as source:
        rows = rows_of(pa.ipc.open_stream(source).read_all())
    rows.keeps = folder  # which goes with the rows
    return rows


def _cast(table: pa.Table, schema: pa.Schema) -> pa.Table:
    from datasets.table import table_cast

    try:
        return table_cast(table, schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError, TypeError) as error:
        raise DataError(
            f"The rows of a stream change their columns or types: {error}",
            mend="Say the types before: stream.cast(features).",
        ) from error
