"""Rephrased questions (Kim et al. 2023, SOLAR 10.7B, https://arxiv.org/abs/2312.15166, section 3.2).

A question is written in other words; the model's answer to the new one is chosen over the answer that the data gave.
The pair says "answer in this better way", and is only as good as the model: give a verifier, and answers that are not
right make no pair.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods.dialogue import Ask, Dialogue
from hf_mbdc.synthesis.methods.prompts import render_prompt
from hf_mbdc.verifiers import Verifier

NAME = "rephrase"


@dataclass(frozen=True)
class RephraseOptions:
    """How it is drawn.

    Args:
        temperature, max_tokens: of the question and of the answer.
        prompts: folder of `rephrase.jinja` in place of the packaged one.
    """

    temperature: float = 0.7
    max_tokens: int = 512
    prompts: str | None = None


@dataclass(frozen=True)
class Rephrased:
    """A pair, or None three times and the reason. `model` wrote question and answer."""

    prompt: str | None
    chosen: str | None
    rejected: str | None
    reason: str = ""
    model: str = ""


def rephrase(
    question: str, answer: str, options: RephraseOptions = RephraseOptions(), verifier: Verifier | None = None
) -> Dialogue[Rephrased]:
    """The dialogue of one question with its given answer, to which a verifier compares the new one."""
    if not answer.strip():
        return _none("the given answer is empty", "")
    sampling = Sampling(temperature=options.temperature, max_tokens=options.max_tokens)
    folder = Path(options.prompts) if options.prompts else None
    text = render_prompt("rephrase", folder, question=question)
    [asked] = yield [Ask([{"role": "user", "content": text}], sampling)]
    if not (new := (asked.whole or "").strip()):
        return _none("the question was cut off or is missing", asked.model)
    if new.casefold() == question.strip().casefold():
        return _none("the question is the same", asked.model)
    [said] = yield [Ask([{"role": "user", "content": new}], sampling)]
    if not (chosen := (said.whole or "").strip()):
        return _none("the answer was cut off or is missing", said.model)
    if chosen == answer.strip():
        return _none("the answers are the same", said.model)
    if verifier is not None and verifier(chosen, answer) != 1:
        return _none("the answer is not verified", said.model)
    return Rephrased(new, chosen, answer, model=said.model)


def _none(reason: str, model: str) -> Rephrased:
    return Rephrased(None, None, None, reason, model)
