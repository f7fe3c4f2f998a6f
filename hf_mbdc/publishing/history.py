"""Read revisions back: `load` their rows, `log` and `show` their records."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import IntegrityError, RevisionNotFoundError
from hf_mbdc.records import CANDIDATES, Iteration

if TYPE_CHECKING:
    from datasets import DatasetDict

    from hf_mbdc.guidance.row_scores import RowScores
    from hf_mbdc.revisions.repositories.repository import Repository

MANIFEST = "manifest.json"
SCORES = "assets/scores.parquet"  # of each evaluation row; beside the plots, where no reader looks for data
FINGERPRINT = 32  # characters of a content hash; datasets allows 64 at most


def load(repo_id: str, revision: str = "main", *, repository: str | Path | Repository | None = None) -> DatasetDict:
    """Loads exactly one revision, or raises; the rows are checked against the manifest's content hash.

    Without a network, versions that were loaded before are loaded from the Hub's cache, or there is an error; never
    another revision. The fingerprint of a split is that of its content: a commit that only edits the card keeps the
    caches of `map`. The dataset remembers its revision: `publish` takes it as the parent.

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
    from hf_mbdc.publishing.origin import remember
    from hf_mbdc.revisions.content_hash import combine_hashes, content_hash
    from hf_mbdc.revisions.files.layout import read_files
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    sha = find_revision(repo_id, revision, opened)
    dataset = read_files(opened.snapshot(repo_id, sha))
    manifest = find_manifest(repo_id, sha, opened)
    if manifest is not None:
        _check_tag(manifest, revision)
        hashes = {name: content_hash(split) for name, split in dataset.items()}
        if (found := combine_hashes(hashes)) != manifest.content_hash:
            raise IntegrityError(
                "The data is not what the manifest of its revision says",
                repo_id=repo_id,
                revision=revision,
                expected=manifest.content_hash[:12],
                found=found[:12],
                mend="Somebody changed data files without publishing; load an earlier version or publish the data.",
            )
        for name, split in dataset.items():
            # datasets names the results of map by it; it has no public name. Stock fingerprints are of the place.
            split._fingerprint = hashes[name][:FINGERPRINT]
    remember(dataset, repo_id, sha)
    return dataset


def find_revision(repo_id: str, revision: str, repository: Repository) -> str:
    """Sha of a tag, branch or commit; also of a version whose publication was killed between commit and tag."""
    from hf_mbdc.publishing.version import parse_version

    try:
        return repository.resolve(repo_id, revision)
    except RevisionNotFoundError:
        if parse_version(revision) is None:
            raise
        for item in versions(repo_id, repository):
            if item.version == revision and item.sha is not None:
                return item.sha
        raise


def _check_tag(manifest: Iteration, revision: str) -> None:
    """Refuses a version tag that somebody put on another commit than the one that was published under it."""
    from hf_mbdc.publishing.version import parse_version

    if parse_version(revision) is not None and revision != manifest.version:
        raise IntegrityError(
            f"The tag is on a commit that was published as {manifest.version}",
            repo_id=manifest.repo_id,
            revision=revision,
            commit=(manifest.sha or "")[:12],
            mend="Somebody moved or made the tag: delete it, and load a version that `hf-mbdc log` lists.",
        )


def log(repo_id: str, *, repository: str | Path | Repository | None = None) -> list[Iteration]:
    """The history of a repository, newest first: every version, and the candidates that were not accepted.

    Example:
        >>> [entry.version for entry in log("me/receipts", repository="./repo")]  # doctest: +SKIP
        ['v2.0.0', 'v1.0.0']
    """
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    opened.resolve(repo_id, "main")  # says it when there is no such repository
    return sorted(
        [*versions(repo_id, opened), *candidates(repo_id, opened)], key=lambda item: item.created_at, reverse=True
    )


def show(repo_id: str, revision: str = "main", *, repository: str | Path | Repository | None = None) -> Iteration:
    """The record of one revision: what changed, why, by which step and model, at what cost, with what effect.

    Raises:
        RevisionNotFoundError: no such revision, or one that was not published by this package.
    """
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    return read_manifest(repo_id, find_revision(repo_id, revision, opened), opened)


def scores(repo_id: str, revision: str = "main", *, repository: str | Path | Repository | None = None) -> RowScores:
    """The score of every evaluation row with every seed that the decision on a revision was made from.

    `compare` takes it as it is: the same verdict again, or one by other slices.

    Raises:
        RevisionNotFoundError: no such revision, or no decision was made on it.

    Example:
        >>> compare(scores("me/receipts", "v2.0.0", repository="./repo")).verdict  # doctest: +SKIP
        'accept'
    """
    from hf_mbdc.guidance.row_scores import RowScores
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    sha = find_revision(repo_id, revision, opened)
    try:
        return RowScores.from_parquet(opened.read(repo_id, sha, SCORES))
    except FileNotFoundError as error:
        raise RevisionNotFoundError(
            "No scores of single rows are kept with this revision",
            repo_id=repo_id,
            revision=revision,
            mend="A run keeps those of each version or candidate that it weighs, but not of a first version.",
        ) from error


