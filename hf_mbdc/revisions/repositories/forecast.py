"""What a publication will send, computed before anything is sent.

The Hub keeps large files as chunks that are cut by content (Xet) and takes only those that it does not have. The same
client that uploads, hf_xet, cuts and compares them here against a store in a folder that holds the parent's files. So
the number is exact, but for chunks that an older revision or another repository has: those are not sent either.
"""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_mbdc.revisions.repositories.repository import Files, Repository

CHUNKED = ".parquet"  # other files are small, and a Hub keeps them whole


@dataclass(frozen=True)
class Forecast:
    """`new_bytes` are sent; `files` are the paths whose content the parent does not have, `file_bytes` their size."""

    new_bytes: int
    file_bytes: int
    files: tuple[str, ...]


class ChunkStore:
    """A Xet store in an empty folder, without a server."""

    def __init__(self, folder: Path) -> None:
        self._xet: Any = importlib.import_module("hf_xet")  # it has no types
        self._session, self._endpoint = self._xet.XetSession(), f"local://{folder.resolve()}"

    def add(self, paths: Iterable[Path]) -> int:
        """Stores files; gives the bytes of the chunks that were not there (before compression for the way)."""
        commit = self._session.new_upload_commit(endpoint=self._endpoint)
        for path in paths:
            commit.start_upload_file(str(path), sha256=self._xet.SKIP_SHA256)
        return int(commit.wait_to_finish().dedup_metrics.new_bytes)


def forecast(files: Files, parent: Path | None, *, by_chunk: bool) -> Forecast:
    """The bytes to send for a revision of these files onto a parent.

    Args:
        files: path in the repository → content or local file, of the whole revision.
        parent: snapshot of the parent; None: there is nothing yet.
        by_chunk: whether the repository keeps chunks (a Hub with Xet) or whole files (a folder, or a Hub without).

    Example:
        >>> forecast({"data/a.parquet": b"12", "README.md": b"345"}, None, by_chunk=False).new_bytes
        5
    """
    from hf_mbdc.revisions.disk import sha256

    stored = [path for path in parent.rglob("*") if path.is_file()] if parent else []
    known = {sha256(path) for path in stored}
    new = {path: source for path, source in files.items() if sha256(source) not in known}
    sizes = {path: len(s) if isinstance(s, bytes) else s.stat().st_size for path, s in new.items()}
    total = sum(sizes.values())
    if not by_chunk:
        return Forecast(total, total, tuple(sorted(new)))
    chunked = {path: source for path, source in new.items() if path.endswith(CHUNKED)}
    whole = sum(size for path, size in sizes.items() if path not in chunked)
    with tempfile.TemporaryDirectory(prefix="hf-mbdc-") as scratch:
        store = ChunkStore(Path(scratch))
        store.add(path for path in stored if path.suffix == CHUNKED)
        sent = store.add(_as_file(source, Path(scratch)) for source in chunked.values())
    return Forecast(whole + sent, total, tuple(sorted(new)))


def keeps_chunks(repository: Repository, repo_id: str) -> bool:
    """Whether a repository takes large files as chunks: a Hub with Xet does; a folder keeps them whole."""
    from hf_mbdc.revisions.repositories.hub import HubRepository

    return isinstance(repository, HubRepository) and repository.keeps_chunks(repo_id)


def _as_file(source: bytes | Path, folder: Path) -> Path:
    if isinstance(source, Path):
        return source
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(source)
    return Path(file.name)
