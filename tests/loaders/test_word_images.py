from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from word_files import image_file

import hf_mbdc
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import load_dataset, load_with_rejected
from hf_mbdc.loaders.word_images import MOST_PIXELS, cut_line, find_columns

ONE_SPLIT = {"split_fractions": (0, 0, 1)}


def write(folder, labels, *, name="labels.tsv", images=("a.png", "b.png")):
    for number, image in enumerate(images):
        (folder / image).parent.mkdir(parents=True, exist_ok=True)
        (folder / image).write_bytes(image_file(number))
    (folder / name).write_bytes(labels if isinstance(labels, bytes) else labels.encode())
    return folder


def texts(loaded):
    return {row["id"]: row["text"] for row in loaded.dataset["test"].to_list()}


def test_literal_row(tmp_path):
    write(tmp_path, "a.png\t 값이 비싸다 \nb.png\tb\n")
    rows = load_dataset("word_images", tmp_path, split="test", **ONE_SPLIT)
    assert rows.with_format("arrow")[0]["image"].to_pylist() == [{"bytes": image_file(0), "path": "a.png"}]
    assert rows[0]["image"].size == (8, 4)
    assert rows.remove_columns("image").to_list() == [
        {"id": "a.png", "document_id": "a.png", "text": "값이 비싸다"},
        {"id": "b.png", "document_id": "b.png", "text": "b"},
    ]


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("labels.csv", 'a.png,"1,000 ""x"""\r\nb.png,b\r\n'),
        ("labels.csv", 'filename,words\na.png,"1,000 ""x"""\nb.png,b\n'),
        ("labels.csv", 'text,width,file_name\n"1,000 ""x""",8,a.png\nb,8,b.png\n'),
        ("labels.csv", 'filename,words,language\na.png,"1,000 ""x""",en\nb.png,b,en\n'),
        ("labels.tsv", 'a.png\t1,000 "x"\n\nb.png\tb'),
        ("labels.tsv", 'Image\tText\na.png\t1,000 "x"\nb.png\tb'),
        ("labels.txt", 'a.png\t1,000 "x"\nb.png\tb'),
        ("labels.txt", 'a.png  1,000 "x"\nb.png b'),
        ("gt.txt", '\ufeff./a.png\t1,000 "x"\nb.png\tb'),
    ],
)
def test_forms_of_labels(tmp_path, name, labels):
    loaded = load_with_rejected("word_images", write(tmp_path, labels, name=name), **ONE_SPLIT)
    assert texts(loaded) == {"a.png": '1,000 "x"', "b.png": "b"}
    assert len(loaded.rejected) == 0


def test_labels_in_utf_16_and_in_a_code_page(tmp_path):
    utf_16 = write(tmp_path / "1", "a.png\t값\nb.png\tb\n".encode("utf-16"))
    assert texts(load_with_rejected("word_images", utf_16, **ONE_SPLIT)) == {"a.png": "값", "b.png": "b"}
    half = write(tmp_path / "0", "a.png\t값".encode("utf-16") + b"\x00\xd8")  # the first half of a pair
    with pytest.raises(DataError, match="Not UTF-16 at byte 16"):
        load_dataset("word_images", half, **ONE_SPLIT)
    page = write(tmp_path / "2", "a.png\t값\n".encode("cp949") + b"b.png\tb\n")
    loaded = load_with_rejected("word_images", page, fallback_encoding="cp949", **ONE_SPLIT)
    assert texts(loaded) == {"a.png": "값", "b.png": "b"}


def test_a_folder_of_images_and_names_with_both_slashes(tmp_path):
    write(tmp_path, "x/a.png\ta\nx\\b.png\tb\n", name="train.txt", images=("crops/x/a.png", "crops/x/b.png"))
    loaded = load_with_rejected("word_images", tmp_path, labels="train.txt", images="crops", **ONE_SPLIT)
    assert texts(loaded) == {"x/a.png": "a", "x/b.png": "b"}


@pytest.mark.parametrize(
    ("line", "place", "reason"),
    [
        (b"b.png\t\xff", "line 2", "Not UTF-8 at byte 6 (path 'labels.tsv', line 2)."),
        ("b.png", "line 2", "A line has a name and a text, and this one 1 fields (path 'labels.tsv', line 2)."),
        ("b.png\t \t", "b.png", "The text is empty (path 'b.png')."),
        ("none.png\tx", "none.png", "The file is missing (path 'none.png')."),
        ("./a.png\tx", "a.png", "An earlier line names this image (path 'a.png')."),
        ("../a.png\tx", "../a.png", "A path in the data leads out of the data set's folder (path '../a.png')."),
        ("/etc/a.png\tx", "/etc/a.png", "A path in the data leads out of the data set's folder (path '/etc/a.png')."),
        ("C:\\a.png\tx", "C:/a.png", "A path in the data leads out of the data set's folder (path 'C:/a.png')."),
        ("labels.tsv\tx", "labels.tsv", "An image's name ends in one of .bmp, .gif"),
    ],
)
def test_one_bad_line_is_set_aside(tmp_path, line, place, reason):
    labels = b"a.png\ta\n" + (line if isinstance(line, bytes) else line.encode()) + b"\n"
    loaded = load_with_rejected("word_images", write(tmp_path, labels, images=("a.png",)), **ONE_SPLIT)
    assert texts(loaded) == {"a.png": "a"}
    (found,) = loaded.rejected.to_list()
    assert found["document_id"] == place
    assert found["reason"].startswith(reason)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Not an image"),
        (b"<svg/>", "Not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 4\n", "Not an image"),
        (image_file(9)[:45], "The image is broken"),
        (image_file(9, (64, 64), "JPEG")[:-20], "The image is broken"),
        (image_file(9, (5000, 5000)), f"The image has 5000 × 5000 pixels; at most {MOST_PIXELS:,} are read"),
    ],
)
def test_an_image_that_is_none_is_set_aside(tmp_path, content, reason):
    write(tmp_path, "a.png\ta\nb.png\tb\n")
    (tmp_path / "b.png").write_bytes(content)
    loaded = load_with_rejected("word_images", tmp_path, **ONE_SPLIT)
    assert texts(loaded) == {"a.png": "a"}
    (found,) = loaded.rejected.to_list()
    assert found["document_id"] == "b.png"
    assert found["reason"].startswith(reason)


