"""Slices of low score: found on one half, measured on the other, named in words, and no more than chance allows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.conditions import Condition, in_words, needed, read_column
from hf_mbdc.guidance.error_tree import find_slices, first_half, score_interval, split_scores


def rows(documents: int, seed: int = 0) -> tuple[np.random.Generator, np.ndarray, dict[str, Any]]:
    """Four rows a document: their cluster, and columns that say nothing."""
    draw = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(documents), 4)
    columns = {
        "key": np.tile(["address", "company", "date", "total"], documents),
        "words": draw.integers(50, 500, documents)[cluster],
        "n_occurrences": draw.integers(1, 6, 4 * documents),
        "scanned": draw.random(documents)[cluster] < 0.5,
    }
    return draw, cluster, columns


def test_a_slice_of_two_conditions_is_found_named_and_measured() -> None:
    draw, cluster, columns = rows(300)
    bad = (columns["key"] == "total") & (columns["n_occurrences"] > 3)
    scores = (draw.random(len(bad)) < np.where(bad, 0.2, 0.95)).astype(float)
    found = find_slices(scores, columns, clusters=cluster)
    worst = found.slices[0]
    assert worst.name == "key = total and n_occurrences > 3"
    assert worst.confirmed
    assert np.array_equal(worst.members, np.flatnonzero(bad))
    half = ~first_half(cluster.astype(str), 0)
    assert worst.rows == (bad & half).sum()
    assert worst.score == pytest.approx(scores[bad & half].mean())
    assert worst.error_share == pytest.approx((1 - scores)[bad & half].sum() / (1 - scores)[half].sum())
    assert worst.interval[0] < 0.2 < worst.interval[1]
    assert [part.confirmed for part in found.slices[1:]] == [False] * (len(found.slices) - 1)


def test_slices_part_the_rows() -> None:
    draw, cluster, columns = rows(200)
    columns["n_occurrences"] = np.where(draw.random(800) < 0.2, np.nan, columns["n_occurrences"])
    wrong = np.isnan(columns["n_occurrences"]) | (columns["n_occurrences"] > 4) | (columns["key"] == "date")
    found = find_slices(np.where(wrong, 0.2, 1.0), columns, clusters=cluster)
    assert len(found.slices) > 2
    assert sorted(np.concatenate([part.members for part in found.slices])) == list(range(800))
    assert sum(part.rows for part in found.slices) == found.rows_to_measure
    assert sum(part.error_share for part in found.slices) == pytest.approx(1)


def test_chance_is_seldom_taken_for_a_slice() -> None:
    split = 0
    for seed in range(60):
        draw, cluster, columns = rows(60, seed)
        hard = draw.normal(size=60)[cluster]  # documents differ, and no column says which
        scores = (draw.random(240) < 1 / (1 + np.exp(-1 - 2 * hard))).astype(float)
        split += len(find_slices(scores, columns, clusters=cluster).slices) > 1
    assert split <= 6  # 5 % of 60 are 3; 7 or more have a chance below .04


def test_rows_of_one_document_are_not_evidence_of_many() -> None:
    documents = np.repeat(np.arange(40), 25)
    vendor = np.where(documents < 6, "few", "many")  # in each half, fewer than 5 documents
    found = find_slices(np.where(documents < 6, 0.0, 1.0), {"vendor": vendor}, clusters=documents)
    assert [part.name for part in found.slices] == ["all rows"]
    found = find_slices(np.where(documents < 6, 0.0, 1.0), {"vendor": vendor})
    assert found.slices[0].name == "vendor = few"


def test_a_cluster_is_in_one_half_whatever_the_others_are() -> None:
    names = np.array(["a", "b", "c", "a", "d", "e", "f", "g"])
    half = first_half(names, 0)
    assert half[0] == half[3]
    assert np.array_equal(first_half(names[::-1], 0), half[::-1])
    assert np.array_equal(first_half(np.append(names, "new"), 0)[:8], half)
    assert not np.array_equal(first_half(names, 1), half)


def test_seeds_are_averaged_and_the_order_of_rows_does_not_matter() -> None:
    draw, cluster, columns = rows(100)
    scores = (draw.random((3, 400)) < np.where(columns["key"] == "total", 0.4, 0.9)).astype(float)
    found = find_slices(scores, columns, clusters=cluster)
    order = draw.permutation(400)
    again = find_slices(
        scores.mean(0)[order], {name: values[order] for name, values in columns.items()}, clusters=cluster[order]
    )
    assert str(found) == str(again)
    assert str(found).splitlines()[1].startswith("key = total")


def test_the_score_test_knows_clusters() -> None:
    values = np.repeat([0.0, 1.0, 0.0, 1.0, 0.0, 0.0], 2)
    mask = np.repeat([True, True, True, False, False, False], 2)
    alone = split_scores(values, np.arange(12), [mask])[0]
    together = split_scores(values, np.repeat(np.arange(6), 2), [mask])[0]
    assert together == pytest.approx(alone / math.sqrt(2))
    assert split_scores(np.ones(12), np.arange(12), [mask]).tolist() == [0.0]
    # By hand: residuals about 1/2, each over the 2 rows of its side.
    by_hand = split_scores(np.array([0.0, 1, 1, 1]), np.arange(4), [np.array([True, True, False, False])])[0]
    assert by_hand == pytest.approx(-0.5 / math.sqrt((0.75**2 + 3 * 0.25**2) / 4))


def test_intervals_are_wilsons_and_wider_with_clusters() -> None:
    scores = np.array([1.0] * 8 + [0.0] * 2)
    assert score_interval(scores, np.arange(10), 0.95) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    clustered = np.repeat(scores, 4), np.repeat(np.arange(10), 4)
    low, high = score_interval(*clustered, 0.95)
    assert low < 0.51
    assert high > 0.93
    assert score_interval(np.ones(40), np.repeat(np.arange(10), 4), 0.95)[0] == pytest.approx(0.7225, abs=1e-4)
    assert score_interval(np.ones(0), np.ones(0), 0.95) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"scores": [2.0, 0.5]}, DataError, r"A score is not from 0 to 1 \(row 0"),
        ({"scores": [math.nan, 0.5]}, DataError, "A score is not from 0 to 1"),
        ({"scores": []}, DataError, "Scores have the shape"),
        ({"columns": {}}, DataError, "There is no column to split by"),
        ({"columns": {"key": ["a"]}}, DataError, r"1 values for 2 rows \(column 'key'"),
        ({"clusters": ["a", "a"]}, DataError, "All rows fell into one half"),
        ({"min_rows": 1}, RecipeError, "min_rows is 1"),
        ({"depth": 0}, RecipeError, "depth is 0"),
        ({"confidence": 95}, RecipeError, "confidence is 95"),
    ],
)
def test_bad_input_is_answered(options: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        find_slices(**{"scores": [0.5, 0.5], "columns": {"key": ["a", "b"]}, **options})


# --- conditions ---


def test_missing_values_are_a_value_of_their_own() -> None:
    column = read_column("page", [1, None, 3, 2])
    assert column.mask(Condition("page", ">", 1.0)).tolist() == [False, False, True, True]
    assert column.mask(Condition("page", "≤", 1.0)).tolist() == [True, False, False, False]
    assert column.mask(Condition("page", "≤", 1.0, or_missing=True)).tolist() == [True, True, False, False]
    assert column.mask(Condition("page", "missing")).tolist() == [False, True, False, False]
    texts = read_column("status", ["fuzzy", None, "exact", "fuzzy"])
    assert texts.mask(Condition("status", "=", "fuzzy")).tolist() == [True, False, False, True]
    assert texts.mask(Condition("status", "≠", "fuzzy")).tolist() == [False, True, True, False]


@pytest.mark.parametrize(
    "values", [[1, 2, 3, 4], [1.5, None, 2.5, None], ["a", "b", None, "c"], [True, False, True, None], ["x", "y"] * 3]
)
def test_both_sides_of_a_split_part_the_rows(values: list[Any]) -> None:
    column = read_column("c", values)
    assert column.splits()
    for one, other in column.splits():
        assert np.array_equal(column.mask(one), ~column.mask(other)), (str(one), str(other))


def test_a_column_of_many_numbers_is_tried_at_its_quantiles() -> None:
    borders = [one.value for one, _ in read_column("n", np.arange(800)).splits()]
    assert borders == [99.0, 199.0, 299.0, 399.0, 499.0, 599.0, 699.0]


def test_words_leave_out_what_is_said_already() -> None:
    above, higher = Condition("n", ">", 1.0), Condition("n", ">", 3.0)
    assert needed([above, higher]) == (higher,)
    assert needed([Condition("n", "≤", 5.0), Condition("n", "≤", 2.0)]) == (Condition("n", "≤", 2.0),)
    assert needed([Condition("n", "there"), above]) == (above,)
    assert in_words([above, Condition("n", "≤", 3.0)]) == "n > 1 and n ≤ 3"
    assert (
        in_words([Condition("n", "≤", 3.0, or_missing=True), Condition("n", "there")])
        == "n ≤ 3 or missing and n is there"
    )
    assert in_words([]) == "all rows"
