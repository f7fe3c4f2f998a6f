"""The data files of a revision: read by stock datasets, equal bytes for equal data, safe names."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value, concatenate_datasets, load_dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from hf_mbdc.errors import DataError, IntegrityError
from hf_mbdc.revisions import rows
from hf_mbdc.revisions.content_hash import content_hash, dataset_hash
from hf_mbdc.revisions.files import shards
from hf_mbdc.revisions.files.layout import card_configs, read_files, write_files

FEATURES = Features(
    {
        "id": Value("string"),
        "words": List(Value("string")),
        "boxes": List(List(Value("int32"))),
        "score": Value("float32"),
        "candidates": List({"start": Value("int32"), "score": Value("float32")}),
        "label": ClassLabel(names=["no", "yes"]),
        "image": Image(),
    }
)


def png(colour: int = 7) -> bytes:
    target = io.BytesIO()
    PillowImage.new("L", (2, 2), colour).save(target, "PNG")
    return target.getvalue()


def sample() -> DatasetDict:
    items = [
        {"id": "a", "words": ["x"], "boxes": [[1, 2, 3, 4]], "score": 0.1, "candidates": [{"start": 1, "score": 0.2}]},
        {"id": "b", "words": [], "boxes": [], "score": float("nan"), "candidates": []},
        {"id": "c", "words": None, "boxes": [None, []], "score": None, "candidates": [None]},
    ]
    images = [{"bytes": png(), "path": "a.png"}, None, {"bytes": png(9), "path": None}]
    full = [
        row | {"label": index % 2, "image": image} for index, (row, image) in enumerate(zip(items, images, strict=True))
    ]
    return DatasetDict(
        train=Dataset.from_list(full, features=FEATURES),
        test=Dataset.from_dict({name: [] for name in FEATURES}, features=FEATURES),
    )


def write(folder: Path, splits: DatasetDict, rejected: Dataset | None = None) -> dict[str, str]:
    """Writes data and card; gives the hash of each file."""
    files = write_files(splits, rejected, folder)
    header = yaml.safe_dump(card_configs(splits, rejected), sort_keys=False)
    (folder / "README.md").write_text(f"---\n{header}---\n\n# A dataset\n")
    assert sorted(files) == sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.parquet"))
    return {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}


def test_files_and_configs(tmp_path: Path) -> None:
    rejected = Dataset.from_dict({"document_id": ["x"], "reason": ["no words"]})
    assert list(write(tmp_path, sample(), rejected)) == [
        "data/train-00000-of-00001.parquet",
        "data/test-00000-of-00001.parquet",
        "rejected/rejected-00000-of-00001.parquet",
    ]
    configs = card_configs(sample(), rejected)
    assert configs["configs"] == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*"}]},
        {"config_name": "rejected", "data_files": [{"split": "rejected", "path": "rejected/rejected-*"}]},
    ]
    assert [info["splits"] for info in configs["dataset_info"]] == [
        [{"name": "train", "num_bytes": 160 + len(png()) + len(png(9)), "num_examples": 3}],
        [{"name": "rejected", "num_bytes": 17, "num_examples": 1}],
    ]


def test_stock_datasets_reads_what_was_written(tmp_path: Path) -> None:
    rejected = Dataset.from_dict({"document_id": ["x"], "reason": ["no words"]})
    write(tmp_path, sample(), rejected)
    train = load_dataset(str(tmp_path), split="train")
    assert train.features == FEATURES
    assert content_hash(train) == content_hash(sample()["train"])
    assert train.with_format("arrow")[:]["image"][0]["path"].as_py() == "a.png"
    assert load_dataset(str(tmp_path), "rejected", split="rejected")[:] == rejected[:]


def test_empty_splits_come_back(tmp_path: Path) -> None:
    write(tmp_path, sample())
    loaded = read_files(tmp_path)
    assert {name: len(split) for name, split in loaded.items()} == {"train": 3, "test": 0}
    assert loaded["test"].features == FEATURES
    assert dataset_hash(loaded) == dataset_hash(sample())
    assert (loaded["train"].split, loaded["test"].split) == ("train", "test")


def test_no_rejected_rows_no_config(tmp_path: Path) -> None:
    nothing = Dataset.from_dict({"document_id": [], "reason": []})
    assert list(write(tmp_path, sample(), nothing)) == list(write(tmp_path / "again", sample(), None))
    assert [config["config_name"] for config in card_configs(sample(), nothing)["configs"]] == ["default"]


def test_image_files_are_embedded_and_no_folder_is_published(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "page.png").write_bytes(png())
    paths = [str(tmp_path / "private" / "page.png"), None]
    inside = {"bytes": png(9), "path": "C:\\Users\\me\\scan.png"}
    features = Features({"id": Value("string"), "pages": List(Image()), "image": Image()})
    data = {"id": ["a", "b"], "pages": [[paths[0], inside], []], "image": paths}
    splits = DatasetDict(train=Dataset.from_dict(data, features=features))
    write(tmp_path / "out", splits)
    stored = pq.read_table(tmp_path / "out/data/train-00000-of-00001.parquet").to_pydict()
    assert stored["image"] == [{"bytes": png(), "path": "page.png"}, None]
    assert stored["pages"] == [[{"bytes": png(), "path": "page.png"}, {"bytes": png(9), "path": "scan.png"}], []]
    assert b"private" not in (tmp_path / "out/data/train-00000-of-00001.parquet").read_bytes()
    assert content_hash(read_files(tmp_path / "out")["train"]) == content_hash(splits["train"])


def test_equal_data_gives_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "GROUP_ROWS", 30)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 700)  # about 40 rows: no whole number of row groups
    data = {"id": [f"{n:03d}" for n in range(100)], "boxes": [[[n] * (n % 3)] * (n % 2) for n in range(100)]}
    plain = Dataset.from_dict(data)
    pieces = concatenate_datasets([plain.select(range(n, n + 7)) for n in range(0, 98, 7)] + [plain.select([98, 99])])
    shuffled = pieces.shuffle(seed=5)
    restored = shuffled.select(np.argsort(np.array(shuffled["id"][:])))
    plain.save_to_disk(str(tmp_path / "disk"))
    write(tmp_path / "stock", DatasetDict(train=plain))
    same = [
        plain,
        pieces,
        restored,
        Dataset.load_from_disk(str(tmp_path / "disk")),
        read_files(tmp_path / "stock")["train"],
    ]
    hashes = [write(tmp_path / str(n), DatasetDict(train=split)) for n, split in enumerate(same)]
    assert hashes == [hashes[0]] * len(same)
    assert len({(tmp_path / str(n) / "README.md").read_bytes() for n in range(len(same))}) == 1
    groups = pq.ParquetFile(tmp_path / "2/data/train-00000-of-00001.parquet").metadata
    assert [groups.row_group(n).num_rows for n in range(groups.num_row_groups)] == [30, 30, 30, 10]
    assert write(tmp_path / "other", DatasetDict(train=shuffled)) != hashes[0]


def test_a_large_split_is_cut_into_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "GROUP_ROWS", 10)
    monkeypatch.setattr(shards, "SHARD_BYTES", 100)
    splits = DatasetDict(train=Dataset.from_dict({"id": [f"{n}" * 9 for n in range(25)]}))
    assert list(write(tmp_path, splits)) == [f"data/train-0000{n}-of-00003.parquet" for n in range(3)]
    assert read_files(tmp_path)["train"]["id"][:] == splits["train"]["id"][:]


def test_two_folders_and_two_contents_of_one_folder_never_mix(tmp_path: Path) -> None:
    first, second = (DatasetDict(train=Dataset.from_dict({"id": [name]})) for name in "ab")
    write(tmp_path / "1", first)
    write(tmp_path / "2", second)
    path = tmp_path / "1/data/train-00000-of-00001.parquet"
    assert [read_files(tmp_path / n)["train"]["id"][:] for n in "12"] == [["a"], ["b"]]
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    path.write_bytes((tmp_path / "2/data/train-00000-of-00001.parquet").read_bytes())
    os.utime(path, ns=times)
    assert read_files(tmp_path / "1")["train"]["id"][:] == ["b"]


@pytest.mark.parametrize("name", ["../train", "a/b", "a-b", "", ".", "a..b", "tr\u00e4in", "x" * 101, "train*", "a\n"])
def test_a_split_name_that_is_no_file_name(tmp_path: Path, name: str) -> None:
    splits = DatasetDict({name: Dataset.from_dict({"id": ["a"]})})
    with pytest.raises(DataError, match="The name of a split cannot be a file name"):
        write_files(splits, None, tmp_path / "out")
    with pytest.raises(DataError, match="The name of a split cannot be a file name"):
        card_configs(splits, None)


def test_splits_that_differ_are_refused(tmp_path: Path) -> None:
    train = Dataset.from_dict({"id": ["a"], "x": [1], "y": ["z"]})
    test = Dataset.from_dict({"id": ["b"], "x": ["1"]})
    with pytest.raises(DataError, match=r"split 'test', other_split 'train', columns \['x', 'y'\].*split\.cast"):
        write_files(DatasetDict(train=train, test=test), None, tmp_path)


def test_no_rows_are_refused(tmp_path: Path) -> None:
    for splits in (DatasetDict(), DatasetDict(train=Dataset.from_dict({"id": []}))):
        with pytest.raises(DataError, match="There are no rows to publish"):
            write_files(splits, None, tmp_path)


def test_damaged_files_are_told(tmp_path: Path) -> None:
    write(tmp_path, sample())
    path = tmp_path / "data/train-00000-of-00001.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IntegrityError, match="The data files cannot be read as the card of their revision says"):
        read_files(tmp_path)


def test_fewer_rows_than_the_card_says_are_told(tmp_path: Path) -> None:
    write(tmp_path, sample())
    write_files(DatasetDict(train=sample()["train"].select([0])), None, tmp_path)
    with pytest.raises(IntegrityError, match=r"as the card of their revision says: .*num_examples=3"):
        read_files(tmp_path)


def test_a_folder_without_data_is_told(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# nothing\n")
    with pytest.raises(DataError, match="The revision holds nothing that load_dataset can read"):
        read_files(tmp_path)


ROW = st.fixed_dictionaries(
    {
        "id": st.none() | st.text(max_size=3),
        "words": st.none() | st.lists(st.none() | st.text(max_size=2), max_size=2),
        "boxes": st.none() | st.lists(st.none() | st.lists(st.integers(0, 1000), max_size=4), max_size=2),
        "score": st.none() | st.floats(width=32),
        "candidates": st.none()
        | st.lists(st.none() | st.fixed_dictionaries({"start": st.integers(0, 9), "score": st.none() | st.just(0.1)})),
        "label": st.none() | st.integers(0, 1),
        "image": st.none() | st.builds(lambda data: {"bytes": data, "path": None}, st.binary(max_size=3)),
    }
)


@settings(max_examples=25, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_whatever_is_written_comes_back(
    tmp_path_factory: pytest.TempPathFactory, data: list[dict[str, Any]], random: Any
) -> None:
    folder = tmp_path_factory.mktemp("round")
    order = random.sample(range(len(data)), len(data))
    splits = DatasetDict(train=Dataset.from_list(data, features=FEATURES).select(order))
    write(folder, splits)
    loaded = read_files(folder)
    assert loaded["train"].features == FEATURES
    assert dataset_hash(loaded) == dataset_hash(splits)
    assert loaded["train"].with_format("arrow")[:]["words"].to_pylist() == [data[index]["words"] for index in order]
