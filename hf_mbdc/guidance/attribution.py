"""Which source of the training rows helps the target, and which hurts it.

A target is trained on some unions of sources (subsets), always on top of the rows that belong to no source, with the
same seeds and budget. What a source is worth is the difference between the scores with it and without it:

- `add_one_in`: nothing → the source. What it brings to somebody who has only the base.
- `leave_one_out`: all others → all. What it still brings to somebody who has the others: 0 for one of two that say the
  same.

Neither tells all: a source that only helps beside another one is found by the second, one of two equal ones by the
first. The mean over every order of the sources (Shapley values, Ghorbani & Zou 2019, https://arxiv.org/abs/1904.02868)
lies between them and takes 2ⁿ trainings where these take 2n + 2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.compare import Comparison, compare
from hf_mbdc.guidance.slices import sure_gains, sure_losses
from hf_mbdc.records import SliceEvidence

Method = Literal["add_one_in", "leave_one_out"]
Subset = frozenset[str]
METHODS: tuple[Method, ...] = get_args(Method)
WORDS: Mapping[Method, str] = {
    "add_one_in": "added to the base alone",
    "leave_one_out": "beside all other sources",
}


@dataclass(frozen=True)
class SourceEffect:
    """What one source brings by one method: `comparison` has the trainings without it as parent, with it as candidate.

    Its `difference` is above 0 where the source helps.
    """

    source: str
    method: Method
    comparison: Comparison

    def __str__(self) -> str:
        found = self.comparison
        low, high = found.interval
        moved = [
            (names, word) for names, word in ((sure_losses(found.slices), "fell"), (sure_gains(found.slices), "rose"))
        ]
        slices = "".join(f"; {', '.join(part.name for part in parts)} {word}" for parts, word in moved if parts)
        return (
            f"{WORDS[self.method]}: {found.difference:+.3f} ({100 * found.confidence:g}% interval {low:+.3f} to "
            f"{high:+.3f}, p = {found.p_value:.2g}): {found.verdict}{slices}"
        )


@dataclass(frozen=True)
class Attribution:
    """What `attribute` found: an effect for every method and source. `str()` of it is a table."""

    effects: tuple[SourceEffect, ...]

    def of(self, method: Method) -> dict[str, Comparison]:
        """Source → what a method found about it, by name."""
        return {effect.source: effect.comparison for effect in self.effects if effect.method == method}

    def ranking(self, method: Method | None = None) -> list[str]:
        """The sources by their effect, the most helpful first, equal ones by name.

        Args:
            method: whose effects; None: the mean over the methods that were told, which rests on all trainings.
        """
        kept = [effect for effect in self.effects if method in (None, effect.method)]
        sources = sorted({effect.source for effect in kept})
        means = {s: np.mean([e.comparison.difference for e in kept if e.source == s]) for s in sources}
        return sorted(sources, key=lambda source: -means[source])

    def why(self, source: str) -> str:
        """The effects of a source as one line, for a step's `why` or a card."""
        return "; ".join(str(effect) for effect in self.effects if effect.source == source)

    def to_rows(self) -> list[dict[str, Any]]:
        """A plain row for every source, method and slice (None: all rows), for a `Dataset` or a data frame.

        `low` and `high` are the bounds of each difference taken alone; `p_value` of a slice is corrected for the number
        of slices, `verdict` of all rows for the number of sources.
        """
        rows = []
        for effect in self.effects:
            whole = effect.comparison
            head = {"source": effect.source, "method": effect.method}
            parts: list[tuple[str | None, Comparison | SliceEvidence]] = [(None, whole)]
            for name, part in [*parts, *((part.name, part) for part in whole.slices)]:
                low, high = part.interval
                figures = {"without": part.parent, "with": part.candidate, "difference": part.difference}
                verdict = whole.verdict if name is None else None
                tested = {"low": low, "high": high, "p_value": part.p_value, "verdict": verdict}
                rows.append({**head, "slice": name, "rows": part.rows, **figures, **tested})
        return rows

    def __str__(self) -> str:
        rows = self.to_rows()
        width = max(len("source"), *(len(row["source"]) for row in rows))
        slices = max(len("all rows"), *(len(row["slice"] or "") for row in rows))
        lines = [f"{'method':<14} {'source':<{width}} {'rows of':<{slices}} without  with  difference (interval)"]
        lines += [
            f"{row['method']:<14} {row['source']:<{width}} {row['slice'] or 'all rows':<{slices}} "
            f"{row['without']:7.3f} {row['with']:5.3f}  {row['difference']:+.3f} "
            f"({row['low']:+.3f} to {row['high']:+.3f}){'  ' + row['verdict'] if row['verdict'] else ''}"
            for row in rows
        ]
        return "\n".join(lines)


