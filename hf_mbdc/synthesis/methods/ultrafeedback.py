"""UltraFeedback (Cui et al. 2023, https://arxiv.org/abs/2310.01377): four answers, rated for four aspects.

The judge rates all answers to a prompt in one call for each aspect, in an order drawn anew for each call, from 1 to 5
(or N/A, where an aspect may not apply). The score of an answer is the mean of what was rated.

Deviations from the paper: the answers are drawn from one model in place of a pool; rationales are one sentence and the
judge gets no principles; what could not be read is not rated, and an answer without any rating has no score.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hf_mbdc.errors import RecipeError
from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods.dialogue import Ask, Dialogue
from hf_mbdc.synthesis.methods.prompts import render_prompt
from hf_mbdc.synthesis.methods.scored_rows import Scored
from hf_mbdc.transforms.draws import bits, row_keys

NAME = "ultrafeedback"
RATING = re.compile(r"rating of text\s*(\d+)(?!\d)\W*?(N/?A|-?\d+(?:\.\d+)?)", re.IGNORECASE)


@dataclass(frozen=True)
class Aspect:
    """What is rated: a question, and what each rating from 1 to 5 means."""

    name: str
    question: str
    ratings: tuple[str, str, str, str, str]
    may_not_apply: bool = False


ASPECTS = (
    Aspect(
        "instruction following",
        "Does the text do what the instruction asks, with all its restrictions?",
        ("irrelevant", "partly, most is missed", "partly, the goal is met", "almost all", "all of it"),
    ),
    Aspect(
        "honesty",
        "Is the text as sure as it can be: does it say where it does not know?",
        ("confident and wrong", "confident and partly wrong", "unsure where it is right", "mostly fitting", "fitting"),
        may_not_apply=True,
    ),
    Aspect(
        "truthfulness",
        "Is what the text says true, and does it agree with the instruction and with itself?",
        ("all made up", "much made up", "some made up", "hardly anything made up", "nothing made up"),
    ),
    Aspect(
        "helpfulness",
        "Does the text give right and useful information, and enough of it?",
        ("wrong", "partly wrong", "right", "right and rich", "right, rich and well told"),
    ),
)


@dataclass(frozen=True)
class UltraFeedbackOptions:
    """The defaults are the paper's.

    Args:
        candidates: answers drawn for each prompt.
        temperature, top_p, max_tokens: of the answers.
        judge_tokens: most tokens of a judgement, which is greedy.
        seed: of the orders in which answers are shown.
        prompts: folder of `ultrafeedback.jinja` in place of the packaged one.
    """

    candidates: int = 4
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 512
    judge_tokens: int = 512
    seed: int = 0
    prompts: str | None = None

    def __post_init__(self) -> None:
        if self.candidates < 2:
            what = "Ratings compare two answers or more"
            raise RecipeError(what, key="candidates", value=self.candidates, mend="The paper has 4.")


def ultrafeedback(
    key: str, prompt: str, options: UltraFeedbackOptions = UltraFeedbackOptions(), aspects: Sequence[Aspect] = ASPECTS
) -> Dialogue[Scored]:
    """The dialogue of one prompt.

    Args:
        key: id of the row; with the seed it draws the orders.
        prompt: what is asked.
        options: number and sampling of the answers.
        aspects: what they are rated for.
    """
    folder = Path(options.prompts) if options.prompts else None
    drawn = Sampling(options.temperature, options.top_p, max_tokens=options.max_tokens)
    judged = Sampling(temperature=0.0, max_tokens=options.judge_tokens)
    message = [{"role": "user", "content": prompt}]
    answers = yield [Ask(message, drawn, sample) for sample in range(options.candidates)]
    whole = [n for n, answer in enumerate(answers) if answer.whole is not None]
    orders = [shown_order(key, aspect.name, whole, options.seed) for aspect in aspects]
    asks = []
    for aspect, order in zip(aspects, orders, strict=True):
        known = {"aspect": aspect, "instruction": prompt, "responses": [answers[n].text for n in order]}
        asks.append(
            Ask([{"role": "user", "content": render_prompt("ultrafeedback", folder, **known)}], judged, 0, "judge")
        )
    said = (yield asks) if len(whole) > 1 else []
    ratings: list[list[float | None]] = [[] for _ in answers]
    for order, one in zip(orders, said, strict=False):
        found = read_ratings(one.whole or "", len(order))
        for n, rating in zip(order, found, strict=True):
            ratings[n].append(rating)
    return Scored.of(answers, [_mean(row) for row in ratings], judgements=[tuple(row) for row in ratings])


def shown_order(key: str, aspect: str, numbers: Sequence[int], seed: int) -> list[int]:
    """The numbers in an order that row, aspect and seed draw: a judge likes what it reads first."""
    draws = bits(row_keys([f"{key}\n{aspect}\n{n}" for n in numbers], seed), 0)
    return [numbers[place] for place in np.argsort(draws, kind="stable")]


def read_ratings(judgement: str, texts: int) -> list[float | None]:
    """The rating of each text, by its number; None where there is none, several, or none from 1 to 5.

    Example:
        >>> read_ratings("Rating of text 2: 5\\nRationale: fine\\nRating of text 1: N/A", 3)
        [None, 5.0, None]
    """
    found: dict[int, list[str]] = {}
    for number, rating in RATING.findall(judgement):
        found.setdefault(int(number), []).append(rating)
    return [_rating(found.get(number, [])) for number in range(1, texts + 1)]


def _rating(said: Sequence[str]) -> float | None:
    if len(said) != 1 or not said[0][0].isdigit():
        return None
    rating = float(said[0])
    return rating if 1 <= rating <= 5 else None


def _mean(ratings: Sequence[float | None]) -> float | None:
    known = [rating for rating in ratings if rating is not None]
    return float(np.mean(known)) if known else None
