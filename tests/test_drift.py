"""The judge against the truth over iterations: what is told, what stops, and the table on the card."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from hf_mbdc.drift import DriftPoint, drift, reason_to_stop
from hf_mbdc.records import Iteration, StepRecord
from hf_mbdc.revisions.card import sections


def point(judge: float | None, gain: float, step: str = "self_training") -> DriftPoint:
    return DriftPoint("v2.0.0", step, gain, gain > 0, {} if judge is None else {"judge": judge})


@pytest.mark.parametrize(
    ("points", "stops"),
    [
        ([], False),
        ([point(0.9, -0.1)], False),  # nothing to compare with
        ([point(0.6, 0.1), point(0.8, -0.1)], True),
        ([point(0.6, 0.1), point(0.8, 0.0)], True),
        ([point(0.6, 0.1), point(0.8, 0.1)], False),
        ([point(0.6, 0.1), point(0.6, -0.1)], False),
        ([point(0.6, 0.1), point(None, 0.0), point(0.8, -0.1)], True),  # the last one that is known
        ([point(0.6, 0.1, "other"), point(0.8, -0.1)], False),
    ],
)
def test_when_to_stop(points: list[DriftPoint], stops: bool) -> None:
    assert (reason_to_stop(points) is not None) == stops


def test_the_table_on_the_card() -> None:
    golden = Path(__file__).parent / "revisions" / "golden" / "receipts_v2.json"
    told = Iteration.from_json(golden.read_text(encoding="utf-8"))
    step = StepRecord(
        "self_training", "model-guided synthesis", "", judge="verifier", told={"judge": 1.0, "tied": 0.25, "right": 0.9}
    )
    made = dataclasses.replace(told, steps=(*told.steps, step), scores={**told.scores, "preference_margin": 0.4})
    assert drift([told]) == []
    (found,) = drift([told, made])
    assert found.step == "self_training by verifier"
    assert found.figures == {"judge": 1.0, "right": 0.9, "tied": 0.25, "preference_margin": 0.4}
    assert sections.drift_names([told, made]) == ["judge's score", "right", "tied", "reward margin"]
    ((version, gain, cells),) = sections.drift_rows([told, made])
    assert (version, cells) == (told.version, ["1.00", ".90", ".25", ".40"])
    assert gain.startswith("+")
