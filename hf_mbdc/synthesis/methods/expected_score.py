"""Expected scores (G-Eval, Liu et al. 2023, https://arxiv.org/abs/2303.16634): a judge whose score is not drawn.

Answers are drawn; of each the judge is asked for a number of points, and the score is the mean of all points under the
probabilities that the judge gives them as its next words. So it is told without noise, in one pass of the judge and
nothing to parse, and two answers that would both get "4" differ by how sure the judge is.

Deviations: the paper estimates the probabilities from twenty draws, because its judge does not tell them, and lets the
judge write out steps of evaluation first; here they are read exactly, and the points are the first words.
"""

from __future__ import annotations

from dataclasses import dataclass

from hf_mbdc.errors import RecipeError
from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods.dialogue import Ask, Dialogue
from hf_mbdc.synthesis.methods.prompts import render_prompt
from hf_mbdc.synthesis.methods.scored_rows import Scored

NAME = "expected_score"


@dataclass(frozen=True)
class ExpectedScoreOptions:
    """How answers are drawn, and how they are judged.

    Args:
        candidates: answers drawn for each prompt.
        temperature, top_p: of the answers.
        max_tokens: of an answer.
        points: numbers that the judge chooses from, as it writes them: a model that begins with a space has " 1".
        least_mass: probability of all points together below which an answer has no score. At less than one half the
            judge would rather say something else, and the points say little of what it thinks.
        prompts: folder of `expected_score.jinja` in place of the packaged one, which has a rubric from 1 to 5.

    Raises:
        RecipeError: a number is out of its range, or points are no numbers.
    """

    candidates: int = 4
    temperature: float = 0.7
    top_p: float = 0.9
    max_tokens: int = 512
    points: tuple[str, ...] = ("1", "2", "3", "4", "5")
    least_mass: float = 0.5
    prompts: str | None = None

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise RecipeError("At least one answer is drawn", key="candidates", value=self.candidates, mend="4, say.")
        if not 0 <= self.least_mass <= 1:
            mend = "Give a probability, such as 0.5."
            raise RecipeError("It is no probability", key="least_mass", value=self.least_mass, mend=mend)
        object.__setattr__(self, "points", tuple(self.points))  # of a recipe it is a list
        try:
            values = self.values
        except ValueError as error:
            mend = 'Give texts such as "1", "2", "3".'
            raise RecipeError(f"Points are no numbers: {error}", key="points", value=self.points, mend=mend) from None
        if len(set(values)) < max(2, len(values)):
            mend = "One number alone, or the same one twice, tells nothing."
            raise RecipeError("Points are not different numbers", key="points", value=self.points, mend=mend)

    @property
    def values(self) -> list[float]:
        """The points as numbers."""
        return [float(point) for point in self.points]


def expected_score(prompt: str, options: ExpectedScoreOptions = ExpectedScoreOptions()) -> Dialogue[Scored]:
    """The dialogue of one prompt: its answers, then one judgement of each.

    An answer that was cut off is not judged, and has no score.

    Example:
        >>> from hf_mbdc.synthesis.methods.dialogue import Models, converse
        >>> from hf_mbdc.synthesis.methods.scored_rows import scored_rows
        >>> prompts = {"row 1": "Why is the sky blue?"}
        >>> found, cost = converse(
        ...     {key: expected_score(prompt) for key, prompt in prompts.items()}, Models(target, judge)
        ... )  # doctest: +SKIP
        >>> pairs = build_pairs(scored_rows(prompts, found))  # doctest: +SKIP
    """
    drawn = Sampling(options.temperature, options.top_p, max_tokens=options.max_tokens)
    message = [{"role": "user", "content": prompt}]
    answers = yield [Ask(message, drawn, sample) for sample in range(options.candidates)]
    whole = [n for n, answer in enumerate(answers) if answer.whole is not None]
    asks = []
    for n in whole:
        known = {"prompt": prompt, "response": answers[n].text, "points": [point.strip() for point in options.points]}
        text = render_prompt("expected_score", options.prompts, **known)
        asks.append(Ask([{"role": "user", "content": text}], role="judge", options=options.points))
    said = (yield asks) if asks else []
    scores: list[float | None] = [None] * len(answers)
    for n, one in zip(whole, said, strict=True):
        scores[n] = one.expected(options.values, options.least_mass)
    judged = set(whole)
    return Scored.of(answers, scores, judgements=[(one,) if n in judged else () for n, one in enumerate(scores)])
