"""One dataset of a `FolderRepository` on the disk: its refs, commits, snapshots and blobs.

    datasets--me--receipts/
      refs/{main, v1.0.0, candidates/1a2b3c4}   each holds a sha
      snapshots/<sha>/…                         links into blobs, or copies where the system has no links
      blobs/<sha256>                            every content once
      commits/<sha>.json                        ours: parent, message, time and tree of a commit
      tags/v1.0.0                               ours: says that the ref is a tag and not a branch
      incoming/                                 ours: what a running commit has half written

refs, snapshots and blobs are as huggingface_hub's download cache has them; its tools look at nothing else. A commit
becomes visible by one rename, that of its branch's ref, after all else is on the disk: a kill at any moment leaves the
old head or the new one, complete. What a killed commit left is ignored by readers and removed by the next commit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from hf_mbdc.errors import IntegrityError, RepositoryError
from hf_mbdc.revisions import disk
from hf_mbdc.revisions.repositories.repository import SHA, Files


@dataclass(frozen=True)
class Commit:
    """What `commits/<sha>.json` holds; `tree` maps path → sha256 of the content."""

    parent: str | None
    message: str
    created_at: str
    tree: dict[str, str]

    @property
    def text(self) -> str:
        """The commit as JSON, of which its sha is the hash."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, ensure_ascii=False, indent=1) + "\n"

    @cached_property
    def sha(self) -> str:
        """40 hex digits from everything that makes the commit, as in git, though not git's own."""
        return hashlib.sha1(self.text.encode()).hexdigest()


@dataclass(frozen=True)
class Store:
    """Reads take no lock. Writes are for the holder of the dataset's lock."""

    path: Path

    def refs(self) -> dict[str, str]:
        """Every branch and tag → its sha."""
        folder = self.path / "refs"
        found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
        refs = {name: path.read_text("utf-8").strip() for name, path in found.items()}
        for name, sha in refs.items():
            if not SHA.fullmatch(sha) or not self._record(sha).is_file():
                raise RepositoryError(
                    "A ref of the repository points to a commit that was not made here",
                    path=str(found[name]),
                    mend="Something else wrote into the folder: name a new folder, or restore this one from a copy.",
                )
        return refs

    def tags(self) -> dict[str, str]:
        """Tag → sha."""
        return {name: sha for name, sha in self.refs().items() if self._mark(name).is_file()}

    def branches(self) -> dict[str, str]:
        """Branch → sha."""
        return {name: sha for name, sha in self.refs().items() if not self._mark(name).is_file()}

    def commit(self, sha: str) -> Commit:
        """The record of a commit; raises `IntegrityError` when it cannot be read."""
        try:
            return Commit(**json.loads(self._record(sha).read_text("utf-8")))
        except (ValueError, TypeError, FileNotFoundError) as error:
            raise IntegrityError(
                "The record of a commit is missing or damaged",
                path=str(self._record(sha)),
                mend="Restore the folder from a copy.",
            ) from error

    def history(self, sha: str | None) -> Iterator[tuple[str, Commit]]:
        """A commit and all before it, newest first."""
        while sha is not None:
            commit = self.commit(sha)
            yield sha, commit
            sha = commit.parent

    def reachable(self) -> dict[str, Commit]:
        """The commits that a branch or tag leads to; others are what a kill left behind."""
        seen: dict[str, Commit] = {}
        for head in self.refs().values():
            for sha, commit in self.history(head):
                if sha in seen:
                    break
                seen[sha] = commit
        return seen

    def file(self, sha: str, path: str) -> Path:
        """A file of a snapshot; raises `IntegrityError` when it is gone."""
        found = self.snapshot(sha) / path
        if not found.is_file():
            raise IntegrityError(
                "A file of the revision is gone from the repository",
                revision=sha[:12],
                path=str(found),
                mend="Restore the folder from a copy; other revisions are not touched.",
            )
        return found

    def snapshot(self, sha: str) -> Path:
        """The folder of a commit's files."""
        return self.path / "snapshots" / sha

    def write_commit(self, files: Files, commit: Commit) -> str:
        """Blobs, then the snapshot, then the commit's record: all on the disk before any ref names them."""
        blobs, snapshots = self.path / "blobs", self.path / "snapshots"
        for folder in (self._incoming, blobs, snapshots, self.path / "commits", self.path / "refs"):
            folder.mkdir(parents=True, exist_ok=True)
        for path, source in files.items():
            disk.write_blob(source, commit.tree[path], blobs, self._incoming)
        disk.sync_folder(blobs)
        half = self._incoming / commit.sha  # as deep as snapshots/<sha>: relative links stay right when it is renamed
        for path, digest in commit.tree.items():
            disk.link(blobs / digest, half / path)
        disk.sync_tree(half)
        half.rename(self.snapshot(commit.sha))
        disk.sync_folder(snapshots)
        disk.write_text(self._record(commit.sha), commit.text, self._incoming)
        return commit.sha

    def write_branch(self, branch: str, sha: str) -> None:
        """Moves a branch: the moment at which a commit is there."""
        disk.write_text(self.path / "refs" / branch, sha, self._incoming)

    def write_tag(self, tag: str, sha: str) -> None:
        """Names a commit."""
        # A mark without a ref is nothing, a ref without a mark would be a branch: so the mark comes first.
        disk.write_text(self._mark(tag), sha, self._incoming)
        disk.write_text(self.path / "refs" / tag, sha, self._incoming)

    def sweep(self) -> None:
        """Removes what killed and failed commits left behind."""
        shutil.rmtree(self._incoming, ignore_errors=True)
        reachable = self.reachable()
        for record in (self.path / "commits").glob("*.json"):
            if record.stem not in reachable:
                shutil.rmtree(self.snapshot(record.stem), ignore_errors=True)
                record.unlink()
        for snapshot in (self.path / "snapshots").glob("*"):
            if snapshot.name not in reachable:
                shutil.rmtree(snapshot, ignore_errors=True)
        used = {digest for commit in reachable.values() for digest in commit.tree.values()}
        for blob in (self.path / "blobs").glob("*"):
            if blob.name not in used:
                blob.unlink()
        refs = self.refs()
        for mark in (self.path / "tags").rglob("*"):
            if mark.is_file() and mark.relative_to(self.path / "tags").as_posix() not in refs:
                mark.unlink()

    @property
    def _incoming(self) -> Path:
        return self.path / "incoming"

    def _record(self, sha: str) -> Path:
        return self.path / "commits" / f"{sha}.json"

    def _mark(self, tag: str) -> Path:
        return self.path / "tags" / tag
