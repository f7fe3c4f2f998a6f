"""Completions of a local model: what they are does not depend on order, batches or the rows beside them."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tiny_llama import tiny_model, tiny_tokenizer

from hf_mbdc.errors import DataError, GenerationError
from hf_mbdc.generation import LocalGenerator, Request, Sampling, generate, generate_with_rejected, samples
from hf_mbdc.generation.completions import Task, make_tasks
from hf_mbdc.generation.local import pad_left, plan_batches
from hf_mbdc.generation.picking import TokenPicker, uniform_numbers
from hf_mbdc.transforms.weights import weights_hash

PROMPTS = ["ab", "a longer prompt, it is", "Why?", "x", "One two three four five six seven", "zz top"]
REQUESTS = samples([Request(f"r{place}", prompt=prompt) for place, prompt in enumerate(PROMPTS)], 4)


@pytest.fixture(scope="module")
def generator() -> LocalGenerator:
    return LocalGenerator(tiny_model(), tiny_tokenizer(), Sampling(temperature=0.8, max_tokens=24), name="tiny")


def by_id(rows) -> dict[str, tuple[str, str, int]]:
    return {r["id"]: (r["completion"], r["finish_reason"], r["completion_tokens"]) for r in rows}


def alone(model, ids: list[int], picker_of, steps: int) -> list[int]:
    """Tokens by one forward pass a step over the whole text, without cache, padding and `generate`."""
    written: list[int] = []
    for step in range(steps):
        with torch.inference_mode():
            logits = model(torch.tensor([ids + written])).logits[0, -1]
        written.append(picker_of(logits, step))
        if written[-1] == 3:
            break
    return written


def test_greedy_completions_are_those_of_a_loop_without_padding(generator: LocalGenerator) -> None:
    greedy = replace(generator, sampling=Sampling(temperature=0, max_tokens=24))
    rows = generate([Request(prompt, prompt=prompt) for prompt in PROMPTS], greedy)
    for row in rows:
        ids = generator.tokenizer(row["prompt"])["input_ids"]
        assert ids[0] == 2
        tokens = alone(generator.model, ids, lambda logits, step: int(logits.argmax()), 24)
        assert row["completion"] == generator.tokenizer.decode(tokens, skip_special_tokens=True)
        assert row["finish_reason"] == ("stop" if tokens[-1] == 3 else "length")
        assert (row["prompt_tokens"], row["completion_tokens"]) == (len(ids), len(tokens))


def test_sampled_completions_are_those_of_inverse_transform_sampling(generator: LocalGenerator) -> None:
    rows = generate(REQUESTS, generator)
    tasks = make_tasks(REQUESTS, [r.prompt for r in REQUESTS], identity="", sampling=generator.sampling, seed=0)
    for row, task in zip(rows, tasks, strict=True):
        numbers = uniform_numbers([task.draw], 0, 24)[0]

        def pick(logits: torch.Tensor, step: int, numbers: np.ndarray = numbers) -> int:
            chances = torch.softmax(logits.double() / 0.8, -1).numpy()
            return int(np.argmax(np.cumsum(chances) > numbers[step] * chances.sum()))

        tokens = alone(generator.model, generator.tokenizer(row["prompt"])["input_ids"], pick, 24)
        assert row["completion"] == generator.tokenizer.decode(tokens, skip_special_tokens=True)


def test_order_and_batches_do_not_matter(generator: LocalGenerator) -> None:
    whole = by_id(generate(REQUESTS, generator))
    assert len({text for text, _, _ in whole.values()}) > 18  # samples of one prompt differ
    assert {reason for _, reason, _ in whole.values()} == {"stop", "length"}
    assert by_id(generate(REQUESTS[::-1], replace(generator, batch_tokens=100))) == whole
    assert by_id(generate(REQUESTS[5:6], generator)).items() <= whole.items()
    assert by_id(generate(REQUESTS, replace(generator, seed=1))) != whole


def test_padding_side_of_the_tokenizer_does_not_matter(generator: LocalGenerator) -> None:
    right = tiny_tokenizer()
    right.padding_side = "right"
    assert by_id(generate(REQUESTS, replace(generator, tokenizer=right))) == by_id(generate(REQUESTS, generator))


def test_more_tokens_go_on_with_the_same_draws(generator: LocalGenerator) -> None:
    short = by_id(generate(REQUESTS, generator))
    longer = by_id(generate(REQUESTS, replace(generator, sampling=replace(generator.sampling, max_tokens=40))))
    for key, (text, reason, _) in short.items():
        assert longer[key][0].startswith(text)
        assert reason == "length" or longer[key] == short[key]


def test_equal_prompts_of_different_rows_are_one_completion(generator: LocalGenerator) -> None:
    rows = generate([Request("a", prompt="same"), Request("b", prompt="same")], generator)
    assert rows["completion"][0] == rows["completion"][1]
    assert rows["id"][:] == ["a-0", "b-0"]


def test_messages_go_through_the_chat_template_and_get_no_second_first_token(generator: LocalGenerator) -> None:
    made = generate([Request("a", [{"role": "user", "content": "Why?"}])], generator)
    assert made["prompt"][0] == "<user>Why?\n<assistant>"
    assert made["prompt_tokens"][0] == len("<user>Why?\n<assistant>")
    raw = generate([Request("a", prompt="<user>Why?\n<assistant>")], generator)
    assert raw["prompt_tokens"][0] == made["prompt_tokens"][0] + 1


def test_a_model_without_chat_template_is_told(generator: LocalGenerator) -> None:
    bare = replace(generator, tokenizer=tiny_tokenizer(chat=False))
    with pytest.raises(DataError, match=r"no chat template.*\(key 'a'\).*or give prompts instead of messages"):
        generate([Request("a", [{"role": "user", "content": "Why?"}])], bare)


def test_messages_that_the_template_refuses_are_told(generator: LocalGenerator) -> None:
    strict = tiny_tokenizer()
    strict.chat_template = "{{ raise_exception('no system role') }}"
    with pytest.raises(DataError, match=r"refuses the messages: no system role \(key 'a'\)"):
        generate([Request("a", [{"role": "system", "content": "Hm"}])], replace(generator, tokenizer=strict))


def test_stop_texts_end_a_completion_and_are_no_part_of_it(generator: LocalGenerator) -> None:
    plain = by_id(generate(REQUESTS, generator))
    stop = next(text for text, reason, _ in plain.values() if reason == "length")[5:7]
    stopped = by_id(generate(REQUESTS, replace(generator, sampling=replace(generator.sampling, stop=(stop,)))))
    hit = 0
    for key, (text, reason, count) in plain.items():
        if stop in text:
            hit += 1
            assert stopped[key][:2] == (text[: text.index(stop)], "stop")
            # Special tokens that the model writes are tokens without text.
            assert text.index(stop) + len(stop) <= stopped[key][2] <= count
        else:
            assert stopped[key] == (text, reason, count)
    assert hit


def test_stop_texts_where_padding_is_the_end_token(generator: LocalGenerator) -> None:
    tokenizer = tiny_tokenizer()
    tokenizer.pad_token = None
    sampling = replace(generator.sampling, stop=("e",))
    one = replace(generator, tokenizer=tokenizer, sampling=sampling)
    assert by_id(generate(REQUESTS, one)) == by_id(generate(REQUESTS, replace(generator, sampling=sampling)))


def test_logprobs_are_those_of_the_model_itself(generator: LocalGenerator) -> None:
    sampling = Sampling(temperature=0.5, top_k=5, max_tokens=8, logprobs=True)
    [row] = generate([Request("a", prompt="ab")], replace(generator, sampling=sampling))
    ids = generator.tokenizer("ab")["input_ids"]
    written = generator.tokenizer(row["completion"], add_special_tokens=False)["input_ids"]
    written += [3] if row["finish_reason"] == "stop" else []
    with torch.inference_mode():
        chances = generator.model(torch.tensor([ids + written])).logits[0].log_softmax(-1)
    wanted = [float(chances[len(ids) - 1 + step, token]) for step, token in enumerate(written)]
    assert row["logprobs"] == pytest.approx(wanted, abs=1e-4)


def test_greedy_logprobs_do_not_change_the_text(generator: LocalGenerator) -> None:
    greedy = replace(generator, sampling=Sampling(temperature=0, max_tokens=12))
    asked = replace(greedy, sampling=replace(greedy.sampling, logprobs=True))
    assert by_id(generate(REQUESTS, asked)) == by_id(generate(REQUESTS, greedy))


def test_the_own_defaults_of_a_model_do_not_change_the_sampling(generator: LocalGenerator) -> None:
    changed = copy.deepcopy(generator.model)
    defaults = {"do_sample": True, "temperature": 0.1, "top_k": 1, "repetition_penalty": 5.0, "no_repeat_ngram_size": 2}
    forbidding = {"suppress_tokens": list(range(4, 40)), "guidance_scale": 3.0, "stop_strings": ["a"], "max_time": 1e-9}
    changed.generation_config.update(**defaults, **forbidding)
    own = changed.generation_config
    assert by_id(generate(REQUESTS, replace(generator, model=changed))) == by_id(generate(REQUESTS, generator))
    assert changed.generation_config is own


def test_other_end_tokens_are_another_model_to_the_store(generator: LocalGenerator, tmp_path: Path) -> None:
    first = generate(REQUESTS, generator, store=tmp_path / "s")
    mended = copy.deepcopy(generator.model)
    mended.generation_config.eos_token_id = [3, *range(20, 60)]
    ended = generate(REQUESTS, replace(generator, model=mended), store=tmp_path / "s")
    assert sum(ended["completion_tokens"][:]) < sum(first["completion_tokens"][:])
    assert first["mbdc_model"][0] == f"tiny@{weights_hash(generator.model)[:12]}"
    assert ended["mbdc_model"][0].startswith(f"{first['mbdc_model'][0]}+eos3,20,21,")


@pytest.mark.parametrize("refill", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_logits_that_are_no_numbers_give_no_completion(
    generator: LocalGenerator, temperature: float, refill: bool
) -> None:
    broken = copy.deepcopy(generator.model)
    broken.model.norm.weight.data.fill_(float("nan"))
    sampling = Sampling(temperature=temperature, max_tokens=6)
    made = generate_with_rejected(REQUESTS, replace(generator, model=broken, sampling=sampling, refill=refill))
    assert len(made.rows) == 0
    assert set(made.rejected["reason"][:]) == {"the logits of the model are no numbers"}


def test_what_does_not_fit_is_rejected_with_its_reason(generator: LocalGenerator) -> None:
    asked = [Request("long", prompt="a" * 600), Request("short", prompt="a")]
    made = generate_with_rejected(asked, generator)
    assert made.rows["mbdc_parent_id"][:] == ["short"]
    assert made.rejected["id"][:] == ["long-0"]
    assert made.rejected["reason"][:] == ["prompt and max_tokens need more than the 512 tokens that the model takes"]
    with pytest.raises(GenerationError, match=r"1 of 2 requests have no completion: 1 × prompt and max_tokens"):
        generate(asked, generator)


def test_an_empty_prompt_is_rejected(generator: LocalGenerator) -> None:
    silent = tiny_tokenizer()
    silent.chat_template = "{{ '' }}"
    asked = [Request("a", [{"role": "user", "content": "Why?"}])]
    made = generate_with_rejected(asked, replace(generator, tokenizer=silent))
    assert made.rejected["reason"][:] == ["the prompt has no tokens"]


def test_a_conversation_without_messages_is_told(generator: LocalGenerator) -> None:
    with pytest.raises(DataError, match=r"refuses the messages.*\(key 'a'\)"):
        generate([Request("a", [])], generator)


def test_identity_follows_the_weights(generator: LocalGenerator) -> None:
    name, digest = generator.identity().split("@")
    assert (name, len(digest)) == ("tiny", 12)
    trained = copy.deepcopy(generator.model)
    with torch.no_grad():
        trained.lm_head.weight[0, 0] += 1
    assert replace(generator, model=trained).identity() != generator.identity()


def test_a_folder_is_named_by_its_last_part(generator: LocalGenerator, tmp_path) -> None:
    from transformers import AutoModelForCausalLM

    generator.model.save_pretrained(tmp_path / "my-model")
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path / "my-model")
    assert LocalGenerator(loaded, generator.tokenizer).identity() == "my-model@" + generator.identity().split("@")[1]


def test_a_patched_forward_is_refused(generator: LocalGenerator) -> None:
    patched = copy.deepcopy(generator.model)
    patched.forward = generator.model.forward
    with pytest.raises(GenerationError, match=r"replaced the model's forward.*Save the model and load"):
        generate(REQUESTS, replace(generator, model=patched))


def test_a_model_in_training_mode_is_evaluated_and_goes_on_training(generator: LocalGenerator) -> None:
    model = copy.deepcopy(generator.model).train()
    assert by_id(generate(REQUESTS, replace(generator, model=model))) == by_id(generate(REQUESTS, generator))
    assert model.training


def test_cost_counts_calls_and_tokens(generator: LocalGenerator) -> None:
    made = generate_with_rejected(REQUESTS, generator)
    assert made.cost.model_calls == 24
    assert made.cost.tokens == sum(made.rows["prompt_tokens"]) + sum(made.rows["completion_tokens"])
    assert made.cost.wall_seconds > 0


def test_batches_stay_the_same_when_whole_batches_are_done() -> None:
    draw = np.random.default_rng(0)
    tasks = [Task(draw.bytes(16), "", True, 0, REQUESTS[0]) for _ in range(200)]
    lengths = {task.key: int(draw.integers(1, 60)) for task in tasks}
    batches = plan_batches(tasks, lengths, 20, 300)
    assert sorted(task.key for batch in batches for task in batch) == sorted(lengths)
    for batch in batches:
        assert len(batch) * (max(lengths[task.key] for task in batch) + 20) <= 300
    left = [batch for place, batch in enumerate(batches) if place % 3]
    shuffled = [task for batch in left for task in batch]
    draw.shuffle(shuffled)
    assert plan_batches(shuffled, lengths, 20, 300) == left


def test_a_prompt_longer_than_a_batch_is_alone() -> None:
    tasks = [Task(bytes([place]), "", True, 0, REQUESTS[0]) for place in range(3)]
    assert [len(batch) for batch in plan_batches(tasks, {t.key: 500 for t in tasks}, 20, 100)] == [1, 1, 1]


def test_padding_is_on_the_left() -> None:
    padded = pad_left([[5], [6, 7, 8]], 0, torch.device("cpu"))
    assert padded["input_ids"].tolist() == [[0, 0, 5], [6, 7, 8]]
    assert padded["attention_mask"].tolist() == [[0, 0, 1], [1, 1, 1]]


def picks(chances: list[float], number: float, **sampling) -> int:
    picker = TokenPicker(np.array([[number]]), Sampling(**sampling), torch.device("cpu"))
    scores = picker(torch.zeros((1, 1), dtype=torch.long), torch.tensor([chances]).log())
    assert int((scores > float("-inf")).sum()) == 1
    return int(scores.argmax())


def test_the_token_is_where_the_cumulative_probability_passes_the_number() -> None:
    chances = [0.0, 0.25, 0.0, 0.5, 0.25, 0.0]
    numbers = (0.0, 0.2499, 0.2501, 0.7499, 0.7501, 1 - 2**-53)
    assert [picks(chances, number) for number in numbers] == [1, 1, 3, 3, 4, 4]
    assert [picks(chances, number, top_k=1) for number in (0.0, 0.99)] == [3, 3]
    assert [picks(chances, number, top_p=0.5) for number in (0.0, 0.99)] == [3, 3]
    assert picks(chances, 0.1, temperature=0) == 3
    # Squared and scaled anew the chances are 1/6, 4/6, 1/6.
    assert [picks(chances, number, temperature=0.5) for number in (0.16, 0.17, 0.83, 0.84)] == [1, 3, 3, 4]


def test_frequencies_follow_the_probabilities() -> None:
    chances = torch.tensor([0.5, 0.3, 0.2])
    numbers = uniform_numbers([f"row {row}" for row in range(4000)], 0, 3)
    assert numbers.shape == (4000, 3)
    picker = TokenPicker(numbers, Sampling(), torch.device("cpu"))
    for _ in range(3):
        scores = picker(torch.zeros((4000, 1), dtype=torch.long), chances.log().repeat(4000, 1))
        share = torch.bincount(scores.argmax(-1), minlength=3) / 4000
        assert share.tolist() == pytest.approx(chances.tolist(), abs=0.03)


def test_processes_share_the_batches_and_get_the_whole(generator: LocalGenerator, monkeypatch) -> None:
    whole = by_id(generate(REQUESTS, generator))
    asked: list[list[str]] = [[], []]
    parts: dict[int, list] = {}

    def gather(values: list, rank: int) -> list:
        if not values or isinstance(values[0], Task):
            return values
        parts[rank] = values
        asked[rank] = [key for _, batch in values for key in batch.completions]
        return [batch for part in parts.values() for batch in part]

    small = replace(generator, batch_tokens=200)
    for rank in (0, 1):
        monkeypatch.setattr("accelerate.utils.gather_object", lambda values, rank=rank: gather(values, rank))
        share = replace(small, accelerator=SimpleNamespace(num_processes=2, process_index=rank))
        tasks = make_tasks(REQUESTS, [r.prompt for r in REQUESTS], identity="", sampling=share.sampling, seed=0)
        pairs = [(key, c.text) for batch in share.complete(tasks, list) for key, c in batch.completions.items()]
        texts = dict(pairs)
        assert len(texts) == len(pairs)
    assert not set(asked[0]) & set(asked[1])
    assert {task.key for task in tasks} == set(texts)
    assert [texts[task.key] for task in tasks] == [whole[f"{t.request.key}-{t.sample}"][0] for t in tasks]
