"""The fixtures are written by hand after the published description of the format: no real file is at hand."""

from __future__ import annotations

import io
import json
import logging

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import load_dataset, load_with_rejected


def entry(number=337, **more):
    return {
        "questionId": number,
        "question": "what is the date mentioned in this letter?",
        "image": "documents/xnbl0037_1.png",
        "docId": 279,
        "ucsf_document_id": "xnbl0037",
        "ucsf_document_page_no": "1",
        "answers": ["1/8/93", "January 8"],
        "data_split": "val",
        **more,
    }


def word(text, *box):
    return {"boundingBox": list(box), "text": text, "confidence": "High"}


def ocr(*lines, width=1000, height=2000):
    found = [
        {"boundingBox": [0] * 8, "text": " ".join(w["text"] for w in words), "words": list(words)} for words in lines
    ]
    page = {"page": 1, "clockwiseOrientation": 0.4, "width": width, "height": height, "unit": "pixel", "lines": found}
    return {"status": "Succeeded", "recognitionResults": [page]}


LETTER = ocr(
    [word("DATE:", 100, 200, 200, 204, 199, 244, 99, 240), word("1/8/93", 220, 200, 320, 200, 320, 240, 220, 240)],
    [word("Dear Bob", 100, 400, 260, 400, 260, 440, 100, 440)],
)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "ocr_results").mkdir()
    write(tmp_path / "val_v1.0.json", {"dataset_name": "SP-DocVQA", "dataset_split": "val", "data": [entry()]})
    write(tmp_path / "ocr_results" / "xnbl0037_1.json", LETTER)
    return tmp_path


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def test_literal_row(folder):
    assert load_dataset("docvqa", folder)["validation"].to_list() == [
        {
            "id": "337",
            "document_id": "xnbl0037_1",
            "question": "what is the date mentioned in this letter?",
            "words": ["DATE:", "1/8/93", "Dear", "Bob"],
            "boxes": [[99, 100, 200, 122], [220, 100, 320, 120], [100, 200, 180, 220], [200, 200, 260, 220]],
            "context": "DATE: 1/8/93\nDear Bob",
            "answers": ["1/8/93", "January 8"],
            "image": None,
        }
    ]


def test_keys_in_snake_case(folder):
    before = load_dataset("docvqa", folder)["validation"].to_list()
    snake = {{"questionId": "question_id", "docId": "doc_id"}.get(key, key): value for key, value in entry().items()}
    write(folder / "val_v1.0.json", [snake])
    assert load_dataset("docvqa", folder)["validation"].to_list() == before


def test_images_are_embedded_where_they_are(folder):
    (folder / "documents").mkdir()
    buffer = io.BytesIO()
    Image.new("L", (30, 60)).save(buffer, format="PNG")
    (folder / "documents" / "xnbl0037_1.png").write_bytes(buffer.getvalue())
    rows = load_dataset("docvqa", folder)["validation"]
    assert rows[0]["image"].size == (30, 60)
    assert rows.data.column("image").to_pylist() == [{"bytes": buffer.getvalue(), "path": "xnbl0037_1.png"}]


def test_official_splits(folder):
    write(folder / "train_v1.0.json", {"data": [entry(1, data_split="train", ucsf_document_id="a")]})
    write(folder / "ocr_results" / "a_1.json", LETTER)
    loaded = load_dataset("docvqa", folder)
    assert {split: rows["id"][:] for split, rows in loaded.items()} == {"train": ["1"], "validation": ["337"]}


