"""New prompts in the manner of given ones: what is shown, what is kept, and what the rows say."""

from __future__ import annotations

from collections import Counter

import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from scripted_model import Scripted, text_of

import hf_mbdc
from hf_mbdc.approaches.text_generation import TextGeneration
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis import self_training
from hf_mbdc.synthesis.methods.dialogue import converse
from hf_mbdc.synthesis.methods.new_prompt import NewPrompt, new_prompt
from hf_mbdc.synthesis.new_prompts import NewPromptsOptions, _distinct, draw_examples, run
from hf_mbdc.synthesis.step import StepContext
from hf_mbdc.transforms.rows import add_provenance_columns

APPROACH = TextGeneration(verifier="made_problems")


def rows(count: int = 6) -> Dataset:
    given = {
        "id": [f"r{number}" for number in range(count)],
        "prompt": [f"sort {number} 1" for number in range(count)],
        "answer": [None] * count,
    }
    annotated = hf_mbdc.annotate(Dataset.from_dict(given, features=APPROACH.reads), APPROACH)
    return add_provenance_columns(annotated)


def test_a_new_prompt() -> None:
    script = {"sea": "Task 3: Name a lake.\n", "cut": None, "empty": " 4. "}
    model = Scripted(lambda ask: next(reply for word, reply in script.items() if word in text_of(ask)))
    dialogues = {word: new_prompt([f"Name a {word}.", "Add 1 and 2."], Sampling()) for word in script}
    made, _ = converse(dialogues, model)
    assert made == {
        "sea": NewPrompt("Name a lake.", "", "m@1"),
        "cut": NewPrompt(None, "the new prompt was cut off or is missing", "m@1"),
        "empty": NewPrompt(None, "the new prompt is empty", "m@1"),
    }
    assert "Task 1: Name a sea.\n\nTask 2: Add 1 and 2.\n" in text_of(model.asked[0][0])


@pytest.mark.parametrize("text", ["3 apples cost 2 euros. And one?", "3.5 litres are how many pints?", ".5 + 1?"])
def test_a_prompt_that_begins_with_a_number_stays_whole(text: str) -> None:
    made, _ = converse({"a": new_prompt(["x"], Sampling())}, Scripted(lambda ask: text))
    assert made["a"].prompt == text


@given(st.integers(1, 12), st.data())
def test_examples_are_distinct(size: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, size))
    places = [data.draw(st.integers(place, size - 1)) for place in range(count)]
    taken = _distinct(places, size)
    assert len(set(taken)) == len(taken) == count
    assert set(taken) <= set(range(size))


def test_examples_are_even_and_know_no_order() -> None:
    options = NewPromptsOptions(prompts=600, examples=2)
    shown = draw_examples(rows(), options, "m@1")
    assert draw_examples(rows().select([5, 4, 3, 2, 1, 0]), options, "m@1") == shown
    counts = Counter(key for examples in shown.values() for key, _ in examples)
    assert min(counts.values()) > 150  # 200 each
    firsts = Counter(examples[0] for examples in shown.values())
    assert min(firsts.values()) > 60  # 100 each


def test_new_rows(context: StepContext) -> None:
    test = Dataset.from_dict({"id": ["t"], "prompt": ["1 2"]})
    context = StepContext(APPROACH, None, context.work_dir, target=context.target, others={"test": test})
    options = NewPromptsOptions(prompts=40, examples=2, temperature=1.0, top_p=1.0, max_tokens=6)
    made = run(rows(), options, context)
    old, new = made.rows.select(range(6)), made.rows.select(range(6, len(made.rows)))
    assert old.to_list() == rows().to_list()
    assert len(new) > 0
    left_out = made.rejected.to_list() if made.rejected else []
    assert len(new) + len(left_out) == 40 == made.record.added + made.record.rejected
    assert sum(made.record.reasons.values()) == len(left_out)
    assert len({row["id"] for row in [*new, *left_out]}) == 40
    assert all(row["answer"] is row["completion"] is None and row["prompt"] for row in new)
    assert {row["mbdc_source"] for row in new} == {"new_prompts"}
    assert all(len(set(row["mbdc_parent_id"].split())) == 2 for row in new)
    assert "1 2" not in new["prompt"][:]  # that of the evaluation split
    assert run(rows(), options, context).rows.to_list() == made.rows.to_list()

    # The next step answers them.
    answered = self_training.run(
        made.rows, self_training.SelfTrainingOptions(judge="length", candidates=8, max_tokens=6), context
    )
    own = [row for row in answered.rows.to_list() if row["id"].startswith("new_prompts") and row["completion"]]
    assert own
    assert all(len(row["mbdc_parent_id"].split()) == 2 for row in own)  # where the prompt comes from is kept

    # Its own prompts are no examples, answered or not; and a second time, by another target, others are made.
    again = draw_examples(answered.rows, options, "small_lm@4567")
    assert {key for examples in again.values() for key, _ in examples} <= set(rows()["id"][:])
    assert not set(again) & set(answered.rows["id"][:])


def test_too_few_examples(context: StepContext) -> None:
    with pytest.raises(DataError, match="too few prompts to show as examples"):
        run(rows(3), NewPromptsOptions(prompts=1, examples=4), context)


def test_wrong_options() -> None:
    with pytest.raises(RecipeError, match="at least 1"):
        NewPromptsOptions(examples=0)
