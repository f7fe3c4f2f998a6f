"""The target answers prompts that nobody has answered, and learns the answers that a judge takes for good.

With the verifier as judge this is rejection sampling fine-tuning (Yuan et al. 2023, https://arxiv.org/abs/2308.01825;
Zelikman et al. 2022, STaR): only what is right is learned. The other judges need no verifier, and are only as good as
they are: a majority of the model's own samples (Huang et al. 2022, https://arxiv.org/abs/2210.11610) or their
likelihood. `length` takes the longest answer. It is there to test a gate with: nobody should want what it makes.

Deviation: the papers train on several right answers a prompt; here a row has one completion.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.records import StepRecord
from hf_mbdc.synthesis.self_answers import NAME, Answer, Answers, refine, sample
from hf_mbdc.synthesis.step import Step, StepContext, StepResult
from hf_mbdc.transforms.rows import add_provenance_columns, replace_rows

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.approaches.text_generation import TextGeneration

ANSWERED = "the target answered the prompt itself"
Judge = Literal["verifier", "majority", "likelihood", "length"]
Method = Literal["sample", "refine"]


@dataclass(frozen=True)
class SelfTrainingOptions:
    """How prompts are answered and which answers are learned.

    Args:
        prompts: of those without a completion, so many at most; drawn by their ids.
        candidates: answers drawn for each; with `refine` so many drafts at most.
        method: `sample` draws all answers of a prompt alike; `refine` shows the target its wrong draft and asks again
            (Madaan et al. 2023, Self-Refine, https://arxiv.org/abs/2303.17651, with the verifier's verdict in place of
            words as feedback).
        temperature, top_p, max_tokens: of the answers, see `hf_mbdc.generation.Sampling`.
        judge: what scores them: `verifier` (1 for a right answer, 0 for a wrong one), `majority` (share of the prompt's
            answers that agree with it), `likelihood` (mean log-probability of its tokens), `length` (its words).
        at_least: score from which an answer may be learned; default 1 with the verifier, and with the others that of
            the best answer, whatever it is.
        learn: `answers`, or `pairs`: the worst answer beside the best one, for preferences.
        seed: of the draws.

    Raises:
        RecipeError: an option is out of its range.
    """

    prompts: int = 1000
    candidates: int = 8
    method: Method = "sample"
    temperature: float = 0.9
    top_p: float = 1.0
    max_tokens: int = 256
    judge: Judge = "verifier"
    at_least: float | None = None
    learn: Literal["answers", "pairs"] = "answers"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("prompts", 1), ("candidates", 1 if self.learn == "answers" else 2)):
            if getattr(self, name) < least:
                raise RecipeError(f"It must be at least {least}", key=name, value=getattr(self, name))
        choices = {"judge": get_args(Judge), "method": get_args(Method), "learn": ("answers", "pairs")}
        for name, known in choices.items():
            if getattr(self, name) not in known:
                mend = f"Take one of {', '.join(known)}."
                raise RecipeError(f"{name} is {getattr(self, name)!r}", key=name, mend=mend)
        if self.method == "refine" and self.judge != "verifier":
            mend = "Take the verifier as judge, or method: sample."
            raise RecipeError("Drafts are refined as long as a verifier calls them wrong", key="method", mend=mend)

    @property
    def bar(self) -> float:
        """Score from which an answer may be learned."""
        if self.at_least is not None:
            return self.at_least
        return 1.0 if self.judge == "verifier" else -math.inf


def run(rows: Dataset, options: SelfTrainingOptions, context: StepContext) -> StepResult:
    """The step as a recipe calls it: answers some prompts that have no completion.

    Raises:
        DataError: no prompt is without a completion.
    """
    if context.target is None:
        raise RecipeError("The step needs a target that was trained", key="steps.name", step=NAME)
    waiting = open_prompts(rows, options)
    target = context.target()
    columns = list(dict.fromkeys(["id", "prompt", context.approach.reference]))
    asked = rows.select_columns(columns).select(waiting)[:]
    answer = refine if options.method == "refine" else sample
    answers = answer(asked, options, target.model_path, context)
    scored = score_answers(asked, answers, options, context.approach)
    return _learn(rows, waiting, scored, options, context.approach, target.model_id, answers)


STEP = Step(SelfTrainingOptions, run, approaches=("text_generation",), trains=True)


def open_prompts(rows: Dataset, options: SelfTrainingOptions) -> np.ndarray:
    """The positions of the prompts to answer, in the order of the rows."""
    from hf_mbdc.transforms.draws import row_keys, uniform

    ids = rows["id"][:]
    open_rows = np.flatnonzero([completion is None for completion in rows["completion"][:]])
    if not len(open_rows):
        mend = "Give prompts whose answer is null; made_problems has some with the option answered."
        raise DataError("Every prompt has its completion: there is nothing to answer", split="train", mend=mend)
    draws = uniform(row_keys([ids[place] for place in open_rows], options.seed), 0)
    return np.sort(open_rows[np.argsort(draws, kind="stable")[: options.prompts]])


def score_answers(
    asked: Mapping[str, Sequence[Any]], answers: Answers, options: SelfTrainingOptions, approach: TextGeneration
) -> Dataset:
    """The judge's scores of all answers, one row a prompt, as `build_pairs` reads them.

    Args:
        asked: `id`, `prompt` and the column of the verifier's reference.
        answers: to each prompt; one that was cut off has no score.
    """
    from datasets import Dataset, Features, List, Value

    found = [answers.of[key] for key in asked["id"]]
    columns = {
        "id": asked["id"],
        "prompt": asked["prompt"],
        "completions": [[text for text, _, _ in own] for own in found],
        "finish_reasons": [[reason for _, reason, _ in own] for own in found],
        "scores": [
            judge(own, options.judge, reference, approach)
            for own, reference in zip(found, asked[approach.reference], strict=True)
        ],
    }
    text, texts, numbers = Value("string"), List(Value("string")), List(Value("float64"))
    kinds = (text, text, texts, texts, numbers)
    return Dataset.from_dict(columns, features=Features(dict(zip(columns, kinds, strict=True))))


def judge(
    answers: Sequence[Answer],
    by: Judge,
    reference: str | None,
    approach: TextGeneration,
) -> list[float | None]:
    """Scores of the answers to one prompt, None for those that were cut off or cannot be read.

    Args:
        answers: see `Answers`.
        by: see `SelfTrainingOptions`; only `verifier` looks at `reference`.

    Example:
        >>> from hf_mbdc.approaches.text_generation import TextGeneration
        >>> answers = [("A: 4", "stop", None), ("A: 5", "stop", None), ("A: 4.0", "stop", None), ("A:", "length", None)]
        >>> judge(answers, "verifier", "#### 4", TextGeneration())
        [1.0, 0.0, 1.0, None]
        >>> [round(score, 2) for score in judge(answers[:3], "majority", None, TextGeneration())]
        [0.67, 0.33, 0.67]
    """
    whole = [text if reason == "stop" else None for text, reason, _ in answers]
    if by == "verifier":
        right = approach.verify(whole, [reference] * len(whole))
        return [None if one is None else float(one) for one in right]
    if by == "length":
        return [None if text is None else float(len(text.split())) for text in whole]
    if by == "likelihood":
        means = [float(np.mean(numbers)) if numbers else None for _, _, numbers in answers]
        return [None if text is None else mean for text, mean in zip(whole, means, strict=True)]
    said = [None if text is None else approach.said(text) for text in whole]
    counts = Counter(one for one in said if one is not None)
    return [None if one is None else counts[one] / counts.total() for one in said]


def _learn(
    rows: Dataset,
    waiting: np.ndarray,
    scored: Dataset,
    options: SelfTrainingOptions,
    approach: TextGeneration,
    model: str,
    answers: Answers,
) -> StepResult:
    """Writes the best answers, and with `pairs` a worse one, into the rows of their prompts."""
    from hf_mbdc.synthesis.preferences.pairs import PairOptions, build_pairs

    best = build_pairs(scored, PairOptions("sft", good_from=options.bar, seed=options.seed))
    columns = (best.rows[name][:] for name in ("mbdc_parent_id", "completion", "score"))
    taken = {key: (text, score) for key, text, score in zip(*columns, strict=True)}
    worse: dict[str, str] = {}
    if options.learn == "pairs":
        pairs = build_pairs(scored, PairOptions("preference", seed=options.seed)).rows
        for key, chosen, rejected, score in zip(
            *(pairs[name][:] for name in ("id", "chosen", "rejected", "chosen_score")), strict=True
        ):
            if score >= options.bar:
                taken[key], worse[key] = (chosen, score), rejected
    place = dict(zip(scored["id"][:], waiting.tolist(), strict=True))
    keys = [key for key in place if key in taken]
    positions = np.array([place[key] for key in keys], np.int64)
    references = rows.select_columns([approach.reference]).select(positions)[:][approach.reference]
    completions = [taken[key][0] for key in keys]
    verified = approach.verify(completions, references)
    changed = {
        "completion": completions,
        "rejected": [worse.get(key) for key in keys],
        "verified": verified,
        "mbdc_source": [NAME] * len(keys),
        "mbdc_parent_id": keys,
        "mbdc_model": [model] * len(keys),
        "mbdc_iteration": [None] * len(keys),  # stamped when its version is known
    }
    record = StepRecord(
        name=NAME,
        pillar="model-guided synthesis",
        why="",
        model=model,
        kept=len(rows) - len(keys),
        changed=len(keys),
        reasons={ANSWERED: len(keys), **_left(scored, taken)},
        reused=answers.reused,
        cost=answers.cost,
        told=describe(
            scored, [Learned(*taken[key], right, worse.get(key)) for key, right in zip(keys, verified, strict=True)]
        ),
    )
    return StepResult(replace_rows(add_provenance_columns(rows), positions, changed), record)


def _left(scored: Dataset, taken: Mapping[str, Any]) -> dict[str, int]:
    left = len(scored) - len(taken)
    return {"no answer was good enough": left} if left else {}


@dataclass(frozen=True)
class Learned:
    """An answer that is learned.

    Args:
        text: of it.
        score: the judge's.
        right: whether the verifier takes it for right; None where it cannot tell.
        rejected: the answer that it is preferred to, if any.
    """

    text: str
    score: float
    right: bool | None
    rejected: str | None = None


def describe(scored: Dataset, learned: Sequence[Learned]) -> dict[str, float]:
    """What the answers look like, so that one sees when a judge is pleased and the answers are not better.

    Args:
        scored: all answers, as of `score_answers`.
        learned: those that are learned.

    Returns:
        `judge`: mean score of what is learned · `right`: share of it that the verifier takes for right · `words`: mean
        length · `distinct`: share of different texts among all answers to a prompt · `cut_off`, `unread`: shares of all
        answers · `tied`: share of prompts whose answers all have one score · `longer_chosen`: share of pairs whose
        chosen answer is the longer one (equal lengths count half). What cannot be told is left out.
    """
    columns = (scored[name][:] for name in ("completions", "finish_reasons", "scores"))
    rows = [(texts, reasons, [s for s in own if s is not None]) for texts, reasons, own in zip(*columns, strict=True)]
    total = sum(len(texts) for texts, _, _ in rows)
    cut = sum(reason == "length" for _, reasons, _ in rows for reason in reasons)
    pairs = [(len(one.text), len(one.rejected)) for one in learned if one.rejected is not None]
    figures: dict[str, list[float]] = {
        "judge": [one.score for one in learned],
        "right": [float(one.right) for one in learned if one.right is not None],
        "words": [float(len(one.text.split())) for one in learned],
        "distinct": [len(set(texts)) / len(texts) for texts, _, _ in rows if texts],
        "longer_chosen": [(float(np.sign(chosen - rejected)) + 1) / 2 for chosen, rejected in pairs],
        "tied": [float(len(set(read)) == 1) for _, _, read in rows],
    }
    told = {name: float(np.mean(values)) for name, values in figures.items() if values}
    if total:
        read_in_all = sum(len(read) for _, _, read in rows)
        told |= {"cut_off": cut / total, "unread": (total - cut - read_in_all) / total}
    return {name: round(value, 4) for name, value in told.items()}
