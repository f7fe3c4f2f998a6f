"""What `hf-mbdc publish` reads from the disk, and what it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict

from hf_mbdc.errors import DataError
from hf_mbdc.revisions.files.local import read_local

ROWS = Dataset.from_dict({"id": ["a", "b"], "x": [1, 2]})


@pytest.mark.parametrize(
    "name", ["rows.parquet", "rows.csv", "rows.tsv", "rows.jsonl", "rows.json", "folder", "saved", "splits"]
)
def test_whatever_load_dataset_takes(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    match path.suffix or name:
        case ".parquet":
            ROWS.to_parquet(path)
        case ".csv":
            ROWS.to_csv(path)
        case ".tsv":
            ROWS.to_csv(path, sep="\t")
        case ".jsonl" | ".json":
            ROWS.to_json(path)
        case "folder":
            path.mkdir()
            ROWS.to_parquet(path / "train.parquet")
        case "saved":
            ROWS.save_to_disk(str(path))
        case "splits":
            DatasetDict(train=ROWS).save_to_disk(str(path))
    found = read_local(path)
    assert {split: list(rows) for split, rows in found.items()} == {"train": list(ROWS)}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nothing", None, "There is no such file or folder"),
        ("rows.xlsx", b"", "ends with '.xlsx' is no data file"),
        ("rows", b"", "ends with 'nothing' is no data file"),
        ("rows.parquet", b"no parquet", "The data cannot be read"),
        ("rows.jsonl", b"{", "The data cannot be read"),
    ],
)
def test_what_is_no_data(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_local(path)
