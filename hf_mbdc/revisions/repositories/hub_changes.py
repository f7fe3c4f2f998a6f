"""What a commit to the Hub has to change, found by comparing hashes: what is stored already is not sent again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, RepoFile

from hf_mbdc.revisions import disk
from hf_mbdc.revisions.repositories.repository import KEPT


@dataclass(frozen=True)
class Content:
    """The content of one file, and its hashes, each computed at most once."""

    source: bytes | Path

    @cached_property
    def size(self) -> int:
        """Bytes."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size

    @cached_property
    def sha256(self) -> str:
        """The name of the content in large file storage."""
        return disk.sha256(self.source)

    @cached_property
    def git_sha1(self) -> str:
        """The name of the content in git."""
        digest = hashlib.sha1(b"blob %d\0" % self.size)
        with disk.open_source(self.source) as file:
            while chunk := file.read(disk.CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def is_stored_as(self, entry: RepoFile) -> bool:
        """Whether an entry of the Hub's listing has this content."""
        if entry.lfs is not None:
            return bool(entry.lfs.size == self.size and entry.lfs.sha256 == self.sha256)
        return bool(entry.size == self.size and entry.blob_id == self.git_sha1)

    def open(self) -> BinaryIO:
        """The content as a file to read."""
        return disk.open_source(self.source)


@dataclass(frozen=True)
class Changes:
    """The paths to write and to delete so that a tree has exactly `contents`; false when there are none."""

    contents: Mapping[str, Content]
    written: tuple[str, ...]
    deleted: tuple[str, ...]

    @classmethod
    def between(cls, tree: Mapping[str, RepoFile], contents: Mapping[str, Content]) -> Changes:
        """Compares the Hub's listing with the contents that are to be there."""
        written = (p for p, content in contents.items() if p not in tree or not content.is_stored_as(tree[p]))
        return cls(contents, tuple(written), tuple(path for path in tree if path not in contents and path != KEPT))

    def __bool__(self) -> bool:
        return bool(self.written or self.deleted)

    @contextmanager
    def operations(self, *, as_files: bool) -> Iterator[list[CommitOperationAdd | CommitOperationDelete]]:
        """The operations of `create_commit`.

        Args:
            as_files: give open files, for which the library uses plain large file storage; it has no other way to
                be told that a Hub has no Xet storage.
        """
        with ExitStack() as stack:
            sources = {
                path: stack.enter_context(self.contents[path].open()) if as_files else self.contents[path].source
                for path in self.written
            }
            # In this order, so that a file can make room for a folder of its name.
            deleted = [CommitOperationDelete(path, is_folder=False) for path in self.deleted]
            yield [*deleted, *(CommitOperationAdd(path, source) for path, source in sources.items())]
