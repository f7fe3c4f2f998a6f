"""ALTO XML, versions 1 to 4 (https://www.loc.gov/standards/alto/): `Page`, `TextLine`, `String`, `HYP`.

Elements count by their local names, since every version, and some libraries, have a namespace of their own. Boxes are
scaled by the `WIDTH` and `HEIGHT` of their page, which are in the same `MeasurementUnit` (pixel, mm10 or inch1200), so
that the unit makes no difference.

Text is taken as it is printed: of a word that is divided at the end of a line (`SUBS_TYPE`) both parts stay words of
their lines, the first one with the hyphen of its `HYP` element. `SUBS_CONTENT`, the word as a whole, stands on no place
of the page; answers that span a hyphen are found by the search for answers.

An expat parser reads the file: a document type, which no ALTO file has, is refused before its entities are read, and
nothing is fetched.
"""

from __future__ import annotations

from typing import Any
from xml.parsers import expat

from hf_mbdc.errors import DataError
from hf_mbdc.loaders.pages import PixelBox, Sheet, Word, infer_lines


def read_alto(content: bytes, path: str) -> list[Sheet]:
    """The pages of a document. Takes bytes, since the file's first line may name their encoding.

    Raises:
        DataError: broken XML, a document type, a page or a word without its measures, words on no page.
    """
    reader = _Reader(path)
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as error:
        what = f"Broken XML: {expat.ErrorString(error.code)}"
        raise DataError(what, path=path, line=error.lineno, column=error.offset + 1) from None
    except (ValueError, LookupError) as error:  # of an encoding of several bytes, or that Python does not know
        raise DataError(f"Broken XML: {error}", path=path) from None
    if not reader.pages:
        raise DataError("The file has no Page", path=path)
    if len(reader.pages) > 1:  # the file names one image, and does not say of which page
        return reader.pages
    page = reader.pages[0]
    return [Sheet(page.lines, page.frame, "".join(reader.file_name).strip())]


class _Reader:
    """Collects `pages` from the events of `parser`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.pages: list[Sheet] = []
        self.file_name: list[str] = []
        self.line: list[Word] | None = None
        self.alone: list[Word] = []
        self.inside: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def _refuse(self, *declared: Any) -> None:
        raise self._error("The file declares a document type, which ALTO has not; entities are not read")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        kind = name.rpartition(":")[2]
        self.inside.append(kind)
        if kind == "Page":
            width, height = (self._number(attributes, key, "page") for key in ("WIDTH", "HEIGHT"))
            self.pages.append(Sheet([], (0.0, 0.0, width, height)))
            self.alone = []
        elif kind == "TextLine":
            self.line = []
        elif kind == "String":
            self._word(attributes)
        elif kind == "HYP" and self.line:
            self.line[-1] = self._hyphenated(self.line[-1], attributes)

    def _end(self, name: str) -> None:
        kind = self.inside.pop()
        if kind == "TextLine" and self.line is not None:
            self._page().lines.append(self.line)
            self.line = None
        elif kind == "Page":
            self.pages[-1].lines.extend(infer_lines(self.alone))

    def _data(self, text: str) -> None:
        if self.inside[-1] == "fileName":
            self.file_name.append(text)

    def _word(self, attributes: dict[str, str]) -> None:
        self._page()
        text = attributes.get("CONTENT")
        if text is None:
            raise self._error("A String has no CONTENT")
        words = self.alone if self.line is None else self.line
        if text.strip():
            words.append((text, self._box(attributes)))

    def _hyphenated(self, word: Word, attributes: dict[str, str]) -> Word:
        """The line's last word with its hyphen, unless it has it already."""
        text, (x0, y0, x1, y1) = word
        hyphen = attributes.get("CONTENT") or "-"
        if text.endswith(hyphen):
            return word
        if "HPOS" in attributes and "WIDTH" in attributes:
            left = self._number(attributes, "HPOS", "hyphen")
            x0, x1 = min(x0, left), max(x1, left + self._number(attributes, "WIDTH", "hyphen"))
        return text + hyphen, (x0, y0, x1, y1)

    def _page(self) -> Sheet:
        if "Page" not in self.inside:
            raise self._error("A String or TextLine is on no Page")
        return self.pages[-1]

    def _box(self, attributes: dict[str, str]) -> PixelBox:
        left, top, width, height = (
            self._number(attributes, key, f"String {attributes['CONTENT'][:40]!r}")
            for key in ("HPOS", "VPOS", "WIDTH", "HEIGHT")
        )
        return left, top, left + width, top + height

    def _number(self, attributes: dict[str, str], key: str, what: str) -> float:
        try:
            return float(attributes[key])
        except (KeyError, ValueError):
            raise self._error(f"The {what} has no {key} that is a number") from None

    def _error(self, what: str) -> DataError:
        return DataError(what, path=self.path, line=self.parser.CurrentLineNumber)
