"""Replace some rows' values in some columns, on Arrow, keeping order, features and every other value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

PROVENANCE = ("mbdc_source", "mbdc_parent_id", "mbdc_model", "mbdc_iteration")


def replace_rows(rows: Dataset, positions: np.ndarray, columns: Mapping[str, Sequence[Any]]) -> Dataset:
    """Puts new values at some positions of some columns.

    Args:
        rows: the dataset; not changed.
        positions: (k,) row numbers, each at most once.
        columns: column name → its k new values, in the order of `positions`. The column must exist.

    Example:
        >>> from datasets import Dataset
        >>> replace_rows(Dataset.from_dict({"a": [1, 2, 3]}), np.array([2]), {"a": [9]})["a"][:]
        [1, 2, 9]
    """
    import pyarrow as pa
    from datasets import Dataset

    table = rows.with_format("arrow")[:]
    source = np.arange(len(rows))
    source[positions] = len(rows) + np.arange(len(positions))  # take from the new values, which stand behind the old
    for name, values in columns.items():
        old = table.column(name)
        both = pa.chunked_array([*old.chunks, pa.array(list(values), type=old.type)], type=old.type)
        table = table.set_column(table.schema.get_field_index(name), table.schema.field(name), both.take(source))
    return Dataset(table, info=rows.info.copy())


def add_provenance_columns(rows: Dataset) -> Dataset:
    """Adds the `mbdc_*` columns, null for every row, where they are missing."""
    import pyarrow as pa
    from datasets import Dataset, Value

    missing = [name for name in PROVENANCE if name not in rows.column_names]
    if not missing:
        return rows
    table, features = rows.with_format("arrow")[:], rows.features.copy()
    for name in missing:
        table = table.append_column(name, pa.nulls(len(rows), pa.string()))
        features[name] = Value("string")
    info = rows.info.copy()
    info.features = features
    return Dataset(table.replace_schema_metadata(features.arrow_schema.metadata), info=info)


def append_rows(rows: Dataset, more: Dataset) -> Dataset:
    """Rows behind others; what one side has no column for is null there.

    Args:
        rows: their columns come first, in their order.
        more: columns of the same names have the same types.

    Raises:
        DataError: a column is of another type.

    Example:
        >>> from datasets import Dataset
        >>> append_rows(Dataset.from_dict({"a": [1], "b": ["x"]}), Dataset.from_dict({"a": [2]})).to_list()
        [{'a': 1, 'b': 'x'}, {'a': 2, 'b': None}]
    """
    import pyarrow as pa
    from datasets import Dataset, Features

    features = Features({**more.features, **rows.features})
    features = Features({name: features[name] for name in (*rows.features, *more.features)})
    for name in more.features:
        if features[name] != more.features[name]:
            what = f"The column is {features[name]} in some rows and {more.features[name]} in others"
            raise DataError(what, column=name, mend="Make it one type: ds.cast_column(…).")
    schema = features.arrow_schema
    tables = []
    for side in (rows, more):
        table = side.with_format("arrow")[:]
        columns = [
            table[name].cast(schema.field(name).type) if name in table.column_names else pa.nulls(len(side), kind)
            for name, kind in zip(schema.names, schema.types, strict=True)
        ]
        tables.append(pa.table(columns, names=schema.names))
    info = rows.info.copy()
    info.features = features
    return Dataset(pa.concat_tables(tables).replace_schema_metadata(schema.metadata), info=info, split=rows.split)
