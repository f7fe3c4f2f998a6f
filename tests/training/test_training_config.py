"""Settings are flags, and wrong ones are said before anything is loaded."""

from __future__ import annotations

import argparse

import pytest

from hf_mbdc.errors import TrainingError
from hf_mbdc.training.config import RecognitionConfig, TrainingConfig


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


def test_flags_of_recognition_give_the_same_configuration_back() -> None:
    config = RecognitionConfig(model="a/b", charset="가 -나", normalization="none", unit="grapheme", height=48, seed=7)
    parser = argparse.ArgumentParser()
    RecognitionConfig.add_flags(parser)
    assert RecognitionConfig.from_flags(parser.parse_args(config.as_flags())) == config
    assert RecognitionConfig.from_flags(parser.parse_args([])) == RecognitionConfig()
    assert (RecognitionConfig.task, TrainingConfig.task) == ("text_recognition", "extractive_qa")


def test_a_charset_that_begins_with_a_dash_is_no_flag() -> None:
    config = RecognitionConfig(charset="-가")
    parser = argparse.ArgumentParser()
    RecognitionConfig.add_flags(parser)
    assert RecognitionConfig.from_flags(parser.parse_args(config.as_flags())) == config


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"height": 30}, "height is 30. It must be a multiple of 4."),
        ({"height": 0}, "height is 0. It must be at least 1."),
        ({"max_width": 0}, "max_width is 0"),
        ({"beam_width": 0}, "beam_width is 0"),
        ({"unit": "letter"}, "There is no unit 'letter'. Take one of code_point, grapheme."),
        ({"normalization": "nfc"}, "There is no normalization 'nfc'"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
    ],
)
def test_wrong_settings_of_recognition(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        RecognitionConfig(**wrong)
