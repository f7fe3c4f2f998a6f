"""Numbers and sentences about an iteration, worded alike in the card, the changelog and the terminal.

Scores are written as .66 → .90 (two digits, three where a difference is small), a missing one as –.
Functions that put names into a sentence take `quote`, which makes a name safe for its place: `escape.code` in Markdown.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hf_mbdc.records import SHORT_HASH, Cost, Evidence, Iteration, SliceEvidence, StepRecord

MISSING = "–"
DECISIONS = {
    "baseline": "baseline",
    "unmeasured": "not measured",
    "accept": "accepted",
    "reject": "rejected",
    "inconclusive": "not accepted (inconclusive)",
}
Quote = Callable[[str], str]


def number(value: float, digits: int = 2, signed: bool = False) -> str:
    """A score or a difference: `.66`, `1.00`, `−.05`, with `signed` also `+.23`; NaN is –.

    Example:
        >>> number(0.664), number(0.23, signed=True), number(-0.001, signed=True)
        ('.66', '+.23', '.00')
    """
    if not math.isfinite(value):
        return MISSING
    text = f"{abs(value):.{digits}f}"
    zero = float(text) == 0
    text = text[1:] if text.startswith("0.") else text
    return ("" if zero else "−" if value < 0 else "+" if signed else "") + text


def interval(bounds: tuple[float, float], digits: int = 2) -> str:
    """A confidence interval: `[.17, .29]`."""
    return f"[{number(bounds[0], digits)}, {number(bounds[1], digits)}]"


def in_order(splits: Iterable[str]) -> list[str]:
    """Split names as people expect them: train, validation, test, then the others by name."""
    usual = ("train", "validation", "test")
    return sorted(splits, key=lambda name: (usual.index(name) if name in usual else len(usual), name))


def digits_for(evidence: Evidence) -> int:
    """Two digits; three where the difference, or the width of its interval, is below .02 and would drown in two."""
    low, high = evidence.interval
    return 3 if 0 < abs(evidence.difference) < 0.02 or 0 < high - low < 0.02 else 2


def p_value(value: float) -> str:
    """`p = .032`, `p < .001`."""
    return "p < .001" if value < 0.001 else f"p = {number(value, 3)}"


def count(value: float) -> str:
    """A whole number with thousands separators."""
    return f"{value:,.0f}"


def plural(value: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count(value)} {noun}{'' if value == 1 else 's'}"


def seconds(value: float) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if value < 10:
        return f"{value:.2g} s" if value else "0 s"
    if value < 60:
        return f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(value: int) -> str:
    """`512 B`, `1.2 kB`, `3.4 MB` (powers of 1000)."""
    amount, unit = float(value), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 999.5 or unit == "TB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"


def day(created_at: str) -> str:
    """The day of an ISO 8601 time; nothing when it is not one."""
    return created_at[:10] if re.match(r"\d{4}-\d\d-\d\d", created_at) else ""


def seeds(values: Sequence[int]) -> str:
    """`seed 0`, `seeds 0, 1 and 2`."""
    return f"seed{'' if len(values) == 1 else 's'} {listed(map(str, values))}" if values else "seeds"


def listed(parts: Iterable[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *head, last = parts
    return f"{', '.join(head)} and {last}" if head else last


def published(iteration: Iteration) -> bool:
    """Whether the iteration became a version; a refused candidate stays beside `main`."""
    return not iteration.decision.refused


def name(iteration: Iteration) -> str:
    """`v2.0.0`; a refused candidate, whose number another revision may get, by its branch: `candidates/9497b128`."""
    return iteration.version if published(iteration) else iteration.branch


def title(iteration: Iteration, quote: Quote) -> str:
    """The subject of a sentence: `v2.0.0`, or `candidate 9497b128 (would have been v2.0.0)`."""
    if published(iteration):
        return quote(iteration.version)
    return f"candidate {quote(iteration.content_hash[:SHORT_HASH])} (would have been {quote(iteration.version)})"


def set_aside(iteration: Iteration) -> int:
    """The rows under rejected/, those that the parent set aside included; one may stand for a whole document."""
    return sum(iteration.rejected.values())


def all_splits(diff: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The splits of `Diff.to_dict()`, in the order people expect."""
    found = diff.get("splits", {})
    return {name: found[name] for name in in_order(found)}


