"""The fixtures follow the documentation and the reader of the MP-DocVQA-Framework: no real file is at hand."""

from __future__ import annotations

import io
import json
import os

import numpy as np
import pytest
from PIL import Image

from hf_mbdc.approaches import annotate
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import load_dataset, load_with_rejected

HEADER = {"creation_time": 1660000000.5, "version": 0.3, "dataset_type": "val", "has_answer": True}


def record(number=57349, **more):
    return {
        "question_id": number,
        "question": "What is the name of the company?",
        "image_id": "snbx0223",
        "image_name": ["snbx0223_p11", "snbx0223_p12"],
        "imdb_doc_pages": 2,
        "total_doc_pages": 238,
        "ocr_tokens": [["lifestyle", "apparel"], ["itc", "limited", "Source:"]],
        "ocr_normalized_boxes": [
            np.array([[0.25, 0.25, 0.5, 0.5], [0.5, 0.25, 0.75, 0.5]], np.float32),
            [[0, 0, 0.1, 0.1], [0.2, 0, 0.3, 0.1], [0, 0.5, 0.1, 0.6]],
        ],
        "answers": ["itc limited", "ITC Limited", "itc limited"],
        "answer_page_idx": 1,
        **more,
    }


def write(folder, *records, name="imdb_val.npy"):
    array = np.empty(len(records) + 1, dtype=object)
    array[:] = [HEADER, *records]
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    np.save(folder / name, array, allow_pickle=True)


def picture(path, color):
    path.parent.mkdir(exist_ok=True)
    buffer = io.BytesIO()
    Image.new("L", (20, 10), color).save(buffer, format="PNG")
    path.write_bytes(buffer.getvalue())


ROW = {
    "id": "57349",
    "document_id": "snbx0223",
    "question": "What is the name of the company?",
    "words": ["lifestyle", "apparel", "itc", "limited", "Source:"],
    "boxes": [[250, 250, 500, 500], [500, 250, 750, 500], [0, 0, 100, 100], [200, 0, 300, 100], [0, 500, 100, 600]],
    "context": "lifestyle apparel\nitc limited\nSource:",
    "answers": ["itc limited", "ITC Limited"],
    "pages": [0, 0, 1, 1, 1],
    "image": None,
    "images": [],
    "gold_page": 1,
}


@pytest.mark.parametrize("name", ["imdb_val.npy", "imdb/new_imdb_val.npy"])
def test_literal_row_of_an_imdb(tmp_path, name):
    write(tmp_path, record(), name=name)
    assert load_dataset("mp_docvqa", tmp_path)["validation"].to_list() == [ROW]


def textract(*words):
    blocks = [{"BlockType": "PAGE", "Id": "p"}]
    for number, (text, (x0, y0, x1, y1)) in enumerate(words):
        box = {"Left": x0, "Top": y0, "Width": x1 - x0, "Height": y1 - y0}
        blocks.append({"BlockType": "WORD", "Id": f"w{number}", "Text": text, "Geometry": {"BoundingBox": box}})
    return {kind: [b for b in blocks if b["BlockType"] == kind] for kind in ("PAGE", "WORD")}


def official(number=57349, **more):
    return {
        "questionId": number,
        "question": "What is the name of the company?",
        "doc_id": "snbx0223",
        "page_ids": ["snbx0223_p11", "snbx0223_p12"],
        "answers": ["itc limited", "ITC Limited"],
        "answer_page_idx": 1,
        "data_split": "val",
        **more,
    }


def write_official(folder, *entries):
    (folder / "ocr").mkdir(exist_ok=True)
    (folder / "val.json").write_text(json.dumps({"dataset_name": "MP-DocVQA", "data": list(entries)}))
    pages = record()
    for name, words, boxes in zip(
        *(pages[k] for k in ("image_name", "ocr_tokens", "ocr_normalized_boxes")), strict=True
    ):
        content = textract(*zip(words, np.asarray(boxes, float).tolist(), strict=True))
        (folder / "ocr" / f"{name}.json").write_text(json.dumps(content))


def test_literal_row_of_the_official_json(tmp_path):
    write_official(tmp_path, official())
    assert load_dataset("mp_docvqa", tmp_path)["validation"].to_list() == [ROW]


