"""A repository of revisions in a folder: no server, no account, readable by stock Hugging Face tools.

The layout is that of the Hub's download cache (see `store.py`), so that `snapshot_download("me/receipts",
repo_type="dataset", revision="v1.0.0", cache_dir=root, local_files_only=True)` resolves branches and tags in it, and
`load_dataset(str(snapshot))` loads what it gives:

    root/.locks/datasets--me--receipts/commit.lock   one writer at a time
    root/datasets--me--receipts/                     one dataset
"""

from __future__ import annotations

import datetime
import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hf_mbdc.errors import RepositoryError
from hf_mbdc.revisions import disk
from hf_mbdc.revisions.repositories.repository import (
    KEPT,
    CommitInfo,
    Files,
    branch_taken,
    check_commit,
    check_ref,
    check_repo_id,
    find_short,
    name_taken,
    no_file,
    no_parent,
    no_revision,
    order_branches,
    order_tags,
    stale_parent,
    store_name,
    tag_taken,
)
from hf_mbdc.revisions.repositories.store import Commit, Store

LOCK_SECONDS = 120
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CACHE_PREFIXES = ("datasets--", "models--", "spaces--")


@dataclass(frozen=True)
class FolderRepository:
    """Revisions in a folder, in the layout of the Hub's cache.

    Args:
        root: the folder; made by the first commit. `~` is expanded.

    Raises:
        RepositoryError: from every method, when `root` is a file, holds other things, or cannot be read or written.

    Example:
        >>> import tempfile
        >>> repository = FolderRepository(tempfile.mkdtemp())
        >>> sha = repository.commit("me/x", {"a.txt": b"hi"}, parent=None, message="First", tag="v1.0.0")
        >>> repository.read("me/x", "v1.0.0", "a.txt")
        b'hi'
    """

    root: Path

    def __init__(self, root: str | Path) -> None:
        object.__setattr__(self, "root", Path(root).expanduser())

    def head(self, repo_id: str, branch: str = "main") -> str | None:
        """Sha of the newest commit of a branch; None where nothing was published yet."""
        return self._store(repo_id).branches().get(branch)

    def tags(self, repo_id: str) -> dict[str, str]:
        """Tag → sha: versions in their order, then other tags by name."""
        return order_tags(self._store(repo_id).tags())

    def branches(self, repo_id: str) -> dict[str, str]:
        """Branch → sha, `main` first, then by name."""
        return order_branches(self._store(repo_id).branches())

    def resolve(self, repo_id: str, revision: str) -> str:
        """Full sha of a tag, a branch, or a full or short (7 and more characters, unique) sha."""
        store = self._existing(repo_id)
        refs = store.refs()
        if revision in refs:
            return refs[revision]
        reachable = store.reachable()
        found = revision if revision in reachable else find_short(revision, reachable, repo_id)
        if found is None:
            raise no_revision(repo_id, revision, store.tags(), store.branches())
        return found

    def commits(self, repo_id: str, branch: str = "main") -> list[CommitInfo]:
        """The history of a branch, newest first."""
        store = self._existing(repo_id)
        branches = store.branches()
        if branch not in branches:
            raise no_revision(repo_id, branch, {}, branches)
        return [
            CommitInfo(sha, commit.parent, commit.message, commit.created_at)
            for sha, commit in store.history(branches[branch])
        ]

    def check_writable(self, repo_id: str) -> None:
        """Raises `RepositoryError` where no commit could be written, before hours of work that would end in one."""
        with self._writing(repo_id):
            return

    def commit(
        self,
        repo_id: str,
        files: Files,
        *,
        parent: str | None,
        message: str,
        tag: str | None = None,
        branch: str = "main",
    ) -> str:
        """Makes the branch's tree exactly `files`, then sets the tag, if one is named.

        Args:
            repo_id: `namespace/name`.
            files: path in the repository → content or local file. Files of the parent that are not named are not in
                the new revision (but `.gitattributes`, which stays as it was).
            parent: sha of the branch's head, as `head` gave it; None for the first commit. A branch beside `main` that
                does not exist is made from it.
            message: why; kept as it is.
            tag: a name for the commit, such as `v1.0.0`; never moved.
            branch: the branch to move.

        Returns:
            The commit's sha; the parent's, when the parent has exactly these files already.

        Raises:
            StaleParentError: the branch's head is another one than `parent`.
            RepositoryError: a bad id, name or path; the tag is taken; the folder cannot be written; the disk is full.
        """
        check_commit(repo_id, files, message=message, tag=tag, branch=branch)
        with self._writing(repo_id) as store:
            start = _start(store, repo_id, parent, branch)
            before = store.commit(start).tree if start else {}
            tree = _tree(files, before)
            unchanged = start is not None and tree == before
            if tag is not None:
                _check_tag(store, repo_id, tag, branch, on=start if unchanged else None)
            sha = start if start and unchanged else store.write_commit(files, Commit(start, message, _now(), tree))
            store.write_branch(branch, sha)
            if tag is not None:
                store.write_tag(tag, sha)
        return sha

    def add_tag(self, repo_id: str, tag: str, sha: str) -> None:
        """Names a commit; a tag that is on it already is fine, one that is on another commit is an error."""
        check_ref(tag, "tag")
        found = self.resolve(repo_id, sha)
        with self._writing(repo_id) as store:
            _check_tag(store, repo_id, tag, None, on=found)
            store.write_tag(tag, found)

    def snapshot(self, repo_id: str, revision: str) -> Path:
        """Local folder with exactly the files of that revision. Read only: its files are shared between revisions."""
        sha = self.resolve(repo_id, revision)
        store = self._store(repo_id)
        for path in store.commit(sha).tree:
            store.file(sha, path)
        return store.snapshot(sha).resolve()

    def read(self, repo_id: str, revision: str, path: str) -> bytes:
        """Content of one file of a revision; raises `MissingFileError` (a `FileNotFoundError`) when it has none."""
        sha = self.resolve(repo_id, revision)
        store = self._store(repo_id)
        tree = store.commit(sha).tree
        if path not in tree:
            raise no_file(repo_id, revision, path, tree)
        return store.file(sha, path).read_bytes()

    def _store(self, repo_id: str) -> Store:
        """The store of one dataset, which may not exist yet. Fails when there is something else in its place."""
        check_repo_id(repo_id)
        self._check_root()
        path = self.root / store_name(repo_id)
        if (path / "refs").is_dir() and not (path / "commits").is_dir():
            raise RepositoryError(
                "The folder holds a download of this dataset, not a repository of it",
                path=str(self.root),
                repo_id=repo_id,
                mend="Name a new folder as the repository.",
            )
        return Store(path)

    def _existing(self, repo_id: str) -> Store:
        store = self._store(repo_id)
        if store.refs():
            return store
        where = {"path": str(self.root)}
        if not self.root.exists():
            raise RepositoryError(
                "There is no such repository folder", **where, mend="Check the path, or publish first."
            )
        names = sorted(path.name for path in self.root.glob("datasets--*") if (path / "refs").is_dir())
        there = ", ".join(name.removeprefix("datasets--").replace("--", "/") for name in names)
        raise RepositoryError(
            "The repository does not hold this dataset",
            **where,
            repo_id=repo_id,
            mend=f"It holds: {there}." if there else "It is empty: publish to it first.",
        )

    def _check_root(self) -> None:
        mend = "Name a new or empty folder, for example './repo'."
        try:
            names = [path.name for path in self.root.iterdir()]
        except FileNotFoundError:
            return
        except NotADirectoryError as error:
            raise RepositoryError("The repository is a file, not a folder", path=str(self.root), mend=mend) from error
        except OSError as error:
            raise self._refused("read", error) from error
        # A folder of other work must not fill up with blobs because somebody typed "." as the repository.
        if any(not name.startswith(".") for name in names) and not any(n.startswith(_CACHE_PREFIXES) for n in names):
            raise RepositoryError("The folder holds other things and is no repository", path=str(self.root), mend=mend)

    def _refused(self, verb: str, error: OSError) -> RepositoryError:
        if error.errno in _FULL:
            what, mend = "The disk of the repository is full", "Free some space and publish again."
        else:
            what = f"The repository cannot be {verb}: {error.strerror or error}"
            mend = "Check the permissions of the folder, or name another one."
        return RepositoryError(what, path=str(self.root), mend=mend)

    @contextmanager
    def _writing(self, repo_id: str) -> Iterator[Store]:
        """Holds the dataset's lock, and turns what the system refuses into an error with its mend."""
        import filelock

        store = self._store(repo_id)
        lock = self.root / ".locks" / store.path.name / "commit.lock"
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(lock, timeout=LOCK_SECONDS):
                store.sweep()
                try:
                    yield store
                except BaseException:
                    store.sweep()  # a disk that ran full gets its space back
                    raise
        except filelock.Timeout as error:
            raise RepositoryError(
                f"Another process has been writing to the repository for {LOCK_SECONDS} seconds",
                path=str(self.root),
                repo_id=repo_id,
                mend="Wait until it is done, or end it, and publish again.",
            ) from error
        except OSError as error:
            if isinstance(error, RepositoryError):
                raise
            raise self._refused("written", error) from error


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _start(store: Store, repo_id: str, parent: str | None, branch: str) -> str | None:
    """The commit to build on: the branch's head, which is `parent`, or `parent` for a new branch beside main."""
    branches = store.branches()
    if branch in branches or branch == "main":
        if branches.get(branch) != parent:
            raise stale_parent(repo_id, branch, parent, branches.get(branch))
        return parent
    if parent is None:
        raise no_parent(repo_id, branch)
    if parent not in store.reachable():
        raise no_revision(repo_id, parent, store.tags(), branches)
    if name_taken(branch, store.refs()):
        raise branch_taken(repo_id, branch)
    return parent


def _check_tag(store: Store, repo_id: str, tag: str, branch: str | None, *, on: str | None) -> None:
    """Refuses a tag that is there already, unless it is on the very commit that is to get it."""
    there = store.tags().get(tag)
    names = [name for name in (*store.refs(), branch) if name not in (None, tag if there else None)]
    if (there is not None and there != on) or name_taken(tag, names):
        raise tag_taken(repo_id, tag, there)


def _tree(files: Files, before: Mapping[str, str]) -> dict[str, str]:
    tree = {path: disk.sha256(source) for path, source in files.items()}
    return {KEPT: before[KEPT], **tree} if KEPT in before else tree