def test_images_without_a_label_are_told(tmp_path):
    loaded = load_with_rejected("word_images", write(tmp_path, "a.png\ta\n"), **ONE_SPLIT)
    assert loaded.rejected.to_list() == [
        {"document_id": "b.png", "reason": "No line of labels.tsv names this image (path 'b.png')."}
    ]


def test_commas_without_quotes_are_refused_and_not_guessed(tmp_path):
    write(tmp_path, 'a.png,1,000\nb.png,"b\n', name="labels.csv")
    with pytest.raises(DataError, match="None of the 4 documents can be used"):
        load_dataset("word_images", tmp_path, **ONE_SPLIT)
    write(tmp_path, "filename,words,language\na.png,1,000,en\nb.png,b,en\n", name="labels.csv")
    loaded = load_with_rejected("word_images", tmp_path, **ONE_SPLIT)
    assert texts(loaded) == {"b.png": "b"}


def test_an_edited_image_is_read_anew(tmp_path):
    write(tmp_path, "a.png\ta\n", images=("a.png",))
    load_dataset("word_images", tmp_path, **ONE_SPLIT)
    (tmp_path / "a.png").write_bytes(image_file(77))
    rows = load_dataset("word_images", tmp_path, split="test", **ONE_SPLIT)
    assert rows[0]["image"].getpixel((0, 0)) == 77


def test_equal_images_and_equal_texts_stay_on_one_side(tmp_path):
    names = [f"{n}.png" for n in range(60)]
    for number, name in enumerate(names):
        (tmp_path / name).write_bytes(image_file(number // 2))
    (tmp_path / "gt.txt").write_text("".join(f"{name}\tt{n % 20}\n" for n, name in enumerate(names)))
    for split_by, of in (("document", lambda row: row["image"]["bytes"]), ("text", lambda row: row["text"])):
        loaded = load_dataset("word_images", tmp_path, split_by=split_by)
        sides: dict[object, str] = {}
        for split, rows in loaded.items():
            for row in rows.with_format("arrow")[:].to_pylist():
                assert sides.setdefault(of(row), split) == split
        assert len(set(sides.values())) == 3


def test_the_columns_go_through_the_approach(tmp_path):
    rows = load_dataset("word_images", write(tmp_path, "a.png\t값값\nb.png\t값b\n"), **ONE_SPLIT)
    done = hf_mbdc.annotate(rows, hf_mbdc.TextRecognition(few_below=2))["test"]
    assert done["char_min_freq"][:] == [3, 1]
    assert done["tail_chars"][:] == [[], ["b"]]
    assert done[0]["image"].size == (8, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": "other.tsv"}, r"There is no such file of labels .*other\.tsv"),
        ({"labels": "../labels.tsv"}, "leads out of the data set's folder"),
        ({"images": "crops"}, "There is no such folder of images"),
        ({"images": ".."}, "leads out of the data set's folder"),
        ({}, r"The folder has several files of labels .*labels='labels\.tsv'"),
    ],
)
def test_wrong_places(tmp_path, options, message):
    write(tmp_path, "a.png\ta\n")
    if not options:
        (tmp_path / "gt.txt").write_text("a.png\ta\n")
    with pytest.raises(DataError, match=message):
        load_dataset("word_images", tmp_path, **options, **ONE_SPLIT)


def test_wrong_options_and_an_empty_folder(tmp_path):
    with pytest.raises(DataError, match=r"The folder has no file of labels .*labels\.csv, labels\.tsv"):
        load_dataset("word_images", tmp_path)
    write(tmp_path, "a.png\ta\n")
    with pytest.raises(RecipeError, match="fallback_encoding is 'klingon'"):
        load_dataset("word_images", tmp_path, fallback_encoding="klingon")
    with pytest.raises(RecipeError, match="labels is 3"):
        load_dataset("word_images", tmp_path, labels=3)


@given(st.text(st.characters(exclude_characters="\r\n", exclude_categories=("Cs",)), min_size=1))
def test_a_text_in_quotes_comes_back_as_it_was(text):
    quoted = '"' + text.replace('"', '""') + '"'
    assert cut_line(f"a.png,{quoted}", ".csv", "labels.csv", 1) == ["a.png", text]


@pytest.mark.parametrize(
    ("fields", "columns"),
    [
        (["filename", "words"], (0, 1)),
        ([" Text ", "n", "IMAGE"], (2, 0)),
        (["a.png", "text"], None),
        (["name", "Mike"], None),
    ],
)
def test_a_first_line_names_columns_only_if_it_names_both(fields, columns):
    assert find_columns(fields) == columns
