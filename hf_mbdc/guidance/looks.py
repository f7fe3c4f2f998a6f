"""How often the same evaluation rows may decide: a budget of error over decisions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hf_mbdc.errors import RecipeError
from hf_mbdc.records import Evidence


@dataclass(frozen=True)
class Budget:
    """What earlier decisions left of the chance of error that one evaluation split may cost.

    Args:
        total: chance of any false verdict over all decisions on the split.
        decisions: how many are planned until the split is renewed.
        made: how many there were.
        remains: what they left of `total`.
    """

    total: float
    decisions: int
    made: int
    remains: float

    @property
    def left(self) -> int:
        """How many decisions are left before the split should be renewed."""
        return max(0, self.decisions - self.made) if self.remains > 0 else 0

    @property
    def next(self) -> float:
        """The level of the next decision, for `compare(…, alpha=…)`; 0 where the split is worn out."""
        return self.remains / self.left if self.left else 0.0

    def __str__(self) -> str:
        if not self.left:
            return f"{self.made} decisions were made on these rows: they are worn out, renew the split"
        return f"decision {self.made + 1} of {self.decisions} on these rows: its level is {self.next:.2g}"


def budget(earlier: Iterable[Evidence], *, total: float = 0.05, decisions: int = 20) -> Budget:
    """The level that is left for the next decision on an evaluation split, from the decisions made on it.

    A candidate that is tried again and again on the same rows is accepted by luck in the end: with 20 looks at a level
    of 5 %, one useless run in five to one in three accepts something. So each decision spends a share of `total`: what
    remains, divided by the decisions that are left (while nothing is found, `total / decisions` each). A decision that
    found something (`accept` or `reject`) gives its level back to those to come (Tian and Ramdas 2021, online
    fallback; the sequential form of Holm's correction). With the levels fixed before the rows are seen, the chance of
    any false verdict is at most `total`, however the comparisons depend on each other (Bonferroni).

    Equal shares were chosen by the true gains that 20 decisions find, 3 in 10 candidates being true: of gains that one
    look finds in 80, 95 and 99 %, they find 42, 73 and 91 %, the series 6/π²·1/k² 27, 55 and 78 %, LORD's series 25, 55
    and 79 % (`scripts/eval_guidance.py`). It is the first five decisions that a falling series favours. The reusable
    holdout of Dwork et al. (2015) is not offered: it adds noise to every answer, which pays from many thousand rows on.

    Its limit: the bound holds for candidates that learn nothing from these rows but the verdicts. After n verdicts of
    two kinds there are more than n ways on, and the bound covers the way that was meant; whoever reads single
    evaluation rows to make data breaks it whatever the level. Then renew the split (`guidance.renewal`).

    Args:
        earlier: the evidence of the decisions on the same rows (`Iteration.series`), refused ones too, in any order.
        total: wanted chance of any false verdict.
        decisions: planned number of decisions until renewal.

    Raises:
        RecipeError: `total` or `decisions` out of range.

    Example:
        >>> budget([]).next
        0.0025
        >>> print(budget([]))
        decision 1 of 20 on these rows: its level is 0.0025
    """
    if not 0 < total < 1:
        raise RecipeError(f"total is {total}", mend="Give a share between 0 and 1, such as 0.05.")
    if decisions < 1:
        raise RecipeError(f"decisions is {decisions}", mend="Plan one decision or more, such as 20.")
    made = list(earlier)
    spent = sum(_level(one) for one in made if one.verdict == "inconclusive")
    return Budget(total, decisions, len(made), max(0.0, total - spent))


def _level(evidence: Evidence) -> float:
    return 1 - evidence.confidence if evidence.alpha is None else evidence.alpha
