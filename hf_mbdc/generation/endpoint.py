"""Any OpenAI-compatible chat server as a generator: vLLM, `transformers serve`, TGI, llama.cpp and others.

Requests go through huggingface_hub's `AsyncInferenceClient` on a loop in a thread of its own; so it works in notebooks,
and storing what came does not keep requests waiting.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import queue
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from hf_mbdc.errors import DataError, GenerationError, RecipeError
from hf_mbdc.generation.answers import Answer, Choice
from hf_mbdc.generation.caller import Caller, RefusedError
from hf_mbdc.generation.completions import Batch, Completion, Request, Sampling, Task
from hf_mbdc.generation.self_test import PROMPT, check_server
from hf_mbdc.records import Cost
from hf_mbdc.transforms.draws import below, row_keys

if TYPE_CHECKING:
    from hf_mbdc.generation.generate import Claim

GIVE_UP_AFTER = 8  # requests in a row that failed with all their tries: then the server is gone
LIKELIEST = 20  # tokens that a server is asked about; OpenAI's API gives no more
# What is drawn does not matter. At temperature 1 probabilities are those of the model, whatever a server scales before.
RATING = Sampling(temperature=1.0, max_tokens=1)
T = TypeVar("T")
Asks = Callable[[Caller, Sequence[Task]], Coroutine[Any, Any, tuple[Batch, bool]]]
Tests = Callable[[Caller], Coroutine[Any, Any, Cost]]


@dataclass(frozen=True)
class EndpointGenerator:
    """Completions of a server, which is tested first: one that ignores temperature, seed or n is refused.

    A request is tried again after a time-out, a lost connection, an answer that is cut or no JSON, and the statuses
    408, 409, 425, 429 and 5xx, with growing, jittered pauses, or as long as `Retry-After` says. What fails every time,
    or is refused for itself (status 400, 413, 422), comes back as rejected with its reason. A wrong key or model, a
    model that changes its name, or eight failures in a row end the call with an error; what came until then is stored.

    Args:
        base_url: of the API, such as "http://127.0.0.1:8000/v1".
        model: its name at the server.
        sampling, seed: of the draws. Each request gets a seed of its own, made of this one, prompt and sample numbers.
        concurrency: requests in flight at the same time.
        timeout: seconds for one try, from sending to the last byte; also the longest pause.
        retries: tries after the first one.
        requests_per_second: bound on what is sent, retries included; None for no bound.
        api_key: sent as bearer token; neither stored nor shown.
        served_as: the name that the server gives in its answers, where it is not `model`.
        one_request_per_sample: every sample is a request of its own, with a seed of its own: for servers without `n`,
            and where completions shall not depend on what else is missing. Otherwise all samples of a prompt that are
            missing are asked together, from one seed.
        extra_body: more fields of the request's body, as the server documents them.

    Raises:
        RecipeError: a number is out of its range.

    Example:
        >>> EndpointGenerator("http://127.0.0.1:8000/v1", "Qwen/Qwen3-0.6B", Sampling(temperature=0.7)).identity()
        'Qwen/Qwen3-0.6B@endpoint'
    """

    base_url: str
    model: str
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    concurrency: int = 32
    timeout: float = 600.0
    retries: int = 6
    requests_per_second: float | None = None
    api_key: str | None = field(default=None, repr=False)
    served_as: str | None = None
    one_request_per_sample: bool = False
    extra_body: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        low = {"concurrency": 1, "timeout": 1e-3, "retries": 0, "requests_per_second": 1e-3}
        for key, least in low.items():
            value = getattr(self, key)
            if value is not None and value < least:
                raise RecipeError(f"{key} is out of range", key=key, value=value, mend=f"Give {least:g} or more.")

    def identity(self) -> str:
        """name@name that the server gives; no hash, because a server does not tell its weights."""
        more = json.dumps(self.extra_body, sort_keys=True) if self.extra_body else ""
        digest = f"+{hashlib.sha256(more.encode()).hexdigest()[:8]}" if more else ""
        return f"{self.model}@{self.served_as or 'endpoint'}{digest}"

    def render(self, requests: Sequence[Request]) -> list[str]:
        """The messages as JSON: the server applies its own chat template.

        Raises:
            DataError: a request has a prompt instead of messages.
        """
        for request in requests:
            if request.messages is None:
                mend = "Give messages, or load the model into a LocalGenerator."
                raise DataError("An endpoint takes conversations, no raw prompts", key=request.key, mend=mend)
        return [json.dumps(list(request.messages or ()), ensure_ascii=False) for request in requests]

    def complete(self, tasks: Sequence[Task], claim: Claim) -> Iterator[Batch]:
        """Completions as they come, one prompt a batch.

        Raises:
            GenerationError: the server does not pass the test, or went away.
        """
        yield from self._in_flight(self._groups(tasks), claim, self._ask, self._test)

    def rate(self, tasks: Sequence[Task], claim: Claim, options: Sequence[str]) -> Iterator[Batch]:
        """Of each task the likeliest option, with the log-probabilities of all of them, as they come.

        Raises:
            GenerationError: the server tells no probabilities of tokens, or went away.
        """

        async def ask(caller: Caller, group: Sequence[Task]) -> tuple[Batch, bool]:
            return await self._ask(caller, group, options)

        yield from self._in_flight([[task] for task in tasks], claim, ask, self._test_likeliest)

    def _in_flight(self, planned: Sequence[list[Task]], claim: Claim, ask: Asks, test: Tests) -> Iterator[Batch]:
        """What `ask` makes of groups of tasks, `concurrency` of them at a time, after `test`."""
        groups = iter(planned)
        answered: queue.SimpleQueue[Future[tuple[Batch, bool]]] = queue.SimpleQueue()
        in_flight, failed_in_a_row, tested = 0, 0, False
        with _LoopThread() as loop, Caller(self, loop) as caller:
            while True:
                # Some more than `concurrency` wait inside, so that storing an answer leaves no slot empty.
                while in_flight < 2 * self.concurrency and (wanted := next(groups, None)) is not None:
                    if not (group := claim(wanted)):
                        continue
                    if not tested:
                        yield Batch({}, cost=loop.run(test(caller)))
                        tested = True
                    loop.start(ask(caller, group)).add_done_callback(answered.put)
                    in_flight += 1
                if not in_flight:
                    return
                future = answered.get()
                in_flight -= 1
                try:
                    batch, exhausted = future.result()
                except GenerationError:
                    yield from _answered_by_now(answered)
                    raise
                yield batch
                failed_in_a_row = 0 if batch.completions else failed_in_a_row + exhausted
                if failed_in_a_row >= GIVE_UP_AFTER:
                    yield from _answered_by_now(answered)
                    raise self._gone(next(iter(batch.rejected.values())))

    def _groups(self, tasks: Sequence[Task]) -> list[list[Task]]:
        """What is asked in one request: the samples of one prompt in their order, or each for itself."""
        if self.one_request_per_sample:
            return [[task] for task in tasks]
        by_prompt: dict[str, list[Task]] = {}
        for task in tasks:
            by_prompt.setdefault(task.prompt, []).append(task)
        return [sorted(group, key=lambda task: task.sample) for group in by_prompt.values()]

    async def _ask(self, caller: Caller, group: Sequence[Task], options: Sequence[str] = ()) -> tuple[Batch, bool]:
        """The completions of a group, or ratings of options, or why there are none; and whether every try failed."""
        draws = "\n".join(task.draw for task in group)
        seed = int(below(row_keys([draws], self.seed), 0, 2**31)[0])
        messages = list(group[0].request.messages or ())
        try:
            if options:
                answer, tries = await caller.ask(messages, RATING, seed, 1, likeliest=LIKELIEST)
            else:
                answer, tries = await caller.ask(messages, self.sampling, seed, len(group))
        except RefusedError as refused:
            reasons = {task.key: refused.reason for task in group}
            return Batch({}, reasons, Cost(model_calls=refused.tries)), refused.exhausted
        completions = {
            task.key: _rating(answer, choice, options) if options else _completion(answer, choice)
            for task, choice in zip(group, answer.choices, strict=True)
        }
        tokens = (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
        return Batch(completions, cost=Cost(model_calls=tries, tokens=tokens)), False

    async def _test(self, caller: Caller) -> Cost:
        """Refuses a server that does not sample as it is told.

        Raises:
            GenerationError: what it ignores, as it was found.
        """
        calls, tokens = 0, 0

        async def ask(messages: Sequence[Mapping[str, Any]], sampling: Sampling, seed: int, n: int) -> list[str]:
            nonlocal calls, tokens
            try:
                answer, tries = await caller.ask(list(messages), sampling, seed, n, check_count=False)
            except RefusedError as refused:
                raise self._gone(refused.reason) from None
            calls += tries
            tokens += (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
            return [choice.text for choice in answer.choices]

        await check_server(ask, self.sampling, together=not self.one_request_per_sample, endpoint=self.base_url)
        return Cost(model_calls=calls, tokens=tokens)

    async def _test_likeliest(self, caller: Caller) -> Cost:
        """Refuses a server that does not tell the likeliest tokens.

        Raises:
            GenerationError: how it showed.
        """
        try:
            answer, tries = await caller.ask(PROMPT, RATING, 0, 1, likeliest=LIKELIEST)
        except RefusedError as refused:
            if not refused.answered:
                raise self._gone(refused.reason) from None
            what = f"The endpoint tells no probabilities of tokens: {refused.reason}"
            mend = "Serve the model with an engine that has top_logprobs, such as vLLM, or let the judge write."
            raise GenerationError(what, endpoint=self.base_url, mend=mend) from None
        tokens = (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
        return Cost(model_calls=tries, tokens=tokens)

    def _gone(self, reason: str) -> GenerationError:
        mend = "See what the server logs; what was answered is in the store, and the same call goes on from there."
        return GenerationError(f"The endpoint does not answer: {reason}", endpoint=self.base_url, mend=mend)


def _completion(answer: Answer, choice: Choice) -> Completion:
    """Of several choices a server tells only the sum of the tokens; log-probabilities can be counted."""
    count = answer.completion_tokens if len(answer.choices) == 1 else None
    if choice.logprobs is not None:
        count = len(choice.logprobs)
    seconds = answer.seconds / len(answer.choices)
    return Completion(choice.text, choice.finish_reason, answer.prompt_tokens, count, seconds, choice.logprobs)


def _rating(answer: Answer, choice: Choice, options: Sequence[str]) -> Completion:
    """An option that is not among the likeliest tokens has the probability 0."""
    logprobs = tuple((choice.likeliest or {}).get(option, -math.inf) for option in options)
    likeliest = options[logprobs.index(max(logprobs))]
    return Completion(likeliest, "stop", answer.prompt_tokens, answer.completion_tokens, answer.seconds, logprobs)


def _answered_by_now(answered: queue.SimpleQueue[Future[tuple[Batch, bool]]]) -> Iterator[Batch]:
    """What came beside an error, so that it is kept."""
    while not answered.empty():
        future = answered.get()
        if not future.cancelled() and future.exception() is None:
            yield future.result()[0]


class _LoopThread:
    """An event loop that runs in a thread until the end of the block, which cancels what is left."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="endpoint", daemon=True)

    def __enter__(self) -> _LoopThread:
        self.thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.run(self._cancel_all())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begins work on the loop, and does not wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of work on the loop, waited for."""
        return self.start(work).result()

    async def _cancel_all(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
