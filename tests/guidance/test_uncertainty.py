"""The variance of a crossed mean and its quantile: literal tables, tabled quantiles, and what they must never do."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hf_mbdc.guidance.uncertainty as module
from hf_mbdc.guidance.uncertainty import Uncertainty, crossed_quantile, student_quantile, uncertainty_of


def test_examples_in_the_docstrings() -> None:
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=2)


@pytest.mark.parametrize(
    ("df", "at_05", "at_01", "at_001"),  # Student's table, two-sided
    [(1, 12.7062, 63.6567, 636.619), (2, 4.30265, 9.92484, 31.5991), (10, 2.22814, 3.16927, 4.58689)],
)
def test_quantiles_are_students(df: float, at_05: float, at_01: float, at_001: float) -> None:
    found = student_quantile(np.array([0.05, 0.01, 0.001]), df)
    assert found == pytest.approx([at_05, at_01, at_001], rel=1e-4)


def test_quantiles_of_many_degrees_are_normal() -> None:
    assert student_quantile(np.array([0.05, 0.002]), 1e9) == pytest.approx([1.95996, 3.09023], rel=1e-4)


def test_a_table_of_cells_is_split_into_seeds_clusters_and_both() -> None:
    # Cells of seed effect ±1 and cluster effect −3, 0, 3 that simply add up: nothing is left for their meeting.
    cells = np.array([[-1.0], [1.0]]) + np.array([-3.0, 0.0, 3.0])
    found = uncertainty_of(cells * 2, np.full(3, 2.0))
    assert found.from_seeds == pytest.approx(2 / 2)  # variance 2 of the seeds' means, over 2 seeds
    assert found.from_clusters == pytest.approx(9 / 3)  # variance 9 of the clusters' means, over 3 clusters
    assert found.from_both == pytest.approx(0)
    assert found.cluster_df == pytest.approx(2)
    # ±1 crosswise is meeting alone: mean square 2 of 1 degree, over 4 cells.
    crossed = uncertainty_of(np.array([[1.0, -1.0], [-1.0, 1.0]]), np.ones(2))
    assert (crossed.from_both, crossed.from_seeds, crossed.from_clusters) == pytest.approx((1.0, 0.0, 0.0))
    # Added to cluster effects of −3, 0, 3, a meeting of ±1 is taken out of what the clusters show: 9/3 + 3/12 − 3/12.
    cells = np.array([-3.0, 0.0, 3.0]) + np.array([[-1.0, 0.0, 1.0], [1.0, 0.0, -1.0]])
    both = uncertainty_of(cells, np.ones(3))
    assert (both.from_both, both.from_clusters) == pytest.approx((4 / 2 / 6, 9 / 3 - 4 / 2 / 6))


def test_one_seed_speaks_of_its_clusters_alone() -> None:
    found = uncertainty_of(np.array([[1.0, 2.0, 3.0]]), np.ones(3))
    assert (found.from_seeds, found.from_clusters, found.seeds) == (0.0, pytest.approx(1 / 3), 1)
    assert found.half_width(0.05) == pytest.approx(4.303 / np.sqrt(3), rel=1e-3)


def test_clusters_of_other_sizes_count_as_fewer() -> None:
    sums = np.random.default_rng(0).normal(size=(3, 30))
    even, uneven = uncertainty_of(sums, np.ones(30)), uncertainty_of(sums, np.r_[20.0, np.ones(29)])
    assert even.cluster_df == pytest.approx(29)
    assert uneven.cluster_df < 2


@given(st.floats(0.0, 1.0), st.sampled_from([2, 3, 5]), st.floats(5.0, 500.0))
def test_quantile_lies_between_that_of_clusters_and_that_of_seeds(share: float, seeds: int, df: float) -> None:
    level = np.array([0.05])
    ends = sorted([float(student_quantile(level, df)[0]), float(student_quantile(level, seeds - 1)[0])])
    assert ends[0] - 1e-9 <= float(crossed_quantile(level, share, seeds, df)[0]) <= ends[1] + 1e-9


@given(st.floats(1e-4, 0.5), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_p_value_is_the_level_of_the_interval_that_just_reaches(alpha: float, seeds: float, clusters: float) -> None:
    known = Uncertainty(seeds, clusters, 0.0, 3, 50, 49.0)
    if known.variance > 1e-9:
        assert known.p_value(known.half_width(alpha)) == pytest.approx(alpha, rel=0.01)


def test_nothing_that_varies_is_sure() -> None:
    still = Uncertainty(0.0, 0.0, 0.0, 3, 50, 49.0)
    assert (still.half_width(0.05), still.p_value(0.0), still.p_value(0.1)) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize(("seeds", "lowest", "highest"), [(2, 93.8, 97.7), (3, 94.3, 96.4), (5, 94.6, 95.6)])
def test_the_quantile_covers_whatever_share_the_seeds_have(seeds: int, lowest: float, highest: float) -> None:
    rng = np.random.default_rng(1)
    for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        for both in (0.0, 0.5):  # of the rest, what comes from seed×cluster
            from_both, clusters = both * (1 - share), (1 - both) * (1 - share)
            seen = (share + from_both) * rng.chisquare(seeds - 1, 100_000) / (seeds - 1)
            width = crossed_quantile(np.array([0.05]), seen / (seen + clusters), seeds, 1e6) * np.sqrt(seen + clusters)
            covered = 100 * np.mean(np.abs(rng.normal(size=100_000)) <= width)  # ± .07
            assert lowest <= covered <= highest, (share, both)
