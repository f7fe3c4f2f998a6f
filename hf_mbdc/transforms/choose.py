"""The choice among several occurrences of an answer: a ladder, from what costs nothing to what knows the data.

Each rung is usable alone, as the option `choose` of `ExtractiveQA`:

1. `first`, `last`, `random`: by position alone; no scores. In articles the first is right in 74 % of the rows that have
   several, on forms and receipts in fewer.
2. `question`: the occurrence nearest to the question's own words. A pure function of the row: a word weighs as much as
   it is rare among the document's own sentences. On a page, near is measured between boxes, and a word left on the line
   or above counts most; in a text without boxes, in words, and a word of the same sentence counts too.
3. `learned`: the same words seen from all sides, weighed as the rows of the data itself teach whose answer occurs once
   (`choose_learned`). Needs no gold offsets, but at least 50 such rows.
4. The target model's own scores, out of fold: the step `relabel_occurrences`, over rounds until labels settle.

The rungs choose among the occurrences with the best match score and, of those, of the earliest answer in `answers`.
Other answers of a row (annotators say "port" and "an additional port") support the occurrences that they overlap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from hf_mbdc.transforms.choose_features import Places, Span, in_parts, label_nearness
from hf_mbdc.transforms.choose_learned import log_softmax
from hf_mbdc.transforms.choose_text import ChoiceText
from hf_mbdc.transforms.locate import Occurrence, SearchText, locate

TEXT_RANGE = 12.0  # words after which nearness has fallen to 1/e


def best_matches(found: Sequence[Occurrence]) -> list[int]:
    """The occurrences to choose among: best score, then earliest answer; [] for none."""
    best = max(((o.score, -o.answer) for o in found), default=None)
    return [index for index, o in enumerate(found) if (o.score, -o.answer) == best]


def by_position(rung: str, pool: Sequence[int], row_id: str, seed: int) -> int:
    """The `first`, the `last`, or one drawn by `seed` and the row's id and by nothing else.

    Example:
        >>> by_position("last", [0, 2], "row", 0)
        2
    """
    if rung == "random":
        draw = hashlib.sha256(f"{seed}:{row_id}".encode()).digest()
        return pool[int.from_bytes(draw[:8], "big") % len(pool)]
    return pool[0] if rung == "first" else pool[-1]


def question_scores(text: ChoiceText, question: str, spans: Sequence[Span], support: np.ndarray) -> np.ndarray:
    """(spans,) how near each is to the words of the question, as log-probabilities.

    Example:
        >>> text = ChoiceText("Ann won in 1990. Bob won in 2014.")
        >>> question_scores(text, "Who won in 2014?", [(4, 7), (21, 24)], np.zeros(2)).argmax().item()
        1
    """
    matches = text.matches(question)
    return log_softmax(in_parts(matches, spans, lambda part: _nearness(Places(text, matches, part))) + support)


def _nearness(at: Places) -> np.ndarray:
    """(places,) how near each is to the words of the question, weighted by how rare they are."""
    page = at.on_page()
    if page is None:
        same = (at.sentences_on == 0) & at.outside
        nearness = at.best(np.exp(-at.distance / TEXT_RANGE)) + at.best(same)
    else:
        nearness = at.best(label_nearness(*page))
    total: np.ndarray = nearness @ at.matches.rarity[at.units]
    return total


def support_of(text: SearchText, answers: Sequence[str], chosen: int, spans: Sequence[Span]) -> np.ndarray:
    """(spans,) how many of the other given answers stand in the document so that they overlap each span.

    Args:
        text: the document.
        answers: all that were given; equal ones count once.
        chosen: the index of the answer that the spans are occurrences of.
        spans: in document order.
    """
    support = np.zeros(len(spans))
    for answer in dict.fromkeys(answers):
        if answer == answers[chosen]:
            continue
        places = locate(text, [answer], max_distance=0.0)
        support += [any(place.start < end and start < place.end for place in places) for start, end in spans]
    return support


def margin(scores: Sequence[float]) -> float:
    """The best score minus the second best; NaN for fewer than two or where it is not finite.

    Example:
        >>> margin([-2.0, -0.5, float("nan")])
        1.5
    """
    known = sorted(score for score in scores if score == score)
    difference = known[-1] - known[-2] if len(known) > 1 else float("nan")
    return difference if abs(difference) < float("inf") else float("nan")
