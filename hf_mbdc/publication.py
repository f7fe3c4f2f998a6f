"""Publish a dataset as a revision: `publish`, which is `draft` and then `commit`.

A revision is one commit (data, card, changelog, manifest) with a tag `vMAJOR.MINOR.PATCH` that is never moved. `draft`
computes everything that will be published without touching the repository; `commit` writes it.
"""

from __future__ import annotations

import dataclasses
import datetime
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, IntegrityError, RevisionNotFoundError, StaleParentError
from hf_mbdc.history import MANIFEST, add_missing_tag, candidates, find_manifest, log, read_manifest, versions
from hf_mbdc.records import Cost, Decision, Iteration, ParentRecord, SplitRecord

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.revisions.diff import Diff
    from hf_mbdc.revisions.repository import Repository

UNVERSIONED = "v0.0.0"  # of a parent that others made before the first version
PACKAGES = ("hf-mbdc", "datasets", "transformers", "torch", "accelerate", "pyarrow", "numpy", "rapidfuzz")


@dataclass(frozen=True)
class Draft:
    """A revision that is complete but for its commit: the record, the rows, and the rows that were set aside.

    `unchanged`: the head holds the same rows, and the same ones set aside.
    """

    iteration: Iteration
    dataset: DatasetDict
    rejected: Dataset | None = None
    unchanged: bool = False


def publish(
    dataset: Dataset | DatasetDict,
    repo_id: str,
    *,
    message: str,
    repository: str | Path | Repository | None = None,
    parent: str | None = None,
    rejected: Dataset | None = None,
) -> Iteration:
    """Publishes a dataset as the next revision of a repository; the same content again changes nothing.

    Args:
        dataset: the rows; a `Dataset` becomes the split `train`. Every split has a unique string column `id`.
        repo_id: `namespace/name`.
        message: why this revision exists; the headline of its changelog entry.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.
        parent: the revision that the change was made from; default: the head.
        rejected: rows that were set aside, with their reason, published beside the data; default: the parent's.

    Returns:
        The record of the revision, with `version`, `sha` and `content_hash`.

    Raises:
        DataError: ids are missing or doubled, or there are no rows.
        StaleParentError: the repository moved on since `parent`.
        RepositoryError: the repository cannot be written.

    Example:
        >>> publish(dataset, "me/receipts", repository="./repo", message="Answer offsets").version  # doctest: +SKIP
        'v1.0.0'
    """
    from hf_mbdc.revisions.repository import open_repository

    opened = open_repository(repository)
    return commit(draft(dataset, repo_id, opened, message=message, parent=parent, rejected=rejected), opened)


def draft(
    dataset: Dataset | DatasetDict,
    repo_id: str,
    repository: Repository,
    *,
    message: str,
    parent: str | None = None,
    rejected: Dataset | None = None,
) -> Draft:
    """Everything that `publish` would commit, without committing: diff, version, content hash, record."""
    from hf_mbdc.approaches import find_approaches
    from hf_mbdc.revisions.card import split_card
    from hf_mbdc.revisions.content_hash import combine_hashes, content_hash, dataset_hash
    from hf_mbdc.revisions.diff import diff
    from hf_mbdc.revisions.layout import read_rejected

    splits = _as_splits(dataset)
    _check_text(message)
    before = parent_of(repo_id, repository, parent)
    rows_before, rejected_before = None, None
    if before is not None:
        split_card(_read_card(repo_id, before.sha, repository) or "")  # a broken card is told now, not after training
        rows_before = _rows_before(repo_id, before.sha, repository)
        rejected_before = read_rejected(repository.snapshot(repo_id, before.sha))
        rejected = rejected_before if rejected is None else rejected
    changes = diff(rows_before, splits) if rows_before is not None else None
    hashes = {name: content_hash(rows) for name, rows in splits.items()}
    iteration = Iteration(
        repo_id=repo_id,
        version=_version_after(before, changes),
        message=message,
        content_hash=combine_hashes(hashes),
        splits={name: SplitRecord(len(rows), hashes[name], _documents(rows)) for name, rows in splits.items()},
        decision=Decision("unmeasured", "Published by hand; the target model was not trained on it."),
        parent=before,
        diff=changes.to_dict() if changes else {},
        approach=find_approaches(next(iter(splits.values())).features),
        environment=_environment(),
        rejected=_count_reasons(rejected),
        created_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
    )
    same_rows = rows_before is not None and dataset_hash(rows_before) == iteration.content_hash
    unchanged = same_rows and _set_aside_hash(rejected) == _set_aside_hash(rejected_before)
    return Draft(iteration, splits, rejected, unchanged)


def commit(draft: Draft, repository: Repository) -> Iteration:
    """Writes a draft: onto `main` with its tag, or, when its decision is against it, onto a branch beside.

    The same content is never written twice: what is there already is returned.
    """
    from hf_mbdc.revisions import wording

    record = draft.iteration
    if (there := _already_there(draft, repository)) is not None:
        return there
    parent = record.parent.sha if record.parent else None
    if record.decision.refused:  # measured again with other settings: a further commit on its branch
        parent = repository.branches(record.repo_id).get(record.branch, parent)
    with tempfile.TemporaryDirectory(prefix="hf-mbdc-") as scratch:
        files = _write_revision(draft, repository, Path(scratch))
        sha = repository.commit(
            record.repo_id,
            files,
            parent=parent,
            message=f"{wording.name(record)}: {record.message}",
            tag=None if record.decision.refused else record.version,
            branch=record.branch,
        )
    return dataclasses.replace(read_manifest(record.repo_id, sha, repository), sha=sha)


