"""What a repository of revisions is: one interface, kept by a folder (`folder.py`) and by the Hub (`hub.py`).

A revision is a commit: a complete tree of files with a parent, a message and a time. Branches move from commit to
commit; tags never move. Here are the interface, its plain data, and the checks that both kinds share, so that whatever
one kind takes the other takes too.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from hf_mbdc.errors import RepositoryError, RevisionNotFoundError, StaleParentError

Files = Mapping[str, bytes | Path]  # path in the repository → its content, or the local file that holds it

SHA = re.compile(r"[0-9a-f]{40}")
VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)")
SHORT_SHA = re.compile(r"[0-9a-f]{7,39}")
CANDIDATES = "candidates/"  # branches of candidates that were refused
NAMES_SHOWN = 12  # in an error that lists what there is
KEPT = ".gitattributes"  # the Hub writes it and needs it, so a commit that does not name it leaves it as it is

_REPO_ID_PART = re.compile(r"\b[\w\-.]{1,96}\b", re.ASCII)
_REF = re.compile(r"[A-Za-z0-9_][\w.+-]*(/[A-Za-z0-9_][\w.+-]*)*", re.ASCII)
_FORBIDDEN_FOLDERS = {".git", ".cache"}  # huggingface_hub refuses to commit into them


class MissingFileError(RepositoryError, FileNotFoundError):
    """A revision has no file of that name; `except FileNotFoundError` catches it too."""


@dataclass(frozen=True)
class CommitInfo:
    """One commit. `parent` is None for the first one; `created_at` is ISO 8601 in UTC (`2025-01-31T12:00:00Z`)."""

    sha: str
    parent: str | None
    message: str
    created_at: str


@runtime_checkable
class Repository(Protocol):
    """Where revisions live. Every method takes a `repo_id` (`namespace/name`) and raises `RepositoryError`."""

    def head(self, repo_id: str, branch: str = "main") -> str | None:
        """Sha of the newest commit of a branch; None where nothing was published yet."""
        ...

    def tags(self, repo_id: str) -> dict[str, str]:
        """Tag → sha: versions in their order, then other tags by name."""
        ...

    def branches(self, repo_id: str) -> dict[str, str]:
        """Branch → sha, `main` first, then by name."""
        ...

    def resolve(self, repo_id: str, revision: str) -> str:
        """Full sha of a tag, a branch, or a full or short (7 and more characters, unique) sha."""
        ...

    def commits(self, repo_id: str, branch: str = "main") -> list[CommitInfo]:
        """The history of a branch, newest first."""
        ...

    def check_writable(self, repo_id: str) -> None:
        """Raises `RepositoryError` where no commit could be published, as far as that can be known beforehand."""
        ...

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
        """Makes the branch's tree exactly `files` (see `FolderRepository.commit`) and returns the commit's sha."""
        ...

    def add_tag(self, repo_id: str, tag: str, sha: str) -> None:
        """Names a commit; a tag that is on it already is fine, one that is on another commit is an error."""
        ...

    def snapshot(self, repo_id: str, revision: str) -> Path:
        """Local folder with exactly the files of that revision. Read only: its files are shared between revisions."""
        ...

    def read(self, repo_id: str, revision: str, path: str) -> bytes:
        """Content of one file of a revision; raises `MissingFileError` (a `FileNotFoundError`) when it has none."""
        ...


def open_repository(repository: str | Path | Repository | None = None) -> Repository:
    """The repository that a user named.

    Args:
        repository: None or "hub": the Hub of `HF_ENDPOINT` and `HF_TOKEN`; a URL: the Hub at that endpoint; anything
            else: the folder with that path (a folder that is called hub is `./hub`). A repository is given back.

    Raises:
        RepositoryError: nothing, or something of another type, was named.

    Example:
        >>> open_repository("./repo")
        FolderRepository(root=PosixPath('repo'))
    """
    if repository is None or repository == "hub" or (isinstance(repository, str) and _is_url(repository)):
        from hf_mbdc.revisions.repositories.hub import HubRepository

        return HubRepository(endpoint=None if repository in (None, "hub") else str(repository))
    if isinstance(repository, str | Path) and str(repository).strip():
        from hf_mbdc.revisions.repositories.folder import FolderRepository

        return FolderRepository(repository)
    if isinstance(repository, Repository):
        return repository
    raise RepositoryError(
        f"A repository is a folder, a URL, 'hub' or a Repository, not {repository!r}",
        mend="Name a folder, for example './repo', or leave it out for the Hub.",
    )


def _is_url(text: str) -> bool:
    return text.startswith(("http://", "https://"))


def check_repo_id(repo_id: str) -> None:
    """Refuses what the Hub refuses, before anything is written.

    Rules as in `huggingface_hub.utils.validate_repo_id`, with a namespace that is not optional: ASCII letters, digits,
    `-`, `_`, `.`, at most 96 characters each; neither starts or ends with `-` or `.`; no `--`, no `..`, no `.git` end.
    """
    parts = repo_id.split("/") if isinstance(repo_id, str) else []
    good = len(parts) == 2 and all(_REPO_ID_PART.fullmatch(part) for part in parts)
    if good and len(repo_id) <= 96 and "--" not in repo_id and ".." not in repo_id and not repo_id.endswith(".git"):
        return
    suggestion = _near_repo_id(str(repo_id))
    raise RepositoryError(
        "Not a repository id",
        repo_id=repo_id,
        mend=f"Write namespace/name with ASCII letters, digits, '-', '_' and '.' (no '--', '..'): {suggestion}.",
    )


def _near_repo_id(repo_id: str) -> str:
    words = [re.sub(r"[-.]{2,}", "-", re.sub(r"[^\w\-.]+", "-", part, flags=re.ASCII)) for part in repo_id.split("/")]
    kept = [word.removesuffix(".git").strip("-.")[:46] for word in words if word.strip("-.")][-2:]
    return f"for example {'/'.join(['me', *kept][-2:])!r}" if kept else "for example 'me/receipts'"


def store_name(repo_id: str) -> str:
    """Name of the folder of a dataset in the Hub's cache layout."""
    return f"datasets--{repo_id.replace('/', '--')}"


