"""Bootstrap and sign flips of clusters: literal sums, exact p-values, and the lean of skewed clusters."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import hf_mbdc.guidance.resampling as module
from hf_mbdc.guidance.resampling import bootstrap_means, sign_flip, skewness


def test_example_in_the_docstring() -> None:
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=1)


def test_bootstrap_means_are_those_of_whole_clusters() -> None:
    sums, rows = np.array([[2.0, 0.0], [0.0, 3.0]]), np.array([[2.0, 0.0], [2.0, 1.0]])
    means = bootstrap_means(sums, rows, 1000, seed=0)
    assert sorted(set(means[:, 0])) == [0.0, 0.5, 1.0]
    assert np.mean(means[:, 0] == 0.5) == pytest.approx(0.5, abs=0.05)
    assert np.array_equal(np.isnan(means[:, 1]), means[:, 0] == 1.0)  # only the first cluster, without such a row
    assert set(means[~np.isnan(means[:, 1]), 1]) == {3.0}


@pytest.mark.parametrize(
    ("sums", "p_value"),
    [
        ([1, 1, 1, 1, 1, 1], 2 / 64),
        ([1, 1, 1, -1], 10 / 16),
        ([3, 1, 1], 2 / 8),
        ([3, -1, -1], 1.0),  # ±3 ±1 ±1 is never nearer to 0 than 1
        ([0, 0, 0], 1.0),
        ([0.1, 0.2, 0.3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 2 / 8),
    ],
)
def test_p_value_is_exact_where_all_flips_can_be_gone_through(sums: list[float], p_value: float) -> None:
    assert sign_flip(np.array(sums, float), 10_000, seed=0) == p_value
    assert sign_flip(-np.array(sums, float), 10_000, seed=0) == p_value


def test_drawn_flips_agree_with_all_flips() -> None:
    sums = np.random.default_rng(3).normal(0.5, 1, 13)
    assert sign_flip(sums, 8000, seed=0) == pytest.approx(sign_flip(sums, 8192, seed=0), abs=0.015)
    assert sign_flip(np.ones(40), 999, seed=0) == 1 / 1000


def test_skewness_of_a_lean_and_of_an_even_sample() -> None:
    even = np.tile([-1.0, 1.0], 50)
    lean = np.where(np.arange(100) < 5, 19.0, -1.0)
    factors = {}
    for name, values in (("even", even), ("lean", lean)):
        means = bootstrap_means(values[:, None], np.ones((100, 1)), 4000, seed=0)[:, 0]
        factors[name] = skewness(means, values.mean(), values - values.mean(), 0.05)
    assert factors["even"] == pytest.approx((1.0, 1.0), abs=0.06)
    assert factors["lean"][0] < 0.85 < 1.3 < factors["lean"][1]
    assert skewness(np.full(100, 0.5), 0.5, np.zeros(9), 0.05) == (1.0, 1.0)