def _as_splits(dataset: Dataset | DatasetDict) -> DatasetDict:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.transforms.checks import check_ids

    if not isinstance(dataset, Dataset | DatasetDict):
        raise DataError(
            f"A {type(dataset).__name__} cannot be published",
            mend="Publish a Dataset or a DatasetDict; collect a streaming dataset first.",
        )
    splits = DatasetDict(train=dataset) if isinstance(dataset, Dataset) else dataset
    if not splits:
        raise DataError("There is no split to publish", mend="Give at least one split with rows.")
    for name, rows in splits.items():
        check_ids(rows, name)
    return splits


def parent_of(repo_id: str, repository: Repository, parent: str | None = None) -> ParentRecord | None:
    """The head as a parent, None for an empty repository; an error when `parent` is not the head any more."""
    head = repository.head(repo_id)
    if head is None:
        if parent is not None:
            raise RevisionNotFoundError(
                "The parent does not exist, the repository is empty", repo_id=repo_id, revision=parent
            )
        return None
    sha = head if parent is None else repository.resolve(repo_id, parent)
    if sha != head:
        raise StaleParentError(
            "The repository moved on since its parent was read",
            repo_id=repo_id,
            parent=parent,
            head=head[:12],
            mend="Load the head, apply the change to it, and publish again.",
        )
    manifest = find_manifest(repo_id, sha, repository)
    latest = manifest or next(iter(versions(repo_id, repository)), None)
    return ParentRecord(latest.version if latest else UNVERSIONED, sha, manifest.content_hash if manifest else "")


def _already_there(draft: Draft, repository: Repository) -> Iteration | None:
    record = draft.iteration
    if record.decision.refused:
        same = (item for item in candidates(record.repo_id, repository) if item.content_hash == record.content_hash)
        return next((item for item in same if item.evidence == record.evidence), None)
    if not draft.unchanged:
        return None
    item = next((item for item in versions(record.repo_id, repository)), None)
    if item is not None and item.content_hash == record.content_hash:
        add_missing_tag(item, repository)
        return item
    return None


def _rows_before(repo_id: str, sha: str, repository: Repository) -> DatasetDict | None:
    """The rows of a parent as they are, whoever wrote them; None for a head without data or without ids."""
    from hf_mbdc.revisions.layout import read_files

    try:
        rows = read_files(repository.snapshot(repo_id, sha))
    except IntegrityError:
        raise
    except DataError:
        return None
    return rows if all("id" in split.column_names for split in rows.values()) else None


def _version_after(before: ParentRecord | None, changes: Diff | None) -> str:
    """By the diff; a parent that cannot be compared counts as changed altogether."""
    from hf_mbdc.revisions.version import FIRST, next_version, parse_version

    if before is None or before.version == UNVERSIONED:
        return FIRST
    if changes is None:
        return f"v{(parse_version(before.version) or (0, 0, 0))[0] + 1}.0.0"
    return next_version(before.version, changes)


def _documents(rows: Dataset) -> int | None:
    return len(set(rows["document_id"][:])) if "document_id" in rows.column_names else None


def _count_reasons(rejected: Dataset | None) -> dict[str, int]:
    reasons = [] if rejected is None else rejected["reason"][:]
    return dict(sorted(Counter(map(str, reasons)).items()))


def _set_aside_hash(rejected: Dataset | None) -> str:
    from hf_mbdc.revisions.content_hash import content_hash

    return content_hash(rejected) if rejected else ""


def _check_text(message: str) -> None:
    if not isinstance(message, str) or not message.strip() or not message.isprintable():
        raise DataError(
            "The message is not one line of text", message=message, mend="Say in a line why this revision exists."
        )


def _write_revision(draft: Draft, repository: Repository, folder: Path) -> dict[str, bytes | Path]:
    from hf_mbdc.revisions.card import render_card
    from hf_mbdc.revisions.disk import sha256
    from hf_mbdc.revisions.layout import card_configs, write_files

    data = write_files(draft.dataset, draft.rejected, folder)
    known = _file_hashes(draft.iteration, repository)
    stored = Cost(bytes=sum(path.stat().st_size for path in data.values() if sha256(path) not in known))
    record = dataclasses.replace(draft.iteration, cost=draft.iteration.cost + stored)
    history, card = [], None
    if record.parent is not None:
        history = log(record.repo_id, repository=repository)[::-1]
        card = _read_card(record.repo_id, record.parent.sha, repository)
    files: dict[str, bytes | Path] = {**data, MANIFEST: record.to_json().encode()}
    configs = card_configs(draft.dataset, draft.rejected)
    return {**files, **render_card(record, history, existing_card=card, configs=configs)}


def _file_hashes(record: Iteration, repository: Repository) -> set[str]:
    """Of the parent's files: what the repository stores already."""
    from hf_mbdc.revisions.disk import sha256

    if record.parent is None:
        return set()
    folder = repository.snapshot(record.repo_id, record.parent.sha)
    return {sha256(path) for path in folder.rglob("*.parquet")}


def _read_card(repo_id: str, sha: str, repository: Repository) -> str | None:
    try:
        return repository.read(repo_id, sha, "README.md").decode()
    except FileNotFoundError:  # a head that others made without a card
        return None
    except UnicodeDecodeError as error:
        what = "The dataset card is not UTF-8"
        raise DataError(what, repo_id=repo_id, path="README.md", mend="Save it as UTF-8 and publish again.") from error


def _environment() -> dict[str, Any]:
    import importlib.metadata
    import platform

    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}", **versions}
