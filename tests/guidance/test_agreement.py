"""Agreement: published examples, intervals against resampling by hand, rows, annotators, and what is refused."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance import agreement, ratings
from hf_mbdc.guidance.agreement import krippendorff_alpha, row_disagreement
from hf_mbdc.guidance.annotators import annotator_agreement
from hf_mbdc.guidance.kappa import cohen_kappa, fleiss_kappa
from hf_mbdc.guidance.ratings import read_counts, read_ratings

NONE = math.nan
# Krippendorff 2011, sections C and D: (units, annotators).
THREE = np.array(
    [
        [NONE, NONE, NONE, NONE, NONE, 3, 4, 1, 2, 1, 1, 3, 3, NONE, 3],
        [1, NONE, 2, 1, 3, 3, 4, 3, NONE, NONE, NONE, NONE, NONE, NONE, NONE],
        [NONE, NONE, 2, 1, 3, 4, 4, NONE, 2, 1, 1, 3, 3, NONE, 4],
    ]
).T
FOUR = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NONE, NONE, NONE],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NONE, 3],
        [NONE, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NONE],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NONE],
    ]
).T
# Fleiss 1971, as retold everywhere: 10 units, 14 annotators, 5 categories.
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
FIRST, SECOND = [1, 1, 2, 3, 3, 3, 4, 4, 2, 1, 1, 2], [1, 2, 2, 3, 4, 3, 4, 1, 2, 1, 2, 2]
LEVELS = ("nominal", "ordinal", "interval", "ratio")


@pytest.mark.parametrize(
    ("table", "level", "value"),  # by the package krippendorff 0.9
    [
        (THREE, "nominal", 0.691358024691358),
        (THREE, "ordinal", 0.8067214199413153),
        (THREE, "interval", 0.8108448928121059),
        (THREE, "ratio", 0.8089436707842471),
        (FOUR, "nominal", 0.743421052631579),
        (FOUR, "ordinal", 0.8153875037548814),
        (FOUR, "interval", 0.8491071428571428),
        (FOUR, "ratio", 0.7974027747116121),
    ],
)
def test_alpha_of_published_examples(table: np.ndarray, level: Any, value: float) -> None:
    found = krippendorff_alpha(table, level)
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.interval[0] < value < found.interval[1]
    assert found.units + found.left_out == len(table)


def test_alpha_counts_what_it_used() -> None:
    found = krippendorff_alpha(THREE)
    assert (found.units, found.left_out, found.ratings) == (12, 3, 26)
    assert str(found).startswith("Krippendorff's alpha (nominal) 0.691 (95% interval 0.")
    assert str(found).endswith("12 units, 26 ratings, 3 left out)")


def test_kappa_of_published_examples() -> None:
    assert fleiss_kappa(counts=FLEISS).value == pytest.approx(0.20993070442195522, abs=1e-12)
    # scikit-learn 1.9
    assert cohen_kappa(FIRST, SECOND).value == pytest.approx(0.5514018691588786, abs=1e-12)
    assert cohen_kappa(FIRST, SECOND, "linear").value == pytest.approx(0.5714285714285714, abs=1e-12)
    assert cohen_kappa(FIRST, SECOND, "quadratic").value == pytest.approx(0.5471698113207547, abs=1e-12)


def test_the_interval_of_cohens_kappa_is_that_of_fleiss_cohen_and_everitt() -> None:
    low, high = cohen_kappa(FIRST, SECOND).interval  # statsmodels 0.15
    assert (low, high) == pytest.approx((0.20382795696544992, 0.8989757813523069), abs=1e-9)


def test_the_order_of_text_values_is_the_one_that_is_given() -> None:
    words = [["low", "low"], ["low", "mid"], ["mid", "high"], ["high", "high"], ["low", "high"]]
    numbers = [[0, 0], [0, 1], [1, 2], [2, 2], [0, 2]]
    by_words = krippendorff_alpha(words, "ordinal", values=["low", "mid", "high"])
    assert by_words.value == krippendorff_alpha(numbers, "ordinal").value
    assert by_words.value != krippendorff_alpha(words, "ordinal").value  # sorted: high, low, mid
    weighted = [cohen_kappa(*zip(*table, strict=True), "linear", values=values) for table, values in (
        (words, ["low", "mid", "high"]), (numbers, None))]  # fmt: skip
    assert weighted[0].value == weighted[1].value


def test_all_ratings_alike_is_not_defined() -> None:
    for found in (krippendorff_alpha([[1, 1], [1, 1]]), fleiss_kappa([[1, 1], [1, 1]]), cohen_kappa([1, 1], [1, 1])):
        assert math.isnan(found.value)
        assert found.to_dict()["value"] is None
        assert found.to_dict()["interval"] == [None, None]
        assert "not defined" in str(found)
    assert row_disagreement([[1, 1], [1, 1]]).tolist() == [0, 0]


def simulated(units: int, seed: int = 0, annotators: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    true = rng.integers(1, 5, units)
    table = np.where(rng.random((units, annotators)) < 0.7, true[:, None], rng.integers(1, 5, (units, annotators)))
    return np.where(rng.random(table.shape) < 0.15, NONE, table.astype(float))


@pytest.mark.parametrize("level", LEVELS)
def test_bootstrap_and_jackknife_give_one_interval(level: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = simulated(1500)
    bootstrap = krippendorff_alpha(table, level)
    monkeypatch.setattr(agreement, "FEW_UNITS", 10)
    jackknife = krippendorff_alpha(table, level)
    assert (bootstrap.method, jackknife.method) == ("bootstrap of 2,000 resamples", "infinitesimal jackknife")
    assert jackknife.interval == pytest.approx(bootstrap.interval, abs=0.004)
    assert jackknife.value == bootstrap.value


@pytest.mark.parametrize("level", LEVELS)
def test_a_resample_of_the_bootstrap_is_alpha_of_the_resampled_units(level: Any) -> None:
    table = simulated(12)
    data = read_ratings(table)
    found = agreement.coincidences(data, level)
    counts = np.concatenate([block for _, block in agreement._paired(data)])
    paired = table[(~np.isnan(table)).sum(axis=1) > 1]
    drawn = np.random.default_rng(1).integers(0, len(paired), len(paired))
    weights = np.bincount(drawn, minlength=len(paired))[None]
    expected = krippendorff_alpha(paired[drawn], level).value
    assert agreement._alphas(weights, counts, found)[0] == pytest.approx(expected, abs=1e-12)


def test_the_interval_of_fleiss_kappa_is_that_of_resampled_units() -> None:
    # Units with the rare value disagree more, so the shares of the values vary with the disagreement.
    rng = np.random.default_rng(5)
    true = (rng.random((800, 1)) < 0.15).astype(float)
    table = np.where(rng.random((800, 4)) < 0.05 + 0.4 * true, 1 - true, true)
    found = fleiss_kappa(table)
    rng = np.random.default_rng(0)
    values = [fleiss_kappa(table[rng.integers(0, 800, 800)]).value for _ in range(300)]
    assert found.interval == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), abs=0.012)


def test_disagreement_of_rows_adds_up_to_alpha() -> None:
    for level in LEVELS:
        rows = row_disagreement(FOUR, level)
        number = (~np.isnan(FOUR)).sum(axis=1)
        known = number > 1
        assert np.isnan(rows[~known]).all()
        alpha = krippendorff_alpha(FOUR, level).value
        assert (rows * number)[known].sum() / number[known].sum() == pytest.approx(1 - alpha)


def test_an_annotator_who_misread_the_guideline_stands_out() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 300)
    table = np.column_stack([np.where(rng.random(300) < 0.9, true, rng.integers(0, 3, 300)) for _ in range(4)])
    table[:, 2] = (true + 1) % 3
    found = annotator_agreement(table)
    assert np.argmin(found.alpha) == 2
    assert found.high[2] < 0 < found.low[0]
    assert found.columns()["annotator"] == [0, 1, 2, 3]
    assert (found.alpha * found.ratings).sum() / found.ratings.sum() == pytest.approx(krippendorff_alpha(table).value)


def test_named_annotators_in_any_place_are_those_of_a_table() -> None:
    table = simulated(60)
    units = [[(f"a{place}", value) for place, value in enumerate(row) if not math.isnan(value)] for row in table]
    who, given_ = ([[pair[place] for pair in unit[::-1]] for unit in units] for place in (0, 1))
    by_name = annotator_agreement(given_, "interval", annotators=who)
    by_place = annotator_agreement(table, "interval")
    assert by_name.names == ("a0", "a1", "a2", "a3")
    assert by_name.alpha == pytest.approx(by_place.alpha)
    assert by_name.low == pytest.approx(by_place.low)
    assert by_name.ratings.tolist() == by_place.ratings.tolist()


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    table = simulated(200)
    whole = [krippendorff_alpha(table, "ordinal"), row_disagreement(table), annotator_agreement(table).alpha]
    monkeypatch.setattr(ratings, "_BLOCK", 30)
    parts = [krippendorff_alpha(table, "ordinal"), row_disagreement(table), annotator_agreement(table).alpha]
    assert parts[0].value == pytest.approx(whole[0].value, abs=1e-12)
    assert parts[1] == pytest.approx(whole[1], nan_ok=True)
    assert parts[2] == pytest.approx(whole[2])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: krippendorff_alpha([]), DataError, "no ratings"),
        (lambda: krippendorff_alpha([[1, None], [None, 2]]), DataError, "No unit has two ratings"),
        (lambda: krippendorff_alpha([["a", "b"]] * 2, "interval"), DataError, "no numbers"),
        (lambda: krippendorff_alpha([[-1.0, 2.0]] * 2, "ratio"), DataError, "below 0"),
        (lambda: krippendorff_alpha([[1, math.inf]] * 2, "interval"), DataError, "infinite"),
        (lambda: krippendorff_alpha([["a", "c"]], values=["a", "b"]), DataError, "'c' is none of the values"),
        (lambda: krippendorff_alpha([[1, 2]], "metric"), RecipeError, "no level 'metric'"),  # type: ignore[arg-type]
        (lambda: krippendorff_alpha([[1, 2]], confidence=95), RecipeError, "confidence is 95"),
        (krippendorff_alpha, RecipeError, "Either ratings or counts"),
        (lambda: krippendorff_alpha(counts=[[1.5, 2]]), DataError, "no count of ratings"),
        (lambda: read_counts([[1, 2]], ["a"]), DataError, "1 values are named for 2 columns"),
        (lambda: fleiss_kappa([[1, 1, 2], [1, 1, None]]), DataError, "3 ratings and 2"),
        (lambda: cohen_kappa([1, 2], [1]), DataError, "has 2 ratings, the second 1"),
        (lambda: cohen_kappa([1, None], [None, 1]), DataError, "rated by both"),
        (lambda: cohen_kappa([1], [1], "cubic"), RecipeError, "no weights 'cubic'"),  # type: ignore[arg-type]
        (lambda: annotator_agreement([[1, 2]], annotators=[["x", "x"]]), DataError, "rated a unit twice"),
        (lambda: annotator_agreement([[1, 2]], annotators=[["x", None]]), DataError, "no annotator"),
        (lambda: read_ratings(np.arange(6000.0)[:, None]), DataError, "more than 2000 different values"),
    ],
)
def test_what_is_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def alpha_by_pairs(table: np.ndarray, distance: Any) -> float:
    """α from its definition, pair by pair."""
    units = [[value for value in row if not math.isnan(value)] for row in table]
    units = [unit for unit in units if len(unit) > 1]
    every = list(itertools.chain(*units))
    within = sum(distance(a, b) / (len(unit) - 1) for unit in units for a, b in itertools.permutations(unit, 2))
    chance = sum(distance(a, b) for a, b in itertools.permutations(every, 2)) / (len(every) - 1)
    return 1 - within / chance


@given(
    arrays(
        np.float64,
        st.tuples(st.integers(2, 6), st.integers(2, 4)),
        elements=st.sampled_from([0.0, 1.0, 2.0, 5.0, NONE]),
    )
)
@settings(deadline=None)
def test_alpha_is_its_definition(table: np.ndarray) -> None:
    paired = table[(~np.isnan(table)).sum(axis=1) > 1]
    if len(np.unique(paired[~np.isnan(paired)])) < 2:
        return
    distances = {
        "nominal": lambda a, b: float(a != b),
        "interval": lambda a, b: (a - b) ** 2,
        "ratio": lambda a, b: ((a - b) / (a + b)) ** 2 if a + b else 0.0,
    }
    for level, distance in distances.items():
        found = krippendorff_alpha(table, level)  # type: ignore[arg-type]
        assert found.value == pytest.approx(alpha_by_pairs(table, distance), abs=1e-9)
    moved = krippendorff_alpha(table[::-1, ::-1], "ordinal").value
    assert moved == pytest.approx(krippendorff_alpha(table, "ordinal").value, abs=1e-12)
    assert krippendorff_alpha(table**3, "ordinal").value == pytest.approx(moved, abs=1e-12)  # ranks stay


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int8, np.uint8, np.int64, bool])
def test_whole_numbers_are_looked_up_as_any_others_are_searched(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    table = np.array([[0, 7, 7], [3, 0, 1], [1, 1, 1]]).astype(kind)
    if np.dtype(kind).kind == "f":
        table[1, 1] = NONE
    quick = read_ratings(table)
    monkeypatch.setattr(ratings, "_are_small_whole", lambda values: False)
    searched = read_ratings(table)
    assert quick.codes.tolist() == searched.codes.tolist()
    assert quick.values == searched.values
    assert krippendorff_alpha(-1.0 - table.astype(float), "interval").value == pytest.approx(
        krippendorff_alpha(table.astype(float), "interval").value, abs=1e-12
    )
