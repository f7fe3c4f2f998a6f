"""A decision tells its figures, and what speaks against it."""

from __future__ import annotations

import dataclasses
import doctest

import pytest
from made_evidence import GAIN, SLICES

import hf_mbdc.guidance.decide as module
from hf_mbdc.guidance.decide import decide
from hf_mbdc.records import Plan, SliceEvidence

MEASURED = (
    "exact_match on test went from 0.820 to 0.870: +0.050, 95% interval +0.031 to +0.069 "
    "(316 rows of 79 clusters, 3 seeds, p = 0.0001). "
)


def test_example_in_the_docstring() -> None:
    assert doctest.testmod(module).failed == 0


def test_gain_is_accepted_with_its_figures() -> None:
    decision = decide(GAIN)
    assert decision.verdict == "accept"
    assert decision.reason == MEASURED + (
        "The whole interval lies above 0 and the permutation test agrees, so the candidate is accepted."
    )


def test_gain_that_hides_a_loss_names_it() -> None:
    slices = (
        SliceEvidence("date", 79, 0.9, 0.8, -0.1, (-0.15, -0.05)),
        SliceEvidence("total", 79, 0.6, 0.9, 0.3, (0.2, 0.4)),
        SliceEvidence("company", 79, 0.6, 0.5, -0.1, (-0.2, 0.0)),
    )
    reason = decide(dataclasses.replace(GAIN, slices=slices)).reason
    assert reason.endswith(
        "Yet it may have fallen on date (-0.100, interval -0.150 to -0.050): not corrected for the number of slices."
    )


def test_losses_are_told_apart_by_whether_they_are_sure_for_all_slices_together() -> None:
    slices = (
        *SLICES,
        SliceEvidence("tax", 9, 0.9, 0.8, -0.1, (-0.19, -0.01), 0.06, (-0.22, 0.02), 9),
    )
    assert decide(dataclasses.replace(GAIN, slices=slices)).reason.endswith(
        "Yet it fell on date (-0.100, interval -0.150 to -0.050), sure after correction for 3 slices. "
        "It may have fallen on tax (-0.100, interval -0.190 to -0.010): not sure after correction for 3 slices."
    )


def test_inconclusive_says_what_would_settle_it() -> None:
    open_ = dataclasses.replace(GAIN, interval=(-0.01, 0.11), p_value=0.1, verdict="inconclusive")
    needs = Plan(effect=0.05, power=0.8, power_now=0.4, clusters=200, seeds=4, detectable=0.08)
    told = decide(dataclasses.replace(open_, plan=needs)).reason
    assert told.endswith(
        "If the true difference is the one seen, 121 more clusters or 1 more seed would settle it. "
        "As it is, it finds a true gain of 0.08 beyond that in 80% of cases."
    )
    told = decide(dataclasses.replace(open_, plan=dataclasses.replace(needs, clusters=None, seeds=None))).reason
    assert "Neither more clusters alone nor more seeds alone would settle a difference so small." in told


def test_a_level_spent_on_looks_is_why_it_is_inconclusive() -> None:
    worn = dataclasses.replace(GAIN, p_value=0.01, alpha=0.0025, verdict="inconclusive")
    reason = decide(worn).reason
    assert "these rows decide several times, and the level left for this decision is 0.0025" in reason


def test_loss_keeps_the_parent_and_names_what_rose() -> None:
    loss = dataclasses.replace(
        GAIN,
        interval=(-0.07, -0.03),
        verdict="reject",
        slices=(SliceEvidence("total", 79, 0.6, 0.9, 0.3, (0.2, 0.4)),),
    )
    decision = decide(loss)
    assert decision.verdict == "reject"
    assert "The whole interval lies below 0 and the permutation test agrees, so the parent stays." in decision.reason
    assert "Yet it may have risen on total (+0.300, interval +0.200 to +0.400)" in decision.reason


def test_inconclusive_says_that_it_cannot_tell() -> None:
    reason = decide(dataclasses.replace(GAIN, interval=(-0.01, 0.11), p_value=0.2, verdict="inconclusive")).reason
    assert "The interval includes 0: the gain may be real or chance, this evaluation cannot tell" in reason
    assert "permutation" not in reason


def test_no_difference_at_all_is_said_so() -> None:
    same = dataclasses.replace(GAIN, difference=0.0, interval=(-0.05, 0.05), p_value=1.0, verdict="inconclusive")
    assert decide(same).reason.endswith(
        "No cluster scores differently, so nothing favours the candidate and the parent stays."
    )


def test_minimum_effect_and_one_seed_are_told() -> None:
    small = dataclasses.replace(GAIN, minimum_effect=0.1, verdict="reject", seeds=(0,), confidence=0.995)
    reason = decide(small).reason
    assert "The whole interval lies below the minimum effect of +0.1 and the permutation test agrees" in reason
    assert "99.5% interval" in reason
    assert "1 seed, p" in reason


@pytest.mark.parametrize(
    ("bar", "interval", "words"),
    [
        (0.0, (0.013, 0.101), "above 0"),
        (0.0, (-0.101, -0.013), "below 0"),
        (0.01, (0.013, 0.101), "above the minimum effect of +0.01"),
        (0.01, (0.0, 0.0), "below the minimum effect of +0.01"),
    ],
)
def test_permutation_test_that_is_not_sure_is_why_it_is_inconclusive(
    bar: float, interval: tuple[float, float], words: str
) -> None:
    few = dataclasses.replace(GAIN, interval=interval, minimum_effect=bar, p_value=0.1251, verdict="inconclusive")
    decision = decide(few)
    assert decision.verdict == "inconclusive"
    assert decision.reason.endswith(
        f"The whole interval lies {words}, but the permutation test is not sure (p = 0.13, above 0.05): so few "
        "clusters speak for a difference that it may be chance, and the parent stays. More evaluation documents or "
        "seeds would tell."
    )