def changed_splits(diff: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The splits of `Diff.to_dict()` in which a row was added, removed or changed."""
    found = all_splits(diff)
    return {name: item for name, item in found.items() if item["added"] or item["removed"] or item["changed"]}


def moved_rows(diff: dict[str, Any]) -> int:
    """Rows that `Diff.to_dict()` says moved to another split; there they are among the added and the removed, too."""
    return sum(move["rows"] for move in diff.get("moved", ()))


def change(iteration: Iteration, quote: Quote) -> str:
    """What the iteration did to the data, as the rest of a sentence that begins with its version.

    Example: "changes 118 of 752 `train` rows".
    """
    if iteration.parent is None:
        rows = [f"{count(iteration.splits[name].rows)} {quote(name)}" for name in in_order(iteration.splits)]
        total = sum(item.rows for item in iteration.splits.values())
        return (
            f"is the first version: {listed(rows)} row{'' if total == 1 else 's'}" if rows else "is the first version"
        )
    objects = _row_changes(iteration.diff, quote)
    for verb, columns in _schema_changes(iteration.diff.get("schema", {}), quote).items():
        objects[verb] = [*objects.get(verb, []), columns]
    clauses = [f"{verb} {listed(found)}" for verb, found in objects.items()]
    if moved := moved_rows(iteration.diff):
        clauses.append(f"moves {plural(moved, 'row')} between splits")
    back = f"brings back the content of {quote(iteration.restores.version)}" if iteration.restores else ""
    if not clauses:
        return back or f"holds the same data as {quote(iteration.parent.version)}"
    *head, last = clauses
    nested = any(len(found) > 1 for found in objects.values())  # then a comma tells the clauses from their parts
    told = f"{', '.join(head)}{',' if nested else ''} and {last}" if head else last
    return f"{back}: compared with {quote(iteration.parent.version)}, it {told}" if back else told


def effect(iteration: Iteration, quote: Quote) -> str:
    """What the iteration did to the target model, as a full sentence, with the decision."""
    found = iteration.evidence
    if found is None and iteration.restores is not None:
        return f"Not measured anew: its scores are those of {quote(iteration.restores.version)}."
    if found is None:
        return {
            "baseline": "Later versions are measured against it.",
            "unmeasured": "Its effect on a target model was not measured.",
        }.get(iteration.decision.verdict, f"Decision: {DECISIONS[iteration.decision.verdict]}.")
    digits = digits_for(found)
    sentence = (
        f"{quote(found.metric)} on {quote(found.split)}: {number(found.parent, digits)} → "
        f"{number(found.candidate, digits)}, difference {number(found.difference, digits, signed=True)} "
        f"{interval(found.interval, digits)}, {DECISIONS[iteration.decision.verdict]}."
    )
    largest = largest_slice(found)
    if largest is None:
        return sentence
    return (
        f"{sentence} The slice that moved most is {quote(largest.name)}: {number(largest.parent, digits)} → "
        f"{number(largest.candidate, digits)}, {number(largest.difference, digits, signed=True)} "
        f"{interval(largest.interval, digits)}."
    )


def scored_on(iteration: Iteration, quote: Quote) -> str:
    """Where the scores of a version without evidence come from, if its recipe says so: `test (316 rows, seed 0)`."""
    plan = iteration.recipe.get("evaluation") or {}
    split, drawn = str(plan.get("split")), [seed for seed in plan.get("seeds") or () if isinstance(seed, int)]
    if split not in iteration.splits:
        return ""
    by = f", {seeds(drawn)}" if drawn else ""
    return f"{quote(split)} ({plural(iteration.splits[split].rows, 'row')}{by})"


def largest_slice(evidence: Evidence) -> SliceEvidence | None:
    """The slice with the largest difference among those whose interval leaves out zero; None if there is none."""
    clear = [item for item in evidence.slices if item.interval[0] > 0 or item.interval[1] < 0]
    return max(clear, key=lambda item: abs(item.difference), default=None)


def model_names(step: StepRecord) -> list[str]:
    """The models of a step, each model@sha; a step that used several joins them by commas."""
    return [name.strip() for name in (step.model or "").split(",") if name.strip()]


def rows_touched(iteration: Iteration) -> int:
    """Rows that the diff says were changed or added."""
    return sum(item["changed"] + item["added"] for item in changed_splits(iteration.diff).values())


def per_row(cost: Cost, rows: float) -> str:
    """The cost of one of so many rows or points, as a phrase: `1.3 s, 0.75 model calls`."""
    parts = [seconds(cost.wall_seconds / rows)]
    if cost.model_calls:
        calls = f"{cost.model_calls / rows:,.3g}"
        parts.append(f"{calls} model call{'' if calls == '1' else 's'}")
    if cost.tokens:
        parts.append(f"{count(cost.tokens / rows)} tokens")
    return ", ".join(parts)


def _row_changes(diff: dict[str, Any], quote: Quote) -> dict[str, list[str]]:
    """Verb → what it is said of, over all splits: `changes` → `118 of 752 train rows`."""
    found: dict[str, list[str]] = {}
    for key, verb in (("changed", "changes"), ("added", "adds"), ("removed", "removes")):
        for split, counts in changed_splits(diff).items():
            if rows := counts[key]:
                of = f" of {count(counts['rows_before'])}" if key == "changed" else ""
                last = counts["rows_before"] if key == "changed" else rows
                found.setdefault(verb, []).append(f"{count(rows)}{of} {quote(split)} row{'' if last == 1 else 's'}")
    return found


def _schema_changes(schema: dict[str, Any], quote: Quote) -> dict[str, str]:
    found = {}
    for key, verb in (("added", "adds"), ("removed", "removes"), ("retyped", "retypes")):
        if columns := list(schema.get(key, ())):
            named = f" ({listed(map(quote, columns))})" if len(columns) <= 3 else ""
            found[verb] = f"{plural(len(columns), 'column')}{named}"
    return found
