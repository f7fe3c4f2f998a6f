"""Final answers of solutions, read as people and models write them."""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import RecipeError
from hf_mbdc.verifiers.exact_answer import ExactAnswer, final_answer, parse_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("18", Fraction(18)),
        ("-3", Fraction(-3)),
        ("−3", Fraction(-3)),
        ("- 3", Fraction(-3)),
        ("+3", Fraction(3)),
        ("$-3", Fraction(-3)),
        ("$1,234.50", Fraction(2469, 2)),
        (".5", Fraction(1, 2)),
        ("1/5", Fraction(1, 5)),
        ("7/14", Fraction(1, 2)),
        ("-1.8 billion", Fraction(-1_800_000_000)),
        ("2 thousand pens", Fraction(2000)),
        ("18 eggs.", Fraction(18)),
        ("about 40%", Fraction(40)),
        ("1,23", None),  # two numbers, as no group of thousands has two digits
        ("3 of 4", None),
        ("10+John's age", None),
        ("2x + 3", None),
        ("x = 4", None),
        ("1/0", None),
        ("5/000", None),
        ("1/٠", None),
        ("9" * 5000, None),
        ("minus 5", Fraction(-5)),
        ("negative 5 degrees", Fraction(-5)),
        ("5 minus", Fraction(5)),
        ("1²", None),
        ("", None),
        ("many", None),
    ],
)
def test_the_one_number_of_an_answer(text: str, number: Fraction | None) -> None:
    assert parse_number(text) == number


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("A: 3\nNo.\nA: 4\nbye", "4"),
        ("#### 18 ", "18"),
        ("so \\boxed{\\frac{1}{2}} it is", "\\frac{1}{2}"),
        ("so \\boxed{1", None),
        ("42", "42"),
        ("two lines\n42", None),
        ("A:", None),
        ("A:\n4", None),
        ("", None),
    ],
)
def test_the_answer_is_what_follows_the_last_marker(text: str, answer: str | None) -> None:
    assert final_answer(text, ExactAnswer().markers) == answer


def test_text_is_compared_as_text_and_a_number_is_never_right_by_its_words() -> None:
    verify = ExactAnswer()
    assert verify("A: The  Moon.", "A: the moon") == 1
    assert verify("A: the sun", "A: the moon") == 0
    assert math.isnan(verify("A: eighteen", "A: 18"))
    assert math.isnan(verify("A: 18", "no answer given\nhere"))


def test_a_marker_of_ones_own() -> None:
    assert ExactAnswer(("Answer =",))("Answer = 5", "5") == 1
    with pytest.raises(RecipeError, match="A marker announces the answer"):
        ExactAnswer(("",))


@given(st.fractions(max_denominator=1000), st.integers(0, 5))
def test_a_number_reads_back_however_it_is_written(number: Fraction, spaces: int) -> None:
    written = f"{number.numerator}/{number.denominator}"
    grouped = f"{number.numerator:,}/{number.denominator}"
    assert parse_number(" " * spaces + written) == parse_number(f"${grouped}") == number


def test_four_models_on_gsm8k_are_judged_as_their_authors_did(shared_data: Path) -> None:
    verify, agreed, number = ExactAnswer(), 0, 0
    with (shared_data / "gsm8k" / "example_model_solutions.jsonl").open(encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            for model, given_answer in row.items():
                if model not in ("question", "ground_truth"):
                    number += 1
                    right = verify(given_answer["solution"], row["ground_truth"]) == 1
                    agreed += right == given_answer["is_correct"]
    assert number == 4 * 1319
    assert agreed / number >= 0.995
