"""Images of words in LMDB files, as the benchmarks of scene text recognition come (Baek et al. 2019,
arXiv:1904.01906): `num-samples`, and for every number n from 1 on `image-%09d` (an encoded image) and `label-%09d`
(its text in UTF-8).

`data_dir` is the folder of one (`data.mdb` in it), or holds several at any depth, as `data_lmdb_release` does. Where
all of them lie below folders named `training`, `validation` or `evaluation` (also `train`, `val`, `test`), these are
the splits; otherwise images are assigned to splits as those of `word_images` are, whose columns and reasons these are.
Ids are the path of the LMDB and the number: `evaluation/IC13_857/000000001`.

Set aside: a number without image or label, a label that is empty or not UTF-8, an image that is broken or very large.

Needs the package `lmdb` (`pip install "hf-mbdc[lmdb]"`). Its C library trusts the structure of a file: open only files
from somebody whom you trust.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hf_mbdc.errors import DataError
from hf_mbdc.loaders import files
from hf_mbdc.loaders.builder import Document, DocumentBuilder, DocumentConfig, Finding
from hf_mbdc.loaders.word_images import FEATURES, check_text, word_row, word_ties

if TYPE_CHECKING:
    import lmdb

LAYOUT = "the folder of an LMDB (with data.mdb in it), or one with several below it"
SIDES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing", "evaluation"), "test"),
}


@dataclass(frozen=True)
class Sample:
    """A sample of an LMDB: its path below `data_dir`, and the sample's number from 1 on."""

    path: str
    number: int


@dataclass
class LmdbWordsConfig(DocumentConfig):
    """Options of `lmdb_words`: `split_by` is `"document"` (equal images on one side) or `"text"` (equal texts, too)."""

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("document", "text")

    @property
    def folder(self) -> Path:
        """The folder that paths start from."""
        return files.open_folder(self.data_dir, "lmdb_words", LAYOUT)

    @cached_property
    def paths(self) -> list[str]:
        """The folders of all LMDBs below the folder; "." is the folder itself."""
        found = sorted(path.parent.relative_to(self.folder).as_posix() for path in self.folder.rglob("data.mdb"))
        if not found:
            raise DataError("There is no data.mdb in the folder", data_dir=self.data_dir, mend=f"Give {LAYOUT}.")
        return found

    def hash_inputs(self) -> str:
        """Of all data.mdb files."""
        return files.content_hash(self.folder, [self.folder / path / "data.mdb" for path in self.paths])


class LmdbWords(DocumentBuilder):
    """The builder of `lmdb_words`; see the head of this file."""

    BUILDER_CONFIG_CLASS = LmdbWordsConfig
    FEATURES = FEATURES

    def find(self) -> Iterator[Document | Finding]:
        """The samples of all LMDBs in the order of their paths and numbers."""
        sides = [side_of(path) for path in self.config.paths]
        named = None not in sides
        for path, side in zip(self.config.paths, sides, strict=True):
            try:
                # A list, so that it is closed when `rows` opens it: a process may hold each LMDB once.
                found = self._documents(path, side if named else None)
            except DataError as error:
                found = [Finding(path, "rejected", str(error))]
            yield from found

    def _documents(self, path: str, side: str | None) -> list[Document | Finding]:
        with reading(self.config.folder, path) as transaction:
            count = count_samples(transaction, path)
            found = [self._document(transaction, Sample(path, n), side) for n in range(1, count + 1)]
            if read_value(transaction, f"image-{count + 1:09d}".encode()) is not None:
                found.append(Finding(path, "rejected", f"num-samples is {count}; what is behind them is not read"))
            return found

    def _document(self, transaction: lmdb.Transaction, sample: Sample, side: str | None) -> Document | Finding:
        document_id = f"{'' if sample.path == '.' else sample.path + '/'}{sample.number:09d}"
        try:
            content, text = read_sample(transaction, sample)
        except DataError as error:
            return Finding(document_id, "rejected", str(error))
        return Document(document_id, word_ties(content, text, self.config.split_by), sample, side)

    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """The one row of a sample."""
        sample: Sample = document.source
        with reading(self.config.folder, sample.path) as transaction:
            content, text = read_sample(transaction, sample)
        name = f"{sample.number:09d}"
        yield word_row(document.document_id, document.document_id, text, content, name)


def side_of(path: str) -> str | None:
    """The split that the folders of a path name, or None.

    Example:
        >>> side_of("training/MJ/MJ_train"), side_of("evaluation/IC13_857"), side_of("MJ")
        ('train', 'test', None)
    """
    return next((SIDES[part] for part in path.casefold().split("/") if part in SIDES), None)


@contextmanager
def reading(folder: Path, path: str) -> Iterator[lmdb.Transaction]:
    """A transaction that reads an LMDB; `DataError` where it cannot be opened, or the package is missing."""
    try:
        import lmdb
    except ImportError:
        mend = 'Install it: pip install "hf-mbdc[lmdb]".'
        raise DataError("LMDB files are read by the package lmdb, which is not installed", mend=mend) from None
    try:
        environment = lmdb.open(str(folder / path), readonly=True, lock=False, readahead=False, meminit=False)
        with environment, environment.begin() as transaction:
            _check_size(environment, folder / path, path)
            yield transaction
    except lmdb.Error as error:
        said = str(error).replace(str(folder / path), path)
        raise DataError(f"The LMDB cannot be read: {said}", path=path, mend="Copy or download it again.") from None


def _check_size(environment: lmdb.Environment, place: Path, path: str) -> None:
    """Refuses a file that ends early: it is mapped into memory, and a page behind its end would kill the process."""
    file = place / "data.mdb" if place.is_dir() else place
    pages = environment.info()["last_pgno"] + 1
    needed, there = pages * environment.stat()["psize"], file.stat().st_size
    if there < needed:
        what = f"The LMDB ends early: it has {there:,} of {needed:,} bytes"
        raise DataError(what, path=path, mend="Copy or download it again.")


def count_samples(transaction: lmdb.Transaction, path: str) -> int:
    """How many samples an LMDB says that it has; `DataError` where it does not, or has fewer entries than that."""
    said, entries = read_value(transaction, b"num-samples"), transaction.stat()["entries"]
    if said is None or not said.strip().isdigit():
        raise DataError(f"num-samples is {said!r}, no number", path=path)
    if len(said) > 18 or int(said) > entries:
        raise DataError(f"num-samples is {said.decode()}, and there are {entries} entries", path=path)
    return int(said)


def read_sample(transaction: lmdb.Transaction, sample: Sample) -> tuple[bytes, str]:
    """The bytes of an image and its text; `DataError` where one is missing or no text."""
    found = []
    for name in ("image", "label"):
        value = read_value(transaction, b"%s-%09d" % (name.encode(), sample.number))
        if value is None:
            raise DataError(f"The sample has no {name}", path=sample.path, sample=sample.number)
        found.append(value)
    try:
        return found[0], check_text(found[1].decode(), sample.path)
    except UnicodeDecodeError as error:
        what = f"The label is not UTF-8 at byte {error.start}"
        raise DataError(what, path=sample.path, sample=sample.number) from None


def read_value(transaction: lmdb.Transaction, key: bytes) -> bytes | None:
    """The value of a key, or None where there is none."""
    value = transaction.get(key)
    return None if value is None else bytes(value)
