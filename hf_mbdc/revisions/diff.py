"""What changed between two revisions of a dataset: rows by key, cells by column, and the schema.

Rows are matched by a key column within a split. Order is not a change (it is noted); null equals null and NaN equals
NaN; a column that came or went is a change of the schema and not of the rows; an image is compared by its bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from hf_mbdc.records import build

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from datasets import Dataset, DatasetDict
    from rich.console import RenderableType

    from hf_mbdc.revisions.keys import Match

Kind = Literal["text", "number", "list", "image", "other"]

SOURCE = "mbdc_source"  # the column that says which method made or changed a row
MAX_IDS = 20  # of each list of ids in `to_dict`
MAX_EXAMPLES = 5  # of each column
MAX_REASONS = 20


@dataclass(frozen=True)
class Example:
    """One changed cell. Values are text, cut to 200 characters; None is a null."""

    id: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ColumnDiff:
    """A column in which cells changed: in how many of the rows that both sides have, and the first few."""

    changed: int
    kind: Kind
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True)
class SplitDiff:
    """One split. Ids are string arrays: all of them after `diff`, the first 20 after `from_dict`.

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
    changed_ids: pa.Array
    reasons: dict[str, int] = field(default_factory=dict)
    reordered: bool = False
    status: Literal["kept", "added", "removed"] = "kept"  # of the split itself


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


