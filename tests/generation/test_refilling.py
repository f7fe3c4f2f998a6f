"""Slots that are filled again: the tokens of the batched path, never more rows than there is room for."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_llama import tiny_model, tiny_tokenizer

from hf_mbdc.errors import GenerationError
from hf_mbdc.generation import LocalGenerator, Request, Sampling, Store, generate, generate_with_rejected, samples
from hf_mbdc.generation.completions import make_tasks
from hf_mbdc.generation.refilling import Slots

PROMPTS = ["ab", "a longer prompt, it is", "Why?", "x", "One two three four five six seven", "zz top", "n" * 60]
REQUESTS = samples([Request(f"r{place}", prompt=prompt) for place, prompt in enumerate(PROMPTS)], 6)


@pytest.fixture(scope="module")
def generator() -> LocalGenerator:
    sampling = Sampling(temperature=0.8, max_tokens=40)
    return LocalGenerator(tiny_model(), tiny_tokenizer(), sampling, name="tiny", batch_tokens=500)


def by_id(rows) -> dict[str, tuple]:
    names = ("completion", "finish_reason", "prompt_tokens", "completion_tokens", "mbdc_model")
    return {row["id"]: tuple(row[name] for name in names) for row in rows}


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(temperature=0.8, max_tokens=40),
        Sampling(temperature=0.0, max_tokens=40),
        Sampling(temperature=1.3, top_p=0.9, top_k=20, max_tokens=17),
        Sampling(temperature=0.8, max_tokens=40, stop=("e", "Qx")),
        Sampling(temperature=0.8, max_tokens=1),
    ],
)
@pytest.mark.parametrize("batch_tokens", [90, 500, 16_384])
def test_the_tokens_are_those_of_the_batched_path(
    generator: LocalGenerator, sampling: Sampling, batch_tokens: int
) -> None:
    plain = replace(generator, sampling=sampling)
    wanted = by_id(generate(REQUESTS, plain))
    assert by_id(generate(REQUESTS, replace(plain, refill=True, batch_tokens=batch_tokens))) == wanted
    if sampling.max_tokens == 40 and sampling.temperature:
        assert {reason for _, reason, *_ in wanted.values()} == {"stop", "length"}


def test_logprobs_are_those_of_the_batched_path(generator: LocalGenerator) -> None:
    asked = replace(generator, sampling=Sampling(0.7, max_tokens=20, logprobs=True))
    pairs = zip(generate(REQUESTS, asked), generate(REQUESTS, replace(asked, refill=True)), strict=True)
    for plain, refilled in pairs:
        assert refilled["completion"] == plain["completion"]
        assert refilled["logprobs"] == pytest.approx(plain["logprobs"], abs=1e-4)


def test_rows_stay_within_the_bound_and_slots_are_filled_again(
    generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int]] = []
    read: list[int] = []
    step, add = Slots.step, Slots.add

    def watched(self: Slots) -> None:
        step(self)
        assert self.cache is not None
        width = self.mask.shape[1]
        assert all(layer.keys.shape[2] == layer.values.shape[2] == width for layer in self.cache.layers)
        assert int(self.mask[:, 0].sum()) > 0  # no column that is padding for all
        seen.append((len(self.rows), width))

    def counted(self: Slots, slots: list) -> None:
        if slots:
            read.append(len(slots))
        add(self, slots)

    monkeypatch.setattr(Slots, "step", watched)
    monkeypatch.setattr(Slots, "add", counted)
    generate(REQUESTS, replace(generator, refill=True))
    assert max(rows * width for rows, width in seen) <= 500
    assert sum(read) == 42
    batched = 40 * 8  # of as many batches as the bound makes, nearly all have a row that is cut off
    assert len(seen) < batched * 0.8


def test_prompts_are_read_together(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    add = Slots.add
    monkeypatch.setattr(Slots, "add", lambda self, slots: (read.append(len(slots)), add(self, slots))[1])
    generate(samples(REQUESTS[::6], 20), replace(generator, refill=True, batch_tokens=2000))
    assert sum(read) == 140
    assert all(count >= 5 for count in read[:-1])  # a quarter of 2000 / (61 + 40) slots


def test_a_store_is_shared_with_the_batched_path_and_keeps_what_ends(generator: LocalGenerator, tmp_path: Path) -> None:
    slow = replace(generator, refill=True, batch_tokens=100)
    with Store(tmp_path / "s") as store:
        tasks = make_tasks(
            REQUESTS, [str(r.prompt) for r in REQUESTS], identity=slow.identity(), sampling=slow.sampling, seed=0
        )
        batches = slow.complete(tasks, list)
        for _ in range(3):
            store.put(slow.identity(), slow.sampling, 0, next(batches).completions)  # and then it is killed
        made = generate_with_rejected(REQUESTS, slow, store=store)
        assert 0 < made.reused < 42
        assert by_id(made.rows) == by_id(generate(REQUESTS, generator))
        assert made.cost.model_calls == 42 - made.reused
        again = generate_with_rejected(REQUESTS, generator, store=store)
    assert (again.reused, again.rows.to_list()) == (42, made.rows.to_list())


def test_what_others_are_at_is_left_to_them(generator: LocalGenerator) -> None:
    prompts = [str(request.prompt) for request in REQUESTS]
    tasks = make_tasks(REQUESTS, prompts, identity="", sampling=generator.sampling, seed=0)
    others = {task.key for task in tasks[::3]}
    slots = replace(generator, refill=True, batch_tokens=120)
    done = [
        key
        for batch in slots.complete(tasks, lambda some: [t for t in some if t.key not in others])
        for key in batch.completions
    ]
    assert sorted(done) == sorted(task.key for task in tasks if task.key not in others)
    assert list(slots.complete(tasks, lambda some: [])) == []


def test_what_does_not_fit_is_rejected_and_a_prompt_longer_than_the_bound_is_alone(generator: LocalGenerator) -> None:
    asked = [Request("long", prompt="a" * 600), *REQUESTS[:2], Request("wide", prompt="b" * 300)]
    made = generate_with_rejected(asked, replace(generator, refill=True, batch_tokens=100))
    assert made.rejected["mbdc_parent_id"][:] == ["long"]
    assert by_id(made.rows) == by_id(generate_with_rejected(asked, generator).rows)


def test_processes_share_the_prompts(generator: LocalGenerator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accelerate.utils.gather_object", lambda values: values)
    tasks = make_tasks(REQUESTS, [str(r.prompt) for r in REQUESTS], identity="", sampling=generator.sampling, seed=0)
    asked = []
    for rank in (0, 1):
        share = replace(generator, refill=True, accelerator=SimpleNamespace(num_processes=2, process_index=rank))
        asked.append({key for batch in share.complete(tasks, list) for key in batch.completions})
    assert asked[0] | asked[1] == {task.key for task in tasks}
    assert not asked[0] & asked[1]


def test_models_whose_cache_slides_are_refused(generator: LocalGenerator) -> None:
    from transformers import MistralConfig, MistralForCausalLM

    sizes = {"vocab_size": 90, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    sliding = MistralForCausalLM(
        MistralConfig(**sizes, intermediate_size=16, num_key_value_heads=2, sliding_window=8, eos_token_id=3)
    ).eval()
    with pytest.raises(GenerationError, match=r"need a model with full attention.*Leave `refill` out"):
        generate(REQUESTS, replace(generator, model=sliding, refill=True))


def test_a_model_in_training_mode_is_evaluated_and_goes_on_training(generator: LocalGenerator) -> None:
    model = copy.deepcopy(generator.model).train()
    refilled = replace(generator, model=model, refill=True)
    assert by_id(generate(REQUESTS, refilled)) == by_id(generate(REQUESTS, generator))
    assert model.training


@pytest.mark.parametrize("family", ["gpt2", "qwen2"])
def test_models_of_other_families(generator: LocalGenerator, family: str) -> None:
    """Absolute positions show a wrong position at once."""
    from transformers import GPT2Config, GPT2LMHeadModel, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(0)
    ends = {"bos_token_id": 2, "eos_token_id": 3}
    if family == "gpt2":
        config = GPT2Config(vocab_size=90, n_embd=32, n_layer=2, n_head=2, initializer_range=0.3, **ends)
        model = GPT2LMHeadModel(config).eval()
    else:
        sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
        model = Qwen2ForCausalLM(
            Qwen2Config(vocab_size=90, num_key_value_heads=1, initializer_range=0.3, **sizes, **ends)
        ).eval()
    plain = replace(generator, model=model)
    assert by_id(generate(REQUESTS, replace(plain, refill=True))) == by_id(generate(REQUESTS, plain))
