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

SEEN = Uncertainty(0.0001, 0.0004, 0.00005, seeds=3, clusters=79, cluster_df=78.0)


def test_examples_in_the_docstrings() -> None:
    assert doctest.testmod(module).failed == 0


def test_the_plan_is_just_enough() -> None:
    found = plan(dataclasses.replace(SEEN, from_seeds=0.00006), effect=0.05)
    assert found.clusters is not None
    lone = dataclasses.replace(SEEN, from_seeds=0.00006)
    for clusters, enough in ((found.clusters, True), (found.clusters - 2, False)):
        assert (power_at(lone, 0.05, clusters=clusters, seeds=3) >= 0.8) is enough
    assert plan(lone, found.detectable * 1.001).power_now >= 0.8 > plan(lone, found.detectable * 0.98).power_now


def test_seeds_that_disagree_too_much_are_not_made_up_for_by_documents() -> None:
    found = plan(dataclasses.replace(SEEN, from_seeds=0.01, from_clusters=0.0001), effect=0.07)
    assert found.clusters is None
    assert found.seeds is not None
    assert found.seeds > 10
    assert plan(SEEN, effect=0.0).clusters is plan(SEEN, effect=0.0).seeds is None


def test_one_seed_cannot_tell_how_many_are_needed() -> None:
    found = plan(Uncertainty(0.0, 0.0004, 0.0, seeds=1, clusters=79, cluster_df=78.0), effect=0.05)
    assert found.seeds is None
    assert found.clusters is not None
    assert 79 < found.clusters < 150  # (2.8 · .02 / .05)² · 79 = 99, and a little for Student's t


def test_promised_power_is_had() -> None:
    rng, clusters, seeds, hits = np.random.default_rng(0), 60, 3, 0
    spread = {"seeds": 0.05, "clusters": 0.4, "both": 0.3}
    truth = Uncertainty(
        spread["seeds"] ** 2 / seeds + spread["both"] ** 2 / (seeds * clusters),
        spread["clusters"] ** 2 / clusters,
        spread["both"] ** 2 / (seeds * clusters),
        seeds,
        clusters,
        clusters - 1.0,
    )
    effect = plan(truth, 0.1).detectable
    for _ in range(1000):
        cells = effect + rng.normal(0, spread["seeds"], (seeds, 1)) + rng.normal(0, spread["clusters"], clusters)
        cells = cells + rng.normal(0, spread["both"], (seeds, clusters))
        hits += cells.mean() > uncertainty_of(cells, np.ones(clusters)).half_width(0.05)
    assert hits / 1000 == pytest.approx(0.8, abs=0.04)


def test_bad_options_are_refused() -> None:
    with pytest.raises(RecipeError, match=r"power is 80"):
        plan(SEEN, 0.1, power=80)
