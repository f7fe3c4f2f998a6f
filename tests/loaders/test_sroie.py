from __future__ import annotations

import io
import json
import logging

import pytest
from PIL import Image

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import load_dataset, load_with_rejected
from hf_mbdc.transforms.checks import check_ids

ALL_IN_TEST = {"split_fractions": (0, 0, 1)}
BOX = (
    "100,20,300,20,300,60,100,60,BOOK TA .K SDN BND\r\n"
    "100,100,220,100,220,120,100,120,NO.53, JALAN SAGU\r\n"
    "\r\n"
    "100,400,140,400,140,420,100,420,TOTAL\r\n"
    "260,400,300,400,300,420,260,420,9.00\r\n\r\n"
)
KEYS = {"company": "BOOK TA .K (TAMAN) SDN BHD", "address": " NO.53, JALAN SAGU ", "total": "9.00", "date": ""}


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "000")
    return tmp_path


def write(folder, stem, box=BOX, keys=KEYS):
    (folder / "box").mkdir(exist_ok=True)
    (folder / "key").mkdir(exist_ok=True)
    (folder / "box" / f"{stem}.csv").write_bytes(box if isinstance(box, bytes) else box.encode())
    (folder / "key" / f"{stem}.json").write_text(keys if isinstance(keys, str) else json.dumps(keys))


def image_bytes(width, height):
    buffer = io.BytesIO()
    Image.new("L", (width, height), 200).save(buffer, format="JPEG")
    return buffer.getvalue()


def test_literal_rows(folder):
    rows = load_dataset("sroie", folder, split="test", **ALL_IN_TEST).to_list()
    assert [(row["id"], row["key"], row["question"], row["answers"]) for row in rows] == [
        ("000-company", "company", "What is the name of the company?", ["BOOK TA .K (TAMAN) SDN BHD"]),
        ("000-date", "date", "What is the date of the receipt?", []),
        ("000-address", "address", "What is the address of the company?", ["NO.53, JALAN SAGU"]),
        ("000-total", "total", "What is the total amount?", ["9.00"]),
    ]
    for row in rows:
        assert row["document_id"] == "000"
        assert row["vendor"] == "booktak"
        assert row["image"] is None
        assert row["context"] == "BOOK TA .K SDN BND\nNO.53, JALAN SAGU\nTOTAL 9.00".replace(
            "TOTAL 9.00", "TOTAL\n9.00"
        )
        assert row["words"] == ["BOOK", "TA", ".K", "SDN", "BND", "NO.53,", "JALAN", "SAGU", "TOTAL", "9.00"]
        assert row["boxes"][0] == [0, 0, 222, 100]  # 4 of the 18 characters of a line that is as wide as the text
        assert row["boxes"][4] == [833, 0, 1000, 100]
        assert row["boxes"][5] == [0, 200, 212, 250]
        assert row["boxes"][8:] == [[0, 950, 200, 1000], [800, 950, 1000, 1000]]


def test_image_is_embedded_and_does_not_change_the_boxes(folder):
    before = load_dataset("sroie", folder, split="test", **ALL_IN_TEST)
    (folder / "img").mkdir()
    (folder / "img" / "000.jpg").write_bytes(image_bytes(463, 1013))
    after = load_dataset("sroie", folder, split="test", **ALL_IN_TEST)
    assert after[0]["image"].size == (463, 1013)
    stored = after.data.column("image").to_pylist()
    assert [image["path"] for image in stored] == ["000.jpg"] * 4
    assert after["boxes"][:] == before["boxes"][:]


