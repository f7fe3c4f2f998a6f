"""Completions to learn, whether they are right, and how a language model is scored."""

from __future__ import annotations

import pytest
from datasets import Dataset, DatasetDict

import hf_mbdc
from hf_mbdc.approaches.text_generation import TextGeneration
from hf_mbdc.errors import RecipeError


def problems(**columns: list[str | None]) -> Dataset:
    given = {
        "id": ["a", "b", "c"],
        "prompt": ["reverse 1 2", "sort 3 1", "sort 9 8"],
        "answer": ["2 1", None, "9 8"],
        **columns,
    }
    return Dataset.from_dict(given, features=TextGeneration().reads)


def test_columns() -> None:
    made = hf_mbdc.annotate(problems(), TextGeneration(verifier="made_problems"))
    assert made["completion"][:] == ["2 1", None, "9 8"]
    assert made["rejected"][:] == [None, None, None]
    assert made["verified"][:] == [True, None, False]


def test_final_answers_are_compared_with_the_answer() -> None:
    rows = problems(answer=["so #### 4", "I do not know", None], prompt=["2+2?", "3?", "4?"])
    assert hf_mbdc.annotate(rows, TextGeneration())["verified"][:] == [True, None, None]


def test_a_given_completion_is_learned_and_the_answer_stays_the_reference() -> None:
    rows = problems(answer=["#### 4", "#### 3", "#### 5"]).add_column(
        "completion", ["2 + 2 = 4\n#### 4", None, "#### 6"]
    )
    made = hf_mbdc.annotate(rows, TextGeneration())
    assert made["completion"][:] == ["2 + 2 = 4\n#### 4", None, "#### 6"]
    assert made["verified"][:] == [True, None, False]
    assert hf_mbdc.annotate(made, TextGeneration()).to_list() == made.to_list()


def test_a_row_without_a_prompt_is_set_aside() -> None:
    kept, rejected = hf_mbdc.approaches.annotate_with_rejected(problems(prompt=["x", " ", "y"]), TextGeneration())
    assert kept["id"][:] == ["a", "c"]
    assert rejected.to_list() == [{"id": "b", "split": None, "reason": "the prompt is empty"}]


def test_an_empty_answer_is_none() -> None:
    assert hf_mbdc.annotate(problems(answer=["", " ", "1"]), TextGeneration())["completion"][:] == [None, None, "1"]


def test_scores() -> None:
    made = TextGeneration(verifier="made_problems").score(["2 1", "1 2"], ["reverse 1 2", "reverse 1 2"])
    assert {name: scores.tolist() for name, scores in made.items()} == {"solved": [1, 0], "unread": [0, 0]}
    read = TextGeneration().score(["A: 4", "well", "A: 5"], ["#### 4"] * 3)
    assert {name: scores.tolist() for name, scores in read.items()} == {"solved": [1, 0, 0], "unread": [0, 1, 0]}


def test_what_two_completions_say_in_the_end() -> None:
    exact, made = TextGeneration(), TextGeneration(verifier="made_problems")
    assert exact.said("first 3, then\n#### 4.0") == exact.said("A: 4") != exact.said("A: 5")
    assert exact.said("A: Four ") == exact.said("A: four")
    assert made.said("1  2\n") == made.said("1 2")


def test_words_come_from_the_train_split() -> None:
    ds = DatasetDict({"train": problems(), "test": problems(prompt=["zoo", "x", "y"])})
    fitted = hf_mbdc.fit(ds, TextGeneration())
    assert set(fitted.words) == {"reverse", "sort", "1", "2", "3", "8", "9"}
    assert fitted.words[:1] == ("1",)
    assert "zoo" not in fitted.words
    assert fitted.target_settings() == {"words": " ".join(fitted.words)}
    assert TextGeneration(**fitted.options()) == fitted


def test_statuses() -> None:
    made = hf_mbdc.annotate(DatasetDict({"train": problems()}), TextGeneration(verifier="made_problems"))
    assert TextGeneration().count_statuses(made) == {"not answered": 1, "right": 1, "wrong": 1}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"verifier": "judge"}, "verifier is 'judge'"), ({"words": ["a b"]}, "holds what is no word")],
)
def test_wrong_options(options: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        TextGeneration(**options)  # type: ignore[arg-type]
