"""The fixtures have the shape of what Tesseract 5.3 (version 3) and libraries (versions 2 and 4) write."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError
from hf_mbdc.loaders.alto import read_alto

V3 = "http://www.loc.gov/standards/alto/ns-v3#"
LINE = """<TextLine ID="line_0" HPOS="121" VPOS="157" WIDTH="282" HEIGHT="26">
  <String ID="string_0" HPOS="121" VPOS="157" WIDTH="122" HEIGHT="26" WC="0.96" CONTENT="Invoice"/><SP WIDTH="12"/>
  <String ID="string_1" HPOS="255" VPOS="158" WIDTH="54" HEIGHT="25" WC="0.96" CONTENT="&amp;&#xE9;"/>
</TextLine>"""
HYPHENATED = """<TextLine>
  <String HPOS="100" VPOS="10" WIDTH="40" HEIGHT="10" CONTENT="gra" SUBS_TYPE="HypPart1" SUBS_CONTENT="graphics"/>
  <HYP HPOS="140" VPOS="10" WIDTH="8" CONTENT="-"/>
</TextLine><TextLine>
  <String HPOS="10" VPOS="30" WIDTH="50" HEIGHT="10" CONTENT="phics" SUBS_TYPE="HypPart2" SUBS_CONTENT="graphics"/>
