"""What the templates of a card ask of an iteration: rows of tables and ready sentences, all derived from the record.

Functions that return `Markdown` (or lists of it) have escaped every name and message that they put in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hf_mbdc.drift import FIGURES, drift
from hf_mbdc.records import Iteration, StepRecord, build
from hf_mbdc.revisions.card import wording
from hf_mbdc.revisions.card.masking import MASK
from hf_mbdc.revisions.card.wording import Quote, count, listed, plural
from hf_mbdc.revisions.escape import code, code_cell
from hf_mbdc.revisions.shorten import text_pair

MOST_EXAMPLES = 8  # changed rows shown in a card
MOST_CELLS = 4  # told of one changed row
CELL = 40  # characters of a cell in an example
MOST_REASONS = 12  # told of the rows that were set aside
MOST_STEPS = 5  # told for a pillar, the newest
SMALL_EVALUATION = 200  # independent clusters; below, the card says so
STATUSES = {  # of the step that annotates: how the given answer was found
    "exact": "the answer's own characters, whitespace and Unicode form aside",
    "fuzzy": "any other match; `match_score` says how near",
    "absent": "not found: no offsets",
    "unanswerable": "no answer was given",
}
TELLING = ("answer_start", "answer_end", "matched_text", "match_status")  # of a row's changed cells, shown first
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
    for move in diff.get("copied", ()):
        where = f"of {code(move['before'])} came into {code(move['after'])} as well"
        lines.append(f"{plural(move['rows'], 'row')} {where}, counted as added there.")
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


def column_rows(diff: dict[str, Any]) -> list[tuple[str, str, str, int, str]]:
    """(split, column, kind of change, rows, how they changed) for the columns in which a row changed."""
    return [(split, name, item["kind"], item["changed"], column_fact(item)) for split, name, item in _columns(diff)]


def column_fact(column: dict[str, Any]) -> str:
    """How the cells of a column changed, as plain text: labels old → new, shift, similarity of texts, nulls."""
    from hf_mbdc.revisions.diff.diff import ColumnDiff
    from hf_mbdc.revisions.diff.words import column_facts, label_fact

    found = build(ColumnDiff, column)
    return "; ".join([*([label_fact(found)] if found.labels else []), *column_facts(found)]) or wording.MISSING


def examples(diff: dict[str, Any]) -> list[tuple[str, str, Markdown]]:
    """(split, id, its changed cells), a line a row, eight rows at most: of every column one as far as there is room,
    and those for which most is known.

    The columns of provenance are left out, since they say of every row the same, and, where the offsets of the answer
    changed, those that follow from them. Rows of which all is masked come last.
    """
    rows: dict[tuple[str, str], dict[str, tuple[Any, Any]]] = {}
    for split, name, column in _columns(diff):
        for item in column["examples"]:
            if not name.startswith("mbdc_"):
                rows.setdefault((split, str(item["id"])), {})[name] = (item["before"], item["after"])
    chosen = _most_telling(rows)
    splits = list(wording.all_splits(diff))
    return [(*row, _cells(rows[row])) for row in sorted(chosen, key=lambda row: (splits.index(row[0]), row[1]))]


def _most_telling(rows: dict[tuple[str, str], dict[str, tuple[Any, Any]]]) -> list[tuple[str, str]]:
    """Row by row the one that shows most columns which no other did, then the one that shows most."""
    columns = {row: {(row[0], name) for name, pair in cells.items() if MASK not in pair} for row, cells in rows.items()}
    chosen: list[tuple[str, str]] = []
    shown: set[tuple[str, str]] = set()
    while len(chosen) < min(MOST_EXAMPLES, len(rows)):
        left = (row for row in rows if row not in chosen)
        chosen.append(max(left, key=lambda row: (len(columns[row] - shown), len(columns[row]))))
        shown |= columns[chosen[-1]]
    return chosen


def match_statuses(steps: Sequence[StepRecord]) -> list[tuple[str, str, int]]:
    """(status, what it says, rows) of the step that annotated; nothing when none did."""
    found = {status: rows for step in steps if _annotates(step) for status, rows in step.reasons.items()}
    return [(status, meaning, found[status]) for status, meaning in STATUSES.items() if status in found]


def step_reasons(steps: Sequence[StepRecord]) -> list[tuple[str, str, int]]:
    """(step, reason, rows) for what was changed, added or rejected; a match status is no reason."""
    return [
        (step.name, reason, rows)
        for step in steps
        for reason, rows in step.reasons.items()
        if not (_annotates(step) and reason in STATUSES)
    ]


def drift_names(told: Sequence[Iteration]) -> list[str]:
    """What is known of the models' own answers, as the heads of a table; nothing where they made none."""
    known = {name for point in drift(told) for name in point.figures}
    return [head for name, head in FIGURES.items() if name in known]


