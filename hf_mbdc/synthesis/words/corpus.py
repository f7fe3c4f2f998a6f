"""Words to draw from, as numbers of characters, and draws that a key and a row's number alone decide."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.transforms.character_histogram import plain_strings
from hf_mbdc.transforms.character_rows import CharacterRows, Form, Unit, cut_characters, write_texts
from hf_mbdc.transforms.checks import check_columns, check_ids, describe

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

NULL, EMPTY, NO_WEIGHT = "the text is null", "the text is empty", "the weight is no number of at least 0"


@dataclass(frozen=True)
class Words:
    """Words as runs of numbers; number n is the character `characters[n]` of their `Corpus`.

    Args:
        numbers: (characters,) int64, one word behind the other.
        offsets: (words + 1,) int64.
    """

    numbers: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def sizes(self) -> np.ndarray:
        """(words,) number of characters."""
        return np.diff(self.offsets)

    @property
    def word_of(self) -> np.ndarray:
        """(characters,) the word of each character."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def take(self, positions: np.ndarray) -> Words:
        """The words at these positions, in this order."""
        sizes = self.sizes[positions]
        offsets = np.r_[0, np.cumsum(sizes)]
        inside = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        return Words(self.numbers[np.repeat(self.offsets[:-1][positions], sizes) + inside], offsets)

    def replace(self, at: np.ndarray, numbers: np.ndarray) -> Words:
        """The same with other characters at some places, which count through all words."""
        changed = self.numbers.copy()
        changed[at] = numbers
        return Words(changed, self.offsets)


@dataclass(frozen=True)
class Corpus:
    """The words that can be drawn, in the order of their ids, so that no other order matters.

    Args:
        ids: (words,) of the rows.
        words: their characters.
        weights: (words,) how often each occurs.
        characters: those of the charset first, then what else the words hold.
        charset: how many characters the charset has.
        rejected: the rows that cannot be drawn, with `id` and `reason`.
    """

    ids: pa.Array
    words: Words
    weights: np.ndarray
    characters: tuple[str, ...]
    charset: int
    rejected: Dataset

    def counts(self, words: Words) -> np.ndarray:
        """(characters,) how often each character stands in some words."""
        return np.bincount(words.numbers, minlength=len(self.characters))

    def texts(self, words: Words) -> pa.Array:
        """Words as large_string."""
        single = np.array([ord(c) if len(c) == 1 else -1 for c in self.characters], np.int64)
        clusters = tuple(c for c in self.characters if len(c) > 1)
        single[single < 0] = 0x110000 + np.arange(len(clusters))
        return write_texts(CharacterRows(single[words.numbers], words.offsets, clusters))


def read_corpus(rows: Dataset, charset: Sequence[str], weight: str | None, form: Form | None, unit: Unit) -> Corpus:
    """The words of a dataset.

    Args:
        rows: with `id` and `text`, and a column `weight` of numbers where one is named; without one each row weighs 1.
        charset: different characters, which come first; empty for those of the words.
        form, unit: how texts are cut into characters, as of `TextRecognition`.

    Raises:
        DataError: a column or an id is missing, or no row can be drawn.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from datasets import Dataset, Features, Value

    if not isinstance(rows, Dataset):
        mend = "Give one split, e.g. ds['train'], or Dataset.from_list(list(stream.take(100_000)))."
        raise DataError(f"Words are drawn from a Dataset, not {type(rows).__name__}", mend=mend)
    check_ids(rows)
    check_columns(rows.features, Features({"text": Value("string")}))
    if weight is not None and weight not in rows.column_names:
        raise DataError(f"There is no column {weight!r}", column=weight, mend="Name one that says how often a word is.")
    if weight is not None and describe(rows.features[weight]) not in ("integer", "float"):
        what = f"Column {weight!r} is {describe(rows.features[weight])}, no number"
        raise DataError(what, column=weight, mend=f'Make it one: ds.cast_column("{weight}", Value("float64")).')
    names = ["id", "text", *([weight] if weight else [])]
    table = rows.select_columns(names).with_format("arrow")[:].sort_by("id")
    texts = plain_strings(table["text"].combine_chunks())
    weights = table[weight].cast(pa.float64()).to_numpy() if weight else np.ones(len(rows))
    empty = pc.fill_null(pc.equal(pc.binary_length(texts), 0), False)
    unweighed = pa.array(~(np.nan_to_num(weights, nan=-1.0, posinf=-1.0) >= 0))
    none = pa.scalar(None, pa.string())
    reason = pc.if_else(pc.is_null(texts), NULL, pc.if_else(empty, EMPTY, pc.if_else(unweighed, NO_WEIGHT, none)))
    sound = pc.is_null(reason).to_numpy(zero_copy_only=False)
    if not sound.any() or not weights[sound].sum() > 0:
        raise DataError("No word can be drawn", column="text", mend="Give texts, and weights that are not all 0.")
    ids = table["id"].combine_chunks()
    words, characters, size = _number(cut_characters(texts.filter(pa.array(sound)), form, unit), charset)
    rejected = _rejected(ids.filter(pa.array(~sound)), reason.filter(pa.array(~sound)))
    return Corpus(ids.filter(pa.array(sound)), words, weights[sound], characters, size, rejected)


def uniforms(rows: int, columns: int, *key: object) -> np.ndarray:
    """(rows, columns) numbers in [0, 1) that the key, the row's number and the column decide, and nothing else.

    They are the output of a counter-based generator (Philox, Salmon et al. 2011) whose key is a hash of the key: row n
    reads counters of its own, so that more rows change none of the first ones and any process can make any of them.

    Example:
        >>> bool((uniforms(9, 2, 0, "injected")[:3] == uniforms(3, 2, 0, "injected")).all())
        True
    """
    digest = hashlib.blake2b(repr(key).encode(), digest_size=16).digest()
    raw = np.random.Philox(key=int.from_bytes(digest, "little")).random_raw(rows * columns)
    return ((raw >> np.uint64(11)) * 2.0**-53).reshape(rows, columns)


def draw(weights: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Positions drawn in proportion to weights: one for each chance in [0, 1), in its shape."""
    ends = np.cumsum(weights, dtype=np.float64)
    found = np.searchsorted(ends, chances * ends[-1], side="right")
    return np.minimum(found, np.flatnonzero(weights)[-1])  # rounding may lead behind the last one


def _number(rows: CharacterRows, charset: Sequence[str]) -> tuple[Words, tuple[str, ...], int]:
    codes, inverse = np.unique(rows.codes, return_inverse=True)
    found = [rows.name(code) for code in codes.tolist()]
    characters = tuple(dict.fromkeys([*charset, *sorted(found)]))
    number = {character: n for n, character in enumerate(characters)}
    numbers = np.array([number[character] for character in found], np.int64)[inverse]
    return Words(numbers, rows.offsets), characters, len(charset) or len(characters)


def _rejected(ids: pa.Array, reasons: pa.Array) -> Dataset:
    from datasets import Dataset, Features, Value

    columns = {"id": ids.to_pylist(), "reason": reasons.to_pylist()}
    return Dataset.from_dict(columns, features=Features({name: Value("string") for name in columns}))
