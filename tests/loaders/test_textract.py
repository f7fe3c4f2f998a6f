"""The fixtures have the shape of responses: shares of 0–1, ids, relationships, `Page` only where there are many."""

from __future__ import annotations

import copy

import pytest

from hf_mbdc.errors import DataError
from hf_mbdc.loaders.textract import Query, is_textract, read_textract


def geometry(left, top, width, height):
    corners = [(left, top), (left + width, top), (left + width, top + height), (left, top + height)]
    return {
        "BoundingBox": {"Width": width, "Height": height, "Left": left, "Top": top},
        "Polygon": [{"X": x, "Y": y} for x, y in corners],
    }


def block(kind, block_id, text=None, box=(0.25, 0.5, 0.25, 0.125), children=(), page=None, **more):
    made = {"BlockType": kind, "Id": block_id, "Confidence": 99.5, "Geometry": geometry(*box), **more}
    made |= {} if text is None else {"Text": text}
    made |= {"Relationships": [{"Type": "CHILD", "Ids": list(children)}]} if children else {}
    return made if page is None else {**made, "Page": page}


def response(*blocks, **more):
    return {"DocumentMetadata": {"Pages": 1}, "Blocks": list(blocks), "DetectDocumentTextModelVersion": "1.0", **more}


def one_page(prefix="", page=None, **more):
    return response(
        block("PAGE", f"{prefix}p", children=[f"{prefix}l1", f"{prefix}l2"], page=page),
        block("LINE", f"{prefix}l1", f"{prefix}Merry Christmas", children=[f"{prefix}w1", f"{prefix}w2"], page=page),
        block("LINE", f"{prefix}l2", "2026", (0.25, 0.75, 0.125, 0.125), [f"{prefix}w3"], page=page),
        block("WORD", f"{prefix}w1", f"{prefix}Merry", (0.25, 0.5, 0.125, 0.125), page=page),
        block("WORD", f"{prefix}w2", "Christmas", (0.375, 0.5, 0.125, 0.125), page=page),
        block("WORD", f"{prefix}w3", "2026", (0.25, 0.75, 0.125, 0.125), page=page),
        **more,
    )


def texts(sheets):
    return [[[text for text, _ in line] for line in sheet.lines] for sheet in sheets]


def read(*contents):
    return read_textract([(f"{number}.json", content) for number, content in enumerate(contents)])


def test_lines_and_words_of_a_page():
    (sheet,), queries = read(one_page())
    assert sheet.frame == (0, 0, 1, 1)
    assert sheet.lines == [
        [("Merry", (0.25, 0.5, 0.375, 0.625)), ("Christmas", (0.375, 0.5, 0.5, 0.625))],
        [("2026", (0.25, 0.75, 0.375, 0.875))],
    ]
    assert queries == []


ONE, TWO = [["Merry", "Christmas"], ["2026"]], [["bMerry", "Christmas"], ["2026"]]


def both(**more):
    return {**one_page(page=1), "Blocks": one_page(page=1)["Blocks"] + one_page("b", page=2)["Blocks"], **more}


def parts():
    """The two pages in three parts, divided where Textract divides: anywhere."""
    blocks = both()["Blocks"]
    ends = [{"NextToken": "x"}, {"NextToken": "y"}, {"NextToken": None}]
    cut = [blocks[:3], blocks[3:8], blocks[8:]]
    return [response(*some, JobStatus="SUCCEEDED", **end) for some, end in zip(cut, ends, strict=True)]


@pytest.mark.parametrize(
    "contents",
    [
        [both()],
        [both()["Blocks"]],  # the blocks alone
        [parts()],
        parts(),
        [parts()[:2], parts()[2]],
        [one_page(), one_page("b")],  # two requests, each with its page 1
        [[one_page(), one_page("b")]],
        [one_page(page=1), one_page()],  # ids and pages that were there before
        [{kind: [b for b in both()["Blocks"] if b["BlockType"] == kind] for kind in ("PAGE", "LINE", "WORD")}],
    ],
)
def test_pages_in_one_file_in_parts_and_in_several_requests(contents):
    assert all(is_textract(content) for content in contents)
    sheets, _ = read(*contents)
    assert texts(sheets) in ([ONE, TWO], [ONE, ONE])


def test_blocks_of_a_later_page_may_come_first():
    reverse = both(Blocks=both()["Blocks"][::-1])
    assert [texts([sheet]) for sheet in read(reverse)[0]] == [[ONE[::-1]], [TWO[::-1]]]


def test_a_page_without_text_keeps_its_number():
    blocks = [block("PAGE", "p1", page=1), *one_page(page=2)["Blocks"]]
    assert texts(read(response(*blocks))[0]) == [[], ONE]


