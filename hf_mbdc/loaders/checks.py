"""Checks of a dataset before work starts: columns and their types, and ids. Each raises a `DataError` with the mend."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset, Features


def check_columns(dataset: Dataset, features: Features, split: str | None = None) -> None:
    """Raises unless the dataset has every column of `features` with its type; other columns do not matter.

    `string` and `large_string` are one type here, and so are `list` and `large_list`, and lists of a fixed and of any
    length: Parquet files and `pandas` give either.

    Example:
        >>> from datasets import Dataset, Features, Value
        >>> check_columns(Dataset.from_dict({"id": [1]}), Features({"id": Value("string")}), "train")
        Traceback (most recent call last):
        ...
        hf_mbdc.errors.DataError: The column is int64, not string (split 'train', column 'id'). Cast it: \
dataset.cast_column('id', Value('string')).
    """
    for column, feature in features.items():
        if column not in dataset.features:
            near = difflib.get_close_matches(column, dataset.column_names, n=1)
            mend = f"Rename it: dataset.rename_column({near[0]!r}, {column!r})." if near else ""
            have = f"The columns are {', '.join(dataset.column_names)}."
            raise DataError("The column is missing", split=split, column=column, mend=f"{mend or 'Add it.'} {have}")
        if _kind(dataset.features[column]) != _kind(feature):
            raise DataError(
                f"The column is {_describe(dataset.features[column])}, not {_describe(feature)}",
                split=split,
                column=column,
                mend=f"Cast it: dataset.cast_column({column!r}, {feature!r}).",
            )


def check_ids(dataset: Dataset, split: str | None = None) -> None:
    """Raises unless the dataset has rows and a string column `id` without nulls in which no value occurs twice."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from datasets import Features, Value

    if "id" not in dataset.features:
        add = "dataset.add_column('id', [f'{i:08d}' for i in range(len(dataset))])"
        raise DataError(
            "The dataset has no column `id`, the key of every diff and of every cache",
            split=split,
            mend=f"Rename your key to `id`, or number the rows once and keep the numbers: {add}.",
        )
    if len(dataset) == 0:
        raise DataError("The dataset has no rows", split=split, mend="Look at what was filtered or set aside.")
    check_columns(dataset, Features({"id": Value("string")}), split)
    ids = pa.chunked_array(dataset.with_format("arrow")[:]["id"]).cast(pa.large_string())
    if ids.null_count:
        row = pc.index(pc.is_null(ids), True).as_py()
        raise DataError("A row has no id", split=split, row=row, mend="Give every row an id, or drop such rows.")
    counts = pc.value_counts(ids)
    twice = counts.filter(pc.greater(counts.field("counts"), 1))
    if len(twice):
        raise DataError(
            f"{len(twice)} ids occur more than once",
            split=split,
            id=twice[0]["values"].as_py(),
            mend="Ids are unique in a split: make them so, for example by putting the file's name in front.",
        )


def _kind(feature: object) -> object:
    """A feature as comparable data: the same for types that hold the same values."""
    from datasets import LargeList, List, Value

    if isinstance(feature, Value):
        return {"large_string": "string", "large_binary": "binary"}.get(feature.dtype, feature.dtype)
    if isinstance(feature, (List, LargeList)):
        return [_kind(feature.feature)]
    if isinstance(feature, dict):
        return {name: _kind(item) for name, item in sorted(feature.items())}
    return type(feature).__name__


def _describe(feature: object) -> str:
    kind = _kind(feature)
    if isinstance(kind, list):
        return f"list<{_describe(feature.feature)}>"  # type: ignore[attr-defined]
    return kind if isinstance(kind, str) else repr(feature)
