"""The check of training rows: every row that TRL would train on silently wrong is named."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset

from hf_mbdc.errors import DataError
from hf_mbdc.synthesis.preferences.layouts import check_layout

ASK = [{"role": "user", "content": "2+2?"}]


def say(text: str, role: str = "assistant") -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


@pytest.mark.parametrize(
    ("layout", "row", "message"),
    [
        ("preference", {"prompt": "q", "chosen": "a", "rejected": "a"}, "chosen and rejected are equal"),
        ("preference", {"prompt": "q", "chosen": "4", "rejected": "4 \n"}, "chosen and rejected are equal"),
        ("preference", {"prompt": ASK, "chosen": say("4"), "rejected": say(" 4")}, "chosen and rejected are equal"),
        ("sft", {"prompt": say(" ", "user"), "completion": say("a")}, "A message of prompt is empty"),
        ("preference", {"prompt": "q", "chosen": " ", "rejected": "a"}, "chosen is empty"),
        ("preference", {"prompt": "q", "chosen": "a"}, r"The columns \['rejected'\] are missing"),
        (
            "preference",
            {"prompt": "q", "chosen": say("a"), "rejected": say("b")},
            "prompt is text and chosen is a",
        ),
        ("preference", {"prompt": ASK, "chosen": say("a", "user"), "rejected": say("b")}, "chosen does not begin with"),
        ("preference", {"prompt": ASK, "chosen": say("a", "bot"), "rejected": say("b")}, "has the role 'bot'"),
        (
            "preference",
            {"prompt": say("a"), "chosen": say("a"), "rejected": say("b")},
            "prompt ends with an answer",
        ),
        ("preference", {"prompt": ASK, "chosen": say(" "), "rejected": say("b")}, "A message of chosen is empty"),
        ("reward", {"prompt": "q", "chosen": "a", "rejected": "b", "margin": 0.0}, "The margin is 0.0"),
        ("reward", {"prompt": "q", "chosen": "a", "rejected": "b", "margin": float("nan")}, "The margin is nan"),
        ("kto", {"prompt": "q", "completion": "a", "label": None}, "The label is None"),
        ("kto", {"prompt": "q", "completion": "a", "label": 1}, "The label is 1"),
        ("sft", {"prompt": "", "completion": "a"}, "prompt is empty"),
    ],
)
def test_a_row_that_teaches_something_else_is_named(layout: Any, row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_layout(Dataset.from_list([row]), layout)


def test_the_first_wrong_row_is_named_by_number_and_id() -> None:
    rows = Dataset.from_dict({"id": ["a", "b"], "prompt": ["q", "q"], "completion": ["x", ""]})
    with pytest.raises(DataError, match="row 1, id 'b'"):
        check_layout(rows, "sft")


def test_no_row_at_all_is_no_training_set() -> None:
    rows = Dataset.from_dict({"prompt": ["q"], "completion": ["x"]})
    check_layout(rows, "sft")
    with pytest.raises(DataError, match="no row to train on"):
        check_layout(rows.select([]), "sft")
