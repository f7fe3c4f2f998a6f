"""The frequency of every character of a data set, and what it says of each text: columns for `TextRecognition`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import RecipeError
from hf_mbdc.transforms.character_histogram import CODE_POINTS, count_code_points, plain_strings
from hf_mbdc.transforms.character_rows import CharacterRows, Form, Unit, cut_characters, special_codes

if TYPE_CHECKING:
    import pyarrow as pa

BUCKETS = ("few", "medium", "many")
_ROWS = 100_000  # that are looked at together where bytes alone do not tell the characters


@dataclass(frozen=True)
class CharacterFrequencies:
    """How often each character stands in the texts that were counted.

    Args:
        characters: all that occur, the most frequent first, equally frequent ones in the order of their code points.
        counts: how often each occurs.
    """

    characters: tuple[str, ...]
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "characters", tuple(self.characters))
        object.__setattr__(self, "counts", tuple(self.counts))
        if len(self.characters) != len(self.counts):
            what = f"There are {len(self.characters)} characters and {len(self.counts)} counts"
            raise RecipeError(what, key="frequencies", mend="Give each character its count.")

    @cached_property
    def by_character(self) -> Mapping[str, int]:
        """Character → count; those that do not occur are missing."""
        return dict(zip(self.characters, self.counts, strict=True))

    @cached_property
    def _by_code_point(self) -> np.ndarray:
        counts = np.zeros(CODE_POINTS, np.int64)  # the system gives the memory when it is touched
        single = [(ord(c), n) for c, n in self.by_character.items() if len(c) == 1]
        if single:
            codes, numbers = zip(*single, strict=True)
            counts[list(codes)] = numbers
        return counts

    def of(self, rows: CharacterRows) -> np.ndarray:
        """(characters,) int64: the count of each character of rows; 0 for those that were never seen."""
        if not rows.clusters:
            return self._by_code_point[rows.codes]
        clusters = np.array([self.by_character.get(cluster, 0) for cluster in rows.clusters], np.int64)
        single = rows.codes < CODE_POINTS
        counts = self._by_code_point[np.where(single, rows.codes, 0)]
        counts[~single] = clusters[rows.codes[~single] - CODE_POINTS]
        return counts

    def __getstate__(self) -> dict[str, Any]:
        return {"characters": self.characters, "counts": self.counts}  # not the tables, which are made anew


def count_characters(
    parts: Iterable[pa.Array | pa.ChunkedArray], form: Form | None = "NFC", unit: Unit = "code_point"
) -> CharacterFrequencies:
    """Counts the characters of texts, part by part; nulls hold none.

    Args:
        parts: columns of text, of which one at a time is in memory.
        form: the Unicode form that the texts are brought into first; None leaves them as they are.
        unit: `code_point` or `grapheme`, see `hf_mbdc.transforms.character_rows.cut_characters`.

    Example:
        >>> import pyarrow as pa
        >>> count_characters([pa.array(["가나", "가", None])])
        CharacterFrequencies(characters=('가', '나'), counts=(2, 1))
    """
    single = np.zeros(CODE_POINTS, np.int64)
    clusters: Counter[str] = Counter()
    special = special_codes(form, unit)
    for part in parts:
        counts = count_code_points(part)
        present = np.flatnonzero(counts)
        if (special[present] == 1).all():
            single += counts
        else:
            _count_rows(part, form, unit, single, clusters)
    found = {chr(code): int(single[code]) for code in np.flatnonzero(single).tolist()} | dict(clusters)
    ordered = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return CharacterFrequencies(tuple(c for c, _ in ordered), tuple(n for _, n in ordered))


def _count_rows(
    part: pa.Array | pa.ChunkedArray, form: Form | None, unit: Unit, single: np.ndarray, clusters: Counter[str]
) -> None:
    """Adds the characters of texts of which some need a normaliser, or may hold clusters."""
    for chunk in getattr(part, "chunks", [part]):
        for begin in range(0, len(chunk), _ROWS):
            texts = plain_strings(chunk.slice(begin, _ROWS)).drop_null()
            rows = cut_characters(texts, form, unit)
            alone = rows.codes < CODE_POINTS
            numbers = np.bincount(rows.codes[alone])
            single[: len(numbers)] += numbers
            numbers = np.bincount(rows.codes[~alone] - CODE_POINTS, minlength=len(rows.clusters))
            clusters.update(dict(zip(rows.clusters, numbers.tolist(), strict=True)))


@dataclass(frozen=True)
class RowFrequencies:
    """What the frequencies of its characters say of each text; a text without characters has 0, NaN and `few`.

    Args:
        least: (rows,) int64: count of the rarest character.
        mean_log: (rows,) float32: mean of log(1 + count) over the characters.
        tail: list of string: the different characters that are in the bucket `few`, in the order of the text.
        bucket: (rows,) int8: number of the rarest character's bucket in `BUCKETS`.
    """

    least: np.ndarray
    mean_log: np.ndarray
    tail: pa.Array
    bucket: np.ndarray


def row_frequencies(
    rows: CharacterRows, frequencies: CharacterFrequencies, few_below: int, many_above: int
) -> RowFrequencies:
    """Looks up all characters at once and sums up each row."""
    counts = frequencies.of(rows)
    sizes = rows.sizes
    written = np.flatnonzero(sizes)
    begins = rows.offsets[:-1][written]
    least = np.zeros(len(sizes), np.int64)
    mean_log = np.full(len(sizes), np.nan, np.float32)
    if len(written):
        least[written] = np.minimum.reduceat(counts, begins)
        mean_log[written] = np.add.reduceat(np.log1p(counts), begins) / sizes[written]
    return RowFrequencies(
        least, mean_log, _tail(rows, np.flatnonzero(counts < few_below)), bucket_of(least, few_below, many_above)
    )


def bucket_of(counts: np.ndarray, few_below: int, many_above: int) -> np.ndarray:
    """(n,) int8: the number in `BUCKETS` of each count's bucket.

    Example:
        >>> [BUCKETS[n] for n in bucket_of(np.array([19, 20, 100, 101]), 20, 100)]
        ['few', 'medium', 'medium', 'many']
    """
    return (counts >= few_below).astype(np.int8) + (counts > many_above)


def _tail(rows: CharacterRows, positions: np.ndarray) -> pa.Array:
    """list<string>: the characters at these positions, by row, each once."""
    import pyarrow as pa

    number = len(rows.offsets) - 1
    offsets = np.zeros(number + 1, np.int32)
    names: list[str] = []
    if len(positions):
        row = rows.row_of(positions)
        codes = rows.codes[positions]
        _, first = np.unique(row * (2 * CODE_POINTS) + codes, return_index=True)  # a batch has fewer clusters than that
        first.sort()
        names = [rows.name(code) for code in codes[first].tolist()]
        np.cumsum(np.bincount(row[first], minlength=number), out=offsets[1:])
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(names, pa.string()))
