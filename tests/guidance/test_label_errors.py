"""Label errors: planted errors by hand, the order of rows, what is estimated, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.guidance import label_errors
from hf_mbdc.guidance.label_errors import find_label_errors, rank_by_quality


def planted(rows: int = 600, classes: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities that know the true class fairly well, and which labels were changed to the next class."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, rows)
    logits = rng.normal(size=(rows, classes)) + 3.0 * np.eye(classes)[true]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wrong = rng.random(rows) < 0.1
    return np.where(wrong, (true + 1) % classes, true), probabilities, wrong


def test_a_planted_error_is_the_first_to_review_with_the_class_that_the_model_sees() -> None:
    labels = [0] * 6 + [1] * 6 + [2] * 6
    probabilities = np.full((18, 3), 0.05) + 0.85 * np.eye(3)[labels]
    probabilities[7] = [0.05, 0.05, 0.9]
    found = find_label_errors(labels, probabilities)
    assert found.to_review().tolist() == [7]
    assert found.suggested.tolist() == [0] * 6 + [1, 2] + [1] * 4 + [2] * 6
    assert found.rank[7] == 1
    assert found.error_rate == pytest.approx(1 / 18)
    assert found.joint.tolist() == pytest.approx(np.array([[6, 0, 0], [0, 5, 1], [0, 0, 6]]) / 18)


def test_the_confident_joint_counts_by_thresholds_not_by_the_largest_probability() -> None:
    # The thresholds are .5 and .71: the last row reaches that of class 0, the one before neither.
    labels = np.array([0, 0, 1, 1, 1, 1])
    probabilities = np.array([[0.5, 0.5], [0.5, 0.5], [0.05, 0.95], [0.1, 0.9], [0.45, 0.55], [0.55, 0.45]])
    joint = label_errors._confident_joint(labels, probabilities, 1.0)
    assert (6 * joint).round(9).tolist() == [[2, 0], [1, 3]]


def test_the_noise_matrix_says_what_is_given_to_rows_of_a_true_class() -> None:
    labels = np.array([0] * 50 + [1] * 50)
    probabilities = 0.02 + 0.96 * np.eye(2)[[0] * 50 + [1] * 40 + [0] * 10]  # 10 of the 60 that look like 0 are given 1
    noise = label_errors._fit_noise(labels, probabilities, 1.0)
    assert noise.sum(axis=1) == pytest.approx([1, 1])
    assert noise[0, 1] == pytest.approx(10 / 60, abs=0.05)  # drawn to the mean of both classes
    assert noise[1, 0] < 0.05


def test_a_row_whose_given_label_the_model_prefers_is_not_suspected() -> None:
    # The joint calls four rows wrong, as class 1 has a low threshold; of the first four ranks only two differ.
    labels = np.array([0] * 10 + [1] * 4)
    probabilities = np.array(
        [[0.95, 0.05]] * 6 + [[0.6, 0.4]] * 2 + [[0.3, 0.7]] * 2 + [[0.55, 0.45]] * 2 + [[0.7, 0.3]] * 2
    )
    found = find_label_errors(labels, probabilities)
    assert (probabilities.argmax(axis=1) != labels)[found.suspected].all()
    assert 0 < found.suspected.sum() < round(found.error_rate * 14)


def test_of_two_equally_unlikely_labels_the_one_that_goes_wrong_more_often_is_more_suspect() -> None:
    # Label 1 is often given to rows of class 0, label 2 never. Two rows look the same and have one of these each.
    labels = np.array([0] * 40 + [1] * 60 + [2] * 40)
    probabilities = np.full((140, 3), 0.03)
    probabilities[np.arange(140), labels] = 0.94
    probabilities[40:60] = [0.94, 0.03, 0.03]  # errors: given 1, look like 0
    probabilities[99], probabilities[139] = [0.8, 0.1, 0.1], [0.8, 0.1, 0.1]
    found = find_label_errors(labels, probabilities)
    assert found.quality[99] < found.quality[139]


def test_of_two_equally_unlikely_labels_the_row_that_looks_like_every_class_is_more_suspect() -> None:
    labels = np.arange(400) % 4
    probabilities = np.full((400, 4), 0.02)
    probabilities[np.arange(400), labels] = 0.94
    probabilities[0], probabilities[4] = [0.1, 0.3, 0.3, 0.3], [0.1, 0.9, 0.0, 0.0]
    found = find_label_errors(labels, probabilities)
    assert found.quality[0] < found.quality[4] < found.quality[8]


def test_planted_errors_come_first_and_their_number_is_near() -> None:
    labels, probabilities, wrong = planted()
    found = find_label_errors(labels, probabilities)
    assert wrong[found.rank <= wrong.sum()].mean() > 0.8
    assert found.suspected.sum() == pytest.approx(wrong.sum(), rel=0.35)
    assert found.error_rate == pytest.approx(wrong.mean(), rel=0.4)
    assert (found.suggested[found.suspected] != labels[found.suspected]).all()


def test_more_planted_errors_come_first_than_by_the_plain_probability_of_the_label() -> None:
    ours, plain = 0, 0
    for seed in range(3):
        labels, probabilities, wrong = planted(2000, classes=8, seed=seed)
        ours += wrong[find_label_errors(labels, probabilities).rank <= wrong.sum()].sum()
        own = probabilities[np.arange(len(labels)), labels]
        plain += wrong[rank_by_quality(own) <= wrong.sum()].sum()
    assert ours > 1.03 * plain


@pytest.mark.parametrize("power", [0.3, 3.0])
def test_a_model_that_is_too_sure_or_not_sure_enough_ranks_the_same(power: float) -> None:
    labels, probabilities, _ = planted()
    other = probabilities**power
    one, two = (find_label_errors(labels, table) for table in (probabilities, other / other.sum(axis=1, keepdims=True)))
    assert one.rank.tolist() == two.rank.tolist()
    assert one.quality == pytest.approx(two.quality, abs=1e-4)


def test_the_calibrating_power_makes_the_labels_most_likely() -> None:
    labels, probabilities, _ = planted()

    def likelihood(power: float) -> float:
        table = probabilities**power
        table /= table.sum(axis=1, keepdims=True)
        return float(np.log(table[np.arange(len(labels)), labels]).sum())

    power = label_errors._calibrate(labels, probabilities)
    assert likelihood(power) > max(likelihood(power * 1.01), likelihood(power / 1.01))


def test_the_power_stays_in_bounds_where_every_label_is_right_wrong_or_nothing_is_known() -> None:
    labels = np.arange(30) % 3
    assert 2 < label_errors._calibrate(labels, 0.01 + 0.97 * np.eye(3)[labels]) <= label_errors.SHARPEST
    assert label_errors._calibrate(labels, 0.01 + 0.97 * np.eye(3)[labels - 1]) == label_errors.SOFTEST
    assert label_errors._calibrate(labels, np.full((30, 3), 1 / 3)) == 1.0


def test_rows_are_read_in_blocks_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, probabilities, _ = planted()
    whole = find_label_errors(labels, probabilities)
    monkeypatch.setattr(label_errors, "_BLOCK", 50)
    blocks = find_label_errors(labels, probabilities)
    assert blocks.rank.tolist() == whole.rank.tolist()
    assert blocks.quality == pytest.approx(whole.quality, abs=1e-12)
    assert blocks.joint == pytest.approx(whole.joint)


def test_a_class_without_rows_is_no_trouble() -> None:
    labels, probabilities, _ = planted(200)
    with_empty = np.hstack([probabilities * 0.999, np.full((200, 1), 0.001)])
    found = find_label_errors(labels, with_empty)
    assert np.isfinite(found.quality).all()
    assert found.joint[3].tolist() == [0, 0, 0, 0]
    assert found.joint[:, 3].tolist() == [0, 0, 0, 0]


def test_probabilities_of_0_and_1_and_of_float16_are_read() -> None:
    labels = [0, 0, 1, 1, 1]
    certain = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [1, 0]])
    assert find_label_errors(labels, certain).to_review().tolist() == [4]
    labels_of_many, probabilities, _ = planted()
    half = find_label_errors(labels_of_many, probabilities.astype(np.float16))
    assert half.quality == pytest.approx(find_label_errors(labels_of_many, probabilities).quality, abs=0.01)


def test_columns_for_the_rows() -> None:
    labels, probabilities = [0, 0, 0, 1, 1, 1], [[0.9, 0.1]] * 2 + [[0.1, 0.9]] * 4
    columns = find_label_errors(labels, probabilities).columns(["no", "yes"])
    assert list(columns) == [
        "mbdc_label_quality",
        "mbdc_label_suspected",
        "mbdc_label_suggested",
        "mbdc_label_rank",
    ]
    assert columns["mbdc_label_suspected"] == [False, False, True, False, False, False]
    assert columns["mbdc_label_suggested"] == ["no", "no", "yes", "yes", "yes", "yes"]
    assert columns["mbdc_label_rank"][2] == 1


def test_ranks_keep_the_order_of_ties_and_put_what_is_not_known_last() -> None:
    assert rank_by_quality(np.array([0.5, np.nan, 0.1, 0.5, np.nan])).tolist() == [2, 4, 1, 3, 5]


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], [[0.5, 0.5]], "Labels have shape"),
        ([], np.empty((0, 2)), "Labels have shape"),
        ([0], [[1.0]], "one class only"),
        ([0.5], [[0.5, 0.5]], "not numbers of classes"),
        (["a"], [[0.5, 0.5]], "not numbers of classes"),
        ([0, 2], [[0.5, 0.5]] * 2, "The label 2 is none of the 2 classes"),
        ([0, -1], [[0.5, 0.5]] * 2, "The label -1 is none"),
        ([0, 0], [[0.5, 0.5], [0.5, np.nan]], "are not numbers"),
        ([0, 0], [[0.5, 0.5], [1.5, -0.5]], "are below 0 or sum to 1"),
        ([0, 0], [[0.5, 0.5], [3.0, 1.0]], "sum to 4"),
    ],
)
def test_what_is_refused(labels: Any, probabilities: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_label_errors(labels, probabilities)


def test_the_row_of_a_wrong_number_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_errors, "_BLOCK", 4)
    probabilities = [[0.5, 0.5]] * 5 + [[0.5, 0.4]]
    with pytest.raises(DataError, match=r"sum to 0\.9") as caught:
        find_label_errors([0] * 6, probabilities)
    assert caught.value.where["row"] == 5


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 40), st.floats(0.05, 20))
@settings(deadline=None)
def test_for_any_rows(seed: int, classes: int, rows: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    logits = spread * rng.normal(size=(rows, classes))
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = rng.integers(0, classes, rows)
    found = find_label_errors(labels, probabilities)
    assert ((found.quality >= 0) & (found.quality <= 1)).all()
    assert sorted(found.rank) == list(range(1, rows + 1))
    assert (np.diff(found.quality[np.argsort(found.rank)]) >= 0).all()
    assert found.joint.sum() == pytest.approx(1)
    assert (found.joint.sum(axis=1) * rows).round(6).tolist() == np.bincount(labels, minlength=classes).tolist()
    assert found.suspected.sum() <= round(found.error_rate * rows)
    assert ((found.suggested != labels) == found.suspected).all()

    # Renaming classes and reordering rows changes nothing else.
    names, order = rng.permutation(classes), rng.permutation(rows)
    back = np.argsort(names)
    other = find_label_errors(names[labels][order], probabilities[:, back][order])
    assert other.quality == pytest.approx(found.quality[order], rel=1e-6, abs=1e-9)
