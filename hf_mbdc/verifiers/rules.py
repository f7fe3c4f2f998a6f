"""Verifiers by a pattern, and by a metric with a bar."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hf_mbdc.errors import RecipeError


@dataclass(frozen=True)
class Pattern:
    """Whether the text that a pattern finds in a completion is the reference.

    Args:
        pattern: a regular expression; its group 1, or the whole match where it has no group, is the answer. Of several
            matches the last one counts.

    Raises:
        RecipeError: it is no regular expression.

    Example:
        >>> verify = Pattern(r"sorted: (\\S+)")
        >>> verify("sorted: 123", "123"), verify("sorted: 132", "123"), verify("123", "123")
        (1.0, 0.0, nan)
    """

    pattern: str

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern)
        except re.error as error:
            mend = f"{error}."
            raise RecipeError("It is no regular expression", key="pattern", value=self.pattern, mend=mend) from error

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def __call__(self, completion: str, reference: str) -> float:
        """1 for the reference, 0 for another text, NaN where nothing matches."""
        found = list(self._compiled.finditer(completion))
        if not found:
            return math.nan
        answer = found[-1][1] if self._compiled.groups else found[-1][0]
        return float((answer or "").strip() == reference.strip())


@dataclass(frozen=True)
class MetricAtLeast:
    """Whether a metric of the completion against the reference reaches a bar.

    Args:
        metric: a function of predictions and lists of references that gives a score for each, such as those of
            `hf_mbdc.metrics`.
        bar: least score that counts as right.

    Example:
        >>> from hf_mbdc.metrics import f1_scores
        >>> verify = MetricAtLeast(f1_scores, 0.8)
        >>> verify("the red house", "red house"), verify("a tree", "red house")
        (1.0, 0.0)
    """

    metric: Callable[[Sequence[str], Sequence[Sequence[str]]], np.ndarray]
    bar: float

    def __call__(self, completion: str, reference: str) -> float:
        """1 or 0; NaN where the metric gives none."""
        score = float(self.metric([completion], [[reference]])[0])
        return math.nan if math.isnan(score) else float(score >= self.bar)
