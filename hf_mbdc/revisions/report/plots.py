"""The drawings of the report page as SVG: places across in per cent, so that they fit any width with text of one size.

Colours come from the page's style by class, so light and dark are the page's choice; shapes say the same without
colour. Names from data are escaped, and shown with what hides in them.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from markupsafe import Markup

from hf_mbdc.records import Evidence
from hf_mbdc.revisions.card import wording
from hf_mbdc.revisions.card.series import Trend, TrendPoint
from hf_mbdc.revisions.escape import visible

HEIGHT, TOP, BOTTOM = 260, 34, 34  # of a trend, in pixels, with the room for its labels
LEFT, RIGHT = 14.0, 90.0  # per cent of the width between which the versions stand
MOST_TICKS = 5
Height = Callable[[float], float]  # score → place from the top, in pixels


def trend_svg(trend: Trend) -> Markup:
    """The scores of a series, the intervals of what was compared, and refused candidates beside the line."""
    points = [point for point in trend.points if math.isfinite(point.score)]
    low, high, step = _scale([number for point in points for number in _numbers(point)])
    places = [_across(number, len(points)) for number in range(len(points))]

    def y(score: float) -> float:
        return TOP + (high - score) / (high - low) * (HEIGHT - TOP - BOTTOM)

    scores = {point.score for point in points}
    digits = 2 if step >= 0.01 and len({round(score, 2) for score in scores}) == len(scores) else 3
    parts = [*_grid(low, high, step, y), *_line(points, places, y)]
    for place, point in zip(places, points, strict=True):
        parts += _point(place, point, y, digits)
    return _svg(f"trend{' many' if len(points) > 6 else ''}", HEIGHT, parts, _spoken(trend, points))


def interval_svg(evidence: Evidence, difference: float, interval: tuple[float, float]) -> Markup:
    """A difference with its interval on the scale that all slices share; nothing where nothing was measured."""
    if not all(map(math.isfinite, (difference, *interval))):
        return Markup("")
    found = [
        evidence.difference,
        *evidence.interval,
        *(n for s in evidence.slices for n in (s.difference, *s.interval)),
    ]
    reach = 1.08 * max((abs(number) for number in found if math.isfinite(number)), default=0) or 1.0
    x = [50 + 50 * number / reach for number in (difference, *interval)]
    kind = "gain" if interval[0] > 0 else "loss" if interval[1] < 0 else "unclear"
    parts = [
        '<line class="zero" x1="50%" x2="50%" y1="0" y2="24"/>',
        f'<line class="{kind}" x1="{x[1]:.2f}%" x2="{x[2]:.2f}%" y1="12" y2="12"/>',
        f'<circle class="{kind}" cx="{x[0]:.2f}%" cy="12" r="5"/>',
    ]
    return _svg("interval", 24, parts, None)


def _svg(kind: str, height: int, parts: Sequence[str], spoken: str | None) -> Markup:
    label = 'aria-hidden="true"' if spoken is None else f'role="img" aria-label="{html.escape(spoken)}"'
    return Markup(f'<svg class="{kind}" width="100%" height="{height}" {label}>{"".join(parts)}</svg>')


def _numbers(point: TrendPoint) -> list[float]:
    return [number for number in (point.score, *(point.interval or ())) if math.isfinite(number)]


def _scale(numbers: Sequence[float]) -> tuple[float, float, float]:
    """The lowest and the highest tick, and the step between ticks: 1, 2 or 5 times a power of ten."""
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    reach = max(high - low, 0.01)
    power = 10 ** math.floor(math.log10(reach / MOST_TICKS))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor * MOST_TICKS >= reach)
    return (
        step * math.floor(low / step + 1e-9),
        step * max(math.ceil(high / step - 1e-9), math.floor(low / step) + 1),
        step,
    )


def _across(number: int, count: int) -> float:
    return (LEFT + RIGHT) / 2 if count == 1 else LEFT + (RIGHT - LEFT) * number / (count - 1)


def _grid(low: float, high: float, step: float, y: Height) -> Iterator[str]:
    digits = 2 if step >= 0.01 else 3
    for number in range(round((high - low) / step) + 1):
        score = low + number * step
        yield f'<line class="grid" x1="0" x2="100%" y1="{y(score):.1f}" y2="{y(score):.1f}"/>'
        yield f'<text class="tick" x="0" y="{y(score) - 4:.1f}">{wording.number(score, digits)}</text>'


def _line(points: Sequence[TrendPoint], places: Sequence[float], y: Height) -> Iterator[str]:
    taken = [(place, point) for place, point in zip(places, points, strict=True) if not point.refused]
    for (x1, before), (x2, after) in pairwise(taken):
        yield (
            f'<line class="path" x1="{x1:.2f}%" x2="{x2:.2f}%" y1="{y(before.score):.1f}" y2="{y(after.score):.1f}"/>'
        )


def _point(place: float, point: TrendPoint, y: Height, digits: int) -> Iterator[str]:
    kind = "refused" if point.refused else "taken"
    told = wording.number(point.score, digits)
    if point.interval is not None and all(map(math.isfinite, point.interval)):
        low, high = (y(bound) for bound in point.interval)
        yield f'<line class="reach {kind}" x1="{place:.2f}%" x2="{place:.2f}%" y1="{low:.1f}" y2="{high:.1f}"/>'
    name = html.escape(visible(point.version, 60))
    short = html.escape(visible(point.version.rpartition("/")[2], 12))
    title = f"<title>{name}: {told}</title>"
    yield f'<circle class="{kind}" cx="{place:.2f}%" cy="{y(point.score):.1f}" r="6">{title}</circle>'
    yield f'<text class="value" x="{place:.2f}%" y="{y(point.score) - 13:.1f}">{told}</text>'
    yield f'<text class="name {kind}" x="{place:.2f}%" y="{HEIGHT - 10}">{short}</text>'


def _spoken(trend: Trend, points: Sequence[TrendPoint]) -> str:
    told = (
        f"{visible(point.version, 60)}{' (refused)' if point.refused else ''} {wording.number(point.score, 3)}"
        for point in points
    )
    return f"{visible(trend.metric, 60)} on {visible(trend.split, 60)} by version: {', '.join(told)}"
