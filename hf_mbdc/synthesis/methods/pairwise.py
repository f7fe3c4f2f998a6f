"""A judge of two answers, asked in both orders (Zheng et al. 2023, https://arxiv.org/abs/2306.05685).

A judge prefers what it reads first, or last. So each pair is judged twice, the second time with the answers swapped: an
answer wins only if it wins both times. How often the verdict follows the place and not the answer is the flip rate; a
judge whose rate is high says little, whatever its verdicts are.

`pairwise` lets the judge explain and reads its verdict; `preference` reads the probabilities of "A" and "B" as the
first word, and takes the mean of both orders, which cancels what the place adds to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hf_mbdc.generation.completions import Message, Sampling
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


@dataclass(frozen=True)
class PreferenceOptions:
    """How the judge is asked for its first word.

    Args:
        verdicts: the words for the answers that are shown first and second, as the judge writes them.
        least_mass: probability of both together below which there is no judgement; see `ExpectedScoreOptions`.
        prompts: folder of `preference.jinja` in place of the packaged one.
    """

    verdicts: tuple[str, str] = ("A", "B")
    least_mass: float = 0.5
    prompts: str | None = None


@dataclass(frozen=True)
class Preferred:
    """Probability that the first of the answers as they were given is better, by the order in which it was shown.

    None where the judge would rather have said something else.
    """

    shown_first: float | None
    shown_second: float | None

    @property
    def probability(self) -> float | None:
        """The mean of both orders; None where one is missing."""
        if self.shown_first is None or self.shown_second is None:
            return None
        return (self.shown_first + self.shown_second) / 2

    @property
    def winner(self) -> Winner | None:
        """Who is likelier to be better by the mean of both orders."""
        return None if self.probability is None else _likelier(self.probability)

    @property
    def flipped(self) -> bool | None:
        """Whether each order has a winner and it is another one; None where one is missing."""
        if self.shown_first is None or self.shown_second is None:
            return None
        return {_likelier(self.shown_first), _likelier(self.shown_second)} == {"first", "second"}


def pairwise(prompt: str, first: str, second: str, options: PairwiseOptions = PairwiseOptions()) -> Dialogue[Judged]:
    """The dialogue on two answers to a prompt: both orders at once."""
    sampling = Sampling(temperature=0.0, max_tokens=options.max_tokens)
    orders = _both_orders("pairwise", options.prompts, prompt, first, second)
    said = yield [Ask(messages, sampling, role="judge") for messages in orders]
    as_given, swapped = (_read(one) for one in said)
    return Judged(as_given, None if swapped is None else SWAPPED[swapped])


def preference(
    prompt: str, first: str, second: str, options: PreferenceOptions = PreferenceOptions()
) -> Dialogue[Preferred]:
    """The dialogue on two answers to a prompt, read from the probabilities of the judge's first word; both at once."""
    orders = _both_orders("preference", options.prompts, prompt, first, second)
    said = yield [Ask(messages, role="judge", options=options.verdicts) for messages in orders]
    as_given, swapped = said
    return Preferred(
        as_given.expected((1.0, 0.0), options.least_mass), swapped.expected((0.0, 1.0), options.least_mass)
    )


def flip_rate(judged: Iterable[Judged | Preferred]) -> float | None:
    """Share of the pairs whose winner changed with the order, of those that could be read; None where none could.

    Example:
        >>> flip_rate([Judged("first", "first"), Judged("first", "second"), Judged("tie", None)])
        0.5
        >>> flip_rate([Preferred(0.9, 0.2), Preferred(0.9, 0.8), Preferred(0.5, 0.1), Preferred(None, 0.1)])
        0.3333333333333333
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


def _both_orders(name: str, folder: str | None, prompt: str, first: str, second: str) -> list[list[Message]]:
    """The conversations that show the answers as they are given, and swapped."""
    orders = ((first, second), (second, first))
    texts = [render_prompt(name, folder, prompt=prompt, first=one, second=other) for one, other in orders]
    return [[{"role": "user", "content": text}] for text in texts]


def _likelier(probability: float) -> Winner:
    return "tie" if probability == 0.5 else "first" if probability > 0.5 else "second"


def _read(answer: Answer) -> Winner | None:
    return None if answer.whole is None else read_verdict(answer.whole)
