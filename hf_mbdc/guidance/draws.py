"""Random draws of rows that depend on a seed and a row's id alone: not on the order of rows, a process or a restart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

SOURCE, PARENT = "mbdc_source", "mbdc_parent_id"


def drawn_order(ids: Sequence[object], *key: object) -> np.ndarray:
    """(rows,) positions in an order that the key draws.

    Args:
        ids: of the rows, all different.
        *key: a seed, and whatever else makes this draw another one.

    Example:
        >>> ids = ["a", "b", "c", "d"]
        >>> [ids[n] for n in drawn_order(ids, 0)] == [ids[::-1][n] for n in drawn_order(ids[::-1], 0)]
        True
    """
    salt = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    # One hash a row: numpy has none of strings that is the same in every version.
    draws = [hashlib.blake2b(str(name).encode(), digest_size=8, key=salt).digest() for name in ids]
    return np.argsort(np.frombuffer(b"".join(draws), "<u8"), kind="stable")


def take_rounds(rows: Dataset, wanted: np.ndarray, source: str) -> Dataset:
    """Rows by position; from its second time on, a row is a copy with an id of its own, and says of which row.

    Args:
        rows: with a column `id`.
        wanted: (k,) positions, in the order of the result; any may be named several times.
        source: what `mbdc_source` of a copy says.

    Example:
        >>> from datasets import Dataset
        >>> take_rounds(Dataset.from_dict({"id": ["a", "b"]}), np.array([1, 0, 1]), "resampled").to_list()[-1]
        {'id': 'b~2', 'mbdc_source': 'resampled', 'mbdc_parent_id': 'b'}
    """
    times = _times(wanted)
    ids = rows.select_columns(["id"])[wanted]["id"]
    copied = times > 0
    taken = rows.select(wanted)
    names = [f"{name}~{time + 1}" if time else name for name, time in zip(ids, times.tolist(), strict=True)]
    taken = set_column(taken, "id", names)
    taken = set_column(taken, SOURCE, [source] * len(names), where=copied)
    return set_column(taken, PARENT, ids, where=copied)


def set_column(rows: Dataset, name: str, values: Sequence[str], where: np.ndarray | None = None) -> Dataset:
    """Text values in place of a column's own, in all rows or some; a column that is missing is made, null elsewhere."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from datasets import Dataset, Value

    table, features = rows.with_format("arrow")[:], rows.features.copy()
    features[name] = Value("string")
    new = pa.array(values, pa.string())
    if where is not None:
        old = table[name].cast(pa.string()) if name in table.column_names else pa.nulls(len(rows), pa.string())
        new = pc.if_else(pa.array(where), new, old)
    if name in table.column_names:
        table = table.set_column(table.column_names.index(name), name, new)
    else:
        table = table.append_column(name, new)
    info = rows.info.copy()
    info.features = features
    return Dataset(table.replace_schema_metadata(features.arrow_schema.metadata), info=info)


def check_ids(rows: Dataset, split: str) -> list[str]:
    """The ids; `DataError` where there are none, or one is there twice."""
    if "id" not in rows.column_names:
        raise DataError("The rows have no ids to be drawn by", split=split, mend="Add a column id.")
    ids: list[str] = rows.select_columns(["id"])[:]["id"]
    if len(set(ids)) != len(ids):
        raise DataError("Two rows have the same id", split=split, mend="Make ids unique.")
    return ids


def _times(wanted: np.ndarray) -> np.ndarray:
    """(k,) how often each position was named before."""
    order = np.argsort(wanted, kind="stable")
    ordered = wanted[order]
    first = np.r_[0, np.flatnonzero(np.diff(ordered)) + 1] if len(ordered) else np.empty(0, np.int64)
    run = np.arange(len(ordered)) - np.repeat(first, np.diff(np.r_[first, len(ordered)]))
    times = np.empty(len(wanted), np.int64)
    times[order] = run
    return times
