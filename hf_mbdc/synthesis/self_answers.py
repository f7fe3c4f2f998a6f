"""What the target answers to prompts: so many samples of each, or drafts that are refined while they are wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import RecipeError
from hf_mbdc.records import Cost
from hf_mbdc.synthesis.step import StepContext

if TYPE_CHECKING:
    from hf_mbdc.generation import LocalGenerator, Request
    from hf_mbdc.synthesis.self_training import SelfTrainingOptions

NAME = "self_training"
STORE = "completions.sqlite"
Answer = tuple[str, str, Sequence[float] | None]  # text, finish reason, log-probabilities of its tokens


@dataclass(frozen=True)
class Answers:
    """What the target answered.

    Args:
        of: prompt id → (text, finish reason, log-probabilities of the tokens or None) of each answer.
        cost: of asking for them.
        reused: answers that the store had.
    """

    of: dict[str, list[Answer]]
    cost: Cost = field(default_factory=Cost)
    reused: int = 0


def sample(
    asked: Mapping[str, Sequence[Any]], options: SelfTrainingOptions, folder: Path, context: StepContext
) -> Answers:
    """All candidates of all prompts."""
    from hf_mbdc.generation import Request, samples
    from hf_mbdc.targets.language import ask

    with _target(options, folder) as (generator, tokenizer):
        pairs = zip(asked["id"], asked["prompt"], strict=True)
        requests = samples([Request(key, **ask(prompt, tokenizer)) for key, prompt in pairs], options.candidates)
        return _asked(requests, generator, context)


def refine(
    asked: Mapping[str, Sequence[Any]], options: SelfTrainingOptions, folder: Path, context: StepContext
) -> Answers:
    """A draft for each prompt, and as long as the verifier calls it wrong, another one with the earlier ones in view.

    Raises:
        RecipeError: the target knows no turns.
    """
    from hf_mbdc.generation import Request

    references = dict(zip(asked["id"], asked[context.approach.reference], strict=True))
    talks: dict[str, list[dict[str, str]]] = {
        key: [{"role": "user", "content": prompt}] for key, prompt in zip(asked["id"], asked["prompt"], strict=True)
    }
    found = Answers({key: [] for key in talks})
    with _target(options, folder) as (generator, tokenizer):
        if not tokenizer.chat_template:
            mend = "Take a model with a chat template, or method: sample."
            raise RecipeError("Only a model that knows turns can refine", key="method", value="refine", mend=mend)
        for _ in range(options.candidates):
            drafts = _asked([Request(key, messages=list(talk)) for key, talk in talks.items()], generator, context)
            found = Answers(found.of, found.cost + drafts.cost, found.reused + drafts.reused)
            for key, answers in drafts.of.items():
                found.of[key] += answers
                text, reason, _ = answers[0]
                if reason != "stop" or context.approach.verify([text], [references[key]]) == [True]:
                    del talks[key]
                else:
                    talks[key] += [{"role": "assistant", "content": text}, talks[key][0]]
            if not talks:
                break
    return found


@contextmanager
def _target(options: SelfTrainingOptions, folder: Path) -> Iterator[tuple[LocalGenerator, Any]]:
    """The target as a generator, and its tokenizer."""
    from hf_mbdc.generation import LocalGenerator, Sampling
    from hf_mbdc.synthesis.threads import one_thread
    from hf_mbdc.targets.language import load_language_model

    model, tokenizer = load_language_model(str(folder))
    drawn = Sampling(
        options.temperature, options.top_p, max_tokens=options.max_tokens, logprobs=options.judge == "likelihood"
    )
    with one_thread() as device:
        yield LocalGenerator(model.to(device), tokenizer, drawn, options.seed, name=NAME), tokenizer


def _asked(requests: Sequence[Request], generator: LocalGenerator, context: StepContext) -> Answers:
    """Answers by prompt; those that were drawn before are in the store of the work dir.

    A request that the model cannot take (a prompt that is too long) has no answer.
    """
    from hf_mbdc.generation import generate_with_rejected

    made = generate_with_rejected(requests, generator, store=context.work_dir / STORE, on_progress=context.on_progress)
    answers: dict[str, list[Answer]] = {request.key: [] for request in requests}
    columns = [made.rows[name][:] for name in ("mbdc_parent_id", "completion", "finish_reason")]
    logprobs = made.rows["logprobs"][:] if "logprobs" in made.rows.column_names else [None] * len(made.rows)
    for key, text, reason, numbers in zip(*columns, logprobs, strict=True):
        answers[key].append((text, reason, numbers))
    return Answers(answers, made.cost, made.reused)
