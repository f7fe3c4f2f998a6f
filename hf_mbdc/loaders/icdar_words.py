"""Cropped words of ICDAR's robust reading competitions (2011 to 2015, "word recognition"): a folder with images and a
file of lines `word_1.png, "Tiredness"`.

As the files are: some begin with a byte order mark; texts stand in quotes, may hold commas, and quotes of their own are
written `\\"`; a text of `###` was illegible and is set aside. Options, columns and what else is set aside are those of
`word_images`; the file of labels is `gt.txt`, or the one whose name ends in `gt.txt` (such as
`Challenge2_Test_Task3_GT.txt`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hf_mbdc.errors import DataError
from hf_mbdc.loaders.builder import Finding
from hf_mbdc.loaders.word_images import Label, WordImages, WordImagesConfig, read_lines

ILLEGIBLE = "###"


@dataclass
class IcdarWordsConfig(WordImagesConfig):
    """Options of `icdar_words`: those of `word_images`."""

    LOADER: ClassVar[str] = "icdar_words"
    FOUND: ClassVar[tuple[str, ...]] = ("gt.txt",)

    @property
    def label_file(self) -> str:
        """The name of the file of labels: the option, `gt.txt`, or the only one that ends so."""
        ends = sorted(path.name for path in self.folder.glob("*") if path.name.casefold().endswith("gt.txt"))
        if self.labels or "gt.txt" in ends or len(ends) != 1:
            return super().label_file
        return ends[0]


class IcdarWords(WordImages):
    """The builder of `icdar_words`; see the head of this file."""

    BUILDER_CONFIG_CLASS = IcdarWordsConfig

    def labels(self, folder: Path, name: str) -> Iterator[Label | Finding]:
        """The lines of the file of labels."""
        for number, line in read_lines(folder, name, self.config.fallback_encoding):
            try:
                if isinstance(line, DataError):
                    raise line
                yield parse_line(line, name, number)
            except DataError as error:
                yield Finding(f"line {number}", "rejected", str(error))


def parse_line(line: str, path: str, number: int) -> Label:
    r"""A line of an ICDAR word list.

    Example:
        >>> parse_line(r'word_7.png, "\"$1,000\" off"', "gt.txt", 7)
        Label(name='word_7.png', text='"$1,000" off')

    Raises:
        DataError: no comma behind a name, a quote that does not end, or a text that was illegible.
    """
    name, comma, text = (part.strip() for part in line.partition(","))
    if not name or not comma:
        raise DataError('The line is not of the form name, "text"', path=path, line=number)
    if text.startswith('"'):
        if len(text) < 2 or not text.endswith('"'):
            raise DataError(f"The text {text!r} begins with a quote and does not end with one", path=path, line=number)
        text = re.sub(r'\\(["\\])', r"\1", text[1:-1])
    if text == ILLEGIBLE:
        raise DataError(f"The text of {name!r} is {ILLEGIBLE}: it was illegible", path=path, line=number)
    return Label(name, text)
