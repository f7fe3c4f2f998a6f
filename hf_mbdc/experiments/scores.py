"""The score of every evaluation row from a table of predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import RecipeError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from hf_mbdc.approaches import TargetApproach

ANSWER_PROBABILITY = "answer_probability"


def score_predictions(table: pa.Table, evaluation: Dataset, approach: TargetApproach, metric: str) -> np.ndarray:
    """(rows,) scores in the order of `evaluation`.

    `answer_probability` is the probability that the target gives to the answer at any place where it matches best: its
    exact match in expectation, if it guessed by its own probabilities. It moves with every training where exact match
    stays 0 or 1, so that fewer documents tell a difference; but it also counts how sure a target is. Of an answer that
    is nowhere in the document it is 0; of a row without answers it is the probability of "no answer".

    Args:
        table: as `hf_mbdc.training.predict.prediction_table` makes it, with every row of `evaluation`.
        evaluation: with `id` and the column that the approach names as its reference; for `answer_probability` with
            `candidates`, which were scored.
        approach: whose metrics are meant.
        metric: one of them, or `answer_probability`.

    Raises:
        RecipeError: there is no such metric, or `answer_probability` without candidates.
    """
    place = {key: number for number, key in enumerate(table["id"].to_pylist())}
    ordered = table.take([place[key] for key in evaluation["id"][:]])
    references = evaluation[approach.reference][:]
    if metric == ANSWER_PROBABILITY and "candidates" in evaluation.column_names:
        scores, nulls = (ordered[name].to_pylist() for name in ("candidate_scores", "null_score"))
        columns = zip(evaluation["candidates"][:], scores, nulls, references, strict=True)
        return np.array([_answer_probability(*row) for row in columns])
    check_metric(evaluation, approach, metric)
    return np.asarray(approach.score(ordered["prediction"].to_pylist(), references)[metric], dtype=float)


def check_metric(evaluation: Dataset, approach: TargetApproach, metric: str) -> None:
    """Whether `score_predictions` knows a metric; to be asked before trainings.

    Raises:
        RecipeError: there is no such metric, or `answer_probability` without candidates.
    """
    known = approach.score([], [])
    if metric in known or (metric == ANSWER_PROBABILITY and "candidates" in evaluation.column_names):
        return
    names = ", ".join((*known, ANSWER_PROBABILITY))
    mend = f"Take one of {names}; the last needs the column candidates in the evaluation split."
    raise RecipeError(f"There is no metric {metric!r}", mend=mend)


def _answer_probability(
    candidates: Sequence[Mapping[str, float]], scores: Sequence[float], null: float, answers: Sequence[str]
) -> float:
    if not any(answer and answer.strip() for answer in answers):
        return float(np.exp(null))
    if not candidates:
        return 0.0
    match = np.array([candidate["score"] for candidate in candidates])
    # Two candidates inside one token have that token's probability each.
    return min(1.0, float(np.exp(np.array(scores)[match == match.max()]).sum()))
