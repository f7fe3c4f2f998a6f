"""A repository as one web page: versions, trend, evidence, costs and changes, made from the records and nothing else.

The page is one file. It runs no script and asks for nothing from elsewhere: a Content-Security-Policy says so to the
browser and allows the page's own style by its hash. What comes from data is escaped by the template engine, after what
cannot be seen in it (control and bidi characters, line ends) was made visible, so that no text changes more than its
own place.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hf_mbdc.records import Iteration
from hf_mbdc.revisions.card import costs, dmops, notices, sections, series, wording
from hf_mbdc.revisions.escape import visible

if TYPE_CHECKING:
    from hf_mbdc.revisions.diff.diff import Diff

MOST_DETAILED = 40  # versions told in full; all of them are in the tables
LONGEST = 2000  # characters of one text


def render_report(repo_id: str, told: Sequence[Iteration]) -> str:
    """The page as text; values of columns that any version named as sensitive are masked in all versions.

    Args:
        told: the versions and refused candidates, oldest first.
    """
    from markupsafe import Markup

    from hf_mbdc.revisions.card.card import read_template

    style = read_template("report.css").strip()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    sensitive = {column for item in told for column in item.sensitive}
    entries = [_entry(item, told[:place], sensitive) for place, item in enumerate(told)][::-1]
    trends = series.trends(told)
    newest = next((entry for entry in entries if entry.published), None)
    return (
        _environment()
        .get_template("report.html.jinja")
        .render(
            repo_id=repo_id,
            style=Markup(style),
            policy=Markup(policy),
            entries=entries,
            detailed=entries[:MOST_DETAILED],
            newest=newest,
            trends=trends,
            cost_columns=costs.cost_columns(told),
            total=sum((item.cost for item in told[1:]), told[0].cost) if told else None,
            masked=sorted(sensitive),
        )
    )


@dataclass(frozen=True)
class Entry:
    """What the template needs to know of a version or a refused candidate."""

    it: Iteration
    published: bool
    anchor: str
    diff: Diff | None
    notices: list[tuple[str, str]]
    series: str
    lineage: list[Iteration]


def _entry(item: Iteration, before: Sequence[Iteration], sensitive: set[str]) -> Entry:
    from hf_mbdc.revisions.card.masking import mask
    from hf_mbdc.revisions.diff.diff import Diff

    kept = [one for one in before if wording.published(one)]
    changed = bool(wording.changed_splits(item.diff) or sections.structure_lines(item.diff))
    place = hashlib.sha256(f"{wording.name(item)} {item.content_hash} {item.created_at}".encode()).hexdigest()[:10]
    return Entry(
        it=item,
        published=wording.published(item),
        anchor=f"r-{place}",
        diff=Diff.from_dict(mask(item.diff, sensitive)) if changed else None,
        notices=[(_markup(what), _markup(text)) for what, text in notices.notices(item, before, quote)],
        series=_markup(notices.series_line(item, before, quote)),
        lineage=[*kept, item],
    )


def quote(name: str) -> str:
    """A name as HTML, safe for its place in a sentence."""
    return f"<code>{html.escape(visible(name, 80))}</code>"


def _markup(text: str) -> Any:
    """A sentence that was made with `quote`: what came from data in it is safe."""
    from markupsafe import Markup

    return Markup(text)


def _shown(value: Any) -> Any:
    """What the template writes: text with nothing hidden in it, which the engine escapes then."""
    from markupsafe import Markup

    return value if isinstance(value, Markup) else visible(str(value), LONGEST)


def _environment() -> Any:
    import jinja2

    from hf_mbdc.revisions.card.card import read_template
    from hf_mbdc.revisions.diff import words as diff_words
    from hf_mbdc.revisions.diff.html import mark
    from hf_mbdc.revisions.report import plots as report_plots

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_template),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
    )
    environment.filters |= {
        "change": lambda item: _markup(wording.change(item, quote)),
        "count": wording.count,
        "cost_cells": costs.cost_cells,
        "cost_rows": costs.costs,
        "cost_per_point": lambda item: _markup(costs.cost_per_point(item, quote)),
        "cost_per_row": costs.cost_per_row,
        "day": wording.day,
        "decision": lambda verdict: wording.DECISIONS[verdict],
        "dmops": lambda lineage: [(number, name, _markup(how)) for number, name, how in dmops.dmops(lineage, quote)],
        "dmops_missing": dmops.missing,
        "effect": lambda item: _markup(wording.effect(item, quote)),
        "facts": lambda column: list(diff_words.column_facts(column)),
        "interval": wording.interval,
        "interval_svg": report_plots.interval_svg,
        "limits": lambda item: [_markup(line) for line in sections.known_limits(item, quote)],
        "lines": lambda diff: [*diff_words.schema_lines(diff.schema), *diff_words.move_lines(diff)],
        "marked": lambda example: [_markup(side) for side in mark(example.before, example.after)],
        "models": wording.model_names,
        "name": wording.name,
        "number": wording.number,
        "origins": lambda item: [_markup(line) for line in notices.origins(item, quote)],
        "p_value": wording.p_value,
        "percent": lambda share: f"{100 * share:.4g} %",
        "plural": wording.plural,
        "rejected_reasons": sections.rejected_reasons,
        "score": _score,
        "seconds": wording.seconds,
        "seeds": wording.seeds,
        "size": wording.size,
        "step_counts": sections.step_counts,
        "total_rows": sections.total_rows,
        "trend_svg": report_plots.trend_svg,
    }
    environment.globals |= {"digits_for": wording.digits_for, "REST": costs.REST}
    return environment


def _score(item: Iteration) -> str:
    """The score of a version, in the metric of its evidence or the first that it was scored in."""
    if item.evidence is not None:
        return wording.number(item.evidence.candidate, wording.digits_for(item.evidence))
    plain = [score for name, score in item.scores.items() if name == "exact_match"] or list(item.scores.values())
    return wording.number(plain[0]) if plain else wording.MISSING
