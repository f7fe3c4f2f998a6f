"""Few full trainings find the best candidate, and say how far the cheap ones could be trusted."""

from __future__ import annotations

import doctest
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance import halving, rank_agreement
from hf_mbdc.guidance.halving import Score, halve
from hf_mbdc.guidance.rank_agreement import rank_agreement as agree


@pytest.mark.parametrize("module", [halving, rank_agreement])
def test_the_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def scores_of(quality: dict[str, float], calls: list[tuple[list[str], int]] | None = None) -> Score:
    def score(names: Sequence[str], budget: int, seeds: Sequence[int]) -> list[np.ndarray]:
        if calls is not None:
            calls.append((list(names), budget))
        return [np.full((len(seeds), 4), quality[name]) for name in names]

    return score


NINE = {name: number / 10 for number, name in enumerate("fbgahcdei")}


def test_a_third_goes_on_with_three_times_the_budget() -> None:
    calls: list[tuple[list[str], int]] = []
    found = halve(sorted(NINE), scores_of(NINE, calls), budget=900, smallest=100, seeds=(0, 1), audit=1)
    assert [(len(names), budget) for names, budget in calls] == [(9, 100), (3, 300), (3, 900)]
    assert calls[1][0] == ["i", "e", "d"]
    assert (found.best, found.rungs[-1].kept) == ("i", ("i",))
    assert calls[2][0][:2] == ["i", "e"]
    assert found.rungs[-1].audited == (calls[2][0][2],)
    assert found.trainings == 2 * 15
    assert (found.spent, found.full) == (2 * (900 + 900 + 2700), 2 * 8100)
    assert found.agreement[100].candidates == 3


def test_a_dropped_candidate_that_is_the_best_after_all_wins() -> None:
    def score(names: Sequence[str], budget: int, seeds: Sequence[int]) -> list[list[list[float]]]:
        return [[[NINE[name] if budget < 900 else -NINE[name]]] for name in names]

    found = halve(sorted(NINE), score, budget=900, smallest=300, audit=9)
    assert found.best == "f"
    assert found.agreement[300].spearman == -1
    assert "300 against the whole: Spearman -1.00 (95% interval -1.00 to" in str(found)


def test_the_table_has_every_candidate() -> None:
    lines = str(halve(sorted(NINE), scores_of(NINE), budget=900, smallest=100, audit=0)).splitlines()
    assert lines[0] == "best: i; 14 trainings, 44% of the full budget"
    assert lines[1].split() == ["budget", "100", "300", "900"]
    assert lines[2].split() == ["i", "0.8000", "0.8000", "0.8000"]
    assert lines[5].split() == ["c", "0.5000", "–", "–"]


@given(count=st.integers(2, 30), eta=st.integers(2, 5), smallest=st.integers(1, 64), seed=st.integers(0, 3))
def test_scores_without_noise_give_the_best_for_no_more_than_all(
    count: int, eta: int, smallest: int, seed: int
) -> None:
    quality = {f"c{n}": float(value) for n, value in enumerate(np.random.default_rng(seed).permutation(count))}
    found = halve(list(quality), scores_of(quality), budget=64, smallest=smallest, eta=eta, audit=0)
    assert quality[found.best] == count - 1
    assert [rung.budget for rung in found.rungs] == sorted({rung.budget for rung in found.rungs})
    assert found.rungs[0].budget >= smallest
    assert len(found.rungs[-1].scores) <= count


def test_equal_scores_are_ordered_by_name_whatever_their_order() -> None:
    alike = dict.fromkeys("dacb", 0.5)
    runs = [
        halve(names, scores_of(alike), budget=9, smallest=3, audit=1) for names in (["d", "a", "c", "b"], sorted(alike))
    ]
    assert [run.best for run in runs] == ["a", "a"]
    assert runs[0].rungs[1].scores == runs[1].rungs[1].scores


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"candidates": ["a"]}, "1 candidates. Give two or more"),
        ({"candidates": ["a", "a"]}, "2 candidates"),
        ({"smallest": 0}, "The smallest budget is 0 of 9"),
        ({"smallest": 10}, "The smallest budget is 10 of 9"),
        ({"eta": 1}, "eta is 1, audit 2"),
        ({"seeds": ()}, "There are no seeds"),
    ],
)
def test_wrong_settings(change: dict[str, Any], message: str) -> None:
    settings: dict[str, Any] = {"candidates": ["a", "b"], "budget": 9, "smallest": 3, **change}
    with pytest.raises(RecipeError, match=message):
        halve(settings.pop("candidates"), scores_of({"a": 1, "b": 2}), **settings)


def test_a_diverged_training_is_named() -> None:
    with pytest.raises(DataError, match=r"not a finite number \(candidate 'b'\)"):
        halve(["a", "b"], scores_of({"a": 1.0, "b": math.nan}), budget=9, smallest=9)


def test_ties_share_their_rank() -> None:
    found = agree([1, 1, 2, 3], [1, 2, 3, 4])
    assert found.spearman == pytest.approx(np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3, 4])[0, 1])
    assert found.kendall == pytest.approx(5 / math.sqrt(5 * 6))
    assert found.spearman_interval[0] < found.spearman < found.spearman_interval[1]
    assert found.kendall_interval == (-1, 1)  # four candidates are too few


def test_one_value_orders_nothing() -> None:
    found = agree([1, 1, 1], [1, 2, 3])
    assert math.isnan(found.spearman)
    assert math.isnan(found.kendall)
    assert found.spearman_interval == (-1, 1)


def test_a_record_is_plain_json_also_where_all_score_alike() -> None:
    alike = halve(list("abcd"), lambda names, budget, seeds: [np.full((1, 6), 0.5)] * len(names), budget=8, smallest=2)
    found = alike.to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert {one["spearman"] for one in found["agreement"].values()} == {None}
