from __future__ import annotations

import pytest

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files


@pytest.mark.parametrize("name", ["../secret", "a/../../b", "/etc/passwd", "..\\b", "C:\\b", "c:b", "", ".", "a\0b"])
def test_paths_from_data_stay_inside(tmp_path, name):
    with pytest.raises(DataError, match="A path in the data leads out of the data set's folder"):
        files.inside(tmp_path, name)


def test_paths_inside_are_fine(tmp_path):
    assert files.inside(tmp_path, "documents/a..b.png") == tmp_path / "documents" / "a..b.png"
    assert files.inside(tmp_path, "documents\\a.png") == tmp_path / "documents" / "a.png"


def test_text_with_and_without_byte_order_mark(tmp_path):
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfna\xc3\xafve")
    assert files.read_text(tmp_path, "a") == "naïve"


def test_text_that_is_not_utf8(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"caf\xe9")
    with pytest.raises(DataError) as caught:
        files.read_text(tmp_path, "a.csv")
    assert str(caught.value) == "Not UTF-8 at byte 3 (path 'a.csv'). Save it as UTF-8."
    assert files.read_text(tmp_path, "a.csv", "cp1252") == "café"
    with pytest.raises(DataError, match="Neither UTF-8 nor ascii at byte 3"):
        files.read_text(tmp_path, "a.csv", "ascii")


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"The file is missing \(path 'box/0.csv'\)"):
        files.read_text(tmp_path, "box/0.csv")
    with pytest.raises(DataError, match=r"The file cannot be read: Is a directory \(path 'folder.csv'\)"):
        files.read_text(tmp_path, "folder.csv")
    assert len(files.content_hash(tmp_path, [tmp_path / "folder.csv"])) == 64


def test_broken_json_says_where(tmp_path):
    (tmp_path / "a.json").write_text('{\n "a": 1,\n "b": }')
    with pytest.raises(DataError, match=r"Broken JSON: Expecting value \(path 'a.json', line 3, column 7\)"):
        files.read_json(tmp_path, "a.json")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(DataError, match="nested too deeply"):
        files.read_json(tmp_path, "deep.json")
    (tmp_path / "long.json").write_text("1" * 5000)
    with pytest.raises(DataError, match=r"Broken JSON: Exceeds the limit .*\(path 'long.json'\)"):
        files.read_json(tmp_path, "long.json")


def test_half_a_surrogate_pair_could_not_be_stored(tmp_path):
    (tmp_path / "a.json").write_text(r'["\ud83d\ude00"]')
    assert files.read_json(tmp_path, "a.json") == ["\N{GRINNING FACE}"]
    (tmp_path / "a.json").write_text(r'["\ud83d"]')
    with pytest.raises(DataError, match=r"A text in the JSON holds half of a surrogate pair \(path 'a.json'\)"):
        files.read_json(tmp_path, "a.json")


def test_numbers_in_names_are_sorted_as_numbers():
    assert sorted(["p10", "p9", "10", "p", "9a", "p1a2"], key=files.natural_key) == [
        "9a",
        "10",
        "p",
        "p1a2",
        "p9",
        "p10",
    ]


def test_content_hash_is_of_names_and_bytes_but_not_of_the_place(tmp_path):
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        (tmp_path / place / "a").write_text("x")
        (tmp_path / place / "b").write_text("y")

    def hashed(place):
        return files.content_hash(tmp_path / place, (tmp_path / place).iterdir())

    assert hashed("one") == hashed("two")
    (tmp_path / "two" / "b").write_text("z")
    assert hashed("one") != hashed("two")
    (tmp_path / "two" / "b").rename(tmp_path / "two" / "c")
    (tmp_path / "two" / "c").write_text("y")
    assert hashed("one") != hashed("two")


def test_not_an_image(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(DataError, match=r"Not an image \(path 'a.jpg'\)"):
        files.read_image(tmp_path, "a.jpg")
