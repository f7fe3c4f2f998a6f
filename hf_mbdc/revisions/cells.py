"""Which cells of two columns differ, and how a cell is shown to a person. Vectorised; nested types too."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, Image, LargeList, List, Value

from hf_mbdc.revisions.diff.diff import Kind
from hf_mbdc.revisions.rows import is_list, plain, text_buffers

MANY_ROWS = 16  # on average, from which on runs of rows are copied as such


def kind_of(feature: Any) -> Kind:
    """The kind of change that a column can undergo; booleans count as numbers, a struct is nested."""
    if isinstance(feature, Image):
        return "image"
    if isinstance(feature, List | LargeList):
        return "list"
    if isinstance(feature, ClassLabel):
        return "label"
    if isinstance(feature, dict):
        return "nested"
    if isinstance(feature, Value) and feature.dtype.startswith(("int", "uint", "float", "bool", "decimal")):
        return "number"
    if isinstance(feature, Value) and feature.dtype in ("string", "large_string", "string_view"):
        return "text"
    return "other"


def differs(before: pa.Array, after: pa.Array) -> np.ndarray:
    """For each position: whether the two values differ (bool array of the same length).

    Null equals null, NaN equals NaN, 0.0 equals −0.0; numbers are compared exactly. Arrays of different types are cast
    to one another where every value survives that; where not, every position differs.

    Example:
        >>> differs(pa.array([[1.0], [float("nan")], None]), pa.array([[2.0], [float("nan")], []])).tolist()
        [True, False, True]
    """
    before, after = plain(before), plain(after)
    if before.type != after.type:
        pair = _in_one_type(before, after)
        if pair is None:
            return np.ones(len(before), bool)
        before, after = pair
    if before.equals(after):
        return np.zeros(len(before), bool)
    valid, valid_after = before.is_valid(), after.is_valid()
    result = pc.not_equal(valid, valid_after).to_numpy(zero_copy_only=False)
    if pa.types.is_struct(before.type):
        # A null struct has null fields here, so that what lies hidden under a null is not compared.
        for left, right in zip(before.flatten(), after.flatten(), strict=True):
            result |= differs(left, right)
        return result
    if is_list(before.type):
        return result | _lists_differ(before, after)
    unequal = pc.not_equal(before, after)
    if pa.types.is_floating(before.type):
        unequal = pc.and_not(unequal, pc.and_(pc.is_nan(before), pc.is_nan(after)))
    return result | unequal.fill_null(False).to_numpy(zero_copy_only=False)


@dataclass(frozen=True)
class Pairs:
    """Rows of two columns that belong together: `before[left[i]]` and `after[right[i]]`, both ascending; None: all."""

    left: np.ndarray | None
    right: np.ndarray | None

    @cached_property
    def breaks(self) -> np.ndarray | bool:
        """For each pair but the first whether a row came or went before it; False: before none."""
        found = [np.diff(rows) != 1 for rows in (self.left, self.right) if rows is not None]
        return np.logical_or(*found) if len(found) == 2 else found[0] if found else False


def differs_at(before: pa.Array, after: pa.Array, pairs: Pairs) -> np.ndarray:
    """`differs` of pairs of rows.

    Numbers without nulls are compared by NumPy, texts where they lie in memory, and rows of other types are copied by
    runs: in a diff of rows in the same order, with some that came or went in between, that is where the time goes.
    """
    kind = before.type
    simple = pa.types.is_integer(kind) or pa.types.is_float32(kind) or pa.types.is_float64(kind)
    if simple and kind == after.type and not before.null_count and not after.null_count:
        return _numbers_differ(_chosen(before.to_numpy(), pairs.left), _chosen(after.to_numpy(), pairs.right))
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if text and kind == after.type and not (pairs.left is None and pairs.right is None):
        return _texts_differ(before, after, pairs)
    return differs(_taken(before, pairs.left), _taken(after, pairs.right))


def _numbers_differ(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    unequal = first != second
    if first.dtype.kind == "f":
        hits = np.flatnonzero(unequal)
        unequal[hits] = ~(np.isnan(first[hits]) & np.isnan(second[hits]))
    return unequal


def _texts_differ(before: pa.Array, after: pa.Array, pairs: Pairs) -> np.ndarray:
    """Nothing is copied: rows that follow one another on both sides, with texts of the same sizes, are the same bytes
    or are looked at one by one."""
    left, right = pairs.left, pairs.right
    (starts, _), (starts_after, _) = text_buffers(before), text_buffers(after)
    unequal = _chosen(np.diff(starts), left) != _chosen(np.diff(starts_after), right)
    cut = np.ones(len(unequal) + 1, bool)
    np.logical_or(unequal[1:], unequal[:-1], out=cut[1:-1])
    cut[1:-1] |= pairs.breaks
    bounds = np.flatnonzero(cut)
    if len(bounds) * MANY_ROWS > len(unequal):
        return differs(_taken(before, left), _taken(after, right))
    stretches = np.flatnonzero(~unequal[bounds[:-1]])
    firsts, stops = bounds[stretches], bounds[stretches + 1]
    places, places_after = (firsts if rows is None else rows[firsts] for rows in (left, right))
    begins, begins_after = starts[places], starts_after[places_after]
    sizes = starts[places + stops - firsts] - begins
    spans = zip(begins.tolist(), begins_after.tolist(), sizes.tolist(), strict=True)
    for number in _unequal_spans(before.buffers()[2], after.buffers()[2], spans):
        rows = int(stops[number] - firsts[number])
        pair = before.slice(places[number], rows), after.slice(places_after[number], rows)
        unequal[firsts[number] : stops[number]] = differs(*pair)
    if before.null_count or after.null_count:
        there, there_after = _chosen(_valid(before), left), _chosen(_valid(after), right)
        unequal = (unequal & there & there_after) | (there != there_after)
    return unequal


def _unequal_spans(before: pa.Buffer, after: pa.Buffer, spans: Iterable[tuple[int, int, int]]) -> list[int]:
    """The numbers of those spans (begin before, begin after, size) whose bytes differ."""
    return [
        number
        for number, (begin, begin_after, size) in enumerate(spans)
        if size and not before.slice(begin, size).equals(after.slice(begin_after, size))
    ]


def _valid(array: pa.Array) -> np.ndarray:
    return array.is_valid().to_numpy(zero_copy_only=False)


def _chosen(values: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    return values if rows is None else values[rows]


def _taken(array: pa.Array, rows: np.ndarray | None) -> pa.Array:
    if rows is None:
        return array
    ends = np.flatnonzero(np.diff(rows) != 1) + 1
    if len(ends) * MANY_ROWS > len(rows):
        return array.take(pa.array(rows))
    # Long runs are copied as a whole, at a third of the time of a take.
    starts, stops = np.append(0, ends), np.append(ends, len(rows))
    runs = zip(rows[starts].tolist(), (stops - starts).tolist(), strict=True)
    return pa.concat_arrays([array.slice(start, size) for start, size in runs])


def _in_one_type(before: pa.Array, after: pa.Array) -> tuple[pa.Array, pa.Array] | None:
    if (there := _cast(before, after.type)) is not None:
        return there, after
    back = _cast(after, before.type)
    return None if back is None else (before, back)


def _cast(array: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The array in another type; None where a value has no place in it, or Arrow knows no way."""
    try:
        return array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return None


