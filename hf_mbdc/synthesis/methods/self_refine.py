"""Self-Refine (Madaan et al. 2023, https://arxiv.org/abs/2303.17651): a model criticises its answer and mends it.

answer₀ → (feedback → answer)*, at most four rounds, at temperature 0.7, until the feedback says that all is well. Each
refinement sees every earlier answer with its feedback. Where feedback ends with a score, the best answer is kept, else
the last one.

Deviations from the paper: prompts are without the few examples of its tasks (write them into prompts of your own), and
an answer that was cut off ends the row, which is then rejected with that reason. A model that corrects itself can make
things worse (Huang et al. 2024, https://arxiv.org/abs/2310.01798): let the gate decide.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from hf_mbdc.errors import RecipeError
from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods.dialogue import Answer, Ask, Dialogue
from hf_mbdc.synthesis.methods.prompts import render_prompt

NAME = "self_refine"
SCORE = re.compile(r"^\W*score[^\w\n-]*(-?\d+(?:\.\d+)?)(?:\s*/\s*10)?\W*$", re.IGNORECASE | re.MULTILINE)
MOST = 10


@dataclass(frozen=True)
class SelfRefineOptions:
    """The defaults are the paper's.

    Args:
        rounds: refinements at most.
        temperature: of all that is drawn.
        max_tokens: of each answer and feedback.
        stop: what feedback says when nothing is wrong; case aside.
        scored: whether feedback ends with a score from 0 to 10; the best answer is then kept.
        prompts: folder of `self_refine_feedback.jinja` and `self_refine_refine.jinja` in place of the packaged ones.
    """

    rounds: int = 4
    temperature: float = 0.7
    max_tokens: int = 512
    stop: str = "it is correct"
    scored: bool = False
    prompts: str | None = None

    def __post_init__(self) -> None:
        if self.rounds < 1:
            raise RecipeError("There is at least one round", key="rounds", value=self.rounds, mend="The paper has 4.")
        if not self.stop.strip():
            mend = "The paper's is: it is correct."
            raise RecipeError("Nothing says that an answer is right", key="stop", value=self.stop, mend=mend)

    @property
    def sampling(self) -> Sampling:
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens)


@dataclass(frozen=True)
class Round:
    """An answer, and the feedback on it; None where none was asked for. `score` is None where none could be read."""

    answer: str
    feedback: str | None = None
    score: float | None = None


@dataclass(frozen=True)
class Refined:
    """What became of a task.

    Args:
        answer: the one that is kept; None: rejected, and `reason` says why.
        rounds: all answers with their feedback, the first one first.
        stopped: whether the feedback ended it, rather than the number of rounds.
        model: name@hash of who wrote the answers.
    """

    answer: str | None
    rounds: tuple[Round, ...] = field(default=())
    stopped: bool = False
    reason: str = ""
    model: str = ""


def self_refine(task: str, options: SelfRefineOptions = SelfRefineOptions()) -> Dialogue[Refined]:
    """The dialogue of one task.

    Args:
        task: what is asked of the model.
        options: rounds, sampling, stop phrase.
    """
    folder = Path(options.prompts) if options.prompts else None
    rounds: list[Round] = []
    [first] = yield [_ask(task, options)]
    answer, model = first.whole, first.model
    if answer is None:
        return Refined(None, reason=_lost("answer", first))
    for _ in range(options.rounds):
        known = {"task": task, "answer": answer, "stop": options.stop, "scored": options.scored}
        [said] = yield [_ask(render_prompt("self_refine_feedback", folder, **known), options)]
        if said.whole is None:
            return Refined(None, (*rounds, Round(answer)), reason=_lost("feedback", said), model=model)
        rounds.append(Round(answer, said.whole, read_score(said.whole) if options.scored else None))
        if options.stop.casefold() in said.whole.casefold():
            return Refined(_kept(rounds, options), tuple(rounds), stopped=True, model=model)
        history = [{"answer": one.answer, "feedback": one.feedback} for one in rounds]
        [refined] = yield [_ask(render_prompt("self_refine_refine", folder, task=task, history=history), options)]
        if refined.whole is None:
            return Refined(None, tuple(rounds), reason=_lost("answer", refined), model=model)
        answer = refined.whole
    rounds.append(Round(answer))
    return Refined(_kept(rounds, options), tuple(rounds), model=model)


def read_score(feedback: str) -> float | None:
    """The score at the end of feedback; None where there is none, or none from 0 to 10.

    Example:
        >>> read_score("Too long.\\nScore: 7/10"), read_score("Score: 70"), read_score("I score it high")
        (7.0, None, None)
    """
    found = SCORE.findall(feedback)
    score = float(found[-1]) if found else None
    return score if score is not None and 0 <= score <= MOST else None


def _ask(text: str, options: SelfRefineOptions) -> Ask:
    return Ask([{"role": "user", "content": text}], options.sampling)


def _kept(rounds: list[Round], options: SelfRefineOptions) -> str:
    """The answer with the best score, the later one of equals; without scores the last one.

    Feedback that all is well needs no score: it ends the rounds, and that answer is kept. The last answer of all rounds
    has no feedback: it is kept only where no scored one is there.
    """
    last = rounds[-1]
    if last.feedback is not None and last.score is None:
        return last.answer
    scored = [one for one in rounds if one.score is not None] if options.scored else []
    return max(reversed(scored), key=lambda one: one.score or 0.0).answer if scored else last.answer


def _lost(what: str, answer: Answer) -> str:
    return f"the {what} was cut off" if answer.finish_reason == "length" else f"no {what}: {answer.finish_reason}"
