from __future__ import annotations

import io
import json
import logging

import pytest
from PIL import Image

from hf_mbdc.approaches import annotate
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError
from hf_mbdc.loaders import load_dataset, load_with_rejected

ALL_IN_TEST = {"split_fractions": (0, 0, 1)}


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def hocr(*pages, image="p.png"):
    body = ""
    for words in pages:
        spans = "".join(f"<span class='ocrx_word' title='bbox {box}'>{text}</span>" for text, box in words)
        line = f"<span class='ocr_line' title='bbox 0 0 1 1'>{spans}</span>"
        body += f"<div class='ocr_page' title='image \"{image}\"; bbox 0 0 200 100'>{line}</div>"
    return f"<!DOCTYPE html><html><body>{body}</body></html>"


def alto(*pages):
    body = ""
    for words in pages:
        line = ""
        for text, box in words:
            x0, y0, x1, y1 = map(int, box.split())
            line += f'<String CONTENT="{text}" HPOS="{x0}" VPOS="{y0}" WIDTH="{x1 - x0}" HEIGHT="{y1 - y0}"/>'
        body += f'<Page WIDTH="200" HEIGHT="100"><PrintSpace><TextLine>{line}</TextLine></PrintSpace></Page>'
    return f'<?xml version="1.0"?><alto xmlns="http://www.loc.gov/standards/alto/ns-v4#"><Layout>{body}</Layout></alto>'


def textract(*pages, **more):
    blocks = []
    for number, words in enumerate(pages, start=1):
        ids = [f"w{number}{i}" for i in range(len(words))]
        line = {"BlockType": "LINE", "Id": f"l{number}", "Relationships": [{"Type": "CHILD", "Ids": ids}]}
        blocks += [{"BlockType": "PAGE", "Id": f"p{number}", "Page": number}, {**line, "Page": number}]
        for (text, box), word_id in zip(words, ids, strict=True):
            x0, y0, x1, y1 = (int(n) / m for n, m in zip(box.split(), (200, 100, 200, 100), strict=True))
            place = {"Left": x0, "Top": y0, "Width": x1 - x0, "Height": y1 - y0}
            word = {"BlockType": "WORD", "Id": word_id, "Text": text, "Geometry": {"BoundingBox": place}}
            blocks.append({**word, "Page": number})
    return {"Blocks": blocks, "DocumentMetadata": {"Pages": len(pages)}, **more}


def picture(color=0):
    buffer = io.BytesIO()
    Image.new("L", (20, 10), color).save(buffer, format="PNG")
    return buffer.getvalue()


def ask(document="a.hocr", question="What is the total?", answers=("9.00",), **more):
    return {"document": document, "question": question, "answers": list(answers), **more}


def questions(folder, *entries):
    write(folder / "questions.jsonl", "".join(json.dumps(entry) + "\n" for entry in entries))


ONE = [("TOTAL", "20 10 60 20"), ("9.00", "120 10 180 20")]
TWO = [("Page", "20 10 60 20"), ("2", "100 50 200 100")]
FORMATS = {"a.hocr": hocr, "a.xml": alto, "a.json": textract, "b/c.html": hocr, "a.alto": alto}


@pytest.mark.parametrize("name", FORMATS)
def test_literal_row(tmp_path, name):
    write(tmp_path / name, FORMATS[name](ONE, TWO))
    questions(tmp_path, ask(name, id="q-1"))
    assert load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"].to_list() == [
        {
            "id": "q-1",
            "document_id": name,
            "question": "What is the total?",
            "words": ["TOTAL", "9.00", "Page", "2"],
            "boxes": [[100, 100, 300, 200], [600, 100, 900, 200], [100, 100, 300, 200], [500, 500, 1000, 1000]],
            "context": "TOTAL 9.00\nPage 2",
            "answers": ["9.00"],
            "pages": [0, 0, 1, 1],
            "image": None,
            "images": [],
        }
    ]


def test_alto_in_another_encoding(tmp_path):
    write(tmp_path / "a.xml", alto(ONE).replace("?>", ' encoding="UTF-16"?>').encode("utf-16"))
    write(
        tmp_path / "b.xml", alto([("caf\xe9", "0 0 9 9")]).replace("?>", ' encoding="ISO-8859-1"?>').encode("latin-1")
    )
    assert load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"]["context"][:] == ["TOTAL 9.00", "caf\xe9"]


