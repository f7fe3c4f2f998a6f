"""The key column of a dataset: read, checked, and matched against another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import Dataset

from hf_mbdc.errors import DataError
from hf_mbdc.revisions.rows import Rows, plain


@dataclass(frozen=True)
class Match:
    """Row numbers: `old[i]` and `new[i]` have the same key; `added` are rows of new, `removed` rows of old."""

    old: np.ndarray
    new: np.ndarray
    added: np.ndarray
    removed: np.ndarray


def read_keys(dataset: Dataset | None, key: str, *, split: str, side: str) -> pa.Array:
    """The key column as one array of large_string, int64 or uint64 (null type when it was made from no rows).

    Raises:
        DataError: it is missing, has nulls or duplicates, or is neither text nor whole numbers.
    """
    if dataset is None:
        return pa.array([], pa.null())
    where = {"split": split, "column": key}
    if key not in dataset.column_names:
        columns = ", ".join(dataset.column_names) or "none"
        raise DataError(
            f"The {side} dataset has no key column", mend=f"Choose one with key=…; columns: {columns}.", **where
        )
    parts = [plain(chunk) for block in Rows(dataset, [key]).blocks() for chunk in block[key].chunks]
    keys = pa.concat_arrays(parts) if parts else pa.array([], pa.null())
    if keys.null_count:
        row = pc.index(keys.is_null(), True).as_py()
        raise DataError(f"A row of the {side} dataset has no key", mend="Give every row one.", row=row, **where)
    if pa.types.is_integer(keys.type):
        keys = keys if keys.type == pa.uint64() else keys.cast(pa.int64())
    elif len(keys) and not pa.types.is_large_string(keys.type):
        raise DataError(f"The keys of the {side} dataset are {keys.type}", mend="Use strings or integers.", **where)
    _check_unique(keys, side, where)
    return keys


def _check_unique(keys: pa.Array, side: str, where: dict[str, str]) -> None:
    # Sorted keys, the usual case, need no hash table.
    if len(keys) < 2 or pc.all(pc.less(keys[:-1], keys[1:])).as_py():
        return
    first = pc.index_in(keys, value_set=keys).to_numpy()
    again = np.flatnonzero(first != np.arange(len(keys)))
    if len(again):
        row = int(again[0])
        raise DataError(
            f"{len(again)} row{'s' * (len(again) > 1)} of the {side} dataset repeat{'s' * (len(again) == 1)} a key",
            mend="Make the keys unique within a split.",
            id=as_ids(keys, again[:1])[0].as_py()[:200],
            rows=(int(first[row]), row),
            **where,
        )


def match_keys(old: pa.Array, new: pa.Array, *, split: str, column: str) -> Match:
    """Finds the rows of both sides.

    Raises:
        DataError: one side has text, the other numbers.
    """
    nothing, everything = np.empty(0, np.int64), np.arange(len(new))
    if len(old) == 0 or len(new) == 0:
        return Match(nothing, nothing, everything, np.arange(len(old)))
    if old.type != new.type:
        names = [str(keys.type).removeprefix("large_") for keys in (old, new)]
        raise DataError(
            f"The keys are of type {names[0]} in the old dataset and {names[1]} in the new one",
            mend="Cast one of the two columns.",
            split=split,
            column=column,
        )
    if old.equals(new):
        return Match(everything, everything, nothing, nothing)
    position = pc.index_in(new, value_set=old)
    found = position.is_valid().to_numpy(zero_copy_only=False)
    matched = position.drop_null().to_numpy().astype(np.int64)
    left = np.ones(len(old), bool)
    left[matched] = False
    return Match(matched, np.flatnonzero(found), np.flatnonzero(~found), np.flatnonzero(left))


def as_ids(keys: pa.Array, rows: np.ndarray) -> pa.Array:
    """The keys of some rows as valid text."""
    chosen = keys.take(pa.array(rows, pa.int64())).cast(pa.large_string())
    try:
        chosen.validate(full=True)
    except pa.ArrowInvalid:  # a file may hold a string that is no valid UTF-8: rare, so a loop will do
        raw = chosen.cast(pa.large_binary()).to_pylist()
        return pa.array([text.decode("utf-8", errors="replace") for text in raw], pa.large_string())
    return chosen
