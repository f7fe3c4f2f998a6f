"""Intervals of ratios: what they hold, and what clusters do to them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.metrics import intervals
from hf_mbdc.metrics.intervals import ratio_estimates


def test_a_ratio_of_sums_not_a_mean_of_ratios() -> None:
    [one] = ratio_estimates(np.array([1, 0]), np.array([1, 3]))
    assert one.value == 0.25


def test_the_interval_of_a_share_is_the_binomial_one() -> None:
    scores = np.repeat([1.0, 0.0], [300, 100])
    [one] = ratio_estimates(scores, np.ones(400))
    half = 1.96 * math.sqrt(0.75 * 0.25 / 400)
    assert (one.low, one.high) == (pytest.approx(0.75 - half, abs=0.005), pytest.approx(0.75 + half, abs=0.005))
    [wide] = ratio_estimates(scores, np.ones(400), confidence=0.99)
    assert wide.high - wide.low > one.high - one.low


def test_rows_of_one_cluster_are_one_observation() -> None:
    """Each row ten times: the interval stays what it is for the row once."""
    scores = np.repeat([1.0, 0.0], [30, 10])
    [once] = ratio_estimates(scores, np.ones(40))
    clusters = [f"word {n % 40}" for n in range(400)]
    [clustered] = ratio_estimates(np.tile(scores, 10), np.ones(400), clusters)
    [alone] = ratio_estimates(np.tile(scores, 10), np.ones(400))
    assert (clustered.value, clustered.low, clustered.high) == (once.value, once.low, once.high)
    assert alone.high - alone.low < 0.5 * (clustered.high - clustered.low)


def test_coverage_of_the_interval() -> None:
    draw, covered = np.random.default_rng(0), 0
    for trial in range(200):
        sizes = draw.integers(1, 9, 80)
        right = draw.binomial(sizes, draw.beta(8, 2, 80))
        [one] = ratio_estimates(right, sizes, resamples=400, seed=trial)
        covered += one.low <= 0.8 <= one.high
    assert 0.90 <= covered / 200 <= 0.98


def test_parts_are_drawn_together_and_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(0)
    top, bottom = draw.random((50, 3)), draw.random((50, 3)) + 1
    together = ratio_estimates(top, bottom)
    [alone] = ratio_estimates(top[:, 1], bottom[:, 1])
    assert (alone.low, alone.high) == (pytest.approx(together[1].low), pytest.approx(together[1].high))
    monkeypatch.setattr(intervals, "_DRAWN", 50 * 7)
    assert ratio_estimates(top, bottom)[2].value == together[2].value
    assert ratio_estimates(top, bottom)[2].low == pytest.approx(together[2].low, abs=0.02)


def test_a_part_of_nothing_is_nan_and_a_part_of_little_is_that_of_the_draws_that_have_some() -> None:
    none, little = ratio_estimates(np.array([[0, 1.0], [0, 0]]), np.array([[0, 1.0], [0, 0]]))
    assert all(math.isnan(value) for value in (none.value, none.low, none.high))
    assert (little.value, little.low, little.high) == (1, 1, 1)


def test_wrong_rows() -> None:
    with pytest.raises(DataError, match="There are no rows to score"):
        ratio_estimates(np.zeros(0), np.zeros(0))
    with pytest.raises(DataError, match="There are 1 clusters for 2 rows"):
        ratio_estimates(np.ones(2), np.ones(2), ["a"])
    with pytest.raises(RecipeError, match="confidence is 95"):
        ratio_estimates(np.ones(2), np.ones(2), confidence=95)