@pytest.mark.parametrize(
    ("box", "keys", "reason"),
    [
        (
            "1,2,3,4,5,6,7,total\n",
            KEYS,
            "A box line needs 8 numbers and a text, and has 8 fields (path 'box/001.csv', line 1).",
        ),
        (
            BOX + "1,2,x,4,5,6,7,8,a\n",
            KEYS,
            "A box line does not begin with 8 numbers: could not convert string to float: 'x' "
            "(path 'box/001.csv', line 7).",
        ),
        (
            "1,2,inf,4,5,6,7,8,a\n",
            KEYS,
            "A box line has a coordinate that is not finite (path 'box/001.csv', line 1).",
        ),
        ("\n \n", KEYS, "The document has no words (path 'box/001.csv')."),
        ("1,2,3,4,5,6,7,8,  \n", KEYS, "The document has no words (path 'box/001.csv')."),
        ("5,5,5,5,5,5,5,5,a\n", KEYS, "The boxes of the document have no extent (path 'box/001.csv')."),
        (
            b"1,2,3,4,5,6,7,8,caf\xe9\n",
            KEYS,
            "Not UTF-8 at byte 19 (path 'box/001.csv'). If such files are in a Windows code page, "
            'pass fallback_encoding="cp1252" (or another one).',
        ),
        (BOX, '{"total": ', "Broken JSON: Expecting value (path 'key/001.json', line 1, column 11)."),
        (BOX, "[1]", "A key file holds an object, and this one a list (path 'key/001.json')."),
        (BOX, {"total": ["9.00"]}, "The value of 'total' is a list, and not a text (path 'key/001.json')."),
    ],
)
def test_one_bad_document_is_set_aside_with_its_reason(folder, caplog, box, keys, reason):
    write(folder, "001", box, keys)
    with caplog.at_level(logging.WARNING):
        loaded = load_with_rejected("sroie", folder, **ALL_IN_TEST)
    assert loaded.rejected.to_list() == [{"document_id": "001", "reason": reason}]
    assert set(loaded.dataset["test"]["document_id"]) == {"000"}
    assert "sroie: 1 set aside, hf_mbdc.load_with_rejected(…).rejected has all of them: 001: " + reason in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING):  # from the cache: no less
        assert load_with_rejected("sroie", folder, **ALL_IN_TEST).rejected.to_list() == loaded.rejected.to_list()
    assert reason in caplog.text


def test_streaming_gives_the_same_rows_and_warns(folder, caplog):
    write(folder, "001", "bad\n")
    write(folder, "002", BOX.replace("9.00", "8.00"))
    with caplog.at_level(logging.WARNING):
        streamed = list(load_dataset("sroie", folder, split="test", streaming=True, **ALL_IN_TEST))
    assert streamed == load_dataset("sroie", folder, split="test", **ALL_IN_TEST).to_list()
    assert "A box line needs 8 numbers and a text, and has 1 fields (path 'box/001.csv', line 1)" in caplog.text


def test_files_without_their_partner_are_set_aside(folder):
    write(folder, "001")
    write(folder, "002")
    (folder / "key" / "001.json").unlink()
    (folder / "box" / "002.csv").unlink()
    assert load_with_rejected("sroie", folder, **ALL_IN_TEST).rejected.to_list() == [
        {"document_id": "001", "reason": "The file is missing (path 'key/001.json')."},
        {"document_id": "002", "reason": "The file is missing (path 'box/002.csv')."},
    ]


def test_a_broken_image_sets_the_document_aside(folder):
    write(folder, "001")
    (folder / "img").mkdir()
    (folder / "img" / "001.jpg").write_text("no image")
    rejected = load_with_rejected("sroie", folder, **ALL_IN_TEST).rejected
    assert rejected["reason"][:] == ["Not an image (path 'img/001.jpg')."]


def test_inverted_boxes_are_sorted_and_boxes_outside_are_clipped_and_both_are_reported(folder, caplog):
    (folder / "img").mkdir()
    (folder / "img" / "001.jpg").write_bytes(image_bytes(400, 500))
    write(folder, "001", "300,60,100,60,100,20,300,20,a\n-9,400,500,400,500,420,-9,420,b\n")
    with caplog.at_level(logging.WARNING):
        loaded = load_with_rejected("sroie", folder, **ALL_IN_TEST)
    reason = "1 inverted boxes were sorted; 1 boxes reached outside the page and were clipped"
    assert loaded.mended.to_list() == [{"document_id": "001", "reason": reason}]
    assert "sroie: 1 mended" in caplog.text
    rows = {row["id"]: row for row in loaded.dataset["test"].to_list()}
    assert rows["001-total"]["boxes"] == [[250, 0, 750, 100], [0, 950, 1000, 1000]]
    assert len(loaded.rejected) == 0


def test_fallback_encoding_is_for_files_that_are_not_utf8(folder):
    write(folder, "001", b"1,2,3,2,3,6,1,6,caf\xe9\n")
    write(folder, "002", "1,2,3,2,3,6,1,6,naïve\n")
    rows = load_dataset("sroie", folder, split="test", fallback_encoding="cp1252", **ALL_IN_TEST)
    assert {"café", "naïve"} < set(rows["context"])
    with pytest.raises(
        RecipeError, match=r"fallback_encoding is 'cp99' \(key 'fallback_encoding'\)\. Name an encoding"
    ):
        load_dataset("sroie", folder, fallback_encoding="cp99")


def test_an_edited_file_is_never_answered_from_the_cache(folder):
    assert load_dataset("sroie", folder, split="test", **ALL_IN_TEST)["answers"][3] == ["9.00"]
    write(folder, "000", keys={**KEYS, "total": "8.00"})
    assert load_dataset("sroie", folder, split="test", **ALL_IN_TEST)["answers"][3] == ["8.00"]