def test_rows_can_be_annotated(tmp_path):
    write(tmp_path / "a.hocr", hocr(ONE, TWO))
    questions(tmp_path, ask(), ask(question="Which page?", answers=["Page 2"]))
    rows = annotate(load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"], ExtractiveQA()).to_list()
    assert [(r["matched_text"], r["match_status"], r["answer_boxes"]) for r in rows] == [
        ("9.00", "exact", [[600, 100, 900, 200]]),
        ("Page 2", "exact", [[100, 100, 1000, 1000]]),
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "questions.jsonl",
            '\ufeff{"document": "a.hocr", "question": "Q", "answers": "9.00"}\r\n\r\n'
            '{"document": "a.hocr", "question": "R", "answers": [], "id": 7}',
        ),
        ("questions.json", [ask(question="Q"), ask(question="R", answers=[], id=7)]),
        ("questions.csv", 'document,question,answers,id\r\na.hocr,Q,"[""9.00""]",\r\na.hocr,R,[],7\r\n'),
        ("questions.csv", "document,question,answers,id,who\na.hocr,Q,9.00,,me\na.hocr,R,[],7,you\n"),
    ],
)
def test_three_kinds_of_files_of_questions(tmp_path, name, content):
    write(tmp_path / "a.hocr", hocr(ONE))
    write(tmp_path / name, content)
    rows = load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"]
    assert [(r["id"], r["question"], r["answers"]) for r in rows] == [("a.hocr-0", "Q", ["9.00"]), ("7", "R", [])]


MEND = " A question needs document, question and answers (a list of texts; [] where there is no answer)."
NO_DOCUMENT = (
    "Give the path of a file below data_dir with a suffix of .alto, .hocr, .htm, .html, .json, .xhtml, .xml, "
    "or of a folder."
)


@pytest.mark.parametrize(
    ("line", "document", "reason"),
    [
        ("{", "questions.jsonl", "Broken JSON: Expecting property name enclosed in double quotes ({}, column 2)."),
        ("[" * 100_000, "questions.jsonl", "Broken JSON: nested too deeply ({})."),
        ("3", "questions.jsonl", "A question is an object, and this one a int ({})." + MEND),
        ({"question": "Q", "answers": []}, "questions.jsonl", "The question has no document ({})." + MEND),
        (ask(question=" "), "a.hocr", "The question has no question ({})." + MEND),
        ({"document": "a.hocr", "question": "Q"}, "a.hocr", "The question has no answers ({})." + MEND),
        (ask(answers=["9.00", ""]), "a.hocr", "`answers` is not a list of texts ({})." + MEND),
        (ask(id=[1]), "a.hocr", "The id is a list, and not a text ({})."),
        (ask(id="first"), "a.hocr", "The id was there before ({}, id 'first')."),
        (ask("z.xml"), "z.xml", "There is no such document ({}, document 'z.xml'). " + NO_DOCUMENT),
        (
            ask("questions.jsonl"),
            "questions.jsonl",
            "There is no such document ({}, document 'questions.jsonl'). " + NO_DOCUMENT,
        ),
        (ask("../a.hocr"), "../a.hocr", "A path in the data leads out of the data set's folder (path '../a.hocr')."),
        (
            ask("/etc/passwd"),
            "/etc/passwd",
            "A path in the data leads out of the data set's folder (path '/etc/passwd').",
        ),
        (ask("."), ".", "A path in the data leads out of the data set's folder (path '.')."),
        (ask("empty"), "empty", "The folder of the document has no file in it ({}, document 'empty')."),
        (
            ask("twice"),
            "twice",
            "The question's document is ambiguous ({}, document 'twice'). "
            "Say which one with its suffix: twice.hocr, twice.xml.",
        ),
    ],
)
def test_one_bad_question_is_set_aside(tmp_path, line, document, reason):
    write(tmp_path / "a.hocr", hocr(ONE))
    write(tmp_path / "twice.hocr", hocr(TWO))
    write(tmp_path / "twice.xml", alto(ONE))
    write(tmp_path / "empty" / "a.png", picture())
    lines = [
        json.dumps(ask(id="first")),
        line if isinstance(line, str) else json.dumps(line),
        json.dumps(ask(id="last")),
    ]
    write(tmp_path / "questions.jsonl", "\n".join(lines))
    loaded = load_with_rejected("ocr", tmp_path, **ALL_IN_TEST)
    assert loaded.dataset["test"]["id"][:] == ["first", "last"]
    findings = [f for f in loaded.rejected.to_list() if "No question names" not in f["reason"]]
    place = "path 'questions.jsonl', line 2"
    assert findings == [{"document_id": document, "reason": reason.replace("{}", place)}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("questions.json", "{}", r"The file holds a list of questions, and this one a dict \(path 'questions.json'\)"),
        ("questions.json", "[", r"Broken JSON: Expecting value \(path 'questions.json', line 1, column 2\)"),
        ("questions.csv", "a,b\n1,2\n", r"The file has no column 'document' in its first line"),
        (
            "questions.csv",
            'document,question,answers\n"a',
            r"Broken CSV: unexpected end of data \(path 'questions.csv'",
        ),
        ("questions.jsonl", b"\xff\xfe{", r"Not UTF-8 at byte 0 \(path 'questions.jsonl'\)"),
    ],
)
def test_a_broken_file_of_questions_is_an_error(tmp_path, name, content, message):
    write(tmp_path / "a.hocr", hocr(ONE))
    write(tmp_path / name, content)
    with pytest.raises(DataError, match=message):
        load_dataset("ocr", tmp_path, **ALL_IN_TEST)


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path):
    write(tmp_path / "a.hocr", hocr(ONE))
    write(tmp_path / "questions.jsonl", json.dumps(ask(question="Q\u2028R"), ensure_ascii=False))
    assert load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"]["question"][:] == ["Q\u2028R"]