def drift_rows(told: Sequence[Iteration]) -> list[tuple[str, str, list[str]]]:
    """(version, gain of the target, the figures of `drift_names`), a line an iteration, oldest first."""
    points = drift(told)
    known = [name for name in FIGURES if any(name in point.figures for point in points)]
    rows = []
    for point in points:
        cells = [wording.number(point.figures[name], 2) if name in point.figures else wording.MISSING for name in known]
        gain = wording.number(point.gain, 2, True) + ("" if point.accepted else ", not accepted")
        rows.append((point.version, gain, cells))
    return rows


def agreement_rows(agreement: Sequence[dict[str, Any]]) -> list[tuple[str, str, str, int, int, int]]:
    """(coefficient, value, interval, units, ratings, units left out), in the recorded order; – where not defined."""
    rows = []
    for item in agreement:
        value, low, high = (math.nan if number is None else number for number in (item["value"], *item["interval"]))
        sure = (
            f"{wording.interval((low, high), 3)} ({100 * item['confidence']:.4g} %)" if low == low else wording.MISSING
        )
        name = f"{item['statistic']}, {item['scale']}"
        rows.append((name, wording.number(value, 3), sure, item["units"], item["ratings"], item["left_out"]))
    return rows


def rejected_unit(steps: Sequence[StepRecord]) -> str:
    """What the column `rejected` of the table of steps counts, where its numbers are not all rows."""
    loads = any(_loads(step) and step.rejected for step in steps)
    return "Loading counts documents or questions as rejected, the other steps rows." if loads else ""


def models(step: StepRecord) -> str:
    """The models that made or judged rows, as a sentence; nothing when there was none.

    Of models that an earlier iteration trained it says on which version, and how much they spared.
    """
    names = wording.model_names(step)
    if not names:
        return ""
    more = f" and {count(len(names) - 4)} more" if len(names) > 4 else ""
    told = f" Model{'' if len(names) == 1 else 's'}: {', '.join(code(name) for name in names[:4])}{more}"
    if step.trained_on is None:
        return f"{told}."
    spared = "row was" if step.reused == 1 else "rows were"
    return f"{told}, trained on {code(step.trained_on.version)}; {count(step.reused)} {spared} not scored again."


def step_counts(step: StepRecord) -> str:
    """`634 rows kept, 118 changed`; what is zero is left out."""
    kinds = {"kept": step.kept, "changed": step.changed, "added": step.added}
    kinds |= {} if _loads(step) else {"rejected": step.rejected}
    told = [(kind, rows) for kind, rows in kinds.items() if rows]
    parts = [
        f"{count(rows)} {kind}" if place else f"{plural(rows, 'row')} {kind}" for place, (kind, rows) in enumerate(told)
    ]
    if _loads(step) and step.rejected:
        parts.append(f"{_documents(step.rejected)} rejected")
    return ", ".join(parts) or "0 rows touched"


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
    """How many rows are set aside, which step of this version did it, and where they are."""
    number = wording.set_aside(iteration)
    if not number:
        return "No row is set aside."
    now = [
        f"{code(step.name)} {_documents(step.rejected) if _loads(step) else plural(step.rejected, 'row')}"
        for step in iteration.steps
        if step.rejected
    ]
    by = f" By the steps of this version: {listed(now)}." if now else " By earlier versions."
    return f'{_set_aside(number)} set aside.{by} The reasons are in `rejected/`: `load_dataset(path, "rejected")`.'


