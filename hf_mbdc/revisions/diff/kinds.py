"""What kind of change the changed cells of a column went through, for each kind of column."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from datasets import ClassLabel, LargeList, List, Value

from hf_mbdc.revisions.cells import as_text, differs, kind_of, texts_of
from hf_mbdc.revisions.diff.diff import LabelChange, ListEdits, Shift, TextEdits
from hf_mbdc.revisions.rows import is_list, plain
from hf_mbdc.revisions.shorten import shorten

SAMPLE = 1000  # changed texts and lists that are looked at one by one, evenly spaced
MOST_LABELS = 20  # old → new pairs that are listed
MOST_PAIRS = 1000  # of class labels, that are counted
REPEATED = 5  # a column of texts or whole numbers counts as labels when each pair comes that often
LONG_TEXT = 20_000  # characters, beyond what both have in common at the ends, that a similarity looks at


@dataclass
class Tally:
    """What is known of the changed cells of one column: filled block by block, in the order of the rows."""

    rows: list[np.ndarray] = field(default_factory=list)  # of new
    to_null: int = 0
    from_null: int = 0
    to_nan: int = 0
    from_nan: int = 0
    shifts: list[np.ndarray] = field(default_factory=list)
    labels: Counter[tuple[Any, Any]] | None = field(default_factory=Counter)  # None: too many to be labels
    fields: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Appends what a later block found."""
        self.rows += other.rows
        self.to_null += other.to_null
        self.from_null += other.from_null
        self.to_nan += other.to_nan
        self.from_nan += other.from_nan
        self.shifts += other.shifts
        self.fields += other.fields
        if self.labels is not None and other.labels is not None:
            self.labels += other.labels
        if other.labels is None or (self.labels is not None and len(self.labels) > MOST_PAIRS):
            self.labels = None


def tally(rows: np.ndarray, before: pa.Array, after: pa.Array, feature: Any) -> Tally:
    """Counts what can be counted in Arrow; `before` and `after` are the changed cells of the rows."""
    gone, came = (int(pc.sum(mask).as_py() or 0) for mask in _null_changes(before, after))
    found = Tally([rows], gone, came, labels=_pairs(before, after, feature))
    if kind_of(feature) == "number":
        found.shifts.append(_shift_of(before, after))
        found.to_nan, found.from_nan = (_nans(array, other) for array, other in ((after, before), (before, after)))
    if _nested(feature):
        found.fields.update(dict(_fields(before, after)))
    return found


def _null_changes(before: pa.Array, after: pa.Array) -> tuple[pa.Array, pa.Array]:
    return pc.and_(before.is_valid(), after.is_null()), pc.and_(before.is_null(), after.is_valid())