def test_annotations_are_on_the_right_page(tmp_path):
    write(tmp_path, record())
    row = annotate(load_dataset("mp_docvqa", tmp_path)["validation"], ExtractiveQA())[0]
    assert (row["matched_text"], row["answer_boxes"]) == ("itc limited", [[0, 0, 300, 100]])
    assert [row["pages"][n] for n in (row["word_start"], row["word_end"])] == [1, 1] == [row["gold_page"]] * 2


def test_images_of_every_page(tmp_path):
    write(tmp_path, record(), record(2))
    picture(tmp_path / "images" / "snbx0223_p12.jpg", 12)
    rows = load_dataset("mp_docvqa", tmp_path)["validation"]
    assert [[image and image.getpixel((0, 0)) for image in row["images"]] for row in rows] == [[None, 12], [None, 12]]


def test_single_pages(tmp_path):
    flat = record(
        image_name="ffbf0227_1", ocr_tokens=["a", "b"], ocr_normalized_boxes=[[0, 0, 0.1, 0.1], [0.2, 0, 0.3, 0.1]]
    )
    del flat["answer_page_idx"]
    write(tmp_path, flat)
    picture(tmp_path / "images" / "ffbf0227_1.png", 3)
    row = load_dataset("mp_docvqa", tmp_path)["validation"][0]
    assert (row["context"], row["pages"], row["gold_page"]) == ("a b", [0, 0], -1)
    assert (row["image"].getpixel((0, 0)), row["images"]) == (3, [])


def test_splits(tmp_path):
    write(tmp_path, record(1), record(2, image_id="other", image_name=["x", "y"]))
    write(tmp_path, record(3), name="imdb_train.npy")
    write(tmp_path, *(record(n, answers=None) for n in (4, 5)), name="imdb_test.npy")
    loaded = load_with_rejected("mp_docvqa", tmp_path)
    assert {split: rows["id"][:] for split, rows in loaded.dataset.items()} == {
        "train": ["3"],
        "validation": ["1", "2"],
    }
    assert [r.split(":")[0] for r in loaded.rejected["reason"][:]] == ["The question has no `answers`"] * 2
    write(tmp_path, *(record(n, image_id=f"d{n % 10}") for n in range(20)))
    loaded = load_dataset("mp_docvqa", tmp_path, split_by="document", split_fractions=(0.5, 0, 0.5))
    sides = {}
    for split, rows in loaded.items():
        for row in rows.select_columns(["document_id"]):
            assert sides.setdefault(row["document_id"], split) == split
    with pytest.raises(RecipeError, match="This loader can split by 'official' or 'document'"):
        load_dataset("mp_docvqa", tmp_path, split_by="page")


def test_questions_about_other_pages_of_a_document(tmp_path):
    other = record(2, image_name=["snbx0223_p30"], ocr_tokens=[["thirty"]], ocr_normalized_boxes=[[[0, 0, 1, 1]]])
    again = record(4, ocr_tokens=[["changed", "apparel"], ["itc", "limited", "Source:"]])
    write(tmp_path, record(1), {**other, "answer_page_idx": 0}, record(3), again)
    rows = load_dataset("mp_docvqa", tmp_path)["validation"]
    assert [row["words"][0] for row in rows] == ["lifestyle", "thirty", "lifestyle", "changed"]


BOXES = record()["ocr_normalized_boxes"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (record(2, question=""), "The question has no question ({})."),
        (record(2, image_id=None), "The question has no image_id ({})."),
        (record(2, image_name=[]), "The question has no list of pages ({})."),
        (record(2, image_name=["a", 3]), "The question has no list of pages ({})."),
        (record(2, answers=["a", 3]), "`answers` is not a list of texts ({})."),
        (record(2, answer_page_idx=2), "answer_page_idx is 2, and the question has 2 pages ({})."),
        (record(2, answer_page_idx=1.5), "answer_page_idx is 1.5, and the question has 2 pages ({})."),
        (record(57349), "The id was there before (path 'imdb_val.npy', id 57349)."),
        (
            record(2, ocr_tokens=[["a"]]),
            "ocr_tokens and ocr_normalized_boxes are not lists of 2 pages ({}).",
        ),
        (
            record(2, ocr_normalized_boxes=None),
            "ocr_tokens and ocr_normalized_boxes are not lists of 2 pages ({}).",
        ),
        (
            record(2, ocr_tokens=[["a"], ["b", "c", "d"]]),
            "ocr_tokens and ocr_normalized_boxes do not fit: every word has a box x0 y0 x1 y1 ({}).",
        ),
        (
            record(2, ocr_normalized_boxes=[BOXES[0], [[1, 2, 3]] * 3]),
            "ocr_tokens and ocr_normalized_boxes do not fit: every word has a box x0 y0 x1 y1 ({}).",
        ),
        (record(2, ocr_tokens=[["a", 3], ["b", "c", "d"]]), "A word in ocr_tokens is no text ({})."),
    ],
)
def test_one_bad_record_is_set_aside(tmp_path, bad, reason):
    write(tmp_path, record(), bad, record(3))
    loaded = load_with_rejected("mp_docvqa", tmp_path)
    assert loaded.dataset["validation"]["id"][:] == ["57349", "3"]
    assert loaded.rejected["reason"][:] == [reason.replace("{}", "path 'imdb_val.npy', id 2")]


