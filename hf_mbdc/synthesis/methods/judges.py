"""Judges that look at all answers to a prompt and need no other model: a score each, or None where one has none.

An answer that was cut off has no score with any of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from hf_mbdc.synthesis.methods.dialogue import Answer

Judge = Callable[[Sequence[Answer]], list[float | None]]


def verified(right: Callable[[Sequence[str | None]], Sequence[bool | None]]) -> Judge:
    """1 for an answer that a verifier takes for right, 0 for a wrong one, None for one that it cannot read."""

    def judge(answers: Sequence[Answer]) -> list[float | None]:
        return [None if one is None else float(one) for one in right([answer.whole for answer in answers])]

    return judge


def majority(said: Callable[[str], str]) -> Judge:
    """The share of the answers that say the same in the end (Wang et al. 2022, self-consistency).

    Args:
        said: what an answer says, so that two can be compared.

    Example:
        >>> answers = [Answer("A: 4", "stop"), Answer("A: 5", "stop"), Answer("A: 4", "stop"), Answer("A:", "length")]
        >>> [score and round(score, 2) for score in majority(str.strip)(answers)]
        [0.67, 0.33, 0.67, None]
    """

    def judge(answers: Sequence[Answer]) -> list[float | None]:
        words = [None if answer.whole is None else said(answer.whole) for answer in answers]
        counts = Counter(word for word in words if word is not None)
        return [None if word is None else counts[word] / counts.total() for word in words]

    return judge


def likelihood(answers: Sequence[Answer]) -> list[float | None]:
    """The mean log-probability of an answer's tokens; the answers must have been asked for with `logprobs`."""
    return [
        float(np.mean(answer.logprobs)) if answer.whole is not None and answer.logprobs else None for answer in answers
    ]


def length(answers: Sequence[Answer]) -> list[float | None]:
    """The number of words: a judge with a flaw, to see whether a gate notices."""
    return [None if answer.whole is None else float(len(answer.whole.split())) for answer in answers]
