"""The target answers prompts that nobody has answered, and learns the answers that a judge takes for good.

With the verifier as judge this is rejection sampling fine-tuning (Yuan et al. 2023, https://arxiv.org/abs/2308.01825;
Zelikman et al. 2022, STaR): only what is right is learned. The other judges need no verifier, and are only as good as
they are: a majority of the model's own samples (Huang et al. 2022, https://arxiv.org/abs/2210.11610) or their
likelihood. `length` takes the longest answer. It is there to test a gate with: nobody should want what it makes.

Deviation: the papers train on several right answers a prompt; here a row has one completion.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.generation.completions import Sampling
from hf_mbdc.records import Cost, StepRecord
from hf_mbdc.synthesis.methods import judges
from hf_mbdc.synthesis.methods.best_of_n import judged
from hf_mbdc.synthesis.methods.dialogue import Dialogue, Models, converse
from hf_mbdc.synthesis.methods.drafts import drafts
from hf_mbdc.synthesis.methods.expected_score import ExpectedScoreOptions, expected_score
from hf_mbdc.synthesis.methods.scored_rows import Scored, scored_rows
from hf_mbdc.synthesis.methods.self_rewarding import SelfRewardingOptions, self_rewarding
from hf_mbdc.synthesis.step import Step, StepContext, StepResult
from hf_mbdc.synthesis.target_generator import STORE, target_generator
from hf_mbdc.transforms.rows import add_provenance_columns, replace_rows

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.approaches.text_generation import TextGeneration

NAME = "self_training"
ANSWERED = "the target answered the prompt itself"
NOT_GOOD, SILENT = "no answer was good enough", "the target gave no answer"
Method = Literal["sample", "refine"]
Judge = Literal["verifier", "majority", "likelihood", "length", "self_rewarding", "expected_score"]


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
            answers that agree with it), `likelihood` (mean log-probability of its tokens), `length` (its words); or
            the target itself, for models that can follow instructions: `self_rewarding` (points that it writes,
            averaged) or `expected_score` (points by the probabilities that it gives them).
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
        Sampling(self.temperature, self.top_p, max_tokens=self.max_tokens)  # told before any training
        if self.judge == "self_rewarding":
            SelfRewardingOptions(candidates=self.candidates)
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
    waiting, approach = open_prompts(rows, options), context.approach
    target = context.target()
    columns = list(dict.fromkeys(["id", "prompt", approach.reference]))
    asked = rows.select_columns(columns).select(waiting).to_list()
    dialogues = {row["id"]: dialogue(row["prompt"], row[approach.reference], options, approach) for row in asked}
    with target_generator(target, options.seed) as generator:
        models = Models(generator, store=context.work_dir / STORE)
        found, cost = converse(dialogues, models, on_progress=context.on_progress)
    scored = scored_rows({row["id"]: row["prompt"] for row in asked}, found)
    return _learn(rows, waiting, scored, options, approach, target.model_id, cost)


# What its models give is taken from the record: a generation tells its own cost.
STEP = Step(SelfTrainingOptions, run, approaches=("text_generation",), trains=True)


def dialogue(
    prompt: str, reference: str | None, options: SelfTrainingOptions, approach: TextGeneration
) -> Dialogue[Scored]:
    """What is asked for one prompt, and how its answers are scored."""
    size = {name: getattr(options, name) for name in ("candidates", "temperature", "top_p", "max_tokens")}
    if options.judge == "self_rewarding":
        return self_rewarding(prompt, SelfRewardingOptions(**size))
    if options.judge == "expected_score":
        return expected_score(prompt, ExpectedScoreOptions(**size))
    sampling = Sampling(
        options.temperature, options.top_p, max_tokens=options.max_tokens, logprobs=options.judge == "likelihood"
    )
    verified = judges.verified(lambda texts: approach.verify(texts, [reference] * len(texts)))
    if options.method == "refine":
        return drafts(prompt, verified, options.candidates, sampling)
    known: dict[str, judges.Judge] = {
        "verifier": verified,
        "majority": judges.majority(approach.said),
        "likelihood": judges.likelihood,
        "length": judges.length,
    }
    return judged(prompt, known[options.judge], options.candidates, sampling)


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


def _learn(
    rows: Dataset,
    waiting: np.ndarray,
    scored: Dataset,
    options: SelfTrainingOptions,
    approach: TextGeneration,
    model: str,
    cost: Cost,
) -> StepResult:
    """Writes the best answers, and with `pairs` a worse one, into the rows of their prompts."""
    taken, worse = _choose(scored, options)
    place = dict(zip(scored["id"][:], waiting.tolist(), strict=True))
    keys = [key for key in place if key in taken]
    positions = np.array([place[key] for key in keys], np.int64)
    rows = add_provenance_columns(rows)
    columns = rows.select_columns(list({approach.reference, "mbdc_parent_id"})).select(positions)[:]
    references, parents = columns[approach.reference], columns["mbdc_parent_id"]
    completions = [taken[key][0] for key in keys]
    verified = approach.verify(completions, references)
    changed: dict[str, Sequence[Any]] = {
        "completion": completions,
        "rejected": [worse.get(key) for key in keys],
        "verified": verified,
        "mbdc_source": [NAME] * len(keys),
        "mbdc_parent_id": [parent or key for parent, key in zip(parents, keys, strict=True)],  # a new prompt has one
        "mbdc_model": [model] * len(keys),
        "mbdc_iteration": [None] * len(keys),  # stamped when its version is known
    }
    learned = [Learned(*taken[key], right, worse.get(key)) for key, right in zip(keys, verified, strict=True)]
    record = StepRecord(
        name=NAME,
        pillar="model-guided synthesis",
        why="",
        model=model,
        kept=len(rows) - len(keys),
        changed=len(keys),
        reasons=_reasons(scored, taken),
        cost=cost,
        judge=options.judge,
        told=describe(scored, learned),
    )
    return StepResult(replace_rows(rows, positions, changed), record)


def _choose(scored: Dataset, options: SelfTrainingOptions) -> tuple[dict[str, tuple[str, float]], dict[str, str]]:
    """Prompt id → the answer that is learned with its score, and with `pairs` → the one that it is preferred to."""
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
    return taken, worse


def _reasons(scored: Dataset, taken: Collection[str]) -> dict[str, int]:
    """How many prompts were answered, and why the others stay open."""
    silent = sum(not any(texts) for texts in scored["completions"][:])
    counts = {ANSWERED: len(taken), NOT_GOOD: len(scored) - len(taken) - silent, SILENT: silent}
    return {reason: count for reason, count in counts.items() if count}


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
        scored: all answers, as of `scored_rows`.
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
