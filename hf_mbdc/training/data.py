"""Datasets on disk → the rows that training and prediction read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError
from hf_mbdc.targets.encoding import LABELS, READS

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

CANDIDATES = "candidates"


def read_dataset(path: str) -> DatasetDict:
    """A folder written by `save_to_disk`, or anything that `load_dataset(path)` reads, e.g. a revision's snapshot.

    Raises:
        DataError: it is neither, or has no splits.
    """
    from datasets import Dataset, DatasetDict, load_dataset, load_from_disk

    folder = Path(path)
    try:
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            dataset = load_from_disk(path)
        else:
            dataset = load_dataset(path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"The dataset cannot be read: {str(error).splitlines()[0]}",
            path=path,
            mend="Name a folder written by save_to_disk, a snapshot of a revision, or a dataset of the Hub.",
        ) from error
    return DatasetDict({"train": dataset}) if isinstance(dataset, Dataset) else dataset


def split_of(dataset: DatasetDict, name: str) -> Dataset:
    """A split by name; `DataError` names those that exist."""
    if name not in dataset:
        raise DataError("There is no such split", split=name, mend=f"The dataset has {', '.join(dataset)}.")
    return dataset[name]


def columns_read(split: Dataset, name: str, *, labels: bool) -> list[str]:
    """The columns of a split that training (with `labels`) or prediction reads.

    Raises:
        DataError: some of them are missing.
    """
    wanted = (*READS, *LABELS) if labels else READS
    missing = [column for column in wanted if column not in split.column_names]
    if missing:
        how = "hf_mbdc.annotate(ds, ExtractiveQA())" if set(missing) <= set(LABELS) else "hf_mbdc.load_dataset"
        raise DataError(f"The columns {missing} are missing", split=name, mend=f"Make them with {how}.")
    return [column for column in (*wanted, CANDIDATES) if column in split.column_names]


def read_rows(split: Dataset, name: str, *, labels: bool) -> list[dict[str, Any]]:
    """The rows of a split as dictionaries, with the columns that are read and no image decoded."""
    rows: list[dict[str, Any]] = split.select_columns(columns_read(split, name, labels=labels)).to_list()
    return rows