def test_edited_code_is_never_answered_from_the_cache(folder, monkeypatch):
    from hf_mbdc.loaders import builder
    from hf_mbdc.loaders.sroie import Sroie

    before = Sroie(data_dir=str(folder)).cache_dir
    assert Sroie(data_dir=str(folder)).cache_dir == before
    monkeypatch.setattr(builder, "code_hash", lambda: "edited")
    assert Sroie(data_dir=str(folder)).cache_dir != before


def test_a_moved_folder_is_the_same_data(folder, tmp_path_factory):
    from hf_mbdc.loaders.sroie import Sroie

    other = tmp_path_factory.mktemp("moved")
    write(other, "000")
    assert Sroie(data_dir=str(folder)).cache_dir == Sroie(data_dir=str(other)).cache_dir
    assert Sroie(data_dir=str(folder), seed=1).cache_dir != Sroie(data_dir=str(other)).cache_dir


def test_equal_documents_stay_together_and_vendors_when_asked(tmp_path):
    for number in range(40):  # twenty receipts, each given twice, of four vendors
        text, vendor = number % 20, number % 4
        write(
            tmp_path,
            f"{number:03d}",
            f"1,2,30,2,30,6,1,6,receipt {text}\n",
            {"company": f"shop {vendor} ltd", "total": "1"},
        )
    by_document = load_dataset("sroie", tmp_path)
    sides = {row["document_id"]: split for split, rows in by_document.items() for row in rows.to_list()}
    assert len(sides) == 40
    assert all(sides[f"{number:03d}"] == sides[f"{number + 20:03d}"] for number in range(20))
    by_vendor = load_dataset("sroie", tmp_path, split_by="vendor", seed=3, split_fractions=(0.5, 0, 0.5))
    assert set(by_vendor["train"]["vendor"]) & set(by_vendor["test"]["vendor"]) == set()
    assert {len(set(rows["document_id"])) % 10 for rows in by_vendor.values()} == {0}


def test_equal_images_stay_together_though_their_text_was_read_differently(tmp_path):
    (tmp_path / "img").mkdir()
    for number in range(24):
        write(tmp_path, f"{number:03d}", f"1,2,30,2,30,6,1,6,receipt {number}\n")
        (tmp_path / "img" / f"{number:03d}.jpg").write_bytes(image_bytes(40, 20 + number % 12))
    loaded = load_dataset("sroie", tmp_path, split_fractions=(0.5, 0, 0.5))
    sides = {int(row["document_id"]): split for split, rows in loaded.items() for row in rows.to_list()}
    assert set(sides.values()) == {"train", "test"}
    assert all(sides[number] == sides[number + 12] for number in range(12))


@pytest.mark.parametrize(
    ("data_dir", "message"),
    [
        (
            None,
            r"The loader 'sroie' reads local files and got no data_dir\. Give data_dir=… \(--data-dir\), the path of",
        ),
        ("nowhere", r"There is no such folder \(data_dir 'nowhere'\)\. Give data_dir"),
    ],
)
def test_no_folder(data_dir, message):
    with pytest.raises(DataError, match=message):
        load_dataset("sroie", data_dir)


def test_wrong_and_empty_folders(tmp_path):
    with pytest.raises(
        DataError, match=r"The folder has no box/ in it .*Give a folder with box/\*\.csv and key/\*\.json"
    ):
        load_dataset("sroie", tmp_path)
    (tmp_path / "box").mkdir()
    with pytest.raises(DataError, match="The folder has no key/ in it"):
        load_dataset("sroie", tmp_path)
    (tmp_path / "key").mkdir()
    with pytest.raises(DataError, match=r"The folder has no box/\*\.csv in it"):
        load_dataset("sroie", tmp_path)


def test_no_usable_document_is_an_error_that_shows_the_first_reason(tmp_path):
    write(tmp_path, "000", "bad\n")
    with pytest.raises(
        DataError, match=r"None of the 1 documents can be used \(document '000'\)\. The first one: A box line"
    ):
        load_dataset("sroie", tmp_path)


def test_the_real_half(shared_data):
    loaded = load_with_rejected("sroie", shared_data / "sroie")
    assert {split: rows.num_rows for split, rows in loaded.dataset.items()} == {
        "train": 752,
        "validation": 172,
        "test": 332,
    }
    assert (len(loaded.rejected), len(loaded.mended)) == (0, 0)
    sides: dict[str, str] = {}
    for split, rows in loaded.dataset.items():
        check_ids(rows, split)
        for row in rows.remove_columns("image").to_list():
            assert row["words"] == row["context"].split()
            assert len(row["words"]) == len(row["boxes"])
            assert sides.setdefault(row["document_id"], split) == split
    assert len(sides) == 314
    assert sides["444"] == sides["445"]  # the same receipt twice
