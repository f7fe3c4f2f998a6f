"""Text made comparable, with the way back: every character of the result knows the characters it was made from.

Annotations must point into the transcription as it is, but two writers of one text seldom agree on case, width,
spacing, quotes, dashes or Unicode form. So both sides are folded for the comparison, and a match is carried back.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

SINGLE_QUOTES = "‘’‚‛′`´ʼ"
DOUBLE_QUOTES = "“”„‟″«»"
DASHES = "‐‑‒–—―−﹘﹣－"
_ALIKE = str.maketrans(
    {**dict.fromkeys(SINGLE_QUOTES, "'"), **dict.fromkeys(DOUBLE_QUOTES, '"'), **dict.fromkeys(DASHES, "-")}
)
_NOT_SPACE = re.compile(r"\S+")


@dataclass(frozen=True)
class FoldedText:
    """A folded text and, for each of its characters, the range of the original that it stands for.

    Args:
        text: the folded characters.
        starts, ends: one number per folded character: its original range, end exclusive. Both never decrease.
    """

    text: str
    starts: array[int]
    ends: array[int]

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The smallest original range that holds the folded range `start:end` (not empty)."""
        return self.starts[start], self.ends[end - 1]


def fold(text: str) -> FoldedText:
    """Folds case, width, Unicode form, quotes, dashes and whitespace.

    Each cluster (a character with its combining marks, or the jamo of one syllable) goes through NFKC and `casefold`
    on its own, so that ligatures and decomposed letters keep a place to return to. A run of whitespace becomes one
    space, at the ends nothing; characters that only steer the layout (zero width, soft hyphen, direction marks)
    become nothing.

    Example:
        >>> folded = fold("ﬁn  e\\u0301")
        >>> folded.text, folded.original(4, 5)
        ('fin é', (4, 6))
    """
    if text.isascii():
        return _fold_ascii(text)
    pieces: list[str] = []
    starts, ends = array("l"), array("l")
    gap = False
    for start, end in _clusters(text):
        piece = _fold_cluster(text[start:end])
        if piece == " ":
            gap = bool(pieces)
            continue
        if not piece:
            continue
        if gap:
            pieces.append(" ")
            starts.append(ends[-1])
            ends.append(start)
            gap = False
        pieces.append(piece)
        starts.extend([start] * len(piece))
        ends.extend([end] * len(piece))
    return FoldedText("".join(pieces), starts, ends)


def _fold_ascii(text: str) -> FoldedText:
    """The same for ASCII, where every character is its own cluster: most documents, and 10 times faster."""
    folded = " ".join(text.split()).lower().replace("`", "'")
    margin = len(text) - len(text.lstrip())
    if len(folded) == len(text.strip()):  # every gap is one character already
        starts = array("l", range(margin, margin + len(folded)))
        return FoldedText(folded, starts, array("l", range(margin + 1, margin + len(folded) + 1)))
    starts, ends = array("l"), array("l")
    for match in _NOT_SPACE.finditer(text):
        start, end = match.span()
        if ends:
            starts.append(ends[-1])
            ends.append(start)
        starts.extend(range(start, end))
        ends.extend(range(start + 1, end + 1))
    return FoldedText(folded, starts, ends)


def _clusters(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for position, character in enumerate(text):
        if position > start and not continues_cluster(character):
            yield start, position
            start = position
    if text:
        yield start, len(text)


@lru_cache(maxsize=65536)
def continues_cluster(character: str) -> bool:
    """Whether a character belongs to the one before it: marks, vowel and final jamo, half-width voicing marks."""
    return (
        unicodedata.category(character)[0] == "M"
        or "\u1160" <= character <= "\u11ff"
        or "\ud7b0" <= character <= "\ud7ff"
        or character in "\uff9e\uff9f"
    )


@lru_cache(maxsize=65536)
def _fold_cluster(cluster: str) -> str:
    """The folded cluster; a single space for whitespace, nothing for a character that only steers the layout."""
    if cluster.isspace():
        return " "
    visible = "".join(c for c in cluster.translate(_ALIKE) if unicodedata.category(c) != "Cf")
    # Once more after casefold, which can decompose (İ); NFKC of a lone accent starts with a space.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", visible).casefold())
    return "".join(folded.translate(_ALIKE).split())


def squeeze(folded: FoldedText) -> FoldedText:
    """Drops whitespace and punctuation from a folded text; between two digits one space stays for them.

    What is left is the same for "NO.53 55,57 & 59" and "No. 53 55, 57 &59", but not for "9.00" and "900".

    Example:
        >>> squeeze(fold("No. 53 55, 57 &59")).text
        'no53 55 57 59'
    """
    characters: list[str] = []
    starts, ends = array("l"), array("l")
    dropped = False
    for character, start, end in zip(folded.text, folded.starts, folded.ends, strict=True):
        if not (character.isalnum() or continues_cluster(character)):
            dropped = True
            continue
        if dropped and characters and character.isdigit() and characters[-1].isdigit():
            characters.append(" ")
            starts.append(min(ends[-1], start))  # both digits may be of one cluster: ¼
            ends.append(max(ends[-1], start))
        dropped = False
        characters.append(character)
        starts.append(start)
        ends.append(end)
    return FoldedText("".join(characters), starts, ends)


def plain(text: str) -> str:
    """A text as it is, but for what Unicode itself calls the same text (NFC) and for the amount of whitespace.

    Example:
        >>> plain(" 81100\\nJOHOR  BAHRU ")
        '81100 JOHOR BAHRU'
    """
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())
