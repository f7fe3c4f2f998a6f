"""What the loopback Hub keeps: datasets as git does, commits with a parent and a whole tree, branches and tags."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import dataclass, field

GITATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n*.bin filter=lfs diff=lfs merge=lfs -text\n"
LFS_SUFFIXES = (".parquet", ".bin", ".arrow")
LFS_SIZE = 10_000_000


@dataclass(frozen=True)
class Stored:
    """One file of a tree."""

    content: bytes
    lfs: bool

    @property
    def oid(self) -> str:
        return hashlib.sha1(b"blob %d\0" % len(self.content) + self.content).hexdigest()

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class StoredCommit:
    parent: str | None
    title: str
    description: str
    date: str
    tree: dict[str, Stored]

    @property
    def sha(self) -> str:
        files = sorted((path, stored.oid) for path, stored in self.tree.items())
        return hashlib.sha1(repr((self.parent, self.title, self.description, self.date, files)).encode()).hexdigest()


@dataclass
class StoredRepo:
    """One dataset; `gated` and `read_only` may be switched by a test."""

    private: bool = False
    gated: bool = False
    read_only: bool = False
    commits: dict[str, StoredCommit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    lfs: dict[str, bytes] = field(default_factory=dict)

    def add(self, commit: StoredCommit, branch: str) -> str:
        self.commits[commit.sha] = commit
        self.branches[branch] = commit.sha
        return commit.sha


def now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds").replace("+00:00", "Z")


def is_lfs(path: str, size: int) -> bool:
    return size > 0 and (path.endswith(LFS_SUFFIXES) or size > LFS_SIZE)