</TextLine>"""


def alto(*pages, xmlns=f' xmlns="{V3}"', unit="pixel", name="scans/page0.png", prefix="", head=""):
    text = "".join(
        f'<Page ID="p{i}" WIDTH="1240" HEIGHT="1754" PHYSICAL_IMG_NR="{i}"><PrintSpace><ComposedBlock><TextBlock>'
        f"{inside}</TextBlock></ComposedBlock></PrintSpace></Page>"
        for i, inside in enumerate(pages)
    )
    text = (
        f"<alto{xmlns}><Description><MeasurementUnit>{unit}</MeasurementUnit><sourceImageInformation><fileName>{name}"
        f"</fileName></sourceImageInformation></Description><Layout>{text}</Layout></alto>"
    )
    if prefix:
        text = text.replace("</", f"</{prefix}:").replace("<", f"<{prefix}:").replace(f"<{prefix}:/", "</")
    return (head + text).encode()


WORDS = [[("Invoice", (121, 157, 243, 183)), ("&é", (255, 158, 309, 183))]]


@pytest.mark.parametrize(
    "given_file",
    [
        alto(LINE),
        alto(LINE, xmlns=' xmlns="http://www.loc.gov/standards/alto/ns-v2#"', unit="inch1200"),
        alto(LINE, xmlns=' xmlns="http://www.loc.gov/standards/alto/ns-v4#"', unit="mm10"),
        alto(LINE, xmlns=' xmlns="http://schema.ccs-gmbh.com/ALTO"'),
        alto(LINE, xmlns=""),
        alto(LINE, xmlns=f' xmlns:ns0="{V3}"', prefix="ns0"),
        b"\xef\xbb\xbf" + alto(LINE, head='<?xml version="1.0" encoding="UTF-8"?>\n'),
        alto(LINE, head='<?xml version="1.0" encoding="UTF-16"?>').decode().encode("utf-16"),
        alto(LINE.replace("&#xE9;", "é"), head='<?xml version="1.0" encoding="ISO-8859-1"?>').decode().encode("latin1"),
    ],
)
def test_every_version_and_encoding(given_file):
    (sheet,) = read_alto(given_file, "a.xml")
    assert sheet.lines == WORDS
    assert (sheet.frame, sheet.image_name) == ((0, 0, 1240, 1754), "scans/page0.png")


def test_pages_in_order():
    sheets = read_alto(alto(LINE, "", HYPHENATED), "a.xml")
    assert [[[text for text, _ in line] for line in sheet.lines] for sheet in sheets] == [
        [["Invoice", "&é"]],
        [],
        [["gra-"], ["phics"]],
    ]
    assert {sheet.image_name for sheet in sheets} == {""}  # the file does not say which page its one image shows


@pytest.mark.parametrize(
    ("hyphen", "word"),
    [
        ('<HYP HPOS="140" VPOS="10" WIDTH="8" CONTENT="-"/>', ("gra-", (100, 10, 148, 20))),
        ('<HYP HPOS="90" WIDTH="8" CONTENT="-"/>', ("gra-", (90, 10, 140, 20))),
        ('<HYP CONTENT="&#xAD;"/>', ("gra\xad", (100, 10, 140, 20))),
        ("<HYP/>", ("gra-", (100, 10, 140, 20))),
        ("", ("gra", (100, 10, 140, 20))),
    ],
)
def test_a_hyphen_belongs_to_its_word(hyphen, word):
    text = HYPHENATED.replace('<HYP HPOS="140" VPOS="10" WIDTH="8" CONTENT="-"/>', hyphen)
    (sheet,) = read_alto(alto(text), "a.xml")
    assert sheet.lines[0] == [word]


def test_a_hyphen_that_is_in_the_word_already():
    (sheet,) = read_alto(alto(HYPHENATED.replace('"gra"', '"gra-"')), "a.xml")
    assert sheet.lines[0] == [("gra-", (100, 10, 140, 20))]


def test_words_without_a_line():
    words = "".join(LINE.split("\n")[1:3])
    (sheet,) = read_alto(alto(words), "a.xml")
    assert sheet.lines == WORDS


LOST = '<String HPOS="1" VPOS="1" WIDTH="1" HEIGHT="1" CONTENT="lost"/>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (alto(LINE)[:400], "Broken XML: unclosed token (path 'a.xml', line 2, column 3)."),
        (alto(LINE)[:-7], "Broken XML: no element found (path 'a.xml', line 4, column 69)."),
        (b"", "Broken XML: no element found (path 'a.xml', line 1, column 1)."),
        (
            alto(LINE.replace("Invoice", "caf")).replace(b"caf", b"caf\xe9"),
            "Broken XML: not well-formed (invalid token) (path 'a.xml', line 2, column 93).",
        ),
        (alto(), "The file has no Page (path 'a.xml')."),
        (
            alto(LINE).replace(b' WIDTH="1240"', b""),
            "The page has no WIDTH that is a number (path 'a.xml', line 1).",
        ),
        (
            alto(LINE).replace(b'VPOS="158"', b'VPOS="x"'),
            "The String '&é' has no VPOS that is a number (path 'a.xml', line 3).",
        ),
        (
            alto(LINE.replace(' CONTENT="Invoice"', "")),
            "A String has no CONTENT (path 'a.xml', line 2).",
        ),
        (
            alto(LINE).replace(b"</Layout>", LOST.encode() + b"</Layout>"),
            "A String or TextLine is on no Page (path 'a.xml', line 4).",
        ),
        (
            alto(LINE, head='<?xml version="1.0" encoding="klingon"?>'),
            "Broken XML: unknown encoding: klingon (path 'a.xml').",
        ),
        (
            alto(LINE, head='<?xml version="1.0" encoding="euc-kr"?>'),
            "Broken XML: multi-byte encodings are not supported (path 'a.xml').",
        ),
    ],
)
def test_what_is_refused(content, message):
    with pytest.raises(DataError) as caught:
        read_alto(content, "a.xml")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "declared",
    [
        '<!DOCTYPE alto [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]>',
        '<!DOCTYPE alto [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE alto SYSTEM "http://127.0.0.1:9/alto.dtd">',
        "<!DOCTYPE alto>",
    ],
)
def test_document_types_are_refused(declared):
    with pytest.raises(DataError, match=r"declares a document type, which ALTO has not; entities are not read \(path"):
        read_alto(alto(LINE.replace("Invoice", "&c;&x;"), head=declared), "a.xml")


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 900), st.binary(max_size=6))
def test_a_file_that_was_damaged_is_read_or_refused(place, junk):
    text = alto(LINE, HYPHENATED)
    sheets, refused = [], None
    try:
        sheets = read_alto(text[:place] + junk + text[place + len(junk) :], "a.xml")
    except DataError as error:
        refused = error
    assert ("path 'a.xml'" in str(refused)) != bool(sheets)
    assert all(word.strip() and len(box) == 4 for sheet in sheets for line in sheet.lines for word, box in line)


def test_an_answer_over_the_hyphen_of_a_divided_word_is_found_in_both_lines():
    (sheet,) = read_alto(alto(HYPHENATED), "a.xml")
    words = [[text for text, _ in line] for line in sheet.lines]
    row = {
        "id": ["1"],
        "question": ["Which trade?"],
        "words": [[word for line in words for word in line]],
        "boxes": [[[100, 10, 148, 20], [10, 30, 60, 40]]],
        "context": ["\n".join(" ".join(line) for line in words)],
        "answers": [["graphics"]],  # SUBS_CONTENT, which stands nowhere
    }
    found = ExtractiveQA().transform(row)
    assert found["match_score"] == [pytest.approx(0.99)]
    assert (found["match_status"], found["matched_text"]) == (["fuzzy"], ["gra-\nphics"])
    assert found["answer_boxes"] == [[[100, 10, 148, 20], [10, 30, 60, 40]]]
