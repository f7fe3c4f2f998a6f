"""What each source brings: literal scores of subsets → effects, verdicts, ranking, table."""

from __future__ import annotations

import doctest
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hf_mbdc.guidance.attribution as module
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.attribution import attribute, subsets_needed

NONE, A, B, BOTH = (frozenset(names) for names in ((), ("a",), ("b",), ("a", "b")))
CLUSTERS = [f"doc {row // 2}" for row in range(40)]


def constant(scores: Mapping[frozenset[str], float], rows: int = 40) -> dict[frozenset[str], list[float]]:
    return {subset: [score] * rows for subset, score in scores.items()}


def test_the_examples() -> None:
    assert doctest.testmod(module).failed == 0


def test_each_method_reads_its_pair_of_subsets() -> None:
    found = attribute(constant({NONE: 0.1, A: 0.4, B: 0.2, BOTH: 0.9}), CLUSTERS)
    assert [(e.method, e.source) for e in found.effects] == [
        ("add_one_in", "a"),
        ("add_one_in", "b"),
        ("leave_one_out", "a"),
        ("leave_one_out", "b"),
    ]
    pairs = [(e.comparison.parent, e.comparison.candidate) for e in found.effects]
    assert pairs == [pytest.approx(pair) for pair in ((0.1, 0.4), (0.1, 0.2), (0.2, 0.9), (0.4, 0.9))]
    assert found.of("leave_one_out")["b"].difference == pytest.approx(0.5)


def test_a_source_that_says_what_another_says_brings_nothing_beside_it() -> None:
    found = attribute(constant({NONE: 0.2, A: 0.6, B: 0.6, BOTH: 0.6}), CLUSTERS)
    assert found.of("add_one_in")["a"].verdict == "accept"
    assert found.of("leave_one_out")["a"].difference == 0.0
    assert found.of("leave_one_out")["a"].verdict == "inconclusive"


def test_sources_are_ranked_by_one_method_or_by_the_mean_of_both() -> None:
    added = {NONE: 0.0, A: 0.3, B: 0.2, frozenset("c"): 0.0}
    others = {frozenset("bc"): 1.0, frozenset("ac"): 0.6, BOTH: 0.9, frozenset("abc"): 1.0}  # a 0, b +.4, c +.1
    found = attribute(constant({**added, **others}), CLUSTERS)
    assert found.ranking("add_one_in") == ["a", "b", "c"]
    assert found.ranking("leave_one_out") == ["b", "c", "a"]
    assert found.ranking() == ["b", "a", "c"]


def test_equal_sources_are_ranked_by_name() -> None:
    assert attribute(constant({NONE: 0.0, B: 0.5, A: 0.5, BOTH: 0.5}), CLUSTERS).ranking() == ["a", "b"]


def test_seeds_and_clusters_are_those_of_compare() -> None:
    scores = {NONE: np.zeros((3, 40)), A: np.full((3, 40), 0.5)}
    comparison = attribute(scores, CLUSTERS, methods=["add_one_in"]).effects[0].comparison
    assert (comparison.seeds, comparison.clusters, comparison.rows) == (3, 20, 40)


def test_with_more_sources_each_must_be_surer() -> None:
    # Six clusters of one row gain, 14 are as before: p = 2/2⁶ = .031, enough for one source at .05, not for two.
    gained = [1.0] * 6 + [0.0] * 14
    one = attribute({NONE: [0.0] * 20, A: gained}, methods=["add_one_in"])
    assert one.effects[0].comparison.p_value == pytest.approx(2 / 64)
    assert one.effects[0].comparison.verdict == "accept"
    two = attribute({NONE: [0.0] * 20, A: gained, B: [0.0] * 20}, methods=["add_one_in"])
    assert [e.comparison.verdict for e in two.effects] == ["inconclusive", "inconclusive"]
    assert two.effects[0].comparison.interval == one.effects[0].comparison.interval
    assert two.effects[0].comparison.alpha == pytest.approx(0.025)


def test_minimum_effect_and_confidence_reach_the_comparison() -> None:
    scores = constant({NONE: 0.1, A: 0.3})
    found = attribute(scores, CLUSTERS, methods=["add_one_in"], minimum_effect=0.25, confidence=0.9)
    assert found.effects[0].comparison.verdict == "reject"
    assert found.effects[0].comparison.confidence == 0.9


def test_slices_are_told_in_rows_and_words() -> None:
    kinds = ["total", "date"] * 20
    scores = {NONE: [0.5] * 40, A: [0.95, 0.3] * 20}
    found = attribute(scores, CLUSTERS, methods=["add_one_in"], slices=kinds)
    rows = found.to_rows()
    assert [(row["source"], row["method"], row["slice"], row["rows"]) for row in rows] == [
        ("a", "add_one_in", None, 40),
        ("a", "add_one_in", "date", 20),
        ("a", "add_one_in", "total", 20),
    ]
    assert [row["difference"] for row in rows] == pytest.approx([0.125, -0.2, 0.45])
    assert all(row["low"] < row["difference"] < row["high"] for row in rows)
    assert [row["verdict"] for row in rows] == ["accept", None, None]
    assert (rows[0]["without"], rows[0]["with"]) == pytest.approx((0.5, 0.625))
    assert found.why("a").endswith(": accept; date fell; total rose")
    assert str(found).splitlines()[2].split()[:6] == ["add_one_in", "a", "date", "0.500", "0.300", "-0.200"]


def test_why_has_a_part_for_each_method_of_that_source() -> None:
    why = attribute(constant({NONE: 0.1, A: 0.4, B: 0.2, BOTH: 0.9}), CLUSTERS).why("b")
    assert why.startswith("added to the base alone: +0.100 (95% interval +0.083 to +0.100, p = ")
    assert "; beside all other sources: +0.500 (" in why
    assert "+0.300" not in why


@pytest.mark.parametrize(
    ("sources", "methods", "message"),
    [
        ([], ["add_one_in"], "No source is named"),
        (["a"], [], "No method is named"),
        (["a", "a"], ["add_one_in"], "A source is named twice"),
        (["a"], ["shapley"], "There is no method 'shapley'.*add_one_in, leave_one_out"),
    ],
)
def test_what_cannot_be_attributed(sources: list[str], methods: list, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        subsets_needed(sources, methods)


def test_a_missing_subset_is_named() -> None:
    with pytest.raises(DataError, match=r"Of 2 subsets of the sources there are no scores, e\.g\. of \['b'\]"):
        attribute(constant({NONE: 0.1, A: 0.2, frozenset("abc"): 0.3, frozenset("bc"): 0.1}), methods=["add_one_in"])


def test_one_source_needs_two_trainings_for_any_method() -> None:
    assert subsets_needed(["a"]) == subsets_needed(["a"], ["leave_one_out"]) == [NONE, A]


@given(
    st.dictionaries(st.sampled_from("abcde"), st.floats(-1, 1), min_size=1),
    st.lists(st.floats(-1, 1), min_size=2, max_size=5),
)
def test_where_sources_add_up_both_methods_find_each_ones_part(effects: dict[str, float], base: list[float]) -> None:
    needed = subsets_needed(list(effects))
    assert len(needed) == len(set(needed)) <= 2 * len(effects) + 2
    scores = {subset: np.array(base) + sum(effects[name] for name in subset) for subset in needed}
    found = attribute(scores, resamples=100)
    assert [e.comparison.difference for e in found.effects] == pytest.approx(
        [effects[name] for name in sorted(effects)] * 2, abs=1e-9
    )
