"""Probabilities of given answers: those of a plain forward pass, whatever is in a batch with them."""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_model import Fault, LoopbackModel
from tiny_llama import tiny_model, tiny_tokenizer

from hf_mbdc.errors import GenerationError, RecipeError
from hf_mbdc.generation import (
    EndpointGenerator,
    LocalGenerator,
    Request,
    Sampling,
    generate,
    rate,
    rate_with_rejected,
)
from hf_mbdc.generation.completions import make_tasks
from hf_mbdc.generation.options import whole_answers

PROMPTS = ["ab", "a longer prompt, it is", "Why?", "x", "One two three four five six seven", "zz top"]
REQUESTS = [Request(f"r{place}", prompt=prompt) for place, prompt in enumerate(PROMPTS)]
PROBE = "Write a sentence about anything you like."
QUESTION = [Request("a", [{"role": "user", "content": "Why?"}])]


@pytest.fixture(scope="module")
def generator() -> LocalGenerator:
    return LocalGenerator(tiny_model(), tiny_tokenizer(), name="tiny")


def chances_after(model, ids: list[int]) -> torch.Tensor:
    """Probabilities of the next token by one forward pass over one row, without padding and `generate`."""
    with torch.inference_mode():
        return model(torch.tensor([ids])).logits[0, -1].double().softmax(-1)


def by_id(rows) -> dict[str, list[float]]:
    return {row["id"]: [*row["probabilities"], row["mass"]] for row in rows}


def close(one: dict[str, list[float]], other: dict[str, list[float]]) -> bool:
    return one.keys() == other.keys() and all(other[key] == pytest.approx(one[key], rel=1e-4) for key in one)


def test_probabilities_are_those_of_a_plain_forward_pass(generator: LocalGenerator) -> None:
    rows = rate(REQUESTS, generator, ["1", "2", "e"])
    assert rows["id"][:] == [f"r{place}-0" for place in range(6)]
    for row in rows:
        ids = generator.tokenizer(row["prompt"])["input_ids"]
        chances = chances_after(generator.model, ids)
        wanted = [float(chances[generator.tokenizer.convert_tokens_to_ids(option)]) for option in ("1", "2", "e")]
        assert row["mass"] == pytest.approx(sum(wanted), rel=1e-4)
        assert row["probabilities"] == pytest.approx([one / sum(wanted) for one in wanted], rel=1e-4)
        assert sum(row["probabilities"]) == pytest.approx(1)
    assert rows[0] == {
        "id": "r0-0",
        "mbdc_parent_id": "r0",
        "prompt": "ab",
        "options": ["1", "2", "e"],
        "probabilities": rows[0]["probabilities"],
        "mass": rows[0]["mass"],
        "mbdc_model": generator.identity(),
    }


def test_all_tokens_of_an_option_count_and_a_longer_option_is_not_the_shorter_one(generator: LocalGenerator) -> None:
    [row] = rate([Request("a", prompt="ab")], generator, ["1", "10", "yes", "100", "yet"])
    token = generator.tokenizer.convert_tokens_to_ids
    ids = generator.tokenizer("ab")["input_ids"]

    def chance(text: str) -> float:
        """That what is written begins so."""
        whole = 1.0
        for place, character in enumerate(text):
            whole *= float(chances_after(generator.model, ids + token(list(text[:place])))[token(character)])
        return whole

    wanted = [chance("1") - chance("10"), chance("10") - chance("100"), chance("yes"), chance("100"), chance("yet")]
    assert [row["mass"] * share for share in row["probabilities"]] == pytest.approx(wanted, rel=1e-3)


def test_all_single_characters_and_the_special_tokens_are_all_that_can_be_said(generator: LocalGenerator) -> None:
    from tiny_llama import CHARACTERS

    [row] = rate([Request("a", prompt="ab")], generator, list(CHARACTERS))
    special = float(chances_after(generator.model, generator.tokenizer("ab")["input_ids"])[:4].sum())
    assert row["mass"] == pytest.approx(1 - special, abs=1e-6)


def test_messages_go_through_the_chat_template(generator: LocalGenerator) -> None:
    [row] = rate(QUESTION, generator, ["1", "2"])
    assert row["prompt"] == "<user>Why?\n<assistant>"
    ids = generator.tokenizer(row["prompt"], add_special_tokens=False)["input_ids"]
    chances = chances_after(generator.model, ids)[generator.tokenizer.convert_tokens_to_ids(["1", "2"])]
    assert row["mass"] == pytest.approx(float(chances.sum()), rel=1e-4)


