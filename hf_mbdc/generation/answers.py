"""What a server's answer must have to count as completions; anything less is no completion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from hf_mbdc.generation.completions import FinishReason

# Of OpenAI's API, and of TGI. "content_filter" and "tool_calls" are neither an end nor a cut.
FINISH_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "length": "length",
}


class MalformedAnswerError(ValueError):
    """An answer lacks something; it is asked for again."""


class UnwantedAnswerError(ValueError):
    """An answer is complete and no completion, such as one that a filter took away; asking again is of no use."""


@dataclass(frozen=True)
class Choice:
    """One of the completions in an answer.

    `logprobs` of its tokens, and `likeliest`: token → log-probability of what could stand first; where they were asked
    for.
    """

    text: str
    finish_reason: FinishReason
    logprobs: tuple[float, ...] | None
    likeliest: dict[str, float] | None = None


@dataclass(frozen=True)
class Answer:
    """A whole answer: one choice a sample, and the tokens that all of them took, as far as the server tells.

    `seconds` is from sending the request to the last byte.
    """

    model: str
    choices: list[Choice]
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float


def read_answer(output: Any, *, logprobs: bool, likeliest: bool = False, seconds: float) -> Answer:
    """A `ChatCompletionOutput` as checked plain data.

    Raises:
        MalformedAnswerError: a field is missing or of a wrong type.
        UnwantedAnswerError: the server ended a completion for another reason than an end or a cut.
    """
    choices = getattr(output, "choices", None)
    if not isinstance(choices, list) or not choices:
        raise MalformedAnswerError(f"an answer without choices{_error_of(output)}")
    usage = getattr(output, "usage", None)
    ordered = sorted(choices, key=lambda choice: getattr(choice, "index", None) or 0)
    return Answer(
        model=str(getattr(output, "model", "") or ""),
        choices=[_read_likeliest(one) if likeliest else _read_choice(one, logprobs) for one in ordered],
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        seconds=seconds,
    )


def _read_choice(choice: Any, logprobs: bool) -> Choice:
    reason = getattr(choice, "finish_reason", None)
    if not reason:
        raise MalformedAnswerError("an answer without finish_reason, so cut short")
    if reason not in FINISH_REASONS:
        raise UnwantedAnswerError(f"the server ended it for {reason!r}")
    text = getattr(getattr(choice, "message", None), "content", None)
    if not isinstance(text, str):
        raise MalformedAnswerError("an answer without text")
    if any("\ud800" <= character <= "\udfff" for character in text):  # JSON may hold half of a pair
        raise UnwantedAnswerError("the text is no valid Unicode")
    numbers = None
    if logprobs:
        tokens = getattr(getattr(choice, "logprobs", None), "content", None)
        if not isinstance(tokens, list):
            raise MalformedAnswerError("an answer without the log-probabilities that were asked for")
        numbers = tuple(float(token.logprob) for token in tokens)
    return Choice(text, FINISH_REASONS[reason], numbers)


def _read_likeliest(choice: Any) -> Choice:
    """Of a choice only what could stand first; its own token does not matter, and some servers give it no text."""
    tokens = getattr(getattr(choice, "logprobs", None), "content", None)
    told = getattr(tokens[0], "top_logprobs", None) if isinstance(tokens, list) and tokens else None
    if not isinstance(told, list) or not told:
        raise MalformedAnswerError("an answer without the likeliest tokens that were asked for")
    chances: dict[str, float] = {}
    for one in told:  # tokens of half a character are told as the same text
        chances[one.token] = chances.get(one.token, 0.0) + math.exp(one.logprob)
    return Choice("", "length", None, {token: _log(chance) for token, chance in chances.items()})


def _log(chance: float) -> float:
    return math.log(chance) if chance > 0 else -math.inf


def _count(usage: Any, name: str) -> int | None:
    value = getattr(usage, name, None)
    return value if isinstance(value, int) else None


def _error_of(output: Any) -> str:
    """What a server says that sends errors with status 200."""
    error = getattr(output, "error", None)
    return f": {str(error)[:200]}" if error else ""
