"""What the vLLM generator asks of an engine and makes of its answers, with an engine that follows a script.

`test_vllm.py` asks a real one, where vLLM is installed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tiny_llama import tiny_tokenizer

from hf_mbdc.errors import GenerationError, RecipeError
from hf_mbdc.generation import Request, Sampling, VllmGenerator, generate_with_rejected, samples
from hf_mbdc.generation.completions import make_tasks

REQUESTS = samples([Request(key, prompt=key) for key in ("aa", "bb", "cc")], 2)
WARM = Sampling(temperature=0.7, top_p=0.9, top_k=5, max_tokens=8, stop=("!",), logprobs=True)


class EngineDeadError(Exception):
    """Stands in for vLLM's."""


@pytest.fixture(autouse=True)
def vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = {
        "vllm": {"SamplingParams": SimpleNamespace},
        "vllm.sampling_params": {"RequestOutputKind": SimpleNamespace(FINAL_ONLY="final")},
        "vllm.v1": {},
        "vllm.v1.engine": {},
        "vllm.v1.engine.exceptions": {"EngineDeadError": EngineDeadError},
    }
    for name, values in modules.items():
        module = ModuleType(name)
        vars(module).update(values)
        monkeypatch.setitem(sys.modules, name, module)


@dataclass
class ScriptedEngine:
    """Ends the oldest request at each second step: it says its prompt's first token, then stops, or what is told."""

    reason: str = "stop"
    dies: bool = False
    kind: str = "cpu"
    asked: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    seen: list[tuple[int, Any]] = field(default_factory=list)
    most: int = 0
    steps: int = 0

    @property
    def vllm_config(self) -> Any:
        return SimpleNamespace(
            device_config=SimpleNamespace(device_type=self.kind), parallel_config=SimpleNamespace(world_size=2)
        )

    def add_request(self, name: str, prompt: Any, params: Any) -> str:
        self.asked[name] = prompt["prompt_token_ids"], params
        self.seen.append(self.asked[name])
        self.most = max(self.most, len(self.asked))
        return name

    def abort_request(self, names: list[str]) -> None:
        for name in names:
            del self.asked[name]

    def step(self) -> list[Any]:
        if self.dies:
            raise EngineDeadError
        self.steps += 1
        name = next(iter(self.asked))
        if self.steps % 2:
            return [SimpleNamespace(request_id=name, finished=False)]
        ids, _ = self.asked.pop(name)
        one = SimpleNamespace(logprob=-0.5)
        made = SimpleNamespace(text="x", finish_reason=self.reason, token_ids=[7, 3], logprobs=[{7: one}, {3: one}])
        return [SimpleNamespace(request_id=name, finished=True, prompt_token_ids=ids, outputs=[made])]


def engine(script: ScriptedEngine, **config: Any) -> Any:
    told = {"logprobs_mode": "raw_logprobs", "max_model_len": 16, "quantization": None, "revision": None, **config}
    told = {"model": "model", "dtype": "torch.float32", **told}
    return SimpleNamespace(llm_engine=script, model_config=SimpleNamespace(**told), get_tokenizer=tiny_tokenizer)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "model.safetensors").write_bytes(b"weights")
    return str(tmp_path / "net")


def test_each_completion_is_a_request_with_a_seed_of_its_own(folder: str) -> None:
    script = ScriptedEngine(kind="cuda")
    made = generate_with_rejected(REQUESTS, VllmGenerator(engine(script, model=folder), WARM))
    assert made.rows["completion"][:] == ["x"] * 6
    assert made.rows["logprobs"][:] == [[-0.5, -0.5]] * 6
    assert made.rows["completion_tokens"][:] == [2] * 6
    assert (made.cost.model_calls, made.cost.tokens) == (6, 6 * (3 + 2))
    assert made.cost.gpu_seconds > 0
    assert len({params.seed for _, params in script.seen}) == 6
    said = {name: getattr(script.seen[0][1], name) for name in ("temperature", "top_p", "top_k", "max_tokens", "stop")}
    assert said == {"temperature": 0.7, "top_p": 0.9, "top_k": 5, "max_tokens": 8, "stop": ["!"]}
    prompts = [ids for ids, _ in script.seen]
    assert prompts == sorted(prompts)  # the samples of a prompt one after the other
    again = ScriptedEngine()
    generate_with_rejected(REQUESTS[::-1], VllmGenerator(engine(again, model=folder), WARM))
    assert [params.seed for _, params in again.seen] == [params.seed for _, params in script.seen]


def test_only_claimed_tasks_are_asked_and_no_more_than_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hf_mbdc.generation.vllm.CLAIMED", 2)
    script = ScriptedEngine()
    generator = VllmGenerator(engine(script), WARM, in_flight=1)
    tasks = make_tasks(REQUESTS, generator.render(REQUESTS), identity="m", sampling=WARM, seed=0)
    batches = list(generator.complete(tasks, lambda chunk: [task for task in chunk if task.request.key != "bb"]))
    assert sorted(key for batch in batches for key in batch.completions) == sorted(
        task.key for task in tasks if task.request.key != "bb"
    )
    assert script.most == 2
    left = ScriptedEngine()
    unfinished = VllmGenerator(engine(left), WARM).complete(tasks, list)
    next(unfinished)
    assert len(left.asked) == 5
    unfinished.close()
    assert not left.asked


def test_what_the_engine_gave_up_is_rejected_and_a_dead_one_told(folder: str) -> None:
    made = generate_with_rejected(REQUESTS, VllmGenerator(engine(ScriptedEngine("abort"), model=folder), WARM))
    assert made.rejected["reason"][:] == ["the engine ended it with 'abort'"] * 6
    with pytest.raises(GenerationError, match="The engine of vLLM died"):
        generate_with_rejected(REQUESTS, VllmGenerator(engine(ScriptedEngine(dies=True), model=folder), WARM))
    long = [*REQUESTS, Request("long", prompt="x" * 9)]
    made = generate_with_rejected(long, VllmGenerator(engine(ScriptedEngine(), model=folder), WARM))
    assert made.rejected["mbdc_parent_id"][:] == ["long"]  # <s> and nine characters leave room for six of eight


def test_names(folder: str) -> None:
    digest = "ae013e3994aa"  # printf "model.safetensors\nweights" | sha256sum
    named = VllmGenerator(engine(ScriptedEngine(), model=folder, quantization="fp8"))
    assert named.identity() == f"net@{digest}+float32+fp8"
    with pytest.raises(RecipeError, match="tells no log-probabilities of the model"):
        VllmGenerator(engine(ScriptedEngine(), logprobs_mode="processed_logprobs"))
    with pytest.raises(RecipeError, match="in_flight is out of range"):
        VllmGenerator(engine(ScriptedEngine()), in_flight=0)