def test_own_splits_keep_the_pages_of_a_document_and_equal_pages_together(folder):
    entries = []
    for number in range(30):  # ten documents of two pages, and ten copies of their first pages
        document, page = (f"d{number % 10}", number // 10) if number < 20 else (f"copy{number}", 1)
        entries.append(entry(number, ucsf_document_id=document, ucsf_document_page_no=str(page)))
        text = f"page {number}" if number < 20 else f"page {number - 20}"
        write(folder / "ocr_results" / f"{document}_{page}.json", ocr([word(text, 0, 0, 9, 0, 9, 9, 0, 9)]))
    write(folder / "val_v1.0.json", {"data": entries})
    loaded = load_dataset("docvqa", folder, split_by="document", split_fractions=(0.5, 0, 0.5))
    sides = {int(row["id"]): split for split, rows in loaded.items() for row in rows.to_list()}
    assert set(sides.values()) == {"train", "test"}
    assert all(sides[n] == sides[n + 10] == sides[n + 20] for n in range(10))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            entry(2, answers=None),
            "The question has no `answers`: they are withheld, as in the official test file "
            "(path 'val_v1.0.json', id 2).",
        ),
        (entry(2, answers="1/8/93"), "`answers` is not a list of texts (path 'val_v1.0.json', id 2)."),
        (entry(337), "The id was there before (path 'val_v1.0.json', id 337)."),
        (entry(2, question=""), "The question has no question (path 'val_v1.0.json', id 2)."),
        (
            entry(2, data_split="dev"),
            "data_split is 'dev', and not one of train, val, validation, test (path 'val_v1.0.json', id 2).",
        ),
        (entry(2, ucsf_document_id="b"), "The file is missing (path 'ocr_results/b_1.json')."),
        (
            entry(2, ucsf_document_id="../../etc/x"),
            "A path in the data leads out of the data set's folder (path '../../etc/x_1.json').",
        ),
        (
            entry(2, ucsf_document_id="c", image="../secret.png"),
            "A path in the data leads out of the data set's folder (path '../secret.png').",
        ),
        (entry(2, ucsf_document_id="empty"), "The document has no words (path 'ocr_results/empty_1.json')."),
        (entry(2, ucsf_document_id="flat"), "The page is 0 × 10 (path 'ocr_results/flat_1.json', page 0)."),
        (
            entry(2, ucsf_document_id="other"),
            "The OCR file is in another format: KeyError('recognitionResults') (path 'ocr_results/other_1.json'). "
            "It should have recognitionResults[0] with width, height and lines[].words[].{text, boundingBox[8]}.",
        ),
    ],
)
def test_one_bad_question_is_set_aside(folder, bad, reason):
    write(folder / "ocr_results" / "c_1.json", LETTER)
    write(folder / "ocr_results" / "empty_1.json", ocr([]))
    write(folder / "ocr_results" / "flat_1.json", ocr([], width=0, height=10))
    write(folder / "ocr_results" / "other_1.json", {"Blocks": []})
    write(folder / "val_v1.0.json", {"data": [entry(), bad]})
    loaded = load_with_rejected("docvqa", folder)
    assert loaded.dataset["validation"]["id"][:] == ["337"]
    assert loaded.rejected["reason"][:] == [reason]


def test_boxes_outside_the_page_are_clipped_and_reported(folder):
    write(folder / "ocr_results" / "xnbl0037_1.json", ocr([word("a", -50, 0, 500, 0, 500, 2200, -50, 2200)]))
    loaded = load_with_rejected("docvqa", folder)
    assert loaded.dataset["validation"][0]["boxes"] == [[0, 0, 500, 1000]]
    reason = "1 boxes reached outside the page and were clipped"
    assert loaded.mended.to_list() == [{"document_id": "xnbl0037_1", "reason": reason}]


def test_a_split_whose_documents_are_all_set_aside(folder):
    write(folder / "train_v1.0.json", {"data": [entry(1, data_split="train", ucsf_document_id="gone")]})
    with pytest.raises(
        DataError, match=r"All documents of the split were set aside \(split 'train'\).*gone_1: The file is"
    ):
        load_dataset("docvqa", folder)


def test_streaming_warns_of_what_is_set_aside(folder, caplog):
    write(folder / "val_v1.0.json", {"data": [entry(), entry(2, ucsf_document_id="gone")]})
    with caplog.at_level(logging.WARNING):
        rows = list(load_dataset("docvqa", folder, split="validation", streaming=True))
    assert [row["id"] for row in rows] == ["337"]
    assert "docvqa: rejected gone_1: The file is missing" in caplog.text


def test_wrong_folders(tmp_path):
    with pytest.raises(
        DataError, match=r"The folder has no ocr_results/ in it, and no Parquet file .*Give a folder with"
    ):
        load_dataset("docvqa", tmp_path)
    (tmp_path / "ocr_results").mkdir()
    with pytest.raises(DataError, match="The folder has no question file in it"):
        load_dataset("docvqa", tmp_path)


def snake(value):
    """READ output with keys in snake_case, as pixparse has it."""
    names = {"boundingBox": "bounding_box", "clockwiseOrientation": "clockwise_orientation"}
    if isinstance(value, dict):
        return {names.get(key, key): snake(item) for key, item in value.items()}
    return [snake(item) for item in value] if isinstance(value, list) else value


def pixparse(number=337, page=LETTER, document="xnbl0037", image=None, **more):
    return {
        "image": image and {"bytes": image, "path": "xnbl0037_1.png"},
        "question_id": number,
        "question": "what is the date mentioned in this letter?",
        "answers": ["1/8/93", "January 8"],
        "data_split": "val",
        "ocr_results": snake(page["recognitionResults"][0]),
        "other_metadata": {"ucsf_document_id": document, "ucsf_document_page_no": "1", "doc_id": 279},
        **more,
    }