@dataclass(frozen=True)
class Diff:
    """The difference of two datasets. `print(diff)` shows it as a table; `to_dict` is what the manifest holds."""

    splits: dict[str, SplitDiff]
    schema: SchemaDiff = SchemaDiff()
    moved: tuple[Move, ...] = ()
    key: str = "id"

    @property
    def is_empty(self) -> bool:
        """Same splits, columns, types, rows and cells. The order of rows may differ."""
        return self.schema == SchemaDiff() and all(
            s.status == "kept" and not (s.added or s.removed or s.changed) for s in self.splits.values()
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, whatever the size of the datasets: at most 20 ids of each sort, 5 examples a column."""
        return {
            "key": self.key,
            "splits": {name: _split_to_dict(split) for name, split in self.splits.items()},
            "schema": asdict(self.schema) | {"retyped": {name: list(t) for name, t in self.schema.retyped.items()}},
            "moved": [asdict(move) | {"ids": list(move.ids)} for move in self.moved],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Diff:
        """Reads what `to_dict` gave."""
        return cls(
            splits={name: _split_from_dict(split) for name, split in data["splits"].items()},
            schema=build(SchemaDiff, data["schema"]),
            moved=tuple(build(Move, move) for move in data["moved"]),
            key=data["key"],
        )

    def to_rich(self) -> RenderableType:
        """The difference as rich tables."""
        from hf_mbdc.revisions.diff_table import diff_table

        return diff_table(self)

    def __str__(self) -> str:
        from hf_mbdc.revisions.diff_table import diff_text

        return diff_text(self)


_IDS = ("added_ids", "removed_ids", "changed_ids")


def _split_to_dict(split: SplitDiff) -> dict[str, Any]:
    from hf_mbdc.revisions.cells import shorten

    plain = {name: value for name, value in vars(split).items() if name not in _IDS}
    ids = {name: [shorten(key) for key in getattr(split, name)[:MAX_IDS].to_pylist()] for name in _IDS}
    columns = {name: asdict(c) | {"examples": [asdict(e) for e in c.examples]} for name, c in split.columns.items()}
    return plain | ids | {"columns": columns}


def _split_from_dict(data: Mapping[str, Any]) -> SplitDiff:
    import pyarrow as pa

    ids = {name: pa.array(data[name], pa.large_string()) for name in _IDS}
    columns = {name: build(ColumnDiff, column) for name, column in data["columns"].items()}
    return SplitDiff(**{**data, **ids, "columns": columns})


def diff(old: Dataset | DatasetDict, new: Dataset | DatasetDict, *, key: str = "id") -> Diff:
    """What changed from `old` to `new`.

    Args:
        old, new: datasets in memory or memory-mapped. Splits of a `DatasetDict` are compared by name; a single
            `Dataset` counts as the split that it says it is, or as "train"; two of them are compared in any case.
        key: the column whose values name a row within its split: strings or integers, without nulls or duplicates.

    Returns:
        Diff: counts, kinds, examples and reasons for each split; columns and splits that came or went.

    Raises:
        DataError: the key column is missing, has nulls, duplicates, or types that cannot be compared.

    Example:
        >>> from datasets import Dataset
        >>> before = Dataset.from_dict({"id": ["a", "b"], "label": [0, 1]})
        >>> after = Dataset.from_dict({"id": ["b", "c"], "label": [0, 1]})
        >>> split = diff(before, after).splits["train"]
        >>> split.added, split.removed, split.changed
        (1, 1, 1)
    """
    from datasets import Dataset

    from hf_mbdc.revisions.rows import as_splits

    if isinstance(old, Dataset) and isinstance(new, Dataset):
        name = str(new.split or old.split or "train")
        before, after = {name: old}, {name: new}
    else:
        before, after = as_splits(old), as_splits(new)
    splits = {name: _diff_split(before.get(name), after.get(name), key, name) for name in {**after, **before}}
    return Diff(splits, _diff_schema(before, after), tuple(_moves(splits)), key)


def _diff_split(old: Dataset | None, new: Dataset | None, key: str, split: str) -> SplitDiff:
    from hf_mbdc.revisions.keys import as_ids, match_keys, read_keys

    old_keys = read_keys(old, key, split=split, side="old")
    new_keys = read_keys(new, key, split=split, side="new")
    match = match_keys(old_keys, new_keys, split=split, column=key)
    columns, changed = _changes(old, new, match, new_keys)
    changed_rows = match.new[changed]
    return SplitDiff(
        rows_before=len(old_keys),
        rows_after=len(new_keys),
        added=len(match.added),
        removed=len(match.removed),
        changed=len(changed_rows),
        columns=columns,
        added_ids=as_ids(new_keys, match.added),
        removed_ids=as_ids(old_keys, match.removed),
        changed_ids=as_ids(new_keys, changed_rows),
        reasons=_reasons(new, {"added": match.added, "edited": changed_rows}),
        reordered=bool((match.old[1:] < match.old[:-1]).any()),
        status="added" if old is None else "removed" if new is None else "kept",
    )


def _changes(
    old: Dataset | None, new: Dataset | None, match: Match, keys: pa.Array
) -> tuple[dict[str, ColumnDiff], np.ndarray]:
    """The columns with changed cells, and for each matched row whether any of its cells changed."""
    import numpy as np

    from hf_mbdc.revisions.cells import differs, kind_of
    from hf_mbdc.revisions.rows import Rows, contiguous, embed

    changed = np.zeros(len(match.new), bool)
    if old is None or new is None:
        return {}, changed
    names = [name for name in new.column_names if name in old.column_names]
    before, after = Rows(old, names), Rows(new, names)
    counts = dict.fromkeys(names, 0)
    examples: dict[str, list[Example]] = {name: [] for name in names}
    step = min(before.block_rows, after.block_rows)
    for start in range(0, len(match.new), step):
        rows = slice(start, start + step)
        left = embed(before.read(match.old[rows]), before.features, paths=False)
        right = embed(after.read(match.new[rows]), after.features, paths=False)
        for name in names:
            cells, cells_after = contiguous(left[name]), contiguous(right[name])
            unequal = differs(cells, cells_after)
            changed[rows] |= unequal
            counts[name] += int(unequal.sum())
            some = np.flatnonzero(unequal)[: MAX_EXAMPLES - len(examples[name])]
            examples[name] += _examples(keys, match.new[rows][some], cells.take(some), cells_after.take(some))
    return {
        name: ColumnDiff(counts[name], kind_of(new.features[name]), tuple(examples[name]))
        for name in names
        if counts[name]
    }, changed


def _examples(keys: pa.Array, rows: np.ndarray, before: pa.Array, after: pa.Array) -> Iterator[Example]:
    from hf_mbdc.revisions.cells import shorten, text_pair
    from hf_mbdc.revisions.keys import as_ids

    for key, left, right in zip(as_ids(keys, rows).to_pylist(), before, after, strict=True):
        yield Example(shorten(key), *text_pair(left, right))


def _reasons(new: Dataset | None, rows: dict[str, np.ndarray]) -> dict[str, int]:
    """Counts `mbdc_source` of these rows of the new side, most frequent first; a null counts as its group's name."""
    import pyarrow.compute as pc

    from hf_mbdc.revisions.cells import as_text, shorten
    from hf_mbdc.revisions.rows import Rows, contiguous

    counts: Counter[str] = Counter()
    for default, chosen in rows.items():
        if new is None or SOURCE not in new.column_names:
            counts[default] += len(chosen)
            continue
        source = contiguous(Rows(new, [SOURCE]).read(chosen)[SOURCE])
        for item in pc.value_counts(source):
            counts[shorten(as_text(item["values"])) or default] += item["counts"].as_py()
    most = {name: count for name, count in counts.most_common(MAX_REASONS) if count}
    rest = counts.total() - sum(most.values())
    return most | ({"other": most.get("other", 0) + rest} if rest else {})


def _diff_schema(before: Mapping[str, Dataset], after: Mapping[str, Dataset]) -> SchemaDiff:
    """Over the splits that both sides have; when there is none, over the first of each."""
    from hf_mbdc.revisions.content_hash import canonical_features

    names = [name for name in after if name in before]
    pairs = [(before[name].features, after[name].features) for name in names]
    if not pairs and before and after:
        pairs = [(next(iter(before.values())).features, next(iter(after.values())).features)]
    schema = SchemaDiff()
    for old, new in pairs:
        for name in {**new, **old}:
            if name not in old:
                schema.added[name] = describe(new[name])
            elif name not in new:
                schema.removed[name] = describe(old[name])
            elif canonical_features(old[name]) != canonical_features(new[name]):
                schema.retyped[name] = (describe(old[name]), describe(new[name]))
    return schema


def describe(feature: Any) -> str:
    """A feature type in a word or a few.

    Example:
        >>> from datasets import List, Value
        >>> describe({"word": Value("string"), "boxes": List(List(Value("int32")))})
        '{word: string, boxes: list<list<int32>>}'
    """
    from datasets import ClassLabel, LargeList, List, Value

    from hf_mbdc.revisions.cells import shorten

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


def _moves(splits: Mapping[str, SplitDiff]) -> Iterator[Move]:
    import pyarrow.compute as pc

    from hf_mbdc.revisions.cells import shorten

    for before, source in splits.items():
        for after, target in splits.items():
            if not source.removed or not target.added:
                continue
            ids = source.removed_ids.filter(pc.is_in(source.removed_ids, value_set=target.added_ids))
            if len(ids):
                yield Move(before, after, len(ids), tuple(shorten(key) for key in ids[:MAX_IDS].to_pylist()))
