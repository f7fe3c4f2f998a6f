"""How reliable each annotator is: Krippendorff's α taken apart by who gave the ratings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.guidance.agreement import Level, check_confidence, coincidences
from hf_mbdc.guidance.ratings import Ratings, read_ratings


@dataclass(frozen=True)
class AnnotatorAgreement:
    """One entry an annotator, in the order of `names`; NaN where nobody else rated what this one did.

    `ratings` counts those that can be compared; `low` and `high` bound `alpha` with the confidence that was asked for.
    """

    names: tuple[Any, ...]
    ratings: np.ndarray
    alpha: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def columns(self) -> dict[str, list[Any]]:
        """As a table: `Dataset.from_dict(found.columns())`."""
        numbers = {name: getattr(self, name).tolist() for name in ("ratings", "alpha", "low", "high")}
        return {"annotator": list(self.names), **numbers}


def annotator_agreement(
    ratings: Any,
    level: Level = "nominal",
    *,
    annotators: Any | None = None,
    values: Sequence[Any] | None = None,
    confidence: float = 0.95,
) -> AnnotatorAgreement:
    """How well each annotator agrees with the others on the same units, on the scale of Krippendorff's α.

    1 − (mean difference from the others) / (difference expected by chance in all the ratings). The mean of it, each
    annotator weighing as many as their ratings, is α itself; so one below 0 differs from the others more than chance
    would, as one does who misread the guideline. It is leave-one-out agreement with chance taken off: unlike the
    confusion matrices of Dawid & Skene (1979), it needs no iteration, no few values, and holds for every level; but an
    annotator whose colleagues are poor looks poor too. The interval is normal, over the annotator's units.

    Args:
        ratings, annotators, values: as `read_ratings` takes them, or what it returned.
        level: as for `krippendorff_alpha`.
        confidence: of the intervals, in (0, 1).

    Raises:
        DataError, RecipeError: as `krippendorff_alpha` does.

    Example:
        >>> found = annotator_agreement([[1, 1, 2], [2, 2, 1], [1, 1, 2], [2, 2, 2]])
        >>> found.names, found.alpha.round(2).tolist()
        ((0, 1, 2), [0.29, 0.29, -0.41])
    """
    check_confidence(confidence)
    data = ratings if isinstance(ratings, Ratings) else read_ratings(ratings, annotators=annotators, values=values)
    if not data.names:
        raise DataError("Nobody knows who gave the ratings", mend="Give ratings, not counts.")
    found = coincidences(data, level)
    number, total, squares = _sums(data, found.differences)
    with np.errstate(invalid="ignore", divide="ignore"):  # 0/0: an annotator alone, or only one value
        mean = total / number
        spread = np.sqrt(np.maximum(0, squares / number - mean**2) / (number - 1))
        chance = found.expected / found.totals.sum() or math.nan
        alpha, reach = 1 - mean / chance, NormalDist().inv_cdf((1 + confidence) / 2) * spread / chance
    return AnnotatorAgreement(data.names, number, alpha, alpha - reach, np.minimum(1, alpha + reach))


def _sums(data: Ratings, differences: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each annotator: number of comparable ratings, sum and sum of squares of their mean difference from others."""
    number, total, squares = (np.zeros(len(data.names)) for _ in range(3))
    for units, block in data.blocks():
        codes = data.codes[units]
        given = (codes >= 0) & (block.sum(axis=1) > 1)[:, None]
        row, place = np.nonzero(given)
        who = place if data.annotators is None else data.annotators[units][given]
        # A rating does not differ from itself, so the sum over all of the unit is that over the others.
        apart = (block @ differences)[row, codes[given]] / (block.sum(axis=1)[row] - 1)
        for sums, terms in ((number, None), (total, apart), (squares, apart**2)):
            sums += np.bincount(who, terms, minlength=len(sums))
    return number.astype(int), total, squares
