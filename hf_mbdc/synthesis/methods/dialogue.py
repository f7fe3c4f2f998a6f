"""Many rows' conversations with models, turn by turn, every turn of all rows in one batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Generator as Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from hf_mbdc.generation.completions import Message, Request, Sampling
from hf_mbdc.generation.generate import Generator, generate_with_rejected
from hf_mbdc.generation.rate import rate_with_rejected
from hf_mbdc.generation.store import Store
from hf_mbdc.records import Cost

Role = Literal["target", "judge"]
T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """One completion that a method wants, or how likely each of some answers is.

    Args:
        messages: the conversation to answer.
        sampling: how it is drawn; not read where there are `options`.
        sample: number among completions of the same messages: others are drawn than for the same number.
        role: who is asked: the `target`, or the `judge`, which may be the same model.
        options: answers whose probabilities are wanted, in place of a text; see `hf_mbdc.generation.rate`.
    """

    messages: Sequence[Message]
    sampling: Sampling = field(default_factory=Sampling)
    sample: int = 0
    role: Role = "target"
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """What came back.

    Args:
        text: None where there is no completion; of options the likeliest one.
        finish_reason: `stop`; `length` for a text that was cut off; why there is none.
        model: name@hash of who answered.
        probabilities: of each option among the options; None where none were given, or none is likely at all.
        mass: probability of all options together among everything that could be said.
        logprobs: of the tokens of a text, where its sampling asks for them.
    """

    text: str | None
    finish_reason: str
    model: str = ""
    probabilities: tuple[float, ...] | None = None
    mass: float = 0.0
    logprobs: tuple[float, ...] | None = None

    @property
    def whole(self) -> str | None:
        """The text, unless it was cut off or is missing."""
        return self.text if self.finish_reason == "stop" else None

    def expected(self, values: Sequence[float], least_mass: float) -> float | None:
        """The mean of the options' values under their probabilities.

        Args:
            values: one for each option.
            least_mass: below this `mass` there is none: the model would have said something else.

        Example:
            >>> Answer("4", "stop", "m@1", (0.0, 0.25, 0.75), mass=0.9).expected([1, 3, 5], least_mass=0.5)
            4.5
        """
        if self.probabilities is None or self.mass < least_mass:
            return None
        return sum(value * share for value, share in zip(values, self.probabilities, strict=True))


Dialogue = Coroutine[list[Ask], list[Answer], T]
Oracle = Callable[[Sequence[tuple[str, Ask]]], list[Answer]]


@dataclass(frozen=True)
class Models:
    """The oracle of real models: who answers for each role, and where completions are kept.

    Args:
        target: its sampling is replaced by that of what is asked.
        judge: default the target itself.
        store: see `hf_mbdc.generation.generate`.
    """

    target: Generator
    judge: Generator | None = None
    store: Store | str | Path | None = None

    def ask(
        self, named: Sequence[tuple[str, Ask]], on_progress: Callable[[float], None] | None = None
    ) -> tuple[list[Answer], Cost]:
        """Answers in the order of what is asked, (key, ask) each with a key of its own; what has none says why."""
        answers: dict[str, Answer] = {}
        cost = Cost()
        for kind in dict.fromkeys((ask.role, ask.sampling, ask.options) for _, ask in named):
            role, sampling, options = kind
            model = self.judge if role == "judge" and self.judge is not None else self.target
            same = [(key, ask) for key, ask in named if (ask.role, ask.sampling, ask.options) == kind]
            requests = [Request(key, ask.messages, sample=ask.sample) for key, ask in same]
            if options:
                made = rate_with_rejected(requests, model, options, store=self.store, on_progress=on_progress)
            else:
                sampled = dataclasses.replace(model, sampling=sampling)  # type: ignore[type-var]  # are dataclasses
                made = generate_with_rejected(requests, sampled, store=self.store, on_progress=on_progress)
            answers.update((row["mbdc_parent_id"], _answer(row)) for row in made.rows.to_list())
            for key, reason in zip(made.rejected["mbdc_parent_id"][:], made.rejected["reason"][:], strict=True):
                answers[key] = Answer(None, reason)
            cost += made.cost
        return [answers[key] for key, _ in named], cost


def _answer(row: Mapping[str, Any]) -> Answer:
    """A row of `generate`, or of `rate`."""
    if "options" not in row:
        logprobs = tuple(row["logprobs"]) if row.get("logprobs") is not None else None
        return Answer(row["completion"], row["finish_reason"], row["mbdc_model"], logprobs=logprobs)
    shares = row["probabilities"]
    if shares is None:
        return Answer(None, "no option is likely at all", row["mbdc_model"], mass=row["mass"])
    likeliest = row["options"][shares.index(max(shares))]
    return Answer(likeliest, "stop", row["mbdc_model"], tuple(shares), row["mass"])


def converse(
    dialogues: Mapping[str, Dialogue[T]],
    models: Models,
    *,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[dict[str, T], Cost]:
    """Runs the dialogues of rows side by side until each has returned.

    Args:
        dialogues: row id → its dialogue, not started. What a dialogue asks depends on its own answers alone, so that a
            row's result does not depend on the other rows.
        models: who answers.
        on_progress: called with the share of the rows that are done. How many turns are to come nobody knows: within
            one it counts half of what is asked.

    Returns:
        Row id → what its dialogue returned, in the order of `dialogues`; and the cost of all answers.
    """
    done: dict[str, T] = {}
    waiting: dict[str, list[Ask]] = {}
    cost = Cost()
    for key, dialogue in dialogues.items():
        _advance(key, dialogue, None, waiting, done)
    turn = 0
    while waiting:
        named = [(f"{key}/{turn}/{n}", ask) for key, asks in waiting.items() for n, ask in enumerate(asks)]
        answers, spent = models.ask(named, _turn(on_progress, len(done), len(dialogues)))
        cost += spent
        asked, waiting, place = waiting, {}, 0
        for key, asks in asked.items():
            _advance(key, dialogues[key], answers[place : place + len(asks)], waiting, done)
            place += len(asks)
        turn += 1
        if on_progress is not None:
            on_progress(len(done) / max(1, len(dialogues)))
    return {key: done[key] for key in dialogues}, cost


def _turn(on_progress: Callable[[float], None] | None, done: int, rows: int) -> Callable[[float], None] | None:
    """The progress of a turn as a part of the whole."""
    if on_progress is None:
        return None
    return lambda fraction: on_progress((done + (rows - done) * fraction / 2) / rows)


def _advance(
    key: str, dialogue: Dialogue[T], answers: list[Answer] | None, waiting: dict[str, list[Ask]], done: dict[str, T]
) -> None:
    """Goes on to what a dialogue asks next, or to its result."""
    try:
        waiting[key] = next(dialogue) if answers is None else dialogue.send(answers)
    except StopIteration as end:
        done[key] = end.value
