"""Self-Rewarding (Yuan et al. 2024, https://arxiv.org/abs/2401.10020): a model answers, and judges its own answers.

N answers a prompt are drawn (4, temperature 0.7, top-p 0.9). Each is judged by the same model with an additive rubric
of five points, several times (3), and has the mean of the scores that could be read. `build_pairs` makes of them the
pairs of the paper: the highest is chosen, the lowest rejected, equal ones are dropped.

Deviation: the paper draws new prompts from seeds with the base model as another step; here the prompts are given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hf_mbdc.errors import RecipeError
from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods.dialogue import Ask, Dialogue
from hf_mbdc.synthesis.methods.prompts import render_prompt
from hf_mbdc.synthesis.methods.scored_rows import Scored

NAME = "self_rewarding"
SCORE = re.compile(
    r"score\s*[:=]?[\s*_`'\"\[(<]{0,4}(-?\d+(?:\.\d+)?)(?!\.?\d)"
    r"(\s*(?:[+*×=]|[-–]\s*\d|/\s*(?!5\b)))?",  # a sum of points, or a share of another number, is no score
    re.IGNORECASE,
)
POINTS = 5


@dataclass(frozen=True)
class SelfRewardingOptions:
    """The defaults are the paper's.

    Args:
        candidates: answers drawn for each prompt.
        temperature, top_p: of the answers.
        judgements: scores drawn for each answer, which are averaged.
        judge_temperature: of the judgements; the paper draws them as it draws answers.
        max_tokens: of an answer; of a judgement too.
        prompts: folder of `self_rewarding.jinja` in place of the packaged one.
    """

    candidates: int = 4
    temperature: float = 0.7
    top_p: float = 0.9
    judgements: int = 3
    judge_temperature: float = 0.7
    max_tokens: int = 512
    prompts: str | None = None

    def __post_init__(self) -> None:
        for name, least in (("candidates", 2), ("judgements", 1)):
            if getattr(self, name) < least:
                raise RecipeError(f"It must be at least {least}", key=name, value=getattr(self, name))
        if self.judgements > 1 and self.judge_temperature == 0:
            mend = "Give it a temperature, or ask once."
            raise RecipeError("Greedy judgements are all the same", key="judge_temperature", value=0, mend=mend)


def self_rewarding(prompt: str, options: SelfRewardingOptions = SelfRewardingOptions()) -> Dialogue[Scored]:
    """The dialogue of one prompt: its answers, then all judgements at once.

    An answer that was cut off is not judged, and has no score.
    """
    folder = Path(options.prompts) if options.prompts else None
    drawn = Sampling(options.temperature, options.top_p, max_tokens=options.max_tokens)
    judged = Sampling(options.judge_temperature, options.top_p, max_tokens=options.max_tokens)
    message = [{"role": "user", "content": prompt}]
    answers = yield [Ask(message, drawn, sample) for sample in range(options.candidates)]
    whole = [n for n, answer in enumerate(answers) if answer.whole is not None]
    asks = []
    for n in whole:
        text = render_prompt("self_rewarding", folder, prompt=prompt, response=answers[n].text)
        asks += [Ask([{"role": "user", "content": text}], judged, k, "judge") for k in range(options.judgements)]
    said = (yield asks) if asks else []
    points: list[list[float | None]] = [[] for _ in answers]
    for place, one in enumerate(said):
        points[whole[place // options.judgements]].append(None if one.whole is None else read_points(one.whole))
    return Scored.of(answers, [_mean(row) for row in points], judgements=[tuple(row) for row in points])


def read_points(judgement: str) -> float | None:
    """The points that a judgement concludes with; None where there are none, or none from 0 to 5.

    Example:
        >>> read_points("Good. Score: 4"), read_points("Score: 4/5"), read_points("Score: 9"), read_points("4 points")
        (4.0, 4.0, None, None)
        >>> read_points("Score: 1 + 1 + 1 = 3"), read_points("Score: 8/10")
        (None, None)
    """
    found = SCORE.findall(judgement)
    points = float(found[-1][0]) if found and not found[-1][1] else None
    return points if points is not None and 0 <= points <= POINTS else None


def _mean(points: list[float | None]) -> float | None:
    known = [one for one in points if one is not None]
    return float(np.mean(known)) if known else None
