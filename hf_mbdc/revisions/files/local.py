"""Data on the disk as a `DatasetDict`: what `hf-mbdc publish` takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

READERS = {
    ".parquet": "parquet",
    ".json": "json",
    ".jsonl": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".arrow": "arrow",
}
SAVED = ("dataset_dict.json", "dataset_info.json", "state.json")  # what save_to_disk leaves in a folder


def read_local(path: Path) -> DatasetDict:
    """Reads a folder of `save_to_disk`, another folder that `load_dataset` reads, or one file.

    A single file or dataset is the split `train`.

    Args:
        path: the folder, or a Parquet, JSON, JSON Lines, CSV, TSV or Arrow file.

    Raises:
        DataError: there is nothing, it is of another kind, or it cannot be read.

    Example:
        >>> read_local(Path("rows.csv"))  # doctest: +SKIP
    """
    from datasets import DatasetDict
    from datasets.exceptions import DatasetGenerationError

    if not path.exists():
        raise DataError("There is no such file or folder", path=str(path), mend="Check the path.")
    try:
        found = _read(path)
    except (DatasetGenerationError, OSError, ValueError) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        raise DataError(
            f"The data cannot be read: {reason}", path=str(path), mend="Open it with datasets.load_dataset first."
        ) from error
    return found if isinstance(found, DatasetDict) else DatasetDict({str(found.split or "train"): found})


def _read(path: Path) -> Dataset | DatasetDict:
    from datasets import load_dataset, load_from_disk

    if path.is_dir():
        # Only save_to_disk writes two of these; a folder of the Hub may hold one.
        saved = (path / SAVED[0]).is_file() or all((path / name).is_file() for name in SAVED[1:])
        return load_from_disk(str(path)) if saved else load_dataset(str(path))
    if path.suffix not in READERS:
        raise DataError(
            f"A file that ends with {path.suffix or 'nothing'!r} is no data file",
            path=str(path),
            mend=f"Give a folder, or a file that ends with {', '.join(READERS)}.",
        )
    options = {"sep": "\t"} if path.suffix == ".tsv" else {}
    return load_dataset(READERS[path.suffix], data_files=str(path), **options)
