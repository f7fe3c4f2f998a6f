"""What a dataset must have before work starts: columns of the right type, and an id for every row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset, Features


NUMBERED = 'Number the rows once and keep the numbers: ds.add_column("id", [f"{i:06d}" for i in range(len(ds))]).'


def check_columns(found: Mapping[str, Any], wanted: Features, *, split: str | None = None) -> None:
    """Raises `DataError` for the first column of `wanted` that `found` lacks or has as another kind.

    Width and encoding do not matter: int64 does for int32, large_string for string, a fixed-size list for a list.

    Args:
        found: a dataset's features.
        wanted: the columns that are needed.
        split: for the message.
    """
    for column, feature in wanted.items():
        kind = describe(feature)
        if column not in found:
            raise DataError(
                f"Column {column!r} ({kind}) is missing; there are {', '.join(map(repr, found)) or 'none'}",
                split=split,
                mend=NUMBERED
                if column == "id"
                else f'Rename the one that holds it: ds.rename_column("…", "{column}").',
            )
        if describe(found[column]) != kind:
            mend = f"Make it {kind} with ds.map(…) and ds.cast_column(…)."
            if column == "answers" and "text" in describe(found[column]):
                mend = 'Keep the texts: ds.map(lambda row: {"answers": row["answers"]["text"]}, features=…).'
            raise DataError(
                f"Column {column!r} is {describe(found[column])}, not {kind}", split=split, column=column, mend=mend
            )


def check_ids(ds: Dataset, split: str | None = None) -> None:
    """Raises `DataError` unless the dataset has rows and a string column `id` without holes or repetition.

    Eight bytes an id are held, not the ids: a data set may be larger than memory.
    """
    import numpy as np
    from datasets import Features, Value

    if not len(ds):
        raise DataError("The split is empty", split=split, mend="Leave it out, or look at what was filtered away.")
    check_columns(ds.features, Features({"id": Value("string")}), split=split)
    column = ds.with_format(None).select_columns("id")
    hashes, whole = [], True
    for block in column.iter(10_000):
        whole = whole and all(block["id"])
        hashes.append(np.fromiter(map(hash, block["id"]), dtype=np.int64, count=len(block["id"])))
    if not whole or len(np.unique(np.concatenate(hashes))) < len(ds):  # two ids may share a hash: look at themselves
        check_id_values(column["id"][:], split=split)


def check_id_values(ids: Sequence[str | None], *, split: str | None = None) -> None:
    """Raises `DataError` when an id is missing, empty or given twice."""
    counts = Counter(ids)
    if len(counts) == len(ids) and not (None in counts or "" in counts):
        return
    for row, value in enumerate(ids):
        if not value:
            raise DataError("A row has no id", split=split, row=row, mend="Give every row an id of its own.")
    value, count = counts.most_common(1)[0]
    rows = [row for row, other in enumerate(ids) if other == value]
    raise DataError(
        f"{count} rows have the same id",
        split=split,
        id=value,
        rows=rows[:5],
        mend="Make ids unique inside a split, e.g. by the document's name and the question's number.",
    )


def describe(feature: Any) -> str:
    """A feature's kind in words that `datasets` users know.

    Example:
        >>> from datasets import List, Value
        >>> describe(List(List(Value("int32"))))
        'list of list of integer'
    """
    if isinstance(feature, list | tuple) and len(feature) == 1:
        return f"list of {describe(feature[0])}"
    if isinstance(feature, Mapping):
        return f"struct of {', '.join(feature)}"
    inner = getattr(feature, "feature", None)
    if inner is not None:
        return f"list of {describe(inner)}"
    dtype = str(getattr(feature, "dtype", type(feature).__name__))
    kinds = {"string": ("string", "large_string"), "integer": ("int", "uint"), "float": ("float",)}
    for kind, beginnings in kinds.items():
        if dtype.startswith(beginnings):
            return kind
    return dtype if type(feature).__name__ == "Value" else type(feature).__name__
