"""The key of a row: one column or several, read, checked, and made a 64-bit number each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hf_mbdc.errors import DataError
from hf_mbdc.revisions.rows import contiguous, plain, text_buffers
from hf_mbdc.transforms.mixer import ODD, mix

if TYPE_CHECKING:
    from hf_mbdc.revisions.diff.parquet_rows import Side

Key = tuple[str, ...]

LONG = 1024  # bytes; longer texts are hashed one by one
_NULL = np.uint64(0x9E3779B97F4A7C15)
_MASKS = np.array([(1 << 8 * size) - 1 for size in range(9)], np.uint64)  # keep the first `size` bytes of a word


def as_key(key: str | Sequence[str]) -> Key:
    """The names of the key columns.

    Raises:
        DataError: there are none, or one is named twice.
    """
    names = (key,) if isinstance(key, str) else tuple(key)
    if not names or len(set(names)) != len(names):
        raise DataError("The key names no column, or one twice", key=names, mend="Name each key column once.")
    return names


def check_key(rows: Side | None, key: Key, *, split: str, side: str) -> list[str]:
    """The kinds of the key columns: string, int64 or uint64; null where there are no rows, or no split.

    Raises:
        DataError: a key column is missing, or neither text nor whole numbers.
    """
    if rows is None:
        return ["null"] * len(key)
    return [_kind(rows, name, {"split": split, "column": name}, side) for name in key]


def _kind(rows: Side, name: str, where: dict[str, str], side: str) -> str:
    if name not in rows.features:
        columns = ", ".join(rows.features) or "none"
        raise DataError(
            f"The {side} dataset has no key column", mend=f"Choose one with key=…; columns: {columns}.", **where
        )
    kind = plain(pa.array([], rows.schema.field(name).type)).type
    if pa.types.is_integer(kind):
        return "uint64" if kind == pa.uint64() else "int64"
    if pa.types.is_large_string(kind):
        return "string"
    if pa.types.is_null(kind) or rows.count == 0:
        return "null"
    raise DataError(f"The keys of the {side} dataset are {kind}", mend="Use strings or integers.", **where)


def check_kinds(old: Sequence[str], new: Sequence[str], key: Key, split: str) -> None:
    """Raises `DataError` when one side has text where the other has numbers."""
    for name, before, after in zip(key, old, new, strict=True):
        if before != after and "null" not in (before, after):
            raise DataError(
                f"The keys are of type {before} in the old dataset and {after} in the new one",
                mend="Cast one of the two columns.",
                split=split,
                column=name,
            )


def key_arrays(table: pa.Table) -> list[pa.Array]:
    """The columns of a table of keys, one array each."""
    return [_undressed(contiguous(column)) for column in table.columns]


def _undressed(array: pa.Array) -> pa.Array:
    kind = array.type
    return array if pa.types.is_string(kind) or pa.types.is_large_string(kind) else plain(array)


def ascending(array: pa.Array) -> bool:
    """Whether the values grow strictly from row to row, so that none is there twice; nulls do not."""
    return array.null_count == 0 and bool(pc.all(pc.less(array[:-1], array[1:]), min_count=0).as_py())


def hash_keys(columns: Sequence[pa.Array]) -> np.ndarray:
    """A number (uint64) for each row that is the same for equal keys, on every machine, and nearly always another one
    for others: who relies on it has to compare the keys of the rows that it brings together.

    Example:
        >>> a, b = hash_keys([pa.array(["x", None, "x"])]), hash_keys([pa.array([None, "x"], pa.large_string())])
        >>> bool(a[0] == a[2] == b[1] != a[1]), bool(a[1] == b[0])
        (True, True)
    """
    hashes = _hash(columns[0])
    for column in columns[1:]:
        hashes = mix(hashes * ODD + _hash(column))
    return hashes


def _hash(array: pa.Array) -> np.ndarray:
    if pa.types.is_null(array.type):
        return np.full(len(array), _NULL)
    valid = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
    if pa.types.is_integer(array.type):
        values = (array if valid is None else array.fill_null(0)).to_numpy()
        hashes = mix(values.astype(np.uint64 if array.type == pa.uint64() else np.int64).view(np.uint64))
    else:
        hashes = _hash_texts(array if valid is None else array.fill_null(""))
    return hashes if valid is None else np.where(valid, hashes, _NULL)


def _hash_texts(array: pa.Array) -> np.ndarray:
    """Eight bytes at a time, all rows at once."""
    starts, data = text_buffers(array)
    sizes = np.diff(starts).astype(np.int64)
    hashes = mix(sizes.view(np.uint64) ^ _NULL)
    if not len(sizes) or not int(sizes.max()):
        return hashes
    first, last = int(starts[0]), int(starts[-1])
    data = np.concatenate([data[first:last], np.zeros(8, np.uint8)])  # so that a word may reach over the end
    begins = starts[:-1].astype(np.int64) - first
    size = int(sizes.max())
    if size == int(sizes.min()):
        for at in range(0, min(size, LONG), 8):
            words = np.ndarray(len(sizes), "<u8", data, at, (size,))
            hashes = mix((hashes * ODD) ^ (words & _MASKS[min(size - at, 8)]))
    else:
        words = np.ndarray(len(data) - 7, "<u8", data, 0, (1,))
        for at in range(0, min(size, LONG), 8):
            rows = np.flatnonzero(sizes > at)
            found = words[begins[rows] + at] & _MASKS[np.minimum(sizes[rows] - at, 8)]
            hashes[rows] = mix((hashes[rows] * ODD) ^ found)
    for row in np.flatnonzero(sizes > LONG):  # few rows have such keys
        digest = hashlib.blake2b(data[begins[row] : begins[row] + sizes[row]].tobytes(), digest_size=8).digest()
        hashes[row] = np.frombuffer(digest, "<u8")[0]
    return hashes


def as_ids(columns: Sequence[pa.Array]) -> pa.Array:
    """The keys as valid text: a single column's values, several as a JSON list; a null key is `null`.

    Example:
        >>> as_ids([pa.array(["a", None])]).to_pylist(), as_ids([pa.array(["a"]), pa.array([1])]).to_pylist()
        (['a', 'null'], ['["a", 1]'])
    """
    texts = [_valid(plain(column)) for column in columns]
    if len(texts) == 1:
        return texts[0].cast(pa.large_string()).fill_null("null")
    rows = zip(*(column.to_pylist() for column in texts), strict=True)
    return pa.array([json.dumps(row, ensure_ascii=False) for row in rows], pa.large_string())


def _valid(column: pa.Array) -> pa.Array:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:  # a file may hold a string that is no valid UTF-8: rare, so a loop will do
        raw = column.cast(pa.large_binary()).to_pylist()
        return pa.array([None if t is None else t.decode("utf-8", errors="replace") for t in raw], pa.large_string())
    return column
