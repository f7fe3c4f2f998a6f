"""The curve of a mixing ratio as SVG, in the style of the drawings of a diagnosis."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from hf_mbdc.experiments.diagnosis_plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, frame_svg
from hf_mbdc.guidance.mixing import Curve, Mixing


def mixing_svg(found: Mixing, source: str) -> Markup:
    """The score by the share of one source, as a curve in its band, the trainings as rings, the choice as a dot.

    Away from the curve's ratios, a training's ring may lie off the band: it had another mix of the other sources.

    Args:
        found: by `search_ratio`.
        source: the one whose share goes across.

    Raises:
        KeyError: the search had no such source.
    """
    curve = {item.source: item for item in found.curves}[source]
    scores = [point.score for point in found.points]
    low, high = min(float(curve.low.min()), *scores), max(float(curve.high.max()), *scores)
    ticks = [low + (high - low) * step / 4 for step in range(5)]

    def height(score: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - score) / ((high - low) or 1.0)

    parts = [*_axes(ticks, height), *_band(curve, height)]
    parts += [
        f'<circle class="ambiguous" cx="{_across(point.ratio[source]):.2f}%" cy="{height(point.score):.1f}" r="4"/>'
        for point in found.points
    ]
    chosen = f'cx="{_across(found.ratio[source]):.2f}%" cy="{height(found.score):.1f}"'
    parts.append(f'<circle class="gain" {chosen} r="6"/>')
    spoken = f"Score by the share of {source}: best at {found.ratio[source]:.0%} with {found.score:.4f}"
    return frame_svg("map", HEIGHT, parts, spoken)


def _across(share: float) -> float:
    return LEFT + (RIGHT - LEFT) * share


def _axes(ticks: Sequence[float], height: Callable[[float], float]) -> list[str]:
    parts = []
    for tick in ticks:
        y = height(tick)
        parts.append(f'<line class="grid" x1="{LEFT}%" x2="{RIGHT}%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="0" y="{y + 4:.1f}">{tick:.3f}</text>')
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = min(_across(share), 96.0)
        parts.append(f'<text class="name" x="{x:.2f}%" y="{HEIGHT - 22}">{share:.0%}</text>')
    return parts


def _band(curve: Curve, height: Callable[[float], float]) -> list[str]:
    """The interval as bars side by side and the curve as lines: paths know no per cent."""
    parts = []
    for n in range(len(curve.shares) - 1):
        left, right = _across(float(curve.shares[n])), _across(float(curve.shares[n + 1]))
        top, bottom = height(float(curve.high[n : n + 2].mean())), height(float(curve.low[n : n + 2].mean()))
        size = f'width="{right - left:.2f}%" height="{bottom - top:.1f}"'
        parts.append(f'<rect class="rail" x="{left:.2f}%" y="{top:.1f}" {size}/>')
    for n in range(len(curve.shares) - 1):
        left, right = _across(float(curve.shares[n])), _across(float(curve.shares[n + 1]))
        ends = f'y1="{height(float(curve.score[n])):.1f}" y2="{height(float(curve.score[n + 1])):.1f}"'
        parts.append(f'<line class="gain" x1="{left:.2f}%" x2="{right:.2f}%" {ends}/>')
    return parts