def test_two_files_of_questions(tmp_path):
    questions(tmp_path, ask())
    write(tmp_path / "questions.csv", "")
    with pytest.raises(DataError, match=r"two files of questions: questions.jsonl and questions.csv\. Keep one"):
        load_dataset("ocr", tmp_path)


def test_an_empty_cell_of_answers_is_a_missing_value(tmp_path):
    write(tmp_path / "a.hocr", hocr(ONE))
    write(tmp_path / "questions.csv", "document,question,answers\na.hocr,Q,\na.hocr,R,[9\na.hocr,S,9.00\na.hocr\n")
    loaded = load_with_rejected("ocr", tmp_path, **ALL_IN_TEST)
    assert loaded.dataset["test"]["question"][:] == ["S"]
    reasons = loaded.rejected["reason"][:]
    assert [reason.split(" (")[0] for reason in reasons] == [
        "The question has no answers",
        "Broken JSON: Expecting ',' delimiter",
        "The question has no question",
    ]


def query(text, *answers):
    ids = [f"{text}{i}" for i in range(len(answers))]
    asked = {"BlockType": "QUERY", "Id": text, "Query": {"Text": text}}
    asked |= {"Relationships": [{"Type": "ANSWER", "Ids": ids}]} if ids else {}
    return [asked, *({"BlockType": "QUERY_RESULT", "Id": i, "Text": a} for i, a in zip(ids, answers, strict=True))]


def test_without_questions_the_queries_count_and_a_document_without_any_is_a_row(tmp_path):
    content = textract(ONE)
    content["Blocks"] += [*query("Total?", "9.00"), *query("Tax?")]
    write(tmp_path / "a.json", content)
    write(tmp_path / "b.hocr", hocr(TWO))
    rows = load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"].to_list()
    assert [(r["id"], r["question"], r["answers"]) for r in rows] == [
        ("a.json-0", "Total?", ["9.00"]),
        ("a.json-1", "Tax?", []),
        ("b.hocr", None, None),
    ]
    questions(tmp_path, ask("a.json"))  # what people ask goes before what was asked of Textract
    loaded = load_with_rejected("ocr", tmp_path, **ALL_IN_TEST)
    assert loaded.dataset["test"]["question"][:] == ["What is the total?"]
    reason = "No question names the document (path 'b.hocr')."
    assert loaded.rejected.to_list() == [{"document_id": "b.hocr", "reason": reason}]


def test_a_folder_that_a_question_names_is_one_document(tmp_path):
    for number in (10, 2, 1):
        write(tmp_path / "book" / f"p{number}.xml", alto([(f"page{number}", "0 0 9 9")]))
        write(tmp_path / "book" / f"p{number}.png", picture(number))
    write(tmp_path / "book" / ".part", "hidden")
    write(tmp_path / "other.xml", alto(ONE))
    questions(tmp_path, ask("book", answers=["page2"]), ask("book/", answers=["page10"]), ask("other"))
    rows = load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"]
    assert rows["id"][:] == ["other.xml-0", "book-0", "book-1"]
    assert (rows[1]["words"], rows[1]["pages"]) == (["page1", "page2", "page10"], [0, 1, 2])
    assert [image.getpixel((0, 0)) for image in rows[1]["images"]] == [1, 2, 10]
    assert rows[1]["image"] is None


