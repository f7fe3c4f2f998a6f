"""The meter measures seconds (also of children) and sums what it is told."""

from __future__ import annotations

import doctest
import os
import time

import pytest

import hf_mbdc.guidance.meter as module
from hf_mbdc.guidance.meter import CostMeter
from hf_mbdc.records import Cost


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """Time that stands still unless a test moves it."""
    now = {"wall": 100.0, "cpu": 10.0, "user": 1.0, "system": 2.0}
    times = os.times()
    monkeypatch.setattr(time, "perf_counter", lambda: now["wall"])
    monkeypatch.setattr(time, "process_time", lambda: now["cpu"])
    monkeypatch.setattr(
        os, "times", lambda: type(times)((times.user, times.system, now["user"], now["system"], times.elapsed))
    )
    return now


def test_example_in_the_docstring() -> None:
    assert doctest.testmod(module).failed == 0


def test_seconds_are_of_the_block_and_of_its_children(clock: dict[str, float]) -> None:
    with CostMeter() as meter:
        clock.update(wall=104.0, cpu=11.5, user=3.0, system=2.25)
        assert meter.cost == Cost(wall_seconds=4.0, cpu_seconds=3.75)  # so far
        meter.add(Cost(model_calls=1, tokens=10, bytes=5))
        meter.add(Cost(model_calls=2, tokens=20, bytes=7))
    clock.update(wall=999.0, cpu=999.0)
    assert meter.cost == Cost(4.0, 3.75, model_calls=3, tokens=30, bytes=12)


def test_work_done_elsewhere_adds_to_what_was_measured(clock: dict[str, float]) -> None:
    with CostMeter() as meter:
        clock["wall"] += 1
        meter.add(Cost(wall_seconds=60, cpu_seconds=30))
    assert meter.cost == Cost(wall_seconds=61, cpu_seconds=30)


def test_cost_is_kept_when_the_work_fails(clock: dict[str, float]) -> None:
    meter = CostMeter()
    assert meter.cost == Cost()

    def fail() -> None:
        with meter:
            clock["wall"] += 2
            raise ValueError("no luck")

    with pytest.raises(ValueError, match="no luck"):
        fail()
    clock["wall"] += 50
    assert meter.cost.wall_seconds == 2
