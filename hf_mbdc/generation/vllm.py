"""A model that vLLM runs in this process: paged attention, continuous batching, several GPUs, quantized weights.

The engine is the user's own `vllm.LLM`, made as vLLM documents it. It is asked through its `LLMEngine`, request by
request, so that a completion is kept as soon as it ends and a slot never waits for the longest row of a batch.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import GenerationError, RecipeError
from hf_mbdc.generation.completions import Batch, Completion, Request, Sampling, Task
from hf_mbdc.generation.prompts import encode_prompts, reasons_unfit, render_prompts
from hf_mbdc.records import Cost
from hf_mbdc.transforms.draws import below, row_keys

if TYPE_CHECKING:
    from vllm import LLM, RequestOutput, SamplingParams

    from hf_mbdc.generation.generate import Claim

CLAIMED = 32  # tasks that are claimed together
WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.gguf")


@dataclass(frozen=True)
class VllmGenerator:
    """Completions of a causal language model in vLLM.

    Every draw belongs to (prompt, sample number, seed): each completion is a request with a seed of its own. What is
    beside it in a batch changes no completion, but for rounding of the logits (vLLM's batch-invariant mode, the
    environment's VLLM_BATCH_INVARIANT=1, excludes that, too). The draws are other ones than those of `LocalGenerator`.

    Args:
        model: the engine, with the default `logprobs_mode`.
        sampling, seed: of the draws.
        name: of the model in `mbdc_model`; default the name that it was loaded by, of a folder the last part.
        in_flight: completions that are asked for at a time; what exceeds the engine's `max_num_seqs` waits inside. A
            kill loses as many at most.

    Raises:
        RecipeError: a number is out of its range.

    Example:
        >>> from vllm import LLM  # doctest: +SKIP
        >>> engine = LLM("Qwen/Qwen3-0.6B")  # doctest: +SKIP
        >>> rows = generate(requests, VllmGenerator(engine, Sampling(temperature=0.7)))  # doctest: +SKIP
    """

    model: LLM
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    name: str = ""
    in_flight: int = 512

    def __post_init__(self) -> None:
        if self.in_flight < 1:
            mend = "Give 1 or more."
            raise RecipeError("in_flight is out of range", key="in_flight", value=self.in_flight, mend=mend)
        mode = self.model.model_config.logprobs_mode
        if mode != "raw_logprobs":
            mend = "Make the engine without logprobs_mode."
            raise RecipeError("The engine tells no log-probabilities of the model", logprobs_mode=mode, mend=mend)

    def identity(self) -> str:
        """name@sha+dtype, and quantization where there is one: of a folder the first digits of its weights' SHA-256,
        of a model of the Hub those of its commit.

        Raises:
            GenerationError: the weights cannot be found, so that nothing could be kept under their name.
        """
        config = self.model.model_config
        folder = _folder(str(config.model), config.revision)
        name = self.name or (Path(config.model).name if Path(config.model).exists() else config.model)
        sha = folder.name if folder.parent.name == "snapshots" else _weights_sha256(folder)
        more = f"+{config.quantization}" if config.quantization else ""
        return f"{name}@{sha[:12]}+{str(config.dtype).removeprefix('torch.')}{more}"

    def render(self, requests: Sequence[Request]) -> list[str]:
        """Messages by the chat template of the tokenizer, prompts as they are."""
        return render_prompts(requests, self.tokenizer)

    @cached_property
    def tokenizer(self) -> Any:
        """Of the model."""
        return self.model.get_tokenizer()

    @property
    def room(self) -> int:
        """Tokens that the engine takes, prompt and completion."""
        return int(self.model.model_config.max_model_len)

    @property
    def gpus(self) -> int:
        """Accelerators that the engine computes on."""
        config = self.model.llm_engine.vllm_config
        return 0 if config.device_config.device_type == "cpu" else int(config.parallel_config.world_size)

    def complete(self, tasks: Sequence[Task], claim: Claim) -> Iterator[Batch]:
        """Completions as they end; the samples of a prompt are asked one after the other and share its cache.

        Raises:
            GenerationError: the engine died.
        """
        ids = encode_prompts(tasks, self.tokenizer)
        rejected = reasons_unfit(ids, self.room, "max_tokens", self.sampling.max_tokens)
        if rejected:
            yield Batch({}, rejected)
        order = sorted((task for task in tasks if task.key not in rejected), key=lambda task: (task.prompt, task.key))
        chunks = (order[first : first + CLAIMED] for first in range(0, len(order), CLAIMED))
        engine, asked = self.model.llm_engine, dict[str, Task]()
        try:
            while True:
                while len(asked) < self.in_flight and (chunk := next(chunks, None)) is not None:
                    for task in claim(chunk):
                        engine.add_request(task.key.hex(), _tokens(ids[task.key]), self._params(task))
                        asked[task.key.hex()] = task
                if not asked:
                    return
                started = time.perf_counter()
                while not (ended := [output for output in self._step() if output.finished]):
                    pass
                seconds = time.perf_counter() - started
                yield self._read({asked.pop(output.request_id).key: output for output in ended}, seconds)
        finally:
            engine.abort_request(list(asked))

    def rate(self, tasks: Sequence[Task], claim: Claim, options: Sequence[str]) -> Iterator[Batch]:
        """Of each task the likeliest option, with the log-probabilities of all of them.

        Raises:
            GenerationError: the engine died.
        """
        from hf_mbdc.generation.options import rate_batch

        ids = encode_prompts(tasks, self.tokenizer)
        rejected = reasons_unfit(ids, self.room, "options", 1)
        if rejected:
            yield Batch({}, rejected)
        fitting = [task for task in tasks if task.key not in rejected]
        for first in range(0, len(fitting), self.in_flight):
            if mine := claim(fitting[first : first + self.in_flight]):
                yield rate_batch(self, mine, [ids[task.key] for task in mine], options)

    def next_logprobs(self, rows: Sequence[list[int]], following: Sequence[list[int]]) -> list[list[float]]:
        """Of each row the log-probabilities of some next tokens, under the model itself."""
        from vllm import SamplingParams

        params = [
            SamplingParams(temperature=0, max_tokens=1, detokenize=False, logprob_token_ids=list(tokens))
            for tokens in following
        ]
        outputs = self.model.generate([_tokens(row) for row in rows], params, use_tqdm=False)
        told = [output.outputs[0].logprobs[0] for output in outputs]
        return [[one[token].logprob for token in tokens] for one, tokens in zip(told, following, strict=True)]

    def _params(self, task: Task) -> SamplingParams:
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        return SamplingParams(
            temperature=self.sampling.temperature,
            top_p=self.sampling.top_p,
            top_k=self.sampling.top_k,
            max_tokens=self.sampling.max_tokens,
            stop=list(self.sampling.stop),
            seed=int(below(row_keys([task.draw], self.seed), 0, 2**31)[0]),
            logprobs=0 if self.sampling.logprobs else None,  # of the drawn token alone
            output_kind=RequestOutputKind.FINAL_ONLY,
        )

    def _step(self) -> list[RequestOutput]:
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            outputs: list[RequestOutput] = self.model.llm_engine.step()
        except EngineDeadError as error:
            mend = "See what vLLM logged; what was answered is in the store, and the same call goes on from there."
            raise GenerationError("The engine of vLLM died", mend=mend) from error
        return outputs

    def _read(self, ended: dict[bytes, RequestOutput], seconds: float) -> Batch:
        """What the engine says of requests that ended within so many seconds, together."""
        completions, rejected, tokens = dict[bytes, Completion](), dict[bytes, str](), 0
        for key, output in ended.items():
            made, read = output.outputs[0], len(output.prompt_token_ids or ())
            tokens += read + len(made.token_ids)
            if made.finish_reason not in ("stop", "length"):
                rejected[key] = f"the engine ended it with {made.finish_reason!r}"
                continue
            logprobs = None
            if self.sampling.logprobs:
                logprobs = tuple(step[token].logprob for step, token in zip(made.logprobs, made.token_ids, strict=True))
            share = seconds / len(ended)
            completions[key] = Completion(made.text, made.finish_reason, read, len(made.token_ids), share, logprobs)
        return Batch(
            completions, rejected, Cost(model_calls=len(ended), tokens=tokens, gpu_seconds=self.gpus * seconds)
        )


def _tokens(ids: list[int]) -> Any:
    """A prompt as vLLM takes it where it shall not encode it anew."""
    return {"prompt_token_ids": ids}


def _folder(model: str, revision: str | None) -> Path:
    """Where the weights lie: the folder itself, or the snapshot of the Hub that vLLM has loaded."""
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, revision=revision, local_files_only=True, allow_patterns=["config.json"]))
    except (HfHubHTTPError, LocalEntryNotFoundError, ValueError) as error:
        mend = "Load the engine from a folder, or from a repository of the Hub."
        raise GenerationError("The weights of the engine cannot be found", model=model, mend=mend) from error


def _weights_sha256(folder: Path) -> str:
    """SHA-256 (hex) of the files of weights in a folder, by name."""
    digest = hashlib.sha256()
    files = sorted({path for pattern in WEIGHTS for path in folder.glob(pattern)})
    if not files:
        mend = f"Give the engine a folder with {', '.join(WEIGHTS)}."
        raise GenerationError("The folder of the model holds no weights", path=str(folder), mend=mend)
    for path in files:
        digest.update(f"{path.name}\n".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 24):
                digest.update(block)
    return digest.hexdigest()
