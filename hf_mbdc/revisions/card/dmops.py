"""Which of the twelve steps of DMOps a version has on record, and by what.

DMOps (Choi and Park, 2023) lists what it takes to make data, from the goal to the delivery. What nobody did, or what
was done outside of the record, is said to be missing instead of assumed.
"""

from __future__ import annotations

from collections.abc import Sequence

from hf_mbdc.records import Iteration, StepRecord
from hf_mbdc.revisions.card import wording
from hf_mbdc.revisions.card.wording import Quote, count, listed, plural

STEPS = (
    "establish the goal",
    "secure raw data",
    "pre-process",
    "design a schema",
    "prepare a guideline",
    "recruit annotators",
    "instruct annotators",
    "annotate",
    "verify internal factors",
    "verify external factors",
    "evaluate by a model",
    "deliver",
)


def dmops(lineage: Sequence[Iteration], quote: Quote) -> list[tuple[int, str, str]]:
    """(number, step, how it was done) for the steps on record, the versions before included.

    Args:
        lineage: the published versions up to this one, which is the last.
    """
    latest = lineage[-1]
    steps = [(item, step) for item in lineage for step in item.steps]
    loads = [pair for pair in steps if pair[1].name.startswith("load ")]
    labels = [pair for pair in steps if pair[1].name.startswith("annotate ") or pair[1].model or not pair[1].automated]
    how = {
        1: _goal(latest, quote),
        2: _named(loads, quote),
        3: _prepared(loads, quote),
        4: _schema(latest, quote),
        6: _annotators([step for _, step in steps]),
        8: _named(labels, quote),
        9: _verified(latest),
        11: _evaluated(latest, quote),
        12: _delivered(latest, quote),
    }
    return [(number, STEPS[number - 1], text) for number, text in how.items() if text]


def missing(lineage: Sequence[Iteration]) -> str:
    """The steps that are not on record, as a sentence."""
    there = {number for number, _, _ in dmops(lineage, str)}
    names = [f"{name} ({number})" for number, name in enumerate(STEPS, 1) if number not in there]
    return f"Not on record: {listed(names)}." if names else ""


def _named(steps: Sequence[tuple[Iteration, StepRecord]], quote: Quote) -> str:
    return listed(f"{quote(step.name)} ({quote(wording.name(item))})" for item, step in steps[-5:]) if steps else ""


def _goal(latest: Iteration, quote: Quote) -> str:
    name, target = latest.approach.get("name"), latest.approach.get("target")
    if not name:
        return ""
    found = latest.evidence
    judged = f", judged by {quote(found.metric)} on {quote(found.split)}" if found else ""
    return f"{quote(str(name))}{f' for the target {quote(str(target))}' if target else ''}{judged}"


def _prepared(loads: Sequence[tuple[Iteration, StepRecord]], quote: Quote) -> str:
    if not loads:
        return ""
    step = loads[-1][1]
    counts = f"{plural(step.added, 'row')} made, {count(step.changed)} mended, {count(step.rejected)} rejected"
    return f"{quote(step.name)}: {counts}"


def _schema(latest: Iteration, quote: Quote) -> str:
    adds = latest.approach.get("adds", {})
    return f"{plural(len(adds), 'column')} of {quote(str(latest.approach.get('name')))}" if adds else ""


def _annotators(steps: Sequence[StepRecord]) -> str:
    models = {name for step in steps for name in wording.model_names(step)}
    people = any(not step.automated for step in steps)
    found = [plural(len(models), "model")] if models else []
    return listed([*found, "people"]) if people else f"{found[0]} in place of people" if found else ""


def _verified(latest: Iteration) -> str:
    parts = [] if latest.parent is None else ["a diff by key against the parent"]
    parts += [f"{plural(wording.set_aside(latest), 'row')} set aside with reasons"] if wording.set_aside(latest) else []
    return listed([*parts, "a content hash of every split"])


def _evaluated(latest: Iteration, quote: Quote) -> str:
    found = latest.evidence
    if found is not None:
        what = f"parent and candidate trained alike, {wording.seeds(found.seeds)}"
        return f"{what}: {wording.DECISIONS[latest.decision.verdict]}"
    if latest.scores and latest.approach.get("target"):
        return f"{quote(str(latest.approach['target']))} trained on it and scored"
    return ""


def _delivered(latest: Iteration, quote: Quote) -> str:
    if not wording.published(latest):
        return ""
    return f"one commit with card, changelog and manifest, tagged {quote(latest.version)}"