def test_order_batches_sampling_and_seed_do_not_matter(generator: LocalGenerator) -> None:
    options = ["1", "10", "yes"]
    whole = by_id(rate(REQUESTS, generator, options))
    assert len({tuple(row) for row in whole.values()}) == 6
    assert close(by_id(rate(REQUESTS[::-1], replace(generator, batch_tokens=30), options)), whole)
    assert close(by_id(rate(REQUESTS[4:5], generator, options)), {"r4-0": whole["r4-0"]})
    other = replace(generator, sampling=Sampling(0.1, top_k=1, max_tokens=300, stop=("e",)), seed=7)
    assert by_id(rate(REQUESTS, other, options)) == whole


def test_the_order_of_the_options_is_that_of_the_probabilities(generator: LocalGenerator) -> None:
    [row] = rate(REQUESTS[:1], generator, ["1", "2", "3"])
    [turned] = rate(REQUESTS[:1], generator, ["3", "1", "2"])
    one, two, three = row["probabilities"]
    assert turned["probabilities"] == pytest.approx([three, one, two], rel=1e-6)


def test_the_likeliest_option_is_what_a_greedy_model_says(generator: LocalGenerator) -> None:
    greedy = replace(generator, sampling=Sampling(temperature=0, max_tokens=1))
    said = {row["mbdc_parent_id"]: row["completion"] for row in generate(REQUESTS, greedy)}
    assert all(len(text) == 1 for text in said.values())
    options = sorted(set(said.values()))
    for row in rate(REQUESTS, generator, options):
        shares = row["probabilities"]
        assert options[shares.index(max(shares))] == said[row["mbdc_parent_id"]]


