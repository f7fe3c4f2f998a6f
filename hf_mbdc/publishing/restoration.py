"""`rollback`: the content of an earlier version as a new version, with the reason in the changelog."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import RepositoryError
from hf_mbdc.records import Decision, Iteration, ParentRecord

if TYPE_CHECKING:
    from hf_mbdc.revisions.repositories.repository import Repository


def rollback(repo_id: str, to: str, *, message: str, repository: str | Path | Repository | None = None) -> Iteration:
    """Publishes the content of an earlier version again, on top of the head; nothing of the history is lost.

    The number follows from what changes against the head. The record names the version whose content is back
    (`restores`) and keeps its scores: the rows that they were measured on are the same.

    Args:
        repo_id: `namespace/name`.
        to: the version, or its commit, whose rows and rows set aside are to be the newest ones again.
        message: why; the headline of the changelog entry.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.

    Returns:
        The record of the new version; that of the head when it has this content already.

    Raises:
        RevisionNotFoundError: no such revision, or one that was not published by this package.
        IntegrityError: the data of `to` is not what its manifest says.
        StaleParentError: somebody published meanwhile.
        RepositoryError: `to` is a candidate that was refused.

    Example:
        >>> rollback("me/receipts", "v1.0.0", message="v2 lost totals", repository="./repo").version  # doctest: +SKIP
        'v3.0.0'
    """
    from datasets import Dataset

    from hf_mbdc.publishing.history import load, show
    from hf_mbdc.publishing.parentage import read_rows
    from hf_mbdc.publishing.publication import commit, draft
    from hf_mbdc.revisions.files.layout import read_rejected
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    target = show(repo_id, to, repository=opened)
    if target.decision.refused or target.sha is None:
        raise RepositoryError(
            "A candidate that was refused is no version to go back to",
            repo_id=repo_id,
            revision=to,
            mend="Name a version that `hf-mbdc log` lists, or publish the candidate by hand.",
        )
    head = str(opened.head(repo_id))
    rejected = read_rejected(opened.snapshot(repo_id, target.sha))
    none = Dataset.from_dict({"reason": []})
    drafted = draft(
        load(repo_id, target.sha, repository=opened),
        repo_id,
        opened,
        message=message,
        parent=head,
        rejected=none if rejected is None else rejected,
        # Onto a head that another tool wrote over dead rows, nothing of its files can be kept.
        deletes="hard" if read_rows(repo_id, head, opened) is None else None,
    )
    since = {name: split.since for name, split in target.splits.items()}
    record = dataclasses.replace(
        drafted.iteration,
        restores=ParentRecord(target.version, target.sha, target.content_hash),
        decision=Decision("unmeasured", f"Rolled back to {target.version}: rows and scores are those of that version."),
        splits={
            name: dataclasses.replace(split, since=since[name] or split.since)
            for name, split in drafted.iteration.splits.items()
        },
        scores=target.scores,
        approach=target.approach,
        recipe=target.recipe,
    )
    return commit(dataclasses.replace(drafted, iteration=record), opened)