def test_a_page_of_a_folder_may_be_asked_about_by_itself_on_the_same_side(tmp_path):
    entries = []
    for number in range(20):
        for page in (1, 2):
            write(tmp_path / f"book{number}" / f"{page}.xml", alto([(f"text{number}.{page}", "0 0 9 9")]))
        entries += [ask(f"book{number}", id=f"b{number}"), ask(f"book{number}/2.xml", id=f"p{number}")]
    questions(tmp_path, *entries)
    loaded = load_dataset("ocr", tmp_path, split_fractions=(0.5, 0, 0.5))
    sides = {row["id"]: split for split, rows in loaded.items() for row in rows.to_list()}
    assert set(sides.values()) == {"train", "test"}
    assert len(sides) == 40
    assert all(sides[f"b{n}"] == sides[f"p{n}"] for n in range(20))


def test_only_the_file_of_questions_is_no_document(tmp_path):
    write(tmp_path / "sub" / "questions.json", textract(ONE))
    questions(tmp_path, ask("sub/questions.json"))
    assert load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"].num_rows == 1


def test_the_parts_of_textracts_answer_in_a_folder(tmp_path):
    blocks = textract(ONE, TWO)["Blocks"]
    for number, part in enumerate((blocks[:5], blocks[5:]), start=1):
        more = {"NextToken": "x"} if number == 1 else {}
        write(tmp_path / "job" / str(number), {"Blocks": part, "JobStatus": "SUCCEEDED", **more})
    write(tmp_path / "job" / ".s3_access_check", "")
    questions(tmp_path, ask("job"))
    assert load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"][0]["pages"] == [0, 0, 1, 1]
    (tmp_path / "job" / "2").unlink()
    with pytest.raises(DataError, match=r"The first one: The response goes on \(NextToken\).*\(path 'job/1'\)"):
        load_dataset("ocr", tmp_path, **ALL_IN_TEST)


def test_a_folder_with_two_formats(tmp_path):
    write(tmp_path / "book" / "1.xml", alto(ONE))
    write(tmp_path / "book" / "2.json", textract(ONE))
    questions(tmp_path, ask("book"))
    with pytest.raises(DataError, match=r"The document's files are in different formats \(path 'book'\)"):
        load_dataset("ocr", tmp_path, **ALL_IN_TEST)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("b.json", '{"Blocks": [', "Broken JSON: Expecting value (path 'b.json', line 1, column 13)."),
        ("b.json", {"recognitionResults": []}, "The JSON file is not Textract's: it has no Blocks (path 'b.json')."),
        ("b.xml", "<mets/>", "The file is neither Textract's JSON nor hOCR nor ALTO XML (path 'b.xml')."),
        ("b.xml", b"\xff\xd8\xff", "The file is neither Textract's JSON nor hOCR nor ALTO XML (path 'b.xml')."),
        ("b.xml", "", "The file is neither Textract's JSON nor hOCR nor ALTO XML (path 'b.xml')."),
        ("b.xml", alto(ONE)[:-20], "Broken XML: unclosed token (path 'b.xml', line 1, column 298)."),
        ("b.hocr", hocr(ONE)[:-30], "The file ends inside a page (path 'b.hocr')."),
        (
            "b.hocr",
            hocr([("caf", "0 0 9 9")]).encode().replace(b"caf", b"caf\xe9"),
            "Not UTF-8 at byte 181 (path 'b.hocr'). Save it as UTF-8.",
        ),
        ("b.hocr", hocr([]), "The document has no words (path 'b.hocr')."),
        ("b.xml", alto([]), "The document has no words (path 'b.xml')."),
        ("b.json", {"Blocks": []}, "The document has no words (path 'b.json')."),
        ("b.hocr", hocr(ONE).replace("0 0 200 100", "0 0 200 0"), "The page is 200 × 0 (path 'b.hocr', page 0)."),
        (
            "b.json",
            json.dumps(textract(ONE)).replace('"Left": 0.1', '"Left": NaN'),
            "A box has a coordinate that is not finite (path 'b.json', page 0).",
        ),
    ],
)
def test_one_bad_document_among_others_is_set_aside(tmp_path, name, content, reason):
    write(tmp_path / "a.hocr", hocr(ONE))
    write(tmp_path / name, content)
    write(tmp_path / "c.hocr", hocr(TWO))
    loaded = load_with_rejected("ocr", tmp_path, **ALL_IN_TEST)
    assert loaded.dataset["test"]["id"][:] == ["a.hocr", "c.hocr"]
    assert loaded.rejected.to_list() == [{"document_id": name, "reason": reason}]


