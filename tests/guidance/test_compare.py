"""The paired comparison: literal scores → literal figures, and its interval covers what it says."""

from __future__ import annotations

import dataclasses
import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hf_mbdc.guidance.compare as module
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance import resampling
from hf_mbdc.guidance.compare import compare
from hf_mbdc.guidance.row_scores import RowScores

DOCUMENTS = 40


def scores_of(rng: np.random.Generator, seeds: int, effect: float, seed_spread: float = 0.0) -> tuple:
    """Parent and candidate scores whose rows of one document share most of their difference."""
    sizes = rng.integers(1, 6, DOCUMENTS)
    clusters = np.repeat(np.arange(DOCUMENTS), sizes)
    shared = rng.normal(0, 1, DOCUMENTS)[clusters]
    own = rng.normal(0, 0.3, (seeds, len(clusters)))
    parent = rng.normal(0, 1, (seeds, len(clusters)))
    return parent, parent + effect + shared + own + rng.normal(0, seed_spread, (seeds, 1)), clusters


def test_example_in_the_docstring() -> None:
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=4)


def test_figures_of_a_clear_gain() -> None:
    parent = np.array([[0, 0, 1, 0] * 6, [0, 0, 1, 1] * 6])
    candidate = np.array([[1, 1, 1, 0] * 6, [1, 1, 1, 1] * 6])
    found = compare(parent, candidate, clusters=[row // 2 for row in range(24)], slices=["even", "odd"] * 12)
    assert found.parent == 0.375
    assert found.candidate == 0.875
    assert found.difference == 0.5
    assert (found.rows, found.clusters, found.seeds) == (24, 12, 2)
    # Six clusters gain 1 a row and six nothing: a standard error of .5·√(12/11)/√12, times Student's 2.201 for 11; the
    # bootstrap mean is Binomial(12, ½)/12, whose steps of 1/12 keep it from being quite as wide.
    assert found.interval == pytest.approx((0.5 - 0.3318, 0.5 + 0.3318), abs=0.05)
    # All six gaining clusters must keep, or all turn, their sign: 2/64, gone through one by one.
    assert found.p_value == found.permutation_p_value == 2 / 64
    assert found.effect_size == pytest.approx(0.5 / 0.5)
    assert found.verdict == "accept"
    assert [(part.name, part.rows, part.difference) for part in found.slices] == [("even", 12, 0.5), ("odd", 12, 0.5)]


@pytest.mark.parametrize(
    ("better", "documents", "p_value", "verdict"),
    [
        (2, 2, 2 / 4, "inconclusive"),  # the interval is 1 to 1
        (4, 79, 2 / 16, "inconclusive"),  # .013 to .101
        (5, 79, 2 / 32, "inconclusive"),
        (6, 79, 2 / 64, "accept"),
    ],
)
def test_few_documents_that_differ_may_be_luck(better: int, documents: int, p_value: float, verdict: str) -> None:
    same, other = np.zeros(documents), np.arange(documents) < better
    gain, loss = compare(same, other), compare(other, same)
    assert gain.interval[0] > 0 > loss.interval[1]
    assert gain.p_value == loss.p_value == pytest.approx(p_value, abs=0.01)
    assert (gain.verdict, loss.verdict) == (verdict, "reject" if verdict == "accept" else verdict)


def test_luck_is_a_matter_of_the_confidence_asked_for() -> None:
    assert compare(np.zeros(79), np.arange(79) < 5, confidence=0.9).verdict == "accept"
    assert compare(np.zeros(79), np.arange(79) < 6, confidence=0.99).verdict == "inconclusive"


def test_loss_is_rejected_and_mirrors_the_gain() -> None:
    rng = np.random.default_rng(3)
    parent, candidate, clusters = scores_of(rng, seeds=3, effect=2.0)
    gain, loss = compare(parent, candidate, clusters), compare(candidate, parent, clusters)
    assert gain.verdict == "accept"
    assert gain.p_value == 1 / 10_001  # no flip was as extreme; the observed signs count as one, so never 0
    assert loss.verdict == "reject"
    assert loss.difference == pytest.approx(-gain.difference)
    assert loss.interval == pytest.approx((-gain.interval[1], -gain.interval[0]), abs=0.05)
    assert loss.p_value == gain.p_value


def test_equal_scores_are_inconclusive() -> None:
    found = compare([1, 0, 1], [1, 0, 1])
    assert (found.difference, found.p_value, found.verdict) == (0.0, 1.0, "inconclusive")


def test_clusters_that_are_all_alike_do_not_rule_out_others() -> None:
    same = compare(np.zeros(100), np.r_[np.zeros(100)], clusters=np.arange(100) // 2)
    assert same.interval == (0.0, 0.0)  # the scores seen have no range, so nothing is known of how far others may lie
    parent = np.arange(100) % 2
    same = compare(parent, parent, clusters=np.arange(100) // 2)
    # If a share of .0711 of all documents differed, fifty without any would be drawn with a chance of .025.
    assert same.interval == pytest.approx((-0.0711, 0.0711), abs=1e-4)
    assert math.isclose(0.9289**50, 0.025, abs_tol=1e-4)
    better = compare(np.zeros(50), np.ones(50))
    assert better.interval == pytest.approx((0.9289, 1.0), abs=1e-4)
    assert better.verdict == "accept"


def test_no_bound_is_nearer_than_students() -> None:
    rng = np.random.default_rng(8)
    for _ in range(20):
        gains = np.where(rng.random(40) < 0.15, rng.choice([-1.0, 1.0, 3.0], 40), 0.0)
        found = compare(np.zeros(40), gains)
        half = found.uncertainty.half_width(0.05)
        assert found.interval[0] <= found.difference - half + 1e-12
        assert found.interval[1] >= found.difference + half - 1e-12
    skewed = compare(np.zeros(40), np.r_[np.zeros(36), np.full(4, 9.0)])
    assert skewed.interval[1] - skewed.difference > 1.1 * skewed.uncertainty.half_width(0.05)


def test_minimum_effect_moves_the_bar_but_not_the_interval() -> None:
    parent, candidate, clusters = scores_of(np.random.default_rng(4), seeds=2, effect=1.5)
    plain = compare(parent, candidate, clusters)
    low, high = plain.interval
    for bar, verdict in [(low - 0.1, "accept"), ((low + high) / 2, "inconclusive"), (high + 0.1, "reject")]:
        found = compare(parent, candidate, clusters, minimum_effect=bar)
        assert found.verdict == verdict
        assert found.interval == plain.interval


def test_p_value_is_about_the_minimum_effect() -> None:
    gain = np.repeat([1.0, 0.0], [6, 2])  # 0.75
    clusters = np.arange(8) // 2  # 2, 2, 2 and 0 of 2 rows
    p_values = {bar: compare(np.zeros(8), gain, clusters, minimum_effect=bar).p_value for bar in (0, 0.5, 0.75, 1.0)}
    # Sums less the bar: (2 2 2 0): ±6 in 2/8; (1 1 1 −1): |2| or more in all but 6/16; 0; (0 0 0 −2): all.
    assert p_values == pytest.approx({0: 2 / 8, 0.5: 10 / 16, 0.75: 1.0, 1.0: 1.0}, abs=0.02)


def test_a_gain_that_is_sure_but_below_the_minimum_effect_is_rejected_and_a_loss_within_it_accepted() -> None:
    slight = np.tile([0.0, 0.02], 20)
    assert compare(np.zeros(40), slight).verdict == "accept"
    assert compare(np.zeros(40), slight, minimum_effect=0.05).verdict == "reject"
    assert compare(slight, np.zeros(40), minimum_effect=-0.05).verdict == "accept"


def test_rows_of_one_document_are_not_counted_as_independent() -> None:
    parent, candidate, clusters = scores_of(np.random.default_rng(5), seeds=1, effect=0.0)
    width = [np.ptp(found.interval) for found in (compare(parent, candidate, clusters), compare(parent, candidate))]
    assert width[0] > 1.3 * width[1]


def test_seeds_that_disagree_widen_the_interval() -> None:
    rows = np.arange(50) % 5 / 5
    agree = compare(np.zeros((2, 50)), np.stack([rows + 1, rows + 1]))
    differ = compare(np.zeros((2, 50)), np.stack([rows + 0.5, rows + 1.5]))
    assert differ.difference == pytest.approx(agree.difference)
    # Two seeds at ±½ of each other's mean have a standard error of ½, and Student's t for one degree is 12.7.
    assert np.ptp(differ.interval) == pytest.approx(2 * 12.7 * 0.5, rel=0.01)
    assert differ.p_value == pytest.approx(0.22, abs=0.01)  # 1.4 is 2.8 standard errors
    assert differ.permutation_p_value < 0.001  # these two models are better on any documents
    assert np.ptp(agree.interval) < 0.2


def test_slices_have_their_own_intervals_also_in_one_cluster() -> None:
    slices = ["lone", *(["rest"] * 19)]
    found = compare(np.zeros(20), np.arange(20) % 2 / 1.0, slices=slices)
    lone, rest = found.slices
    assert (lone.name, lone.rows, lone.difference) == ("lone", 1, 0.0)
    assert lone.interval == (-1.0, 1.0)  # one document says nothing about the next
    assert rest.difference == pytest.approx(10 / 19)
    assert 0.2 < rest.interval[0] < rest.difference < rest.interval[1] < 0.9


def test_a_slice_in_few_clusters_is_not_skewed_by_draws_without_it() -> None:
    found = compare(np.zeros(30), np.ones(30), slices=["rare", "rare", *(["rest"] * 28)])
    assert found.slices[0].interval == pytest.approx((0.1581, 1.0), abs=1e-4)  # two documents: 1 − √.025


def test_equal_seed_gives_equal_figures_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, candidate, clusters = scores_of(np.random.default_rng(6), seeds=3, effect=0.3)
    first = compare(parent, candidate, clusters, slices=clusters % 3)
    assert compare(parent, candidate, clusters, slices=clusters % 3) == first
    skewed = np.zeros(40), np.r_[np.zeros(36), np.full(4, 9.0)]
    assert compare(*skewed, seed=1).interval != pytest.approx(compare(*skewed).interval, rel=1e-6)
    monkeypatch.setattr(resampling, "_CHUNK", 1000)
    chunked = compare(parent, candidate, clusters, slices=clusters % 3)
    assert chunked.interval == pytest.approx(first.interval)
    assert chunked.permutation_p_value == first.permutation_p_value


@given(st.permutations(list(range(12))))
def test_order_of_the_rows_does_not_matter(order: list[int]) -> None:
    parent, candidate = np.arange(12) % 2, np.arange(12) % 3
    clusters = np.array(list("aabbccddeeff"))
    expected = compare(parent, candidate, clusters, resamples=200)
    found = compare(parent[order], candidate[order], clusters[order], resamples=200)
    assert found.interval == pytest.approx(expected.interval)
    assert found.difference == pytest.approx(expected.difference)
    assert found.p_value == expected.p_value


@pytest.mark.parametrize("seed_spread", [0.0, 0.1])
def test_interval_covers_the_truth_with_clustered_rows_and_few_seeds(seed_spread: float) -> None:
    rng = np.random.default_rng(7)
    hits = rows_only = 0
    for _ in range(300):
        parent, candidate, clusters = scores_of(rng, seeds=3, effect=0.5, seed_spread=seed_spread)
        low, high = compare(parent, candidate, clusters, resamples=500).interval
        hits += low <= 0.5 <= high
        low, high = compare(parent, candidate, resamples=500).interval
        rows_only += low <= 0.5 <= high
    assert 0.90 <= hits / 300 <= 0.985
    assert rows_only / 300 < 0.88  # what goes wrong when documents are forgotten


def test_no_effect_is_seldom_significant() -> None:
    rng = np.random.default_rng(8)
    found = [compare(*scores_of(rng, seeds=3, effect=0.0), resamples=300) for _ in range(300)]
    assert np.mean([one.verdict == "accept" for one in found]) < 0.06
    p_values = np.array([one.p_value for one in found])
    assert 0.02 <= np.mean(p_values <= 0.05) <= 0.09
    assert 0.4 <= np.mean(p_values <= 0.5) <= 0.6


def test_bad_input_is_refused_with_a_mend() -> None:
    with pytest.raises(DataError, match=r"shapes \(2, 3\) and \(3,\).*the same seeds, the same rows"):
        compare(np.zeros((2, 3)), np.zeros(3))
    with pytest.raises(DataError, match="There are no scores to compare"):
        compare([], [])
    with pytest.raises(DataError, match=r"A score of the candidate is not a finite number \(seed 1, row 2\)"):
        compare(np.zeros((2, 3)), [[0, 0, 0], [0, 0, np.nan]])
    with pytest.raises(DataError, match="clusters has 2 labels for 3 rows"):
        compare([0, 1, 1], [1, 1, 1], clusters=["a", "b"])
    with pytest.raises(DataError, match="slices has 4 labels for 3 rows"):
        compare([0, 1, 1], [1, 1, 1], slices="abcd")
    for null in (None, float("nan")):
        with pytest.raises(DataError, match=r"A label of clusters is null \(row 1\)"):
            compare([0, 1, 1], [1, 1, 1], clusters=["a", null, "b"])
        with pytest.raises(DataError, match=r"A label of slices is null \(row 2\)"):
            compare([0, 1, 1], [1, 1, 1], slices=["x", "x", null])
    with pytest.raises(DataError, match="All rows are of one cluster"):
        compare([0, 1, 1], [1, 1, 1], clusters=["a", "a", "a"])
    with pytest.raises(RecipeError, match="confidence is 95"):
        compare([0, 1], [1, 1], confidence=95)
    with pytest.raises(RecipeError, match="resamples is 10, too few"):
        compare([0, 1], [1, 1], resamples=10)
    with pytest.raises(RecipeError, match="minimum_effect is nan"):
        compare([0, 1], [1, 1], minimum_effect=float("nan"))


def test_text_and_record() -> None:
    found = dataclasses.replace(
        compare(np.zeros(10), np.ones(10), slices=["total"] * 5 + ["date"] * 5, minimum_effect=0.1), p_value=0.002
    )
    assert str(found).splitlines() == [
        "accept: 0.000 → 1.000, difference +1.000 "
        "(95% interval +0.692 to +1.000, p = 0.002; 10 rows, 10 clusters, 1 seeds)",
        "  date      0.000 → 1.000  +1.000 (+0.478 to +1.000, corrected p = 0.12; 5 rows)",
        "  total     0.000 → 1.000  +1.000 (+0.478 to +1.000, corrected p = 0.12; 5 rows)",
    ]
    evidence = found.to_evidence("exact_match", "test", seeds=[7], secondary={"anls": (0.5, 0.6)})
    same = {f.name for f in dataclasses.fields(found)} & {f.name for f in dataclasses.fields(evidence)} - {"seeds"}
    assert {name: getattr(evidence, name) for name in same} == {name: getattr(found, name) for name in same}
    assert (evidence.metric, evidence.split, evidence.seeds) == ("exact_match", "test", (7,))
    assert evidence.secondary == {"anls": (0.5, 0.6)}
    with pytest.raises(DataError, match="2 seeds are named for scores of 1"):
        found.to_evidence("exact_match", "test", seeds=[0, 1])


def test_a_level_of_its_own_decides_but_the_interval_told_keeps_its_confidence() -> None:
    same, better = np.zeros(79), np.arange(79) < 7  # p = 2/128
    usual, strict = compare(same, better), compare(same, better, alpha=0.01)
    assert (usual.verdict, usual.alpha) == ("accept", pytest.approx(0.05))
    assert (strict.verdict, strict.alpha) == ("inconclusive", 0.01)
    assert strict.interval == usual.interval
    assert strict.to_evidence("exact_match", "test", seeds=[0]).alpha == 0.01
    # Two documents lose much: the interval at that level leans so far down that it is not sure, though p is.
    lean = compare(np.zeros(42), np.repeat([1.0, -5.3], [40, 2]), alpha=0.01)
    assert lean.interval[0] > 0
    assert lean.p_value < 0.01
    assert lean.verdict == "inconclusive"
    for alpha in (0.0, 1.0):
        with pytest.raises(RecipeError, match=f"alpha is {alpha}"):
            compare(same, better, alpha=alpha)


def test_a_gain_that_hides_a_loss_on_rare_rows_names_it() -> None:
    kinds = np.repeat(["common", "rare", "still"], [300, 40, 40])
    change = np.where(kinds == "common", 0.3, np.where(kinds == "rare", -0.4, 0.0))
    noise = np.random.default_rng(9).normal(0, 0.3, (3, 380))
    found = compare(np.zeros((3, 380)), change + noise, clusters=np.arange(380) // 2, slices=kinds)
    assert found.verdict == "accept"
    assert found.hidden_losses == ("rare",)
    for part in found.slices:
        assert part.simultaneous is not None
        assert part.simultaneous[0] < part.interval[0] < part.interval[1] < part.simultaneous[1]
    rare = found.slices[1]
    assert (rare.clusters, rare.p_value) == (20, pytest.approx(0.0003, abs=0.01))


def test_slices_that_hold_no_loss_are_seldom_named_however_many_there_are() -> None:
    rng, named = np.random.default_rng(10), 0
    for _ in range(100):
        change = rng.normal(0, 1, (3, 300)) + rng.normal(0, 1, 100)[np.arange(300) // 3]
        slices = np.arange(300) // 3 % 10
        named += bool(
            compare(np.zeros((3, 300)), change, np.arange(300) // 3, slices=slices, resamples=200).hidden_losses
        )
    assert named <= 8


def test_scores_of_rows_are_compared_as_they_are_kept() -> None:
    parent, candidate, clusters = scores_of(np.random.default_rng(11), seeds=3, effect=0.3)
    ids = [f"r{row}" for row in range(len(clusters))]
    kept = RowScores(
        ids, clusters.astype(str).tolist(), (4, 5, 6), parent, candidate, (clusters % 2).astype(str).tolist()
    )
    assert compare(kept) == compare(parent, candidate, clusters, slices=clusters % 2)
    assert compare(RowScores.from_table(kept.to_table())) == compare(kept)


def test_the_interval_leans_to_the_side_where_few_clusters_gain_much() -> None:
    gain = np.where(np.arange(60) < 4, 10.0, 0.0) + np.random.default_rng(12).normal(0, 0.1, 60)
    found = compare(np.zeros(60), gain)
    low, high = found.interval
    assert high - found.difference > 1.3 * (found.difference - low)
