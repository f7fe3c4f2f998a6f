"""Scores of verifiers beside completions, and on to pairs."""

from __future__ import annotations

import math

import pytest
from datasets import Dataset

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.metrics import exact_match_scores
from hf_mbdc.synthesis.preferences.pairs import build_pairs
from hf_mbdc.verifiers import ExactAnswer, MetricAtLeast, Pattern, score_completions


def test_scores_of_a_verifier_make_pairs_and_what_it_cannot_read_makes_none() -> None:
    rows = Dataset.from_dict(
        {
            "id": ["a", "b"],
            "prompt": ["2+2?", "3+3?"],
            "completions": [["A: 5", None, "A: 4"], ["A: 6", "six, I think"]],
            "answer": ["4", "6"],
            "scores": [[9.0, 9.0, 9.0], [9.0, 9.0]],  # of an earlier judge
        }
    )
    scored = score_completions(rows, ExactAnswer())
    assert scored["scores"][:] == [[0.0, None, 1.0], [1.0, None]]
    made = build_pairs(scored)
    assert [(row["chosen"], row["rejected"]) for row in made.rows.to_list()] == [("A: 4", "A: 5")]
    assert made.dropped.to_list() == [{"id": "b", "reason": "fewer than two completions can be used"}]


def test_the_last_match_of_a_pattern_counts() -> None:
    verify = Pattern(r"= (\d+)")
    assert verify("1 + 1 = 2, and + 1 = 3", "3") == 1
    assert verify("= 2", "3") == 0
    assert math.isnan(verify("three", "3"))
    assert Pattern("yes|no")("yes, or no", "no") == 1
    with pytest.raises(RecipeError, match="no regular expression"):
        Pattern("(")


def test_a_metric_with_a_bar() -> None:
    verify = MetricAtLeast(exact_match_scores, 1.0)
    assert (verify("Yes", "yes"), verify("no", "yes")) == (1, 0)
    assert math.isnan(
        MetricAtLeast(lambda texts, references: exact_match_scores(texts, references) * math.nan, 1)("", "")
    )


def test_what_is_missing_is_named() -> None:
    rows = Dataset.from_dict({"completions": [["a"]], "answer": [None]})
    with pytest.raises(DataError, match=r"There is no such column .column 'gold'"):
        score_completions(rows, ExactAnswer(), reference="gold")
    with pytest.raises(DataError, match="The reference is null"):
        score_completions(rows, ExactAnswer())
