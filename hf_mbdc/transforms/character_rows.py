"""Texts as rows of characters: normalised, cut into code points or grapheme clusters, as numbers.

All texts of an Arrow array at once. Python only sees the texts for which array operations do not suffice: those that
another Unicode form would write otherwise, and those with characters that may join their neighbours.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import numpy as np

from hf_mbdc.transforms.character_histogram import CODE_POINTS, decode, text_bytes
from hf_mbdc.transforms.characters import CharacterTable, as_text

if TYPE_CHECKING:
    import pyarrow as pa

Form = Literal["NFC", "NFD", "NFKC", "NFKD"]
Unit = Literal["code_point", "grapheme"]
_PLAIN, _SPECIAL = 1, 2


@dataclass(frozen=True)
class CharacterRows:
    """The characters of texts, one text behind the other.

    Args:
        codes: (characters,) int64: a code point, or 0x110000 + n for the cluster `clusters[n]`.
        offsets: (rows + 1,) int64: where the characters of each text begin, and where the last ones end.
        clusters: characters of several code points.
    """

    codes: np.ndarray
    offsets: np.ndarray
    clusters: tuple[str, ...] = ()

    @property
    def sizes(self) -> np.ndarray:
        """(rows,) number of characters."""
        return np.diff(self.offsets)

    def row_of(self, positions: np.ndarray) -> np.ndarray:
        """The row of each character."""
        return np.searchsorted(self.offsets, positions, side="right") - 1

    def name(self, code: int) -> str:
        """A code as its character."""
        return chr(code) if code < CODE_POINTS else self.clusters[code - CODE_POINTS]


def cut_characters(texts: pa.Array, form: Form | None = None, unit: Unit = "code_point") -> CharacterRows:
    """The characters of texts without nulls.

    Args:
        texts: of type string or large_string.
        form: the Unicode form that the texts are brought into first; None: as they stand.
        unit: `grapheme`: extended grapheme clusters (Unicode Standard Annex 29): a letter with its marks, a flag, a
            family joined by zero width joiners, the jamo of a syllable are one character each.

    Example:
        >>> import pyarrow as pa
        >>> cut_characters(pa.array(["\\u1100\\u1161", ""]), "NFC").codes.tolist() == [ord("가")]
        True
        >>> rows = cut_characters(pa.array(["e\\u0301a", ""]), unit="grapheme")
        >>> rows.codes.tolist() == [0x110000, ord("a")], rows.clusters == ("e\\u0301",), rows.offsets.tolist()
        (True, True, [0, 2, 2])
    """
    rows = _code_points(texts)
    if not len(rows.codes) or special_codes(form, unit)[rows.codes].max() == _PLAIN:
        return rows
    if form is not None:
        special = np.flatnonzero(special_codes(form, "code_point")[rows.codes] == _SPECIAL)
        if len(special):
            rows = _code_points(_normalised(texts, form, np.unique(rows.row_of(special))))
    if unit == "grapheme":
        joining = np.flatnonzero(special_codes(None, "grapheme")[rows.codes] == _SPECIAL)
        if len(joining):
            return _join(rows, np.unique(rows.row_of(joining)))
    return rows


def _code_points(texts: pa.Array) -> CharacterRows:
    import pyarrow.compute as pc

    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum(pc.utf8_length(texts).to_numpy(zero_copy_only=False), out=offsets[1:])
    return CharacterRows(decode(text_bytes(texts)).astype(np.int64), offsets)


def _normalised(texts: pa.Array, form: Form, at: np.ndarray) -> pa.Array:
    """The texts with those at `at` in a Unicode form."""
    import pyarrow as pa

    changed = [unicodedata.normalize(form, text) for text in texts.take(pa.array(at)).to_pylist()]
    source = np.arange(len(texts))
    source[at] = len(texts) + np.arange(len(at))
    return pa.concat_arrays([texts, pa.array(changed, texts.type)]).take(pa.array(source))


@lru_cache
def special_codes(form: Form | None, unit: Unit) -> CharacterTable:
    """2 for the code points whose texts `cut_characters` looks at one by one, 1 for all others."""

    def of(code: int) -> int:
        special = form is not None and changes(code, form)
        return _SPECIAL if special or (unit == "grapheme" and joins(code)) else _PLAIN

    return CharacterTable(of, np.uint8)


def changes(code: int, form: Form) -> bool:
    """Whether a text with this character may be another one in a Unicode form; True where in doubt.

    Marks change places among themselves and, as vowel and final jamo, melt into what stands before them.
    """
    character = chr(code)
    if unicodedata.normalize(form, character) != character:
        return True
    return unicodedata.category(character)[0] == "M" or 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FF


def joins(code: int) -> bool:
    """Whether a grapheme cluster may go on before or behind this character; a Hangul syllable needs a jamo for that."""
    import regex

    return regex.match(r"[\p{GCB=Other}\p{GCB=Control}\p{GCB=LF}\p{GCB=LV}\p{GCB=LVT}]", chr(code)) is None


def _join(plain: CharacterRows, at: np.ndarray) -> CharacterRows:
    """The rows with those at `at` cut into grapheme clusters."""
    import regex

    numbers: dict[str, int] = {}
    pieces: list[np.ndarray] = []
    for row in at.tolist():
        found = regex.findall(r"\X", as_text(plain.codes[plain.offsets[row] : plain.offsets[row + 1]]))
        own = [ord(c) if len(c) == 1 else numbers.setdefault(c, CODE_POINTS + len(numbers)) for c in found]
        pieces.append(np.array(own, np.int64))
    sizes = plain.sizes
    kept = np.ones(len(sizes), bool)
    kept[at] = False
    sizes[at] = [len(piece) for piece in pieces]
    offsets = np.r_[0, np.cumsum(sizes)]
    codes = np.empty(offsets[-1], np.int64)
    codes[np.repeat(kept, sizes)] = plain.codes[np.repeat(kept, plain.sizes)]
    codes[np.repeat(~kept, sizes)] = np.concatenate(pieces)
    return CharacterRows(codes, offsets, tuple(numbers))


def write_texts(rows: CharacterRows) -> pa.Array:
    """The texts of rows of characters, large_string; the way back from `cut_characters`.

    Example:
        >>> import pyarrow as pa
        >>> write_texts(cut_characters(pa.array(["가b", "", "c"]))).to_pylist()
        ['가b', '', 'c']
    """
    import pyarrow as pa

    codes, inverse = np.unique(rows.codes, return_inverse=True)
    names = pa.array([rows.name(code) for code in codes.tolist()], pa.large_string())
    # Texts are runs of characters: their bytes stay where they are, only the offsets between them go.
    characters = names.take(pa.array(inverse))
    buffer = characters.buffers()[1]
    ends = np.frombuffer(buffer, np.int64)[: len(characters) + 1] if len(characters) else np.zeros(1, np.int64)
    offsets = pa.py_buffer(np.ascontiguousarray(ends[rows.offsets]))
    return pa.LargeStringArray.from_buffers(
        len(rows.offsets) - 1, offsets, characters.buffers()[2] or pa.py_buffer(b"")
    )


def split_characters(text: str | Sequence[str], form: Form | None, unit: Unit) -> tuple[str, ...]:
    """The different characters of a text, or of several, in the order in which they first stand there."""
    import pyarrow as pa

    texts = [text] if isinstance(text, str) else list(text)
    rows = cut_characters(pa.array(texts, pa.string()), form, unit)
    return tuple(dict.fromkeys(map(rows.name, rows.codes.tolist())))
