"""Text made comparable, with the way back: every character of the result knows the characters it was made from.

Annotations must point into the transcription as it is, but two writers of one text seldom agree on case, width,
spacing, quotes, dashes or Unicode form. So both sides are folded for the comparison, and a match is carried back.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from hf_mbdc.transforms.characters import (
    DIGIT,
    KEPT,
    KINDS,
    SPACE,
    CharacterTable,
    as_text,
    code_points,
    continues_cluster,
)

SINGLE_QUOTES = "‘’‚‛′`´ʼ"
DOUBLE_QUOTES = "“”„‟″«»"
DASHES = "‐‑‒–—―−﹘﹣－"
_ALIKE = str.maketrans(
    {**dict.fromkeys(SINGLE_QUOTES, "'"), **dict.fromkeys(DOUBLE_QUOTES, '"'), **dict.fromkeys(DASHES, "-")}
)
_DIGITS_APART = re.compile(r"[0-9][^0-9a-z]+[0-9]")
_NO_PUNCTUATION = {code: None for code in range(128) if not chr(code).isalnum()}
_HANGUL = re.compile("[가-힣]")
# Capitals may follow a hyphen that is the word's own: "Ost-\nWest".
_LINE_END_HYPHEN = re.compile(r"(?<=[^\W\d_])[-‐\u00ad][^\S\n]*\n\s*(?=[^\W\d_A-ZÀ-ÖØ-ÞА-ЯЁΑ-Ω])")


@dataclass(frozen=True)
class FoldedText:
    """A folded text and, for each of its characters, the range of the original that it stands for.

    Args:
        text: the folded characters.
        starts, ends: one number per folded character: its original range, end exclusive. Both never decrease.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The smallest original range that holds the folded range `start:end` (not empty)."""
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> FoldedText:
    """Folds case, width, Unicode form, quotes, dashes, whitespace and hyphens at line ends.

    Each cluster (a character with its combining marks, or the jamo of one syllable) goes through NFKC and `casefold`
    on its own, so that ligatures and decomposed letters keep a place to return to. A run of whitespace becomes one
    space, at the ends nothing; characters that only steer the layout (zero width, soft hyphen, direction marks)
    become nothing, and so does a hyphen between a letter and a line that goes on with a small letter.

    Example:
        >>> folded = fold("ﬁn  e\\u0301 exam-\\nple")
        >>> folded.text, folded.original(4, 5)
        ('fin é example', (4, 6))
    """
    hyphens = _LINE_END_HYPHEN.finditer(text) if "\n" in text else ()
    if text.isascii():
        clusters = [(*match.span(), "") for match in hyphens]
        lowered = text.lower().replace("`", "'")
    else:
        codes = code_points(text)
        folded = _FOLDED[codes]
        lowered = as_text(folded)
        odd = np.flatnonzero(folded == _ODD).tolist()
        clusters = [(*match.span(), "") for match in hyphens] + list(_odd_clusters(text, odd))
    return _replaced(lowered, sorted(clusters, key=lambda c: (c[0], -c[1]))) if clusters else _collapsed(lowered)


def _collapsed(text: str) -> FoldedText:
    """One space for every gap, none at the ends."""
    joined = " ".join(text.split())
    if len(joined) == len(text.strip()):  # every gap is one character already
        margin = len(text) - len(text.lstrip())
        return FoldedText(joined, range(margin, margin + len(joined)), range(margin + 1, margin + 1 + len(joined)))
    inked = np.flatnonzero(KINDS[code_points(text)] & SPACE == 0)
    gaps = np.flatnonzero(np.diff(inked) > 1) + 1  # a word begins there
    starts = np.insert(inked, gaps, inked[gaps - 1] + 1)
    ends = np.insert(inked + 1, gaps, inked[gaps])
    return FoldedText(joined, array("l", starts.tobytes()), array("l", ends.tobytes()))


def _replaced(text: str, clusters: Sequence[tuple[int, int, str]]) -> FoldedText:
    """The same after the clusters `start:end` became their pieces."""
    pieces: list[str] = []
    starts, ends = array("l"), array("l")
    done = 0
    for start, end, piece in [*clusters, (len(text), len(text), "")]:
        if start < done:  # a soft hyphen at a line end is a hyphen and a cluster
            continue
        pieces += (text[done:start], piece)
        starts.extend(range(done, start))
        ends.extend(range(done + 1, start + 1))
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))
        done = end
    inner = _collapsed("".join(pieces))
    firsts, lasts = np.asarray(starts)[_as_array(inner.starts)], np.asarray(ends)[_as_array(inner.ends) - 1]
    return FoldedText(inner.text, array("l", firsts.tobytes()), array("l", lasts.tobytes()))


def _odd_clusters(text: str, odd: Sequence[int]) -> Iterator[tuple[int, int, str]]:
    """The clusters that hold an odd character, with what they fold to."""
    number = 0
    while number < len(odd):
        start = end = odd[number]
        if continues_cluster(text[start]) and start and (not number or odd[number - 1] < start):
            start -= 1
        end += 1
        number += 1
        while number < len(odd) and odd[number] == end and continues_cluster(text[end]):
            end += 1
            number += 1
        yield start, end, _fold_cluster(text[start:end])


def _folded_code(code: int) -> int:
    """What a character becomes when that is one character whatever its neighbours are; otherwise `_ODD`."""
    character = chr(code)
    if character.isspace():
        return ord(" ")
    folded = _fold_cluster(character)
    return ord(folded) if len(folded) == 1 and not continues_cluster(character) else _ODD


@lru_cache(maxsize=65536)
def _fold_cluster(cluster: str) -> str:
    """The folded cluster; a single space for whitespace, nothing for a character that only steers the layout."""
    if cluster.isspace():
        return " "
    visible = "".join(c for c in cluster.translate(_ALIKE) if unicodedata.category(c) != "Cf")
    # Once more after casefold, which can decompose (İ); NFKC of a lone accent starts with a space.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return "".join(folded.translate(_ALIKE).split())


_ODD = 0x10FFFF  # no character, so that nothing folds to it
_FOLDED = CharacterTable(_folded_code, np.uint32)


def squeeze(folded: FoldedText) -> FoldedText:
    """Drops whitespace and punctuation from a folded text; between two digits one space stays for them.

    What is left is the same for "NO.53 55,57 & 59" and "No. 53 55, 57 &59", but not for "9.00" and "900".

    Example:
        >>> squeeze(fold("No. 53 55, 57 &59")).text
        'no53 55 57 59'
    """
    places, text = _squeezed(folded.text)
    starts, ends = _as_array(folded.starts)[places], _as_array(folded.ends)[places]
    return FoldedText(text, array("l", starts.tobytes()), array("l", ends.tobytes()))


def _squeezed(text: str) -> tuple[np.ndarray, str]:
    """Which characters stay, and the text that they make."""
    codes = code_points(text).copy()
    kinds = KINDS[codes]
    mask = (kinds & KEPT) > 0
    kept = np.flatnonzero(mask)
    digits = (kinds[kept] & DIGIT) > 0
    gaps = kept[1:][(np.diff(kept) > 1) & digits[:-1] & digits[1:]] - 1
    codes[gaps], mask[gaps] = ord(" "), True
    return np.flatnonzero(mask), as_text(codes[mask])


def squeezed(folded: str) -> str:
    """The text alone, without its places.

    Example:
        >>> squeezed("no. 53 55, 57 &59")
        'no53 55 57 59'
    """
    if folded.isascii() and not _DIGITS_APART.search(folded):
        return folded.translate(_NO_PUNCTUATION)
    return _squeezed(folded)[1]


def _as_array(places: Sequence[int]) -> np.ndarray:
    if isinstance(places, range):  # numpy would read it number by number
        return np.arange(places.start, places.stop)
    return np.asarray(places)


def has_hangul(text: str) -> bool:
    """Whether a folded text has Hangul syllables."""
    return not text.isascii() and _HANGUL.search(text) is not None


def jamo(folded: FoldedText) -> FoldedText:
    """A folded text with its Hangul syllables taken apart, so that a misread vowel is one edit of three.

    Example:
        >>> len(jamo(fold("서울 a")).text)
        7
    """
    codes = code_points(folded.text).astype(np.int64)
    order = np.where((codes >= 0xAC00) & (codes <= 0xD7A3), codes - 0xAC00, -1)
    finals = np.where(order >= 0, order % 28, 0)
    sizes = np.where(order < 0, 1, np.where(finals > 0, 3, 2))
    at = np.cumsum(sizes) - sizes
    apart = np.repeat(codes, sizes)
    whole = order >= 0
    apart[at[whole]] = 0x1100 + order[whole] // 588
    apart[at[whole] + 1] = 0x1161 + order[whole] % 588 // 28
    apart[at[finals > 0] + 2] = 0x11A7 + finals[finals > 0]
    starts, ends = np.repeat(_as_array(folded.starts), sizes), np.repeat(_as_array(folded.ends), sizes)
    return FoldedText(as_text(apart), array("l", starts.tobytes()), array("l", ends.tobytes()))


def plain(text: str) -> str:
    """A text as it is, but for what Unicode itself calls the same text (NFC) and for the amount of whitespace.

    Example:
        >>> plain(" 81100\\nJOHOR  BAHRU ")
        '81100 JOHOR BAHRU'
    """
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())
