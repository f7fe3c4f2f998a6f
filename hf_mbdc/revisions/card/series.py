"""Which scores can be compared: those on the same evaluation rows, of the same metric and target, are one series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hf_mbdc.records import Evidence, Iteration
from hf_mbdc.revisions.card import wording

MOST_VERSIONS = 12  # of a trend, that are drawn


@dataclass(frozen=True)
class TrendPoint:
    """A scored version; `refused` candidates are drawn beside the line.

    `interval`: where the score lies when that of the parent is taken as it is, so the parent's score plus the interval
    of the difference; None where nothing was compared.
    """

    version: str
    score: float
    refused: bool = False
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Trend:
    """The scored versions of one series, oldest first; `since`: the version in which its evaluation rows appeared."""

    metric: str
    split: str
    since: str | None
    points: tuple[TrendPoint, ...]


def trends(iterations: Sequence[Iteration]) -> list[Trend]:
    """The series of a history, the one that was measured last first.

    Args:
        iterations: oldest first.
    """
    last: dict[Any, int] = {}
    for place, item in enumerate(iterations):
        if item.evidence is not None:
            key = (*_measured_how(item, item.evidence), item.series)
            last.pop(key, None)
            last[key] = place
    found = []
    for place in reversed(last.values()):
        newest = iterations[place]
        assert newest.evidence is not None
        points = tuple(trend_points(iterations[: place + 1]))
        found.append(Trend(newest.evidence.metric, newest.evidence.split, newest.series, points))
    return found


def trend_points(iterations: Sequence[Iteration]) -> list[TrendPoint]:
    """The scores of the last 12 versions measured like the newest one: same target, metric and evaluation rows.

    A parent gets the score that the evidence of the next version gives it, so the baseline, which has scores but no
    evidence, begins the trend. Which rows are the same is on record (`Iteration.series`); in older records an edit of
    the evaluation split cuts the trend.

    Args:
        iterations: oldest first.
    """
    measured = [(item, item.evidence) for item in iterations if item.evidence is not None]
    if not measured:
        return []
    newest, evidence = measured[-1]
    how, split = _measured_how(newest, evidence), evidence.split
    points: list[TrendPoint] = []
    edited = False
    for item in iterations:
        found = item.evidence
        told = item.series is not None and newest.series is not None
        if found is not None and _measured_how(item, found) == how and (not told or item.series == newest.series):
            points, edited = [] if edited and not told else points, False
            if item.parent and item.parent.version not in {point.version for point in points if not point.refused}:
                points.append(TrendPoint(item.parent.version, found.parent))
            points.append(_point(item, found))
        edited |= wording.published(item) and split in wording.changed_splits(item.diff)
    return points[-MOST_VERSIONS:]


def evaluation(iteration: Iteration, before: Sequence[Iteration]) -> tuple[str, str | None] | None:
    """The split that scores are measured on, and the version in which its rows appeared; None when none is known.

    A version that was published by hand names no evaluation split: that of the newest version before counts, or, when
    none names one, the split `test`, as in a recipe.

    Args:
        before: the iterations before it, oldest first.
    """
    named = (
        item.evidence.split if item.evidence else (item.recipe.get("evaluation") or {}).get("split")
        for item in [iteration, *reversed(before)]
    )
    name = str(next(filter(None, named), "test"))
    split = iteration.splits.get(name)
    return None if split is None else (name, split.since)


def starts_series(iteration: Iteration, before: Sequence[Iteration]) -> str | None:
    """The evaluation split, when its rows changed in this version, so that earlier scores say nothing of later ones."""
    found = evaluation(iteration, before)
    if found is None or iteration.parent is None:
        return None
    split, since = found
    return split if since == iteration.version and split in wording.changed_splits(iteration.diff) else None


def _point(item: Iteration, found: Evidence) -> TrendPoint:
    low, high = found.interval
    interval = (found.parent + low, found.parent + high)
    return TrendPoint(wording.name(item), found.candidate, not wording.published(item), interval)


def _measured_how(iteration: Iteration, found: Evidence) -> tuple[Any, ...]:
    """What two measurements must share to be joined, but for edits of the rows.

    Not the content hash of the evaluation split: it changes with the first step, which adds the columns of provenance
    to every split, and they are no part of what is measured.
    """
    return found.metric, found.split, found.rows, found.clusters, iteration.approach.get("target")
