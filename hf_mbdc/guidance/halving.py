"""Cheap first: many candidates get a small budget, the better part of them a larger one, the last few the whole.

Successive halving (Jamieson & Talwalkar 2016). What it saves rests on an assumption: that a small budget orders the
candidates as the whole one does. So that is measured, on the candidates that were trained with both, some of those that
were dropped included, and told beside the winner.

The winner is the best of many on the rows that chose it, and therefore looks better than it is. Choose on a split that
decides nothing (validation), and let `compare` judge the winner on the evaluation split.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.draws import drawn_order
from hf_mbdc.guidance.rank_agreement import RankAgreement, rank_agreement

# (names of candidates, budget, seeds) → for each of them scores (seeds, rows); may run them side by side.
Score = Callable[[Sequence[str], int, Sequence[int]], Sequence[Any]]


@dataclass(frozen=True)
class Rung:
    """Candidates that were scored with one budget.

    Args:
        budget: of each training, in the caller's unit (steps).
        scores: name → mean over seeds and rows.
        kept: the names that went on, the best first.
        audited: names that were dropped before, and are scored here to measure the rank agreement; one of them wins
            where it turns out to be the best after all.
    """

    budget: int
    scores: dict[str, float]
    kept: tuple[str, ...]
    audited: tuple[str, ...] = ()


@dataclass(frozen=True)
class Halving:
    """What successive halving found; `str()` is a table.

    Args:
        best: the winner.
        rungs: from the smallest budget to the whole.
        agreement: of each smaller budget with the whole one, over the candidates that have both.
        trainings: how many there were, over all rungs and seeds.
        spent: their budgets together.
        full: what the whole budget for all candidates would have been.
    """

    best: str
    rungs: tuple[Rung, ...]
    agreement: dict[int, RankAgreement]
    trainings: int
    spent: int
    full: int

    def to_dict(self) -> dict[str, Any]:
        """Plain data for the record of an iteration."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain

    def __str__(self) -> str:
        names = sorted(self.rungs[0].scores, key=lambda name: [-r.scores.get(name, -np.inf) for r in self.rungs[::-1]])
        width = max(len("budget"), *map(len, names))
        lines = [f"best: {self.best}; {self.trainings} trainings, {self.spent / self.full:.0%} of the full budget"]
        lines.append("  ".join([f"{'budget':<{width}}", *(f"{rung.budget:>9,}" for rung in self.rungs)]))
        for name in names:
            cells = [f"{r.scores[name]:>9.4f}" if name in r.scores else " " * 8 + "–" for r in self.rungs]
            lines.append("  ".join([f"{name:<{width}}", *cells]))
        lines += [f"{budget:,} against the whole: {agreement}" for budget, agreement in self.agreement.items()]
        return "\n".join(lines)


def halve(
    candidates: Sequence[str],
    score: Score,
    *,
    budget: int,
    smallest: int,
    seeds: Sequence[int] = (0,),
    eta: int = 3,
    audit: int = 2,
    seed: int = 0,
) -> Halving:
    """Finds the best of many candidates with few full trainings.

    The budgets are `budget`, `budget`/eta, … down to no less than `smallest`, the smallest first; after each, the best
    1/eta of the candidates go on, but never fewer than two before the last. Equal scores are ordered by name. All is a
    function of the scores, so that with cached trainings a second call costs nothing and a killed one goes on.

    Args:
        candidates: names, at least two.
        score: given names, a budget and seeds, the scores (seeds, rows) of each, on rows that are the same for all.
        budget: of a full training, e.g. its steps.
        smallest: of the first trainings.
        seeds: of every training.
        eta: how much more budget a rung has, and how many times fewer candidates.
        audit: dropped candidates that get the whole budget, too, drawn by `seed`: without them the agreement would be
            measured on the best alone, which differ least.

    Raises:
        RecipeError: fewer than two candidates, the same name twice, or a budget or eta that cannot be.
        DataError: a score is not a finite number.

    Example:
        >>> quality = {"a": 0.2, "b": 0.9, "c": 0.5, "d": 0.4}
        >>> def score(names, budget, seeds):
        ...     return [[[quality[name] * budget / 90] * 5 for _ in seeds] for name in names]
        >>> found = halve(list(quality), score, budget=90, smallest=10, audit=0)
        >>> found.best, [sorted(rung.scores) for rung in found.rungs], found.spent, found.full
        ('b', [['a', 'b', 'c', 'd'], ['b', 'c'], ['b', 'c']], 280, 360)
    """
    _check(candidates, budget, smallest, seeds, eta, audit)
    budgets = _budgets(budget, smallest, eta)
    alive, dropped, rungs = list(candidates), list[str](), list[Rung]()
    for number, amount in enumerate(budgets):
        last = number == len(budgets) - 1
        audited = [dropped[n] for n in drawn_order(dropped, seed)[:audit]] if last else []
        arrays = score([*alive, *audited], amount, seeds)
        means = {name: _mean(name, values) for name, values in zip([*alive, *audited], arrays, strict=True)}
        order = sorted(means if last else alive, key=lambda name: (-means[name], name))
        kept = order[: 1 if last else max(2, -(-len(alive) // eta))]
        dropped += [name for name in order if name not in kept]
        rungs.append(Rung(amount, means, tuple(kept), tuple(audited)))
        alive = kept
    final = rungs[-1].scores
    trained = [(rung.budget, len(rung.scores) * len(seeds)) for rung in rungs]
    return Halving(
        best=alive[0],
        rungs=tuple(rungs),
        agreement={rung.budget: _agreement(rung.scores, final) for rung in rungs[:-1]},
        trainings=sum(count for _, count in trained),
        spent=sum(amount * count for amount, count in trained),
        full=budget * len(candidates) * len(seeds),
    )


def _budgets(budget: int, smallest: int, eta: int) -> list[int]:
    found = [budget]
    while found[0] // eta >= smallest:
        found.insert(0, found[0] // eta)
    return found


def _agreement(proxy: dict[str, float], final: dict[str, float]) -> RankAgreement:
    both = sorted(proxy.keys() & final.keys())
    return rank_agreement([proxy[name] for name in both], [final[name] for name in both])


def _mean(name: str, values: Any) -> float:
    mean = float(np.mean(values))
    if not np.isfinite(mean):
        raise DataError("A candidate's score is not a finite number", candidate=name, mend="Look at its training.")
    return mean


def _check(candidates: Sequence[str], budget: int, smallest: int, seeds: Sequence[int], eta: int, audit: int) -> None:
    if len(candidates) < 2 or len(set(candidates)) != len(candidates):
        raise RecipeError(f"{len(candidates)} candidates", mend="Give two or more, each with a name of its own.")
    if not seeds:
        raise RecipeError("There are no seeds", key="seeds", mend="Give at least one.")
    if not 1 <= smallest <= budget:
        raise RecipeError(f"The smallest budget is {smallest} of {budget}", mend="Give one from 1 to the whole budget.")
    if eta < 2 or audit < 0:
        raise RecipeError(f"eta is {eta}, audit {audit}", mend="eta must be at least 2, audit at least 0.")


def _plain(value: Any) -> Any:
    """As JSON knows it: lists, keys that are texts, and null for a correlation that is not defined."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and np.isnan(value) else value
