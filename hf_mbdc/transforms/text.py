"""Text made comparable, with the way back: every character of the result knows the characters it was made from.

Annotations must point into the transcription as it is, but two writers of one text seldom agree on case, width,
spacing, quotes, dashes or Unicode form. So both sides are folded for the comparison, and a match is carried back.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, lru_cache

import numpy as np

from hf_mbdc.transforms.characters import (
    DIGIT,
    KEPT,
    CharacterTable,
    as_text,
    code_points,
    continues_cluster,
    kinds_of,
)

SINGLE_QUOTES = "‘’‚‛′`´ʼ"
DOUBLE_QUOTES = "“”„‟″«»"
DASHES = "‐‑‒–—―−﹘﹣－"
_ALIKE = str.maketrans(
    {**dict.fromkeys(SINGLE_QUOTES, "'"), **dict.fromkeys(DOUBLE_QUOTES, '"'), **dict.fromkeys(DASHES, "-")}
)
_ASCII = "".join(" " if c.isspace() else c.lower() for c in map(chr, range(128))).replace("`", "'").encode().ljust(256)
_PUNCTUATION = bytes(code for code in range(128) if not chr(code).isalnum())
_HANGUL = re.compile("[가-힣]")
# Capitals may follow a hyphen that is the word's own: "Ost-\nWest".
_LINE_END_HYPHEN = re.compile(r"(?<=[^\W\d_])[-‐\u00ad][^\S\n]*\n\s*(?=[^\W\d_A-ZÀ-ÖØ-ÞА-ЯЁΑ-Ω])")


Places = tuple[range, range] | tuple[np.ndarray, np.ndarray]


class FoldedText:
    """A folded text and, for each of its characters, the range of the original that it stands for.

    Args:
        text: the folded characters.
        find_places: gives `places`; asked when a place is first wanted, since most texts hold no match.
        has_clusters: whether several characters became one together, or one became several or none.
    """

    def __init__(self, text: str, find_places: Callable[[], Places], has_clusters: bool = False) -> None:
        self.text = text
        self.has_clusters = has_clusters
        self._find_places = find_places

    @cached_property
    def places(self) -> Places:
        """Where the original range of each character starts and where it ends (exclusive); both never decrease."""
        return self._find_places()

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The smallest original range that holds the folded range `start:end` (not empty)."""
        starts, ends = self.places
        return int(starts[start]), int(ends[end - 1])


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
    clusters = [(*match.span(), "") for match in _LINE_END_HYPHEN.finditer(text)] if "\n" in text else []
    if text.isascii():
        lowered = text.encode().translate(_ASCII).decode()  # three times as fast as `str.translate`
    else:
        folded = _FOLDED.of_text(text)
        lowered = as_text(folded)
        clusters += _odd_clusters(text, np.flatnonzero(folded == _ODD).tolist())
    return _replaced(lowered, sorted(clusters, key=lambda c: (c[0], -c[1]))) if clusters else _collapsed(lowered)


def _collapsed(text: str) -> FoldedText:
    """One space for every gap, none at the ends; all whitespace is spaces already."""
    stripped = text.strip(" ")
    if "  " not in stripped:  # every gap is one character already
        margin = len(text) - len(text.lstrip(" "))
        size = len(stripped)
        return FoldedText(stripped, lambda: (range(margin, margin + size), range(margin + 1, margin + 1 + size)))
    return FoldedText(" ".join(text.split()), lambda: _places_between_gaps(text))


def _places_between_gaps(text: str) -> Places:
    inked = np.flatnonzero(code_points(text) != ord(" "))
    gaps = np.flatnonzero(np.diff(inked) > 1) + 1  # a word begins there
    return np.insert(inked, gaps, inked[gaps - 1] + 1), np.insert(inked + 1, gaps, inked[gaps])


def _replaced(text: str, clusters: Sequence[tuple[int, int, str]]) -> FoldedText:
    """The same after the clusters `start:end` became their pieces."""
    done = 0
    kept = []
    pieces: list[str] = []
    for start, end, piece in clusters:
        if start >= done:  # a soft hyphen at a line end is a hyphen and a cluster
            kept.append((start, end, piece))
            pieces += (text[done:start], piece)
            done = end
    inner = _collapsed("".join([*pieces, text[done:]]))

    def find_places() -> Places:
        sizes = np.ones(len(text), dtype=np.int64)  # of what became of each character; a cluster's first one has all
        ends = np.arange(1, len(text) + 1)
        for start, end, piece in kept:
            sizes[start:end], ends[start] = 0, end
            sizes[start] = len(piece)
        starts, lasts = inner.places
        replaced = np.repeat(np.arange(len(text)), sizes)
        return replaced[_as_array(starts)], ends[replaced[_as_array(lasts) - 1]]

    return FoldedText(inner.text, find_places, has_clusters=True)


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
    kept, text = _squeezed(folded.text)

    def find_places() -> Places:
        starts, ends = folded.places
        return _as_array(starts)[kept], _as_array(ends)[kept]

    return FoldedText(text, find_places)


def _squeezed(text: str) -> tuple[np.ndarray, str]:
    """Which characters stay, and the text that they make."""
    codes = code_points(text).copy()
    kinds = kinds_of(text)
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
    return _squeezed(folded)[1]


def skeleton(folded: str) -> bytes:
    """The ASCII letters and digits alone: of a text that stands in another one, in whatever way, so does the skeleton.

    Example:
        >>> skeleton("café no. 53")
        b'cafno53'
    """
    return folded.encode("ascii", "replace").translate(None, _PUNCTUATION)


def _as_array(places: range | np.ndarray) -> np.ndarray:
    if isinstance(places, range):  # numpy would read it number by number
        return np.arange(places.start, places.stop)
    return places


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
    sizes = jamo_counts(codes)
    at = np.cumsum(sizes) - sizes
    apart = np.repeat(codes, sizes)
    whole = order >= 0
    apart[at[whole]] = 0x1100 + order[whole] // 588
    apart[at[whole] + 1] = 0x1161 + order[whole] % 588 // 28
    apart[at[finals > 0] + 2] = 0x11A7 + finals[finals > 0]

    def find_places() -> Places:
        starts, ends = folded.places
        return np.repeat(_as_array(starts), sizes), np.repeat(_as_array(ends), sizes)

    return FoldedText(as_text(apart), find_places)


def jamo_counts(codes: np.ndarray) -> np.ndarray:
    """How many characters `jamo` makes of each."""
    order = codes.astype(np.int64) - 0xAC00
    syllable = (order >= 0) & (order <= 0xD7A3 - 0xAC00)
    return np.where(syllable, np.where(order % 28 > 0, 3, 2), 1)


def plain(text: str) -> str:
    """A text as it is, but for what Unicode itself calls the same text (NFC) and for the amount of whitespace.

    Example:
        >>> plain(" 81100\\nJOHOR  BAHRU ")
        '81100 JOHOR BAHRU'
    """
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())
