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
   answer misread (`misread`): of n characters `max_distance` × (n − 3.75) may differ, on a page that reads badly
   (n − 2.9); look-alikes count half, words that are not there half as much again, and words that stand elsewhere on the
   page one more, unless much rarer than the answer's own. Of the digits no more may
   differ than of the letters, and none where they are most of the answer. Where nothing is near, an answer may stand in
   two parts with the lines of another column in between (`interrupted`).

Scores: 1.0 when the characters of the document are the answer's, but for the amount of whitespace and for what Unicode
calls canonically equal; otherwise 0.99 × (1 − Levenshtein distance / length of the longer), both folded. So a
difference in nothing but case scores 0.99. `scripts/eval_threshold.py` draws what each `max_distance` finds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.interrupted import nearest_in_two
from hf_mbdc.transforms.misread import MOST_WEIGHT, compare, digits_may_differ, has_digit
from hf_mbdc.transforms.numbers import is_negative
from hf_mbdc.transforms.same import Needle, Span, cuts_other_number, needle_for, same_but_for_writing, same_text
from hf_mbdc.transforms.search import Asked, Near, SearchIndex, near_places, vote
from hf_mbdc.transforms.searchable import SearchText as SearchText
from hf_mbdc.transforms.text import FoldedText, fold, has_hangul, jamo, plain

BEST_INEXACT = 0.99  # the score of a text that differs in nothing but what folding takes away
SCORE_MARGIN = 0.05  # an unsure occurrence this much worse than the best one is another text
MAX_DISTANCE = 0.35
_FREE, _FEWER = (
    3.75,
    0.85,
)  # characters of an answer that must not differ at all, and how many fewer on a page that reads badly
_WELL_READ, _BADLY_READ = 0.015, 0.020  # digits inside words for each letter; 0.007 with one character in 20 misread
_MUCH_RARER = 4  # times
_EDITS_PER_WEIGHT = 1.5  # look-alikes weigh half an edit


@dataclass(frozen=True)
class Occurrence:
    """A place of an answer: characters `start:end` of the context, its score, and the index of the answer."""

    start: int
    end: int
    score: float
    answer: int


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
    return locate_all([(text, answers)], max_distance=max_distance)[0]


def locate_all(
    asked: Sequence[tuple[SearchText, Sequence[str]]], *, max_distance: float = MAX_DISTANCE
) -> list[list[Occurrence]]:
    """`locate` for many questions, each a text and answers: the same, but step 3 looks for all of them in one go.

    Example:
        >>> text = SearchText("Total 9.00")
        >>> [[o.start for o in found] for found in locate_all([(text, ["total"]), (text, ["5.00"]), (text, ["9.5"])])]
        [[0], [], []]
    """
    needles = [
        [needle_for(text, number, answer) for number, answer in enumerate(answers) if answer.strip()]
        for text, answers in asked
    ]
    found = [_same(text, wanted) for (text, _), wanted in zip(asked, needles, strict=True)]
    if max_distance > 0:
        missed = [number for number, occurrences in enumerate(found) if not occurrences]
        nearest_ones = iter(_nearest([(asked[n][0], needle) for n in missed for needle in needles[n]], max_distance))
        for number in missed:
            found[number] = _best([occurrence for _ in needles[number] for occurrence in next(nearest_ones)])
    return [_without_overlaps(occurrences) for occurrences in found]


def _same(text: SearchText, needles: Sequence[Needle]) -> list[Occurrence]:
    """Steps 1 and 2."""
    needles = [needle for needle in needles if needle.may_stand or text.folded.has_clusters or has_digit(needle.text)]
    if not needles:
        return []
    for step in (same_text, same_but_for_writing):
        found = [_occurrence(text, needle, span) for needle in needles for span in step(text, needle)]
        if found:
            return found if step is same_text else _best(found)
    return []


def _nearest(missed: Sequence[tuple[SearchText, Needle]], max_distance: float) -> list[list[Occurrence]]:
    """Step 3: what is found for each needle."""
    hays, asked = [], []
    for text, needle in missed:
        hay, index, wanted = text.folded, text.index, needle.text
        if has_hangul(wanted):  # looked for by its jamo
            hay, index, wanted = text.jamo, text.jamo_index, jamo(fold(wanted)).text
        hays.append(hay)
        weight = allowed_weight(len(wanted), max_distance, index.noise)
        asked.append(Asked(index, wanted, round(_EDITS_PER_WEIGHT * weight)))
    found: list[list[Occurrence]] = []
    for (text, needle), hay, one, near in zip(missed, hays, asked, _near_spans(asked, max_distance), strict=True):
        spans = [hay.original(*span) for span in near if _may_be(text, hay, span, one.needle)]
        found.append([_occurrence(text, needle, span) for span in spans])
    return found


