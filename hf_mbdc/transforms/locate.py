"""Find every occurrence of the given answers in a document, and say how sure each one is.

The steps go from sure to unsure; a later one runs only when the ones before it found none of the answers:

1. **The same text**, after folding (`text.fold`). Every occurrence counts. Where some are whole words, those inside
   words are dropped; where none is, they stay: "Muslim" in "Muslims". Scripts without spaces know no inside of a word.
   A number is never found inside a longer one: "9.00" is in "RM9.00", not in "19.00", "9.005" or "1,239.00"; a date or
   a version is no number, so that "2016" is in "12.05.2016". A minus sign is part of its number: "9.00" is not in
   "-9.00" or "-RM9.00". A hyphen is none: behind a letter, digit or full stop ("X-9", "5-9", "NO.-9"), or before
   several numbers joined by hyphens, slashes or colons (dates, telephone numbers).
2. **Another spacing or punctuation** (`text.squeeze`), or for an amount **the same number written another way**
   ("RM 1,234.50" for "1234.5").
3. **The nearest text** by Levenshtein distance of the folded texts, at most `max_distance` × (length − 4), so that an
   answer below eight characters is never taken for another one. Of the digits of its numbers half as many may
   differ, and none where they are most of the answer: another digit is another amount, date or house.

Scores: 1.0 when the characters of the document are the answer's, but for the amount of whitespace and for what Unicode
calls canonically equal; otherwise 0.99 × (1 − Levenshtein distance / length of the longer), both folded. So a
difference in nothing but case scores 0.99.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial

from rapidfuzz.distance import Levenshtein

from hf_mbdc.transforms.edit_distance import is_word_boundary, nearest
from hf_mbdc.transforms.text import FoldedText, fold, plain, squeeze

BEST_INEXACT = 0.99  # the score of a text that differs in nothing but what folding takes away
SCORE_MARGIN = 0.05  # an unsure occurrence this much worse than the best one is another text
_SURE_LENGTH = 8  # squeezed characters from which a hit inside a word is no accident
_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_GROUPED = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}|\d+(?:[.,]\d+)?")
_CURRENCY = r"(?:[a-z]{0,2}[$€£¥₩₫₹]|rm|rp|myr|sgd|usd|eur|gbp|jpy|krw|cny|idr|vnd|thb|chf)"
_AMOUNT = re.compile(rf"(-?){_CURRENCY}?\s?(-?)(\d+(?:[.,]\d+)*)\s?{_CURRENCY}?")
# No en dash: " –1995" is the rest of a range.
_NEGATIVE = re.compile(
    rf"(?<![^\s(\[{{|:;,=*\"'“‘]){_CURRENCY}?([-−－﹣])(?:{_CURRENCY}\s?)?(?!\d[\d.,]*[-/:]\d)(\d+(?:[.,]\d+)*)", re.I
)


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
    def signs(self) -> dict[int, int]:
        """Every place behind a minus sign up to the first digit of its number → the place of the sign."""
        negative = [match for match in _NEGATIVE.finditer(self.context) if number_value(match[2]) is not None]
        return {place: m.start(1) for m in negative for place in range(m.end(1), m.start(2) + 1)}

    @cached_property
    def numbers(self) -> dict[Decimal, list[tuple[int, int]]]:
        """Every number of the context with its ranges, in order; a sign belongs to it."""
        found: dict[Decimal, list[tuple[int, int]]] = {}
        for match in _NUMBER.finditer(self.folded.text):
            value = number_value(match.group())
            if value is not None:
                start, end = self.folded.original(*match.span())
                sign = self.signs.get(start)
                found.setdefault(value if sign is None else -value, []).append((start if sign is None else sign, end))
        return found


def locate(text: SearchText, answers: Sequence[str], *, max_distance: float = 0.3) -> list[Occurrence]:
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
            Occurrence(start, end, match_score(text.context[start:end], answer), index)
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
    if found == answer or plain(found) == plain(answer):
        return 1.0
    return BEST_INEXACT * Levenshtein.normalized_similarity(fold(found).text, fold(answer).text)


def number_value(text: str) -> Decimal | None:
    """The value of a number with English or continental separators, or None when it is none (a date, a version).

    Example:
        >>> number_value("1,234.50"), number_value("1.234.567,5"), number_value("12.05.2016")
        (Decimal('1234.5'), Decimal('1234567.5'), None)
    """
    if not _GROUPED.fullmatch(text) or not text.isascii():
        return None
    if text.count(",") + text.count(".") == 1:
        separator = "," if "," in text else "."
        # A comma before exactly three digits groups thousands; anything else is the decimal sign.
        groups = separator == "," and len(text) - text.index(",") == 4
        text = text.replace(separator, "" if groups else ".")
    elif text.count(".") > 1 or -1 < text.rfind(".") < text.rfind(","):
        text = text.replace(".", "").replace(",", ".")
    else:
        text = text.replace(",", "")
    return Decimal(text).normalize()


def _same_text(text: SearchText, answer: str, needle: FoldedText, _: float) -> list[tuple[int, int]]:
    """Step 1. Whole words if there are any; hits inside a cluster only for what folding cannot see."""
    hay = text.folded.text
    hits = []
    if needle.text:
        for start in _find_all(hay, needle.text):
            end = start + len(needle.text)
            if not _cuts_number(hay, start, end) and text.folded.starts[start] not in text.signs:
                hits.append((start, end))
        whole = [hit for hit in hits if _is_whole(hay, *hit)]
        hits = [text.folded.original(*hit) for hit in whole or hits]
    if not hits:
        size = len(answer)
        raw = [(start, start + size) for start in _find_all(text.context, answer)]
        hits = [hit for hit in raw if not _cuts_number(text.context, *hit) and hit[0] not in text.signs]
    return hits


def _same_but_for_writing(text: SearchText, answer: str, needle: FoldedText, _: float) -> list[tuple[int, int]]:
    """Step 2. An amount by its value; anything else by its letters and digits: four, unless only spaces differ."""
    amount = _AMOUNT.fullmatch(needle.text)
    if amount:
        value = number_value(amount[3])
        if value is None:
            return []
        return text.numbers.get(-value if amount[1] or amount[2] else value, [])
    squeezed = squeeze(needle).text
    if not squeezed:
        return []
    hits = []
    for position in _find_all(text.squeezed.text, squeezed):
        start, end = text.squeezed.original(position, position + len(squeezed))
        start, end = _with_outer_punctuation(text.context, start, end, answer)
        found = fold(text.context[start:end]).text
        if len(squeezed) < 4 and found.replace(" ", "") != needle.text.replace(" ", ""):
            continue
        if Levenshtein.normalized_distance(found, needle.text) > 0.5 or _cuts_number(text.context, start, end):
            continue
        if _is_negative(found) != _is_negative(needle.text) or start in text.signs:
            continue
        if _is_whole(text.context, start, end) or len(squeezed) >= _SURE_LENGTH:
            hits.append((start, end))
    return hits


def _nearest_text(text: SearchText, answer: str, needle: FoldedText, max_distance: float) -> list[tuple[int, int]]:
    """Step 3. The nearest part of the text, then the same left and right of it."""
    limit = int(max_distance * (len(needle.text) - 4))
    if limit < 1:
        return []
    hay = text.folded.text
    digits = _digits(needle.text)
    mostly_digits = 2 * len(digits) >= sum(map(str.isalnum, needle.text))
    digit_limit = 0 if mostly_digits else int(max_distance * len(digits) / 2)
    hits, parts = [], [(0, len(hay))]
    while parts:
        low, high = parts.pop()
        near = nearest(needle.text, hay[low:high], limit, partial(_is_boundary, hay, low))
        if near is None:
            continue
        start, end = low + near.start, low + near.end
        parts += [(low, start), (end, high)]
        if digits and Levenshtein.distance(_digits(hay[start:end]), digits) > digit_limit:
            continue
        if _is_negative(hay[start:end]) == _is_negative(needle.text) and text.folded.starts[start] not in text.signs:
            hits.append(text.folded.original(start, end))
    return hits


def _trimmed(context: str, spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The spans without the whitespace at their ends, which is no part of any word."""
    for start, end in spans:
        text = context[start:end]
        start, end = end - len(text.lstrip()), start + len(text.rstrip())
        if start < end:
            yield start, end


