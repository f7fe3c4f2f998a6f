"""Exactly the revision that was asked for: by tag, by commit, offline; and caches that a card edit does not drop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict
from huggingface_hub import constants
from loopback_hub import Fault, LoopbackHub

import hf_mbdc as mbdc
from hf_mbdc.errors import IntegrityError, RevisionNotFoundError
from hf_mbdc.publishing.history import find_published, find_revision
from hf_mbdc.revisions.repositories.folder import FolderRepository
from hf_mbdc.revisions.repositories.hub import HubRepository
from hf_mbdc.revisions.repositories.hub_calls import UnreachableError
from hf_mbdc.revisions.repositories.repository import Repository

ID = "me/receipts"


def splits(*totals: str) -> DatasetDict:
    rows = {"id": [str(i) for i in range(len(totals))], "total": list(totals)}
    return DatasetDict(train=Dataset.from_dict(rows), test=Dataset.from_dict({"id": ["t"], "total": ["1.00"]}))


def files_of(folder: Path) -> dict[str, Any]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return {name: content for name, content in found.items() if name != ".gitattributes"}


def edit_card(repository: Repository) -> str:
    files = files_of(repository.snapshot(ID, "main"))
    files["README.md"] += b"\nOur own words.\n"
    return repository.commit(ID, files, parent=repository.head(ID), message="card edited")


def shout(row: dict[str, str]) -> dict[str, str]:
    return {"loud": row["total"] + "!"}


def test_a_card_edit_keeps_the_caches(repository: Repository) -> None:
    mbdc.publish(splits("a", "b"), ID, repository=repository, message="first")
    before = mbdc.load(ID, repository=repository)
    mapped = before["train"].map(shout)
    edit_card(repository)
    after = mbdc.load(ID, repository=repository)
    assert after["train"]._fingerprint == before["train"]._fingerprint
    assert after["train"]._fingerprint in mbdc.show(ID, repository=repository).splits["train"].content_hash
    again = after["train"].map(shout)
    assert again.cache_files == mapped.cache_files
    assert mapped.cache_files

    mbdc.publish(splits("a", "c"), ID, repository=repository, message="second", parent="main")
    other = mbdc.load(ID, repository=repository)
    assert other["train"]._fingerprint != before["train"]._fingerprint
    assert other["train"].map(shout)["loud"][:] == ["a!", "c!"]
    assert other["test"]._fingerprint == before["test"]._fingerprint


def test_two_columns_that_trade_places_are_other_content(repository: Repository) -> None:
    rows = {"id": ["a"], "x": ["1"], "y": ["2"]}
    mbdc.publish(Dataset.from_dict(rows), ID, repository=repository, message="first")
    first = mbdc.load(ID, repository=repository)["train"]
    mbdc.publish(Dataset.from_dict({"id": ["a"], "x": ["2"], "y": ["1"]}), ID, repository=repository, message="second")
    second = mbdc.load(ID, repository=repository)["train"]
    assert (first["x"][:], second["x"][:]) == (["1"], ["2"])
    assert first._fingerprint != second._fingerprint


def test_a_version_that_was_killed_before_its_tag(repository: Repository) -> None:
    mbdc.publish(splits("a"), ID, repository=repository, message="first")
    second = mbdc.publish(splits("b"), ID, repository=repository, message="second")
    forget_tag(repository, "v2.0.0")
    assert list(repository.tags(ID)) == ["v1.0.0"]
    assert find_revision(ID, "v2.0.0", repository) == second.sha
    assert mbdc.load(ID, "v2.0.0", repository=repository)["train"]["total"][:] == ["b"]
    assert mbdc.show(ID, "v2.0.0", repository=repository) == second
    mbdc.publish(splits("b", "c"), ID, repository=repository, message="third")
    assert list(repository.tags(ID)) == ["v1.0.0", "v2.0.0", "v2.1.0"]
    assert repository.tags(ID)["v2.0.0"] == second.sha


def test_the_same_again_sets_the_tag_that_is_missing(repository: Repository) -> None:
    first = mbdc.publish(splits("a"), ID, repository=repository, message="first")
    forget_tag(repository, "v1.0.0")
    assert mbdc.publish(splits("a"), ID, repository=repository, message="again") == first
    assert repository.tags(ID) == {"v1.0.0": first.sha}


def forget_tag(repository: Repository, tag: str) -> None:
    """What a kill between the commit and its tag leaves."""
    if isinstance(repository, FolderRepository):
        (repository.root / "datasets--me--receipts" / "refs" / tag).unlink()
    else:
        assert isinstance(repository, HubRepository)
        repository._api.delete_tag(ID, tag=tag, repo_type="dataset")


def test_a_tag_that_was_moved_is_told(tmp_path: Path) -> None:
    with LoopbackHub() as hub:
        repository = HubRepository(hub.url)
        mbdc.publish(splits("a"), ID, repository=repository, message="first")
        second = mbdc.publish(splits("b"), ID, repository=repository, message="second")
        hub.repos[ID].tags["v1.0.0"] = str(second.sha)
        with pytest.raises(IntegrityError, match=r"published as v2\.0\.0.*'v1\.0\.0'"):
            mbdc.load(ID, "v1.0.0", repository=repository)
        assert mbdc.load(ID, "v2.0.0", repository=repository)["train"]["total"][:] == ["b"]


@pytest.mark.parametrize("cut", ["offline", "down"])
def test_without_the_hub_only_what_was_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(HubRepository, "_owns_cache", True)
    monkeypatch.setattr("hf_mbdc.revisions.repositories.hub_calls.time.sleep", lambda seconds: None)
    with LoopbackHub() as hub:
        repository = HubRepository(hub.url)
        mbdc.publish(splits("a"), ID, repository=repository, message="first")
        second = mbdc.publish(splits("b"), ID, repository=repository, message="second")
        mbdc.publish(splits("c"), ID, repository=repository, message="third")
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "fresh"))
        mbdc.load(ID, "v2.0.0", repository=repository)
        if cut == "offline":
            monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
        else:
            hub.faults += [Fault(kind, status=503, times=9999) for kind in ("refs", "info", "tree", "resolve")]
        assert mbdc.load(ID, "v2.0.0", repository=repository)["train"]["total"][:] == ["b"]
        assert mbdc.load(ID, str(second.sha), repository=repository)["train"]["total"][:] == ["b"]
        for revision in ("main", "v1.0.0", "v3.0.0"):
            with pytest.raises(UnreachableError):
                mbdc.load(ID, revision, repository=repository)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    mbdc.publish(splits("a"), ID, repository=tmp_path / "repo", message="first")
    path = next(FolderRepository(tmp_path / "repo").snapshot(ID, "main").glob("data/train*")).resolve()
    content = bytearray(path.read_bytes())
    content[pq.read_metadata(path).row_group(0).column(0).data_page_offset - 1] ^= 1  # the end of the dictionary of ids
    path.write_bytes(content)
    with pytest.raises(IntegrityError):
        mbdc.load(ID, repository=tmp_path / "repo")


def test_unknown_versions_are_told(repository: Repository) -> None:
    mbdc.publish(splits("a"), ID, repository=repository, message="first")
    with pytest.raises(RevisionNotFoundError, match=r"There are: v1\.0\.0"):
        mbdc.load(ID, "v7.0.0", repository=repository)


def test_rows_that_a_live_layout_put_in_another_order_are_known(tmp_path: Path) -> None:
    repository = FolderRepository(tmp_path)
    rows = [{"id": str(i), "text": "a"} for i in range(6)]
    mbdc.publish(Dataset.from_list(rows), ID, repository=tmp_path, message="x", deletes="live")
    edited = DatasetDict(
        train=Dataset.from_list([{**row, "text": "b"} if i == 2 else row for i, row in enumerate(rows)])
    )
    known = mbdc.publish(edited, ID, repository=tmp_path, message="y")
    assert mbdc.load(ID, repository=tmp_path)["train"]["id"][:] == ["0", "1", "3", "4", "5", "2"]
    assert find_published(edited, ID, repository) == known
    other = DatasetDict(
        train=Dataset.from_list([{**row, "text": "c"} if i == 2 else row for i, row in enumerate(rows)])
    )
    assert find_published(other, ID, repository) is None
