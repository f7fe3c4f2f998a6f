"""The probabilities of given answers after a prompt, from the logits of a model in this process.

An answer of several tokens has the product of their probabilities, each after the prompt and the tokens before it. The
distinct beginnings of the answers are the rows of a batch: one a prompt, where each answer is one token.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Protocol

from hf_mbdc.generation.completions import Batch, Completion, Task
from hf_mbdc.generation.prompts import NO_NUMBERS
from hf_mbdc.records import Cost

Tokens = tuple[int, ...]


class Scorer(Protocol):
    """What rating asks of a generator in this process."""

    @property
    def tokenizer(self) -> Any:
        """Of the model."""

    @property
    def room(self) -> int | None:
        """Tokens that the model takes; None where it does not say."""

    @property
    def gpus(self) -> int:
        """Accelerators that it computes on."""

    def next_logprobs(self, rows: Sequence[list[int]], following: Sequence[list[int]]) -> list[list[float]]:
        """Of each row of tokens the log-probabilities of some next tokens."""


def rate_batch(generator: Scorer, tasks: Sequence[Task], prompts: Sequence[list[int]], options: Sequence[str]) -> Batch:
    """Ratings of tasks, or why there are none.

    Args:
        generator: with model and tokenizer.
        tasks: whose prompts the options follow.
        prompts: the tokens of each prompt.
        options: texts, all different.
    """
    started = time.perf_counter()
    answers, rejected = _in_context(generator, tasks, prompts, options)
    rows = [(place, stem) for place, found in answers.items() for stem in _stems(found)]
    following = [_following(answers[place], stem) for place, stem in rows]
    told = generator.next_logprobs([prompts[place] + list(stem) for place, stem in rows], following)
    steps: dict[int, dict[Tokens, float]] = {place: {} for place in answers}
    for (place, stem), tokens, numbers in zip(rows, following, told, strict=True):
        steps[place].update({(*stem, token): number for token, number in zip(tokens, numbers, strict=True)})
    seconds = time.perf_counter() - started
    ratings = {}
    for place, found in answers.items():
        if any(math.isnan(number) for number in steps[place].values()):
            rejected[tasks[place].key] = NO_NUMBERS
            continue
        logprobs = whole_answers(found, steps[place])
        likeliest = options[logprobs.index(max(logprobs))]
        counts = (len(prompts[place]), 0, seconds / len(tasks))
        ratings[tasks[place].key] = Completion(likeliest, "stop", *counts, tuple(logprobs))
    read = sum(len(prompts[place]) + len(stem) for place, stem in rows)
    return Batch(ratings, rejected, Cost(model_calls=len(answers), tokens=read, gpu_seconds=generator.gpus * seconds))


def whole_answers(answers: Sequence[Tokens], steps: Mapping[Tokens, float]) -> list[float]:
    """The log-probability that a text begins with an answer, and not with a longer one.

    Args:
        answers: tokens of each, all different.
        steps: beginning of an answer → log-probability of its last token after those before it.

    Example:
        >>> from math import log, exp
        >>> steps = {(1,): log(0.5), (1, 0): log(0.2), (2,): log(0.25)}  # "1", "10", "2"
        >>> [round(exp(one), 3) for one in whole_answers([(1,), (1, 0), (2,)], steps)]
        [0.4, 0.1, 0.25]
    """
    begins = {answer: sum(steps[answer[: n + 1]] for n in range(len(answer))) for answer in answers}
    whole = []
    for answer in answers:
        longer = [other for other in answers if len(other) > len(answer) and other[: len(answer)] == answer]
        # Only the next longer ones: what goes on with "100" has gone on with "10".
        nearest = [one for one in longer if not any(one != two and one[: len(two)] == two for two in longer)]
        if begins[answer] == -math.inf or not nearest:
            whole.append(begins[answer])
            continue
        share = sum(math.exp(begins[one] - begins[answer]) for one in nearest)
        whole.append(begins[answer] + math.log1p(-share) if share < 1 else -math.inf)
    return whole


def _in_context(
    generator: Scorer, tasks: Sequence[Task], prompts: Sequence[list[int]], options: Sequence[str]
) -> tuple[dict[int, list[Tokens]], dict[bytes, str]]:
    """By place of a task the tokens of each option as they follow its prompt; by key, why they cannot.

    The tokens of an option alone may be others: many tokenizers put a space in front of a text.
    """
    answers: dict[int, list[Tokens]] = {}
    rejected: dict[bytes, str] = {}
    for raw in (True, False):
        places = [place for place, task in enumerate(tasks) if task.raw == raw]
        texts = [tasks[place].prompt + option for place in places for option in options]
        encoded = iter(generator.tokenizer(texts, add_special_tokens=raw)["input_ids"] if texts else [])
        for place in places:
            whole = list(islice(encoded, len(options)))
            if reason := _unfit(prompts[place], whole, options, generator.room or math.inf):
                rejected[tasks[place].key] = reason
            else:
                answers[place] = [tuple(ids[len(prompts[place]) :]) for ids in whole]
    return answers, rejected


def _unfit(prompt: list[int], whole: Sequence[list[int]], options: Sequence[str], room: float) -> str | None:
    """Why options cannot be rated whose tokens, with those of the prompt before them, are `whole`."""
    if max(map(len, whole)) > room:
        return f"prompt and options need more than the {room:,} tokens that the model takes"
    first: dict[Tokens, str] = {}
    for option, ids in zip(options, whole, strict=True):
        if ids[: len(prompt)] != prompt or len(ids) == len(prompt):
            mend = "end the prompt before a space, and begin the option with it"
            return f"the option {option!r} changes the tokens at the end of the prompt; {mend}"
        if (other := first.setdefault(tuple(ids), option)) != option:
            return f"the options {other!r} and {option!r} have the same tokens"
    return None


def _stems(answers: Sequence[Tokens]) -> list[Tokens]:
    """The distinct beginnings after which the next token of an answer is asked for."""
    return list(dict.fromkeys(answer[:n] for answer in answers for n in range(len(answer))))


def _following(answers: Sequence[Tokens], stem: Tokens) -> list[int]:
    """The distinct next tokens of answers that begin so."""
    n = len(stem)
    return list(dict.fromkeys(answer[n] for answer in answers if len(answer) > n and answer[:n] == stem))