def _is_boundary(text: str, offset: int, position: int) -> bool:
    return is_word_boundary(text, offset + position)


def _find_all(text: str, needle: str) -> Iterator[int]:
    position = text.find(needle)
    while position >= 0:
        yield position
        position = text.find(needle, position + 1)


def _is_whole(text: str, start: int, end: int) -> bool:
    return is_word_boundary(text, start) and is_word_boundary(text, end)


def _cuts_number(text: str, start: int, end: int) -> bool:
    """Whether a range begins or ends inside a number, decimal signs and grouping included."""
    for position, step in ((start - 1, -1), (end, 1)):
        inner = text[position - step]
        if not inner.isdigit() or not 0 <= position < len(text):
            continue
        if text[position].isdigit():
            return True
        beyond = position + step
        if text[position] in ".," and 0 <= beyond < len(text) and text[beyond].isdigit():
            # "05" in "12.05.2016" is fine: a date is no number.
            low, high = position, position + 1
            while low and (text[low - 1].isdigit() or text[low - 1] in ".,"):
                low -= 1
            while high < len(text) and (text[high].isdigit() or text[high] in ".,"):
                high += 1
            if number_value(text[low:high].strip(".,")) is not None:
                return True
    return False


def _is_negative(folded: str) -> bool:
    """Whether a folded text begins with a negative number."""
    return _NEGATIVE.match(folded) is not None


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


def _digits(text: str) -> str:
    """The digits of the words that are mostly digits; a misread "w3ould" is no number."""
    digits = ""
    for word in _WORD.findall(text):
        own = "".join(filter(str.isdigit, word))
        digits += own if 2 * len(own) >= len(word) else ""
    return digits


def _without_overlaps(found: list[Occurrence]) -> list[Occurrence]:
    kept: list[Occurrence] = []
    for occurrence in sorted(found, key=lambda o: (-o.score, o.answer, o.start - o.end, o.start)):
        place = bisect_left(kept, occurrence.start, key=lambda o: o.start)
        free_before = place == 0 or kept[place - 1].end <= occurrence.start
        if free_before and (place == len(kept) or kept[place].start >= occurrence.end):
            kept.insert(place, occurrence)
    return kept
