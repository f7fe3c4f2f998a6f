"""Find every occurrence of the given answers in a document, and say how sure each one is.

The steps go from sure to unsure; a later one runs only when the ones before it found none of the answers:

1. **The same text**, after folding (`text.fold`). Every occurrence counts. Where some are whole words, those inside
   words are dropped; where none is, they stay: "Muslim" in "Muslims". Scripts without spaces know no inside of a word.
   A number is never found inside a longer one: "9.00" is in "RM9.00", not in "19.00", "9.005" or "1,239.00"; a date or
   a version is no number, so that "2016" is in "12.05.2016", nor is an answer with seven letters. A minus sign is part
   of its number: "9.00" is not in "-9.00" or "-RM9.00". A hyphen is none: behind a letter, digit or full stop ("X-9",
   "5-9", "NO.-9"), or before several numbers joined by hyphens, slashes or colons (dates, telephone numbers).
2. **Another way of writing**: other spaces or punctuation (`text.squeeze`), the same amount ("RM 1,234.50" for
   "1234.5") or the same day ("20180304" for "04/03/2018", `dates`).
3. **The nearest text** by Levenshtein distance of the folded texts (`search`), Hangul by its jamo, where it can be the
   answer misread (`misread`): of n characters `max_distance` × (n − 3.5) may differ, look-alikes counting half, words
   that are not there half as much again, and words that stand elsewhere on the page one more. Of the digits no more may
   differ than of the letters, and none where they are most of the answer. Where nothing is near, an answer may stand in
   two parts with the lines of another column in between (`interrupted`).

Scores: 1.0 when the characters of the document are the answer's, but for the amount of whitespace and for what Unicode
calls canonically equal; otherwise 0.99 × (1 − Levenshtein distance / length of the longer), both folded. So a
difference in nothing but case scores 0.99. `scripts/eval_threshold.py` draws what each `max_distance` finds.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.characters import KINDS, code_points, cuts, is_word_boundary
from hf_mbdc.transforms.dates import WrittenDate, find_dates, same_dates
from hf_mbdc.transforms.interrupted import nearest_in_two
from hf_mbdc.transforms.misread import compare, digits_may_differ
from hf_mbdc.transforms.numbers import (
    amount_value,
    cuts_number,
    find_numbers,
    find_signs,
    is_amount,
    is_negative,
)
from hf_mbdc.transforms.search import Near, SearchIndex
from hf_mbdc.transforms.text import FoldedText, fold, has_hangul, jamo, plain, squeeze, squeezed

BEST_INEXACT = 0.99  # the score of a text that differs in nothing but what folding takes away
SCORE_MARGIN = 0.05  # an unsure occurrence this much worse than the best one is another text
MAX_DISTANCE = 0.35
_FREE = 3.5  # characters of an answer that must not differ at all
_EDITS_PER_WEIGHT = 1.5  # look-alikes weigh half an edit
_WORDED = 7  # letters from which an answer is more than its numbers
_SURE_LENGTH = 8  # squeezed characters from which a hit inside a word is no accident


@dataclass(frozen=True)
class Occurrence:
    """A place of an answer: characters `start:end` of the context, its score, and the index of the answer."""

    start: int
    end: int
    score: float
    answer: int


class SearchText:
    """A context made ready for search; worked out once and asked once per question.

    Args:
        context: the transcription that offsets point into.
    """

    def __init__(self, context: str) -> None:
        self.context = context

    @cached_property
    def folded(self) -> FoldedText:
        return fold(self.context)

    @cached_property
    def squeezed(self) -> FoldedText:
        return squeeze(self.folded)

    @cached_property
    def letters(self) -> str:
        """The text of `squeezed`, which is known much sooner than its places."""
        return squeezed(self.folded.text)

    @cached_property
    def signs(self) -> dict[int, int]:
        return find_signs(self.context)

    @cached_property
    def numbers(self) -> dict[Decimal, list[tuple[int, int]]]:
        return find_numbers(self.folded, self.signs)

    @cached_property
    def dates(self) -> list[WrittenDate]:
        return find_dates(self.folded.text)

    @cached_property
    def index(self) -> SearchIndex:
        return SearchIndex(self.folded.text)

    @cached_property
    def jamo(self) -> FoldedText:
        return jamo(self.folded)

    @cached_property
    def jamo_index(self) -> SearchIndex:
        """Cut between syllables only."""
        codes = code_points(self.folded.text)
        sizes = np.array([len(jamo(FoldedText(c, [0], [1])).text) for c in self.folded.text], dtype=np.int64)
        borders = np.zeros(len(self.jamo.text) + 1, dtype=bool)
        borders[np.concatenate(([0], np.cumsum(sizes)))] = cuts(KINDS[codes])
        return SearchIndex(self.jamo.text, borders)


def locate(text: SearchText, answers: Sequence[str], *, max_distance: float = MAX_DISTANCE) -> list[Occurrence]:
    """Every occurrence of every answer, in document order, none overlapping another.

    Where two overlap, the better score stays, then the earlier answer, then the longer. Blank answers are passed over.

    Args:
        text: the context.
        answers: different ways to give the one answer; all are tried.
        max_distance: share of an answer's characters that may differ; 0 stops before step 3.

    Example:
        >>> [(o.start, o.end, o.score) for o in locate(SearchText("Total 9.00\\nCash 19.00"), ["9.00"])]
        [(6, 10, 1.0)]
    """
    needles = [(index, answer.strip(), fold(answer)) for index, answer in enumerate(answers) if answer.strip()]
    for step in (_same_text, _same_but_for_writing, _nearest_text):
        found = [
            Occurrence(start, end, _score(text.context[start:end], answer, needle.text), index)
            for index, answer, needle in needles
            for start, end in _trimmed(text.context, step(text, answer, needle, max_distance))
        ]
        if found:
            if step is not _same_text:
                best = max(occurrence.score for occurrence in found)
                found = [occurrence for occurrence in found if occurrence.score >= best - SCORE_MARGIN]
            return _without_overlaps(found)
    return []


def match_score(found: str, answer: str) -> float:
    """How well a text of the document reads as the answer; see the module's docstring.

    Example:
        >>> match_score("SDN\\nBHD", "SDN BHD"), match_score("Sdn Bhd", "SDN BHD")
        (1.0, 0.99)
    """
    return _score(found, answer, fold(answer).text)


def _score(found: str, answer: str, folded: str) -> float:
    if found == answer or plain(found) == plain(answer):
        return 1.0
    return BEST_INEXACT * Levenshtein.normalized_similarity(fold(found).text, folded)


def _same_text(text: SearchText, answer: str, needle: FoldedText, _: float) -> list[tuple[int, int]]:
    """Step 1. Whole words if there are any; hits inside a cluster only for what folding cannot see."""
    hay = text.folded.text
    worded = _is_worded(needle.text)
    hits = []
    if needle.text:
        for start in _find_all(hay, needle.text):
            end = start + len(needle.text)
            if (worded or not cuts_number(hay, start, end)) and text.folded.starts[start] not in text.signs:
                hits.append((start, end))
        whole = [hit for hit in hits if _is_whole(hay, *hit)]
        hits = [text.folded.original(*hit) for hit in whole or hits]
    if not hits:
        size = len(answer)
        raw = [(start, start + size) for start in _find_all(text.context, answer)]
        hits = [hit for hit in raw if (worded or not cuts_number(text.context, *hit)) and hit[0] not in text.signs]
    return hits


def _is_worded(needle: str) -> bool:
    """Whether an answer is more than its numbers, so that one cut short at its end is no other number."""
    return sum(map(str.isalpha, needle)) >= _WORDED


def _same_but_for_writing(text: SearchText, answer: str, needle: FoldedText, _: float) -> list[tuple[int, int]]:
    """Step 2. Amounts and dates by their value, the rest by letters and digits: four, unless only spaces differ."""
    if is_amount(needle.text):
        value = amount_value(needle.text)
        hits = [] if value is None else text.numbers.get(value, [])
    else:
        hits = _same_letters(text, answer, needle)
    if not hits and any(map(str.isdigit, needle.text)):
        wanted = find_dates(needle.text)
        if len(wanted) == 1 and (wanted[0].start, wanted[0].end) == (0, len(needle.text)):
            hits = [text.folded.original(date.start, date.end) for date in same_dates(wanted[0], text.dates)]
    return hits


def _same_letters(text: SearchText, answer: str, needle: FoldedText) -> list[tuple[int, int]]:
    letters = squeezed(needle.text)
    if not letters:
        return []
    hits = []
    for position in _find_all(text.letters, letters):
        start, end = text.squeezed.original(position, position + len(letters))
        start, end = _with_outer_punctuation(text.context, start, end, answer)
        found = fold(text.context[start:end]).text
        if len(letters) < 4 and found.replace(" ", "") != needle.text.replace(" ", ""):
            continue
        if Levenshtein.normalized_distance(found, needle.text) > 0.5 or cuts_number(text.context, start, end):
            continue
        if is_negative(found) != is_negative(needle.text) or start in text.signs:
            continue
        if _is_whole(text.context, start, end) or len(letters) >= _SURE_LENGTH:
            hits.append((start, end))
    return hits


def _nearest_text(text: SearchText, answer: str, needle: FoldedText, max_distance: float) -> list[tuple[int, int]]:
    """Step 3. The parts of the text that are near enough, digits and signs looked at more closely."""
    if has_hangul(needle.text):
        hay, index, wanted = text.jamo, text.jamo_index, jamo(needle).text
    else:
        hay, index, wanted = text.folded, text.index, needle.text
    allowed = allowed_weight(len(wanted), max_distance)
    limit = round(_EDITS_PER_WEIGHT * allowed)
    if limit < 1:
        return []
    votes = index.votes(wanted)
    near = [part for part in index.nearest_by(votes, wanted, limit) if _is_misread(index, wanted, part, max_distance)]
    places = [(part.start, part.end) for part in near]
    if not near and (in_two := nearest_in_two(index, votes, wanted, int(allowed))):
        places = [(in_two.start, in_two.end)] if digits_may_differ(wanted, in_two.difference, max_distance) else []
    worded, negative = _is_worded(wanted), is_negative(wanted)
    hits = []
    for low, high in places:
        start, end = hay.original(low, high)
        if start in text.signs or (not worded and cuts_number(hay.text, low, high)):
            continue
        if is_negative(hay.text[low:high]) == negative:
            hits.append((start, end))
    return hits


def _is_misread(index: SearchIndex, wanted: str, near: Near, max_distance: float) -> bool:
    """Whether a near text can be the wanted one, badly read."""
    allowed = allowed_weight(len(wanted), max_distance)
    if near.distance <= min(2, allowed / 2) and not any(map(str.isdigit, wanted)):
        return True
    found = index.text[near.start : near.end]
    difference = compare(wanted, found)
    weight = difference.weight
    if weight > allowed or not digits_may_differ(wanted, difference, max_distance):
        return False
    own = wanted.split()
    others = [word for word in found.split() if len(word) > 1 and word not in own]
    return weight + sum(index.word_counts[word] > 1 for word in others) <= allowed


def allowed_weight(size: int, max_distance: float) -> float:
    """How much of an answer of that many characters may differ, in edits; the first ones must not differ.

    Example:
        >>> [round(allowed_weight(size, 0.35), 1) for size in (3, 5, 10, 40)]
        [0.0, 0.5, 2.3, 12.8]
    """
    return max(0.0, max_distance * (size - _FREE))


def _trimmed(context: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans without the whitespace at their ends, which is no part of any word."""
    for start, end in spans:
        text = context[start:end]
        start, end = end - len(text.lstrip()), start + len(text.rstrip())
        if start < end:
            yield start, end


def _find_all(text: str, needle: str) -> Iterator[int]:
    position = text.find(needle)
    while position >= 0:
        yield position
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


def _without_overlaps(found: list[Occurrence]) -> list[Occurrence]:
    kept: list[Occurrence] = []
    for occurrence in sorted(found, key=lambda o: (-o.score, o.answer, o.start - o.end, o.start)):
        place = bisect_left(kept, occurrence.start, key=lambda o: o.start)
        free_before = place == 0 or kept[place - 1].end <= occurrence.start
        if free_before and (place == len(kept) or kept[place].start >= occurrence.end):
            kept.insert(place, occurrence)
    return kept
