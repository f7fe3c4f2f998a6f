"""What is asked of a model and what it answers, as plain data, and the key under which an answer is kept."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.records import Cost

FinishReason = Literal["stop", "length"]
Message = Mapping[str, Any]  # {"role": "user", "content": "…"}


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn; the seed stands apart, because it changes which draw and not which distribution.

    Args:
        temperature: divides the logits; 0 takes the likeliest token.
        top_p: only the likeliest tokens that together have this probability; 1 for all.
        top_k: only so many of the likeliest tokens; 0 for all.
        max_tokens: tokens after which a completion is cut off. What stopped by itself does not depend on it, so it is
            no part of the key of the store.
        stop: texts that end a completion; they are not part of it.
        logprobs: whether to keep the log-probability of every token that was drawn, under the model itself
            (temperature 1, all tokens).

    Raises:
        RecipeError: a value is out of its range.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 256
    stop: tuple[str, ...] = ()
    logprobs: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop))
        checks = {
            "temperature": (0 <= self.temperature < float("inf"), "0 (greedy) or more"),
            "top_p": (0 < self.top_p <= 1, "above 0 and at most 1"),
            "top_k": (self.top_k >= 0, "0 (all tokens) or more"),
            "max_tokens": (self.max_tokens >= 1, "1 or more"),
            "stop": (all(self.stop), "texts that are not empty"),
        }
        for key, (good, wanted) in checks.items():
            if not good:
                value = getattr(self, key)
                raise RecipeError(f"{key} is out of range", key=key, value=value, mend=f"Give {wanted}.")

    def as_json(self) -> str:
        """All fields, as a column of the rows shows them."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    def identity(self) -> str:
        """What changes the distribution that is drawn from, and what is kept: all but `max_tokens`."""
        fields = dataclasses.asdict(self)
        del fields["max_tokens"]
        return json.dumps({**fields, "temperature": float(self.temperature), "top_p": float(self.top_p)})


@dataclass(frozen=True)
class Request:
    """One completion that is wanted.

    Args:
        key: of the row that it belongs to.
        messages: a conversation that the model's chat template renders; or
        prompt: a text that the model goes on with, as it is.
        sample: number of the completion among those of the same prompt, from 0.

    Raises:
        DataError: there are both messages and a prompt, or neither.

    Example:
        >>> Request("a", [{"role": "user", "content": "Why?"}]).sample
        0
    """

    key: str
    messages: Sequence[Message] | None = None
    prompt: str | None = None
    sample: int = 0

    def __post_init__(self) -> None:
        if (self.messages is None) == (self.prompt is None):
            mend = "Give messages for a chat model, or a prompt for a text to go on with."
            raise DataError("A request has messages or a prompt, and not both", key=self.key, mend=mend)


def samples(requests: Iterable[Request], n: int) -> list[Request]:
    """Each request `n` times, as samples 0 to n − 1.

    Example:
        >>> [(r.key, r.sample) for r in samples([Request("a", prompt="1+1="), Request("b", prompt="2+2=")], 2)]
        [('a', 0), ('a', 1), ('b', 0), ('b', 1)]
    """
    return [dataclasses.replace(request, sample=sample) for request in requests for sample in range(n)]


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model answered.

    Args:
        text: without prompt, special tokens and stop text.
        finish_reason: "stop" if it ended by itself, "length" if `max_tokens` cut it off.
        prompt_tokens: that the model read.
        completion_tokens: that it wrote, the end token included; None where a server tells only the sum of several.
        seconds: of wall time, its share of its batch.
        logprobs: one for each token, if they were asked for.
    """

    text: str
    finish_reason: FinishReason
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float
    logprobs: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A request with its prompt as the model reads it, and its key in the store (16 bytes).

    `raw` prompts were given as text; the tokenizer adds its own first token to them, which a chat template writes out.
    """

    key: bytes
    prompt: str
    raw: bool
    sample: int
    request: Request

    @property
    def draw(self) -> str:
        """Names the task's random draws. Not the row's key: equal prompts are one task, whatever rows they are in."""
        return f"{self.sample}\n{'prompt' if self.raw else 'messages'}\n{self.prompt}"


@dataclass(frozen=True)
class Batch:
    """What was asked together: completions by task key, reasons of those that cannot be had, and what it took."""

    completions: dict[bytes, Completion]
    rejected: dict[bytes, str] = dataclasses.field(default_factory=dict)
    cost: Cost = dataclasses.field(default_factory=Cost)


def make_tasks(
    requests: Sequence[Request], prompts: Sequence[str], *, identity: str, sampling: Sampling, seed: int
) -> list[Task]:
    """Requests with the keys of the store: a hash of weights, rendered prompt, sampling, seed and sample number.

    Args:
        prompts: rendered, one for each request.
        identity: of the model and of everything else that decides what it answers.

    Raises:
        DataError: a prompt holds half of a surrogate pair, which no file can keep.
    """
    base = hashlib.sha256(json.dumps([identity, sampling.identity(), seed]).encode())
    tasks = []
    for request, prompt in zip(requests, prompts, strict=True):
        raw = request.prompt is not None
        digest = base.copy()
        try:
            digest.update(f"\n{request.sample}\n{raw}\n{prompt}".encode())
        except UnicodeEncodeError as error:
            mend = "Mend the text; it was probably cut inside a character."
            raise DataError(f"A prompt is no valid Unicode: {error}", key=request.key, mend=mend) from error
        tasks.append(Task(digest.digest()[:16], prompt, raw, request.sample, request))
    return tasks
