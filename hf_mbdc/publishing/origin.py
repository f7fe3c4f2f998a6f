"""A dataset remembers the revision that it was loaded from, through `map`, `filter`, `concatenate_datasets` and disk.

The note is an address in `info.homepage`, the one field of `DatasetInfo` that all of these keep.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

_NOTE = re.compile(r"hf://datasets/(?P<repo_id>[^\s@]+)@(?P<sha>[0-9a-f]{40})(?![0-9a-f])")


def remember(splits: Mapping[str, Dataset], repo_id: str, sha: str) -> None:
    """Notes in every split that it is from a commit; an older note of the same repository goes."""
    for split in splits.values():
        others = [
            line
            for line in (split.info.homepage or "").splitlines()
            if line and not ((found := _NOTE.fullmatch(line)) and found["repo_id"] == repo_id)
        ]
        split.info.homepage = "\n".join([*others, f"hf://datasets/{repo_id}@{sha}"])


def origin(splits: Mapping[str, Dataset], repo_id: str) -> str | None:
    """The commit of `repo_id` that a dataset was loaded from; None where it was not.

    Raises:
        DataError: its parts were loaded from different commits.

    Example:
        >>> from datasets import Dataset
        >>> rows = Dataset.from_dict({"id": ["a"]})
        >>> remember({"train": rows}, "me/receipts", "0" * 40)
        >>> origin({"train": rows.select([0])}, "me/receipts") == "0" * 40, origin({"train": rows}, "me/other")
        (True, None)
    """
    notes = (note for split in splits.values() for note in _NOTE.finditer(split.info.homepage or ""))
    shas = sorted({note["sha"] for note in notes if note["repo_id"] == repo_id})
    if len(shas) > 1:
        raise DataError(
            "The parts of the dataset were loaded from different revisions",
            repo_id=repo_id,
            revisions=[sha[:12] for sha in shas],
            mend="Say with parent=… (--parent) which one the change was made from.",
        )
    return shas[0] if shas else None
