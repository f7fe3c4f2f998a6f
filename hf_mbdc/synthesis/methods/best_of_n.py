"""Best of n: answers are drawn and a verifier scores them; with `build_pairs(layout="sft")`, rejection sampling.

Nothing judges but the verifier, so that only what is right is taken for right (Yuan et al. 2023, rejection sampling
fine-tuning, https://arxiv.org/abs/2308.01825). `judged` takes any other judge in its place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hf_mbdc.errors import RecipeError
from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods.dialogue import Answer, Ask, Dialogue
from hf_mbdc.synthesis.methods.judges import Judge
from hf_mbdc.synthesis.methods.scored_rows import Scored
from hf_mbdc.verifiers import Verifier

NAME = "best_of_n"


@dataclass(frozen=True)
class BestOfNOptions:
    """How answers are drawn.

    Args:
        candidates: answers drawn for each prompt.
        temperature, top_p, max_tokens: see `Sampling`.
    """

    candidates: int = 8
    temperature: float = 0.9
    top_p: float = 1.0
    max_tokens: int = 256

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise RecipeError("At least one answer is drawn", key="candidates", value=self.candidates, mend="8, say.")


def best_of_n(
    prompt: str, reference: str, verifier: Verifier, options: BestOfNOptions = BestOfNOptions()
) -> Dialogue[Scored]:
    """The dialogue of one prompt. An answer that was cut off is not verified, and has no score."""

    def judge(answers: Sequence[Answer]) -> list[float | None]:
        scores = [math.nan if answer.whole is None else verifier(answer.whole, reference) for answer in answers]
        return [None if math.isnan(score) else score for score in scores]

    sampling = Sampling(options.temperature, options.top_p, max_tokens=options.max_tokens)
    return (yield from judged(prompt, judge, options.candidates, sampling))


def judged(prompt: str, judge: Judge, candidates: int, sampling: Sampling) -> Dialogue[Scored]:
    """The dialogue of one prompt whose answers a judge scores all at once."""
    message = [{"role": "user", "content": prompt}]
    answers = yield [Ask(message, sampling, sample) for sample in range(candidates)]
    return Scored.of(answers, judge(answers))
