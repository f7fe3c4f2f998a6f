"""Characters as numbers: what each one is, where words may be cut, for whole texts at once.

Every property of a character is a bit of one table over all of Unicode, filled as characters come along, so that a page
costs a few array operations.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import cache, cached_property, lru_cache
from typing import Any

import numpy as np

LETTER, DIGIT, CONTINUES, UNSPACED, KEPT, SPACE, _KNOWN = (1 << bit for bit in range(7))
_MATTERS = 0b1111  # bits that say where words may be cut

# First and last character of the blocks whose scripts write words without spaces, or hang particles on them.
_UNSPACED_BLOCKS = (
    ("\u0e00", "\u0eff"),  # Thai, Lao
    ("\u0f00", "\u0fff"),  # Tibetan
    ("\u1000", "\u109f"),  # Burmese
    ("\u1100", "\u11ff"),  # Hangul jamo
    ("\u1780", "\u17ff"),  # Khmer
    ("\u3000", "\u9fff"),  # Kana, Bopomofo, compatibility jamo, Han
    ("\ua960", "\ua97f"),  # Hangul jamo
    ("\uac00", "\ud7ff"),  # Hangul syllables, jamo
    ("\uf900", "\ufaff"),  # Han
    ("\uff66", "\uffdc"),  # half-width Kana and Hangul
    ("\U00020000", "\U0003ffff"),  # Han
)


def code_points(text: str) -> np.ndarray:
    """The code point of every character, uint32 (characters,)."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def as_text(codes: np.ndarray) -> str:
    """The text of code points; the way back from `code_points`."""
    if len(codes) and codes.max() < 256:  # five times as fast
        return codes.astype(np.uint8).tobytes().decode("latin-1")
    return codes.astype(np.uint32).tobytes().decode("utf-32-le", "surrogatepass")


class CharacterTable:
    """A property of characters, worked out once for each and looked up for whole texts.

    Args:
        of: gives the property of a code point; never 0.
        dtype: of the property.

    Example:
        >>> lengths = CharacterTable(lambda code: len(chr(code).upper()), np.uint8)
        >>> lengths[code_points("ﬁx")].tolist()
        [2, 1]
    """

    def __init__(self, of: Callable[[int], int], dtype: type[np.unsignedinteger[Any]]) -> None:
        self._of = of
        self._values = np.zeros(0x110000, dtype=dtype)  # the system gives the memory when it is touched

    def __getitem__(self, codes: np.ndarray) -> np.ndarray:
        found = self._values.take(codes)
        if not found.all():
            for code in np.unique(codes[found == 0]).tolist():
                self._values[code] = self._of(code)
            found = self._values.take(codes)
        return found

    @cached_property
    def _ascii(self) -> bytes:
        """The properties of the ASCII characters, below 256 each."""
        return self[np.arange(128)].astype(np.uint8).tobytes().ljust(256, b"\0")

    def of_text(self, text: str) -> np.ndarray:
        """The property of every character; several times as fast where most are ASCII."""
        read = np.frombuffer(text.encode("ascii", "replace").translate(self._ascii), dtype=np.uint8)
        if text.isascii():
            return read.astype(self._values.dtype, copy=False)
        found = read.astype(self._values.dtype)
        codes = code_points(text)
        others = (codes > 127).nonzero()[0]
        found[others] = self[codes.take(others)]
        return found


def cuts(kinds: np.ndarray) -> np.ndarray:
    """Whether each place 0…length may be cut, bool (characters + 1,), by their `kinds_of`; see `is_word_boundary`."""
    free = np.ones(len(kinds) + 1, dtype=bool)
    pairs = ((kinds[:-1] & _MATTERS) << 4) | (kinds[1:] & _MATTERS)
    free[1:-1] = np.frombuffer(pairs.tobytes().translate(_free_pairs()), dtype=bool)
    return free


@cache
def _free_pairs() -> bytes:
    """For the bits of a character (high) and of the next one (low): may they be cut apart?"""
    left, right = np.divmod(np.arange(256), _MATTERS + 1)
    letters = ((right & LETTER) != 0) & ((left & (LETTER | CONTINUES)) != 0) & (((left | right) & UNSPACED) == 0)
    digits, number = ((left | right) & DIGIT) != 0, (left & right & DIGIT) != 0
    return bytes(~(number | (letters & ~digits)) & ((right & CONTINUES) == 0))


def digits_in_words(kinds: np.ndarray) -> float:
    """Digits between two letters, for every letter of a text, by its `kinds_of`: what misreading makes of letters.

    Example:
        >>> round(digits_in_words(kinds_of("0n th5s p4ge 1n 2016")), 2)
        0.25
    """
    letters, digits = (kinds & LETTER) != 0, (kinds & DIGIT) != 0
    inside = letters[:-2] & digits[1:-1] & letters[2:]
    return int(np.count_nonzero(inside)) / max(1, int(np.count_nonzero(letters)))


@lru_cache(maxsize=65536)
def continues_cluster(character: str) -> bool:
    """Whether a character belongs to the one before it: marks, vowel and final jamo, half-width voicing marks."""
    return (
        unicodedata.category(character)[0] == "M"
        or "\u1160" <= character <= "\u11ff"
        or "\ud7b0" <= character <= "\ud7ff"
        or character in "\uff9e\uff9f"
    )


def is_unspaced(character: str) -> bool:
    """Whether words of its script may begin and end anywhere, as far as spaces tell."""
    return character >= "\u0e00" and any(first <= character <= last for first, last in _UNSPACED_BLOCKS)


def is_word_boundary(text: str, position: int) -> bool:
    """Whether a cut at `position` leaves words, numbers and clusters whole.

    Scripts that do not mark every word with spaces (Han, Kana, Hangul with its particles, Thai, Lao, Khmer, Burmese,
    Tibetan) have a boundary between any two characters; all others only where a letter does not meet a letter. A
    letter and a digit may be cut apart ("RM9.00"), two digits never.

    Example:
        >>> [p for p in range(7) if is_word_boundary("RM9 ok", p)]
        [0, 2, 3, 4, 6]
    """
    if position <= 0 or position >= len(text):
        return True
    left, right = text[position - 1], text[position]
    if continues_cluster(right):
        return False
    if left.isdigit() or right.isdigit():
        return not (left.isdigit() and right.isdigit())
    if not (right.isalpha() and (left.isalpha() or continues_cluster(left))):
        return True
    return is_unspaced(left) or is_unspaced(right)


def _kind(code: int) -> int:
    character = chr(code)
    continues = continues_cluster(character)
    return (
        _KNOWN
        | LETTER * character.isalpha()
        | DIGIT * character.isdigit()
        | KEPT * (character.isalnum() or continues)
        | CONTINUES * continues
        | UNSPACED * is_unspaced(character)
        | SPACE * character.isspace()
    )


_KINDS = CharacterTable(_kind, np.uint8)


def kinds_of(text: str) -> np.ndarray:
    """What each character is, uint8: the bits LETTER, DIGIT, KEPT (or a mark), CONTINUES, UNSPACED and SPACE.

    Example:
        >>> (kinds_of("a 1") & DIGIT).tolist() == [0, 0, DIGIT]
        True
    """
    return _KINDS.of_text(text)