def _near_spans(asked: Sequence[Asked], max_distance: float) -> list[list[Span]]:
    """The parts of the text that can be each wanted one, misread or interrupted."""
    spans: list[list[Span]] = [[] for _ in asked]
    missed = [number for number, one in enumerate(asked) if one.limit > 0]
    votes = dict(zip(missed, vote([asked[number] for number in missed]), strict=True))
    for places in ([of.places for of in votes.values()], [of.others for of in votes.values()]):
        where = dict(zip(votes, places, strict=True))
        near = near_places([asked[number] for number in missed], [where[number] for number in missed])
        for number, parts in zip(missed, near, strict=True):
            one = asked[number]
            spans[number] = [(p.start, p.end) for p in parts if _is_misread(one.hay, one.needle, p, max_distance)]
        missed = [number for number in missed if not spans[number]]
    strictly = [
        asked[n]._replace(limit=int(allowed_weight(len(asked[n].needle), max_distance, asked[n].hay.noise)))
        for n in missed
    ]
    in_two = nearest_in_two(strictly, [votes[number] for number in missed])
    for number, one, both in zip(missed, strictly, in_two, strict=True):
        if both is not None and digits_may_differ(one.needle, both.difference, max_distance):
            spans[number] = [(both.start, both.end)]
    return spans


def _may_be(text: SearchText, hay: FoldedText, span: Span, wanted: str) -> bool:
    """Whether a near part is no part of another number, and has the wanted sign."""
    if text.follows_sign(hay.original(*span)[0]) or cuts_other_number(hay.text, *span, wanted):
        return False
    return is_negative(hay.text[slice(*span)]) == is_negative(wanted)


def _is_misread(index: SearchIndex, wanted: str, near: Near, max_distance: float) -> bool:
    """Whether a near text can be the wanted one, badly read."""
    allowed = allowed_weight(len(wanted), max_distance, index.noise)
    digits = has_digit(wanted)
    if near.distance <= min(2, allowed / 2) and not digits:
        return True
    found, own = index.text[near.start : near.end], wanted.split()
    others = [word for word in found.split() if len(word) > 1 and word not in own]
    if not digits and MOST_WEIGHT * near.distance + len(others) <= allowed:
        return True
    difference = compare(wanted, found)
    spare = allowed - difference.weight
    if spare < 0 or not digits_may_differ(wanted, difference, max_distance):
        return False
    return len(others) <= spare or _other_words(index, others, set(own).difference(found.split())) <= spare


def _other_words(index: SearchIndex, found: Sequence[str], wanted: Collection[str]) -> int:
    """How many words stand elsewhere too, but those much rarer than a wanted one: "te" is "the", misread there too."""
    counts = [count for word in found if (count := index.count(word)) > 1]
    own = max(map(index.count, wanted), default=0) if counts else 0
    return sum(_MUCH_RARER * count > own for count in counts)


def allowed_weight(size: int, max_distance: float, noise: float = 0.0) -> float:
    """How much of an answer of that many characters may differ, in edits; the first ones must not differ.

    Args:
        size: characters of the answer.
        max_distance: share of those that may differ.
        noise: of the document, digits inside words for each letter; on one that reads badly fewer must not differ.

    Example:
        >>> [round(allowed_weight(size, 0.35), 1) for size in (3, 5, 10, 40)]
        [0.0, 0.4, 2.2, 12.7]
        >>> round(allowed_weight(10, 0.35, noise=0.02), 1)
        2.5
    """
    badly = min(1.0, max(0.0, (noise - _WELL_READ) / (_BADLY_READ - _WELL_READ)))
    return max(0.0, max_distance * (size - _FREE + _FEWER * badly))


def _occurrence(text: SearchText, needle: Needle, span: Span) -> Occurrence:
    """The place with its score; whitespace at its ends is no part of it."""
    found = text.context[slice(*span)]
    end = span[0] + len(found.rstrip())
    start = span[1] - len(found.lstrip())
    return Occurrence(start, end, _score(text.context[start:end], needle.answer, needle.text), needle.number)


def _best(found: list[Occurrence]) -> list[Occurrence]:
    """Those that are not much worse than the best one."""
    if len(found) < 2:
        return found
    best = max(occurrence.score for occurrence in found)
    return [occurrence for occurrence in found if occurrence.score >= best - SCORE_MARGIN]


def match_score(found: str, answer: str) -> float:
    """How well a text of the document reads as the answer; see the module's docstring.

    Example:
        >>> match_score("SDN\\nBHD", "SDN BHD"), match_score("Sdn Bhd", "SDN BHD")
        (1.0, 0.99)
    """
    return _score(found, answer, fold(answer).text)


def _score(found: str, answer: str, folded: str) -> float:
    if found == answer:
        return 1.0
    found_folded = fold(found).text
    if found_folded == folded:
        return 1.0 if plain(found) == plain(answer) else BEST_INEXACT
    return BEST_INEXACT * Levenshtein.normalized_similarity(found_folded, folded)


def _without_overlaps(found: list[Occurrence]) -> list[Occurrence]:
    if len(found) < 2:
        return found
    kept: list[Occurrence] = []
    for occurrence in sorted(found, key=lambda o: (-o.score, o.answer, o.start - o.end, o.start)):
        place = bisect_left(kept, occurrence.start, key=lambda o: o.start)
        free_before = place == 0 or kept[place - 1].end <= occurrence.start
        if free_before and (place == len(kept) or kept[place].start >= occurrence.end):
            kept.insert(place, occurrence)
    return kept