def check_ref(name: str, kind: str) -> None:
    """Refuses a tag or branch name that git, the Hub or a file system would not take."""
    bad_end = name.endswith((".", ".lock", ".tmp")) or any(part.endswith(".lock") for part in name.split("/"))
    if not _REF.fullmatch(name) or ".." in name or bad_end or SHA.fullmatch(name) or len(name) > 200:
        raise RepositoryError(
            f"Not a name for a {kind}",
            **{kind: name},
            mend="Use letters, digits, '.', '_', '-' and '/', for example 'v1.0.0' or 'candidates/1a2b3c4'.",
        )


def check_commit(repo_id: str, files: Files, *, message: str, tag: str | None, branch: str) -> None:
    """Refuses what is wrong with a commit whatever the repository holds, before anything is written."""
    check_repo_id(repo_id)
    check_ref(branch, "branch")
    if tag is not None:
        check_ref(tag, "tag")
    if not message.strip():
        raise RepositoryError("A commit needs a message", repo_id=repo_id, mend="Say why this revision exists.")
    _check_files(files)


def _check_files(files: Files) -> None:
    """Refuses paths that would leave the repository or that one of the two kinds could not keep, and missing files."""
    if not files:
        raise RepositoryError("A commit needs at least one file", mend="Pass the files of the whole revision.")
    for path, source in files.items():
        reason = bad_path(path)
        if reason is None and any(parent in files for parent in _parents(path)):
            reason = "another file has the name of one of its folders"
        if reason:
            raise RepositoryError(
                f"Not a path for a file in a repository: {reason}",
                path=path,
                mend="Use a relative path with '/' between its parts, for example 'data/train.parquet'.",
            )
        if not isinstance(source, bytes) and not Path(source).is_file():
            raise RepositoryError(
                "The file to commit does not exist",
                path=path,
                mend=f"Write {Path(source).name!r} before committing it.",
            )


def bad_path(path: str) -> str | None:
    """Why no repository can have a file of that path; None when it can."""
    parts = path.split("/")
    if path.startswith("/") or ":" in parts[0]:
        return "it is absolute"
    if ".." in parts:
        return "it leaves the repository"
    if "" in parts or "." in parts:
        return "it has an empty part"
    if "\\" in path or any(ord(character) < 32 for character in path):
        return "it has a backslash or a control character"
    if _FORBIDDEN_FOLDERS.intersection(parts):
        return "the Hub keeps '.git' and '.cache' for itself"
    if path.encode("utf-8", "replace").decode() != path:
        return "it is not valid Unicode"
    if any(len(part.encode()) > 255 for part in parts):
        return "one of its parts is longer than 255 bytes"
    return None


def _parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:end]) for end in range(1, len(parts)))


