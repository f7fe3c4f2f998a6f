"""Characters that a recogniser reads wrongly, and the evaluation rows that words of them would reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.guidance.advice import Reach
from hf_mbdc.guidance.error_tree import score_interval

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.approaches.text_recognition import TextRecognition


@dataclass(frozen=True)
class MisreadCharacter:
    """A character of the evaluation rows.

    Args:
        missed: how often it was not read where it stands, mean over trainings.
        occurs: how often it stands in the evaluation rows.
        trained: how often it stands in the train split.
    """

    character: str
    missed: float
    occurs: int
    trained: int


def misread_characters(
    approach: TextRecognition, predictions: Sequence[Sequence[str]], references: Sequence[str]
) -> tuple[MisreadCharacter, ...]:
    """The characters that are missed, most often first.

    Args:
        approach: that has counted the train split.
        predictions: (trainings, rows). references: (rows,) the truth.
    """
    missed: Counter[str] = sum((approach.misses(one, references) for one in predictions), Counter())
    occurs = approach.occurrences(references)
    trained = approach.frequencies.by_character if approach.frequencies is not None else {}
    found = [
        MisreadCharacter(character, count / len(predictions), occurs[character], trained.get(character, 0))
        for character, count in missed.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.missed, one.character)))


def rare_reach(evaluation: Dataset, score: np.ndarray, clusters: np.ndarray, confidence: float) -> Reach | None:
    """The evaluation rows with a character that is rare in the train split; None where there is none."""
    if "tail_chars" not in evaluation.column_names:
        return None
    return _reach(np.array([bool(rare) for rare in evaluation["tail_chars"][:]]), score, clusters, confidence)


def confused_reach(
    evaluation: Dataset,
    misread: Sequence[MisreadCharacter],
    score: np.ndarray,
    clusters: np.ndarray,
    confidence: float,
    approach: TextRecognition,
) -> Reach | None:
    """The rows with a character that is not rare and that is missed once or more in a training; None without one."""
    wanted = {one.character for one in misread if one.missed >= 1 and one.trained >= approach.few_below}
    rare = np.array([bool(there) for there in evaluation["tail_chars"][:]])
    texts = approach.cut(evaluation[approach.reference][:])
    there = np.array([not wanted.isdisjoint(characters) for characters in texts])
    return _reach(there & ~rare, score, clusters, confidence, kinds=len(wanted))


def _reach(
    there: np.ndarray, score: np.ndarray, clusters: np.ndarray, confidence: float, kinds: int = 0
) -> Reach | None:
    if not there.any():
        return None
    group = np.unique(clusters, return_inverse=True)[1]
    return Reach(
        rows=int(there.sum()),
        score=float(score[there].mean()),
        interval=score_interval(score[there], group[there], confidence),
        missed=float((1 - score)[there].sum() / len(score)),
        kinds=kinds,
    )
