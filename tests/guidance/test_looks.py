"""The budget of looks: literal levels, and no more false verdicts than it allows."""

from __future__ import annotations

import dataclasses
import doctest

import numpy as np
import pytest

import hf_mbdc.guidance.looks as module
from hf_mbdc.errors import RecipeError
from hf_mbdc.guidance.looks import budget
from hf_mbdc.records import Evidence, Verdict

EVIDENCE = Evidence("em", "test", 9, 9, (0,), 0.5, 0.5, 0.0, (-0.1, 0.1), 0.95, 0.5, "inconclusive", alpha=0.0025)


def decided(verdict: Verdict, alpha: float | None) -> Evidence:
    return dataclasses.replace(EVIDENCE, verdict=verdict, alpha=alpha)


def test_examples_in_the_docstrings() -> None:
    assert doctest.testmod(module).failed == 0


def test_each_decision_that_finds_nothing_spends_its_level() -> None:
    made: list[Evidence] = []
    for number in range(4):
        found = budget(made, total=0.04, decisions=4)
        assert found.next == pytest.approx(0.01)
        assert (found.made, found.left) == (number, 4 - number)
        made.append(decided("inconclusive", found.next))
    worn = budget(made, total=0.04, decisions=4)
    assert (worn.next, worn.left) == (0.0, 0)
    assert str(worn) == "4 decisions were made on these rows: they are worn out, renew the split"


def test_a_decision_that_found_something_gives_its_level_back() -> None:
    made = [decided("inconclusive", 0.01), decided("accept", 0.01)]
    assert budget(made, total=0.04, decisions=4).next == pytest.approx(0.03 / 2)
    made[1] = decided("reject", 0.01)
    assert budget(made, total=0.04, decisions=4).next == pytest.approx(0.03 / 2)


def test_a_decision_from_before_the_budget_spends_all_its_confidence_left() -> None:
    worn = budget([decided("inconclusive", None)])
    assert (worn.remains, worn.left) == (pytest.approx(0, abs=1e-12), 0)


def test_twenty_useless_candidates_are_seldom_accepted() -> None:
    p_values = np.random.default_rng(0).random((2000, 20))
    false = without = 0
    for run in p_values:
        made: list[Evidence] = []
        for p_value in run:
            level = budget(made).next
            made.append(decided("accept" if p_value <= level else "inconclusive", level))
        false += any(one.verdict == "accept" for one in made)
        without += bool((run <= 0.05).any())
    assert false / 2000 <= 0.05 + 2 * 0.005
    assert without / 2000 > 0.6


def test_bad_plans_are_refused() -> None:
    with pytest.raises(RecipeError, match="total is 5"):
        budget([], total=5)
    with pytest.raises(RecipeError, match="decisions is 0"):
        budget([], decisions=0)
