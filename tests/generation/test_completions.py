"""What is asked and what is answered, and the key under which it is kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.generation import Request, Sampling, samples
from hf_mbdc.generation.completions import make_tasks

CHAT = [{"role": "user", "content": "Why?"}]


DEFAULT = Sampling()


def key(prompt: str = "p", *, identity: str = "m@1", sampling: Sampling = DEFAULT, seed: int = 0, **request) -> bytes:
    asked = Request(request.pop("row", "a"), **({"prompt": prompt} if not request.get("messages") else {}), **request)
    return make_tasks([asked], [prompt], identity=identity, sampling=sampling, seed=seed)[0].key


def test_the_key_is_of_weights_prompt_sampling_seed_and_sample() -> None:
    sampling = Sampling()
    keys = [
        key(),
        key(identity="m@2"),
        key("q"),
        key(seed=1),
        key(sample=1),
        key(messages=CHAT),
        *(
            key(sampling=replace(sampling, **change))
            for change in (
                {"temperature": 0.5},
                {"top_p": 0.5},
                {"top_k": 5},
                {"stop": ("x",)},
                {"logprobs": True},
            )
        ),
    ]
    assert len(set(keys)) == len(keys)
    assert {len(one) for one in keys} == {16}


def test_the_key_is_not_of_the_row_and_not_of_max_tokens() -> None:
    assert key(row="b") == key()
    assert key(sampling=Sampling(max_tokens=3)) == key()
    assert key(sampling=Sampling(temperature=1)) == key()  # an int is the same number


@given(st.lists(st.tuples(st.text(), st.integers(0, 99)), unique=True, max_size=20))
def test_other_prompts_and_samples_have_other_keys(asked: list[tuple[str, int]]) -> None:
    requests = [Request("a", prompt=prompt, sample=sample) for prompt, sample in asked]
    tasks = make_tasks(requests, [p for p, _ in asked], identity="m", sampling=Sampling(), seed=0)
    assert len({task.key for task in tasks}) == len({task.draw for task in tasks}) == len(asked)


@pytest.mark.parametrize(
    "wrong", [{"temperature": -0.1}, {"top_p": 0.0}, {"top_p": 1.1}, {"top_k": -1}, {"max_tokens": 0}, {"stop": ("",)}]
)
def test_sampling_out_of_range(wrong: dict) -> None:
    with pytest.raises(RecipeError, match=f"{next(iter(wrong))} is out of range"):
        Sampling(**wrong)


def test_not_a_number_is_no_temperature() -> None:
    with pytest.raises(RecipeError, match="temperature is out of range"):
        Sampling(temperature=float("nan"))


def test_half_a_character_is_told() -> None:
    with pytest.raises(DataError, match=r"no valid Unicode.*\(key 'a'\)"):
        key("\ud83d")


def test_one_stop_text_is_one_text() -> None:
    assert Sampling(stop="END") == Sampling(stop=("END",))  # type: ignore[arg-type]


def test_a_request_has_messages_or_a_prompt() -> None:
    for wrong in ({}, {"messages": CHAT, "prompt": "p"}):
        with pytest.raises(DataError, match=r"messages or a prompt, and not both \(key 'a'\)"):
            Request("a", **wrong)


def test_samples_keep_the_order() -> None:
    made = samples([Request("a", CHAT), Request("b", prompt="p")], 2)
    assert [(request.key, request.sample, request.prompt) for request in made] == [
        ("a", 0, None),
        ("a", 1, None),
        ("b", 0, "p"),
        ("b", 1, "p"),
    ]
