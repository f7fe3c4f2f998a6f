"""From requests to a dataset of completions, asking a model only for what the store does not have."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from hf_mbdc.errors import DataError, GenerationError
from hf_mbdc.generation.completions import Batch, Completion, Request, Sampling, Task, make_tasks
from hf_mbdc.generation.store import Store
from hf_mbdc.records import Cost

if TYPE_CHECKING:
    from datasets import Dataset

Claim = Callable[[Sequence[Task]], list[Task]]
POLL_SECONDS = 0.2  # between looks at what another process is generating


class Generator(Protocol):
    """What `generate` asks of a generator; `LocalGenerator` and `EndpointGenerator` are such."""

    @property
    def sampling(self) -> Sampling:
        """How completions are drawn."""

    @property
    def seed(self) -> int:
        """Which draw of them it is."""

    def identity(self) -> str:
        """model@hash of the weights, or what an endpoint says that it serves; asked for once for every `generate`."""

    def render(self, requests: Sequence[Request]) -> list[str]:
        """The prompts as the model reads them."""

    def complete(self, tasks: Sequence[Task], claim: Claim) -> Iterator[Batch]:
        """Completions as they come; `claim` says, right before a batch is asked, which of its tasks are still open."""


@dataclass(frozen=True)
class Generated:
    """What `generate_with_rejected` gives.

    Args:
        rows: the completions, in the order of the requests; see `generate`.
        rejected: `id`, `mbdc_parent_id`, `sample`, `prompt` and `reason` of the requests without one.
        cost: of this call alone: what was served from the store cost nothing.
        reused: completions that the store had.
    """

    rows: Dataset
    rejected: Dataset
    cost: Cost
    reused: int


def generate(
    requests: Iterable[Request],
    generator: Generator,
    *,
    store: Store | str | Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Dataset:
    """A completion for every request, in their order.

    Args:
        requests: with distinct (key, sample).
        generator: model, sampling and seed.
        store: an open store or the path of one. What is there is not asked again; what comes is kept at once, so that
            a killed call loses no more than the batches in flight. Without one nothing is kept.
        on_progress: called with the fraction that is done, 0 to 1.

    Returns:
        Rows with `id` (key and sample), `mbdc_parent_id` (the key), `sample`, `prompt` as the model read it,
        `completion`, `finish_reason` ("stop" or "length"), `prompt_tokens`, `completion_tokens`, `mbdc_model`
        (model@hash), `sampling` (JSON), `seed` and, if asked for, `logprobs`. Times are in the store: they would make
        the rows of two runs differ.

    Raises:
        DataError: two requests have the same key and sample, or a prompt cannot be rendered.
        GenerationError: the model cannot be asked, or some requests could not be completed; what was completed is in
            the store, and the same call asks only for the rest.

    Example:
        >>> from hf_mbdc.generation import EndpointGenerator, Request, samples
        >>> asked = samples([Request("a", [{"role": "user", "content": "Why is the sky blue?"}])], n=4)
        >>> server = EndpointGenerator("http://127.0.0.1:8000/v1", "Qwen/Qwen3-0.6B")
        >>> rows = generate(asked, server, store="completions.sqlite")  # doctest: +SKIP
    """
    return every_row(
        generate_with_rejected(requests, generator, store=store, on_progress=on_progress), "generate_with_rejected"
    )


def generate_with_rejected(
    requests: Iterable[Request],
    generator: Generator,
    *,
    store: Store | str | Path | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Generated:
    """As `generate`, but requests that could not be completed come back with their reason."""
    started, cpu_started = time.perf_counter(), time.process_time()
    asked = list(requests)
    _check_distinct(asked)
    model = generator.identity()
    tasks = make_tasks(asked, generator.render(asked), identity=model, sampling=generator.sampling, seed=generator.seed)
    kept = store if isinstance(store, Store) else Store(store)
    try:
        work = _Work(generator, model, kept, on_progress or (lambda fraction: None))
        work.do({task.key: task for task in tasks})
    finally:
        if kept is store:
            kept.release()
        else:
            kept.close()
    spent = replace(
        work.cost, wall_seconds=time.perf_counter() - started, cpu_seconds=time.process_time() - cpu_started
    )
    rows = _rows(tasks, work.found, generator, model)
    return Generated(rows, _rejected_rows(tasks, work.rejected), spent, sum(task.key in work.reused for task in tasks))


def every_row(made: Generated, otherwise: str) -> Dataset:
    """The rows, if no request was rejected.

    Args:
        made: of one call.
        otherwise: name of the function that goes on without the rejected ones.

    Raises:
        GenerationError: some were; the message says how many, and why.
    """
    if len(made.rejected):
        reasons = Counter(made.rejected["reason"]).most_common(3)
        told = "; ".join(f"{count} × {reason}" for reason, count in reasons)
        mend = f"Run again to ask for these only, or call {otherwise} to go on without them."
        what = f"{len(made.rejected)} of {len(made.rejected) + len(made.rows)} requests have no completion: {told}"
        raise GenerationError(what, id=made.rejected["id"][0], mend=mend)
    return made.rows


class _Work:
    """One call's state: what is found, what is rejected and what it cost so far."""

    def __init__(self, generator: Generator, model: str, store: Store, on_progress: Callable[[float], None]) -> None:
        self.generator, self.model, self.store, self.on_progress = generator, model, store, on_progress
        self.found: dict[bytes, Completion] = {}
        self.rejected: dict[bytes, str] = {}
        self.reused: set[bytes] = set()
        self.cost = Cost()

    def do(self, tasks: dict[bytes, Task]) -> None:
        """Until every task is found or rejected; tasks that another process is at are waited for."""
        self.found = self.store.find(tasks, max_tokens=self.generator.sampling.max_tokens)
        self.reused = set(self.found)
        total = max(1, len(tasks))
        self.on_progress(len(self.found) / total)
        # Where processes share the work, the others wait for one that misses nothing, too: each has a store of its own.
        must_call = getattr(self.generator, "processes", 1) > 1
        while (missing := self._missing(tasks)) or must_call:
            asked, must_call = False, False
            for batch in self.generator.complete(missing, self._claim):
                asked = True
                self.store.put(self.model, self.generator.sampling, self.generator.seed, batch.completions)
                self.found.update(batch.completions)
                self.rejected.update({key: why for key, why in batch.rejected.items() if key not in self.found})
                self.cost += batch.cost
                self.on_progress((len(self.found) + len(self.rejected)) / total)
            others = [task.key for task in self._missing(tasks)]
            self.found.update(self.store.find(others, max_tokens=self.generator.sampling.max_tokens))
            self.on_progress((len(self.found) + len(self.rejected)) / total)
            if others and not asked:
                time.sleep(POLL_SECONDS)

    def _missing(self, tasks: dict[bytes, Task]) -> list[Task]:
        return [task for key, task in tasks.items() if key not in self.found and key not in self.rejected]

    def _claim(self, tasks: Sequence[Task]) -> list[Task]:
        mine = self.store.claim([task.key for task in tasks], max_tokens=self.generator.sampling.max_tokens)
        return [task for task in tasks if task.key in mine]


