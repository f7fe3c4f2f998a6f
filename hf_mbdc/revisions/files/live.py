"""Soft deletes: dead rows stay in the files with false in the column `mbdc_live`, and the card filters them out.

The cheapest layout to upload, and an option because of its limits: a reader that ignores the card's `filters` (DuckDB,
the files themselves) sees dead rows; a stock `push_to_hub` erases the filter; and a row that was edited moves to the
end.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from hf_mbdc.errors import DataError, IntegrityError
from hf_mbdc.revisions.files.layout import CARD, LIVE, MANIFEST, Deletes, card_data

if TYPE_CHECKING:
    import numpy as np
    from datasets import Dataset, DatasetDict

    from hf_mbdc.revisions.rows import Rows


def arrange(splits: DatasetDict, before: DatasetDict | None) -> DatasetDict:
    """The rows in the order in which soft deletes keep them: unchanged rows as the parent has them, then all others.

    A split in that order already is given back as it is, and so is one with other columns than the parent's.

    Example:
        >>> from datasets import Dataset, DatasetDict
        >>> old = DatasetDict(train=Dataset.from_dict({"id": ["a", "b"], "x": [1, 2]}))
        >>> new = DatasetDict(train=Dataset.from_dict({"id": ["a", "b", "c"], "x": [0, 2, 3]}))
        >>> arrange(new, old)["train"]["id"][:]
        ['b', 'a', 'c']
    """
    from datasets import DatasetDict

    pairs = {name: (before or {}).get(name) for name in splits}
    return DatasetDict(
        {name: _arrange_split(splits[name], old) if old else splits[name] for name, old in pairs.items()}
    )


def _arrange_split(new: Dataset, old: Dataset) -> Dataset:
    import numpy as np

    from hf_mbdc.revisions.content_hash import canonical_features
    from hf_mbdc.revisions.files.parent import positions, read_keys
    from hf_mbdc.revisions.rows import Rows

    if canonical_features(new.features) != canonical_features(old.features):
        return new
    before, now = Rows(old, list(new.features)), Rows(new, list(new.features))
    where = positions(read_keys(new), read_keys(old))
    if where is None:
        return new
    rows = np.flatnonzero(where >= 0)
    same = _equal_rows(before, where[rows], now, rows)
    kept = rows[same][np.argsort(where[rows][same], kind="stable")]
    comes_in = np.ones(len(new), bool)
    comes_in[kept] = False
    order = np.concatenate([kept, np.flatnonzero(comes_in)])
    return new if (order == np.arange(len(new))).all() else new.select(order)


def _equal_rows(before: Rows, places: np.ndarray, now: Rows, rows: np.ndarray) -> np.ndarray:
    """For each pair of a row before and a row now whether all their cells are equal, names of image files too."""
    import numpy as np

    from hf_mbdc.revisions.cells import differs
    from hf_mbdc.revisions.rows import contiguous, embed

    same = np.ones(len(rows), bool)
    step = min(before.block_rows, now.block_rows)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        left = embed(before.read(places[part]), before.features, paths=True)
        right = embed(now.read(rows[part]), now.features, paths=True)
        for name in now.features:
            same[part] &= ~differs(contiguous(left[name]), contiguous(right[name]))
    return same


def choose_deletes(wanted: Deletes | None, snapshot: Path | None) -> Deletes:
    """What a revision does with rows that go: what the user wants, else what its parent did.

    Args:
        wanted: None: as the parent.
        snapshot: of the parent; None: there is none.

    Raises:
        DataError: `wanted` is none of the three.
        IntegrityError: another tool wrote onto the parent; not with "hard" deletes, which write everything anew.
    """
    if wanted is not None and wanted not in get_args(Deletes):
        raise DataError("Unknown way to delete", deletes=wanted, mend="Choose 'hard', 'lazy' or 'live'.")
    if snapshot is None:
        return wanted or "hard"
    if wanted != "hard" and is_overwritten(snapshot):
        raise IntegrityError(
            "Another tool wrote onto a revision with soft deletes, so that dead rows may have come back",
            mend="Load the last version by its tag, apply the change to it, and publish it with deletes='hard' "
            "(--deletes hard), which writes all files anew.",
        )
    found = describe_layout(snapshot)["deletes"]
    return wanted or found


def describe_layout(snapshot: Path) -> dict[str, Any]:
    """What the data files of a revision note about themselves; files of another tool count as "hard".

    Returns:
        `deletes`; `dead_rows`; `unused_values`: texts in dictionaries that no row uses; `deltas`: delta shards.
    """
    from hf_mbdc.revisions.files.chunks import Mark, read_mark
    from hf_mbdc.revisions.files.parent import DELTA

    paths = sorted(snapshot.glob("data/*.parquet"))
    marks = [read_mark(path) or Mark("hard") for path in paths]
    return {
        "deletes": marks[0].deletes if marks else "hard",
        "dead_rows": sum(mark.dead_rows for mark in marks),
        "unused_values": sum(mark.unused_values for mark in marks),
        "deltas": sum(DELTA in path.name for path in paths),
    }


def is_overwritten(snapshot: Path) -> bool:
    """Whether a revision once had soft deletes, and its files or its card are no longer what we wrote."""
    import pyarrow.parquet as pq

    from hf_mbdc.revisions.files.chunks import read_mark

    paths = list(snapshot.glob("data/*.parquet"))
    live = [path for path in paths if (mark := read_mark(path)) is not None and mark.deletes == "live"]
    marked = any(LIVE in pq.read_schema(path).names for path in paths) or _was_live(snapshot)
    return marked and not (len(live) == len(paths) and _filters(snapshot))


def _was_live(snapshot: Path) -> bool:
    """What the manifest says, which a stock push leaves as it is."""
    try:
        manifest = json.loads((snapshot / MANIFEST).read_text("utf-8"))
    except (FileNotFoundError, ValueError):
        return False
    layout = manifest.get("layout") if isinstance(manifest, dict) else None
    return isinstance(layout, dict) and layout.get("deletes") == "live"


def _filters(snapshot: Path) -> bool:
    """Whether the card still filters the dead rows out."""
    card = snapshot / CARD
    configs = card_data(card).get("configs") if card.is_file() else None
    found = [item.get("filters") for item in configs if isinstance(item, dict)] if isinstance(configs, list) else []
    return [[LIVE, "==", True]] in found