def order_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Versions by number (v2.0.0 before v10.0.0), then other tags by name.

    Example:
        >>> list(order_tags({"v10.0.0": "a", "draft": "b", "v2.0.0": "c"}))
        ['v2.0.0', 'v10.0.0', 'draft']
    """

    def key(tag: str) -> tuple[bool, tuple[int, ...], str]:
        match = VERSION.fullmatch(tag)
        return match is None, tuple(map(int, match.groups())) if match else (), tag

    return {tag: tags[tag] for tag in sorted(tags, key=key)}


def order_branches(branches: Mapping[str, str]) -> dict[str, str]:
    """`main` first, then by name."""
    return {name: branches[name] for name in sorted(branches, key=lambda name: (name != "main", name))}


def find_short(short: str, shas: Iterable[str], repo_id: str) -> str | None:
    """The one sha that starts with `short`; None when none does or `short` is no short sha."""
    if not SHORT_SHA.fullmatch(short):
        return None
    found = sorted({sha for sha in shas if sha.startswith(short)})
    if len(found) > 1:
        raise RevisionNotFoundError(
            "Several revisions start like this",
            repo_id=repo_id,
            revision=short,
            mend=f"Give more characters: {', '.join(sha[:12] for sha in found[:5])}.",
        )
    return found[0] if found else None


def no_revision(
    repo_id: str, revision: str, tags: Mapping[str, str], branches: Mapping[str, str]
) -> RevisionNotFoundError:
    """The error for a revision that does not exist; it lists the revisions that do.

    Of a version the candidates are told apart: one that was refused has no version, although its record names the one
    that it would have got.
    """
    is_version = VERSION.fullmatch(revision) is not None
    candidates = [name for name in order_branches(branches) if name.startswith(CANDIDATES) and is_version]
    names = [*reversed(order_tags(tags)), *(name for name in order_branches(branches) if name not in candidates)]
    mend = f"There are: {_shown(names)}." if names else "Nothing was published in it yet."
    if candidates:
        mend += f" Candidates that were refused have no version, but branches: {_shown(candidates)}."
    return RevisionNotFoundError("There is no such revision", repo_id=repo_id, revision=revision, mend=mend)


def _shown(names: Sequence[str]) -> str:
    more = len(names) - NAMES_SHOWN
    return ", ".join(names[:NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")


def no_file(repo_id: str, revision: str, path: str, there: Iterable[str]) -> MissingFileError:
    """The error for a path that a revision does not have; it names the files that are near."""
    near = difflib.get_close_matches(path, names := sorted(there), n=3) or names[:5]
    return MissingFileError(
        "The revision has no such file",
        repo_id=repo_id,
        revision=revision,
        path=path,
        mend=f"There is: {', '.join(near)}.",
    )


def stale_parent(repo_id: str, branch: str, parent: str | None, head: str | None) -> StaleParentError:
    """The error for a commit whose parent is no longer the head of its branch."""
    return StaleParentError(
        "The repository moved on since its parent was read",
        repo_id=repo_id,
        branch=branch,
        parent=parent[:12] if parent else "nothing",
        head=head[:12] if head else "nothing",
        mend="Load the head, apply the change to it, and publish again.",
    )


def name_taken(name: str, refs: Iterable[str | None]) -> bool:
    """Whether a ref of that name cannot be: one is there, or one of the two is a folder of the other, as in git."""
    return any(f"{ref}/".startswith(f"{name}/") or f"{name}/".startswith(f"{ref}/") for ref in refs)


def branch_taken(repo_id: str, branch: str) -> RepositoryError:
    """The error for a new branch whose name a tag or another branch has."""
    return RepositoryError(
        "A tag or another branch has this name", repo_id=repo_id, branch=branch, mend="Choose another name."
    )


def tag_taken(repo_id: str, tag: str, there: str | None) -> RepositoryError:
    """The error for a tag that is on another commit already, or (`there` is None) whose name a branch has."""
    return RepositoryError(
        "The tag is on another commit, and tags are never moved" if there else "A branch has the name of the tag",
        repo_id=repo_id,
        tag=tag,
        commit=there[:12] if there else None,
        mend="Publish under the next version." if there else "Choose another name.",
    )


def no_parent(repo_id: str, branch: str) -> RepositoryError:
    """The error for a new branch beside main that was not told where it starts."""
    return RepositoryError(
        "A new branch needs a parent to start from",
        repo_id=repo_id,
        branch=branch,
        mend="Pass the commit that it starts from as the parent.",
    )