def test_words_without_lines_and_lines_without_words():
    loose = response(block("WORD", "a", "DATE:", (0, 0.5, 0.1, 0.1)), block("WORD", "b", "1/8", (0.2, 0.5, 0.1, 0.1)))
    assert texts(read(loose)[0]) == [[["DATE:", "1/8"]]]
    assert texts(read(response(block("LINE", "a", "DATE: 1/8")))[0]) == [[["DATE: 1/8"]]]  # divided by `fit`
    layout = response(block("LAYOUT_TEXT", "t", children=["l1"]), *one_page()["Blocks"], block("TABLE", "x"))
    assert texts(read(layout)[0]) == [ONE]


def test_a_polygon_where_there_is_no_bounding_box():
    content = one_page()
    del content["Blocks"][5]["Geometry"]["BoundingBox"]
    assert read(content)[0][0].lines[1] == [("2026", (0.25, 0.75, 0.375, 0.875))]


def query(block_id, text, answers=(), page=None):
    made = block("QUERY", block_id, page=page, Query={"Text": text, "Alias": text[:4]})
    return made | {"Relationships": [{"Type": "ANSWER", "Ids": list(answers)}]} if answers else made


def test_queries():
    content = response(
        *one_page(page=1)["Blocks"],
        query("q1", "Which year?", ["r1", "r2"], 1),
        block("QUERY_RESULT", "r1", "2026", page=1),
        block("QUERY_RESULT", "r2", "MMXXVI", page=1),
        query("q2", "Who signed?", page=1),
        query("q3", "Which year?", ["r1"], 1),  # asked again, as of every page
    )
    assert read(content)[1] == [Query("Which year?", ("2026", "MMXXVI")), Query("Who signed?", ())]


def broken(number, **changes):
    content = copy.deepcopy(one_page(page=1))
    for key, value in changes.items():
        if value is None:
            del content["Blocks"][number][key]
        else:
            content["Blocks"][number][key] = value
    return content


FORMAT = " Textract's format is Blocks[].{BlockType, Id, Page, Text, Geometry.BoundingBox, Relationships}."


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            broken(3, Geometry=None),
            "The WORD 'Merry' has no Geometry that can be read (path '0.json', block 'w1')." + FORMAT,
        ),
        (
            broken(3, Geometry={"BoundingBox": {"Left": 0, "Top": "x", "Width": 0, "Height": 0}}),
            "The WORD 'Merry' has no Geometry that can be read (path '0.json', block 'w1')." + FORMAT,
        ),
        (
            broken(3, Geometry={"Polygon": []}),
            "The WORD 'Merry' has no Geometry that can be read (path '0.json', block 'w1')." + FORMAT,
        ),
        (
            broken(3, Geometry="top left"),
            "The WORD 'Merry' has no Geometry that can be read (path '0.json', block 'w1')." + FORMAT,
        ),
        (broken(3, Id=["w1"]), "An Id is ['w1'], and not a text (path '0.json')." + FORMAT),
        (broken(3, Text=None), "The WORD has no Text (path '0.json', block 'w1')."),
        (broken(1, Page=7), "There is no page 7 (path '0.json', block 'l1')."),
        (broken(1, Page=0), "Page is 0, and not a number from 1 (path '0.json', block 'l1')."),
        (broken(1, Page="1"), "Page is '1', and not a number from 1 (path '0.json', block 'l1')."),
        (broken(3, Id="other"), "The block refers to 'w1', which is not there (path '0.json', block 'l1')."),
        (broken(1, Relationships=["w1"]), "Relationships are malformed (path '0.json', block 'l1')." + FORMAT),
        (
            broken(1, Relationships=[{"Type": "CHILD", "Ids": [["w1"]]}]),
            "Relationships are malformed (path '0.json', block 'l1')." + FORMAT,
        ),
        (
            one_page(JobStatus="PARTIAL_SUCCESS"),
            "The job's status is 'PARTIAL_SUCCESS', so text may be missing (path '0.json').",
        ),
        (
            one_page(NextToken="more"),
            "The response goes on (NextToken), and its next part is not there (path '0.json'). Put all responses of "
            "the document into one file as a list, or into a folder that a question names.",
        ),
        (
            {"Blocks": "none"},
            "The file is not in Textract's format: no list of objects 'Blocks' (path '0.json')." + FORMAT,
        ),
        (
            response(*one_page()["Blocks"], block("QUERY", "q")),
            "The QUERY has no Query.Text (path '0.json', block 'q')." + FORMAT,
        ),
    ],
)
def test_what_is_refused(content, message):
    with pytest.raises(DataError) as caught:
        read(content)
    assert str(caught.value) == message


def test_a_part_that_is_missing_in_the_middle():
    with pytest.raises(DataError, match=r"goes on \(NextToken\), and its next part is not there \(path '0.json'\)"):
        read(one_page(NextToken="more"), one_page())


@pytest.mark.parametrize("content", [None, 3, "Blocks", [], [1], {}, {"WORD": "a"}, {"recognitionResults": []}])
def test_other_json_is_told_apart(content):
    assert not is_textract(content)
