"""Problems with answers that can be verified."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import RecipeError
from hf_mbdc.loaders import load_dataset
from hf_mbdc.loaders.made_problems import FAMILIES, make_problem
from hf_mbdc.verifiers.made_problems import is_right


@given(st.integers(0, 10**6))
def test_the_answer_of_every_problem_is_right_and_the_prompt_is_not(number: int) -> None:
    problem = make_problem(number)
    assert problem.family == FAMILIES[number % 3]
    assert is_right(problem.answer, problem.prompt) == 1
    assert is_right(problem.answer + " 1", problem.prompt) == 0
    assert is_right("", problem.prompt) == 0


@pytest.mark.parametrize(
    ("completion", "prompt", "right"),
    [
        ("1 2 5 9", "sort 5 2 9 1", 1),
        (" 1  2 5 9\n", "sort 5 2 9 1", 1),
        ("1 2 5", "sort 5 2 9 1", 0),
        ("9 5 2 1", "sort 5 2 9 1", 0),
        ("1 9 2 5", "reverse 5 2 9 1", 1),
        ("5 2 9 1", "reverse 5 2 9 1", 0),
        ("a big cat sees the dog", "write big cat sees a the dog", 1),
        ("the dog sees a big cat", "write big cat sees a the dog", 1),
        ("big a cat sees the dog", "write big cat sees a the dog", 0),
        ("a cat sees the dog", "write big cat sees a the dog", 0),  # a word is missing
        ("a big cat sees a dog", "write big cat sees a the dog", 0),  # one that was not given
        ("a big zebra sees the dog", "write big cat sees a the dog", 0),
    ],
)
def test_every_sentence_that_can_be_written_is_right_and_nothing_else(
    completion: str, prompt: str, right: float
) -> None:
    assert is_right(completion, prompt) == right


def test_no_task_is_on_two_sides_and_more_problems_leave_the_first_ones() -> None:
    few, many = (load_dataset("made_problems", problems=n, split_fractions=(1, 0, 0))["train"] for n in (300, 600))
    assert many.to_list()[: len(few)] == few.to_list()
    assert set(few["family"][:]) == set(FAMILIES)
    split = load_dataset("made_problems", problems=900)
    tasks = {name: {_task(prompt) for prompt in rows["prompt"][:]} for name, rows in split.items()}
    assert not tasks["train"] & tasks["test"]
    assert not tasks["train"] & tasks["validation"]
    assert min(len(rows) for rows in split.values()) > 100


def _task(prompt: str) -> str:
    family, *given = prompt.split()
    return f"{family} {min(given, given[::-1]) if family == 'reverse' else sorted(given)}"


def test_wrong_options_are_told() -> None:
    with pytest.raises(RecipeError, match="reads no data_dir"):
        load_dataset("made_problems", data_dir="somewhere")
    with pytest.raises(RecipeError, match="problems is 0"):
        load_dataset("made_problems", problems=0)


def test_only_the_first_train_problems_come_with_their_answer() -> None:
    all_told = load_dataset("made_problems", problems=120)
    ds = load_dataset("made_problems", problems=120, answered=10)
    told = [answer is not None for answer in ds["train"]["answer"]]
    assert told == [True] * 10 + [False] * (len(told) - 10)
    assert ds["train"]["prompt"][:] == all_told["train"]["prompt"][:]
    assert ds["test"].to_list() == all_told["test"].to_list()
