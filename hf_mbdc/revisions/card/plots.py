"""The two plots of a dataset card: what a version did to the target model, and the trend over all versions.

Equal records give equal bytes (with one version of matplotlib): its own defaults instead of the user's, the bundled
font, no metadata, no pyplot state. Colours are the blue and vermilion of Okabe and Ito, which colour-blind readers tell
apart: blue for the new version and what it gains, vermilion for what it loses. The shape of the markers says the same
without colour.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hf_mbdc.records import Evidence, SliceEvidence
from hf_mbdc.revisions.card import wording
from hf_mbdc.revisions.card.series import TrendPoint
from hf_mbdc.revisions.escape import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

NEW, LOSS, OLD, QUIET, INK = "#0072B2", "#D55E00", "#57606A", "#8A8F98", "#24292F"
KINDS = {"gain": (NEW, ">", True), "loss": (LOSS, "<", False), "unclear": (QUIET, "o", True)}  # colour, marker, filled
DPI = 150
MOST_SLICES = 12  # the tables of the card have them all
STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#D0D7DE",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "xtick.color": INK,
    "ytick.color": INK,
    "ytick.major.size": 0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.xmargin": 0.08,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "grid.color": "#EAEEF2",
}


def evidence_plot(evidence: Evidence, parent: str, candidate: str) -> bytes:
    """A PNG of the scores of parent and candidate per slice, and of their differences with intervals.

    Args:
        evidence: as recorded; at most 12 slices are drawn, those that moved most.
        parent, candidate: the names of the two versions.

    Example:
        >>> evidence_plot(iteration.evidence, "v1.0.0", "v2.0.0")[:4]  # doctest: +SKIP
        b'\\x89PNG'
    """
    lines = _lines(evidence)
    with _style():
        figure = _new_figure(8.0, 1.25 + 0.36 * len(lines))
        scores, differences = figure.subplots(1, 2, sharey=True, width_ratios=(1.15, 1))
        places = list(range(len(lines)))[::-1]
        _draw_scores(scores, lines, places, parent, candidate)
        _draw_differences(differences, lines, places, evidence)
        scores.set_yticks(places, [_label(line, number) for number, line in enumerate(lines)], parse_math=False)
        scores.get_yticklabels()[0].set_fontweight("bold")
        scores.set_ylim(-0.6, len(lines) - 0.4)
        scores.set_title(f"{_drawable(evidence.metric, 'score')}, by slice", parse_math=False, pad=26)
        differences.set_title(f"difference, {100 * evidence.confidence:.4g} % interval", pad=26)
        return _png(figure)


def trend_plot(points: Sequence[TrendPoint], metric: str, split: str) -> bytes:
    """A PNG of the score of every version; accepted versions are joined, refused candidates stand beside the line.

    A bar is the interval of the difference from the parent, laid onto the parent's score.
    """
    with _style():
        figure = _new_figure(8.0, 2.6)
        axes = figure.subplots()
        taken = [(place, point.score) for place, point in enumerate(points) if not point.refused]
        refused = [(place, point.score) for place, point in enumerate(points) if point.refused]
        for place, point in enumerate(points):
            if point.interval is not None and all(map(math.isfinite, point.interval)):
                axes.vlines(place, *point.interval, color=QUIET if point.refused else NEW, linewidth=6, alpha=0.25)
        axes.plot(*zip(*taken, strict=True), color=NEW, marker="o", markersize=7, linewidth=1.8, label="published")
        if refused:
            shape: dict[str, Any] = {"facecolor": "white", "edgecolor": QUIET, "marker": "X", "s": 64, "zorder": 3}
            axes.scatter(*zip(*refused, strict=True), label="refused candidate", **shape)
            axes.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1.0), ncols=2, borderaxespad=0)
        scores = [point.score for point in points]
        digits = 2 if len({round(score, 2) for score in scores}) == len(set(scores)) else 3
        for place, point in enumerate(points):
            text = wording.number(point.score, digits)
            axes.annotate(text, (place, point.score), (0, 8), textcoords="offset points", ha="center")
        names = [_drawable(point.version, "?").replace("/", "/\n") for point in points]
        axes.set_xticks(range(len(points)), names, parse_math=False, fontsize=10 if len(points) <= 8 else 7.5)
        axes.set_xlim(-0.4, len(points) - 0.6)
        axes.margins(y=0.3)
        axes.grid(axis="x", visible=False)
        axes.grid(axis="y", visible=True)
        _tick(axes.yaxis)
        axes.set_title(f"{_drawable(metric, 'score')} on {_drawable(split, 'the evaluation split')}", parse_math=False)
        return _png(figure)


def _lines(evidence: Evidence) -> list[SliceEvidence]:
    """All rows, then the slices that moved most, in their recorded order; one without a score has nothing to draw."""
    scored = [item for item in evidence.slices if math.isfinite(item.difference)]
    kept = sorted(scored, key=lambda item: -abs(item.difference))[:MOST_SLICES]
    whole = SliceEvidence(
        "all rows", evidence.rows, evidence.parent, evidence.candidate, evidence.difference, evidence.interval
    )
    return [whole, *(item for item in scored if item in kept)]


def _draw_scores(
    axes: Axes, lines: Sequence[SliceEvidence], places: Sequence[int], parent: str, candidate: str
) -> None:
    before, after = [line.parent for line in lines], [line.candidate for line in lines]
    axes.hlines(places, before, after, color=QUIET, linewidth=1.6, zorder=2)
    # The candidate is the smaller marker on top, so that equal scores show as a dot in a ring.
    ring: dict[str, Any] = {"s": 84, "facecolor": "white", "edgecolor": OLD, "linewidth": 1.8, "zorder": 3}
    axes.scatter(before, places, label=_drawable(parent, "parent"), **ring)
    axes.scatter(after, places, s=34, color=NEW, zorder=4, label=_drawable(candidate, "candidate"))
    axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0, handletextpad=0)
    _tick(axes.xaxis)


def _draw_differences(axes: Axes, lines: Sequence[SliceEvidence], places: Sequence[int], evidence: Evidence) -> None:
    digits = wording.digits_for(evidence)
    axes.axvline(0, color=INK, linewidth=1, zorder=2)
    for place, line in zip(places, lines, strict=True):
        kind = _kind(line.interval)
        colour, shape, filled = KINDS[kind]
        axes.hlines(place, *line.interval, color=colour, linewidth=2.4, zorder=3)
        face = colour if filled else "white"
        axes.scatter(
            [line.difference], [place], s=52, marker=shape, facecolor=face, edgecolor=colour, linewidth=1.6, zorder=4
        )
        axes.annotate(
            wording.number(line.difference, digits, signed=True),
            (1.02, place),
            xycoords=("axes fraction", "data"),
            va="center",
            color=colour if kind == "loss" else INK,
            fontweight="normal" if kind == "unclear" else "bold",
        )
    _explain(axes, sorted({_kind(line.interval) for line in lines}, key=list(KINDS).index))
    if evidence.minimum_effect > 0:
        axes.axvline(evidence.minimum_effect, color=INK, linewidth=1, linestyle=":", zorder=2)
    _tick(axes.xaxis, signed=True)


def _kind(interval: tuple[float, float]) -> str:
    return "gain" if interval[0] > 0 else "loss" if interval[1] < 0 else "unclear"


def _explain(axes: Axes, kinds: Sequence[str]) -> None:
    """A legend of the kinds of difference that are drawn."""
    from matplotlib.lines import Line2D

    handles = []
    for kind in kinds:
        colour, shape, filled = KINDS[kind]
        look: dict[str, Any] = {"markerfacecolor": colour if filled else "white", "markeredgecolor": colour}
        handles.append(Line2D([], [], color=colour, linewidth=2.4, marker=shape, markersize=7, label=kind, **look))
    axes.legend(handles=handles, frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0)


def _tick(axis: Axis, signed: bool = False) -> None:
    """Round ticks, and as many digits as tell them apart."""
    from matplotlib.ticker import MaxNLocator

    low, high = axis.get_view_interval()
    digits = 2 if high - low >= 0.06 else 3  # with at most six steps of 1, 2 or 5
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(lambda value, _: wording.number(value, digits, signed=signed))


def _label(line: SliceEvidence, number: int) -> str:
    return f"{_drawable(line.name, f'slice {number}')}  (n = {wording.count(line.rows)})"


def _drawable(text: str, otherwise: str) -> str:
    """The text when the bundled font has all its characters, else a stand-in: the table by the plot has the name."""
    from matplotlib.font_manager import findfont, get_font

    shown = visible(text, 28)
    known = get_font(findfont("DejaVu Sans")).get_charmap()
    return shown if all(ord(character) in known for character in shown) else otherwise


def _style() -> Any:
    import matplotlib
    from matplotlib import rc_context

    return rc_context({**matplotlib.rcParamsDefault, **STYLE, "backend": "agg"})


def _new_figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")


def _png(figure: Figure) -> bytes:
    """The figure in 64 colours: a third of the size, and no reader sees the difference."""
    from PIL import Image

    drawn, packed = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", metadata={"Software": None})
    image = Image.open(drawn).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    image.save(packed, format="png", optimize=True)
    return packed.getvalue()
