"""A repository of revisions on the Hugging Face Hub, or on anything that speaks its API.

A revision is one `create_commit` with `parent_commit`, which is atomic, and then its tag. Answers get lost: before
anything is sent again the head is read, and a commit that stands on our parent and holds our files counts as done.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from huggingface_hub import HfApi, RepoFile, constants, get_cached_repo_tree
from huggingface_hub.errors import CachedRepoTreeNotFoundError, RemoteEntryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import build_hf_headers, get_session

from hf_mbdc import __version__
from hf_mbdc.errors import IntegrityError, RepositoryError
from hf_mbdc.revisions.repositories import hub_cache, hub_calls, hub_rights
from hf_mbdc.revisions.repositories.hub_calls import PUBLIC_HUB, MissingRepositoryError, UnreachableError
from hf_mbdc.revisions.repositories.hub_changes import Changes, Content
from hf_mbdc.revisions.repositories.repository import (
    KEPT,
    SHA,
    VERSION,
    CommitInfo,
    Files,
    bad_path,
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
    tag_taken,
)

T = TypeVar("T")


@dataclass(frozen=True)
class _Refs:
    """Tags and branches of a dataset. `branches` lacks a `main` in which nothing was published yet."""

    tags: dict[str, str]
    branches: dict[str, str]
    all_branches: dict[str, str]


@dataclass(frozen=True)
class HubRepository:
    """Revisions on a Hub.

    Args:
        endpoint: the Hub's URL; None: that of HF_ENDPOINT, else https://huggingface.co.
        token: None: that of HF_TOKEN, else the one that `hf auth login` stored. It is never shown or logged.
        private: whether a dataset that is made by the first commit is private; None: the default of its namespace.

    Raises:
        RepositoryError: from every method, when the Hub cannot be reached, refuses, or lacks what was asked for.

    Example:
        >>> HubRepository("http://localhost:8080").tags("me/receipts")  # doctest: +SKIP
        {'v1.0.0': 'a94a8fe5ccb19ba61c4c0873d391e987982fbbd3'}
    """

    endpoint: str | None = None
    token: str | None = field(default=None, repr=False)
    private: bool | None = None

    def __post_init__(self) -> None:
        # The library reads HF_ENDPOINT once, when it is imported; a program may set it later.
        endpoint = (self.endpoint or os.environ.get("HF_ENDPOINT") or PUBLIC_HUB).rstrip("/")
        parts = urlsplit(endpoint)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise RepositoryError(
                "The endpoint of the Hub is not a URL, or it holds a password",
                mend="Write it as https://host[:port], and put the token into HF_TOKEN.",
            )
        if self.token is not None and not re.fullmatch(r"[!-~]+", self.token):
            # An HTTP library would name it in its error.
            raise RepositoryError("The token holds spaces or line breaks", mend="Copy it again, without them.")
        object.__setattr__(self, "endpoint", endpoint)

    def head(self, repo_id: str, branch: str = "main") -> str | None:
        """Sha of the newest commit of a branch; None where nothing was published yet."""
        return self.branches(repo_id).get(branch)

    def tags(self, repo_id: str) -> dict[str, str]:
        """Tag → sha: versions in their order, then other tags by name."""
        try:
            return self._refs(repo_id).tags
        except MissingRepositoryError:
            return {}

    def branches(self, repo_id: str) -> dict[str, str]:
        """Branch → sha, `main` first, then by name."""
        try:
            return self._refs(repo_id).branches
        except MissingRepositoryError:
            return {}

    def resolve(self, repo_id: str, revision: str) -> str:
        """Full sha of a tag, a branch, or a full or short (7 and more characters, unique) sha.

        When the Hub cannot be reached, a full sha or a version tag whose snapshot is in the local cache is resolved
        from there; a branch is not, since it may have moved.
        """
        return self._find(repo_id, revision)[0]

    def commits(self, repo_id: str, branch: str = "main") -> list[CommitInfo]:
        """The history of a branch, newest first, without the Hub's own first commit of a new dataset."""
        refs = self._refs(repo_id)
        if branch not in refs.branches:
            if branch == "main":
                return []
            raise no_revision(repo_id, branch, {}, refs.branches)
        history = self._history(repo_id, refs.branches[branch])
        if self._tree(repo_id, history[-1].sha).keys() - {KEPT}:
            return history
        return [replace(item, parent=None) if item.parent == history[-1].sha else item for item in history[:-1]]

    def check_writable(self, repo_id: str) -> None:
        """Raises `RepositoryError` where no commit could be published, before hours of work that would end in one."""
        check_repo_id(repo_id)
        hub_rights.check_writable(self._api, repo_id, str(self.endpoint))

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

        The dataset is made when there is none. Arguments, result and errors are those of `FolderRepository.commit`;
        `parent` is None also for a dataset that was made on the Hub and is still empty.

        Raises:
            StaleParentError: the branch's head is another one than `parent`.
            IntegrityError: the Hub stored something else than was sent, for example because of a `.gitignore`.
            UnreachableError: the Hub did not answer; nothing, or the whole commit, was published.
        """
        check_commit(repo_id, files, message=message, tag=tag, branch=branch)
        refs = self._refs_to_write(repo_id, parent, branch)
        base = self._base(repo_id, refs, parent, branch)
        contents = {path: Content(source) for path, source in files.items()}
        changes = Changes.between(self._tree(repo_id, base), contents)
        if tag is not None:
            _check_tag(repo_id, tag, refs, branch, on=None if changes else base)
        with hub_calls.publishing():
            if branch not in refs.all_branches:
                self._make_branch(repo_id, branch, base)
            sha = self._send(repo_id, changes, base, message, branch) if changes else base
            if tag is not None:
                self._write_tag(repo_id, tag, sha)
        return sha

    def add_tag(self, repo_id: str, tag: str, sha: str) -> None:
        """Names a commit; a tag that is on it already is fine, one that is on another commit is an error."""
        check_ref(tag, "tag")
        found, refs = self._find(repo_id, sha)
        if refs is None:
            self._refs(repo_id)  # raises: the commit is known from the cache only
        else:
            _check_tag(repo_id, tag, refs, None, on=found)
        self._write_tag(repo_id, tag, found)

    def snapshot(self, repo_id: str, revision: str) -> Path:
        """Local folder (in the library's cache) with exactly the files of that revision, complete, or an error."""
        sha, refs = self._find(repo_id, revision)
        folder = self._call(
            repo_id,
            lambda: self._api.snapshot_download(
                repo_id, repo_type="dataset", revision=sha, local_files_only=refs is None
            ),
        )
        try:
            get_cached_repo_tree(repo_id, repo_type="dataset", revision=sha)
        except CachedRepoTreeNotFoundError as error:
            # Single files fetched by other programs also make such a folder; without the Hub's listing, a folder that
            # lacks half of the data looks like any other, and the library hands it out.
            raise UnreachableError(
                "The Hub did not answer, and the copy in the cache may be incomplete",
                repo_id=repo_id,
                revision=revision,
                mend="Try again with the Hub in reach.",
            ) from error
        if refs is not None and self._owns_cache:
            hub_cache.remember_tags(
                repo_id, {tag: at for tag, at in refs.tags.items() if at == sha and VERSION.fullmatch(tag)}
            )
        return Path(folder)

    def read(self, repo_id: str, revision: str, path: str) -> bytes:
        """Content of one file of a revision; raises `MissingFileError` (a `FileNotFoundError`) when it has none."""
        check_repo_id(repo_id)
        sha = revision if SHA.fullmatch(revision) else self.resolve(repo_id, revision)
        if bad_path(path):
            raise no_file(repo_id, revision, path, self._tree(repo_id, sha))
        try:
            found = self._call(
                repo_id, lambda: self._api.hf_hub_download(repo_id, path, repo_type="dataset", revision=sha)
            )
        except RevisionNotFoundError as error:
            refs = self._refs(repo_id)
            raise no_revision(repo_id, revision, refs.tags, refs.branches) from error
        except RemoteEntryNotFoundError as error:
            raise no_file(repo_id, revision, path, self._tree(repo_id, sha)) from error
        return Path(found).read_bytes()

    def keeps_chunks(self, repo_id: str) -> bool:
        """Whether large files are sent as chunks, of which only new ones are uploaded (Xet), and not whole."""
        has_client = importlib.util.find_spec("hf_xet") is not None and not constants.HF_HUB_DISABLE_XET
        return has_client and not self._lacks_xet(repo_id)

    @cached_property
    def _api(self) -> HfApi:
        return HfApi(endpoint=self.endpoint, token=self.token, library_name="hf-mbdc", library_version=__version__)

    @property
    def _owns_cache(self) -> bool:
        """The cache knows a dataset by its id alone, so tags in it are taken for those of the library's endpoint."""
        return self.endpoint == constants.ENDPOINT

    def _call(self, repo_id: str, function: Callable[[], T]) -> T:
        return hub_calls.call(function, repo_id, str(self.endpoint))

    def _refs(self, repo_id: str) -> _Refs:
        check_repo_id(repo_id)
        found = self._call(repo_id, lambda: self._api.list_repo_refs(repo_id, repo_type="dataset"))
        tags = order_tags({ref.name: ref.target_commit for ref in found.tags})
        branches = order_branches({ref.name: ref.target_commit for ref in found.branches})
        fresh = not tags and list(branches) == ["main"] and not self._tree(repo_id, branches["main"]).keys() - {KEPT}
        return _Refs(tags, {} if fresh else branches, branches)

    def _tree(self, repo_id: str, sha: str) -> dict[str, RepoFile]:
        """Path → what the Hub stores there, of all files of a commit."""

        def read() -> dict[str, RepoFile]:
            entries = self._api.list_repo_tree(repo_id, recursive=True, revision=sha, repo_type="dataset")
            return {entry.path: entry for entry in entries if isinstance(entry, RepoFile)}

        return self._call(repo_id, read)

    def _history(self, repo_id: str, sha: str) -> list[CommitInfo]:
        found = self._call(repo_id, lambda: self._api.list_repo_commits(repo_id, revision=sha, repo_type="dataset"))
        parents = [*(item.commit_id for item in found[1:]), None]
        return [
            CommitInfo(
                item.commit_id,
                parent,
                f"{item.title}\n\n{item.message}" if item.message else item.title,
                item.created_at.isoformat().replace("+00:00", "Z"),
            )
            for item, parent in zip(found, parents, strict=True)
        ]

    def _find(self, repo_id: str, revision: str) -> tuple[str, _Refs | None]:
        """Sha of a revision, and the refs; None in their place when the Hub is out of reach and the cache knew it."""
        try:
            refs = self._refs(repo_id)
        except UnreachableError as error:
            if (cached := hub_cache.find(repo_id, revision, with_tags=self._owns_cache)) is None:
                raise error
            return cached, None
        named = {**refs.branches, **refs.tags}
        if revision in named:
            return named[revision], refs
        if SHA.fullmatch(revision):
            with contextlib.suppress(RevisionNotFoundError):
                info = self._call(repo_id, lambda: self._api.dataset_info(repo_id, revision=revision))
                return str(info.sha), refs
        shas = (item.sha for head in refs.branches.values() for item in self._history(repo_id, head))
        if found := find_short(revision, shas, repo_id):
            return found, refs
        raise no_revision(repo_id, revision, refs.tags, refs.branches)

    def _refs_to_write(self, repo_id: str, parent: str | None, branch: str) -> _Refs:
        """The refs of the dataset, which is made when there is none."""
        try:
            return self._refs(repo_id)
        except MissingRepositoryError:
            if parent is not None:
                raise stale_parent(repo_id, branch, parent, None) from None
        create = self._api.create_repo
        self._call(repo_id, lambda: create(repo_id, repo_type="dataset", private=self.private, exist_ok=True))
        return self._refs(repo_id)

    def _base(self, repo_id: str, refs: _Refs, parent: str | None, branch: str) -> str:
        """The commit to build on: the branch's head, which is `parent`, or `parent` for a new branch beside main."""
        if branch == "main" or branch in refs.branches:
            head = refs.branches.get(branch)
            if head != parent or branch not in refs.all_branches:
                raise stale_parent(repo_id, branch, parent, head)
            return refs.all_branches[branch]
        if parent is None:
            raise no_parent(repo_id, branch)
        if name_taken(branch, (*refs.tags, *refs.branches)):
            raise branch_taken(repo_id, branch)
        return self._find(repo_id, parent)[0]

    def _make_branch(self, repo_id: str, branch: str, base: str) -> None:
        create = self._api.create_branch
        self._call(repo_id, lambda: create(repo_id, repo_type="dataset", branch=branch, revision=base, exist_ok=True))
        head = self._refs(repo_id).all_branches.get(branch)
        if head not in (None, base):
            raise stale_parent(repo_id, branch, base, head)

    def _send(self, repo_id: str, changes: Changes, base: str, message: str, branch: str) -> str:
        """One commit. Before it is sent again, the head is read: an answer that was lost is no commit that was lost."""
        title, _, description = message.partition("\n")
        as_files = self._lacks_xet(repo_id)
        for wait in (*hub_calls.WAITS, None):
            try:
                with changes.operations(as_files=as_files) as operations:
                    sha = self._api.create_commit(
                        repo_id,
                        operations,
                        commit_message=title,
                        commit_description=description.strip("\n"),
                        repo_type="dataset",
                        revision=branch,
                        parent_commit=base,
                    ).oid
                return self._verified(repo_id, sha, changes.contents)
            except hub_calls.FAILURES as failure:
                unsure = hub_calls.passes(failure) or hub_calls.is_stale(failure)
                if unsure and (landed := self._landed(repo_id, changes.contents, base, branch)):
                    return landed
                if wait is None or not hub_calls.pause(failure, wait):
                    raise hub_calls.explain(failure, repo_id, str(self.endpoint)) from failure
        raise AssertionError("the last attempt returns or raises")

    def _landed(self, repo_id: str, contents: Mapping[str, Content], base: str, branch: str) -> str | None:
        """The commit on `base` if it holds our files; None if there is none; an error if somebody else made it."""
        head = self._refs(repo_id).all_branches.get(branch)
        if head in (None, base):
            return None
        for item in self._history(repo_id, head):
            if item.parent == base and not Changes.between(self._tree(repo_id, item.sha), contents):
                return item.sha
        raise stale_parent(repo_id, branch, base, head)

    def _verified(self, repo_id: str, sha: str, contents: Mapping[str, Content]) -> str:
        wrong = Changes.between(self._tree(repo_id, sha), contents)
        if wrong:
            raise IntegrityError(
                "The Hub stored something else than was sent",
                repo_id=repo_id,
                revision=sha[:12],
                path=", ".join((*wrong.written, *wrong.deleted)[:5]),
                mend="A .gitignore on the Hub leaves files out: remove it there, and publish again.",
            )
        return sha

    def _write_tag(self, repo_id: str, tag: str, sha: str) -> None:
        create = self._api.create_tag
        self._call(repo_id, lambda: create(repo_id, repo_type="dataset", tag=tag, revision=sha, exist_ok=True))
        there = self._refs(repo_id).tags.get(tag)
        if there not in (None, sha):  # None: the listing of a large Hub may lag behind what it has just done
            raise tag_taken(repo_id, tag, there)

    def _lacks_xet(self, repo_id: str) -> bool:
        """Whether the library would upload to a Xet storage that this Hub does not have; nothing tells it so."""
        if self.endpoint == PUBLIC_HUB or constants.HF_HUB_DISABLE_XET:
            return False
        url = f"{self.endpoint}/api/datasets/{repo_id}/xet-write-token/main"
        response = self._call(repo_id, lambda: get_session().get(url, headers=build_hf_headers(token=self.token)))
        return bool(response.status_code == 404)


def _check_tag(repo_id: str, tag: str, refs: _Refs, branch: str | None, *, on: str | None) -> None:
    """Refuses a tag that is there already, unless it is on the very commit that is to get it."""
    there = refs.tags.get(tag)
    names = [name for name in (*refs.tags, *refs.branches, branch) if name not in (None, tag if there else None)]
    if (there is not None and there != on) or name_taken(tag, names):
        raise tag_taken(repo_id, tag, there)
