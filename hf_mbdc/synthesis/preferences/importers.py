"""Scored completions from the layouts of other tools."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

ASPECTS = ("instruction_following", "honesty", "truthfulness", "helpfulness")


def from_distilabel(rows: Dataset) -> Dataset:
    """Rows of distilabel's pipelines as scored completions.

    Args:
        rows: `instruction` (or `prompt`), `generations` (list of string), `ratings` (list of number; null where the
            judge's answer could not be read, or one null for all), and where it is there `generation_models` (or
            `generations_models`) and `id`.

    Returns:
        `id` (the row's own, or its number), `prompt, completions, scores, models`.

    Raises:
        DataError: a column is missing.
    """
    prompt = _one_of(rows, "instruction", "prompt")
    completions = _one_of(rows, "generations")
    ratings = _one_of(rows, "ratings")
    models = next((name for name in ("generation_models", "generations_models") if name in rows.column_names), None)
    found = {name: rows.select_columns([name])[:][name] for name in {prompt, completions, ratings, models} - {None}}
    texts = [row or [] for row in found[completions]]
    nothing: list[list[Any]] = [[None] * len(row) for row in texts]
    return _scored(
        _ids(rows),
        found[prompt],
        texts,
        [none if row in (None, [], [None]) else row for row, none in zip(found[ratings], nothing, strict=True)],
        [row or none for row, none in zip(found[models], nothing, strict=True)] if models else nothing,
    )


def from_ultrafeedback(rows: Dataset) -> Dataset:
    """Rows of UltraFeedback (Cui et al. 2023, openbmb/UltraFeedback) as scored completions.

    The score is the fine one: the mean of the aspects that were rated. A rating that is `N/A`, or no number, is left
    out of the mean; a completion without any has none. `overall_score` is not used: it is known to be wrong in places.

    Args:
        rows: `instruction` and `completions`, a list of mappings with `response`, `model` and `annotations`, whose
            aspects have a `Rating`.

    Returns:
        `id` (the row's own, or its number), `prompt, completions, scores, models`.

    Raises:
        DataError: a column is missing.
    """
    prompt, completions = _one_of(rows, "instruction"), _one_of(rows, "completions")
    found = rows.select_columns([prompt, completions])[:]
    given = [row or [] for row in found[completions]]
    return _scored(
        _ids(rows),
        found[prompt],
        [[one.get("response") for one in row] for row in given],
        [[_fine_score(one.get("annotations") or {}) for one in row] for row in given],
        [[one.get("model") for one in row] for row in given],
    )


def _fine_score(annotations: Mapping[str, Any]) -> float | None:
    ratings = [_rating((annotations.get(aspect) or {}).get("Rating")) for aspect in ASPECTS]
    known = [rating for rating in ratings if rating is not None]
    return sum(known) / len(known) if known else None


def _rating(text: object) -> float | None:
    try:
        rating = float(str(text))
    except ValueError:
        return None
    return rating if math.isfinite(rating) else None


def _one_of(rows: Dataset, *names: str) -> str:
    for name in names:
        if name in rows.column_names:
            return name
    mend = f"The rows have {', '.join(rows.column_names)}."
    raise DataError(f"There is no column {' or '.join(map(repr, names))}", mend=mend)


def _ids(rows: Dataset) -> list[str]:
    if "id" in rows.column_names:
        return [str(name) for name in rows.select_columns(["id"])[:]["id"]]
    return [str(number) for number in range(len(rows))]


def _scored(ids: list[str], prompts: list[Any], texts: Any, scores: Any, models: Any) -> Dataset:
    from datasets import Dataset, Features, List, Value

    numbers = [[None if score is None else float(score) for score in row] for row in scores]
    columns = {"id": ids, "prompt": prompts, "completions": texts, "scores": numbers, "models": models}
    conversation = next((True for prompt in prompts if isinstance(prompt, list)), False)
    message = List({"role": Value("string"), "content": Value("string")})
    features = Features(
        {
            "id": Value("string"),
            "prompt": message if conversation else Value("string"),
            "completions": List(Value("string")),
            "scores": List(Value("float64")),
            "models": List(Value("string")),
        }
    )
    return Dataset.from_dict(columns, features=features)
