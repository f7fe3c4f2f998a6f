"""The ledger: cost of a point, forecast of the next iteration, and the reason to stop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import RecipeError
from hf_mbdc.guidance.economy import Economy, Forecast, forecast_gain, keep_ledger, reason_to_stop, spent_in
from hf_mbdc.records import Cost, Decision, Evidence, Iteration, SplitRecord

HOUR = 3600.0


def iteration(version: str, gain: float | None, hours: float, verdict: Any = "accept", **fields: Any) -> Iteration:
    evidence = None
    if gain is not None:
        evidence = Evidence(
            "anls", "test", 100, 50, (0,), 0.5, 0.5 + gain, gain, (gain - 0.02, gain + 0.02), 0.95, 0.01, verdict
        )
    recipe = {"evaluation": {"split": "test"}, **fields.pop("recipe", {})}
    splits = {"test": SplitRecord(100, "0" * 64, since=fields.pop("since", "v1.0.0"))}
    decision = Decision(verdict if gain is not None else "baseline", "")
    cost = Cost(cpu_seconds=hours * HOUR, tokens=1_000_000)
    return Iteration("me/x", version, "", "c" * 64, splits, decision, evidence=evidence, cost=cost, recipe=recipe)


HISTORY = [
    iteration("v1.0.0", None, 1.0),
    iteration("v2.0.0", 0.08, 2.0),
    iteration("v2.1.0", -0.01, 2.0, "reject"),
    iteration("v2.1.0", 0.02, 4.0),
]


def test_a_refused_candidate_costs_and_brings_nothing() -> None:
    found = keep_ledger(HISTORY)
    assert [(e.version, e.accepted, e.spent) for e in found.entries] == [
        ("v2.0.0", True, 2.0),
        ("candidates/cccccccc", False, 2.0),
        ("v2.1.0", True, 4.0),
    ]
    assert found.accepted_points == pytest.approx(10.0)
    assert found.per_accepted_point == pytest.approx(0.8)  # 8 hours for 10 points
    assert found.total == 9.0  # and the baseline's hour
    assert found.forecast is not None
    assert found.forecast.spent == pytest.approx(8 / 3)


def test_nothing_measured_gives_no_forecast() -> None:
    found = keep_ledger(HISTORY[:1])
    assert (found.entries, found.forecast, found.per_accepted_point, found.total) == ((), None, None, 1.0)
    assert reason_to_stop(found, per_point=0.001) is None


def test_another_series_is_listed_and_does_not_forecast() -> None:
    renewed = iteration("v3.0.0", 0.04, 1.0, since="v3.0.0")
    alone = keep_ledger([renewed]).forecast
    after = keep_ledger([*HISTORY, renewed])
    assert len(after.entries) == 4
    assert alone is not None
    assert after.forecast is not None
    assert after.forecast.points == pytest.approx(alone.points)


def test_another_metric_is_left_out() -> None:
    assert keep_ledger(HISTORY, metric="f1").entries == ()


@pytest.mark.parametrize(
    ("unit", "spent"),
    [("wall_hours", 0.5), ("cpu_hours", 2.0), ("gpu_hours", 1.0), ("model_calls", 7.0), ("million_tokens", 3.0)],
)
def test_units(unit: str, spent: float) -> None:
    cost = Cost(0.5 * HOUR, 2 * HOUR, 7, 3_000_000, 5, HOUR)
    assert spent_in(cost, unit) == spent
    assert spent_in(cost, "money", {"cpu_hour": 0.5, "gpu_hour": 2.0, "currency": "EUR"}) == 3.0


def test_money_by_the_newest_prices() -> None:
    with pytest.raises(RecipeError, match="Money is asked for and no price is known"):
        keep_ledger(HISTORY, unit="money")
    priced = iteration("v3.0.0", 0.01, 1.0, recipe={"prices": {"cpu_hour": 2.0}})
    assert keep_ledger([*HISTORY, priced], unit="money").total == 20.0


def test_an_unknown_unit_is_named() -> None:
    with pytest.raises(RecipeError, match="No such unit of cost"):
        spent_in(Cost(), "days")


def test_half_of_a_single_gain_is_expected_next() -> None:
    kept, low, high = forecast_gain([0.1], [0.001])
    assert kept == pytest.approx(0.05, rel=0.02)
    assert low == pytest.approx(0.005, abs=0.002)  # 5 % and 95 % of a ratio that is uniform
    assert high == pytest.approx(0.095, abs=0.002)


def test_a_failure_lowers_the_forecast() -> None:
    assert forecast_gain([0.08, 0.0], [0.01, 0.01])[0] < 0.25 * forecast_gain([0.08], [0.01])[0]


@given(st.lists(st.floats(-0.2, 0.2), min_size=1, max_size=6), st.floats(0.001, 0.1))
def test_a_forecast_is_ordered_and_never_negative(gains: list[float], deviation: float) -> None:
    kept, low, high = forecast_gain(gains, [deviation] * len(gains))
    assert kept >= 0
    assert low <= high
    assert np.isfinite([kept, low, high]).all()


def test_reasons_to_stop() -> None:
    found = Economy("cpu_hours", "anls", (), total=8.0, forecast=Forecast(1.0, 0.5, -1.0, 1.0))
    assert reason_to_stop(found) is None
    assert reason_to_stop(found, per_point=2.0, total=9.0) is None
    assert "expected to cost 2 CPU hours, more than the 1.9 allowed" in (reason_to_stop(found, per_point=1.9) or "")
    told = reason_to_stop(found, total=8.5)
    assert told == "8 CPU hours are spent and the next iteration is expected to cost 1 more; 8.5 are allowed in all"


def test_no_expected_gain_stops_at_any_price() -> None:
    hopeless = Economy("money", "anls", (), 1.0, Forecast(1.0, 0.0, -1.0, 0.0))
    assert hopeless.forecast is not None
    assert hopeless.forecast.per_point == math.inf
    assert "any number of units of money" in (reason_to_stop(hopeless, per_point=1e9) or "")
