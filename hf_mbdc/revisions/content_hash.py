"""A hash of what a dataset says, not of how it is stored.

Two datasets have the same hash exactly when they have the same columns with the same feature types, and the same values
in the same row order. Chunking, an indices mapping, cache files, dictionary encoding, string or large_string, the order
of the columns, and the path of an image do not matter; all NaN are one value and −0.0 is 0.0.

How: every leaf of every column has streams of its own (null or not, lengths, values), each a SHA-256 that is fed block
by block. Streams that are concatenated do not know where a block ended: memory stays bounded, chunking cannot show.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from hf_mbdc.errors import DataError
from hf_mbdc.revisions.rows import Rows, contiguous, embed, is_list, plain

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

FORMAT = "hf_mbdc content hash 1"
_SAME_TYPE = {
    "large_string": "string",
    "string_view": "string",
    "large_binary": "binary",
    "binary_view": "binary",
    "LargeList": "List",
}

Streams = dict[str, "hashlib._Hash"]


def content_hash(dataset: Dataset) -> str:
    """SHA-256 (hex) of the logical content of one split.

    Args:
        dataset: any `Dataset`; images that lie in files are read.

    Raises:
        DataError: a column has a type that has no defined content, or the file of an image is missing.

    Example:
        >>> from datasets import Dataset
        >>> rows = Dataset.from_dict({"id": ["a", "b"]})
        >>> content_hash(rows) == content_hash(rows.select([1, 0]).select([1, 0]))
        True
    """
    rows = Rows(dataset)
    streams: Streams = {}
    for block in rows.blocks():
        table = embed(block, rows.features, paths=False)
        for name in table.column_names:
            # As JSON, so that no column name can be mistaken for a path into another column.
            _feed(streams, json.dumps(name), contiguous(table[name]))
    digest = hashlib.sha256(f"{FORMAT}\n{len(dataset)}\n".encode())
    digest.update(json.dumps(canonical_features(rows.features), sort_keys=True).encode())
    for path in sorted(streams):
        digest.update(f"\n{path} {streams[path].hexdigest()}".encode())
    return digest.hexdigest()


def dataset_hash(splits: DatasetDict) -> str:
    """SHA-256 (hex) of all splits: of their names and content hashes, in the order of the names."""
    return combine_hashes({name: content_hash(split) for name, split in splits.items()})


def combine_hashes(hashes: dict[str, str]) -> str:
    """`dataset_hash` of splits whose content hashes are known.

    Example:
        >>> combine_hashes({"b": "1", "a": "2"}) == combine_hashes({"a": "2", "b": "1"})
        True
    """
    return hashlib.sha256(json.dumps(hashes, sort_keys=True).encode()).hexdigest()


def canonical_features(feature: Any) -> Any:
    """A feature, or `Features`, as JSON data that is equal for types that hold the same values."""
    from datasets import Features

    return _canonical(Features({"": feature}).to_dict()[""] if not isinstance(feature, Features) else feature.to_dict())


def _canonical(item: Any) -> Any:
    if isinstance(item, list):
        return [_canonical(inner) for inner in item]
    if not isinstance(item, dict):
        return item
    if not isinstance(item.get("_type"), str):  # a struct, or the columns themselves: their names are data
        return {name: _canonical(inner) for name, inner in item.items()}
    # `decode` says how a cell is shown, not what is in it; `id` is unused by datasets.
    kept = {name: value for name, value in item.items() if name not in ("decode", "id") and value is not None}
    for name in {"_type", "dtype"} & kept.keys():
        kept[name] = _SAME_TYPE.get(kept[name], kept[name])
    if "feature" in kept:
        kept["feature"] = _canonical(kept["feature"])
    return kept


def _feed(streams: Streams, path: str, array: pa.Array) -> None:
    """Appends the values of one array to the streams under `path`."""
    array = plain(array)
    valid = array.is_valid()
    _update(streams, f"{path} valid", pc.cast(valid, pa.uint8()).to_numpy())
    kind = array.type
    if pa.types.is_struct(kind):
        # flatten() hides what lies under a null; field() would show it.
        for field, child in zip(kind, array.flatten(), strict=True):
            _feed(streams, f"{path}.{json.dumps(field.name)}", child)
    elif is_list(kind):
        _update(streams, f"{path} lengths", _lengths(pc.list_value_length(array)))
        _feed(streams, f"{path}[]", array.flatten())
    elif pa.types.is_large_string(kind) or pa.types.is_large_binary(kind):
        _update(streams, f"{path} lengths", _lengths(pc.binary_length(array)))
        _update(streams, f"{path} values", _text_bytes(array))
    elif not pa.types.is_null(kind):
        _update(streams, f"{path} values", _fixed_bytes(array, path))


def _update(streams: Streams, path: str, data: np.ndarray) -> None:
    streams.setdefault(path, hashlib.sha256()).update(data.data)


def _lengths(lengths: pa.Array) -> np.ndarray:
    return lengths.fill_null(0).to_numpy().astype("<i8")


def _text_bytes(array: pa.Array) -> np.ndarray:
    """The bytes of all values end to end. A null may hide bytes under it, so nulls are emptied first."""
    if array.null_count:
        array = array.fill_null(b"" if pa.types.is_large_binary(array.type) else "")
    _, offsets, data = array.buffers()
    if len(array) == 0 or data is None or data.size == 0:
        return np.empty(0, np.uint8)
    start, stop = np.frombuffer(offsets, dtype="<i8")[[array.offset, array.offset + len(array)]]
    return np.frombuffer(data, np.uint8)[start:stop]


def _fixed_bytes(array: pa.Array, path: str) -> np.ndarray:
    """The bytes of values that all have the same width, without what nulls hide under them."""
    array = array.drop_null()
    kind = array.type
    if pa.types.is_floating(kind):
        values = array.to_numpy(zero_copy_only=False) + np.zeros(1, kind.to_pandas_dtype())  # −0.0 + 0.0 is 0.0
        return np.where(np.isnan(values), np.full(1, np.nan, values.dtype), values)
    if pa.types.is_boolean(kind):
        return pc.cast(array, pa.uint8()).to_numpy()
    try:
        width = kind.bit_width // 8
    except ValueError as error:
        raise DataError(f"Values of type {kind} have no content hash", column=path, mend="Cast or drop it.") from error
    if len(array) == 0:
        return np.empty(0, np.uint8)
    data = np.frombuffer(array.buffers()[1], np.uint8)
    return data[array.offset * width : (array.offset + len(array)) * width]
