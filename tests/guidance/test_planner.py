"""The planner: more of anything never hurts, and what it promises is what fresh data give."""

from __future__ import annotations

import dataclasses
import doctest

import numpy as np
import pytest

import hf_mbdc.guidance.planner as module
from hf_mbdc.errors import RecipeError
from hf_mbdc.guidance.planner import plan, power_at
from hf_mbdc.guidance.uncertainty import Uncertainty, uncertainty_of

SEEN = Uncertainty(0.00006, 0.0004, 0.00005, seeds=5, clusters=79, cluster_df=78.0)


def test_examples_in_the_docstrings() -> None:
    assert doctest.testmod(module).failed == 0


def test_the_plan_is_just_enough() -> None:
    found = plan(SEEN, effect=0.05)
    assert found.clusters is not None
    assert power_at(SEEN, 0.05, clusters=found.clusters, seeds=5) >= 0.8
    assert power_at(SEEN, 0.05, clusters=found.clusters - 5, seeds=5) < 0.8
    assert plan(SEEN, found.detectable * 1.001).power_now >= 0.8 > plan(SEEN, found.detectable * 0.98).power_now
    assert plan(SEEN, -0.05) == found  # a loss is as hard to show


@pytest.mark.parametrize("name", ["clusters", "seeds"])
def test_more_of_anything_helps(name: str) -> None:
    sizes = {"clusters": 79, "seeds": 5}
    chances = [power_at(SEEN, 0.05, **{**sizes, name: sizes[name] * times}) for times in (1, 2, 4, 8)]
    assert chances == sorted(chances)
    assert chances[0] < chances[-1]


def test_seeds_that_disagree_too_much_are_not_made_up_for_by_documents() -> None:
    found = plan(dataclasses.replace(SEEN, from_seeds=0.003, from_clusters=0.0001), effect=0.08)
    assert found.clusters is None
    assert found.seeds is not None
    assert found.seeds > 10
    assert plan(SEEN, effect=0.0).clusters is plan(SEEN, effect=0.0).seeds is None


def test_one_seed_cannot_tell_how_many_are_needed() -> None:
    found = plan(Uncertainty(0.0, 0.0004, 0.0, seeds=1, clusters=79, cluster_df=78.0), effect=0.05)
    assert found.seeds is None
    assert found.clusters is not None
    assert 79 < found.clusters < 150  # (2.8 · .02 / .05)² · 79 = 99, and a little for Student's t


def test_promised_power_is_had_after_a_pilot_of_few_seeds() -> None:
    rng, clusters, seeds, hits = np.random.default_rng(0), 60, 5, 0

    def cells(effect: float) -> np.ndarray:
        shared = rng.normal(0, 0.1, (seeds, 1)) + rng.normal(0, 0.4, clusters)
        return effect + shared + rng.normal(0, 0.3, (seeds, clusters))

    for _ in range(400):
        effect = plan(uncertainty_of(cells(0.0), np.ones(clusters)), 0.0).detectable
        fresh = cells(effect)
        hits += fresh.mean() > uncertainty_of(fresh, np.ones(clusters)).half_width(0.05)
    assert 0.76 <= hits / 400 <= 0.92


def test_bad_options_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"power is 80"):
        plan(SEEN, 0.1, power=80)
