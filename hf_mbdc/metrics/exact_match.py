"""Exact match as an `evaluate` module: mean of `hf_mbdc.metrics.exact_match_scores`.

Example:
    >>> import evaluate
    >>> from importlib.resources import files
    >>> exact_match = evaluate.load(str(files("hf_mbdc.metrics") / "exact_match.py"))
    >>> exact_match.compute(predictions=["9.00", "900"], references=[["9.00"], ["9.00"]])
    {'exact_match': 0.5}
    >>> exact_match.compute(predictions=["9.00", "900"], references=[["9.00"], ["9.00"]], normalization="squad")
    {'exact_match': 1.0}
"""

from typing import Literal

import evaluate

from hf_mbdc.metrics import exact_match_scores, mean_score
from hf_mbdc.metrics._info import describe


class ExactMatch(evaluate.Metric):
    """Share of rows whose prediction equals an accepted answer; option `normalization`: "strict" (default), "squad"."""

    def _info(self) -> evaluate.MetricInfo:
        return describe(ExactMatch, exact_match_scores, several=True)

    def _compute(
        self,
        predictions: list[str],
        references: list[list[str]],
        normalization: Literal["strict", "squad"] = "strict",
    ) -> dict[str, float]:
        return {"exact_match": mean_score(exact_match_scores(predictions, references, normalization))}
