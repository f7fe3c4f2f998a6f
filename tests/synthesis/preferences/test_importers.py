"""Layouts of other tools as scored completions."""

from __future__ import annotations

import pytest
from datasets import Dataset

from hf_mbdc.errors import DataError
from hf_mbdc.synthesis.preferences.importers import from_distilabel, from_ultrafeedback
from hf_mbdc.synthesis.preferences.pairs import build_pairs


def test_distilabel_with_all_ratings_tied_gives_no_pair() -> None:
    """Its own binariser returns chosen == rejected here."""
    rows = Dataset.from_list(
        [
            {"instruction": "q", "generations": ["a", "b"], "ratings": [4, 4], "generation_models": ["m", "n"]},
            {"instruction": "r", "generations": ["a", "b"], "ratings": [1, 5], "generation_models": ["m", "n"]},
            {"instruction": "s", "generations": ["a", "b"], "ratings": None, "generation_models": None},
            {"instruction": "t", "generations": ["a", "b"], "ratings": [None], "generation_models": None},
        ]
    )
    scored = from_distilabel(rows)
    assert scored[1] == {
        "id": "1",
        "prompt": "r",
        "completions": ["a", "b"],
        "scores": [1.0, 5.0],
        "models": ["m", "n"],
    }
    made = build_pairs(scored)
    assert [(row["id"], row["chosen"], row["mbdc_model"]) for row in made.rows.to_list()] == [("1", "b", "n")]
    assert made.dropped.to_list() == [
        {"id": "0", "reason": "all completions have the same score"},
        {"id": "2", "reason": "fewer than two completions can be used"},
        {"id": "3", "reason": "fewer than two completions can be used"},
    ]


def test_ultrafeedback_takes_the_mean_of_what_was_rated() -> None:
    def annotated(honesty: str, helpfulness: str) -> dict[str, dict[str, str]]:
        aspects = {"instruction_following": "4", "honesty": honesty, "truthfulness": "5", "helpfulness": helpfulness}
        return {name: {"Rating": rating} for name, rating in aspects.items()}

    completions = [
        {"model": "m", "response": "a", "annotations": annotated("N/A", "3"), "overall_score": 10.0},
        {"model": "n", "response": "b", "annotations": annotated("1", "2"), "overall_score": 1.0},
        {"model": "o", "response": "c", "annotations": None, "overall_score": 1.0},
    ]
    scored = from_ultrafeedback(Dataset.from_list([{"instruction": "q", "completions": completions}]))
    assert scored[0]["scores"] == [4.0, 3.0, None]  # (4 + 5 + 3) / 3, (4 + 1 + 5 + 2) / 4
    assert scored[0]["models"] == ["m", "n", "o"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="There is no column 'instruction' or 'prompt'"):
        from_distilabel(Dataset.from_dict({"text": ["q"]}))
