"""Rows as the plain data that the page shows: texts cut at the places of interest, boxes by page, reasons in words.

Offsets in Python count characters and in JavaScript UTF-16 units, so every text is cut here and none there.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from hf_mbdc.transforms.boxes import box_problem, line_boxes, word_offsets, word_range

AROUND = 28  # characters of context shown beside a candidate
CANDIDATES = 40  # shown of a row, the best ones; the label always
TEXT_AROUND = 1500  # characters around a candidate that are shown of a long text
WORDS = 3000  # drawn of a page, those nearest to the candidates
BOX_BYTES = 24  # of a word's box and its punctuation, as JSON
DIFFERENCE = 400  # characters beyond which a match is not compared character by character

Row = Mapping[str, Any]


def candidates_of(row: Row) -> tuple[list[dict[str, Any]], int, int]:
    """The candidates to show in document order, which of them is the label (−1: none), and how many are left out."""
    label = (row["answer_start"], row["answer_end"])
    found = [dict(candidate) for candidate in row["candidates"] or []]
    if label[0] >= 0 and label not in [(c["start"], c["end"]) for c in found]:
        found.append({"start": label[0], "end": label[1], "score": row["match_score"], "extra": True})

    def worth(candidate: Row) -> tuple[bool, float, float]:
        return (candidate["start"], candidate["end"]) == label, _low(candidate["score"]), _low(candidate.get("choice"))

    kept = sorted(sorted(found, key=worth, reverse=True)[:CANDIDATES], key=lambda c: (c["start"], c["end"]))
    chosen = next((number for number, c in enumerate(kept) if (c["start"], c["end"]) == label), -1)
    return kept, chosen, len(found) - len(kept)


def _low(score: float | None) -> float:
    return -math.inf if score is None or math.isnan(score) else score


def candidate_view(candidate: Row, row: Row, layout: Layout) -> dict[str, Any]:
    """One candidate: its text between what stands before and after it, its scores, its boxes, and how it differs."""
    context, start, end = row["context"], candidate["start"], candidate["end"]
    text = context[start:end]
    view = {
        "start": start,
        "end": end,
        "text": text,
        "before": _before(context, start),
        "after": _after(context, end),
        "score": number(candidate["score"]),
        "choice": number(candidate.get("choice")),
        "boxes": layout.boxes(start, end),
    }
    if candidate.get("extra"):
        view["extra"] = True
    answers = [answer for answer in row["answers"] or [] if answer]
    if answers and _low(candidate["score"]) < 1 and len(text) <= DIFFERENCE:
        nearest = max(answers, key=lambda answer: difflib.SequenceMatcher(None, answer, text, False).ratio())
        view["difference"] = difference(nearest[:DIFFERENCE], text)
    return view


def _before(context: str, start: int) -> str:
    """What stands before a candidate, from the beginning of a word where there is one."""
    if start <= AROUND:
        return context[:start]
    cut = context[start - AROUND : start]
    head, blank, rest = cut.partition(" ")
    return "…" + (rest if blank and rest and "\n" not in head else cut)


def _after(context: str, end: int) -> str:
    if end + AROUND >= len(context):
        return context[end:]
    cut = context[end : end + AROUND]
    head, blank, rest = cut.rpartition(" ")
    return (head if blank and head and "\n" not in rest else cut) + "…"


def difference(given: str, found: str) -> list[tuple[str, str]]:
    """How the text that was found differs from the answer that was given: pieces kept (=), missing (-) and added (+).

    Example:
        >>> difference("RM 9.00", "RM 9,00")
        [('=', 'RM 9'), ('-', '.'), ('+', ','), ('=', '00')]
    """
    pieces: list[tuple[str, str]] = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, given, found, False).get_opcodes():
        if kind == "equal":
            pieces.append(("=", given[a:b]))
            continue
        pieces += [(sign, text) for sign, text in (("-", given[a:b]), ("+", found[c:d])) if text]
    return pieces


def text_pieces(context: str, spans: Sequence[tuple[int, int]]) -> list[tuple[str, int]]:
    """The text with its spans marked: (text, number of the span), −1 outside spans, −2 for a note on what is left out.

    Of a long text only what stands around the spans is given; without spans, its beginning.

    Example:
        >>> text_pieces("TOTAL 9.00", [(6, 10)])
        [('TOTAL ', -1), ('9.00', 0)]
    """
    keep = [(start - TEXT_AROUND, end + TEXT_AROUND) for start, end in spans] or [(0, 4 * TEXT_AROUND)]
    pieces: list[tuple[str, int]] = []
    position = 0
    ordered = sorted((start, end, number) for number, (start, end) in enumerate(spans))
    for begin, stop in _joined(keep, len(context)):
        _leave_out(pieces, begin - position)
        position = begin
        for start, end, number in ordered:
            if start < position or end > stop:  # of an earlier part, or over another span
                continue
            pieces += [(context[position:start], -1), (context[start:end], number)]
            position = end
        pieces.append((context[position:stop], -1))
        position = stop
    _leave_out(pieces, len(context) - position)
    return [piece for piece in pieces if piece[0]]


def _joined(ranges: Sequence[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """The ranges inside 0:length, those that touch or nearly touch joined."""
    joined: list[tuple[int, int]] = []
    for begin, end in sorted((max(0, a), min(length, b)) for a, b in ranges):
        if joined and begin <= joined[-1][1] + TEXT_AROUND // 4:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def _leave_out(pieces: list[tuple[str, int]], characters: int) -> None:
    if characters > 0:
        pieces.append((f"{characters:,} characters left out", -2))


class Layout:
    """The words of a document by page; no pages for a text, or where words and boxes do not fit the context."""

    def __init__(self, row: Row) -> None:
        self.context, self.words = row["context"], row.get("words") or []
        self.places = row.get("boxes") or []
        self.page_of = row.get("pages") or [0] * len(self.words)
        self.offsets: list[tuple[int, int]] = []
        sound = self.places and len(self.words) == len(self.page_of) and None not in self.words
        if sound and box_problem(self.words, self.places) is None:
            try:
                self.offsets = word_offsets(self.words, self.context)
            except ValueError:  # annotated by something else: its text is shown
                self.offsets = []

    def boxes(self, start: int, end: int) -> list[list[int]]:
        """[page, x0, y0, x1, y1] of every line of a span."""
        if not self.offsets:
            return []
        first, last = word_range(self.offsets, start, end)
        found: list[list[int]] = []
        while 0 <= first <= last:
            page, stop = self.page_of[first], first
            while stop < last and self.page_of[stop + 1] == page:
                stop += 1
            found += [[page, *box] for box in line_boxes(self.places, self.offsets, self.context, first, stop)]
            first = stop + 1
        return found

    @property
    def size(self) -> int:
        """About how many bytes its words and boxes take on the page."""
        return len(self.offsets) * BOX_BYTES + (len(self.context.encode()) if self.offsets else 0)

    def page_numbers(self) -> list[int]:
        """The pages that have words, in order."""
        return sorted(set(self.page_of)) if self.offsets else []

    def page(self, page: int, spans: Sequence[tuple[int, int]]) -> dict[str, Any]:
        """One page: its words with boxes, the height of a typical word, and what is left out far from the spans."""
        own = [i for i, other in enumerate(self.page_of) if other == page]
        if len(own) > WORDS:
            near = [word_range(self.offsets, *span)[0] for span in spans] or [0]
            own = sorted(sorted(own, key=lambda i: min(abs(i - other) for other in near))[:WORDS])
        words = [[*self.places[i], self.words[i]] for i in own]
        heights = [word[3] - word[1] for word in words if word[3] > word[1]]
        return {
            "page": page,
            "aspect": _aspect(words),
            "line": median(heights) if heights else 20,
            "words": words,
            "left_out": self.page_of.count(page) - len(own),
        }


def _aspect(words: Sequence[Sequence[Any]]) -> float:
    """Height by width of a page, such that its characters look like print: about half as wide as their line is high."""
    ratios = [(x1 - x0) / len(word) / (y1 - y0) for x0, y0, x1, y1, word in words if y1 > y0 and x1 > x0 and word]
    return round(min(max(median(ratios) / 0.45, 0.4), 6.0), 3) if ratios else 1.414


def number(value: float | None) -> float | None:
    """A float32 with the digits that it has, None for NaN and null."""
    if value is None or math.isnan(value):
        return None
    return float(f"{value:.6g}") if math.isfinite(value) else None