@pytest.mark.parametrize("name", FORMATS)
def test_boxes_are_mended_and_reported(tmp_path, name):
    write(tmp_path / name, FORMATS[name]([("a", "60 20 20 10"), ("b", "150 50 260 120")]))
    loaded = load_with_rejected("ocr", tmp_path, **ALL_IN_TEST)
    assert loaded.dataset["test"][0]["boxes"] == [[100, 100, 300, 200], [750, 500, 1000, 1000]]
    reason = "1 inverted boxes were sorted; 1 boxes reached outside the page and were clipped"
    assert loaded.mended.to_list() == [{"document_id": name, "reason": reason}]


def test_images(tmp_path):
    write(tmp_path / "secret.png", picture(1))
    write(tmp_path / "in" / "own.hocr", hocr(ONE, image="nowhere.png"))
    write(tmp_path / "in" / "own.png", picture(2))
    write(tmp_path / "in" / "named.hocr", hocr(ONE, image="C:\\scans\\page.png"))
    write(tmp_path / "in" / "page.png", picture(3))
    write(tmp_path / "in" / "out.hocr", hocr(ONE, image="../secret.png"))
    write(tmp_path / "in" / "self.hocr", hocr(ONE, image="self.hocr"))
    write(tmp_path / "in" / "two.hocr", hocr(ONE, TWO).replace("p.png", "page.png", 1))
    write(tmp_path / "in" / "two.png", picture(4))  # of which page?
    rows = {row["id"]: row for row in load_dataset("ocr", tmp_path, **ALL_IN_TEST)["test"]}
    found = {name: row["image"].getpixel((0, 0)) for name, row in rows.items() if row["image"]}
    assert found == {"in/own.hocr": 2, "in/named.hocr": 3}
    assert {name: row["images"] for name, row in rows.items() if row["images"]}.keys() == {"in/two.hocr"}
    first, second = rows["in/two.hocr"]["images"]
    assert (first.getpixel((0, 0)), second) == (3, None)


def test_a_file_that_is_no_image_sets_its_document_aside(tmp_path):
    write(tmp_path / "a.hocr", hocr(ONE))
    write(tmp_path / "a.png", "hello")
    write(tmp_path / "b.hocr", hocr(TWO))
    loaded = load_with_rejected("ocr", tmp_path, **ALL_IN_TEST)
    assert loaded.rejected.to_list() == [{"document_id": "a.hocr", "reason": "Not an image (path 'a.png')."}]


def test_equal_texts_stay_on_one_side(tmp_path):
    for number in range(40):
        write(tmp_path / f"{number}.hocr", hocr([(f"text{number % 20}", "0 0 9 9")]))
    loaded = load_dataset("ocr", tmp_path, split_fractions=(0.5, 0, 0.5))
    sides = {row["id"]: split for split, rows in loaded.items() for row in rows.to_list()}
    assert set(sides.values()) == {"train", "test"}
    assert all(sides[f"{n}.hocr"] == sides[f"{n + 20}.hocr"] for n in range(20))


def test_streaming_gives_the_same_and_warns(tmp_path, caplog):
    write(tmp_path / "a.hocr", hocr(ONE))
    write(tmp_path / "b.hocr", hocr(TWO))
    write(tmp_path / "b.png", "hello")
    with caplog.at_level(logging.WARNING):
        rows = list(load_dataset("ocr", tmp_path, streaming=True, split="test", **ALL_IN_TEST))
    assert rows == load_dataset("ocr", tmp_path, split="test", **ALL_IN_TEST).to_list()
    assert "ocr: rejected b.hocr: Not an image" in caplog.text


def test_wrong_folders(tmp_path):
    with pytest.raises(DataError, match=r"The loader 'ocr' found no document"):
        load_dataset("ocr", tmp_path)
    write(tmp_path / "a.hocr", hocr(ONE))
    with pytest.raises(DataError, match=r"data_dir is a file .*Give a folder with OCR results"):
        load_dataset("ocr", tmp_path / "a.hocr")
