"""What the words of a question say about each of several places in a document, as numbers.

Every number is of the same make: for each word of the question (and each pair of neighbours) the occurrence that is
nearest to the place counts, with its likeness times how near it is; summed with the weight of the word. What differs is
what near means (a range in words, a side, the sentence, the page) and what a word weighs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from hf_mbdc.transforms.choose_text import ChoiceText, Matches

RANGES = (2.0, 5.0, 12.0, 30.0)  # words after which nearness has fallen to 1/e
PAGE_RANGES = (30.0, 120.0)  # the same on the page, of which a side is 1000
# What a word is worth that stands left on the line of a place, as labels do; above it, in its column; and elsewhere.
# Near matters little among the words of one line, for amounts stand far to the right of their labels.
LEFT, ABOVE, ELSEWHERE = 1.0, 0.3, 0.1
LABEL_RANGE = 1000.0  # of a page of 1000
RAREST = 3  # words of the question whose distance is a feature of its own
AT_ONCE = 1_000_000  # distances between places and matches that are in memory together
_FAR = 1e6

Span = tuple[int, int]


def _names() -> tuple[str, ...]:
    names = [f"sentence_{weight}" for weight in ("general", "here", "both", "square")]
    names += [f"{side}_sentence_{weight}" for side in ("previous", "next") for weight in ("general", "both")]
    names += [f"near_{r:g}_{weight}" for r in RANGES for weight in ("general", "here", "both", "square")]
    names += [f"{side}_{r:g}_{weight}" for side in ("left", "right") for r in RANGES for weight in ("general", "both")]
    names += ["nearest_general", "nearest_both", "head_general", "pair_5", "pair_15", "pair_sentence"]
    names += ["pair_left", "pair_right", *(f"rare_{rank}" for rank in range(RAREST))]
    names += [f"page_{r:g}" for r in PAGE_RANGES] + [
        "page_left",
        "page_above",
        "page_label",
        "sentence_length",
        "sentence_place",
    ]
    return tuple(names)


FEATURES = _names()


class Places:
    """Spans of a document against the matches of a question: (places, matches) distances and their sums.

    Args:
        text: the document.
        matches: of the question.
        spans: the characters of each place.
    """

    def __init__(self, text: ChoiceText, matches: Matches, spans: Sequence[Span]) -> None:
        self.text, self.matches = text, matches
        last_token = len(text.starts) - 1
        bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
        self.first = np.minimum(np.searchsorted(text.ends, bounds[:, 0], side="right"), last_token)
        self.last = np.maximum(np.searchsorted(text.starts, bounds[:, 1], side="left") - 1, self.first)
        first, last = self.first[:, None], self.last[:, None]
        self.left, self.right = matches.last < first, matches.first > last
        gap = np.where(
            self.left,
            text.place[first] - text.place[matches.last],
            text.place[matches.first] - text.place[last],
        )
        self.outside = self.left | self.right
        self.distance = np.where(self.outside, np.maximum(gap, 0.5), _FAR)
        self.sentences_on = text.sentence[matches.first] - text.sentence[first]
        self.units, self._unit_starts = np.unique(matches.unit, return_index=True)

    def best(self, nearness: np.ndarray) -> np.ndarray:
        """(places, units that occur) the best occurrence of each unit: its likeness times its nearness."""
        if not len(self.units):
            return np.zeros((len(self.first), 0))
        return np.maximum.reduceat(self.matches.similarity * nearness, self._unit_starts, axis=1)

    def on_page(self, upwards: float = 3.0) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """(places, matches): the distance between boxes, whether the match is left on the line, whether it is above.

        `upwards`: what a way up or down is worth, against one along the line. None without boxes.
        """
        boxes = self.text.token_boxes
        if boxes is None:
            return None
        place = boxes[self.first][:, None]
        match = boxes[self.matches.first][None]
        gap_x = np.maximum(np.maximum(place[..., 0] - match[..., 2], match[..., 0] - place[..., 2]), 0.0)
        gap_y = np.maximum(np.maximum(place[..., 1] - match[..., 3], match[..., 1] - place[..., 3]), 0.0)
        middle = (match[..., 1] + match[..., 3]) / 2
        on_line = (place[..., 1] <= middle) & (middle <= place[..., 3])
        left = on_line & (match[..., 2] <= place[..., 0] + 5)
        above = (match[..., 3] <= place[..., 1] + 5) & (gap_x == 0)
        return np.where(self.outside, np.hypot(gap_x, upwards * gap_y), _FAR), left & self.outside, above & self.outside


def features(text: ChoiceText, matches: Matches, spans: Sequence[Span]) -> np.ndarray:
    """(places, FEATURES) of a question, given its matches in the document.

    Example:
        >>> text = ChoiceText("Ann won in 1990. Bob won in 2014.")
        >>> found = features(text, text.matches("Who won in 2014?"), [(0, 3), (17, 20)])
        >>> found.shape == (2, len(FEATURES)), bool(found[0, 0] < found[1, 0])
        (True, True)
    """
    return in_parts(matches, spans, lambda part: _features(Places(text, matches, part)))


def in_parts(matches: Matches, spans: Sequence[Span], numbers: Callable[[Sequence[Span]], np.ndarray]) -> np.ndarray:
    """What `numbers` gives for the spans, some at a time: a long page has thousands of places and of matches each."""
    size = max(1, AT_ONCE // max(1, len(matches.unit)))
    return np.concatenate([numbers(spans[first : first + size]) for first in range(0, max(1, len(spans)), size)])


def _features(at: Places) -> np.ndarray:
    matches = at.matches
    general, here = matches.general[at.units], matches.rarity[at.units] / 3
    words = ~matches.is_pair[at.units]
    weights = np.stack([general, here, general * here, general**2], axis=1) * words[:, None]
    two = weights[:, [0, 2]]
    pair = (general * here * ~words)[:, None]
    same = (at.sentences_on == 0) & at.outside
    near = [np.exp(-at.distance / r) for r in RANGES]
    inverse = at.outside / (1 + at.distance)
    columns = [at.best(same) @ weights]
    columns += [at.best(at.outside & (at.sentences_on == on)) @ two for on in (-1, 1)]
    columns += [at.best(n) @ weights for n in near]
    columns += [at.best(side * n) @ two for side in (at.left, at.right) for n in near]
    columns += [
        at.best(inverse) @ two,
        at.best(np.exp(-at.distance / 6)) @ (general * words * matches.head[at.units])[:, None],
    ]
    columns += [at.best(n) @ pair for n in (near[1], np.exp(-at.distance / 15), same)]
    columns += [at.best(side * np.exp(-at.distance / 8)) @ pair for side in (at.left, at.right)]
    columns += [_rarest(at, general * here * words), _page(at, (general * here)[:, None]), _sentence(at)]
    return np.concatenate(columns, axis=1)


def _rarest(at: Places, weight: np.ndarray) -> np.ndarray:
    """(places, RAREST) −log of the distance to the rarest words of the question, 0 where there are fewer of them."""
    columns = np.zeros((len(at.first), RAREST))
    for rank, unit in enumerate(np.argsort(-weight, kind="stable")[:RAREST]):
        mine = at.matches.unit == at.units[unit]
        if weight[unit] > 0:
            unlike = -2 * np.log(at.matches.similarity[mine])
            columns[:, rank] = -np.log1p(np.minimum(at.distance[:, mine], 1000.0) + unlike).min(axis=1)
    return columns


def _page(at: Places, weight: np.ndarray) -> np.ndarray:
    found = at.on_page()
    if found is None:
        return np.zeros((len(at.first), len(PAGE_RANGES) + 3))
    distance, left, above = found
    near = [np.exp(-distance / r) for r in PAGE_RANGES]
    return np.concatenate(
        [at.best(n) @ weight for n in (*near, left, above * near[-1], label_nearness(*found))], axis=1
    )


def label_nearness(distance: np.ndarray, left: np.ndarray, above: np.ndarray) -> np.ndarray:
    """(places, matches) how much each match, as `Places.on_page` sees it, is like the label of each place."""
    return np.exp(-distance / LABEL_RANGE) * np.select([left, above], [LEFT, ABOVE], ELSEWHERE)


def _sentence(at: Places) -> np.ndarray:
    """How long the sentence of each place is, and how far into it the place stands: long ones hold more words."""
    sentence = at.text.sentence
    begins = np.searchsorted(sentence, sentence[at.first], side="left")
    length = np.searchsorted(sentence, sentence[at.first], side="right") - begins
    return np.stack([np.log(length), (at.first - begins) / length], axis=1)