def find_published(dataset: DatasetDict, repo_id: str, repository: Repository) -> Iteration | None:
    """The version or refused candidate that holds exactly these rows, if there is one.

    Where edited rows move to the end (`deletes="live"`), another order of the same rows is that version, too, when
    publishing would put them so.
    """
    from hf_mbdc.revisions.content_hash import dataset_hash

    if repository.head(repo_id) is None:
        return None
    wanted = dataset_hash(dataset)
    for item in versions(repo_id, repository):
        if item.content_hash == wanted or _arranged_hash(dataset, item, repository) == item.content_hash:
            add_missing_tags([item], repository)
            return item
    return next((item for item in candidates(repo_id, repository) if item.content_hash == wanted), None)


def _arranged_hash(dataset: DatasetDict, item: Iteration, repository: Repository) -> str | None:
    """Of the rows in the order that publishing them as this version gave them, where dead rows stay in the files."""
    from hf_mbdc.publishing.parentage import read_rows
    from hf_mbdc.revisions.content_hash import dataset_hash
    from hf_mbdc.revisions.files.live import arrange

    rows = {name: split.rows for name, split in item.splits.items()}
    if item.layout.get("deletes") != "live" or rows != {name: len(split) for name, split in dataset.items()}:
        return None
    before = None if item.parent is None else read_rows(item.repo_id, item.parent.sha, repository)
    return dataset_hash(arrange(dataset, before))


def versions(repo_id: str, repository: Repository) -> list[Iteration]:
    """The versions on `main`, newest first; commits that others made in between have no manifest of their own."""
    found: dict[str, Iteration] = {}
    for item in repository.commits(repo_id):
        manifest = find_manifest(repo_id, item.sha, repository)
        if manifest is not None:
            found[manifest.version] = manifest  # a later card-only commit carries the same manifest: keep the oldest
    return list(found.values())


def candidates(repo_id: str, repository: Repository) -> list[Iteration]:
    """The candidates that were not accepted, each on its branch."""
    branches = repository.branches(repo_id).items()
    found = [(name, find_manifest(repo_id, sha, repository)) for name, sha in branches if name.startswith(CANDIDATES)]
    # A branch that still points at its parent was made by a publication that was killed before its commit.
    return [item for name, item in found if item is not None and item.decision.refused and item.branch == name]


def decisions(repo_id: str, repository: Repository) -> list[Iteration]:
    """Every record that holds evidence: accepted or refused, and also those of a candidate that was measured again."""
    found = versions(repo_id, repository)
    known = {item.sha for item in found}
    told = set()  # a later card-only commit carries the same manifest: no further decision
    on_main = {commit.sha for commit in repository.commits(repo_id)}
    for branch in repository.branches(repo_id):
        if branch.startswith(CANDIDATES):
            for commit in repository.commits(repo_id, branch):
                if commit.sha not in on_main and commit.sha not in known:
                    item = find_manifest(repo_id, commit.sha, repository)
                    if item is not None and item.to_json() not in told:
                        told.add(item.to_json())
                        found.append(item)
    return [item for item in found if item.evidence is not None]


def add_missing_tags(history: Sequence[Iteration], repository: Repository) -> None:
    """Sets the tags of versions whose publication was killed between its commit and its tag."""
    published = [item for item in history if not item.decision.refused]
    if not published:
        return
    there = repository.tags(published[0].repo_id)
    for item in published:
        if item.version not in there:
            repository.add_tag(item.repo_id, item.version, item.sha or "")


def find_manifest(repo_id: str, sha: str, repository: Repository) -> Iteration | None:
    """The record in a commit; None where somebody else made it.

    Raises:
        IntegrityError: it cannot be read.
    """
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


def read_manifest(repo_id: str, sha: str, repository: Repository) -> Iteration:
    """The record in a commit.

    Raises:
        RevisionNotFoundError: it has none.
    """
    if (manifest := find_manifest(repo_id, sha, repository)) is None:
        raise RevisionNotFoundError(
            "This revision has no manifest: it was not published by hf_mbdc",
            repo_id=repo_id,
            revision=sha[:12],
            mend=f"Show one of: {', '.join(repository.tags(repo_id)) or 'no version yet'}.",
        )
    return manifest
