"""What the templates of a card ask of an iteration: rows of tables and ready sentences, all derived from the record.

Functions that return `Markdown` (or lists of it) have escaped every name and message that they put in.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from hf_mbdc.records import Cost, Iteration, StepRecord
from hf_mbdc.revisions import wording
from hf_mbdc.revisions.escape import code, code_cell
from hf_mbdc.revisions.wording import Quote, count, listed, plural

MOST_EXAMPLES = 12  # changed cells shown in a card
MOST_STEPS = 5  # told for a pillar, the newest
SMALL_EVALUATION = 200  # independent clusters; below, the card says so
PILLARS = ("approach-specific information", "model-guided synthesis", "industrial data quality")


class Markdown(str):
    """Text that is Markdown already: every part that came from data has been escaped."""

    __slots__ = ()


def structure_lines(diff: dict[str, Any]) -> list[Markdown]:
    """A line for each change beside rows and cells: of columns, of splits, rows that moved, another order."""
    schema, lines = diff.get("schema", {}), []
    for key, title in (("added", "New columns"), ("removed", "Removed columns")):
        if found := schema.get(key):
            lines.append(f"{title}: {', '.join(f'{code(name)} ({code(kind)})' for name, kind in found.items())}.")
    for name, (before, after) in schema.get("retyped", {}).items():
        lines.append(f"Retyped column: {code(name)} ({code(before)} → {code(after)}).")
    for move in diff.get("moved", ()):
        where = f"from {code(move['before'])} to {code(move['after'])}"
        lines.append(f"{plural(move['rows'], 'row')} moved {where}, counted as removed there and added here.")
    for name, split in wording.all_splits(diff).items():
        if split["status"] != "kept":
            lines.append(f"The split {code(name)} was {'added' if split['status'] == 'added' else 'removed'}.")
        if split["reordered"]:
            lines.append(f"The rows of {code(name)} stand in another order, which counts as no change.")
    return [Markdown(line) for line in lines]


def reason_rows(diff: dict[str, Any]) -> list[tuple[str, str, int]]:
    """(split, method, rows) for the rows that were changed or added."""
    splits = wording.all_splits(diff).items()
    return [(name, reason, rows) for name, split in splits for reason, rows in split.get("reasons", {}).items()]


def column_rows(diff: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    """(split, column, kind of change, rows) for the columns in which a row changed."""
    return [(split, name, column["kind"], column["changed"]) for split, name, column in _columns(diff)]


def examples(diff: dict[str, Any]) -> list[tuple[str, str, str, Any, Any]]:
    """(split, id, column, before, after), twelve at most: one of every column, then a second, …; sorted by row.

    The columns of provenance are left out: they say of every row the same.
    """
    found = [
        (turn, split, item["id"], name, item["before"], item["after"])
        for split, name, column in _columns(diff)
        for turn, item in enumerate(column["examples"])
        if not name.startswith("mbdc_")
    ]
    chosen = sorted(found, key=lambda item: item[0])[:MOST_EXAMPLES]
    splits = list(wording.all_splits(diff))
    return [item[1:] for item in sorted(chosen, key=lambda item: (splits.index(item[1]), str(item[2]), item[3]))]


def step_reasons(steps: Sequence[StepRecord]) -> list[tuple[str, str, int]]:
    """(step, reason, rows)."""
    return [(step.name, reason, rows) for step in steps for reason, rows in step.reasons.items()]


def models(step: StepRecord) -> str:
    """The models that made or judged rows, as a sentence; nothing when there was none."""
    names = wording.model_names(step)
    if not names:
        return ""
    more = f" and {count(len(names) - 4)} more" if len(names) > 4 else ""
    return f" Model{'' if len(names) == 1 else 's'}: {', '.join(code(name) for name in names[:4])}{more}."


def step_counts(step: StepRecord) -> str:
    """`634 rows kept, 118 changed`; what is zero is left out."""
    kinds = {"kept": step.kept, "changed": step.changed, "added": step.added, "rejected": step.rejected}
    (first, rows), *others = [(kind, rows) for kind, rows in kinds.items() if rows] or [("touched", 0)]
    return ", ".join([f"{plural(rows, 'row')} {first}", *(f"{count(number)} {kind}" for kind, number in others)])


def costs(iteration: Iteration) -> list[tuple[Markdown, Cost]]:
    """(step, cost), and what the whole cost more than its steps: training, evaluation, storage."""
    rows = [(Markdown(code_cell(step.name)), step.cost) for step in iteration.steps]
    spent = sum((cost for _, cost in rows), Cost())
    names = [field.name for field in dataclasses.fields(Cost)]
    rest = Cost(**{name: max(0, getattr(iteration.cost, name) - getattr(spent, name)) for name in names})
    return [*rows, (Markdown("training, evaluation, storage"), rest)] if rows and rest != Cost() else rows


def cost_per_row(iteration: Iteration) -> str:
    """The total divided by the changed and added rows; by all rows for the first version."""
    rows = wording.rows_touched(iteration)
    if iteration.parent is None:
        rows = total_rows(iteration)
    if not rows or dataclasses.replace(iteration.cost, bytes=0) == Cost():
        return ""
    what = "row" if iteration.parent is None else "changed or added row"
    return f"Per {what} ({count(rows)}): {wording.per_row(iteration.cost, rows)}."


def cost_line(iteration: Iteration) -> str:
    """The whole cost as a phrase; its time is no stretch of the clock where jobs ran side by side."""
    cost = iteration.cost
    return (
        f"{wording.seconds(cost.wall_seconds)} job time, {plural(cost.model_calls, 'model call')}, "
        f"{plural(cost.tokens, 'token')}, {wording.size(cost.bytes)}"
    )


def approach_columns(iteration: Iteration) -> list[tuple[str, str, str]]:
    """(column, type, meaning) of the columns that the approach adds."""
    added = iteration.approach.get("adds", {})
    return [(name, str(item["type"]), str(item["meaning"])) for name, item in added.items()]


def pillars(lineage: Sequence[Iteration]) -> list[tuple[str, Markdown]]:
    """(pillar, what the data has of it), told from the published versions up to this one."""
    latest = lineage[-1]
    steps = {pillar: _steps_of(lineage, pillar) for pillar in PILLARS}
    columns = list(latest.approach.get("adds", {}))
    automated = sum(step.automated for step in latest.steps)
    own = {
        PILLARS[0]: f"{plural(len(columns), 'column')} for {code_cell(latest.approach['name'])}." if columns else "",
        PILLARS[1]: "",
        PILLARS[2]: "Diff, cost, environment and content hash are in `manifest.json`"
        + (
            f"; {count(automated)} of {plural(len(latest.steps), 'step')} ran without work by hand."
            if latest.steps
            else "."
        ),
    }
    texts = {pillar: " ".join(part for part in (own[pillar], steps[pillar]) if part) for pillar in PILLARS}
    return [(pillar, Markdown(text or "Nothing yet.")) for pillar, text in texts.items()]


def rejected(iteration: Iteration) -> str:
    """How many rows were set aside, by which step, and where they are."""
    by_step = [(step.name, step.rejected) for step in iteration.steps if step.rejected]
    if not by_step:
        return "No step of this version set a row aside."
    total = sum(rows for _, rows in by_step)
    steps = listed(f"{count(rows)} by {code(name)}" for name, rows in by_step)
    return f"{_set_aside(total)} set aside ({steps}). `rejected/` keeps them with their reasons; no split holds them."


def known_limits(iteration: Iteration, quote: Quote) -> list[str]:
    """What a reader should not conclude from this version, as far as it follows from the record."""
    lines = _limits_of_evidence(iteration, quote)
    if by_hand := [quote(step.name) for step in iteration.steps if not step.automated]:
        lines.append(f"The recipe alone does not make this version again: {listed(by_hand)} needed work by hand.")
    if set_aside := sum(step.rejected for step in iteration.steps):
        lines.append(f"{_set_aside(set_aside)} set aside; the splits lack them.")
    return lines or ["None that follows from the record."]


def total(iteration: Iteration, key: str) -> int:
    """The sum over splits of `added`, `removed` or `changed` rows."""
    return sum(split[key] for split in wording.changed_splits(iteration.diff).values())


def total_rows(iteration: Iteration) -> int:
    """The rows of all splits."""
    return sum(split.rows for split in iteration.splits.values())


def score_cell(iteration: Iteration, metric: str) -> str:
    """The score before and after in `metric`, `–` where it was not measured."""
    found = iteration.evidence
    if found is None:
        return wording.number(iteration.scores.get(metric, math.nan))
    digits = wording.digits_for(found)
    scores = f"{wording.number(found.parent, digits)} → {wording.number(found.candidate, digits)}"
    return scores if found.metric == metric else f"{code_cell(found.metric)} {scores}"


def _set_aside(number: int) -> str:
    return "1 row or document was" if number == 1 else f"{count(number)} rows or documents were"


def _columns(diff: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    splits = wording.all_splits(diff).items()
    return [(split, name, column) for split, found in splits for name, column in found["columns"].items()]


def _steps_of(lineage: Sequence[Iteration], pillar: str) -> str:
    told = [
        f"{code_cell(step.name)} ({code_cell(item.version)}): {step_counts(step)}."
        for item in lineage
        for step in item.steps
        if step.pillar == pillar
    ]
    return " ".join(told[-MOST_STEPS:])


def _limits_of_evidence(iteration: Iteration, quote: Quote) -> list[str]:
    found = iteration.evidence
    if found is None:
        if iteration.decision.verdict == "baseline":
            return ["A first version has no parent to be compared with: its scores show no gain."]
        return ["No target model was trained on it: nothing shows that it is better than its parent, or worse."]
    lines, digits = [], wording.digits_for(found)
    if found.clusters < SMALL_EVALUATION:
        half = wording.number((found.interval[1] - found.interval[0]) / 2, digits)
        lines.append(
            f"Small evaluation set: {plural(found.rows, 'row')} in {plural(found.clusters, 'cluster')}; "
            f"a difference below about {half} does not show."
        )
    if len(found.seeds) < 3:
        lines.append(
            f"Only {plural(len(found.seeds), 'training seed')}: the interval hardly covers chance in training."
        )
    if len(found.slices) > 1:
        lines.append(
            f"The intervals of the {count(len(found.slices))} slices are not corrected for looking at several."
        )
    for part in found.slices:
        if part.interval[1] < 0:
            lines.append(
                f"Worse than the parent on {quote(part.name)}: {wording.number(part.difference, digits, signed=True)} "
                f"{wording.interval(part.interval, digits)}."
            )
    if target := iteration.approach.get("target"):
        lines.append(f"Measured with one target model, {quote(str(target))}; another may gain less, or lose.")
    return [*lines, *_untouched_evaluation(iteration, found.split, quote)]


def _untouched_evaluation(iteration: Iteration, split: str, quote: Quote) -> list[str]:
    changed = wording.changed_splits(iteration.diff)
    columns = sorted({name for found in changed.values() for name in found["columns"]})
    if iteration.parent is None or split in changed or not columns:
        return []
    named = ", ".join(map(quote, columns[:6])) + (", …" if len(columns) > 6 else "")
    return [
        f"{quote(split)} was left as it was, so that both versions are scored on the same rows: "
        f"what changed elsewhere ({named}) still has the values of {quote(iteration.parent.version)} there."
    ]
