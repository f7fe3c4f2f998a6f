"""The drawings of a diagnosis as SVG: places across in per cent, so that they fit any width with text of one size.

Colours come from the page's style by class, so light and dark are the page's choice; shapes say the same without
colour. Nothing in them is text from data.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

HEIGHT, TOP, BOTTOM, LEFT, RIGHT = 320, 12, 40, 9.0, 98.0  # of the map; left and right in per cent
MOST_POINTS = 1500
WIDEST = 0.5  # no probability varies more
REGIONS = ("hard", "ambiguous", "easy")


def score_svg(score: float, interval: tuple[float, float], whole: float) -> Markup:
    """A score from 0 to 1 with its interval, and the score of all rows as a line to compare with."""
    kind = "loss" if interval[1] < whole else "gain" if interval[0] > whole else "unclear"
    parts = [
        '<line class="grid" x1="0" x2="100%" y1="12" y2="12"/>',
        f'<line class="zero" x1="{100 * whole:.2f}%" x2="{100 * whole:.2f}%" y1="0" y2="24"/>',
        f'<line class="{kind}" x1="{100 * interval[0]:.2f}%" x2="{100 * interval[1]:.2f}%" y1="12" y2="12"/>',
        f'<circle class="{kind}" cx="{100 * score:.2f}%" cy="12" r="5"/>',
    ]
    return frame_svg("interval", 24, parts, None)


def share_svg(share: float) -> Markup:
    """A share from 0 to 1 as a bar."""
    parts = [
        '<rect class="rail" x="0" y="6" width="100%" height="10" rx="5"/>',
        f'<rect class="bar" x="0" y="6" width="{100 * share:.2f}%" height="10" rx="5"/>',
    ]
    return frame_svg("share", 22, parts, None)


def map_svg(confidence: np.ndarray, variability: np.ndarray, region: np.ndarray) -> Markup:
    """Training rows by how much the probability of their label varied (across) and how high it was (up).

    Of more than 1,500 rows, evenly many are drawn, so that no page grows with its data.
    """
    some = np.unique(np.linspace(0, len(confidence) - 1, min(len(confidence), MOST_POINTS)).round().astype(int))
    counts = {name: int((region == name).sum()) for name in REGIONS}
    spoken = "Data map: " + ", ".join(f"{count} {name}" for name, count in counts.items()) + " training rows"
    points = [
        _point(name, LEFT + (RIGHT - LEFT) * min(1.0, across / WIDEST), _height(up))
        for name, across, up in zip(
            region[some].tolist(), variability[some].tolist(), confidence[some].tolist(), strict=True
        )
    ]
    return frame_svg("map", HEIGHT, [*_axes(), *points], spoken)


def _axes() -> list[str]:
    parts = []
    for tick in (0.0, 0.5, 1.0):
        y = _height(tick)
        parts.append(f'<line class="grid" x1="{LEFT}%" x2="{RIGHT}%" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick" x="0" y="{y + 4:.1f}">{tick:.1f}</text>')
    for tick in (0.0, 0.25, 0.5):
        x = LEFT + (RIGHT - LEFT) * tick / WIDEST
        parts.append(f'<text class="name" x="{min(x, 96.0):.2f}%" y="{HEIGHT - 22}">{tick:.4g}</text>')
    parts.append(f'<text class="name" x="{(LEFT + RIGHT) / 2}%" y="{HEIGHT - 4}">variability over epochs</text>')
    return parts


def _height(share: float) -> float:
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def _point(region: str, x: float, y: float) -> str:
    """A circle for easy rows, a ring for ambiguous ones, a bar for hard ones."""
    if region == "hard":
        return f'<line class="hard" x1="{x - 0.5:.2f}%" x2="{x + 0.5:.2f}%" y1="{y:.1f}" y2="{y:.1f}"/>'
    return f'<circle class="{"ambiguous" if region == "ambiguous" else "easy"}" cx="{x:.2f}%" cy="{y:.1f}" r="3"/>'


def frame_svg(kind: str, height: int, parts: Sequence[str], spoken: str | None) -> Markup:
    """A drawing of its parts, which a screen reader tells by `spoken`, or passes over."""
    label = 'aria-hidden="true"' if spoken is None else f'role="img" aria-label="{html.escape(spoken)}"'
    return Markup(f'<svg class="{kind}" width="100%" height="{height}" {label}>{"".join(parts)}</svg>')
