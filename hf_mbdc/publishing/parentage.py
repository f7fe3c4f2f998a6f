"""What a publication builds on: the head, the revision that the change was made from, and both changes in one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_mbdc.errors import DataError, IntegrityError, RevisionNotFoundError, StaleParentError
from hf_mbdc.publishing.history import find_manifest, versions
from hf_mbdc.records import Iteration, ParentRecord

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.revisions.diff.diff import Diff
    from hf_mbdc.revisions.repositories.repository import Repository

UNVERSIONED = "v0.0.0"  # of a parent that others made before the first version
NOTHING = ""  # the parent of a change that was made when the repository was empty


@dataclass(frozen=True)
class Side:
    """A revision and its rows; `rows` is None when it has no data, or rows without ids."""

    parent: ParentRecord
    manifest: Iteration | None
    rows: DatasetDict | None
    rejected: Dataset | None


def parent_of(repo_id: str, repository: Repository, parent: str | None = None) -> ParentRecord | None:
    """The head as a parent, None for an empty repository; an error when `parent` is not the head any more."""
    head = repository.head(repo_id)
    if head is None:
        if parent is not None:
            raise _no_parent(repo_id, parent)
        return None
    if parent is not None and repository.resolve(repo_id, parent) != head:
        raise stale(repo_id, parent, head)
    return describe_parent(repo_id, head, repository)


def describe_parent(repo_id: str, sha: str, repository: Repository) -> ParentRecord:
    """A commit as the parent of another one; of a commit that others made, the version is the newest one there is."""
    manifest = find_manifest(repo_id, sha, repository)
    latest = manifest or next(iter(versions(repo_id, repository)), None)
    return ParentRecord(latest.version if latest else UNVERSIONED, sha, manifest.content_hash if manifest else "")


def stale(repo_id: str, parent: str, head: str) -> StaleParentError:
    """The error for a change that was made from another revision than the head."""
    return StaleParentError(
        "The repository moved on since its parent was read",
        repo_id=repo_id,
        parent=parent,
        head=head[:12],
        mend="Load the head, apply the change to it, and publish again; or let merge=True (--merge) put both together.",
    )


def read_side(repo_id: str, sha: str, repository: Repository) -> Side:
    """A revision with its rows and the rows that were set aside, as they are, whoever wrote them."""
    from hf_mbdc.revisions.files.layout import read_rejected

    return Side(
        describe_parent(repo_id, sha, repository),
        find_manifest(repo_id, sha, repository),
        read_rows(repo_id, sha, repository),
        read_rejected(repository.snapshot(repo_id, sha)),
    )


def base_of(repo_id: str, parent: str | None, head: str | None, repository: Repository) -> str | None:
    """The commit on `main` that a change was made from; None for a change that was made from nothing.

    Of a change of a candidate that was refused it is the commit that the candidate was made from.

    Args:
        parent: the revision that the user names or has loaded, or `NOTHING`; None: the head.
    """
    if parent == NOTHING or (parent is None and head is None):
        return None
    if head is None:
        raise _no_parent(repo_id, str(parent))
    if parent in (None, head) or (sha := repository.resolve(repo_id, parent)) == head:
        return head
    on_main = {item.sha for item in repository.commits(repo_id)}
    while sha not in on_main:
        manifest = find_manifest(repo_id, sha, repository)
        if manifest is None or manifest.parent is None:
            raise stale(repo_id, parent, head)
        sha = manifest.parent.sha
    return sha


def landed_since(repo_id: str, base: str | None, content_hash: str, repository: Repository) -> Iteration | None:
    """The version after `base` that holds exactly this content: a publication whose answer was lost, done again."""
    later = set()
    for item in repository.commits(repo_id):
        if item.sha == base:
            break
        later.add(item.sha)
    found = (item for item in versions(repo_id, repository) if item.sha in later)
    return next((item for item in found if item.content_hash == content_hash), None)


def merge_sides(
    base: Side | None, ours: DatasetDict, rejected: Dataset | None, head: Side
) -> tuple[DatasetDict, Dataset | None]:
    """Our change of `base` and that of others, which is the head, in one: the rows, and the rows set aside.

    Args:
        base: None when there was nothing yet.
        rejected: what we set aside; None: what is set aside stays as it is.

    Raises:
        MergeConflictError: both changed the same.
        DataError: one of the two revisions has no rows that could be merged.
    """
    from hf_mbdc.revisions.merge.merge import merge, merge_rejected

    for side in (base, head):
        if side is not None and side.rows is None:
            raise DataError(
                "A revision without rows with ids cannot be merged",
                revision=side.parent.sha[:12],
                mend="Load the head, apply the change to it, and publish again.",
            )
    rows_before, rows_now = base.rows if base else None, head.rows
    merged = merge(rows_before or {}, ours, rows_now or {})
    if rejected is None:
        return merged, head.rejected
    return merged, merge_rejected(base.rejected if base else None, rejected, head.rejected)


def version_after(before: ParentRecord | None, changes: Diff | None) -> str:
    """By the diff; a parent that cannot be compared counts as changed altogether."""
    from hf_mbdc.publishing.version import FIRST, next_version, parse_version

    if before is None or before.version == UNVERSIONED:
        return FIRST
    if changes is None:
        return f"v{(parse_version(before.version) or (0, 0, 0))[0] + 1}.0.0"
    return next_version(before.version, changes)


def with_since(record: Iteration, before: Side | None, changes: Diff | None) -> Iteration:
    """The record, with the version since which the rows of each split are the same."""
    splits = {}
    for name, split in record.splits.items():
        change = changes.splits.get(name) if changes else None
        same = change is not None and change.status == "kept" and not (change.added or change.removed or change.changed)
        known = before.manifest.splits.get(name) if before and before.manifest else None
        since = (known.since if known else None) or (before.parent.version if before else None)
        splits[name] = dataclasses.replace(split, since=since if same else record.version)
    return dataclasses.replace(record, splits=splits)


def _no_parent(repo_id: str, parent: str) -> RevisionNotFoundError:
    return RevisionNotFoundError("The parent does not exist, the repository is empty", repo_id=repo_id, revision=parent)


def read_rows(repo_id: str, sha: str, repository: Repository) -> DatasetDict | None:
    """The rows of a revision; None when it has no data, or rows without ids."""
    from hf_mbdc.revisions.files.layout import read_files
    from hf_mbdc.revisions.files.live import is_overwritten

    snapshot = repository.snapshot(repo_id, sha)
    if is_overwritten(snapshot):
        return None  # dead rows may have come back: nothing to compare with
    try:
        rows = read_files(snapshot)
    except IntegrityError:
        raise
    except DataError:
        return None
    return rows if all("id" in split.column_names for split in rows.values()) else None
