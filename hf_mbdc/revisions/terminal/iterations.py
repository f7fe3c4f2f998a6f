"""Iterations as rich tables for the command line: the log, one revision, and the summary at the end of a run.

Made for 80 columns. Text from data is put in as literal `Text`, with control characters made visible, so that neither
rich markup nor an escape sequence of a terminal gets through.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from hf_mbdc.records import Evidence, Iteration, SliceEvidence, StepRecord
from hf_mbdc.revisions.card import checks, costs, notices, sections, wording
from hf_mbdc.revisions.escape import visible

COLOURS = {"baseline": "cyan", "unmeasured": "dim", "accept": "green", "reject": "red", "inconclusive": "yellow"}
SHORT = {**wording.DECISIONS, "inconclusive": "inconclusive", "unmeasured": "unmeasured"}
MOST_LOGGED = 5  # versions in the summary of a run; `hf-mbdc log` has all


def log_table(iterations: Sequence[Iteration]) -> RenderableType:
    """Two lines a version or refused candidate: what it is, and its message, cut to the width of the terminal.

    Args:
        iterations: newest first, as `hf_mbdc.log` gives them.
    """
    metric = next((item.evidence.metric for item in iterations if item.evidence), None)
    table = _table()
    table.add_column("version", no_wrap=True)
    table.add_column("day", no_wrap=True)
    for title in ("rows", "changes", _plain(metric, 12) if metric else "score"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("decision", no_wrap=True)
    for item in iterations:
        table.add_row(
            _plain(wording.name(item), 24),
            wording.day(item.created_at),
            wording.count(sections.total_rows(item)),
            _changes(item),
            _scores(item, metric),
            _decision(item),
        )
    aside = (f"; {wording.count(rows)} set aside" if (rows := wording.set_aside(item)) else "" for item in iterations)
    return _Annotated(
        table, [(f"  {visible(item.message, 200)}", end) for item, end in zip(iterations, aside, strict=True)]
    )


@dataclass(frozen=True)
class _Annotated:
    """A table with a dim line below each row, (text, end): the text is cut where both do not fit.

    As wide as the terminal; rich has no cells that span columns.
    """

    table: Table
    notes: Sequence[tuple[str, str]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = console.render_lines(self.table, options, pad=False)
        head = len(lines) - len(self.notes)  # every row is one line, since no column wraps
        for place, line in enumerate(lines):
            yield from (*line, Segment.line())
            if place >= head:
                text, end = self.notes[place - head]
                note = Text(text, style="dim", no_wrap=True)
                note.truncate(max(1, options.max_width - len(end)), overflow="ellipsis")
                yield note.append(end)


def show_panel(iteration: Iteration) -> RenderableType:
    """All of one revision: what changed, why, by which step and model, at what cost, with what effect."""
    parts: list[RenderableType] = [_headline(iteration), *_notices(iteration), _facts(iteration)]
    if iteration.steps:
        parts += [Text(), *map(_step_line, iteration.steps), Text(), _steps(iteration)]
    parts += [Text(line) for line in _step_notes(iteration.steps)]
    if iteration.evidence is not None:
        parts += [Text(), _evidence(iteration, iteration.evidence)]
    elif iteration.scores:
        parts += [Text(), _mean_scores(iteration)]
    return Group(*parts, *_behind_decision(iteration), Text(), _limits(iteration))


def run_summary(last: Iteration, history: Sequence[Iteration]) -> RenderableType:
    """The end of a run: what became of the last iteration, its scores, its cost, and the newest versions.

    Args:
        last: the record that the run returned.
        history: newest first, as `hf_mbdc.log` gives it.
    """
    parts: list[RenderableType] = [_headline(last)]
    if last.evidence is not None:
        parts += [Text(), _evidence(last, last.evidence)]
    elif last.scores:
        parts += [Text(), _mean_scores(last)]
    parts += _behind_decision(last)
    lines = [f"Cost: {costs.cost_line(last)}", *filter(None, [sections.set_aside_line(last)])]
    return Group(*parts, Text(), *map(Text, lines), Text(), log_table(history[:MOST_LOGGED]))


def diff_table(diff: Mapping[str, Any], old: str = "", new: str = "") -> RenderableType:
    """What changed between two revisions.

    Args:
        diff: `Diff.to_dict()`.
        old, new: what to call them in the head, e.g. `me/receipts v1.0.0` and `v2.0.0`; nothing: no head.
    """
    from hf_mbdc.revisions.diff.diff import Diff

    table = Diff.from_dict(diff).to_rich()
    if not old and not new:
        return table
    return Group(Text(f"{_quote(old)} → {_quote(new)}", style="bold"), Text(), table)


def _headline(iteration: Iteration) -> Text:
    line = Text()
    line.append_text(_plain(iteration.repo_id, 100)).append(" ")
    line.append(wording.title(iteration, _quote)).append(": ")
    line.append_text(_decision(iteration)).append("\n")
    line.append_text(_plain(iteration.message, 500)).append("\n")
    line.append(f"{_quote(wording.name(iteration))} {wording.change(iteration, _quote)}. ")
    return line.append(wording.effect(iteration, _quote))


def _notices(iteration: Iteration) -> Iterator[Text]:
    """What must not be missed; a new series only as far as the record of this one version tells it."""
    for what, text in notices.notices(iteration, [], _quote):
        yield Text(f"{what}: {text}", style="bold red")
    for line in notices.origins(iteration, _quote):
        yield Text(line)


def _facts(iteration: Iteration) -> Group:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _fact_lines(iteration):
        table.add_row(name, Text(value))
    return Group(Text(), table)


def _fact_lines(iteration: Iteration) -> Iterator[tuple[str, str]]:
    splits = iteration.splits
    yield "splits", ", ".join(f"{_quote(name)} {wording.count(splits[name].rows)}" for name in wording.in_order(splits))
    if iteration.parent is not None:
        yield "parent", f"{visible(iteration.parent.version, 16)} ({visible(iteration.parent.sha, 12)})"
    if set_aside := sections.set_aside_line(iteration):
        yield "rejected", set_aside
    yield "content hash", visible(iteration.content_hash, 64)
    if iteration.sha:
        yield "commit", visible(iteration.sha, 64)
    if not wording.published(iteration):
        yield "branch", visible(iteration.branch, 80)
    if iteration.approach:
        target = iteration.approach.get("target")
        name = visible(str(iteration.approach.get("name")), 80)
        yield "approach", f"{name}, target {visible(str(target), 80)}" if target else name
    yield "made", visible(iteration.created_at, 40)
    yield "cost", costs.cost_line(iteration)
    for line in filter(None, [costs.cost_per_row(iteration), costs.cost_per_point(iteration, _quote)]):
        yield "", line


def _step_line(step: StepRecord) -> Text:
    by_hand = "" if step.automated else ", with work by hand"
    line = Text(visible(step.name, 40), style="bold").append(f" ({step.pillar}{by_hand})", style="dim")
    if step.why:
        line.append(f": {visible(step.why, 500)}", style="not bold")
    if models := wording.model_names(step):
        line.append(f" By {', '.join(visible(name, 80) for name in models)}.", style="not bold dim")
    return line


def _steps(iteration: Iteration) -> Table:
    table = _table("step")
    for title in ("kept", "changed", "added", "rejected"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    for step in iteration.steps:
        counts = map(wording.count, (step.kept, step.changed, step.added, step.rejected))
        table.add_row(_plain(step.name, 40), *counts, wording.seconds(step.cost.wall_seconds))
    return table


def _step_notes(steps: Sequence[StepRecord]) -> Iterator[str]:
    if unit := sections.rejected_unit(steps):
        yield unit
    if statuses := sections.match_statuses(steps):
        yield f"Match status: {', '.join(f'{status} {wording.count(rows)}' for status, _, rows in statuses)}"


def _evidence(iteration: Iteration, found: Evidence) -> Table:
    digits = wording.digits_for(found)
    table = _table(visible(f"{found.metric} on {found.split}", 40))
    parent = iteration.parent.version if iteration.parent else "parent"
    name = visible(
        wording.name(iteration).rpartition("/")[2], 16
    )  # of a candidate: the hash, there is no room for more
    for title in ("rows", visible(parent, 16), name, "difference"):
        table.add_column(Text(title), justify="right", no_wrap=True)
    table.add_column(f"{100 * found.confidence:.4g} % interval", justify="right", no_wrap=True)
    lines: list[tuple[str, Evidence | SliceEvidence]] = [("all rows", found)]
    for name, part in [*lines, *((visible(part.name, 40), part) for part in found.slices)]:
        clear = part.interval[0] > 0 or part.interval[1] < 0
        colour = ("green" if part.difference > 0 else "red") if clear else ""
        table.add_row(
            Text(name),
            wording.count(part.rows),
            wording.number(part.parent, digits),
            wording.number(part.candidate, digits),
            Text(wording.number(part.difference, digits, signed=True), style=colour),
            Text(wording.interval(part.interval, digits)),
        )
    return table


def _behind_decision(iteration: Iteration) -> Iterator[Text]:
    """Why a candidate was refused and what would settle it, and the checks that any decision rests on."""
    if iteration.decision.refused:
        yield Text()
        yield Text(visible(iteration.decision.reason, 2000))
    lines = [*checks.checks(iteration, _quote), *checks.search_lines(iteration.search, _quote)]
    if lines:
        yield Text("\nChecks\n" + "\n".join(f"- {line}" for line in lines))


def _mean_scores(iteration: Iteration) -> Table:
    where = wording.scored_on(iteration, _quote)
    table = _table(f"metric on {where}" if where else "metric")
    table.add_column("score", justify="right", no_wrap=True)
    for name, score in iteration.scores.items():
        table.add_row(_plain(name, 60), wording.number(score))
    return table


def _limits(iteration: Iteration) -> Text:
    lines = sections.known_limits(iteration, _quote)
    return Text("Known limits\n" + "\n".join(f"- {line}" for line in lines))


def _changes(iteration: Iteration) -> str:
    if iteration.parent is None:
        return "first"
    signs = {"changed": "~", "added": "+", "removed": "−"}
    counts = {key: sections.total(iteration, key) for key in signs}
    return " ".join(f"{signs[key]}{wording.count(rows)}" for key, rows in counts.items() if rows) or "–"


def _scores(iteration: Iteration, metric: str | None) -> str:
    found = iteration.evidence
    if found is None or found.metric != metric:
        return wording.number(iteration.scores.get(metric or "", float("nan")))
    digits = wording.digits_for(found)
    return f"{wording.number(found.parent, digits)} → {wording.number(found.candidate, digits)}"


def _decision(iteration: Iteration) -> Text:
    verdict = iteration.decision.verdict
    return Text(SHORT[verdict], style=COLOURS[verdict])


def _table(first: str | None = None) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    if first is not None:
        table.add_column(Text(first), overflow="fold")
    return table


def _quote(name: str) -> str:
    return visible(name, 80)


def _plain(text: str, limit: int) -> Text:
    return Text(visible(text, limit))
