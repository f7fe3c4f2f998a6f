"""Images of words in a folder, with a file of labels.

`data_dir` is a folder with the images (in it, or in its folder `images`) and a file of labels, whose name says how its
lines are read:

- `labels.csv`: `name,text`, quoted as CSV is where a text holds commas or quotes;
- `labels.tsv`: `name<tab>text`, nothing quoted;
- `labels.txt` or `gt.txt`: `name<tab>text`, or in a line without a tab `name text`, divided by the first blank.

A first line such as `filename,words` or `image<tab>text` names the columns. Names are paths below the folder of the
images, with `/` or `\\`. A row is one image with its text; texts lose the blanks around them and nothing else.

Set aside, each with its reason: a line that is broken or not UTF-8, a name that leads out of the folder, that has been
there before, or has no file; an image that is broken (all are decoded) or very large; an empty text; an image that no
line names. By default an image is a document of its own, and equal images stay on one side of the split; with
`split_by="text"` images of equal texts do, too.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

import datasets

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding
from hf_mbdc.loaders.splits import text_tie

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
MOST_PIXELS = 1 << 24  # of the image of a word
LABEL_FILES = ("labels.csv", "labels.tsv", "labels.txt", "gt.txt")
NAME_COLUMNS = frozenset(("file", "file_name", "filename", "image", "image_name", "name", "path"))
TEXT_COLUMNS = frozenset(("gt", "label", "text", "transcription", "word", "words"))
ENCODING_MEND = 'If the texts are in a code page, pass fallback_encoding="cp949" (or another one).'
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "document_id": datasets.Value("string"),
        "text": datasets.Value("string"),
        "image": datasets.Image(),
    }
)


@dataclass(frozen=True)
class Label:
    """A line of a file of labels: the image's path below the folder of images, and the text it shows."""

    name: str
    text: str


@dataclass
class WordImagesConfig(DocumentConfig):
    """Options of `word_images`.

    Args:
        labels: name of the file of labels in the folder; "": the one of labels.csv, labels.tsv, labels.txt and gt.txt
            that is there.
        images: folder of the images, in the folder; "": the folder itself.
        fallback_encoding: of lines that are not UTF-8; by default they are set aside.
    """

    labels: str = ""
    images: str = ""
    fallback_encoding: str | None = None

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("document", "text")
    LOADER: ClassVar[str] = "word_images"
    FOUND: ClassVar[tuple[str, ...]] = LABEL_FILES

    def __post_init__(self) -> None:
        for key in ("labels", "images"):
            if not isinstance(getattr(self, key), str):
                mend = "Give a path inside the folder, as text."
                raise RecipeError(f"{key} is {getattr(self, key)!r}", key=key, mend=mend)
        if self.fallback_encoding is not None:
            files.check_encoding(self.fallback_encoding)
        super().__post_init__()

    @cached_property
    def layout(self) -> str:
        """What the loader reads, for messages."""
        return f"a folder with images and a file of labels ({', '.join(self.FOUND)}, or labels=…)"

    @property
    def folder(self) -> Path:
        """The data set's folder."""
        return files.open_folder(self.data_dir, self.LOADER, self.layout)

    @property
    def image_folder(self) -> Path:
        """The folder that the names of images start from."""
        folder = files.inside(self.folder, self.images) if self.images else self.folder
        if not folder.is_dir():
            raise DataError("There is no such folder of images", path=self.images, mend=f"Give {self.layout}.")
        return folder

    @property
    def label_file(self) -> str:
        """The name of the file of labels; `DataError` where there is none, or several."""
        if self.labels:
            if not files.inside(self.folder, self.labels).is_file():
                raise DataError("There is no such file of labels", path=self.labels, mend=f"Give {self.layout}.")
            return self.labels
        found = [name for name in self.FOUND if (self.folder / name).is_file()]
        if len(found) != 1:
            what = f"The folder has {'several files' if found else 'no file'} of labels"
            mend = f"Name the one to read: labels={found[0]!r}." if found else f"Give {self.layout}."
            raise DataError(what, data_dir=self.data_dir, mend=mend)
        return found[0]

    @cached_property
    def image_names(self) -> list[str]:
        """The paths of all images below their folder."""
        folder = self.image_folder
        found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
        return sorted(path.relative_to(folder).as_posix() for path in found)

    def hash_inputs(self) -> str:
        """Of the labels and all images."""
        labels = files.inside(self.folder, self.label_file)
        return files.content_hash(self.folder, [labels, *(self.image_folder / name for name in self.image_names)])


