"""The fixtures have the shape of what Tesseract 5.3 writes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.loaders.hocr import box_in, image_in, read_hocr

HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
    "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title></title>
  <meta http-equiv="Content-Type" content="text/html;charset=utf-8"/>
  <meta name='ocr-system' content='tesseract 5.3.0' />
 </head>
 <body>
"""
PAGE = """  <div class='ocr_page' id='page_1' title='image "scans/page0.png"; bbox 0 0 1240 1754; ppageno 0'>
   <div class='ocr_carea' id='block_1_1' title="bbox 120 157 667 550">
    <p class='ocr_par' id='par_1_1' lang='eng' title="bbox 121 157 403 183">
     <span class='ocr_line' id='line_1_1' title="bbox 121 157 403 183; baseline 0 0; x_size 34.28">
      <span class='ocrx_word' id='word_1_1' title='bbox 121 157 243 183; x_wconf 96'><strong>Inv</strong>oice</span>
      <span class='ocrx_word' id='word_1_2' title='bbox 255 158 309 183; x_wconf 96'>&amp;&nbsp;&eacute;</span>
     </span>
     <span class='ocr_caption' id='line_1_2' title="bbox 121 257 403 283">
      <span class='ocrx_word' id='word_1_3' title='bbox 121 257 243 283; x_wconf 0'> </span>
      <span class='ocrx_word' id='word_1_4' title='bbox 323 258 403 283; x_wconf 96'>1007</span>
     </span>
    </p>
   </div>
  </div>
"""
TAIL = " </body>\n</html>\n"


def page(inside, title="bbox 0 0 100 50"):
    return f"<html><body><div class='ocr_page' title='{title}'>{inside}</div></body></html>"


def word(text, box="1 2 3 4"):
    return f"<span class='ocrx_word' title='bbox {box}'>{text}</span>"


# hocr_char_boxes=1 with lstm_choice_mode 2 and 1, and lstm_choice_mode=2 alone
CHARACTERS = """<span class='ocr_line' title='bbox 0 0 9 9'><span class='ocrx_word' title='bbox 1 2 3 4; x_wconf 96'>
 <span class='ocrx_cinfo' title='x_bboxes 1 2 2 4; x_conf 99.5'>N</span>
  <span class='ocrx_cinfo' id='lstm_choices_1_1_1'>
   <span class='ocrx_cinfo' id='choice_1_1_1' title='x_confs 94.1'>N</span>
   <span class='ocrx_cinfo' id='choice_1_1_2' title='x_confs 0'>M</span>
  </span>
 <span class='ocrx_cinfo' title='x_bboxes 2 2 3 4; x_conf 99.5'>o</span>
  <span class='ocr_symbol' id='symbol_1_1_1'>
   <span class='ocrx_cinfo' id='timestep1_1_1'>
    <span class='ocrx_cinfo' id='choice_1_1_3' title='x_confs 66'>0</span></span></span></span>
<span class='ocrx_word' title='bbox 5 2 6 4; x_wconf 96'>1
 <span class='ocrx_cinfo' id='lstm_choices_1_2_1'>
  <span class='ocrx_cinfo' id='choice_1_2_1' title='x_confs 94.1'>l</span></span></span></span>"""


def test_pages_lines_and_words():
    first, second = read_hocr(HEAD + PAGE + PAGE.replace("page0", "page1") + TAIL, "a.hocr")
    assert (
        first.lines
        == second.lines
        == [
            [("Invoice", (121, 157, 243, 183)), ("&\xa0é", (255, 158, 309, 183))],
            [("1007", (323, 258, 403, 283))],
        ]
    )
    assert first.frame == (0, 0, 1240, 1754)
    assert (first.image_name, second.image_name) == ("scans/page0.png", "scans/page1.png")


@pytest.mark.parametrize(
    ("html", "lines"),
    [
        # no XML: a paragraph that is not ended, an attribute without quotes, upper case
        (page(f"<p>{word('a')}<p><SPAN CLASS=ocrx_word title='bbox 5 2 9 4'>b</SPAN>"), [["a", "b"]]),
        (page("<span class='ocr_line' title='bbox 0 0 9 9'>no <br/> words</span>"), [["no  words"]]),
        (
            page(f"<span class='ocr_line foo'>{word('a')}<br>{word('b')}</span>{word('c', '1 20 3 24')}"),
            [["a", "b"], ["c"]],
        ),
        (page("<span class='ocr_line'/>" + word("a")), [[], ["a"]]),
        (
            page(word("<span class='ocrx_cinfo' title='x_bboxes 1 2 2 4'>a</span><span class='ocrx_word'>b</span>")),
            [["ab"]],
        ),
        (page(""), []),
        (page(CHARACTERS), [["No", "1"]]),
        (page(word("a")) + "<script>1 < 2</script> text outside any page", [["a"]]),
    ],
)
def test_what_is_read(html, lines):
    (sheet,) = read_hocr(html, "a.hocr")
    assert [[text for text, _ in line] for line in sheet.lines] == lines


