"""A decision made again from the published scores of single rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from hf_mbdc.guidance.compare import Comparison
    from hf_mbdc.revisions.repositories.repository import Repository


def compare_again(
    repo_id: str,
    revision: str = "main",
    *,
    slice_by: str | None = None,
    repository: str | Path | Repository | None = None,
) -> Comparison:
    """Compares a version or candidate with its parent as its run did, perhaps by other slices.

    Nothing is trained, and no look at the evaluation rows is spent: the verdict is that of the decision.

    Args:
        repo_id: `namespace/name`.
        revision: a version, branch or commit.
        slice_by: a column of the evaluation split; default the slices of the decision.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.

    Raises:
        RevisionNotFoundError: no such revision, or no decision was made on it.
        DataError: there is no such column.
    """
    from hf_mbdc.guidance.compare import compare
    from hf_mbdc.publishing.history import load, scores, show

    kept, record = scores(repo_id, revision, repository=repository), show(repo_id, revision, repository=repository)
    found = record.evidence
    if found is None:  # the file is there, the evidence is not: somebody edited the manifest
        raise DataError("The record holds no evidence", revision=revision, mend="Check it with `hf-mbdc verify`.")
    if slice_by is not None:
        rows = load(repo_id, revision, repository=repository)[found.split]
        if slice_by not in rows.column_names:
            mend = f"It has: {', '.join(rows.column_names)}."
            raise DataError("The split has no such column", split=found.split, column=slice_by, mend=mend)
        names = dict(zip(rows["id"][:], rows[slice_by][:], strict=True))
        kept = dataclasses.replace(kept, slices=[str(names[key]) for key in kept.ids])
    again = compare(kept, confidence=found.confidence, alpha=found.alpha, minimum_effect=found.minimum_effect)
    return dataclasses.replace(again, verdict=found.verdict)  # a control may have forbidden what the parent allows
