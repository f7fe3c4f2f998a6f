"""Publish a dataset as a revision, and read revisions back: `publish`, `load`, `log`, `show`.

A revision is one commit (data, card, changelog, manifest) with a tag `vMAJOR.MINOR.PATCH` that is never moved. `draft`
computes everything that will be published without touching the repository; `commit` writes it.
"""

from __future__ import annotations

import dataclasses
import datetime
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, IntegrityError, RevisionNotFoundError, StaleParentError
from hf_mbdc.records import CANDIDATES, Cost, Decision, Iteration, ParentRecord, SplitRecord

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.revisions.repository import Repository

MANIFEST = "manifest.json"
PACKAGES = ("hf-mbdc", "datasets", "transformers", "torch", "accelerate", "pyarrow", "numpy", "rapidfuzz")


@dataclass(frozen=True)
class Draft:
    """A revision that is complete but for its commit: the record, the rows, and the rows that were set aside."""

    iteration: Iteration
    dataset: DatasetDict
    rejected: Dataset | None = None


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
    from hf_mbdc.revisions.content_hash import combine_hashes, content_hash
    from hf_mbdc.revisions.diff import diff
    from hf_mbdc.revisions.layout import read_rejected
    from hf_mbdc.revisions.version import next_version

    splits = _as_splits(dataset)
    before = parent_of(repo_id, repository, parent)
    if before is not None:
        split_card(_read_card(repo_id, before.sha, repository) or "")  # a broken card is told now, not after training
        rejected = rejected or read_rejected(repository.snapshot(repo_id, before.sha))
    changes = diff(load(repo_id, before.sha, repository=repository), splits) if before else None
    hashes = {name: content_hash(rows) for name, rows in splits.items()}
    iteration = Iteration(
        repo_id=repo_id,
        version=next_version(before.version if before else None, changes),
        message=message,
        content_hash=combine_hashes(hashes),
        splits={name: SplitRecord(len(rows), hashes[name]) for name, rows in splits.items()},
        decision=Decision("unmeasured", "Published by hand; the target model was not trained on it."),
        parent=before,
        diff=changes.to_dict() if changes else {},
        approach=find_approaches(next(iter(splits.values())).features),
        environment=_environment(),
        created_at=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds"),
    )
    return Draft(iteration, splits, rejected)


def commit(draft: Draft, repository: Repository) -> Iteration:
    """Writes a draft: onto `main` with its tag, or, when its decision is against it, onto a branch beside.

    The same content is never written twice: what is there already is returned.
    """
    record = draft.iteration
    if (there := _already_there(record, repository)) is not None:
        return there
    with tempfile.TemporaryDirectory(prefix="hf-mbdc-") as scratch:
        files = _write_revision(draft, repository, Path(scratch))
        sha = repository.commit(
            record.repo_id,
            files,
            parent=record.parent.sha if record.parent else None,
            message=f"{record.version}: {record.message}",
            tag=None if record.decision.refused else record.version,
            branch=record.branch,
        )
    return dataclasses.replace(_read_manifest(record.repo_id, sha, repository), sha=sha)


def load(repo_id: str, revision: str = "main", *, repository: str | Path | Repository | None = None) -> DatasetDict:
    """Loads exactly one revision, or raises; the rows are checked against the manifest's content hash.

    Args:
        repo_id: `namespace/name`.
        revision: a tag, a branch or a commit; default the head of `main`.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.

    Raises:
        RevisionNotFoundError: there is no such revision; the message lists those that exist.
        IntegrityError: the data is not what the manifest of the revision says.

    Example:
        >>> load("me/receipts", revision="v1.0.0", repository="./repo")  # doctest: +SKIP
    """
    from hf_mbdc.revisions.content_hash import dataset_hash
    from hf_mbdc.revisions.layout import read_files
    from hf_mbdc.revisions.repository import open_repository

    opened = open_repository(repository)
    sha = opened.resolve(repo_id, revision)
    dataset = read_files(opened.snapshot(repo_id, sha))
    manifest = _find_manifest(repo_id, sha, opened)
    if manifest is not None and (found := dataset_hash(dataset)) != manifest.content_hash:
        raise IntegrityError(
            "The data is not what the manifest of its revision says",
            repo_id=repo_id,
            revision=revision,
            expected=manifest.content_hash[:12],
            found=found[:12],
            mend="Somebody changed data files without publishing; load an earlier version or publish the data.",
        )
    return dataset


def log(repo_id: str, *, repository: str | Path | Repository | None = None) -> list[Iteration]:
    """The history of a repository, newest first: every version, and the candidates that were not accepted.

    Example:
        >>> [entry.version for entry in log("me/receipts", repository="./repo")]  # doctest: +SKIP
        ['v2.0.0', 'v1.0.0']
    """
    from hf_mbdc.revisions.repository import open_repository

    opened = open_repository(repository)
    opened.resolve(repo_id, "main")  # says it when there is no such repository
    return sorted(
        [*_history(repo_id, opened), *_refused(repo_id, opened)], key=lambda item: item.created_at, reverse=True
    )


