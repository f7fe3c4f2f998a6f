"""Cohen's κ of two annotators and Fleiss' κ of several, each with an interval by the delta method."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.agreement import Agreement, check_confidence, normal_interval, read, row_sums
from hf_mbdc.guidance.ratings import RatingCounts, Ratings, compact, read_ratings

Weights = Literal["none", "linear", "quadratic"]


def cohen_kappa(
    first: Sequence[Any] | np.ndarray,
    second: Sequence[Any] | np.ndarray,
    weights: Weights = "none",
    *,
    values: Sequence[Any] | None = None,
    confidence: float = 0.95,
) -> Agreement:
    """Cohen's κ (1960; weighted 1968): 1 for full agreement, 0 for what two with these habits give by chance.

    Units that one of the two did not rate are left out, and counted. The interval is κ ± z·s, with s of Fleiss, Cohen &
    Everitt (1969); it wants some 50 units or more. κ is NaN when both gave one and the same value throughout.

    Args:
        first, second: (units,) ratings of each annotator, numbers or text, NaN or None for none.
        weights: how far two values differ: `none` (equal or not), `linear` or `quadratic` in the distance of their
            positions in `values` (not of the numbers themselves, as scikit-learn has it).
        values: all values in their order; None: those that occur, sorted.
        confidence: of the interval, in (0, 1).

    Raises:
        DataError: different numbers of units, no unit that both rated, a rating that is none of `values`.
        RecipeError: unknown weights, `confidence` out of range.

    Example:
        >>> round(cohen_kappa(["a", "a", "b", "b", "b"], ["a", "b", "b", "b", "b"]).value, 3)
        0.545
    """
    check_confidence(confidence)
    if len(first) != len(second):
        raise DataError(
            f"The first annotator has {len(first)} ratings, the second {len(second)}",
            mend="Give one a unit, None where there is none.",
        )
    both = isinstance(first, np.ndarray) and isinstance(second, np.ndarray)
    read = read_ratings(
        np.column_stack([first, second]) if both else list(zip(first, second, strict=True)), values=values
    )
    number = len(read.values)
    rated = read.codes[(read.codes >= 0).all(axis=1)].astype(np.intp)
    if not len(rated):
        raise DataError("No unit was rated by both annotators", mend="Give units that both rated.")
    shares = np.bincount(rated @ [number, 1], minlength=number**2).reshape(number, number) / len(rated)
    value, error = _weighted_kappa(shares, _weights(weights, number))
    return Agreement(
        statistic="Cohen's kappa",
        scale=weights,
        value=value,
        interval=normal_interval(value, error / math.sqrt(len(rated)), confidence),
        confidence=confidence,
        units=len(rated),
        left_out=read.units - len(rated),
        ratings=2 * len(rated),
        method="delta method",
    )


def fleiss_kappa(
    ratings: Any = None, *, counts: Any = None, values: Sequence[Any] | None = None, confidence: float = 0.95
) -> Agreement:
    """Fleiss' κ (1971): as many ratings for each unit, from whichever annotators.

    The interval is κ ± z·s, where s is from the influence of each unit (infinitesimal jackknife): units are the sample.
    κ is NaN when all ratings are the same value.

    Args:
        ratings, counts, values, confidence: as for `krippendorff_alpha`. Units without any rating are left out.

    Raises:
        DataError: units have different numbers of ratings, or only one each.
        RecipeError: `confidence` out of range, or not exactly one of `ratings` and `counts`.

    Example:
        >>> round(fleiss_kappa([["a", "a", "b"], ["b", "b", "b"], ["a", "a", "a"]]).value, 3)
        0.55
    """
    check_confidence(confidence)
    data = compact(read(ratings, counts, values))
    number = _ratings_of_a_unit(data)
    totals, agreeing, units = np.zeros(len(data.values)), 0.0, 0
    for block in _rated(data):
        totals += block.sum(axis=0)
        agreeing += _pairs_agreeing(block, number).sum()
        units += len(block)
    shares = totals / totals.sum()
    apart, chance = float(1 - agreeing / units), float(1 - shares @ shares)
    one_value = np.count_nonzero(totals) < 2
    value = math.nan if one_value else 1 - apart / chance
    squares = 0.0
    for block in _rated(data) if not one_value else ():
        by_chance = 2 * (1 - chance - block @ shares / number)
        influence = (_pairs_agreeing(block, number) - 1 + apart) / chance + apart * by_chance / chance**2
        squares += float(influence @ influence)
    error = math.sqrt(squares / (units * (units - 1))) if units > 1 and not one_value else math.nan
    return Agreement(
        statistic="Fleiss' kappa",
        scale="nominal",
        value=value,
        interval=normal_interval(value, error, confidence),
        confidence=confidence,
        units=units,
        left_out=data.units - units,
        ratings=units * number,
        method="infinitesimal jackknife",
    )


def _weights(weights: Weights, number: int) -> np.ndarray:
    distance = np.abs(np.subtract.outer(np.arange(number), np.arange(number))).astype(float)
    if weights == "none":
        return np.sign(distance)
    if weights not in ("linear", "quadratic"):
        raise RecipeError(f"There are no weights {weights!r}", mend="Take none, linear or quadratic.")
    return distance if weights == "linear" else distance**2


def _weighted_kappa(shares: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """κ of a table of shares, and the standard deviation of one unit's influence on it."""
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    observed, expected = float((weights * shares).sum()), float(rows @ weights @ columns)
    if not expected:
        return math.nan, math.nan
    marginal = np.add.outer(weights @ columns, rows @ weights)
    influence = (observed * marginal - expected * weights) / expected**2
    variance = (shares * influence**2).sum() - (shares * influence).sum() ** 2
    return 1 - observed / expected, math.sqrt(max(0.0, float(variance)))


def _ratings_of_a_unit(data: Any) -> int:
    number = 0
    for units, block in data.blocks():
        each = row_sums(block)
        number = number or round(each[each > 0][0]) if each.any() else number
        if (other := (each > 0) & (each != number)).any():
            raise DataError(
                f"Units have {number} ratings and {each[other][0]:g}, which Fleiss' kappa does not allow",
                unit=units.start + int(np.argmax(other)),
                mend="Take krippendorff_alpha, which does.",
            )
    if number < 2:
        raise DataError("No unit has two ratings", mend="Give units that two annotators rated: agreement needs two.")
    return number


def _rated(data: Ratings | RatingCounts) -> Iterator[np.ndarray]:
    """The counts of the units that have ratings."""
    for _, block in data.blocks():
        rated = row_sums(block) > 0
        yield block if rated.all() else block[rated]


def _pairs_agreeing(block: np.ndarray, number: int) -> np.ndarray:
    """Share of the pairs of ratings of each unit that agree."""
    return (row_sums(block**2) - number) / (number * (number - 1))