def write_parquet(path, *rows, row_group_size=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path, row_group_size=row_group_size)


def png(color=0):
    buffer = io.BytesIO()
    Image.new("L", (30, 60), color).save(buffer, format="PNG")
    return buffer.getvalue()


def test_parquet_gives_the_same_rows(folder, tmp_path_factory):
    before = load_dataset("docvqa", folder)["validation"].to_list()
    place = tmp_path_factory.mktemp("pixparse")
    write_parquet(place / "data" / "validation-00000-of-00001.parquet", pixparse())
    (place / "README.md").write_text("a card")
    (place / "dataset_infos.json").write_text("{}")  # not read where there are Parquet files
    assert load_dataset("docvqa", place)["validation"].to_list() == before


def test_parquet_of_several_row_groups_files_and_splits(tmp_path):
    pages = [ocr([word(f"page{n}", 0, 0, 9, 0, 9, 9, 0, 9)]) for n in range(5)]
    rows = [pixparse(n, pages[n % 5], f"d{n % 5}", png(n % 5)) for n in range(10)]
    write_parquet(tmp_path / "a.parquet", *rows[:7])
    write_parquet(tmp_path / "b.parquet", *rows[7:], pixparse(10, pages[0], "d9", data_split="train"))
    loaded = load_dataset("docvqa", tmp_path)
    assert loaded["train"]["id"][:] == ["10"]
    found = [(int(row["id"]), row["context"], row["image"].getpixel((0, 0))) for row in loaded["validation"]]
    assert sorted(found) == [(n, f"page{n % 5}", n % 5) for n in range(10)]
    loaded = load_dataset("docvqa", tmp_path, split_by="document", split_fractions=(0.5, 0, 0.5), seed=1)
    sides = {row["id"]: split for split, rows in loaded.items() for row in rows.select_columns(["id"])}
    assert set(sides.values()) == {"train", "test"}
    assert all(sides[str(n)] == sides[str(n + 5)] for n in range(5))
    assert sides["10"] == sides["0"]  # another document with the same page


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            pixparse(2, answers=[], data_split="test"),
            "The question has no `answers`: they are withheld, as in the official test file (path 'a.parquet', id 2).",
        ),
        (pixparse(2, document=""), "The question has no ucsf_document_id (path 'a.parquet', id 2)."),
        (pixparse(2, other_metadata=None), "The question has no ucsf_document_id (path 'a.parquet', id 2)."),
        (pixparse(337), "The id was there before (path 'a.parquet', id 337)."),
        (pixparse(2, document="x", image=b"hello"), "Not an image (path 'xnbl0037_1.png')."),
        (pixparse(2, ocr([]), "x"), "The document has no words (path 'a.parquet')."),
        (
            pixparse(2, document="x", ocr_results=None),
            "The OCR file is in another format: TypeError(\"'NoneType' object is not subscriptable\") "
            "(path 'a.parquet'). "
            "It should have recognitionResults[0] with width, height and lines[].words[].{text, boundingBox[8]}.",
        ),
    ],
)
def test_one_bad_row_is_set_aside(tmp_path, bad, reason):
    write_parquet(tmp_path / "a.parquet", pixparse(), bad)
    loaded = load_with_rejected("docvqa", tmp_path)
    assert loaded.dataset["validation"]["id"][:] == ["337"]
    assert loaded.rejected["reason"][:] == [reason]


def test_bad_parquet_files_are_set_aside(tmp_path):
    write_parquet(tmp_path / "a.parquet", pixparse())
    (tmp_path / "b.parquet").write_text("hello")
    write_parquet(tmp_path / "c.parquet", {"question": "a"})
    loaded = load_with_rejected("docvqa", tmp_path)
    assert loaded.dataset["validation"].num_rows == 1
    first, second = loaded.rejected["reason"][:]
    assert first.startswith("Not a Parquet file: ")
    assert first.endswith("(path 'b.parquet').")
    assert second == "The Parquet file has no column 'ocr_results' (path 'c.parquet'). It has question."


def test_an_unanswerable_question_outside_the_test_split(folder):
    write(folder / "val_v1.0.json", {"data": [entry(answers=[])]})
    assert load_dataset("docvqa", folder)["validation"][0]["answers"] == []


def test_a_word_that_is_no_text(folder):
    write(folder / "val_v1.0.json", {"data": [entry(), entry(2, ucsf_document_id="b")]})
    write(folder / "ocr_results" / "b_1.json", json.dumps(LETTER).replace('"text": "1/8/93"', '"text": 3'))
    reasons = load_with_rejected("docvqa", folder).rejected["reason"][:]
    assert reasons == ["A word of the OCR result is no text (path 'ocr_results/b_1.json')."]
