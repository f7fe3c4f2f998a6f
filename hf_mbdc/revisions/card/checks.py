"""What stands behind a decision, for the card: equal budgets, controls, looks, leaks, slices, and how it was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hf_mbdc.records import Evidence, Iteration
from hf_mbdc.revisions.card import wording
from hf_mbdc.revisions.card.wording import Quote, count, listed, plural

SCORES = "assets/scores.parquet"


def checks(iteration: Iteration, quote: Quote) -> list[str]:
    """A line for each check that is on record."""
    lines = list(_of_evidence(iteration.evidence, quote)) if iteration.evidence else []
    return [*lines, *_leaks(iteration.leaks, quote, first=iteration.parent is None)]


def search_rows(search: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """(alternative, its score at each budget), the best first; nothing where nothing was chosen among several."""
    rungs = search.get("rungs", ())
    names = sorted(rungs[0]["scores"], key=lambda name: _last_scores(rungs, name)) if rungs else []
    return [(name, [_score(rung["scores"].get(name)) for rung in rungs]) for name in names]


def search_lines(search: dict[str, Any], quote: Quote) -> list[str]:
    """What the search found and spent, and whether short trainings order the alternatives as long ones do."""
    if not search:
        return []
    unchanged = [quote(name) for name in search.get("unchanged", ())]
    left_out = [f"Not compared, as they changed no row: {listed(unchanged)}."] if unchanged else []
    if not search["rungs"]:
        return [
            f"The one alternative that changed rows: {quote(search['best'])}. Nothing was trained to choose it.",
            *left_out,
        ]
    share = f"{100 * search['spent'] / search['full']:.0f} %"
    lines = [
        f"Chosen on {quote(search['split'])}, which decides nothing else: {quote(search['best'])}, by "
        f"{plural(search['trainings'], 'training')} with {share} of the steps that all in full would take."
    ]
    for budget, found in search["agreement"].items():
        low, high = found["spearman_interval"]
        lines.append(
            f"Order after {count(int(budget))} steps against the full one: Spearman's ρ "
            f"{_correlation(found['spearman'])} {wording.interval((low, high))} over "
            f"{plural(found['candidates'], 'alternative')}."
        )
    return [*lines, *left_out]


def _of_evidence(found: Evidence, quote: Quote) -> Iterator[str]:
    digits = wording.digits_for(found)
    if found.steps is not None and found.tokens is not None:
        parent, candidate = map(count, found.tokens)
        yield (
            f"Equal budget: {plural(found.steps, 'step')} a training, from the same first weights; read {parent} "
            f"tokens of the parent and {candidate} of the candidate."
        )
    for one in found.controls:
        differs = f"{wording.number(one.difference, digits, signed=True)} {wording.interval(one.interval, digits)}"
        yield (
            f"Control, {quote(one.name)}: trained on {plural(one.rows, 'row')} of the parent's own data, as many "
            f"tokens as the candidate has, the target scores {wording.number(one.score, digits)}; the candidate "
            f"differs by {differs} ({wording.p_value(one.p_value)})."
        )
    if found.look is not None and found.looks is not None and found.alpha is not None:
        yield f"Look {found.look} of {found.looks} at these rows, decided at a level of {found.alpha:.2g}."
    if found.permutation_p_value is not None and found.effect_size is not None:
        yield (
            f"Size of the effect: {wording.number(found.effect_size, signed=True)} standard deviations of what one row "
            f"differs by; the permutation test alone says {wording.p_value(found.permutation_p_value)}."
        )
    yield from _slices(found, quote)
    if found.steps is not None:
        yield f"The score of every row with every seed is in {quote(SCORES)}."


def _slices(found: Evidence, quote: Quote) -> Iterator[str]:
    tested = [part for part in found.slices if part.p_value is not None and part.simultaneous is not None]
    if len(tested) < 2:
        return
    better = [quote(part.name) for part in tested if part.simultaneous and part.simultaneous[0] > 0]
    worse = [quote(part.name) for part in tested if part.simultaneous and part.simultaneous[1] < 0]
    told = f"better on {listed(better) if better else 'none'}, worse on {listed(worse) if worse else 'none'}"
    yield f"Corrected for {len(tested)} slices, for sure: {told}."


def _leaks(report: dict[str, Any], quote: Quote, *, first: bool) -> Iterator[str]:
    if not report:
        return
    splits = listed(quote(name) for name in report["evaluation_rows"])
    counts = report["counts"]
    brought = [item for item in counts if item["brought"]]
    new = plural(report["brought_rows"], "train row" if first else "new train row")
    if not brought:
        yield f"Leak check of {new} against {splits}, by exact texts, near-duplicates and 13-grams: nothing found."
    for item in counts:
        of = f"{count(item['evaluation_rows'])} of {plural(report['evaluation_rows'][item['split']], 'row')}"
        whose = ("train rows" if first else "new train rows") if item["brought"] else "the parent's train rows"
        yield (
            f"Leak ({item['kind']}, {quote(item['column'])}): {of} of {quote(item['split'])} stand in {whose} "
            f"({plural(item['train_rows'], 'row')})."
        )


def _last_scores(rungs: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [-rung["scores"].get(name, float("-inf")) for rung in reversed(rungs)]


def _correlation(value: float | None) -> str:
    return wording.MISSING if value is None else wording.number(value, signed=True)


def _score(value: float | None) -> str:
    return wording.MISSING if value is None else wording.number(value, 3)
