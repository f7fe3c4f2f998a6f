"""When checkpoints are due, and the time that a killed training had spent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from accelerate import Accelerator

from hf_mbdc.training import clock as module
from hf_mbdc.training.clock import Clock


class Time:
    """Stands in for `time`: wall and CPU time as they are set."""

    def __init__(self) -> None:
        self.now, self.cpu = 100.0, 0.0

    def monotonic(self) -> float:
        return self.now

    def process_time(self) -> float:
        return self.cpu


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(module, "time", made)
    return made


def due_at(clock: Clock, time: Time, moments: list[float]) -> list[float]:
    accelerator, found = Accelerator(cpu=True), []
    for moment in moments:
        time.now = moment
        if clock.due(accelerator):
            found.append(moment)
    return found


def test_checkpoints_by_the_clock(time: Time) -> None:
    assert due_at(Clock(20), time, [110, 119, 121, 130, 141, 160]) == [121, 141]
    assert due_at(Clock(0), time, [160, 160, 160.5]) == [160, 160, 160.5]


def test_checkpoints_that_take_long_are_written_less_often(time: Time) -> None:
    clock = Clock(20)
    assert due_at(clock, time, [121]) == [121]
    time.now = 131.0  # it took ten seconds: 19 times as long is for training
    clock.saved()
    assert due_at(clock, time, [151, 300, 320, 322]) == [322]
    every_step = Clock(0)
    assert due_at(every_step, time, [330]) == [330]
    time.now = 350.0
    every_step.saved()
    assert due_at(every_step, time, [350]) == [350]


def test_time_before_a_kill_counts(time: Time, tmp_path: Path) -> None:
    first = Clock(20)
    time.now, time.cpu = 107.0, 3.0
    first.keep(tmp_path / "time.json")
    assert json.loads((tmp_path / "time.json").read_text()) == [7.0, 3.0]
    time.now, time.cpu = 200.0, 0.0  # another process, much later
    second = Clock(20)
    second.take_up(tmp_path / "time.json")
    second.take_up(tmp_path / "missing.json")
    time.now, time.cpu = 205.0, 1.0
    assert second.lap() == (12.0, 4.0)
    assert second.lap() == (0.0, 0.0)
