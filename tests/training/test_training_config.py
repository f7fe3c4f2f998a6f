"""Settings are flags, and wrong ones are said before anything is loaded."""

from __future__ import annotations

import argparse

import pytest

from hf_mbdc.errors import TrainingError
from hf_mbdc.training.config import TrainingConfig


def test_flags_give_the_same_configuration_back() -> None:
    config = TrainingConfig(model="a/b", objective="hard_em", epochs=3, learning_rate=1e-5, seed=7, warmup=0.0)
    parser = argparse.ArgumentParser()
    TrainingConfig.add_flags(parser)
    assert TrainingConfig.from_flags(parser.parse_args(config.as_flags())) == config
    assert TrainingConfig.from_flags(parser.parse_args([])) == TrainingConfig()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"objective": "softmax"}, "There is no objective 'softmax'. Take one of chosen, marginal, hard_em."),
        ({"epochs": 0}, "epochs is 0. It must be at least 1."),
        ({"max_steps": -1}, "max_steps is -1. It must be at least 0."),
        ({"batch_size": -1}, "batch_size is -1"),
        ({"warmup": 1.5}, "warmup is 1.5. It must be from 0 to 1."),
        ({"marginal_fraction": 2.0}, "marginal_fraction is 2.0"),
    ],
)
def test_wrong_settings(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        TrainingConfig(**wrong)
