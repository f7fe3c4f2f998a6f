"""Hashes of column chunks: what is equal is not read, and nothing is believed of a file that is another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import Dataset

from hf_mbdc.publishing.publication import publish
from hf_mbdc.revisions.diff.diff import diff
from hf_mbdc.revisions.diff.parquet_rows import ParquetRows
from hf_mbdc.revisions.files import chunk_hashes
from hf_mbdc.revisions.files.chunk_hashes import describe_chunks, read_chunks
from hf_mbdc.revisions.repositories.folder import FolderRepository

ID = "me/rows"


def rows(labels: list[int]) -> Dataset:
    size = len(labels)
    return Dataset.from_dict({"id": [f"{i:04}" for i in range(size)], "text": ["a text"] * size, "label": labels})


@pytest.fixture
def snapshots(tmp_path: Path) -> list[Path]:
    """Two revisions, of which the second has other labels in two rows."""
    labels = np.arange(1000) % 7
    edited = labels.copy()
    edited[[3, 900]] = 9
    repository = FolderRepository(tmp_path)
    shas = [publish(rows(found.tolist()), ID, repository=tmp_path, message="x").sha for found in (labels, edited)]
    return [repository.snapshot(ID, sha or "") for sha in shas]


def files(snapshot: Path) -> list[Path]:
    return sorted(snapshot.glob("data/*.parquet"))


def test_a_manifest_lists_each_chunk(snapshots: list[Path]) -> None:
    before, after = (read_chunks(path, files(path))[files(path)[0]] for path in snapshots)
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, False]
    own = ParquetRows(files(snapshots[0]))
    assert before == [own.hash_chunk(0, leaf) for leaf in range(3)]


def test_what_is_equal_is_not_read(snapshots: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: ParquetRows, number: int, column: int) -> Any:
        raise AssertionError("a chunk's bytes were read")

    monkeypatch.setattr(ParquetRows, "chunk", read)
    found = diff(*snapshots).splits["train"]
    assert (found.changed, found.changed_ids.to_pylist(), list(found.columns)) == (2, ["0003", "0900"], ["label"])


@pytest.mark.parametrize("damage", ["no manifest", "no chunks", "no hex", "another file", "short"])
def test_what_cannot_be_believed_is_read(snapshots: list[Path], damage: str) -> None:
    path, [file] = snapshots[1] / "manifest.json", files(snapshots[1])
    manifest = json.loads(path.read_text())
    said = manifest["layout"]["chunks"]["data/train-00000-of-00001.parquet"]
    if damage == "another file":  # with chunks as the manifest says, but for a label that it knows nothing of
        table = pq.read_table(file).to_pydict()
        file.unlink()
        Dataset.from_dict({**table, "label": [8, *table["label"][1:]]}).to_parquet(str(file))
    said["chunks"] = {"no hex": "xyz", "short": said["chunks"][:-2]}.get(damage, said["chunks"])
    if damage == "no chunks":
        del manifest["layout"]
    path.unlink()
    if damage != "no manifest":
        path.write_text(json.dumps(manifest))
    assert read_chunks(snapshots[1], files(snapshots[1])) == {}
    assert diff(*snapshots).splits["train"].changed == (3 if damage == "another file" else 2)


def test_very_many_chunks_are_not_listed(snapshots: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"data/train.parquet": files(snapshots[0])[0], "rejected/x.parquet": files(snapshots[0])[0]}
    assert list(describe_chunks(data)) == ["data/train.parquet"]
    monkeypatch.setattr(chunk_hashes, "MOST_CHUNKS", 2)
    assert describe_chunks(data) == {}
