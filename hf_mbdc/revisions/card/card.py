"""The card and the changelog of a dataset, rendered from the records of its iterations and from nothing else.

Our part of README.md stands between two marker comments. What others wrote outside them, and YAML keys that are not
ours, stay as they are.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2

from hf_mbdc.errors import DataError
from hf_mbdc.records import Iteration
from hf_mbdc.revisions.card import about, checks, costs, dmops, notices, plots, sections, series, wording
from hf_mbdc.revisions.card.front_matter import front_matter, parse_yaml, to_yaml
from hf_mbdc.revisions.card.sections import Markdown
from hf_mbdc.revisions.escape import block, code, code_cell, prose, visible

BEGIN = "<!-- hf_mbdc:begin; the next version replaces what is between these markers and keeps the rest -->"
END = "<!-- hf_mbdc:end -->"
_BEGIN, _END = re.compile(r"(?m)^<!-- hf_mbdc:begin\b.*$"), re.compile(r"(?m)^<!-- hf_mbdc:end\b.*$")
_FRONT_MATTER = re.compile(r"\A\s*---[\r\n]+([\S\s]*?)[\r\n]+---(\r\n|\r|\n|\Z)")  # as huggingface_hub reads it
_CARDS = (Path(__file__).parents[2] / "cards", Path(__file__).parents[3] / "cards")  # in a wheel, in a checkout


@dataclass(frozen=True)
class Picture:
    """A picture of the card: its path in the repository, what it shows in plain words, and the PNG file."""

    path: str
    alt: str
    png: bytes


def render_card(
    iteration: Iteration,
    history: Sequence[Iteration],
    *,
    existing_card: str | None,
    configs: Mapping[str, Any],
    pictures: Sequence[Picture] = (),
) -> dict[str, bytes]:
    """The files of a revision that tell people about it.

    Args:
        iteration: the version, or the refused candidate, that the files go with.
        history: the iterations before it, newest last; refused candidates among them are told too.
        existing_card: README.md of the parent revision; None when there is none.
        configs: the YAML keys by which `datasets` finds the files (`configs`, `dataset_info`).
        pictures: made of the rows, which this module does not see; the card shows them.

    Returns:
        Path in the repository → content: README.md, CHANGELOG.md, and the plots under assets/. Equal arguments give
        equal bytes.

    Raises:
        DataError: the YAML or the markers of the existing card are broken.

    Example:
        >>> files = render_card(iteration, [], existing_card=None, configs={})  # doctest: +SKIP
        >>> sorted(files)  # doctest: +SKIP
        ['CHANGELOG.md', 'README.md']
    """
    iteration = Iteration.from_json(iteration.to_json())  # so that the card follows from the manifest, order included
    before, after, data = split_card(existing_card) if existing_card else (_title(iteration), "\n", {})
    told = [*history, iteration]
    trend = series.trend_points(told) if _measured(told) >= 2 else []
    part = f"{BEGIN}\n\n{_body(iteration, told, trend, configs, pictures)}\n{END}"
    files = {
        "README.md": f"---\n{front_matter(iteration, data, configs)}---\n{before}{part}{after}".encode(),
        "CHANGELOG.md": _changelog(told).encode(),
        **{picture.path: picture.png for picture in pictures},
    }
    found = iteration.evidence
    if found is not None and _has_scores(iteration):
        parent = iteration.parent.version if iteration.parent else "parent"
        files["assets/evidence.png"] = plots.evidence_plot(found, parent, wording.name(iteration))
    if trend:
        newest = next(item.evidence for item in reversed(told) if item.evidence)
        files["assets/trend.png"] = plots.trend_plot(trend, newest.metric, newest.split)
    return files


def split_card(card: str) -> tuple[str, str, dict[str, Any]]:
    """What others wrote in a card: the text before and after our part, and the YAML. Call it to check a card early.

    Raises:
        DataError: the YAML cannot be read, or there is not exactly one pair of our markers, or none.

    Example:
        >>> split_card("---\\nlicense: mit\\n---\\n# Mine\\n")
        ('# Mine\\n\\n', '\\n', {'license': 'mit'})
    """
    card = card.removeprefix("\ufeff")
    match = _FRONT_MATTER.match(card)
    data = parse_yaml(match[1]) if match else {}
    text = card[match.end() :] if match else card
    begins, ends = list(_BEGIN.finditer(text)), list(_END.finditer(text))
    if not begins and not ends:
        gap = "" if not text.strip() else "\n" if text.endswith("\n") else "\n\n"
        return (text if gap else "\n") + gap, "\n", data
    if len(begins) != 1 or len(ends) != 1 or begins[0].start() > ends[0].start():
        raise DataError(
            "The markers of hf_mbdc in the dataset card are not one pair",
            path="README.md",
            begin=len(begins),
            end=len(ends),
            mend=f"Leave one line '{BEGIN[:18]} …' and, after it, one line '{END}', or remove all of them.",
        )
    return text[: begins[0].start()], text[ends[0].end() :], data


def read_template(name: str) -> str:
    """The text of a template of `cards/`, in a checkout as well as in an installed package.

    Raises:
        FileNotFoundError: there is no template of that name.
    """
    for folder in _CARDS:
        if (path := folder / name).is_file():
            return path.read_text(encoding="utf-8")
    raise FileNotFoundError(f"No template {name!r} in {' or '.join(folder.name for folder in _CARDS)}")


def _title(iteration: Iteration) -> str:
    return f"\n# {prose(iteration.repo_id.rpartition('/')[2])}\n\n"


def _body(
    iteration: Iteration,
    told: Sequence[Iteration],
    trend: Sequence[series.TrendPoint],
    configs: Mapping[str, Any],
    pictures: Sequence[Picture],
) -> str:
    metrics = [item.evidence.metric for item in told if item.evidence]
    lineage = [item for item in told if wording.published(item) or item is iteration]
    return _render(
        "dataset_card.md.jinja",
        it=iteration,
        published=wording.published(iteration),
        notices=_notices(iteration, told[:-1]),
        series_line=Markdown(notices.series_line(iteration, told[:-1], code)),
        all_series=_all_series(told),
        pictures=[Markdown(f"![{prose(picture.alt)}]({picture.path})") for picture in pictures],  # paths are ours
        cost_columns=costs.cost_columns([iteration]),
        columns=about.describe_columns(iteration, configs),
        diff=_real_diff(iteration),
        evidence=iteration.evidence,
        plotted=_has_scores(iteration),
        digits=wording.digits_for(iteration.evidence) if iteration.evidence else 2,
        metric=metrics[-1] if metrics else "",
        lineage=lineage,
        trend=trend,
        newest_first=told[::-1],
        drift_names=sections.drift_names(told),
        drift_rows=sections.drift_rows(told),
        candidates=not all(map(wording.published, told)),
    )


def _changelog(told: Sequence[Iteration]) -> str:
    entries = [
        _render(
            "changelog_entry.md.jinja",
            it=item,
            published=wording.published(item),
            notices=_notices(item, told[:place]),
        ).strip()
        for place, item in reversed(list(enumerate(told)))
    ]
    return "\n\n".join([f"# Changelog of {code(told[-1].repo_id)}", "Newest first.", *entries]) + "\n"


def _render(name: str, **context: Any) -> str:
    text = _environment().get_template(name).render(**context)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(read_template),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=_only_markdown,
        autoescape=False,  # HTML's rules are not Markdown's: `_only_markdown` asks for a filter of ours instead
    )
    environment.filters.update({name: _marked(function) for name, function in _TEXT_FILTERS.items()}, **_DATA_FILTERS)
    return environment


def _only_markdown(value: Any) -> str:
    """Refuses what no filter of ours has made safe, so that a template cannot forget one."""
    if not isinstance(value, Markdown):
        raise TypeError(f"A template writes {value!r} without a filter that makes it safe")
    return value


def _marked(function: Callable[..., str]) -> Callable[..., Markdown]:
    return lambda *args: Markdown(function(*args))


def _notices(iteration: Iteration, before: Sequence[Iteration]) -> list[tuple[Markdown, Markdown]]:
    return [(Markdown(what), Markdown(text)) for what, text in notices.notices(iteration, before, code)]


def _all_series(told: Sequence[Iteration]) -> list[Markdown]:
    """The series of every version, newest first; nothing where all are in one, or older than the record of it."""
    found = [series.evaluation(item, told[:place]) for place, item in enumerate(told)]
    names = [known[1] if known else None for known in found]
    if len({name for name in names if name}) < 2:
        return []
    return [Markdown(code_cell(name) if name else wording.MISSING) for name in reversed(names)]


def _cost_rows(iteration: Iteration, columns: Sequence[str]) -> list[tuple[Markdown, list[Markdown]]]:
    rows = [(Markdown(code_cell(name) if name else costs.REST), cost) for name, cost in costs.costs(iteration)]
    rows.append((Markdown("**total**"), iteration.cost))
    cells = (costs.cost_cells(cost, columns, iteration) for _, cost in rows)
    return [
        (name, [Markdown(prose(cell, starts=False)) for cell in line])
        for (name, _), line in zip(rows, cells, strict=True)
    ]


def _real_diff(iteration: Iteration) -> dict[str, Any]:
    diff = iteration.diff
    return diff if wording.changed_splits(diff) or sections.structure_lines(diff) else {}


def _has_scores(iteration: Iteration) -> bool:
    found = iteration.evidence
    return found is not None and all(map(math.isfinite, (found.parent, found.candidate, *found.interval)))


def _measured(told: Sequence[Iteration]) -> int:
    return sum(map(_has_scores, told))


def _literal(text: str) -> str:
    return json.dumps(visible(text), ensure_ascii=False)


def _parent(iteration: Iteration) -> str:
    return code(iteration.parent.version) if iteration.parent else "the parent"


def _parent_line(iteration: Iteration) -> str:
    parent = iteration.parent
    if parent is None:
        return "none"
    known = f", content hash {code_cell(parent.content_hash[:12])}" if parent.content_hash else ""
    return f"{code_cell(parent.version)}, commit {code_cell(parent.sha[:12])}{known}"


def _scored_on(iteration: Iteration) -> str:
    found = wording.scored_on(iteration, code)
    return f" on {found}" if found else ""


def _target(iteration: Iteration) -> str:
    target = iteration.approach.get("target")
    return f" {code(str(target))}" if target else ""


def _alt(iteration: Iteration) -> str:
    parent = iteration.parent.version if iteration.parent else "parent"
    metric = iteration.evidence.metric if iteration.evidence else "score"
    both = f"{parent} and {wording.name(iteration)}"
    return prose(f"{metric} of {both} by slice, and the differences with their intervals")


def _trend_alt(points: Sequence[series.TrendPoint]) -> str:
    return prose("score by version: " + ", ".join(f"{item.version} {wording.number(item.score)}" for item in points))


_TEXT_FILTERS: dict[str, Callable[..., str]] = {
    "alt": _alt,
    "cell": code_cell,
    "change": lambda iteration: wording.change(iteration, code),
    "contents": about.contents,
    "code": code,
    "cost_line": lambda iteration: prose(costs.cost_line(iteration)),
    "cost_per_row": lambda iteration: prose(costs.cost_per_row(iteration)),
    "cost_per_point": lambda iteration: costs.cost_per_point(iteration, code),
    "count": wording.count,
    "day": wording.day,
    "decision": lambda verdict: wording.DECISIONS[verdict],
    "effect": lambda iteration: wording.effect(iteration, code),
    "interval": wording.interval,
    "literal": _literal,
    "missing_steps": dmops.missing,
    "models": sections.models,
    "name": lambda iteration: code(wording.name(iteration)),
    "name_cell": lambda iteration: code_cell(wording.name(iteration)),
    "number": wording.number,
    "p_value": wording.p_value,
    "parent": _parent,
    "parent_cell": lambda iteration: code_cell(iteration.parent.version if iteration.parent else "parent"),
    "parent_line": _parent_line,
    "percent": lambda share: f"{100 * share:.4g} %",
    "plural": wording.plural,
    "prose": prose,
    "rejected": sections.rejected,
    "rejected_unit": sections.rejected_unit,
    "score_cell": sections.score_cell,
    "scored_on": _scored_on,
    "seconds": wording.seconds,
    "seeds": wording.seeds,
    "size": wording.size,
    "step_counts": sections.step_counts,
    "target": _target,
    "title": lambda iteration: wording.title(iteration, code),
    "trend_alt": _trend_alt,
    "yaml_block": lambda data: block(to_yaml(data), "yaml"),
}
_DATA_FILTERS: dict[str, Callable[..., Any]] = {
    "agreement_rows": sections.agreement_rows,
    "change_cells": sections.change_cells,
    "checks": lambda iteration: [Markdown(line) for line in checks.checks(iteration, code)],
    "columns": sections.column_rows,
    "cost_rows": _cost_rows,
    "dmops": lambda lineage: [(number, name, Markdown(how)) for number, name, how in dmops.dmops(lineage, code_cell)],
    "origins": lambda iteration: [Markdown(line) for line in notices.origins(iteration, code)],
    "diff_splits": wording.all_splits,
    "examples": sections.examples,
    "limits": lambda iteration: [Markdown(line) for line in sections.known_limits(iteration, code)],
    "match_statuses": sections.match_statuses,
    "pillars": sections.pillars,
    "reasons": sections.reason_rows,
    "rejected_reasons": sections.rejected_reasons,
    "structure": sections.structure_lines,
    "search_lines": lambda search: [Markdown(line) for line in checks.search_lines(search, code)],
    "search_rows": checks.search_rows,
    "splits": lambda iteration: [(name, iteration.splits[name]) for name in wording.in_order(iteration.splits)],
    "step_reasons": sections.step_reasons,
    "total_rows": sections.total_rows,
}
