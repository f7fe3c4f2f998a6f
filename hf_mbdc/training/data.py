"""Datasets on disk → the rows that training and prediction read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError
from hf_mbdc.training.tasks import TASKS

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, DatasetDict


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


def read_rows(split: Dataset, name: str, *, labels: bool) -> list[dict[str, Any]]:
    """The rows of a split as dictionaries, with the columns that are read and no image decoded."""
    rows: list[dict[str, Any]] = split.select_columns(
        TASKS["extractive_qa"].columns_read(split, name, labels=labels)
    ).to_list()
    return rows


def read_images(split: Dataset, name: str, *, labels: bool) -> pa.Table:
    """The rows of a split of word images: `id`, `image` as its file and, with `labels`, `text`.

    Raises:
        DataError: a column is missing, `image` holds no images, or an id is null.
    """
    from datasets import Image, Value

    wanted = TASKS["text_recognition"].columns_read(split, name, labels=labels)
    if not isinstance(split.features["image"], Image):
        what = f"The column holds no images, but {split.features['image']}"
        raise DataError(what, split=name, column="image", mend='Cast it: ds.cast_column("image", datasets.Image()).')
    for column in set(wanted) - {"image"}:
        if split.features[column] not in (Value("string"), Value("large_string")):
            what = f"The column holds no strings, but {split.features[column]}"
            raise DataError(what, split=name, column=column, mend="Make it one of strings.")
    rows: pa.Table = split.select_columns(wanted).cast_column("image", Image(decode=False)).with_format("arrow")[:]
    if rows["id"].null_count:
        raise DataError("An id is null", split=name, column="id", mend="Give every row an id of its own.")
    return rows
