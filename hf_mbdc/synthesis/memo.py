"""A row memo: what a model said of a row, kept by a hash of the row's content, so that no row is scored twice.

A memo is a folder of Parquet files. Each call of `add` writes one, beside its place, and renames it there: it appears
whole and never changes. So processes may share a memo without a lock, a kill leaves nothing behind that is half
written, and to forget everything is to delete the folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

READ_ROWS = 1000  # as Python objects at a time


def row_keys(rows: Dataset, columns: Sequence[str]) -> list[str]:
    """(n,) SHA-256 (hex) of the values that each row has in some columns; equal exactly where all values are.

    Of the column `candidates` the places count, not what was found out about them.

    Example:
        >>> from datasets import Dataset
        >>> a, b = row_keys(Dataset.from_dict({"x": [[1], [1]], "y": [1, 2]}), ["x"])
        >>> a == b
        True
    """
    return [_key(row) for row in _dictionaries(rows, columns)]


def _dictionaries(rows: Dataset, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    chosen = rows.select_columns(list(columns)).with_format("arrow")
    for table in chosen.iter(batch_size=READ_ROWS):
        yield from table.to_pylist()


def _key(row: Mapping[str, Any]) -> str:
    content = dict(row)
    if (candidates := content.get("candidates")) is not None:
        content["candidates"] = [(candidate["start"], candidate["end"]) for candidate in candidates]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class RowMemo:
    """The memo of one model.

    Args:
        folder: of this model alone: named by its weights and by the code that runs it. Made where it is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     RowMemo(Path(folder)).add({"a": [-0.5], "b": [-1.0, -2.0]})
        ...     RowMemo(Path(folder)).find(["b", "c"])
        {'b': [-1.0, -2.0]}
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, keys: Sequence[str]) -> dict[str, list[float]]:
        """Key → scores, of the keys that are known."""
        import pyarrow.parquet as pq

        wanted = set(keys)
        found: dict[str, list[float]] = {}
        for path in sorted(self.folder.glob("*.parquet")):
            table = pq.read_table(path).to_pydict()
            found |= {k: scores for k, scores in zip(table["key"], table["scores"], strict=True) if k in wanted}
        return found

    def add(self, scores: Mapping[str, Sequence[float]]) -> None:
        """Keeps scores; of a key that is there already both are kept, and are the same."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not scores:
            return
        columns = {"key": list(scores), "scores": pa.array(list(map(list, scores.values())), pa.list_(pa.float64()))}
        name = hashlib.sha256("".join(sorted(scores)).encode()).hexdigest()[:20]
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{name}.{os.getpid()}.tmp"
        pq.write_table(pa.table(columns), temporary)
        temporary.replace(self.folder / f"{name}.parquet")
