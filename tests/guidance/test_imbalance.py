"""Imbalance of classes, and the scores of rare ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.imbalance import effective_number, measure_imbalance, score_by_frequency


def test_a_long_tail_by_hand() -> None:
    found = measure_imbalance(["a"] * 70 + ["b"] * 15 + ["c"] * 10 + ["d"] * 4 + [None])
    assert [(c.name, c.rows, c.share) for c in found.classes] == [
        ("a", 70, 0.7),
        ("b", 15, 0.15),
        ("c", 10, 0.1),
        ("d", 4, 0.04),
        ("missing", 1, 0.01),
    ]
    assert found.ratio == 70
    assert (found.tail_classes, found.tail_rows) == (3, 15)  # 1 + 4 + 10 of 100; with 15 more they pass a fifth
    nats = -sum(p * math.log(p) for p in (0.7, 0.15, 0.1, 0.04, 0.01))
    assert found.entropy == pytest.approx(nats / math.log(5))
    assert found.effective_classes == pytest.approx(math.exp(nats))


@given(st.integers(1, 20), st.integers(1, 50))
def test_even_classes_are_even(classes: int, rows: int) -> None:
    found = measure_imbalance([str(number) for number in range(classes)] * rows)
    assert found.ratio == 1
    assert found.entropy == pytest.approx(1)
    assert found.effective_classes == pytest.approx(classes)


def test_the_effective_number_grows_to_its_bound() -> None:
    numbers = effective_number([1, 2, 100, 10**6], beta=0.9)
    assert numbers[:2].tolist() == pytest.approx([1.0, 1.9])
    assert numbers[2:].tolist() == pytest.approx([10.0, 10.0], abs=1e-3)


def test_scores_by_how_often_a_class_was_trained_on() -> None:
    labels = ["often", "often", "rare", "new", "never"]
    trained = ["often"] * 40 + ["rare"] * 2
    buckets = score_by_frequency([[1, 1, 0, 0, 1], [1, 0, 0, 0, 1]], labels, trained)
    assert [(b.name, b.classes, b.rows, b.score) for b in buckets] == [
        ("0", 2, 2, 0.5),
        ("1–2", 1, 1, 0.0),
        ("30–99", 1, 2, 0.75),
    ]
    assert all(bucket.interval[0] <= bucket.score <= bucket.interval[1] for bucket in buckets)
    assert [b.rows for b in score_by_frequency(np.ones(5), labels, [])] == [5]
    assert score_by_frequency([1.0], ["x"], ["x"] * 20_000)[0].name == "10,000 or more"


def test_bad_input_is_answered() -> None:
    with pytest.raises(DataError, match="There are no rows to count"):
        measure_imbalance([])
    with pytest.raises(RecipeError, match="tail_share is 1"):
        measure_imbalance(["a"], tail_share=1)
    with pytest.raises(DataError, match="2 scores, 1 labels and 1 clusters do not belong together"):
        score_by_frequency([1, 0], ["a"], ["a"])