def _lists_differ(before: pa.Array, after: pa.Array) -> np.ndarray:
    lengths, lengths_after = (pc.list_value_length(a).fill_null(0).to_numpy() for a in (before, after))
    same = lengths == lengths_after
    result = ~same
    mask = pa.array(same)
    # Lists of the same lengths have items that stand side by side once flattened.
    unequal = differs(before.filter(mask).flatten(), after.filter(mask).flatten())
    owner = np.repeat(np.flatnonzero(same), lengths[same])
    result[owner[unequal]] = True
    return result


def cell_text(value: pa.Scalar, feature: Any) -> str | None:
    """A cell as text; a class label by its name."""
    if isinstance(feature, ClassLabel) and value.is_valid and 0 <= value.as_py() < len(feature.names or ()):
        return str(feature.names[value.as_py()])
    return as_text(value)


def texts_of(array: pa.Array) -> list[str | None]:
    """The values of a text array; what is no valid UTF-8 is shown with marks."""
    try:
        found: list[str | None] = array.to_pylist()
    except UnicodeDecodeError:
        found = [as_text(value) for value in array]
    return found


def as_text(value: pa.Scalar) -> str | None:
    """A cell as text: strings as they are, images by size and hash, all else as JSON; null is None."""
    if not value.is_valid:
        return None
    kind = value.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        # Through bytes, because a file may hold a string that is no valid UTF-8.
        return value.cast(pa.large_binary()).as_py().decode("utf-8", errors="replace")
    if pa.types.is_floating(kind) and not pa.types.is_float64(kind):
        return str(np.dtype(kind.to_pandas_dtype()).type(value.as_py()))  # 0.1, not 0.10000000149011612
    content = value.as_py()
    if isinstance(content, bytes):
        return _bytes_text(content)
    if isinstance(content, dict) and content.keys() == {"bytes", "path"}:
        return _bytes_text(content["bytes"]) if content["bytes"] is not None else "file"
    return json.dumps(content, ensure_ascii=False, default=_json_default)


def _json_default(value: object) -> str:
    return _bytes_text(value) if isinstance(value, bytes) else str(value)


def _bytes_text(content: bytes) -> str:
    return f"{len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()[:12]}"
