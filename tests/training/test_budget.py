"""Parent and candidate get as many steps and the same first weights, however many rows each has."""

from __future__ import annotations

import dataclasses
import doctest
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datasets import Dataset

from hf_mbdc.errors import TrainingError
from hf_mbdc.training import budget
from hf_mbdc.training.budget import check_budget, equal_budget, steps_of, with_steps_of
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.launch import TrainingJob, launch


def test_the_examples() -> None:
    assert doctest.testmod(budget).failed == 0


def jobs_of(parent_rows: int, candidate_rows: int, **settings: Any) -> tuple[TrainingJob, TrainingJob]:
    config = TrainingConfig(epochs=3, batch_size=4)
    rows = (Dataset.from_dict({"id": [str(n) for n in range(count)]}) for count in (parent_rows, candidate_rows))
    parent, candidate = (TrainingJob(some, {}, config) for some in rows)
    return parent, dataclasses.replace(candidate, config=dataclasses.replace(config, **settings))


def test_the_last_batch_of_an_epoch_counts() -> None:
    assert [steps_of(TrainingConfig(epochs=2, batch_size=4), rows) for rows in (1, 4, 5, 8, 9)] == [2, 2, 4, 4, 6]


def test_a_given_budget_stays() -> None:
    assert with_steps_of(TrainingConfig(max_steps=7), rows=1000) == TrainingConfig(max_steps=7)


def test_the_candidate_gets_the_steps_of_the_parent() -> None:
    parent, candidate = equal_budget(*jobs_of(10, 100, epochs=50))
    assert (parent.config.max_steps, candidate.config.max_steps) == (9, 9)
    assert parent.config == candidate.config
    assert (len(parent.train), len(candidate.train)) == (10, 100)


@pytest.mark.parametrize(
    ("settings", "named"), [({"seed": 1}, "seed"), ({"model": "a/b"}, "model"), ({"batch_size": 8}, "batch_size")]
)
def test_other_settings_than_the_budget_must_be_equal(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(TrainingError, match=rf"would not be trained alike \(settings \['{named}'\]\)"):
        equal_budget(*jobs_of(10, 10, **settings))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"steps": 91}, r"were trained for different numbers of steps \(pair 1, parent 90, candidate 91\)"),
        ({"first_weights_sha256": "x"}, r"began with different weights \(pair 1, parent '5e', candidate 'x'\)"),
    ],
)
def test_unequal_trainings_are_refused(changed: dict[str, Any], message: str) -> None:
    metrics = {"steps": 90, "first_weights_sha256": "5e", "tokens": 10}
    alike = SimpleNamespace(metrics=metrics)
    with pytest.raises(TrainingError, match=message):
        check_budget([alike, alike], [alike, SimpleNamespace(metrics=metrics | changed)])


def test_trainings_on_twice_the_rows_begin_with_the_same_weights_and_take_as_many_steps(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    config = TrainingConfig(epochs=2, batch_size=4)
    parent, candidate = (TrainingJob(Dataset.from_list(some), {}, config) for some in (rows[:6], rows))
    results = launch(equal_budget(parent, candidate), work_dir=tmp_path)
    told = check_budget(results[:1], results[1:])
    assert told.steps == 4
    assert told.parent_tokens > 0 < told.candidate_tokens
    assert len({result.metrics["first_weights_sha256"] for result in results}) == 1
    assert len({result.metrics["weights_sha256"] for result in results}) == 2
