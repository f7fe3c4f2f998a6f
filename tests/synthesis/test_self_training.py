"""The target answers prompts itself: who is asked, what a judge takes, and what the rows say of it."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset
from scripted_model import Scripted, text_of

import hf_mbdc
from hf_mbdc.approaches.text_generation import TextGeneration
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.synthesis import self_training
from hf_mbdc.synthesis.methods.dialogue import Answer, Ask, converse
from hf_mbdc.synthesis.self_training import Learned, SelfTrainingOptions, describe, run
from hf_mbdc.synthesis.step import StepContext

APPROACH = TextGeneration(verifier="made_problems")


def rows(answered: int = 2) -> Dataset:
    prompts = ["sort 2 1", "reverse 1 2", "sort 3", "reverse 3", "sort 1"]
    answers = ["1 2", "2 1", "3", "3", "1"]
    given = {
        "id": list("abcde"),
        "prompt": prompts,
        "answer": [*answers[:answered], *[None] * (len(prompts) - answered)],
    }
    return hf_mbdc.annotate(Dataset.from_dict(given, features=APPROACH.reads), APPROACH)


def options(**given: Any) -> SelfTrainingOptions:
    return SelfTrainingOptions(**{"candidates": 40, "temperature": 1.0, "max_tokens": 3, **given})


def test_only_right_answers_are_learned(context: StepContext) -> None:
    made = run(rows(), options(judge="verifier", candidates=400), context)
    before, after = rows().to_list(), made.rows.to_list()
    learned = [row for row in after if row["mbdc_source"] == "self_training"]
    assert learned, "no answer of 400 was right: draw more"
    assert all(row["verified"] and APPROACH.verify([row["completion"]], [row["prompt"]]) == [True] for row in learned)
    assert {(row["mbdc_model"], row["mbdc_iteration"]) for row in learned} == {("small_lm@0123", None)}
    assert all(row["mbdc_parent_id"] == row["id"] for row in learned)
    kept = [{name: row[name] for name in before[0]} for row in after if row["mbdc_source"] is None]
    assert kept == [row for row, now in zip(before, after, strict=True) if now["mbdc_source"] is None]
    record = made.record
    assert (record.changed, record.kept) == (len(learned), 5 - len(learned))
    assert sum(record.reasons.values()) == 3
    assert record.told["right"] == record.told["judge"] == 1.0


def test_final_answers_are_verified_against_the_answer(context: StepContext) -> None:
    approach = TextGeneration()
    given = {"id": ["a", "b"], "prompt": ["sort 3", "sort 1"], "answer": ["3", "2"], "completion": ["3", None]}
    data = hf_mbdc.annotate(Dataset.from_dict(given), approach)
    made = run(data, options(candidates=400), StepContext(approach, None, context.work_dir, target=context.target))
    assert made.rows["completion"][:] == ["3", "2"]
    assert made.rows["verified"][:] == [True, True]
    assert made.record.judge == "verifier"


def test_the_longest_answer_wins_with_the_judge_that_likes_length(context: StepContext) -> None:
    made = run(rows(), options(judge="length", learn="pairs"), context)
    pairs = [row for row in made.rows.to_list() if row["rejected"] is not None]
    assert pairs
    assert all(len(row["completion"].split()) > len(row["rejected"].split()) for row in pairs)
    assert made.record.told["longer_chosen"] == 1.0
    assert made.record.told["right"] < 1.0


def test_nothing_is_asked_twice(context: StepContext) -> None:
    first = run(rows(), options(), context)
    again = run(rows(), options(), context)
    assert again.rows.to_list() == first.rows.to_list()
    assert (first.record.cost.model_calls, again.record.cost.model_calls) == (3 * 40, 0)


def test_so_many_prompts_at_most_and_others_with_another_seed(context: StepContext) -> None:
    taken = set()
    for seed in range(8):
        made = run(rows(), options(prompts=1, judge="length", seed=seed), context)
        (changed,) = [row["id"] for row in made.rows.to_list() if row["mbdc_source"]]
        taken.add(changed)
    assert len(taken) > 1
    assert taken <= set("cde")


def test_the_order_of_the_rows_does_not_matter(context: StepContext) -> None:
    made = run(rows(), options(prompts=2), context).rows.to_list()
    turned = run(rows().select([4, 3, 2, 1, 0]), options(prompts=2), context).rows.to_list()
    assert turned == made[::-1]


def test_no_prompt_is_open(context: StepContext) -> None:
    with pytest.raises(DataError, match="Every prompt has its completion"):
        run(rows(answered=5), options(), context)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"judge": "mood"}, "judge is 'mood'"),
        ({"learn": "nothing"}, "learn is 'nothing'"),
        ({"prompts": 0}, "at least 1"),
        ({"candidates": 1, "learn": "pairs"}, "at least 2"),
        ({"candidates": 1, "judge": "self_rewarding"}, "at least 2"),
        ({"top_p": 1.5}, "top_p is out of range"),
        ({"max_tokens": 0}, "max_tokens is out of range"),
    ],
)
def test_wrong_options(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        SelfTrainingOptions(**wrong)


@pytest.mark.parametrize("judge", ["self_rewarding", "expected_score"])
def test_a_target_of_random_weights_gives_no_points(judge: Any, context: StepContext) -> None:
    made = run(rows(), options(judge=judge, candidates=6, max_tokens=40), context)
    assert made.record.changed == 0
    assert made.record.reasons == {"no answer was good enough": 3}
    assert made.record.told["cut_off"] < 1
    assert made.record.cost.model_calls >= 3 * 6


@pytest.mark.parametrize("judge", ["self_rewarding", "expected_score"])
def test_the_target_judges_itself(judge: Any) -> None:
    def reply(ask: Ask) -> Answer | str:
        if ask.role == "target":
            return ["first", "second"][ask.sample]
        good = "second" in text_of(ask)
        if ask.options:
            return Answer("5", "stop", "m@1", (0, 0, 0, 0, 1) if good else (1, 0, 0, 0, 0), mass=0.9)
        return "Score: 5" if good else "Score: 1"

    asked = self_training.dialogue("3 + 1?", "4", options(judge=judge, candidates=2), TextGeneration())
    found, _ = converse({"a": asked}, Scripted(reply))
    assert found["a"].texts == ("first", "second")
    assert found["a"].scores == (1.0, 5.0)


def test_a_prompt_that_the_target_cannot_take_stays_open(context: StepContext) -> None:
    long = {"id": ["a", "b"], "prompt": ["sort 1", "sort " + "1 " * 5000], "answer": ["1", None]}
    data = hf_mbdc.annotate(Dataset.from_dict(long, features=APPROACH.reads), APPROACH)
    made = run(data, options(), context)
    assert made.rows["completion"][:] == ["1", None]
    assert made.record.reasons == {"the target gave no answer": 1}


def test_what_is_told() -> None:
    scored = Dataset.from_dict(
        {
            "id": ["a", "b"],
            "completions": [["1 2", "2 1", "1 2", "9"], ["x", "x", "x", "x"]],
            "finish_reasons": [["stop", "stop", "stop", "length"], ["stop"] * 4],
            "scores": [[1.0, 0.0, 1.0, None], [0.0, 0.0, 0.0, 0.0]],
        }
    )
    told = describe(scored, [Learned("1 2", 1.0, True, "2 1")])
    assert told == {
        "judge": 1.0,
        "right": 1.0,
        "words": 2.0,
        "distinct": 0.5,
        "longer_chosen": 0.5,
        "cut_off": 0.125,
        "unread": 0.0,
        "tied": 0.5,
    }


def test_refining_needs_the_verifier() -> None:
    with pytest.raises(RecipeError, match="as long as a verifier calls them wrong"):
        SelfTrainingOptions(method="refine", judge="majority")
