"""A judge of two answers, asked in both orders (Zheng et al. 2023, https://arxiv.org/abs/2306.05685).

A judge prefers what it reads first, or last. So each pair is judged twice, the second time with the answers swapped: an
answer wins only if it wins both times. How often the verdict follows the place and not the answer is the flip rate; a
judge whose rate is high says little, whatever its verdicts are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods.dialogue import Answer, Ask, Dialogue
from hf_mbdc.synthesis.methods.prompts import render_prompt

NAME = "pairwise"
VERDICT = re.compile(r"\[\[([ABC])\]\]")
Winner = Literal["first", "second", "tie"]
SWAPPED: dict[Winner, Winner] = {"first": "second", "second": "first", "tie": "tie"}


@dataclass(frozen=True)
class PairwiseOptions:
    """How the judge is asked.

    Args:
        max_tokens: most tokens of a judgement, which is greedy.
        prompts: folder of `pairwise.jinja` in place of the packaged one.
    """

    max_tokens: int = 256
    prompts: str | None = None


@dataclass(frozen=True)
class Judged:
    """What both judgements say of the answers as they were given; None where one could not be read."""

    shown_first: Winner | None
    shown_second: Winner | None

    @property
    def winner(self) -> Winner | None:
        """Who wins in both orders; a tie where the orders disagree; None where one could not be read."""
        if self.shown_first is None or self.shown_second is None:
            return None
        return self.shown_first if self.shown_first == self.shown_second else "tie"

    @property
    def flipped(self) -> bool | None:
        """Whether each order has a winner and it is another one; None where one could not be read."""
        if self.shown_first is None or self.shown_second is None:
            return None
        return {self.shown_first, self.shown_second} == {"first", "second"}


def pairwise(prompt: str, first: str, second: str, options: PairwiseOptions = PairwiseOptions()) -> Dialogue[Judged]:
    """The dialogue on two answers to a prompt: both orders at once."""
    sampling, folder = (
        Sampling(temperature=0.0, max_tokens=options.max_tokens),
        options.prompts and Path(options.prompts),
    )
    texts = [
        render_prompt("pairwise", folder, prompt=prompt, first=one, second=other)
        for one, other in ((first, second), (second, first))
    ]
    said = yield [Ask([{"role": "user", "content": text}], sampling, role="judge") for text in texts]
    as_given, swapped = (_read(one) for one in said)
    return Judged(as_given, None if swapped is None else SWAPPED[swapped])


def flip_rate(judged: Iterable[Judged]) -> float | None:
    """Share of the pairs whose winner changed with the order, of those that could be read; None where none could.

    Example:
        >>> flip_rate([Judged("first", "first"), Judged("first", "second"), Judged("tie", None)])
        0.5
    """
    known = [one.flipped for one in judged if one.flipped is not None]
    return sum(known) / len(known) if known else None


def read_verdict(judgement: str) -> Winner | None:
    """The last verdict of a judgement; None where there is none.

    Example:
        >>> read_verdict("Not [[A]] after all. [[B]]"), read_verdict("A is better")
        ('second', None)
    """
    found = VERDICT.findall(judgement)
    winners: dict[str, Winner] = {"A": "first", "B": "second", "C": "tie"}
    return winners[found[-1]] if found else None


def _read(answer: Answer) -> Winner | None:
    return None if answer.whole is None else read_verdict(answer.whole)
