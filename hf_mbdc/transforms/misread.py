"""Is a text that is near to an answer the answer misread, or something else?

Misreading is spread over a text and takes characters for those that look alike, digits for letters above all. Another
text differs in whole words, in words that stand elsewhere on the page too, or in a number. So edits are weighed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import repeat
from typing import cast

from rapidfuzz.distance import Levenshtein

# What OCR takes for each other; every character of a group for every other.
_GROUPS = (
    "o0q",
    "oce",
    "ao",
    "il1|!j",
    "s5",
    "b8h6",
    "g9q",
    "z2",
    "nhu",
    "mn",
    "rn",
    "tf",
    "uvy",
    "vw",
    ".,",
    ":;",
    "'`",
)
_ALIKE = frozenset(a + b for group in _GROUPS for a in group for b in group)
_PAIRS = {
    "cl": "d",
    "vv": "w",
    "rn": "m",
    "nn": "m",
    "ii": "u",
    "li": "h",
}  # two characters taken for one, or one for two
_LOST = 0.6  # of a word's characters, from which on it is another word
MOST_WEIGHT = 1 + 1 / (2 * _LOST)  # of an edit: all in words that are lost by them
_DIGIT = re.compile(r"\d")
_MOST_LOST = 8  # what words that are not there may count more: a long answer may repeat a part of itself

_Edit = tuple[str, int, int]  # what happens, at which character of the wanted text, at which of the found one


@dataclass(frozen=True)
class Difference:
    """How a found text differs from what was wanted.

    Args:
        edits: the Levenshtein distance.
        alike: edits that misreading explains: look-alikes, two characters for one too, and digits among letters.
        lost: characters of the wanted words, of three and more, that are edited by more than 60 %.
        digits: digits that are other digits, missing or too many; a digit read as a letter is none of them.
    """

    edits: int
    alike: int
    lost: int
    digits: int

    @property
    def weight(self) -> float:
        """The edits, those that misreading explains by half and those of lost words half as much again."""
        return self.edits - self.alike / 2 + min(self.lost // 2, _MOST_LOST)


def compare(wanted: str, found: str) -> Difference:
    """The difference of two folded texts.

    Example:
        >>> compare("the 2nd october", "tbe 2nd 0ctober")
        Difference(edits=2, alike=2, lost=0, digits=0)
        >>> compare("should be", "shovlcl be").alike
        3
        >>> compare("room 18", "room 17").digits, compare("united kingdom", "united states").lost
        (1, 7)
    """
    alike = digits = 0
    edited = [0] * len(wanted)
    edits = cast("list[_Edit]", Levenshtein.editops(wanted, found).as_list())  # much faster than its objects
    for kind, at, to in edits:
        if kind == "insert":
            beside = wanted[max(0, at - 1) : at + 1]
            if found[to].isdigit():
                if beside[:1].isdigit() or beside[-1:].isdigit():
                    digits += 1
                elif beside.strip().isalpha():
                    alike += 1
            continue
        edited[at] = 1
        character = wanted[at]
        if kind == "delete":
            digits += character.isdigit()
        elif character.isdigit():
            digits += found[to].isdigit()
            alike += not found[to].isdigit()
        else:
            alike += found[to].isdigit() or character + found[to] in _ALIKE
    alike += 2 * sum(map(_is_pair, edits, edits[1:], repeat(wanted), repeat(found)))
    return Difference(len(edits), min(alike, len(edits)), _lost(wanted, edited) if len(edits) > 2 else 0, digits)


def _is_pair(first: _Edit, second: _Edit, wanted: str, found: str) -> bool:
    """Whether two edits take one character for two that look like it, or two for one."""
    (kind, at, to), (next_kind, next_at, next_to) = first, second
    if kind == next_kind:
        return False
    replaced_at, replaced_to = (at, to) if kind == "replace" else (next_at, next_to)
    kinds = {kind, next_kind}
    if kinds == {"replace", "insert"} and next_to == to + 1:
        return _PAIRS.get(found[to : next_to + 1]) == wanted[replaced_at]
    if kinds == {"replace", "delete"} and next_at == at + 1:
        return _PAIRS.get(wanted[at : next_at + 1]) == found[replaced_to]
    return False


def _lost(wanted: str, edited: list[int]) -> int:
    lost = place = 0
    for word in wanted.split(" "):
        end = place + len(word)
        if len(word) > 2 and sum(edited[place:end]) > _LOST * len(word):
            lost += len(word)
        place = end + 1
    return lost


def has_digit(text: str) -> bool:
    """Whether there is a decimal digit of any script in it."""
    return _DIGIT.search(text) is not None


def digits_may_differ(wanted: str, difference: Difference, max_distance: float) -> bool:
    """Whether the digits of a misread text can be those that are wanted.

    `max_distance` / 2 of the digits may be others, or one for every 30 letters, or as many as there are edits
    elsewhere: a page that reads badly reads its numbers badly too. None may where digits are most of what is wanted:
    another digit is another amount, date or house.
    """
    if not difference.digits:
        return True
    digits, letters = sum(map(str.isdigit, wanted)), sum(map(str.isalpha, wanted))
    if digits >= letters:
        return False
    return difference.digits <= max(int(max_distance * digits / 2), letters // 30, difference.edits - difference.digits)