def _pairs(before: pa.Array, after: pa.Array, feature: Any) -> Counter[tuple[Any, Any]] | None:
    """How often which value became which, as long as they are few; None when they are no labels."""
    whole = isinstance(feature, ClassLabel | Value) and not str(feature.dtype).startswith(("float", "double", "dec"))
    if not whole or before.type != after.type or not _countable(before.type):
        return None
    most = MOST_PAIRS if is_label(feature) else MOST_LABELS
    before, after = plain(before), plain(after)
    if any(len(side[: 2 * most].unique()) > most for side in (before, after)):
        return None
    before, after = (side.dictionary_encode("encode") for side in (before, after))
    size = len(after.dictionary)
    if max(len(before.dictionary), size) > most:
        return None
    both = before.indices.to_numpy().astype(np.int64) * size + after.indices.to_numpy()
    pairs, counts = np.unique(both, return_counts=True)
    if len(pairs) > most:
        return None
    left, right = (
        texts_of(array) if _is_text(array.type) else array.to_pylist()
        for array in (before.dictionary, after.dictionary)
    )
    named = ((left[pair // size], right[pair % size]) for pair in pairs.tolist())
    return Counter(dict(zip(named, counts.tolist(), strict=True)))


def is_label(feature: Any) -> bool:
    """Whether the values of a column are labels by their type: few, and each with a meaning of its own."""
    return isinstance(feature, ClassLabel) or getattr(feature, "dtype", "") == "bool"


def _countable(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_boolean(kind) or _is_text(kind)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _shift_of(before: pa.Array, after: pa.Array) -> np.ndarray:
    """New minus old where both are numbers."""
    try:
        left, right = (plain(a).cast(pa.float64(), safe=False).fill_null(np.nan).to_numpy() for a in (before, after))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # the column had another type before
        return np.empty(0)
    with np.errstate(invalid="ignore", over="ignore"):
        shift = right - left
    return shift[np.isfinite(shift)]


def _nans(cells: pa.Array, others: pa.Array) -> int:
    """How many cells are NaN whose other side is a number; of changed cells no other side is NaN as well."""
    cells = plain(cells)
    if not pa.types.is_floating(cells.type):
        return 0
    return int(pc.sum(pc.and_(pc.is_nan(cells), others.is_valid())).as_py() or 0)


def _nested(feature: Any) -> bool:
    return isinstance(feature, dict) or (isinstance(feature, List | LargeList) and _nested(feature.feature))


def _fields(before: pa.Array, after: pa.Array, path: str = "") -> Iterator[tuple[str, int]]:
    """In how many cells each field of a struct changed; of lists of structs those of the same length are looked at."""
    before, after = plain(before), plain(after)
    if pa.types.is_struct(before.type) and pa.types.is_struct(after.type):
        both = pc.and_(before.is_valid(), after.is_valid())
        before, after = before.filter(both), after.filter(both)
        for index, inner in enumerate(before.type):
            place = after.type.get_field_index(inner.name)
            if place < 0:
                continue
            left, right = before.flatten()[index], after.flatten()[place]
            name = f"{path}.{inner.name}" if path else inner.name
            deeper = dict(_fields(left, right, name)) if _holds_struct(left.type) else {}
            if deeper:
                yield from deeper.items()
            elif changed := int(differs(left, right).sum()):
                yield name, changed
    elif is_list(before.type) and is_list(after.type):
        lengths, lengths_after = (pc.list_value_length(array).fill_null(-1) for array in (before, after))
        same = pc.equal(lengths, lengths_after)
        yield from _fields(before.filter(same).flatten(), after.filter(same).flatten(), f"{path}[]")


def _holds_struct(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) or (is_list(kind) and _holds_struct(kind.value_type))


def shift(parts: Sequence[np.ndarray]) -> Shift | None:
    """Mean, median, least and largest of the shifts; None when no cell has a number on both sides."""
    values = np.concatenate(parts) if parts else np.empty(0)
    if not len(values):
        return None
    numbers = (float(f(values)) for f in (np.mean, np.median, np.min, np.max))
    return Shift(len(values), *numbers)


def confusion(found: Tally, features: tuple[Any, Any], changed: int) -> tuple[LabelChange, ...]:
    """The most frequent old → new pairs, when the column is one of labels or behaves like one."""
    if not found.labels or not changed:
        return ()
    if not any(map(is_label, features)) and (len(found.labels) > MOST_LABELS or changed < REPEATED * len(found.labels)):
        return ()
    pairs = sorted(found.labels.items(), key=lambda item: (-item[1], str(item[0])))[:MOST_LABELS]
    return tuple(
        LabelChange(shorten(label_name(old, features[0])), shorten(label_name(new, features[1])), rows)
        for (old, new), rows in pairs
    )


def label_name(value: Any, feature: Any) -> str | None:
    """The name of a class label, another value as text, and null as None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(feature, ClassLabel) and 0 <= value < len(feature.names):
        return str(feature.names[value])
    return str(value).lower() if isinstance(value, bool) else str(value)


def text_edits(before: pa.Array, after: pa.Array) -> TextEdits | None:
    """How much of the texts stayed; a null on one side is no edit of a text."""
    pairs = zip(texts_of(before), texts_of(after), strict=True)
    texts = [(left, right) for left, right in pairs if left is not None and right is not None]
    if not texts:
        return None
    alike = [similarity(*pair) for pair in texts]
    return TextEdits(
        sampled=len(texts),
        similarity=float(np.mean(alike)),
        lowest=float(np.min(alike)),
        only_case=sum(a != b and a.casefold() == b.casefold() for a, b in texts),
        only_space=sum(a != b and "".join(a.split()) == "".join(b.split()) for a, b in texts),
    )


def similarity(before: str, after: str) -> float:
    """1 − insertions and deletions / characters of both (rapidfuzz's Indel), 1.0 for equal texts.

    Example:
        >>> similarity("12.00", "12.50")
        0.8
    """
    from rapidfuzz.distance import Indel, Postfix, Prefix

    head = Prefix.similarity(before, after)
    tail = Postfix.similarity(before[head:], after[head:])
    left, right = before[head : len(before) - tail], after[head : len(after) - tail]
    left, right = left[:LONG_TEXT], right[:LONG_TEXT]
    total = 2 * (head + tail) + len(left) + len(right)
    return (total - Indel.distance(left, right)) / total if total else 1.0


def list_edits(before: pa.Array, after: pa.Array) -> ListEdits | None:
    """How the lists grew or shrank, and how many elements came and went, wherever they stand in the list."""
    came = gone = longer = shorter = moved = sampled = 0
    for left, right in zip(before, after, strict=True):
        if not (left.is_valid and right.is_valid and hasattr(left, "values") and hasattr(right, "values")):
            continue
        old, new = (Counter(as_text(item) for item in side.values or ()) for side in (left, right))
        came, gone, sampled = came + (new - old).total(), gone + (old - new).total(), sampled + 1
        longer, shorter = longer + (new.total() > old.total()), shorter + (new.total() < old.total())
        moved += old == new
    return ListEdits(sampled, longer, shorter, came, gone, moved) if sampled else None
