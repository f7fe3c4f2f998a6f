"""Answers with scores, as methods give them, and as the rows that `build_pairs` reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hf_mbdc.synthesis.methods.dialogue import Answer

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Scored:
    """The answers to a prompt, in their order.

    Args:
        texts: None where there is none.
        scores: None where a judgement is missing or could not be read.
        finish_reasons, models: as of `Answer`.
        judgements: what each score is made of, in the order in which it was asked; None where one could not be read.
    """

    texts: tuple[str | None, ...]
    scores: tuple[float | None, ...]
    finish_reasons: tuple[str, ...]
    models: tuple[str, ...]
    judgements: tuple[tuple[float | None, ...], ...] = ()

    @classmethod
    def of(
        cls,
        answers: Sequence[Answer],
        scores: Sequence[float | None],
        judgements: Sequence[tuple[float | None, ...]] = (),
    ) -> Scored:
        """Answers with one score each."""
        return cls(
            tuple(answer.text for answer in answers),
            tuple(scores),
            tuple(answer.finish_reason for answer in answers),
            tuple(answer.model for answer in answers),
            tuple(judgements),
        )


def scored_rows(prompts: Mapping[str, str], found: Mapping[str, Scored]) -> Dataset:
    """One row a prompt: `id, prompt, completions, scores, finish_reasons, models, judgements`.

    Args:
        prompts: row id → its prompt.
        found: row id → its scored answers.
    """
    from datasets import Dataset, Features, List, Value

    text, number = List(Value("string")), List(Value("float64"))
    features = Features(
        {
            "id": Value("string"),
            "prompt": Value("string"),
            "completions": text,
            "scores": number,
            "finish_reasons": text,
            "models": text,
            "judgements": List(number),
        }
    )
    rows = [found[key] for key in prompts]
    columns = {
        "id": list(prompts),
        "prompt": list(prompts.values()),
        "completions": [list(row.texts) for row in rows],
        "scores": [list(row.scores) for row in rows],
        "finish_reasons": [list(row.finish_reasons) for row in rows],
        "models": [list(row.models) for row in rows],
        "judgements": [[list(one) for one in row.judgements] for row in rows],
    }
    return Dataset.from_dict(columns, features=features)