class WordImages(DocumentBuilder):
    """The builder of `word_images`; see the head of this file."""

    BUILDER_CONFIG_CLASS = WordImagesConfig
    FEATURES = FEATURES

    def find(self) -> Iterator[Document | Finding]:
        """The images in the order of their labels, and what is set aside."""
        folder, label_file = self.config.image_folder, self.config.label_file
        named: set[str] = set()
        for item in self.labels(self.config.folder, label_file):
            if isinstance(item, Finding):
                yield item
                continue
            name = PurePosixPath(item.name.replace("\\", "/")).as_posix()
            try:
                if name in named:
                    raise DataError("An earlier line names this image", path=name)
                named.add(name)
                label = Label(name, check_text(item.text, name))
                yield Document(name, self._ties(folder, name, label.text), label)
            except DataError as error:
                yield Finding(name, "rejected", str(error))
        for name in self.config.image_names:
            if name not in named:
                reason = str(DataError(f"No line of {label_file} names this image", path=name))
                yield Finding(name, "rejected", reason)

    def labels(self, folder: Path, name: str) -> Iterator[Label | Finding]:
        """The lines of the file of labels."""
        yield from read_labels(folder, name, self.config.fallback_encoding)

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """The one row of an image."""
        label: Label = document.source
        content = files.read_bytes(self.config.image_folder, label.name)
        yield word_row(document.document_id, document.document_id, label.text, content, label.name)

    def _ties(self, folder: Path, name: str, text: str) -> tuple[str, ...]:
        path = files.inside(folder, name)
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise DataError(f"An image's name ends in one of {', '.join(IMAGE_SUFFIXES)}", path=name)
        return word_ties(files.read_bytes(folder, name), text, self.config.split_by)


def word_ties(content: bytes, text: str, split_by: str) -> tuple[str, ...]:
    """Equal images stay together, and images of equal texts where that is asked for."""
    return (text_tie(text), image_tie(content)) if split_by == "text" else (image_tie(content),)


def image_tie(content: bytes) -> str:
    """The tie of equal image files."""
    return "3-image:" + hashlib.sha256(content).hexdigest()


def word_row(row_id: str, document_id: str, text: str, content: bytes, path: str) -> dict[str, Any]:
    """The row of an image; `DataError` where it cannot be decoded."""
    files.decode_image(content, path, MOST_PIXELS)
    image = {"path": PurePosixPath(path).name, "bytes": content}
    return {"id": row_id, "document_id": document_id, "text": text, "image": image}


def check_text(text: str, path: str) -> str:
    """A text without the blanks around it; `DataError` if nothing is left."""
    if not text.strip():
        raise DataError("The text is empty", path=path)
    return text.strip()


def read_labels(folder: Path, name: str, encoding: str | None = None) -> Iterator[Label | Finding]:
    """The labels of a file in its order; lines that cannot be used are findings."""
    columns: tuple[int, int] | None = None
    most = 2 if PurePosixPath(name).suffix.lower() == ".csv" else None  # fields of a line
    suffix = PurePosixPath(name).suffix.lower()
    for number, line in read_lines(folder, name, encoding):
        try:
            if isinstance(line, DataError):
                raise line
            fields = cut_line(line, suffix, name, number)
            if columns is None and (header := find_columns(fields)) is not None:
                columns, most = header, most and len(fields)
                continue
            columns = columns or (0, 1)
            if len(fields) <= max(columns) or (most is not None and len(fields) > most):
                what = f"A line has a name and a text, and this one {len(fields)} fields"
                raise DataError(what, path=name, line=number, mend='Quote a text with commas: "1,000".')
            yield Label(fields[columns[0]].strip(), fields[columns[1]])
        except DataError as error:
            yield Finding(f"line {number}", "rejected", str(error))


def read_lines(folder: Path, name: str, encoding: str | None) -> Iterator[tuple[int, str | DataError]]:
    """The lines of a text file that are not blank, with their numbers; one that cannot be decoded as its error.

    UTF-8, and UTF-16 where its byte order mark says so.

    Raises:
        DataError: it is no UTF-16 although its mark says so.
    """
    content = files.read_bytes(folder, files.inside(folder, name).relative_to(folder).as_posix())
    for number, line in enumerate(files.without_mark(content, name).split(b"\n"), start=1):
        line = line.rstrip(b"\r")
        if not line.strip():
            continue
        try:
            yield number, line.decode()
        except UnicodeDecodeError as error:
            yield number, decode_again(line, encoding, error, name, number)


def decode_again(
    line: bytes, encoding: str | None, error: UnicodeDecodeError, path: str, number: int
) -> str | DataError:
    """A line that is not UTF-8, in another encoding where one is given."""
    if encoding is None:
        return DataError(f"Not UTF-8 at byte {error.start}", path=path, line=number, mend=ENCODING_MEND)
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return DataError(f"Neither UTF-8 nor {encoding}", path=path, line=number)


def cut_line(line: str, suffix: str, path: str, number: int) -> list[str]:
    """The fields of a line, as the file's suffix tells.

    Example:
        >>> cut_line('a.png,"1,000"', ".csv", "labels.csv", 1), cut_line("a.png 큰 나무", ".txt", "gt.txt", 1)
        (['a.png', '1,000'], ['a.png', '큰 나무'])
    """
    if suffix == ".csv":
        try:
            return next(csv.reader([line], strict=True))
        except csv.Error as error:
            raise DataError(f"Broken CSV: {error}", path=path, line=number) from None
    if "\t" in line:
        return line.split("\t") if suffix == ".tsv" else line.split("\t", 1)
    return [line] if suffix == ".tsv" else line.split(None, 1)


def find_columns(fields: list[str]) -> tuple[int, int] | None:
    """Where a first line says that names and texts are; None if it is no such line."""
    plain = [field.strip().casefold() for field in fields]
    names = [place for place, field in enumerate(plain) if field in NAME_COLUMNS]
    texts = [place for place, field in enumerate(plain) if field in TEXT_COLUMNS]
    return (names[0], texts[0]) if names and texts else None
