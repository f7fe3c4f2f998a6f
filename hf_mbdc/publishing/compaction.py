"""Write the data files of a repository anew: `compact`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.records import Iteration

if TYPE_CHECKING:
    from hf_mbdc.revisions.files.layout import Deletes
    from hf_mbdc.revisions.repositories.repository import Repository

MESSAGE = "Compacted: the same rows in files written anew"


def compact(
    repo_id: str,
    *,
    message: str = MESSAGE,
    repository: str | Path | Repository | None = None,
    deletes: Deletes | None = None,
) -> Iteration:
    """Publishes the head once more in files written anew, without dead rows, unused texts and delta shards.

    The content hash stays the same, so the version rises by a patch. Older revisions keep their files: what must be
    gone for good has to go from the history too.

    Args:
        repo_id: `namespace/name`.
        message: the headline of the changelog entry.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.
        deletes: how rows are deleted from now on, see `publish`; default: as before.

    Returns:
        The record of the new revision, or that of the head when there is nothing to compact.

    Raises:
        RepositoryError: nothing was published yet.
        IntegrityError: the head is not what its manifest says.

    Example:
        >>> compact("me/receipts", repository="./repo").version  # doctest: +SKIP
        'v2.0.1'
    """
    from hf_mbdc.publishing.history import load, show
    from hf_mbdc.publishing.publication import commit, draft
    from hf_mbdc.revisions.files.live import describe_layout
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    sha = opened.resolve(repo_id, "main")
    found = describe_layout(opened.snapshot(repo_id, sha))
    if not (found["dead_rows"] or found["unused_values"] or found["deltas"]) and deletes in (None, found["deletes"]):
        return show(repo_id, sha, repository=opened)
    rows = load(repo_id, sha, repository=opened)
    drafted = draft(rows, repo_id, opened, message=message, parent=sha, deletes=deletes, anew=True)
    return commit(dataclasses.replace(drafted, known=None), opened)
