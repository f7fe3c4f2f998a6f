"""hOCR: OCR results inside HTML (Tesseract, OCRopus, …), http://kba.github.io/hocr-spec/1.2/.

Read are `ocr_page` (title: `bbox`, `image`), the lines in it (`ocr_line`, `ocrx_line`, `ocr_header`, `ocr_footer`,
`ocr_caption`, `ocr_textfloat`) and their `ocrx_word`s. Pages come in the order of the file. A line without words is
divided by its characters. Where a word holds its characters one by one (`x_bboxes`), they are put together; the other
readings that Tesseract adds on request (`lstm_choice_mode`) are left out. Confidences are not used.

Python's HTML parser reads it: files are often not well-formed XML, and it knows no DTD and no entities but HTML's own,
so that nothing is fetched and nothing grows.
"""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser

from hf_mbdc.errors import DataError
from hf_mbdc.loaders.pages import PixelBox, Sheet, Word, infer_lines

PAGE, WORD = "ocr_page", "ocrx_word"
LINES = frozenset(("ocr_line", "ocrx_line", "ocr_header", "ocr_footer", "ocr_caption", "ocr_textfloat"))
CHARACTER, OTHER_READING = "character", "other reading"  # what the classes of INSIDE are, by their title
INSIDE = frozenset(("ocrx_cinfo", "ocr_cinfo", "ocr_symbol"))
VOID = frozenset(("area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"))
NUMBER = r"\s+([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)"


def read_hocr(text: str, path: str) -> list[Sheet]:
    """The pages of a document.

    Raises:
        DataError: no page; a page or a word without `bbox`; text that is in no word or line; a file that ends early.
    """
    reader = _Reader(path)
    try:
        reader.feed(text)
    except AssertionError as error:  # how the parser of Python 3.10 to 3.12 says "<![" that begins no section
        raise DataError(f"The file is no HTML: {error}", path=path) from None
    if any(role for _, role in reader.open):
        raise DataError("The file ends inside a page", path=path)
    reader.close()
    if not reader.pages:
        raise DataError("The file has no page (class 'ocr_page')", path=path)
    return reader.pages


def box_in(title: str) -> PixelBox | None:
    """The box that a title names.

    Example:
        >>> box_in("bbox 121 157 243 183; x_wconf 96")
        (121.0, 157.0, 243.0, 183.0)
    """
    found = re.search(rf"(?:^|;)\s*bbox{NUMBER * 4}", re.sub(r"\"[^\"]*\"", '""', title))  # names may hold anything
    if found is None:
        return None
    try:
        x0, y0, x1, y1 = map(float, found.groups())
    except ValueError:
        return None
    return x0, y0, x1, y1


def image_in(title: str) -> str:
    """The image file that a title names; "" for none.

    Example:
        >>> image_in('image "scans/page0.png"; bbox 0 0 1240 1754; ppageno 0')
        'scans/page0.png'
    """
    found = re.search(r"(?:^|;)\s*image\s+(?:\"([^\"]*)\"|([^;]*))", title)
    return (found[1] or found[2] or "").strip() if found else ""


class _Reader(HTMLParser):
    """Collects `pages`; `open` are the elements that were not ended yet, each with its class of ours or ""."""

    def __init__(self, path: str) -> None:
        super().__init__(convert_charrefs=True)
        self.path = path
        self.pages: list[Sheet] = []
        self.open: list[tuple[str, str]] = []
        self.inside: Counter[str] = Counter()  # tags and roles of what is open: a broken file leaves thousands open
        self.line: list[Word] | None = None
        self.line_box: PixelBox | None = None
        self.word_box: PixelBox | None = None
        self.characters = False  # whether the word holds its characters one by one
        self.text: list[str] = []  # of the word, or of the line outside its words
        self.alone: list[Word] = []  # words of the page that are in no line

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            return
        given = dict(attrs)
        title = given.get("title") or ""
        role = self._role((given.get("class") or "").split(), title)
        self.open.append((tag, role))
        self.inside.update((f"<{tag}>", role))
        if role == PAGE:
            self.pages.append(Sheet([], self._box(title, "page"), image_in(title)))
            self.alone = []
        elif role in LINES:
            self.line, self.line_box, self.text = [], box_in(title), []
        elif role == WORD:
            self._no_text_outside()
            self.word_box, self.text, self.characters = self._box(title, "word"), [], False
        elif role == CHARACTER:
            self.characters = True

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID or not self.inside[f"<{tag}>"]:
            return
        name, role = "", ""
        while name != tag:
            name, role = self.open.pop()
            self.inside.subtract((f"<{name}>", role))
            if role:
                self._end(role)

    def handle_data(self, data: str) -> None:
        if self.inside[OTHER_READING]:
            return
        if self.inside[WORD] or self._in_line():
            self.text.append(data)
        elif self.inside[PAGE] and data.strip():
            raise self._error(f"The page has text outside its lines and words: {data.strip()[:40]!r}")

    def _role(self, classes: list[str], title: str) -> str:
        if self.inside[WORD] and not INSIDE.isdisjoint(classes):
            return CHARACTER if "x_bboxes" in title else OTHER_READING
        role = next((name for name in classes if name in LINES or name in (PAGE, WORD)), "")
        if role == PAGE and self.inside[PAGE]:
            raise self._error("A page is inside another one")
        if (role == WORD and self.inside[WORD]) or (role in LINES and self._in_line()):
            return ""  # inside one of its kind it is a part of it
        if role in (WORD, *LINES) and not self.inside[PAGE]:
            raise self._error("A word or line is on no page (class 'ocr_page')")
        return role

    def _in_line(self) -> bool:
        return any(self.inside[name] for name in LINES)

    def _end(self, role: str) -> None:
        if role == WORD:
            text, box = "".join(self.text), self.word_box
            text = "".join(text.split()) if self.characters else text
            self.text, self.word_box = [], None
            if text.strip() and box is not None:
                (self.alone if self.line is None else self.line).append((text.strip(), box))
        elif role in LINES:
            self._end_line()
        elif role == PAGE:
            self.pages[-1].lines.extend(infer_lines(self.alone))

    def _end_line(self) -> None:
        words, text = self.line or [], "".join(self.text).strip()
        if text and not words:
            if self.line_box is None:
                raise self._error(f"The line {text[:40]!r} has no bbox")
            words = [(text, self.line_box)]
        elif text:
            self._no_text_outside()
        self.pages[-1].lines.append(words)
        self.line, self.text = None, []

    def _no_text_outside(self) -> None:
        text = "".join(self.text).strip()
        if text:
            raise self._error(f"The line has text outside its words: {text[:40]!r}")

    def _box(self, title: str, what: str) -> PixelBox:
        box = box_in(title)
        if box is None:
            raise self._error(f"A {what} has no bbox of four numbers: title {title[:60]!r}")
        return box

    def _error(self, what: str) -> DataError:
        return DataError(what, path=self.path, line=self.getpos()[0])
