"""Influence from gradients, and the score that says whether it foretells retrainings."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import hf_mbdc.guidance.influence as module
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.influence import influence, linear_datamodeling_score, rank_correlation

NUMBERS = st.integers(-1000, 1000).map(lambda hundredths: hundredths / 100)


def test_the_examples() -> None:
    assert doctest.testmod(module).failed == 0


def test_whitening_divides_by_what_the_training_rows_move() -> None:
    # RᵀR/n = diag(2, 8), mean eigenvalue 5, λ = .1 · 5: row 1 · (2 + .5)⁻¹, row 2 · (8 + .5)⁻¹.
    train, judged = [[2.0, 0.0], [0.0, 4.0]], [[1.0, 1.0], [0.0, -1.0]]
    assert influence(train, judged, damping=0.1).tolist() == [
        pytest.approx([2 / 2.5, 0.0]),
        pytest.approx([4 / 8.5, -4 / 8.5]),
    ]


def test_a_label_that_many_rows_share_is_worth_less_a_row() -> None:
    train = [[1.0, 0.0]] * 9 + [[0.0, 1.0]]
    found = influence(train, [[1.0, 0.0], [0.0, 1.0]], damping=0.01)
    assert found[9, 1] > 5 * found[0, 0] > 0


@given(arrays(float, (7, 4), elements=NUMBERS), arrays(float, (3, 4), elements=NUMBERS), st.floats(0.01, 1))
def test_both_ways_to_solve_agree(train: np.ndarray, judged: np.ndarray, damping: float) -> None:
    wide = np.hstack([train, np.zeros((7, 4))])  # 8 numbers for 7 rows: solved among the rows
    found = influence(wide, np.hstack([judged, np.zeros((3, 4))]), damping=2 * damping)  # of half the mean eigenvalue
    np.testing.assert_allclose(found, influence(train, judged, damping=damping), rtol=1e-6, atol=1e-7)


@given(arrays(float, (5, 3), elements=NUMBERS), st.floats(0.1, 10))
def test_the_scale_of_gradients_does_not_change_the_order(train: np.ndarray, scale: float) -> None:
    once, scaled = (influence(values, train, damping=0.1) for values in (train, scale * train))
    np.testing.assert_allclose(once, influence(scale * train, scale * train, damping=0.1), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(once, scaled * scale, rtol=1e-6, atol=1e-9)


def test_tiny_gradients_are_not_nothing() -> None:
    train, judged = np.array([[2.0, 0.0], [0.0, 4.0]]), np.eye(2)
    np.testing.assert_allclose(influence(train * 1e-200, judged * 1e-200), influence(train, judged), rtol=1e-12)


def test_rows_that_move_nothing_have_no_influence() -> None:
    assert influence(np.zeros((3, 2)), np.ones((2, 2))).tolist() == [[0.0, 0.0]] * 3


@pytest.mark.parametrize(
    ("train", "judged", "damping", "error", "message"),
    [
        ([[1.0]], [[1.0, 2.0]], 0.1, DataError, "Gradients have 1 and 2 numbers a row"),
        ([1.0], [[1.0]], 0.1, DataError, r"train has the shape \(1,\)"),
        ([[1.0]], np.empty((0, 1)), 0.1, DataError, r"evaluation has the shape \(0, 1\)"),
        ([[1.0], [np.nan]], [[1.0]], 0.1, DataError, r"A number of train is not finite \(row 1\)"),
        ([[1.0]], [[1.0]], 0.0, RecipeError, "damping is 0.0"),
        ([[1.0]], [[1.0]], np.nan, RecipeError, "damping is nan"),
    ],
)
def test_what_has_no_influence(train: object, judged: object, damping: float, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        influence(train, judged, damping=damping)


# --- the linear datamodeling score ---


SUBSETS = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]], bool)


def test_the_order_that_is_foretold_is_compared_row_by_row() -> None:
    effects = np.array([[1.0, 1.0], [2.0, 2.0], [4.0, 4.0], [8.0, 8.0]])
    right = SUBSETS @ effects[:, 0]
    found = linear_datamodeling_score(effects, SUBSETS, np.stack([np.exp(right), -right], 1), resamples=50)
    assert (found.score, found.subsets, found.rows) == (0.0, 6, 2)  # +1 and −1
    assert linear_datamodeling_score(effects, SUBSETS, np.stack([right, right], 1)).score == pytest.approx(1.0)
    assert linear_datamodeling_score(-effects, SUBSETS, np.stack([right, right], 1)).score == pytest.approx(-1.0)


def test_a_row_that_never_moves_is_left_out_and_a_constant_forecast_counts_as_none() -> None:
    effects = np.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0], [4.0, 4.0, 0.0], [8.0, 8.0, 0.0]])
    right = SUBSETS @ effects[:, 0]
    found = linear_datamodeling_score(effects, SUBSETS, np.stack([right, np.ones(6), right], 1))
    assert (found.rows, found.score) == (2, pytest.approx(0.5))


def test_the_interval_is_wider_where_rows_come_in_few_documents() -> None:
    rng = np.random.default_rng(0)
    subsets = rng.random((20, 30)) < 0.5
    effects = np.repeat(rng.normal(size=(30, 6)), 10, axis=1)  # ten rows a document, alike
    outputs = subsets @ effects + np.repeat(rng.normal(0, 4, (20, 6)), 10, axis=1)
    alone = linear_datamodeling_score(effects, subsets, outputs, resamples=300)
    together = linear_datamodeling_score(effects, subsets, outputs, np.repeat(np.arange(6), 10), resamples=300)
    assert alone.score == together.score
    assert np.ptp(together.interval) > 1.05 * np.ptp(alone.interval)
    assert together.interval[0] < together.score < together.interval[1]
    again = linear_datamodeling_score(effects, subsets, outputs, np.repeat(np.arange(6), 10), resamples=300)
    assert again == together
    assert str(together).startswith(f"{together.score:+.3f} (95% interval ")


@pytest.mark.parametrize(
    ("influences", "subsets", "outputs", "clusters", "message"),
    [
        (
            np.ones((4, 2)),
            SUBSETS,
            np.ones((6, 3)),
            None,
            r"influences \(4, 2\), subsets \(6, 4\) and outputs \(6, 3\)",
        ),
        (np.ones((3, 2)), SUBSETS, np.ones((6, 2)), None, "do not fit together"),
        (np.ones((4, 2)), SUBSETS[:4], np.ones((4, 2)), None, "4 retrainings say nothing about an order"),
        (np.ones((4, 2)), SUBSETS, np.ones((6, 2)), None, "No output differs between the retrainings"),
        (np.ones((4, 2)), SUBSETS, np.eye(6, 2), ["a"], "1 clusters for 2 rows"),
        (np.ones((4, 2)), SUBSETS, np.full((6, 2), np.inf), None, r"A number of outputs is not finite \(row 0\)"),
    ],
)
def test_what_cannot_be_validated(
    influences: np.ndarray, subsets: np.ndarray, outputs: np.ndarray, clusters: list | None, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        linear_datamodeling_score(influences, subsets, outputs, clusters)


def test_tied_ranks_get_their_mean() -> None:
    # Ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3: 4.5/√(4.5 · 5)
    found = rank_correlation(np.array([[1.0], [2.0], [2.0], [9.0]]), np.array([[1.0], [2.0], [3.0], [4.0]]))
    assert found.tolist() == pytest.approx([4.5 / np.sqrt(4.5 * 5)])


@settings(deadline=None)
@given(arrays(float, st.tuples(st.integers(2, 9), st.integers(1, 3)), elements=st.integers(0, 4).map(float)))
def test_rank_correlation_is_scipys(first: np.ndarray) -> None:
    from scipy.stats import spearmanr

    second = np.cos(first * 7).round(1) + np.arange(len(first))[:, None] % 3
    for column, value in enumerate(rank_correlation(first, second)):
        a, b = first[:, column], second[:, column]
        expected = 0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else spearmanr(a, b).statistic
        assert value == pytest.approx(expected, abs=1e-12)
