"""Where does an answer stand as it is, or only written another way? Steps 1 and 2 of `locate`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.characters import is_word_boundary
from hf_mbdc.transforms.dates import find_dates, same_dates
from hf_mbdc.transforms.misread import has_digit
from hf_mbdc.transforms.numbers import amount_value, cuts_number, is_amount, is_negative
from hf_mbdc.transforms.searchable import SearchText
from hf_mbdc.transforms.text import fold, skeleton, squeezed

_WORDED = 7  # letters from which an answer is more than its numbers
_SURE_LENGTH = 8  # squeezed characters from which a hit inside a word is no accident

Span = tuple[int, int]


class Needle(NamedTuple):
    """One of the answers to a question, ready to be looked for in one text.

    Args:
        number: which of the answers, from 0.
        answer: itself, without whitespace at its ends.
        text: itself, folded.
        may_stand: whether its letters and digits stand in the text, one behind the other.
    """

    number: int
    answer: str
    text: str
    may_stand: bool


def needle_for(text: SearchText, number: int, answer: str) -> Needle:
    """An answer, the one with that number of its row, made ready to be looked for in a text."""
    folded = fold(answer).text
    return Needle(number, answer.strip(), folded, skeleton(folded) in text.skeleton)


def same_text(text: SearchText, needle: Needle) -> list[Span]:
    """Step 1. Whole words if there are any; hits inside a cluster only for what folding cannot see."""
    hits: list[Span] = []
    hay = text.folded.text
    if needle.text and needle.may_stand:
        folded = [hit for hit in _find_all(hay, needle.text) if not cuts_other_number(hay, *hit, needle.text)]
        folded = [hit for hit in folded if not text.follows_sign(text.folded.original(*hit)[0])]
        hits = [text.folded.original(*hit) for hit in [hit for hit in folded if _is_whole(hay, *hit)] or folded]
    if not hits and text.folded.has_clusters:
        hits = [hit for hit in _find_all(text.context, needle.answer) if not text.follows_sign(hit[0])]
        hits = [hit for hit in hits if not cuts_other_number(text.context, *hit, needle.text)]
    return hits


def same_but_for_writing(text: SearchText, needle: Needle) -> list[Span]:
    """Step 2. Amounts and dates by their value, the rest by letters and digits: four, unless only spaces differ."""
    digits = has_digit(needle.text)
    if digits and is_amount(needle.text):
        value = amount_value(needle.text)
        hits = [] if value is None else text.numbers.get(value, [])
    else:
        hits = _same_letters(text, needle)
    if not hits and digits:
        wanted = find_dates(needle.text)
        if len(wanted) == 1 and (wanted[0].start, wanted[0].end) == (0, len(needle.text)):
            hits = [text.folded.original(date.start, date.end) for date in same_dates(wanted[0], text.dates)]
    return hits


def cuts_other_number(hay: str, start: int, end: int, needle: str) -> bool:
    """Whether a hit is a part of another number, which no answer with seven letters is."""
    return cuts_number(hay, start, end) and sum(map(str.isalpha, needle)) < _WORDED


def _same_letters(text: SearchText, needle: Needle) -> list[Span]:
    letters = squeezed(needle.text) if needle.may_stand else ""
    hits = []
    for found in _find_all(text.squeezed.text, letters) if letters else ():
        start, end = _with_outer_punctuation(text.context, *text.squeezed.original(*found), needle.answer)
        if _reads_alike(fold(text.context[start:end]).text, needle.text, len(letters)):
            whole = _is_whole(text.context, start, end) or len(letters) >= _SURE_LENGTH
            if whole and not cuts_number(text.context, start, end) and not text.follows_sign(start):
                hits.append((start, end))
    return hits


def _reads_alike(found: str, wanted: str, letters: int) -> bool:
    if letters < 4 and found.replace(" ", "") != wanted.replace(" ", ""):
        return False
    return Levenshtein.normalized_distance(found, wanted) <= 0.5 and is_negative(found) == is_negative(wanted)


def _find_all(text: str, needle: str) -> Iterator[Span]:
    position = text.find(needle)
    while position >= 0:
        yield position, position + len(needle)
        position = text.find(needle, position + 1)


def _is_whole(text: str, start: int, end: int) -> bool:
    return is_word_boundary(text, start) and is_word_boundary(text, end)


def _with_outer_punctuation(context: str, start: int, end: int, answer: str) -> tuple[int, int]:
    """Takes in the punctuation around a squeezed hit that the answer begins or ends with: "(ABC)." for ABC."""
    tail = re.search(r"[^\w]*\Z", answer)
    head = re.match(r"[^\w]*", answer)
    for character in "".join(tail.group().split()) if tail else "":
        after = re.compile(r"\s*").match(context, end)
        if after and context[after.end() : after.end() + 1] == character:
            end = after.end() + 1
    for character in reversed("".join(head.group().split()) if head else ""):
        before = len(context[:start].rstrip())
        if before and context[before - 1] == character:
            start = before - 1
    return start, end
