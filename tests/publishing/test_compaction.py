"""`compact`: the same rows and content hash, in files that hold nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset

import hf_mbdc as mbdc
from hf_mbdc.errors import RepositoryError
from hf_mbdc.revisions.files import chunks
from hf_mbdc.revisions.files.layout import Deletes
from hf_mbdc.revisions.repositories.repository import Repository

ID = "me/receipts"
SECRET = "9f86d081884c7d65"


def rows(*names: str) -> Dataset:
    return Dataset.from_dict({"id": list(names), "text": [SECRET if name == "b" else f"text {name}" for name in names]})


@pytest.mark.parametrize("deletes", ["hard", "lazy", "live"])
def test_the_same_rows_and_nothing_else(
    repository: Repository, deletes: Deletes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "COMPRESSION", "none")  # or the text would not be found
    mbdc.publish(rows(*"abcdef"), ID, message="one", repository=repository, deletes=deletes)
    before = mbdc.publish(rows(*"acdefg"), ID, message="two", repository=repository)
    held = b"".join(path.read_bytes() for path in repository.snapshot(ID, "main").glob("data/*"))
    assert (SECRET.encode() in held) == (deletes != "hard")
    done = mbdc.compact(ID, repository=repository)
    assert (done.version, done.content_hash) == ("v2.0.1", before.content_hash)
    layout = {name: value for name, value in done.layout.items() if name != "chunks"}
    assert layout == {"deletes": deletes, "dead_rows": 0, "unused_values": 0, "deltas": 0}
    files = list(repository.snapshot(ID, "main").glob("data/*"))
    assert [path.name for path in files] == ["train-00000-of-00001.parquet"]
    assert SECRET.encode() not in files[0].read_bytes()
    assert mbdc.load(ID, repository=repository)["train"]["id"][:] == list("acdefg")
    assert mbdc.load(ID, "v2.0.0", repository=repository)["train"]["id"][:] == list("acdefg")
    assert mbdc.compact(ID, repository=repository) == done
    assert mbdc.publish(rows(*"acdefg"), ID, message="again", repository=repository) == done


def test_another_way_to_delete_from_now_on(tmp_path: Path) -> None:
    mbdc.publish(rows(*"abc"), ID, message="one", repository=tmp_path, deletes="live")
    assert mbdc.compact(ID, repository=tmp_path, deletes="hard").layout["deletes"] == "hard"


def test_nothing_to_compact(tmp_path: Path) -> None:
    with pytest.raises(RepositoryError):
        mbdc.compact(ID, repository=tmp_path)
    done = mbdc.publish(rows("a"), ID, message="one", repository=tmp_path)
    assert mbdc.compact(ID, repository=tmp_path) == done