@pytest.mark.parametrize(
    ("html", "message"),
    [
        ("<html><body>hello</body></html>", "The file has no page (class 'ocr_page') (path 'a.hocr')."),
        (word("a"), "A word or line is on no page (class 'ocr_page') (path 'a.hocr', line 1)."),
        (
            page(word("a"), "image x.png"),
            "A page has no bbox of four numbers: title 'image x.png' (path 'a.hocr', line 1).",
        ),
        (
            page("\n" + word("a", "1 2 x 4")),
            "A word has no bbox of four numbers: title 'bbox 1 2 x 4' (path 'a.hocr', line 2).",
        ),
        (
            page(word("a", "1 2 3.4.5 4")),
            "A word has no bbox of four numbers: title 'bbox 1 2 3.4.5 4' (path 'a.hocr', line 1).",
        ),
        (page("<span class='ocr_line'>a</span>"), "The line 'a' has no bbox (path 'a.hocr', line 1)."),
        (
            page(f"<span class='ocr_line' title='bbox 1 1 9 9'>lost {word('a')}</span>"),
            "The line has text outside its words: 'lost' (path 'a.hocr', line 1).",
        ),
        (
            page(f"<span class='ocr_line' title='bbox 1 1 9 9'>{word('a')} lost</span>"),
            "The line has text outside its words: 'lost' (path 'a.hocr', line 1).",
        ),
        (
            page(word("a") + " lost"),
            "The page has text outside its lines and words: 'lost' (path 'a.hocr', line 1).",
        ),
        (page(page("")), "A page is inside another one (path 'a.hocr', line 1)."),
        (HEAD + PAGE[:600], "The file ends inside a page (path 'a.hocr')."),
        (HEAD + PAGE[:-9], "The file ends inside a page (path 'a.hocr')."),
    ],
)
def test_what_is_refused(html, message):
    with pytest.raises(DataError) as caught:
        read_hocr(html, "a.hocr")
    assert str(caught.value) == message


def test_entities_do_not_grow_and_nothing_is_fetched():
    bomb = '<!DOCTYPE html [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;"><!ENTITY x SYSTEM "file:///etc/passwd">]>'
    (sheet,) = read_hocr(bomb + page(word("&b;&x;")), "a.hocr")
    assert sheet.lines == [[("&b;&x;", (1, 2, 3, 4))]]


@pytest.mark.parametrize(
    ("title", "box", "image"),
    [
        ("bbox -1 2.5 1e2 +4; x_wconf 9", (-1, 2.5, 100, 4), ""),
        ('image "a;bbox 1 1 1 1.png"; bbox 1 2 3 4', (1, 2, 3, 4), "a;bbox 1 1 1 1.png"),
        ("image C:\\scans\\a b.tif; bbox 1 2 3 4", (1, 2, 3, 4), "C:\\scans\\a b.tif"),
        ("x_bboxes 1 2 3 4", None, ""),
        ("", None, ""),
    ],
)
def test_titles(title, box, image):
    assert (box_in(title), image_in(title)) == (box, image)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1200), st.text("<>/ '\"=&;#aspnocrx_word!-[", max_size=12))
def test_a_file_that_was_damaged_is_read_or_refused(place, junk):
    text = HEAD + PAGE + TAIL
    sheets, refused = [], None
    try:
        sheets = read_hocr(text[:place] + junk + text[place:], "a.hocr")
    except DataError as error:
        refused = error
    assert ("path 'a.hocr'" in str(refused)) != bool(sheets)
    assert all(word.strip() and len(box) == 4 for sheet in sheets for line in sheet.lines for word, box in line)


def test_a_declaration_that_is_none():
    sheets, refused = [], ""
    try:
        sheets = read_hocr(f"<![<?xml{HEAD}{PAGE}{TAIL}", "a.hocr")
    except DataError as error:
        refused = str(error)
    if refused:
        assert "The file is no HTML" in refused
        assert "path 'a.hocr'" in refused
    else:  # later versions of Python read it as a comment
        assert [[word for word, _ in line] for line in sheets[0].lines] == [["Invoice", "&\xa0é"], ["1007"]]