def subsets_needed(sources: Sequence[str], methods: Sequence[Method] = METHODS) -> list[Subset]:
    """The unions of sources that must be trained on, smallest first; each once, however many methods read it.

    For n sources: n + 1 for each method.

    Args:
        sources: their names.
        methods: which effects shall be told.

    Raises:
        RecipeError: no source or method, one named twice, or no such method.

    Example:
        >>> [sorted(subset) for subset in subsets_needed(["a", "b", "c"])]
        [[], ['a'], ['b'], ['c'], ['a', 'b'], ['a', 'c'], ['b', 'c'], ['a', 'b', 'c']]
    """
    _check("source", sources, None)
    _check("method", methods, METHODS)
    needed = {subset for method in methods for source in sources for subset in _pair(source, sources, method)}
    return sorted(needed, key=lambda subset: (len(subset), sorted(subset)))


def attribute(
    scores: Mapping[Subset, Any],
    clusters: Sequence[Any] | None = None,
    *,
    methods: Sequence[Method] = METHODS,
    slices: Sequence[Any] | None = None,
    confidence: float = 0.95,
    minimum_effect: float = 0.0,
    resamples: int = 10_000,
    seed: int = 0,
) -> Attribution:
    """What each source brings, with an interval that knows documents and seeds, and a verdict.

    Every source is one more chance to be wrong, so each verdict is given at the level (1 − `confidence`) / sources
    (Bonferroni): with that, the chance that any useless source is accepted by a method stays below 1 − `confidence`.
    Intervals are those of each difference taken alone.

    Args:
        scores: subset of sources → scores (seeds, rows), or (rows,) for one seed, of the target trained on the base and
            that subset; those of `subsets_needed`, more do no harm. Seeds, rows, their order and the budget of the
            trainings are the same for all subsets.
        clusters, slices, confidence, minimum_effect, resamples: as in `compare`.
        methods: which effects to tell.
        seed: of all random draws.

    Raises:
        DataError: a subset that a method needs is missing; or see `compare`.
        RecipeError: see `subsets_needed` and `compare`.

    Example:
        >>> good, bad = frozenset(["good"]), frozenset(["bad"])
        >>> scores = {frozenset(): [0.5] * 8, good: [0.7] * 8, bad: [0.4] * 8, good | bad: [0.6] * 8}
        >>> found = attribute(scores, methods=["add_one_in"])
        >>> found.ranking(), [effect.comparison.verdict for effect in found.effects]
        (['good', 'bad'], ['reject', 'accept'])
    """
    sources = sorted(frozenset().union(*scores))
    missing = [sorted(subset) for subset in subsets_needed(sources, methods) if subset not in scores]
    if missing:
        raise DataError(
            f"Of {len(missing)} subsets of the sources there are no scores, e.g. of {missing[0]}",
            methods=", ".join(methods),
            mend="Train on every subset of subsets_needed(sources, methods).",
        )
    effects = []
    for method in methods:
        for source in sources:
            without, with_it = _pair(source, sources, method)
            found = compare(
                scores[without],
                scores[with_it],
                clusters,
                slices=slices,
                confidence=confidence,
                alpha=(1 - confidence) / len(sources),
                minimum_effect=minimum_effect,
                resamples=resamples,
                seed=seed,
            )
            effects.append(SourceEffect(source, method, found))
    return Attribution(tuple(effects))


def _pair(source: str, sources: Sequence[str], method: Method) -> tuple[Subset, Subset]:
    """The subsets without and with a source whose difference is its effect."""
    if method == "add_one_in":
        return frozenset(), frozenset([source])
    return frozenset(sources) - {source}, frozenset(sources)


def _check(what: str, names: Sequence[str], known: Sequence[str] | None) -> None:
    if not names:
        raise RecipeError(f"No {what} is named", mend="Name one or more.")
    if len(set(names)) < len(names):
        raise RecipeError(f"A {what} is named twice", names=list(names), mend="Name each once.")
    if known is not None and (wrong := [name for name in names if name not in known]):
        raise RecipeError(f"There is no {what} {wrong[0]!r}", mend=f"Take one of {', '.join(known)}.")