NO_WORDS = {
    "image_id": "d",
    "image_name": ["x"],
    "answer_page_idx": 0,
    "ocr_tokens": [[]],
    "ocr_normalized_boxes": [[]],
}


def test_pages_without_words_and_boxes_outside(tmp_path):
    far = [[[0.5, 0, -0.5, 0.1]] * 2, BOXES[1]]
    write(tmp_path, record(1, **NO_WORDS), record(2, image_id="e", ocr_normalized_boxes=far))
    loaded = load_with_rejected("mp_docvqa", tmp_path)
    assert loaded.rejected.to_list() == [{"document_id": "d", "reason": "The document has no words (path 'x')."}]
    mends = "2 inverted boxes were sorted; 2 boxes reached outside the page and were clipped"
    assert loaded.mended.to_list() == [{"document_id": "e", "reason": mends}]
    assert loaded.dataset["validation"][0]["boxes"][0] == [0, 0, 500, 100]


class Run:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_a_file_that_would_run_code_is_set_aside(tmp_path):
    write(tmp_path, record())
    write(tmp_path, record(2), Run(str(tmp_path / "mark")), name="imdb_train.npy")
    loaded = load_with_rejected("mp_docvqa", tmp_path)
    (finding,) = loaded.rejected.to_list()
    assert finding["document_id"] == "imdb_train.npy"
    assert "mkdir, which could run code (path 'imdb_train.npy')" in finding["reason"]
    assert not (tmp_path / "mark").exists()
    assert loaded.dataset["validation"].num_rows == 1


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (official(2, page_ids=["gone"], answer_page_idx=0), "The file is missing (path 'ocr/gone.json')."),
        (
            official(2, page_ids=["../val"], answer_page_idx=0),
            "A path in the data leads out of the data set's folder (path '../val.json').",
        ),
        (official(2, page_ids=["read"], answer_page_idx=0), "The OCR file is not Textract's (path 'ocr/read.json')."),
        (official(2, page_ids=["two"], answer_page_idx=0), "The OCR file of a page has 2 pages (path 'ocr/two.json')."),
        (official(2, doc_id=""), "The question has no image_id (path 'val.json', id 2)."),
    ],
)
def test_one_bad_question_of_the_official_json(tmp_path, entry, reason):
    write_official(tmp_path, official(), entry)
    (tmp_path / "ocr" / "read.json").write_text("{}")
    pages = [{"BlockType": "PAGE", "Id": str(n), "Page": n} for n in (1, 2)]
    (tmp_path / "ocr" / "two.json").write_text(json.dumps({"Blocks": pages}))
    loaded = load_with_rejected("mp_docvqa", tmp_path)
    assert loaded.dataset["validation"]["id"][:] == ["57349"]
    assert loaded.rejected["reason"][:] == [reason]


def test_wrong_folders(tmp_path):
    with pytest.raises(
        DataError, match=r"The folder has no file of questions in it .*Give a folder with imdb_train.npy"
    ):
        load_dataset("mp_docvqa", tmp_path)
    write(tmp_path, record(), name="questions.npy")
    with pytest.raises(DataError, match=r"The file's name does not end in train.npy, val.npy or test.npy"):
        load_dataset("mp_docvqa", tmp_path)
    (tmp_path / "questions.npy").unlink()
    np.save(tmp_path / "imdb_val.npy", np.array([1, None], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match=r"The file is not an imdb: a record is no dictionary \(path 'imdb_val.npy'\)"):
        load_dataset("mp_docvqa", tmp_path)
