from __future__ import annotations

import sys

import pytest
from word_files import image_file, samples, write_lmdb

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import load_dataset, load_with_rejected

pytest.importorskip("lmdb")
ONE_SPLIT = {"split_fractions": (0, 0, 1)}
A, B = image_file(1), image_file(2, kind="JPEG")


def test_literal_rows(tmp_path):
    write_lmdb(tmp_path, samples((A, "값"), (B, " two words ")))
    rows = load_dataset("lmdb_words", tmp_path, split="test", **ONE_SPLIT)
    assert rows.with_format("arrow")[:]["image"].to_pylist() == [
        {"bytes": A, "path": "000000001"},
        {"bytes": B, "path": "000000002"},
    ]
    assert rows.remove_columns("image").to_list() == [
        {"id": "000000001", "document_id": "000000001", "text": "값"},
        {"id": "000000002", "document_id": "000000002", "text": "two words"},
    ]
    assert rows[1]["image"].size == (8, 4)


def test_folders_that_name_the_splits(tmp_path):
    for place, text in (("training/MJ/MJ_train", "a"), ("validation", "b"), ("evaluation/IC13_857", "c")):
        write_lmdb(tmp_path / place, samples((A, text)))
    loaded = load_dataset("lmdb_words", tmp_path)
    assert {split: rows["id"][:] for split, rows in loaded.items()} == {
        "train": ["training/MJ/MJ_train/000000001"],
        "validation": ["validation/000000001"],
        "test": ["evaluation/IC13_857/000000001"],
    }


def test_other_folders_are_assigned_by_image_or_by_text(tmp_path):
    write_lmdb(tmp_path / "training", samples(*((image_file(n // 2), f"t{n % 10}") for n in range(40))))
    write_lmdb(tmp_path / "more", samples(*((image_file(n + 40), f"t{n % 10}") for n in range(40))))
    for split_by, of in (("document", lambda row: row["image"]["bytes"]), ("text", lambda row: row["text"])):
        loaded = load_dataset("lmdb_words", tmp_path, split_by=split_by, seed=4)
        sides: dict[object, str] = {}
        for split, rows in loaded.items():
            for row in rows.with_format("arrow")[:].to_pylist():
                assert sides.setdefault(of(row), split) == split
        assert len(set(sides.values())) == 3


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        (b"label-000000002", b"\xff", "The label is not UTF-8 at byte 0 (path '.', sample 2)."),
        (b"label-000000002", b"", "The text is empty (path '.')."),
        (b"label-000000002", None, "The sample has no label (path '.', sample 2)."),
        (b"image-000000002", None, "The sample has no image (path '.', sample 2)."),
        (b"image-000000002", b"GIF", "Not an image (path '000000002')."),
        (b"image-000000002", A[:45], "The image is broken: "),
    ],
)
def test_one_bad_sample_is_set_aside(tmp_path, key, value, reason):
    entries = samples((A, "a"), (B, "b"), (image_file(3), "c")) | {key: value}
    write_lmdb(tmp_path, {name: content for name, content in entries.items() if content is not None})
    loaded = load_with_rejected("lmdb_words", tmp_path, **ONE_SPLIT)
    assert loaded.dataset["test"]["id"][:] == ["000000001", "000000003"]
    (found,) = loaded.rejected.to_list()
    assert found["document_id"] == "000000002"
    assert found["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (None, "num-samples is None, no number (path 'bad')."),
        (b"many", "num-samples is b'many', no number (path 'bad')."),
        (b"999999999", "num-samples is 999999999, and there are 3 entries (path 'bad')."),
    ],
)
def test_an_lmdb_that_does_not_count_its_samples_is_set_aside(tmp_path, number, reason):
    write_lmdb(tmp_path / "good", samples((A, "a")))
    entries = samples((B, "b")) | {b"num-samples": number}
    write_lmdb(tmp_path / "bad", {name: content for name, content in entries.items() if content is not None})
    loaded = load_with_rejected("lmdb_words", tmp_path, **ONE_SPLIT)
    assert loaded.dataset["test"]["id"][:] == ["good/000000001"]
    assert loaded.rejected.to_list() == [{"document_id": "bad", "reason": reason}]


def test_a_file_that_is_no_lmdb_is_set_aside(tmp_path):
    write_lmdb(tmp_path / "good", samples((A, "a")))
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "data.mdb").write_bytes(b"nothing" * 1000)
    loaded = load_with_rejected("lmdb_words", tmp_path, **ONE_SPLIT)
    assert loaded.dataset["test"]["id"][:] == ["good/000000001"]
    (found,) = loaded.rejected.to_list()
    assert found["document_id"] == "bad"
    assert found["reason"].startswith("The LMDB cannot be read: bad: MDB_INVALID")
    assert str(tmp_path) not in found["reason"]


def test_samples_that_are_not_counted_are_told(tmp_path):
    write_lmdb(tmp_path, samples((A, "a"), (B, "b")) | {b"num-samples": b"1"})
    loaded = load_with_rejected("lmdb_words", tmp_path, **ONE_SPLIT)
    assert loaded.dataset["test"]["id"][:] == ["000000001"]
    assert loaded.rejected["reason"][:] == ["num-samples is 1; what is behind them is not read"]


def test_a_file_that_ends_early_or_is_damaged_is_set_aside(tmp_path):
    write_lmdb(tmp_path / "good", samples((A, "a")))
    many = samples(*[(image_file(n), f"word {n}") for n in range(2000)])
    write_lmdb(tmp_path / "cut", many)
    whole = (tmp_path / "cut" / "data.mdb").read_bytes()
    (tmp_path / "cut" / "data.mdb").write_bytes(whole[: len(whole) // 2])  # reading behind its end would be SIGBUS
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "data.mdb").write_bytes(whole[: 2 << 12] + b"\xff" * (len(whole) - (2 << 12)))
    loaded = load_with_rejected("lmdb_words", tmp_path, **ONE_SPLIT)
    assert loaded.dataset["test"]["id"][:] == ["good/000000001"]
    reasons = {row["document_id"]: row["reason"] for row in loaded.rejected.to_list()}
    assert reasons["cut"].startswith("The LMDB ends early: it has ")
    assert reasons["torn"].startswith("The LMDB cannot be read: ")


def test_no_lmdb_and_no_package(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"There is no data\.mdb in the folder"):
        load_dataset("lmdb_words", tmp_path)
    write_lmdb(tmp_path, samples((A, "a")))
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(DataError, match=r"hf-mbdc\[lmdb\]"):
        load_dataset("lmdb_words", tmp_path, **ONE_SPLIT)


def test_reading_changes_nothing_in_the_folder(tmp_path):
    write_lmdb(tmp_path, samples((A, "a")))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    load_dataset("lmdb_words", tmp_path, **ONE_SPLIT)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