def rejected_reasons(iteration: Iteration) -> list[tuple[str, int]]:
    """(reason, rows), the most frequent ones first; what is left is summed up."""
    found = sorted(iteration.rejected.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(rows for _, rows in found[MOST_REASONS:])
    return found[:MOST_REASONS] + ([("other reasons", rest)] if rest else [])


def set_aside_line(iteration: Iteration) -> str:
    """For the terminal: `6 rows or documents were set aside: see rejected/`; nothing when there are none."""
    number = wording.set_aside(iteration)
    return f"{_set_aside(number)} set aside: see rejected/" if number else ""


def known_limits(iteration: Iteration, quote: Quote) -> list[str]:
    """What a reader should not conclude from this version, as far as it follows from the record."""
    lines = _limits_of_evidence(iteration, quote)
    if by_hand := [quote(step.name) for step in iteration.steps if not step.automated]:
        lines.append(f"The recipe alone does not make this version again: {listed(by_hand)} needed work by hand.")
    if number := wording.set_aside(iteration):
        lines.append(f"{_set_aside(number)} set aside, in no split.")
    lines += _limits_of_layout(iteration, quote)
    if iteration.sensitive:
        names = listed(map(quote, iteration.sensitive))
        lines.append(
            f"Examples do not show the values of {names}; the rows have them, and earlier versions may show them."
        )
    return lines or ["None that follows from the record."]


def total(iteration: Iteration, key: str) -> int:
    """The sum over splits of `added`, `removed` or `changed` rows."""
    return sum(split[key] for split in wording.changed_splits(iteration.diff).values())


def change_cells(iteration: Iteration) -> tuple[str, str, str]:
    """The rows that were changed, added and removed; a first version has nothing to differ from."""
    if iteration.parent is None:
        return "first", wording.MISSING, wording.MISSING
    changed, added, removed = (count(total(iteration, key)) for key in ("changed", "added", "removed"))
    return changed, added, removed


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
    return "1 row or document" if number == 1 else f"{count(number)} rows or documents"


def _documents(number: int) -> str:
    return "1 document or question" if number == 1 else f"{count(number)} documents or questions"


def _loads(step: StepRecord) -> bool:
    """Whether the step reads the source: what it rejects are documents, since there are no rows yet."""
    return step.name.startswith("load ")


def _annotates(step: StepRecord) -> bool:
    return step.name.startswith("annotate ")


def _cells(cells: dict[str, tuple[Any, Any]]) -> Markdown:
    """`answer_start` 152 → 193, …: the cells that tell most."""
    names = [name for name in TELLING if name in cells] or list(cells)[:MOST_CELLS]
    told = []
    for name in names:
        before, after = text_pair(*cells[name], CELL)
        told.append(f"{code_cell(name)} {code_cell(before, CELL)} → {code_cell(after, CELL)}")
    return Markdown(", ".join(told))


def _columns(diff: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    splits = wording.all_splits(diff).items()
    return [(split, name, column) for split, found in splits for name, column in found["columns"].items()]


def _steps_of(lineage: Sequence[Iteration], pillar: str) -> str:
    told = [
        f"{code_cell(step.name)} ({code_cell(wording.name(item))}): {step_counts(step)}."
        for item in lineage
        for step in item.steps
        if step.pillar == pillar
    ]
    return " ".join(told[-MOST_STEPS:])


def _limits_of_layout(iteration: Iteration, quote: Quote) -> list[str]:
    """What other readers of the files find there."""
    layout, lines = iteration.layout, []
    mend = f"{quote(f'hf-mbdc compact {iteration.repo_id}')} removes them from the next version."
    if layout.get("deletes") == "live":
        dead = plural(int(layout.get("dead_rows", 0)), "dead row")
        lines.append(
            f"Soft deletes: {dead} in the files, marked in {quote('mbdc_live')} and filtered out by this card. Readers "
            f"that ignore the card see them, a stock push brings them back, and edited rows stand at the end. {mend}"
        )
    if values := int(layout.get("unused_values", 0)):
        what = plural(values, "text")
        lines.append(f"{what} of removed or edited cells may still stand in the files, where no row uses them. {mend}")
    return lines


def _limits_of_evidence(iteration: Iteration, quote: Quote) -> list[str]:
    found = iteration.evidence
    if found is None:
        if iteration.restores is not None:
            return [f"Not measured anew: scores are those of {quote(iteration.restores.version)}."]
        if iteration.decision.verdict == "baseline":
            return ["A first version has no parent to be compared with: its scores show no gain."]
        return ["No target model was trained on it: nothing shows that it is better than its parent, or worse."]
    lines, digits = [], wording.digits_for(found)
    if found.clusters < SMALL_EVALUATION:
        half = wording.number((found.interval[1] - found.interval[0]) / 2, digits)
        unseen = f"; a difference below about {half} does not show" if half.strip(f".0{wording.MISSING}") else ""
        of = f"{plural(found.rows, 'row')} in {plural(found.clusters, 'cluster')}"
        lines.append(f"Small evaluation set: {of}{unseen}.")
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
