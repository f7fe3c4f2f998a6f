"""The forecast of new bytes is what publishing then stores, and nothing is stored by it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from datasets import Dataset
from huggingface_hub import constants

import hf_mbdc as mbdc
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.revisions.repositories.forecast import ChunkStore, forecast, keeps_chunks
from hf_mbdc.revisions.repositories.hub import HubRepository
from hf_mbdc.revisions.repositories.repository import Repository

ID = "me/receipts"


def noise(count: int, seed: int) -> bytes:
    """Bytes in which nothing repeats."""
    return b"".join(hashlib.sha256(f"{seed} {n}".encode()).digest() for n in range(count // 32))


def test_whole_files_and_chunks(tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    (parent / "data").mkdir(parents=True)
    old, new = noise(1_000_000, 1), noise(64_000, 2)
    (parent / "data/a.parquet").write_bytes(old)
    (parent / "README.md").write_bytes(b"card")
    changed = tmp_path / "changed"
    changed.write_bytes(old + new)
    files: dict[str, bytes | Path] = {"data/a.parquet": old, "README.md": b"another card", "data/b.parquet": changed}
    found = forecast(files, parent, by_chunk=False)
    assert (found.new_bytes, found.files) == (len(old) + len(new) + 12, ("README.md", "data/b.parquet"))
    found = forecast(files, parent, by_chunk=True)
    # The last chunk, at most 128 KiB, is cut anew.
    assert len(new) + 12 <= found.new_bytes <= len(new) + 12 + 128 * 1024
    assert found.file_bytes == len(old) + len(new) + 12
    assert forecast({"data/a.parquet": old}, None, by_chunk=True).new_bytes == len(old)
    assert forecast({"README.md": b"card", "data/a.parquet": old}, parent, by_chunk=True).new_bytes == 0
    assert forecast({"README.md": b"another card", "data/a.parquet": old}, parent, by_chunk=True).new_bytes == 12


def test_a_store_takes_what_it_does_not_have(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "a").write_bytes(noise(500_000, 3))
    store = ChunkStore(tmp_path / "store")
    assert [store.add([tmp_path / "a"]) for _ in range(2)] == [500_000, 0]


@pytest.mark.parametrize("deletes", ["hard", "lazy", "live"])
def test_a_dry_run_tells_the_bytes_that_are_stored_then(tmp_path: Path, deletes: str) -> None:
    repository = FolderRepository(tmp_path / "repo")
    blobs = tmp_path / "repo/datasets--me--receipts/blobs"
    data = Dataset.from_dict({"id": [str(n) for n in range(50)], "text": [f"text {n}" for n in range(50)]})
    mbdc.publish(data, ID, message="one", repository=repository, deletes=deletes)  # type: ignore[arg-type]
    before = {path.name for path in blobs.iterdir()}
    changed = data.select([n for n in range(50) if n % 10])
    told = mbdc.publish(changed, ID, message="two", repository=repository, dry_run=True)
    assert {path.name for path in blobs.iterdir()} == before
    assert (told.version, told.sha, len(repository.commits(ID))) == ("v2.0.0", None, 1)
    done = mbdc.publish(changed, ID, message="two", repository=repository)
    assert told.cost.bytes == sum(path.stat().st_size for path in blobs.iterdir() if path.name not in before)
    assert (told.layout, told.content_hash, told.diff) == (done.layout, done.content_hash, done.diff)


def test_a_dry_run_of_what_is_there(repository: Repository) -> None:
    data = Dataset.from_dict({"id": ["a"]})
    told = mbdc.publish(data, ID, message="one", repository=repository, dry_run=True)
    assert (told.version, told.sha, repository.head(ID)) == ("v1.0.0", None, None)
    done = mbdc.publish(data, ID, message="one", repository=repository)
    assert mbdc.publish(data, ID, message="two", repository=repository, dry_run=True) == done
    assert not keeps_chunks(repository, ID)  # the loopback Hub has no Xet either


def test_a_hub_with_xet_takes_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = HubRepository("https://huggingface.co")
    assert not keeps_chunks(hub, ID)  # the tests switch Xet off
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", False)
    assert keeps_chunks(hub, ID)
