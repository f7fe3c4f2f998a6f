"""`verify`: whether a revision still is what its manifest says, computed anew from its data and its place."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError, IntegrityError
from hf_mbdc.records import Iteration

if TYPE_CHECKING:
    from datasets import DatasetDict

    from hf_mbdc.revisions.diff.diff import Diff
    from hf_mbdc.revisions.repositories.repository import Repository


@dataclass(frozen=True)
class Check:
    """One claim of a manifest, and what was found."""

    name: str
    expected: str
    found: str

    @property
    def ok(self) -> bool:
        """Nothing is otherwise than it should be."""
        return self.expected == self.found


@dataclass(frozen=True)
class Verification:
    """All checks of one revision."""

    repo_id: str
    version: str
    sha: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Nothing is otherwise than it should be."""
        return all(check.ok for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        checks = [{**dataclasses.asdict(check), "ok": check.ok} for check in self.checks]
        return {**dataclasses.asdict(self), "checks": checks, "ok": self.ok}


def verify(repo_id: str, revision: str = "main", *, repository: str | Path | Repository | None = None) -> Verification:
    """Checks everything that a manifest says about its data, from the data.

    The content hash; the rows and the hash of each split; the rows that were set aside; the numbers of the diff,
    against the rows of the parent; that the parent lies before it in the history; and the tag.

    Args:
        repo_id: `namespace/name`.
        revision: a version, branch or commit.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.

    Raises:
        RevisionNotFoundError: no such revision, or one that was not published by this package.

    Example:
        >>> verify("me/receipts", "v2.0.0", repository="./repo").ok  # doctest: +SKIP
        True
    """
    from hf_mbdc.publishing.history import find_revision, read_manifest
    from hf_mbdc.revisions.files.layout import read_files
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    sha = find_revision(repo_id, revision, opened)
    manifest = read_manifest(repo_id, sha, opened)
    checks = list(_check_place(manifest, sha, opened))
    try:
        folder = opened.snapshot(repo_id, sha)
        rows = read_files(folder)
        checks += [*_check_splits(manifest, rows), _check_rejected(manifest, folder)]
        checks += _check_diff(manifest, rows, opened)
    except (IntegrityError, DataError) as error:
        checks.append(Check("data files", "can be read", error.what))
    return Verification(repo_id, manifest.version, sha, tuple(checks))


def _check_place(manifest: Iteration, sha: str, repository: Repository) -> Iterator[Check]:
    from hf_mbdc.publishing.history import find_manifest

    if not manifest.decision.refused:
        there = repository.tags(manifest.repo_id).get(manifest.version)
        tagged = find_manifest(manifest.repo_id, there, repository) if there else None
        same = tagged is not None and tagged.to_json() == manifest.to_json()
        found = "on this version" if same else "on another commit" if there else "missing"
        yield Check(f"tag {manifest.version}", "on this version", found)
    if manifest.parent is not None:
        before = {item.sha for item in repository.commits(manifest.repo_id, manifest.branch)} - {sha}
        found = "before it" if manifest.parent.sha in before else "not in its history"
        yield Check(f"parent {manifest.parent.version}", "before it", found)


def _check_splits(manifest: Iteration, rows: DatasetDict) -> Iterator[Check]:
    from hf_mbdc.revisions.card import wording
    from hf_mbdc.revisions.content_hash import combine_hashes, content_hash

    hashes = {name: content_hash(split) for name, split in rows.items()}
    yield Check("content hash", manifest.content_hash, combine_hashes(hashes))
    for name in wording.in_order({**manifest.splits, **rows}):
        said = manifest.splits.get(name)
        expected = f"{said.rows} rows, {said.content_hash}" if said else "no such split"
        found = f"{len(rows[name])} rows, {hashes[name]}" if name in rows else "no such split"
        yield Check(f"split {name}", expected, found)


def _check_rejected(manifest: Iteration, folder: Path) -> Check:
    from hf_mbdc.publishing.publication import count_reasons
    from hf_mbdc.revisions.files.layout import read_rejected

    pair = (manifest.rejected, count_reasons(read_rejected(folder)))
    return Check("rows set aside", *("; ".join(f"{name} {n}" for name, n in item.items()) or "none" for item in pair))


def _check_diff(manifest: Iteration, rows: DatasetDict, repository: Repository) -> Iterator[Check]:
    """The counts of the diff; not its examples, which a later version of this package may choose otherwise."""
    from hf_mbdc.publishing.parentage import read_rows
    from hf_mbdc.revisions.diff.diff import diff

    if manifest.parent is None or not manifest.diff:
        return
    before = read_rows(manifest.repo_id, manifest.parent.sha, repository)
    if before is None:
        yield Check(f"diff from {manifest.parent.version}", "rows with ids", "no rows with ids")
        return
    yield Check(
        f"diff from {manifest.parent.version}", _counts(manifest.diff["splits"]), _diff_counts(diff(before, rows))
    )


def _diff_counts(changes: Diff) -> str:
    return _counts({name: vars(split) for name, split in changes.splits.items()})


def _counts(splits: dict[str, Any]) -> str:
    told = (f"{name} +{s['added']} −{s['removed']} ~{s['changed']}" for name, s in sorted(splits.items()))
    return ", ".join(told)
