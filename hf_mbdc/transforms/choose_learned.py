"""A scorer of occurrences, learned from the rows of the data itself whose answer occurs once. No gold offset is read.

Where an answer occurs once, that place is the right one, and other places of its document that look like it (as many
words; a number, a name, a long or a short word) are wrong ones. What tells the two apart (`choose_features`: which of
the question's words stand near, on which side, in the same sentence, on the page) also tells apart the places of an
answer that occurs several times. The model is a conditional logit: a softmax over the places of one row,
L2-regularised, by Newton's method. The rows whose answer occurs several times, which are the ones to choose in, are
never fitted, so no row trains its own label. They tell one number: how much more often than by chance the scorer, where
it is sure, takes an earlier occurrence. Articles explain a thing where they first mention it, receipts repeat their
total at the end.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.transforms.choose_features import FEATURES, Span, features
from hf_mbdc.transforms.choose_text import ChoiceText, Matches, count_rarities, question_words

MIN_ROWS = 50  # with an answer that occurs once; fewer do not settle the weights
MAX_ROWS = 4000  # more do not change them
WRONG_PLACES = 12  # of a row, at most
COMMON_WORDS = 1000  # whose rarity is kept; the others are rare
PENALTY = 50.0
# The wrong places of the training are other texts, which is easier than other occurrences of one text: the scores are
# too sure by about this factor (set by looking at SQuAD and XQuAD, where 1 to 2 do equally well).
OVERCONFIDENCE = 1.5
SURE = 2.0  # log-odds from which a row counts for the preference for early occurrences
SUPPORT = 4.0  # log-odds for each other given answer that overlaps an occurrence


@dataclass(frozen=True)
class Chooser:
    """What was learned: plain numbers, so that `dataclasses.asdict` makes JSON of it and `Chooser(**…)` reads it back.

    Args:
        weights: by the name of the feature, see `choose_features.FEATURES`.
        rarities: how rare the commonest words are; the key "" is for all others.
        early: log-odds that an occurrence loses for log(1 + occurrences before it); below 0 where late ones are right.
        rows: how many rows it was learned from.
    """

    weights: Mapping[str, float]
    rarities: Mapping[str, float]
    early: float
    rows: int

    def scores(self, text: ChoiceText, question: str, spans: Sequence[Span], support: np.ndarray) -> np.ndarray:
        """(spans,) log-probabilities that each span, of all in document order, is the one the question asks for.

        `support`: (spans,) how many other given answers overlap each.
        """
        matches = text.matches(question, self.rarities)
        weights = np.array([self.weights.get(name, 0.0) for name in FEATURES])
        evidence = features(text, matches, spans) @ weights + SUPPORT * support
        return log_softmax(evidence / OVERCONFIDENCE - self.early * np.log1p(np.arange(len(spans))))


def read_chooser(data: Mapping[str, Any]) -> Chooser:
    """A `Chooser` from what JSON made of one.

    Raises:
        RecipeError: it is none; the message says what is wrong.
    """
    wanted = {field.name for field in dataclasses.fields(Chooser)}
    tables = [data.get(name) for name in ("weights", "rarities")]
    numbers = [data.get("early"), data.get("rows"), *(v for t in tables if isinstance(t, Mapping) for v in t.values())]
    sound = all(isinstance(table, Mapping) and all(type(key) is str for key in table) for table in tables)
    sound = sound and all(type(number) in (int, float) and math.isfinite(number) for number in numbers)
    if set(data) != wanted or not sound or "" not in (tables[1] or {}):
        raise RecipeError(
            "choose is a mapping, but none that was learned",
            key="choose",
            mend="Give the whole of hf_mbdc.fit(dataset, approach).options()['choose'], or 'learned'.",
        )
    if unknown := sorted(set(data["weights"]) - set(FEATURES)):
        raise RecipeError(
            f"choose has weights of unknown features: {', '.join(unknown[:3])}",
            key="choose.weights",
            mend="Learn anew with hf_mbdc.fit: the features have changed since.",
        )
    return Chooser(dict(data["weights"]), dict(data["rarities"]), float(data["early"]), int(data["rows"]))


@dataclass(frozen=True)
class Example:
    """A row to learn from: its places, in document order; the right one where it is known (the answer occurs once)."""

    key: str
    text: ChoiceText
    question: str
    spans: tuple[Span, ...]


def fit_chooser(examples: Iterable[Example]) -> Chooser:
    """Learns from the examples with one place; those with several tell the preference for early ones.

    The result does not depend on the order of the examples.

    Raises:
        DataError: fewer than `MIN_ROWS` rows to learn from.
    """
    ordered = sorted(examples, key=lambda example: example.key)
    once = [example for example in ordered if len(example.spans) == 1]
    rarities = count_rarities([_words(sentence) for sentence in _sentences(ordered)], COMMON_WORDS)
    rows = []
    for example in once:
        spans = [*example.spans, *wrong_places(example.text, example.spans[0], example.key)]
        if len(spans) > 1:
            rows.append(_features(example, rarities, spans))
    if len(rows) < MIN_ROWS:
        raise DataError(
            f"There are {len(rows)} rows whose answer occurs once; choose='learned' learns from them",
            needed=MIN_ROWS,
            mend="Take choose='question', which learns nothing, or a Chooser learned from more rows of this kind.",
        )
    weights = fit_logit(rows)
    several = [_features(example, rarities, example.spans) @ weights for example in ordered if len(example.spans) > 1]
    named = {name: float(weight) for name, weight in zip(FEATURES, weights, strict=True)}
    return Chooser(named, rarities, early_preference(several), len(rows))


def _features(example: Example, rarities: Mapping[str, float], spans: Sequence[Span]) -> np.ndarray:
    matches: Matches = example.text.matches(example.question, rarities)
    return features(example.text, matches, spans)


def _sentences(examples: Sequence[Example]) -> Iterable[list[str]]:
    """The folded words of every sentence of every document, each document once, and of every question."""
    for text in {example.text.context: example.text for example in examples}.values():
        words = np.array(text.folded, dtype=object)[text.is_word]
        sentence = text.sentence[text.is_word]
        yield from (part.tolist() for part in np.split(words, np.flatnonzero(np.diff(sentence)) + 1))
    for question in dict.fromkeys(example.question for example in examples):
        yield question_words(question)


def _words(sentence: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(sentence))


def wrong_places(text: ChoiceText, right: Span, key: str) -> list[Span]:
    """Up to `WRONG_PLACES` spans of as many words as the right one that begin with the same kind of word.

    Which ones, is drawn by `key` and nothing else.
    """
    first = min(int(np.searchsorted(text.ends, right[0], side="right")), len(text.starts) - 1)
    last = max(int(np.searchsorted(text.starts, right[1], side="left")) - 1, first)
    begins = np.arange(len(text.starts) - (last - first))
    ends = begins + (last - first)
    free = (text.ends[ends] <= right[0]) | (text.starts[begins] >= right[1])
    alike = (text.kinds[begins] == text.kinds[first]) & text.is_word[ends]
    chosen = begins[free & alike & ~text.begins_sentence[begins]]
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
    mixed = (chosen.astype(np.uint64) * np.uint64(2654435761) + np.uint64(seed)) % np.uint64(4294967291)
    order = chosen[np.argsort(mixed * np.uint64(40503) % np.uint64(4294967291), kind="stable")][:WRONG_PLACES]
    return [(int(text.starts[i]), int(text.ends[i + last - first])) for i in order]


def fit_logit(rows: Sequence[np.ndarray], penalty: float = PENALTY) -> np.ndarray:
    """(features,) weights of a conditional logit whose right place is the first of each row; by Newton's method.

    The penalty is on standardised features; one that never varies gets the weight 0.

    Example:
        >>> weights = fit_logit([np.array([[1.0, 5.0], [0.0, 5.0]])] * 9, penalty=1.0)
        >>> bool(weights[0] > 0), float(weights[1])
        (True, 0.0)
    """
    stacked = np.concatenate(rows)
    spread = stacked.std(axis=0)
    varies = spread > 1e-9
    data = ((stacked - stacked.mean(axis=0)) / np.where(varies, spread, 1.0))[:, varies]
    begins = np.cumsum([0, *(len(row) for row in rows[:-1])])
    row_of = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    weights = np.zeros(data.shape[1])
    for _ in range(100):
        score = data @ weights
        odds = np.exp(score - np.maximum.reduceat(score, begins)[row_of])
        weighted = data * (odds / np.add.reduceat(odds, begins)[row_of])[:, None]
        means = np.add.reduceat(weighted, begins, axis=0)
        slope = data[begins].sum(axis=0) - means.sum(axis=0) - penalty * weights
        curvature = weighted.T @ data - means.T @ means + penalty * np.eye(len(weights))
        step = np.linalg.solve(curvature, slope)
        weights += step * min(1.0, 2.0 / np.abs(step).max(initial=1e-12))  # a full step may overshoot far away
        if np.abs(step).max(initial=0.0) < 1e-9:
            break
    fitted = np.zeros(len(spread))
    fitted[varies] = weights / spread[varies]
    return fitted


def early_preference(scores: Sequence[np.ndarray]) -> float:
    """The log-odds per log(1 + rank) that explain best which occurrence wins where one wins clearly; 0.0 without any.

    Args:
        scores: of each row whose answer occurs several times, its places in document order.
    """
    values = np.linspace(-4, 4, 161)
    likelihood = -0.5 * values**2  # few rows tell little
    for row in scores:
        best = np.sort(row)
        if best[-1] - best[-2] > SURE:
            log_odds = -values[:, None] * np.log1p(np.arange(len(row)))
            likelihood += log_odds[:, np.argmax(row)] - np.log(np.exp(log_odds).sum(axis=1))
    return round(float(values[np.argmax(likelihood)]), 2)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Scores as log-probabilities."""
    shifted = scores - scores.max(initial=-np.inf)
    result: np.ndarray = shifted - np.log(np.exp(shifted).sum())
    return result
