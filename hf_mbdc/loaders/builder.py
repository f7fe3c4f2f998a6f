"""What all loaders share: a `datasets` builder over documents that are split, turned into rows, or set aside with a
reason.

The cache directory of a builder is named by its config's options, and not by what the files hold. Here the name also
carries a hash of the input files and one of this package's loaders, so that an edited file or edited code is never
answered with old rows. The path of the files is not in it: a folder that was moved is still cached.

A builder has two configs: `default` (the rows) and `report` (what was set aside or mended, one row a finding). Both are
cached, so that no finding is lost when the rows come from the cache.
"""

from __future__ import annotations

import abc
import dataclasses
import functools
import hashlib
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import datasets

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.loaders.splits import SPLITS, assign, check_fractions

logger = logging.getLogger("hf_mbdc.loaders")

DEFAULT, REPORT = "default", "report"


@dataclass(frozen=True)
class Document:
    """A document before its rows are made.

    `ties` keep documents on one side of the split (see `splits`); `side` is the split that the files themselves name,
    if they do; `source` is what the loader's `rows` needs.
    """

    document_id: str
    ties: tuple[str, ...]
    source: Any
    side: str | None = None


@dataclass(frozen=True)
class Finding:
    """A document, or a question of one, that was set aside (`rejected`), or used after a repair (`mended`)."""

    document_id: str
    kind: Literal["rejected", "mended"]
    reason: str


REPORT_FEATURES = datasets.Features({f.name: datasets.Value("string") for f in dataclasses.fields(Finding)})


@functools.cache
def code_hash() -> str:
    """SHA-256 (hex) of the loaders' source code."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@dataclass
class DocumentConfig(datasets.BuilderConfig, abc.ABC):
    """Options that all loaders share.

    Args:
        split_by: what is kept on one side of the split; the loader says what it offers.
        split_fractions: of train, validation and test; a split with fraction 0 does not exist.
        seed: of the assignment to splits.
        input_hash: of the input files; made here, unless it is known already.
    """

    split_by: str = "document"
    split_fractions: tuple[float, float, float] = (0.6, 0.15, 0.25)
    seed: int = 0
    input_hash: str = ""

    SPLIT_BY: ClassVar[tuple[str, ...]] = ("document",)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.split_fractions = check_fractions(self.split_fractions)
        if self.split_by not in self.SPLIT_BY:
            mend = f"This loader can split by {' or '.join(map(repr, self.SPLIT_BY))}."
            raise RecipeError(f"split_by is {self.split_by!r}", key="split_by", mend=mend)
        check_whole_number("seed", self.seed)
        self.input_hash = self.input_hash or self.hash_inputs()

    @abc.abstractmethod
    def hash_inputs(self) -> str:
        """A hash of all that the rows are made from; `DataError` where the files are not laid out as expected."""

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: object = None) -> str:
        """The name of the cache directory: see the head of this file."""
        elsewhere = {f.name for f in dataclasses.fields(datasets.BuilderConfig)}
        options = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in elsewhere}
        text = json.dumps([options, code_hash(), repr(custom_features)], sort_keys=True)
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def check_whole_number(key: str, value: object, at_least: int | None = None) -> None:
    """Raises `RecipeError` unless the option is an int (and no bool)."""
    if isinstance(value, bool) or not isinstance(value, int) or (at_least is not None and value < at_least):
        limit = "" if at_least is None else f" of at least {at_least}"
        raise RecipeError(f"{key} is {value!r}", key=key, mend=f"Give a whole number{limit}.")


class DocumentBuilder(datasets.GeneratorBasedBuilder):
    """Base of the loaders: `find` lists the documents, `rows` makes the rows of one."""

    FEATURES: ClassVar[datasets.Features]

    @abc.abstractmethod
    def find(self) -> Iterator[Document | Finding]:
        """All documents in a fixed order, and what is known to be set aside or mended."""

    @abc.abstractmethod
    def rows(self, document: Document) -> Iterator[dict[str, Any] | Finding]:
        """The rows of a document, and what of it is set aside; a `DataError` sets all of it aside."""

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=REPORT_FEATURES if self.config.name == REPORT else self.FEATURES)

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        if self.config.name == REPORT:
            return [datasets.SplitGenerator(REPORT, gen_kwargs={"documents": None, "warn": False})]
        found = list(self.find())
        documents = [item for item in found if isinstance(item, Document)]
        if not documents:
            raise _nothing_left(self.name, [item for item in found if isinstance(item, Finding)])
        drawn = self._assign(documents)
        sides = [side for side in SPLITS if side in drawn]
        members = {side: [d for d, own in zip(documents, drawn, strict=True) if own == side] for side in sides}
        # A streaming reader has no report to look into: it is warned when it reaches a document that is set aside.
        warn = dl_manager.is_streaming
        return [datasets.SplitGenerator(s, gen_kwargs={"documents": members[s], "warn": warn}) for s in sides]

    def _assign(self, documents: list[Document]) -> list[str]:
        sides = [document.side for document in documents]
        if all(side is not None for side in sides):
            return [str(side) for side in sides]
        return assign([document.ties for document in documents], self.config.split_fractions, self.config.seed)

    def _generate_examples(self, documents: list[Document] | None, warn: bool) -> Iterator[tuple[int, dict[str, Any]]]:
        if documents is None:
            yield from enumerate(map(dataclasses.asdict, self._findings()))
            return
        items = (item for document in documents for item in self._rows(document))
        for key, item in enumerate(items):
            if not isinstance(item, Finding):
                yield key, item
            elif warn:
                logger.warning("%s: %s %s: %s", self.name, item.kind, item.document_id, item.reason)

    def _rows(self, document: Document) -> list[dict[str, Any] | Finding]:
        try:
            return list(self.rows(document))
        except DataError as error:
            return [Finding(document.document_id, "rejected", str(error))]

    def _findings(self) -> Iterator[Finding]:
        for item in self.find():
            made = [item] if isinstance(item, Finding) else self._rows(item)
            yield from (finding for finding in made if isinstance(finding, Finding))


def _nothing_left(loader: str, findings: list[Finding]) -> DataError:
    if not findings:
        return DataError(f"The loader {loader!r} found no document", mend="Check data_dir.")
    first = findings[0]
    return DataError(
        f"None of the {len(findings)} documents can be used",
        document=first.document_id,
        mend=f"The first one: {first.reason}",
    )