def show(repo_id: str, revision: str = "main", *, repository: str | Path | Repository | None = None) -> Iteration:
    """The record of one revision: what changed, why, by which step and model, at what cost, with what effect.

    Raises:
        RevisionNotFoundError: no such revision, or one that was not published by this package.
    """
    from hf_mbdc.revisions.repository import open_repository

    opened = open_repository(repository)
    return _read_manifest(repo_id, opened.resolve(repo_id, revision), opened)


def find_published(dataset: DatasetDict, repo_id: str, repository: Repository) -> Iteration | None:
    """The version or refused candidate that holds exactly these rows, if there is one."""
    from hf_mbdc.revisions.content_hash import dataset_hash

    if repository.head(repo_id) is None:
        return None
    wanted = dataset_hash(dataset)
    known = [*_history(repo_id, repository), *_refused(repo_id, repository)]
    return next((item for item in known if item.content_hash == wanted), None)


def _as_splits(dataset: Dataset | DatasetDict) -> DatasetDict:
    from datasets import Dataset, DatasetDict

    from hf_mbdc.transforms.checks import check_ids

    if not isinstance(dataset, Dataset | DatasetDict):
        raise DataError(
            f"A {type(dataset).__name__} cannot be published",
            mend="Publish a Dataset or a DatasetDict; collect a streaming dataset first.",
        )
    splits = DatasetDict(train=dataset) if isinstance(dataset, Dataset) else dataset
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
    manifest = _find_manifest(repo_id, sha, repository)
    latest = manifest or next(iter(_history(repo_id, repository)), None)
    return ParentRecord(latest.version if latest else "v0.0.0", sha, manifest.content_hash if manifest else "")


def _history(repo_id: str, repository: Repository) -> list[Iteration]:
    """The versions on `main`, newest first; commits that others made in between have no manifest of their own."""
    found: dict[str, Iteration] = {}
    for item in repository.commits(repo_id):
        manifest = _find_manifest(repo_id, item.sha, repository)
        if manifest is not None:
            found[manifest.version] = manifest  # a later card-only commit carries the same manifest: keep the oldest
    return list(found.values())


def _refused(repo_id: str, repository: Repository) -> list[Iteration]:
    """The candidates that were not accepted, each on its branch."""
    shas = [sha for name, sha in repository.branches(repo_id).items() if name.startswith(f"{CANDIDATES}/")]
    return [item for sha in shas if (item := _find_manifest(repo_id, sha, repository)) is not None]


def _already_there(record: Iteration, repository: Repository) -> Iteration | None:
    if record.branch == "main":
        if record.parent is None or record.parent.content_hash != record.content_hash:
            return None
        there = _read_manifest(record.repo_id, record.parent.sha, repository)
        repository.add_tag(record.repo_id, there.version, record.parent.sha)  # missing after a kill before the tag
        return there
    sha = repository.branches(record.repo_id).get(record.branch)
    return _read_manifest(record.repo_id, sha, repository) if sha else None


def _write_revision(draft: Draft, repository: Repository, folder: Path) -> dict[str, bytes | Path]:
    from hf_mbdc.revisions.card import render_card
    from hf_mbdc.revisions.layout import card_configs, write_files

    data = write_files(draft.dataset, draft.rejected, folder)
    stored = Cost(bytes=sum(path.stat().st_size for path in data.values()))
    record = dataclasses.replace(draft.iteration, cost=draft.iteration.cost + stored)
    history, card = [], None
    if record.parent is not None:
        history = log(record.repo_id, repository=repository)[::-1]
        card = _read_card(record.repo_id, record.parent.sha, repository)
    files: dict[str, bytes | Path] = {**data, MANIFEST: record.to_json().encode()}
    configs = card_configs(draft.dataset, draft.rejected)
    return {**files, **render_card(record, history, existing_card=card, configs=configs)}


def _read_card(repo_id: str, sha: str, repository: Repository) -> str | None:
    try:
        return repository.read(repo_id, sha, "README.md").decode()
    except FileNotFoundError:  # a head that others made without a card
        return None


def _find_manifest(repo_id: str, sha: str, repository: Repository) -> Iteration | None:
    try:
        text = repository.read(repo_id, sha, MANIFEST)
    except FileNotFoundError:
        return None
    try:
        return dataclasses.replace(Iteration.from_json(text), sha=sha)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise IntegrityError(
            "The manifest of a revision cannot be read",
            repo_id=repo_id,
            revision=sha[:12],
            mend="It was edited by hand, or a newer hf_mbdc wrote it: restore it, or upgrade.",
        ) from error


def _read_manifest(repo_id: str, sha: str, repository: Repository) -> Iteration:
    if (manifest := _find_manifest(repo_id, sha, repository)) is None:
        raise RevisionNotFoundError(
            "This revision has no manifest: it was not published by hf_mbdc",
            repo_id=repo_id,
            revision=sha[:12],
            mend=f"Show one of: {', '.join(repository.tags(repo_id)) or 'no version yet'}.",
        )
    return manifest


def _environment() -> dict[str, Any]:
    import importlib.metadata
    import platform

    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}", **versions}
