"""Renewal of a test split: literal scores → literal difference and words, and the interval covers."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

import hf_mbdc.guidance.renewal as module
from hf_mbdc.errors import DataError
from hf_mbdc.guidance.renewal import renewal


def test_example_in_the_docstring() -> None:
    assert doctest.testmod(module).failed == 0


def test_words_and_figures() -> None:
    old, new = np.tile([1.0, 1, 1, 0], (3, 50)), np.tile([1.0, 0, 1, 0], (3, 40))
    found = renewal(old, new)
    assert (found.old, found.new, found.difference) == (0.75, 0.5, -0.25)
    assert (found.rows, found.clusters, found.seeds) == ((200, 160), (200, 160), 3)
    # Binomial: .433/√199 and .5/√159, which add up to .0502, times Student's 1.968.
    assert found.interval == pytest.approx((-0.25 - 0.0987, -0.25 + 0.0987), abs=1e-3)
    assert "harder, or the old ones had been fitted to" in str(found)
    assert "The new rows are easier" in str(renewal(new, old))
    same = renewal(old, np.tile([1.0, 1, 1, 0], (3, 40)))
    assert same.p_value == 1.0
    assert str(same).endswith("Nothing shows that the old split was worn out, down to a drop of 0.091.")


def test_clusters_widen_it_and_models_that_differ_between_the_splits_too() -> None:
    rows = np.tile(np.repeat([1.0, 0.0], 10), (2, 10))
    apart, together = renewal(rows, rows), renewal(rows, rows, np.arange(200) // 10, np.arange(200) // 10)
    assert np.ptp(together.interval) > 3 * np.ptp(apart.interval)
    shifted = renewal(rows, rows + np.array([[-0.2], [0.2]]))
    assert np.ptp(shifted.interval) > 4 * np.ptp(apart.interval)


def test_interval_covers_the_truth() -> None:
    rng, hits = np.random.default_rng(0), 0
    for _ in range(500):
        model = rng.normal(0, 0.02, (3, 1))
        old = model + rng.normal(0, 0.1, 60)[np.arange(240) % 60] + rng.normal(0, 0.2, (3, 240))
        new = model - 0.05 + rng.normal(0, 0.02, (3, 1)) + rng.normal(0, 0.1, 40)[np.arange(120) % 40]
        low, high = renewal(old, new + rng.normal(0, 0.2, (3, 120)), np.arange(240) % 60, np.arange(120) % 40).interval
        hits += low <= -0.05 <= high
    assert 0.93 <= hits / 500 <= 0.98


def test_bad_input_is_refused() -> None:
    with pytest.raises(DataError, match="with 2 seeds and the new one with 1"):
        renewal(np.zeros((2, 3)), np.zeros((1, 3)))
    with pytest.raises(DataError, match=r"missing or not finite \(split 'new'\)"):
        renewal([0, 1], [0, np.nan])
    with pytest.raises(DataError, match=r"All rows are of one cluster \(split 'old'\)"):
        renewal([0, 1], [0, 1], ["a", "a"])
    with pytest.raises(DataError, match="There are 1 labels for 2 rows"):
        renewal([0, 1], [0, 1], ["a"])