def test_batches_stay_within_their_bound(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    plain = LocalGenerator.next_logits

    def watched(self: LocalGenerator, rows: list[list[int]]) -> torch.Tensor:
        seen.append(len(rows) * (max(map(len, rows)) + 1))
        return plain(self, rows)

    monkeypatch.setattr(LocalGenerator, "next_logits", watched)
    rate(REQUESTS, replace(generator, batch_tokens=80), ["1", "10", "yes"])  # of each prompt four beginnings
    assert max(seen) <= 80
    seen.clear()
    rate(REQUESTS, generator, ["1", "2"])
    assert len(seen) == 1  # one pass, one row a prompt
    assert seen[0] == 6 * (len(PROMPTS[4]) + 2)


def test_a_store_keeps_ratings_apart_by_options_and_from_completions(generator: LocalGenerator, tmp_path: Path) -> None:
    store = tmp_path / "s.sqlite"
    first = rate_with_rejected(REQUESTS, generator, ["1", "2"], store=store)
    assert (first.reused, first.cost.model_calls) == (0, 6)
    assert first.cost.tokens == sum(len(prompt) + 1 for prompt in PROMPTS)
    again = rate_with_rejected(REQUESTS, replace(generator, seed=3), ["1", "2"], store=store)
    assert (again.reused, again.cost.model_calls) == (6, 0)
    assert again.rows.to_list() == first.rows.to_list()
    for options in (["1", "3"], ["2", "1"], ["1"]):
        assert rate_with_rejected(REQUESTS, generator, options, store=store).reused == 0
    greedy = replace(generator, sampling=Sampling(temperature=0.0, max_tokens=1, logprobs=True))
    assert generate(REQUESTS, greedy, store=store).to_list() == generate(REQUESTS, greedy).to_list()
    trained = copy.deepcopy(generator.model)
    with torch.no_grad():
        trained.lm_head.weight[0, 0] += 1
    assert rate_with_rejected(REQUESTS, replace(generator, model=trained), ["1", "2"], store=store).reused == 0


def byte_pairs() -> LocalGenerator:
    """Its tokenizer has " 1" and " 12" as one token each, and no token for two spaces."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: place for place, token in enumerate(["<pad>", "</s>", " ", "1", "2", "A", ":", " 1", " 12"])}
    pairs = Tokenizer(models.BPE(vocabulary, [(" ", "1"), (" 1", "2")]))
    names = {"pad_token": "<pad>", "eos_token": "</s>"}
    return LocalGenerator(tiny_model(), PreTrainedTokenizerFast(tokenizer_object=pairs, **names), name="tiny")


def test_an_option_has_the_tokens_that_it_has_after_the_prompt() -> None:
    generator = byte_pairs()
    [row] = rate([Request("a", prompt="A:")], generator, [" 1", " 12", "12"])
    chances = chances_after(generator.model, [5, 6])
    # " 12" is a token of its own, so that a model which says " 1" has not begun to say it.
    wanted = [float(chances[7]), float(chances[8]), float(chances[3] * chances_after(generator.model, [5, 6, 3])[4])]
    assert [row["mass"] * share for share in row["probabilities"]] == pytest.approx(wanted, rel=1e-3)


def test_a_prompt_whose_end_melts_into_an_option_is_rejected() -> None:
    made = rate_with_rejected([Request("a", prompt="A: "), Request("b", prompt="A:")], byte_pairs(), ["2", "1"])
    assert made.rows["mbdc_parent_id"][:] == ["b"]
    assert made.rejected["reason"][:] == [
        "the option '1' changes the tokens at the end of the prompt; end the prompt before a space, and begin the "
        "option with it"
    ]
    with pytest.raises(GenerationError, match=r"1 of 2 requests.*the option '1' changes.*call rate_with_rejected"):
        rate([Request("a", prompt="A: "), Request("b", prompt="A:")], byte_pairs(), ["2", "1"])


def test_what_cannot_be_rated_is_rejected_with_its_reason(generator: LocalGenerator) -> None:
    asked = [Request("long", prompt="a" * 600), Request("longer with it", prompt="a" * 510), Request("b", prompt="b")]
    made = rate_with_rejected(asked, generator, ["yes", "n"])
    assert made.rows["mbdc_parent_id"][:] == ["b"]
    assert set(made.rejected["reason"]) == {"prompt and options need more than the 512 tokens that the model takes"}
    made = rate_with_rejected(asked[2:], generator, ["é", "1", "è"])
    assert made.rejected["reason"][:] == ["the options 'é' and 'è' have the same tokens"]
    broken = copy.deepcopy(generator.model)
    with torch.no_grad():
        broken.lm_head.weight[5] = float("nan")
    made = rate_with_rejected(asked[2:], replace(generator, model=broken), ["1", "2"])
    assert made.rejected["reason"][:] == ["the logits of the model are no numbers"]


@pytest.mark.parametrize("options", [[], ["1", ""], ["1", "1"], "12"])
def test_options_that_are_none_are_told(generator: LocalGenerator, options: list[str]) -> None:
    with pytest.raises(RecipeError, match=r"no list of different answers \(key 'options'.*not empty and all different"):
        rate(REQUESTS, generator, options)


def test_a_generator_without_probabilities_is_told() -> None:
    with pytest.raises(GenerationError, match=r"tells no probabilities \(generator 'SimpleNamespace'\)"):
        rate(REQUESTS, SimpleNamespace(identity=str, render=list))  # type: ignore[arg-type]


def test_a_model_in_training_mode_is_evaluated_and_goes_on_training(generator: LocalGenerator) -> None:
    model = copy.deepcopy(generator.model).train()
    model.generation_config.update(do_sample=True, temperature=0.1, repetition_penalty=5.0)
    assert close(by_id(rate(REQUESTS, replace(generator, model=model))), by_id(rate(REQUESTS, generator)))
    assert model.training


def test_no_requests_are_no_rows(generator: LocalGenerator) -> None:
    rows = rate([], generator)
    assert len(rows) == 0
    assert rows.features == rate(REQUESTS[:1], generator).features


def test_processes_share_the_batches(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelerate.utils.gather_object", lambda values: values)
    tasks = make_tasks(REQUESTS, PROMPTS, identity="", sampling=Sampling(), seed=0)
    asked = []
    for rank in (0, 1):
        accelerator = SimpleNamespace(num_processes=2, process_index=rank)
        one = replace(generator, batch_tokens=40, accelerator=accelerator)
        asked.append({key for batch in one.rate(tasks, list, ["1", "2"]) for key in batch.completions})
    assert asked[0] | asked[1] == {task.key for task in tasks}
    assert not asked[0] & asked[1]
    assert all(asked)


@st.composite
def trees(draw: st.DrawFn) -> dict[tuple[int, ...], float]:
    """Of a language of three tokens and texts of at most three the probability of each token after each beginning."""
    weights = st.lists(st.floats(0.01, 1), min_size=3, max_size=3)
    steps: dict[tuple[int, ...], float] = {}
    for stem in [(), *[(a,) for a in range(3)], *[(a, b) for a in range(3) for b in range(3)]]:
        found = draw(weights)
        steps.update({(*stem, token): one / sum(found) for token, one in enumerate(found)})
    return steps


@settings(max_examples=60, deadline=None)
@given(trees(), st.data())
def test_answers_share_the_texts_among_them(steps: dict[tuple[int, ...], float], data: st.DataObject) -> None:
    """Each text of three tokens counts for the longest answer that it begins with."""
    answers = data.draw(st.lists(st.sampled_from(sorted(steps)), min_size=1, unique=True))
    wanted = dict.fromkeys(answers, 0.0)
    for text in [one for one in steps if len(one) == 3]:
        begins = [answer for answer in answers if text[: len(answer)] == answer]
        if begins:
            wanted[max(begins, key=len)] += math.prod(steps[text[: n + 1]] for n in range(3))
    found = whole_answers(answers, {key: math.log(chance) for key, chance in steps.items()})
    assert [math.exp(one) for one in found] == pytest.approx([wanted[answer] for answer in answers], abs=1e-9)


def test_an_impossible_answer_is_minus_infinity() -> None:
    never = -math.inf
    assert whole_answers([(1,), (1, 2), (3,)], {(1,): never, (1, 2): 0.0, (3,): 0.0}) == [never, never, 0.0]
    assert whole_answers([(1,), (1, 2)], {(1,): -1.0, (1, 2): 0.0}) == [never, -1.0]


# --- a server -------------------------------------------------------------------------------------------------------


def endpoint(server: LoopbackModel, **options) -> EndpointGenerator:
    return EndpointGenerator(server.url, "tiny", **{"timeout": 30.0, "retries": 2, **options})


def test_a_server_tells_the_likeliest_tokens(server: LoopbackModel, tmp_path: Path) -> None:
    server.chances["Why?"] = {"4": 0.5, "the": 0.2, "5": 0.1, "3": 0.1, " 4": 0.1}
    asked = [*QUESTION, Request("b", [{"role": "user", "content": "Anything"}])]
    made = rate_with_rejected(asked, endpoint(server, sampling=Sampling(0.3)), ["3", "4", "9"], store=tmp_path / "s")
    [why, anything] = made.rows.to_list()
    assert why["probabilities"] == pytest.approx([1 / 6, 5 / 6, 0])
    assert why["mass"] == pytest.approx(0.6)
    assert (anything["probabilities"], anything["mass"]) == (None, 0.0)
    assert why["mbdc_model"] == "tiny@endpoint"
    assert made.cost.model_calls == 3  # the test of the server too
    sent = {body["messages"][-1]["content"]: body for body in server.bodies}
    assert (next(iter(sent)), sent.keys()) == (PROBE, {PROBE, "Why?", "Anything"})
    assert sent["Why?"].pop("seed") in range(2**31)
    assert sent["Why?"] == {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Why?"}],
        "temperature": 1.0,
        "max_tokens": 1,
        "logprobs": True,
        "top_logprobs": 20,
        "stream": False,
    }
    again = rate_with_rejected(asked, endpoint(server), ["3", "4", "9"], store=tmp_path / "s")
    assert again.rows.to_list() == made.rows.to_list()
    assert len(server.bodies) == 3


def test_equal_texts_of_different_tokens_add_up(server: LoopbackModel) -> None:
    told = [{"token": token, "logprob": math.log(chance)} for token, chance in (("4", 0.25), ("5", 0.5), ("4", 0.25))]
    first = {"token": "5", "logprob": -0.7, "top_logprobs": told}
    message = {"role": "assistant", "content": None}  # as servers answer whose models think first
    choice = {"index": 0, "message": message, "finish_reason": "length", "logprobs": {"content": [first]}}
    server.fails["Why?"] = Fault(patch={"choices": [choice]})
    [row] = rate(QUESTION, endpoint(server), ["4", "5"])
    assert row["probabilities"] == pytest.approx([0.5, 0.5])


def test_a_server_without_probabilities_is_refused(server: LoopbackModel) -> None:
    server.ignores = ("logprobs",)
    wanted = r"tells no probabilities of tokens: an answer without the likeliest tokens.*such as vLLM, or let the judge"
    with pytest.raises(GenerationError, match=wanted):
        rate(QUESTION, endpoint(server))
    assert {body["messages"][-1]["content"] for body in server.bodies} == {PROBE}
    server.always = Fault(400, body='{"error": {"message": "logprobs are not supported"}}')
    with pytest.raises(GenerationError, match=r"tells no probabilities of tokens: status 400.*are not supported"):
        rate(QUESTION, endpoint(server))


def test_a_server_that_is_gone_is_not_said_to_lack_them(server: LoopbackModel) -> None:
    server.always = Fault(503)
    with pytest.raises(GenerationError, match="The endpoint does not answer: status 503"):
        rate(QUESTION, endpoint(server))


def test_an_answer_that_lacks_them_is_asked_again_and_then_rejected(server: LoopbackModel) -> None:
    server.chances["Why?"] = {"1": 0.5}
    message = {"role": "assistant", "content": "the"}
    bare = Fault(patch={"choices": [{"index": 0, "message": message, "finish_reason": "length"}]})
    server.fails["Why?"] = bare
    made = rate_with_rejected([*QUESTION, Request("b", [{"role": "user", "content": "x"}])], endpoint(server), ["the"])
    assert made.rows["mbdc_parent_id"][:] == ["b"]
    assert made.rejected["reason"][:] == ["an answer without the likeliest tokens that were asked for (tried 3 times)"]
    server.fails.clear()
    server.faults = [Fault(), bare]  # of the test, and of the first try
    [row] = rate(QUESTION, endpoint(server), ["1"])
    assert row["mass"] == pytest.approx(0.5)
