"""What changed between two revisions of a dataset: rows by key, cells by column, and the schema.

Rows are matched by a key, one column or several, within a split. Order is not a change (it is noted); null equals null
and NaN equals NaN; a column that came or went is a change of the schema and not of the rows; an image is compared by
its bytes. Of rows that share a key the first of old is compared with the first of new, and so on; how many repeat a key
is told, since most often it is a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hf_mbdc.errors import DataError
from hf_mbdc.records import build
from hf_mbdc.revisions.shorten import shorten

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset, DatasetDict, IterableDataset, IterableDatasetDict
    from rich.console import RenderableType

    from hf_mbdc.revisions.diff.rows import RowChanges

Kind = Literal["text", "number", "label", "list", "nested", "image", "other"]

MAX_IDS = 20  # of each list of ids in `to_dict`
_EVALUATION = ("test", "valid", "val", "dev", "eval", "holdout")  # how the names of evaluation splits begin


@dataclass(frozen=True)
class Example:
    """One changed cell. Values are text, cut to 200 characters; None is a null. Class labels go by their names."""

    id: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class TextEdits:
    """Of a sample of the edited texts, evenly spaced: how much of them stayed (1 − insertions and deletions /
    characters of both), on average and at least, and how many edits are of nothing but case or white space."""

    sampled: int
    similarity: float
    lowest: float
    only_case: int = 0
    only_space: int = 0


@dataclass(frozen=True)
class Shift:
    """New minus old, over the changed cells that are finite numbers on both sides."""

    cells: int
    mean: float
    median: float
    lowest: float
    highest: float


@dataclass(frozen=True)
class LabelChange:
    """In how many cells one value became another one."""

    before: str | None
    after: str | None
    rows: int


@dataclass(frozen=True)
class ListEdits:
    """Of a sample of the changed lists, evenly spaced: how many grew, shrank or only have their elements in another
    order, and how many elements came and went in all of them."""

    sampled: int
    longer: int
    shorter: int
    elements_added: int
    elements_removed: int
    reordered: int = 0


@dataclass(frozen=True)
class ColumnDiff:
    """A column in which cells changed: in how many of the rows that both sides have, how, and the first few.

    `labels` has the most frequent old → new pairs of a column of class labels or booleans, or of one that has few
    different values; `fields` says for structs (and lists of them) in how many cells each field changed.
    """

    changed: int
    kind: Kind
    examples: tuple[Example, ...] = ()
    to_null: int = 0
    from_null: int = 0
    to_nan: int = 0
    from_nan: int = 0
    text: TextEdits | None = None
    shift: Shift | None = None
    labels: tuple[LabelChange, ...] = ()
    lists: ListEdits | None = None
    fields: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Duplicates:
    """Rows that repeat a key: those beyond the first of each key, in old and in new; and some of the keys."""

    before: int = 0
    after: int = 0
    ids: tuple[str, ...] = ()


class Ids:
    """Ids that are read when they are first asked for: of files, that means to decode the whole key column.

    Like a string array it has a length, slices, `to_pylist` and equality; `pyarrow.array(ids)` gives the array itself.
    """

    def __init__(self, size: int, read: Callable[[], pa.Array]) -> None:
        self._size = size
        self._read = read
        self._array: pa.Array | None = None

    def __arrow_array__(self, type: pa.DataType | None = None) -> pa.Array:
        if self._array is None:
            self._array = self._read()
        return self._array

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, rows: slice) -> pa.Array:
        return self.__arrow_array__()[rows]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ids) and len(self) == len(other) and self.to_pylist() == other.to_pylist()

    def __hash__(self) -> int:
        return hash(self._size)

    def to_pylist(self) -> list[str]:
        """All of them."""
        ids: list[str] = self.__arrow_array__().to_pylist()
        return ids


@dataclass(frozen=True)
class SplitDiff:
    """One split. Ids are string arrays, or like them: all of them after `diff`, the first 20 after `from_dict`.

    `reasons` counts, for the rows that were added or changed, the new row's `mbdc_source`; where that is null or
    missing the reason is "added" or "edited". `reordered`: the rows that both sides have stand in another order.
    """

    rows_before: int
    rows_after: int
    added: int
    removed: int
    changed: int
    columns: dict[str, ColumnDiff]
    added_ids: pa.Array
    removed_ids: pa.Array
    changed_ids: Ids
    reasons: dict[str, int] = field(default_factory=dict)
    reordered: bool = False
    status: Literal["kept", "added", "removed"] = "kept"  # of the split itself
    duplicates: Duplicates = Duplicates()


@dataclass(frozen=True)
class SchemaDiff:
    """Columns that were added or removed (name → type) or got another type (name → types before and after)."""

    added: dict[str, str] = field(default_factory=dict)
    removed: dict[str, str] = field(default_factory=dict)
    retyped: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Move:
    """Rows that left one split and came into another; they are also counted as removed there and added here."""

    before: str
    after: str
    rows: int
    ids: tuple[str, ...]

    @property
    def leaks(self) -> bool:
        """Whether the rows crossed between training and evaluation: what was trained on tells nothing any more."""
        return _is_evaluation(self.before) != _is_evaluation(self.after)

    @property
    def into_evaluation(self) -> bool:
        """Whether the rows came into a split that is named like one for evaluation: test, validation, dev, …"""
        return _is_evaluation(self.after)


def _is_evaluation(split: str) -> bool:
    return split.lower().startswith(_EVALUATION)


@dataclass(frozen=True)
class Diff:
    """The difference of two datasets. `print(diff)` shows it as a table; `to_dict` is what the manifest holds.

    `copied`: rows added to the split `after` whose key the split `before` has as well and keeps.
    """

    splits: dict[str, SplitDiff]
    schema: SchemaDiff = SchemaDiff()
    moved: tuple[Move, ...] = ()
    key: str | tuple[str, ...] = "id"
    copied: tuple[Move, ...] = ()
    _rows: dict[str, RowChanges] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_empty(self) -> bool:
        """Same splits, columns, types, rows and cells. The order of rows may differ."""
        return self.schema == SchemaDiff() and all(
            s.status == "kept" and not (s.added or s.removed or s.changed) for s in self.splits.values()
        )

    @property
    def leaks(self) -> tuple[Move, ...]:
        """The moved and copied rows that crossed between training and evaluation."""
        return tuple(move for move in (*self.moved, *self.copied) if move.leaks)

    def changes(self) -> Dataset:
        """Every change as a row of a `Dataset`: split, id, column, kind, before, after.

        A changed cell is one row, kind and values as in `ColumnDiff` and `Example` but whole; an added or removed row
        is one row without a column, of kind "added" or "removed", its cells as a JSON object. Values are text: strings
        as they are, all else as JSON, media by size and hash.

        Raises:
            DataError: the diff was read back by `from_dict`, which has examples only.
        """
        from hf_mbdc.revisions.diff.changes import changes

        if self.splits and not self._rows:
            raise DataError(
                "A diff that was read back from its record knows only examples of the changes",
                mend="Compare the two revisions again: hf_mbdc.diff(old, new).",
            )
        return changes(self._rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, whatever the size of the datasets: at most 20 ids of each sort, 5 examples a column."""
        return {
            "key": self.key if isinstance(self.key, str) else list(self.key),
            "splits": {name: _split_to_dict(split) for name, split in self.splits.items()},
            "schema": asdict(self.schema) | {"retyped": {name: list(t) for name, t in self.schema.retyped.items()}},
            "moved": [asdict(move) | {"ids": list(move.ids)} for move in self.moved],
            "copied": [asdict(move) | {"ids": list(move.ids)} for move in self.copied],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Diff:
        """Reads what `to_dict` gave, also that of earlier versions."""
        return cls(
            splits={name: _split_from_dict(split) for name, split in data["splits"].items()},
            schema=build(SchemaDiff, data["schema"]),
            moved=tuple(build(Move, move) for move in data["moved"]),
            key=data["key"] if isinstance(data["key"], str) else tuple(data["key"]),
            copied=tuple(build(Move, move) for move in data.get("copied", ())),
        )

    def to_rich(self) -> RenderableType:
        """The difference as rich tables."""
        from hf_mbdc.revisions.diff.table import diff_table

        return diff_table(self)

    def to_html(self, title: str = "What changed") -> str:
        """A page of its own: tables, and the examples side by side with the changed words marked. No script."""
        from hf_mbdc.revisions.diff.html import diff_page

        return diff_page(self, title)

    def __str__(self) -> str:
        from hf_mbdc.revisions.diff.table import diff_text

        return diff_text(self)


_IDS = ("added_ids", "removed_ids", "changed_ids")


def _split_to_dict(split: SplitDiff) -> dict[str, Any]:
    plain = {item.name: getattr(split, item.name) for item in fields(split) if item.name not in _IDS}
    ids = {name: [shorten(key) for key in getattr(split, name)[:MAX_IDS].to_pylist()] for name in _IDS}
    repeated = asdict(split.duplicates) | {"ids": list(split.duplicates.ids)}
    columns = {name: _column_to_dict(column) for name, column in split.columns.items()}
    return plain | ids | {"columns": columns, "duplicates": repeated}


def _column_to_dict(column: ColumnDiff) -> dict[str, Any]:
    data = asdict(column) | {"examples": [asdict(e) for e in column.examples]}
    data["labels"] = [asdict(label) for label in column.labels]
    return {name: value for name, value in data.items() if value or name in ("changed", "kind", "examples")}


def _split_from_dict(data: Mapping[str, Any]) -> SplitDiff:
    import pyarrow as pa

    ids: dict[str, Any] = {name: pa.array(data[name], pa.large_string()) for name in _IDS}
    changed = ids["changed_ids"]
    ids["changed_ids"] = Ids(len(changed), lambda: changed)
    columns = {name: build(ColumnDiff, column) for name, column in data["columns"].items()}
    repeated = build(Duplicates, data.get("duplicates", {}))
    return SplitDiff(**{**data, **ids, "columns": columns, "duplicates": repeated})


def diff(
    old: Dataset | DatasetDict | IterableDataset | IterableDatasetDict | str | Path,
    new: Dataset | DatasetDict | IterableDataset | IterableDatasetDict | str | Path,
    *,
    key: str | Sequence[str] = "id",
) -> Diff:
    """What changed from `old` to `new`.

    Args:
        old, new: datasets in memory or memory-mapped; streams (`IterableDataset`), which are written to a temporary
            folder first, so that their size is bounded by the disk and not by memory; or a Parquet file, a folder of a
            revision, or a folder of Parquet files. Of two sets of files only the column chunks that differ in their
            bytes are decoded, as far as their rows stand in row groups with the same keys. Splits are compared by name;
            what is a single dataset or file counts as the split that it says it is, or as "train"; two of them are
            compared in any case.
        key: the column or columns whose values name a row within its split: strings or integers. Nulls count as a
            value. Rows with the same key are paired in their order and told of in `duplicates`.

    Returns:
        Diff: counts, kinds, examples and reasons for each split; columns and splits that came or went; rows that moved.

    Raises:
        DataError: a key column is missing or has types that cannot be compared; a file cannot be read.

    Example:
        >>> from datasets import Dataset
        >>> before = Dataset.from_dict({"id": ["a", "b"], "label": [0, 1]})
        >>> after = Dataset.from_dict({"id": ["b", "c"], "label": [0, 1]})
        >>> split = diff(before, after).splits["train"]
        >>> split.added, split.removed, split.changed
        (1, 1, 1)
    """
    from hf_mbdc.revisions.diff.build import build_diff
    from hf_mbdc.revisions.diff.keys import as_key
    from hf_mbdc.revisions.diff.sources import open_sides

    names = as_key(key)
    return build_diff(*open_sides(old, new), names)


def describe(feature: Any) -> str:
    """A feature type in a word or a few.

    Example:
        >>> from datasets import List, Value
        >>> describe({"word": Value("string"), "boxes": List(List(Value("int32")))})
        '{word: string, boxes: list<list<int32>>}'
    """
    from datasets import ClassLabel, LargeList, List, Value

    if isinstance(feature, Value):
        return str(feature.dtype)
    if isinstance(feature, List | LargeList):
        size = f" of {feature.length}" if getattr(feature, "length", -1) > -1 else ""
        return shorten(f"list<{describe(feature.feature)}>{size}")
    if isinstance(feature, dict):
        return shorten("{" + ", ".join(f"{name}: {describe(inner)}" for name, inner in feature.items()) + "}")
    if isinstance(feature, ClassLabel):
        return shorten(f"ClassLabel({', '.join(feature.names)})")
    return str(type(feature).__name__)
