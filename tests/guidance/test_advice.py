"""Each rule fires where its figures say so, and nowhere else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hf_mbdc.guidance.advice import Findings, Group, advise
from hf_mbdc.guidance.imbalance import FrequencyBucket
from hf_mbdc.records import Cost

SETTLED = Findings(
    score=0.9,
    train_rows=100,
    losses=(2.0, 0.21, 0.2),
    right=(0.5, 0.95, 0.96),
    training=Cost(100.0, 90.0, model_calls=7, tokens=1000),
    wrong=10,
)
SEVERAL = Group(rows=40, learned=0.4, learned_others=0.8, surely=-4.0, missed=0.05)
RARE = FrequencyBucket(1, 2, classes=3, rows=20, score=0.3, interval=(0.1, 0.5))
OFTEN = FrequencyBucket(10, 29, classes=2, rows=80, score=0.95, interval=(0.9, 0.98))


def titles(**found: Any) -> list[str]:
    return [advice.title for advice in advise(dataclasses.replace(SETTLED, **found))]


def test_nothing_is_advised_where_nothing_is_wrong() -> None:
    assert titles() == []


@pytest.mark.parametrize(
    ("found", "title"),
    [
        ({"several": SEVERAL}, "Let the target choose among occurrences"),
        ({"several": dataclasses.replace(SEVERAL, surely=-1.5)}, None),
        ({"several": dataclasses.replace(SEVERAL, surely=4.0)}, None),
        ({"several": dataclasses.replace(SEVERAL, missed=0.004)}, None),
        ({"several": dataclasses.replace(SEVERAL, missed=None)}, "Let the target choose among occurrences"),
        ({"suspects": 3}, "Look at suspicious labels"),
        ({"absent": 2}, "Find the answers that were not located"),
        ({"nearly": 2, "nearly_missed": 0.02}, "Agree on how answers are written"),
        ({"nearly": 1, "nearly_missed": 0.01}, None),
        ({"losses": (2.0, 0.5, 0.4), "right": (0.5, 0.8, 0.85)}, "Train longer before you change data"),
        ({"losses": (2.0, 0.5, 0.48), "right": (0.5, 0.8, 0.85)}, None),
        ({"losses": (2.0,), "right": (0.5,)}, None),
        ({"score": 0.8}, "More documents"),
        ({"score": 0.88}, None),
        ({"buckets": (RARE, OFTEN)}, "More rows of the rare classes"),
        ({"buckets": (dataclasses.replace(RARE, interval=(0.1, 0.95)), OFTEN)}, None),
    ],
)
def test_each_rule(found: dict[str, Any], title: str | None) -> None:
    assert titles(**found) == ([] if title is None else [title])


def test_the_most_room_comes_first_and_unknown_room_last() -> None:
    found = dataclasses.replace(SETTLED, score=0.7, several=SEVERAL, suspects=3, nearly=5, nearly_missed=0.08)
    assert [(advice.title, advice.room) for advice in advise(found)] == [
        ("More documents", pytest.approx(0.26 - 0.05 - 0.08)),
        ("Agree on how answers are written", 0.08),
        ("Let the target choose among occurrences", 0.05),
        ("Look at suspicious labels", None),
    ]


def test_the_cost_is_that_of_an_earlier_step_where_there_was_one() -> None:
    (told,) = advise(dataclasses.replace(SETTLED, several=SEVERAL))
    assert told.cost == Cost(300.0, 270.0, tokens=3000)  # 4 folds, each trained on 3 of 4 parts
    assert told.basis == "4 trainings on 3/4 of the rows"
    earlier = {"relabel_occurrences": Cost(55.0, 50.0)}
    (told,) = advise(dataclasses.replace(SETTLED, several=SEVERAL, earlier=earlier, relabelled=9))
    assert (told.cost, told.basis) == (Cost(55.0, 50.0), "what this step cost last")
    assert "An earlier step has moved 9 rows" in told.why


def test_figures_stand_in_the_reasons() -> None:
    (told,) = advise(dataclasses.replace(SETTLED, buckets=(RARE, OFTEN)))
    assert "20 evaluation rows of classes with 1–2 training rows score 30 %, below all rows' 90 %" in told.why
    assert told.room == pytest.approx(0.14)
    (told,) = advise(dataclasses.replace(SETTLED, suspects=1))
    assert told.why.startswith("In no epoch did the target get 1 training row right")