def _check_distinct(requests: Sequence[Request]) -> None:
    seen: set[tuple[str, int]] = set()
    for request in requests:
        if (request.key, request.sample) in seen:
            mend = "Give each row its own key, and each completion of a row its own sample number."
            where = {"key": request.key, "sample": request.sample}
            raise DataError("Two requests have the same key and sample", mend=mend, **where)
        seen.add((request.key, request.sample))


def _rows(tasks: Sequence[Task], found: dict[bytes, Completion], generator: Generator, model: str) -> Dataset:
    import pyarrow as pa
    from datasets import Dataset

    done = [task for task in tasks if task.key in found]
    answers = [found[task.key] for task in done]
    columns: dict[str, Any] = {
        **_request_columns(done),
        "completion": pa.array([answer.text for answer in answers], pa.string()),
        "finish_reason": pa.array([answer.finish_reason for answer in answers], pa.string()),
        "prompt_tokens": pa.array([answer.prompt_tokens for answer in answers], pa.int32()),
        "completion_tokens": pa.array([answer.completion_tokens for answer in answers], pa.int32()),
        "mbdc_model": pa.array([model] * len(done), pa.string()),
        "sampling": pa.array([generator.sampling.as_json()] * len(done), pa.string()),
        "seed": pa.array([generator.seed] * len(done), pa.int64()),
    }
    if generator.sampling.logprobs:
        columns["logprobs"] = pa.array([answer.logprobs for answer in answers], pa.list_(pa.float64()))
    return Dataset(pa.table(columns))


def _rejected_rows(tasks: Sequence[Task], rejected: dict[bytes, str]) -> Dataset:
    import pyarrow as pa
    from datasets import Dataset

    left = [task for task in tasks if task.key in rejected]
    reasons = pa.array([rejected[task.key] for task in left], pa.string())
    return Dataset(pa.table({**_request_columns(left), "reason": reasons}))


def _request_columns(tasks: Sequence[Task]) -> dict[str, Any]:
    import pyarrow as pa

    requests = [task.request for task in tasks]
    return {
        "id": pa.array([f"{request.key}-{request.sample}" for request in requests], pa.string()),
        "mbdc_parent_id": pa.array([request.key for request in requests], pa.string()),
        "sample": pa.array([request.sample for request in requests], pa.int32()),
        "prompt": pa.array([task.prompt for task in tasks], pa.string()),
    }
