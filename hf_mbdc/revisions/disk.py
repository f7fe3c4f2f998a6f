"""Files that are complete or absent: written beside, flushed to the disk, then renamed into place."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import BinaryIO

from hf_mbdc.errors import RepositoryError

CHUNK = 1 << 20


def sha256(source: bytes | Path) -> str:
    """Hex digest of a content or of a file's content."""
    digest = hashlib.sha256()
    with open_source(source) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def open_source(source: bytes | Path) -> BinaryIO:
    """A content or a file as something to read from."""
    return io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb")


def write_blob(source: bytes | Path, digest: str, blobs: Path, incoming: Path) -> None:
    """Stores a content under its own hash, unless it is there; both folders are on the same file system."""
    target = blobs / digest
    if target.is_file():
        return
    check = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=incoming, delete=False) as file, open_source(source) as reader:
        while chunk := reader.read(CHUNK):
            check.update(chunk)
            file.write(chunk)
        _flush(file)
    if check.hexdigest() != digest:
        raise RepositoryError(
            "A file changed while it was being committed",
            path=Path(source).name if not isinstance(source, bytes) else None,
            mend="Let its writer finish, and publish again.",
        )
    Path(file.name).chmod(0o644)  # a temporary file is private, a repository may be shared
    Path(file.name).replace(target)


def write_text(path: Path, text: str, incoming: Path) -> None:
    """Replaces a small file at once: a reader sees the old text or the new one, also after a power cut."""
    for folder in (incoming, path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=incoming, delete=False) as file:
        file.write(text.encode())
        _flush(file)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)
    sync_folder(path.parent)


def link(blob: Path, path: Path) -> None:
    """A relative link, so that the repository can be moved as a whole; a copy where the system has no links."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.symlink_to(os.path.relpath(blob, path.parent))
    except (OSError, NotImplementedError):
        shutil.copyfile(blob, path)
        with path.open("rb+") as file:
            _flush(file)


def link_to(folder: Path, link: Path) -> Path:
    """Makes `link` lead to a folder, wherever it led before, and gives it; the folder where there are no links."""
    link.parent.mkdir(parents=True, exist_ok=True)
    fresh = link.with_name(f"{link.name}.{uuid.uuid4().hex}")
    try:
        fresh.symlink_to(folder, target_is_directory=True)
        fresh.replace(link)
    except (OSError, NotImplementedError):
        fresh.unlink(missing_ok=True)
        return folder
    return link


def sync_tree(folder: Path) -> None:
    """Makes the names in a folder and in all folders below it last."""
    for path in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
        sync_folder(path)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder last; Windows has no such call and needs none."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush(file: BinaryIO | tempfile._TemporaryFileWrapper[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())
