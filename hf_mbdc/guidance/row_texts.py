"""The texts and images of rows, as the leak check compares them: column by column, block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.transforms.mixer import mix
from hf_mbdc.transforms.ngrams import Tokens, tokenize
from hf_mbdc.transforms.text_columns import is_text, read_texts

if TYPE_CHECKING:
    from datasets import Dataset

BLOCK = 20_000  # rows at a time
FEWEST_TOKENS = 3  # a column with fewer on average holds names of classes, not texts
EMPTY = np.uint64(0)  # in place of the hash of nothing
_SAMPLE = 1000


def text_columns(rows: Dataset) -> list[str]:
    """The columns that hold texts: strings or messages of three tokens or more on average, ids and provenance aside.

    Lists of strings are left out, which are mostly the words of a text that is there already.

    Example:
        >>> from datasets import Dataset
        >>> text_columns(Dataset.from_dict({"id": ["a b c d"], "text": ["one two three"], "label": ["positive"]}))
        ['text']
    """
    sample = rows.select(range(min(_SAMPLE, len(rows))))
    named = [name for name, kind in rows.features.items() if is_text(kind) and not _is_words(kind)]
    named = [name for name in named if name != "id" and not name.endswith("_id") and not name.startswith("mbdc_")]
    return [name for name in named if tokenize(read_texts(sample, name)).lengths.mean() >= FEWEST_TOKENS]


def image_columns(rows: Dataset) -> list[str]:
    """The columns of the feature `Image`."""
    from datasets import Image

    return [name for name, kind in rows.features.items() if isinstance(kind, Image)]


def check_columns(splits: Mapping[str, Dataset], columns: Sequence[str]) -> None:
    """Raises `DataError` unless every split has the columns, and they hold texts or images."""
    from datasets import Image

    for split, rows in splits.items():
        for name in columns:
            if name not in rows.column_names:
                mend = f"The split has: {', '.join(rows.column_names)}."
                raise DataError("The column to compare is missing", split=split, column=name, mend=mend)
            if not (is_text(rows.features[name]) or isinstance(rows.features[name], Image)):
                mend = "Name columns of strings, lists of strings, messages or images."
                raise DataError("The column holds neither texts nor images", split=split, column=name, mend=mend)


class DistinctTexts:
    """A pass over the texts of a column: iterating gives the tokens and hashes of texts that did not come before.

    Example:
        >>> from datasets import Dataset
        >>> texts = DistinctTexts(Dataset.from_dict({"text": ["one two", "three", "One, two!"]}), "text")
        >>> [tokens.lengths.tolist() for tokens, _ in texts]
        [[2, 1]]
        >>> np.unique(texts.of_rows(), return_inverse=True)[1].tolist() in ([0, 1, 0], [1, 0, 1])
        True
    """

    def __init__(self, rows: Dataset, column: str) -> None:
        self.rows, self.column = rows, column
        self._hashes: list[np.ndarray] = []

    def __iter__(self) -> Iterator[tuple[Tokens, np.ndarray]]:
        self._hashes = []
        seen = np.empty(0, np.uint64)
        for start in range(0, len(self.rows), BLOCK):
            texts = read_texts(self.rows.select(range(start, min(start + BLOCK, len(self.rows)))), self.column)
            number: dict[str, int] = {}
            of_row = np.fromiter((number.setdefault(text, len(number)) for text in texts), np.int64, len(texts))
            tokens = tokenize(list(number))
            hashes = np.where(tokens.lengths > 0, tokens.text_hashes(), EMPTY)
            self._hashes.append(hashes[of_row])
            distinct, first = np.unique(hashes, return_index=True)
            first = np.sort(first[~np.isin(distinct, seen, assume_unique=True)])
            seen = np.union1d(seen, hashes)
            yield tokens.take(first), hashes[first]

    def of_rows(self) -> np.ndarray:
        """(rows,) the hash of each row's text, `EMPTY` where it has no token."""
        if sum(map(len, self._hashes)) < len(self.rows):
            for _ in self:
                pass
        return np.concatenate([np.empty(0, np.uint64), *self._hashes])


def image_hashes(rows: Dataset, column: str) -> np.ndarray:
    """(rows,) uint64 of each image's bytes, as they are stored; `EMPTY` where a row has none.

    The same picture in another encoding has another hash.
    """
    from datasets import Image

    images = rows.select_columns([column]).cast_column(column, Image(decode=False))
    hashes = np.full(len(rows), EMPTY)
    for row, item in enumerate(images):  # one at a time, for images are large
        data = _image_bytes(item[column])
        if data is not None:
            hashes[row] = np.frombuffer(hashlib.blake2b(data, digest_size=8).digest(), np.uint64)[0]
    return hashes


def combine(hashes: Sequence[np.ndarray]) -> np.ndarray:
    """(rows,) one hash for the values that a row has in several columns."""
    whole = np.zeros(len(hashes[0]), np.uint64)
    for values in hashes:
        whole = mix(whole ^ values)
    return whole


def _image_bytes(value: dict[str, Any] | None) -> bytes | None:
    if value is None:
        return None
    if value["bytes"] is not None:
        return bytes(value["bytes"])
    path = Path(value["path"] or "")
    return path.read_bytes() if path.is_file() else None


def _is_words(feature: Any) -> bool:
    from datasets import List, Value

    return isinstance(feature, List) and isinstance(feature.feature, Value)
