"""What can be compared: datasets, streams, Parquet files and folders of them, each as rows by split."""

from __future__ import annotations

from typing import Any

from datasets import Dataset

from hf_mbdc.revisions.diff_rows import RowChanges, compare_rows
from hf_mbdc.revisions.keys import Key
from hf_mbdc.revisions.rows import Rows, as_splits


def open_sides(old: Any, new: Any) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """The splits of both sides by name; two single datasets are one split, whatever they are called."""
    if isinstance(old, Dataset) and isinstance(new, Dataset):
        name = str(new.split or old.split or "train")
        return {name: Rows(old)}, {name: Rows(new)}
    before, after = ({name: Rows(rows) for name, rows in as_splits(side).items()} for side in (old, new))
    return before, after


def compare(old: Rows, new: Rows, key: Key) -> RowChanges:
    """Compares two sides in the way that their kinds allow."""
    return compare_rows(old, new, key)
