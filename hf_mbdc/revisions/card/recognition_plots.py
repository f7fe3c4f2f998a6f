"""The pictures of a dataset of word images: some of its new images, how often characters occur, and the ratio at which
sources were mixed. Equal data give equal bytes, as of `plots`."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hf_mbdc.image_formats import FORMATS
from hf_mbdc.revisions.card import wording
from hf_mbdc.revisions.card.plots import INK, NEW, OLD, QUIET, _drawable, _new_figure, _png, _style, _tick
from hf_mbdc.revisions.escape import visible

SHEET_WIDTH, ROW_HEIGHT, GAP = 1200, 40, 8  # pixels
PAGE, EMPTY = (238, 241, 244), (208, 215, 222)


def contact_sheet(files: Sequence[bytes]) -> bytes:
    """A PNG of word images side by side, each as high as the others; one that cannot be decoded is a grey field.

    Args:
        files: encoded images, in the order in which they are shown.

    Example:
        >>> contact_sheet([png_of_a_word])[:4]  # doctest: +SKIP
        b'\\x89PNG'
    """
    from PIL import Image

    images = [_fitted(file) for file in files]
    places, x, y = [], GAP, GAP
    for image in images:
        if x > GAP and x + image.width + GAP > SHEET_WIDTH:
            x, y = GAP, y + ROW_HEIGHT + GAP
        places.append((x, y))
        x += image.width + GAP
    sheet = Image.new("RGB", (SHEET_WIDTH, y + ROW_HEIGHT + GAP), PAGE)
    for image, place in zip(images, places, strict=True):
        sheet.paste(image, place)
    buffer = io.BytesIO()
    sheet.quantize(128, dither=Image.Dither.NONE).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _fitted(file: bytes) -> Any:
    """An image at the height of a row, cut at the width of the sheet."""
    from PIL import Image

    widest = SHEET_WIDTH - 2 * GAP
    try:
        with Image.open(io.BytesIO(file), formats=FORMATS) as opened:
            if opened.width * opened.height > 1 << 24:
                raise ValueError("larger than the image of a word")
            image = opened.convert("RGB")
    except MemoryError:
        raise
    except Exception:  # a decoder of Pillow answers broken bytes with nearly any type; a grey field says so
        return Image.new("RGB", (ROW_HEIGHT, ROW_HEIGHT), EMPTY)
    width = max(1, round(image.width * ROW_HEIGHT / image.height))
    if width > widest:  # what is cut off is not scaled first: a line may be a thousand times as wide as high
        image = image.crop((0, 0, max(1, widest * image.height // ROW_HEIGHT), image.height))
        width = widest
    return image.resize((width, ROW_HEIGHT), Image.Resampling.BILINEAR)


def frequency_plot(before: np.ndarray | None, after: np.ndarray, parent: str, candidate: str) -> bytes:
    """A PNG of how often each character occurs in the train split, the most frequent one first, on logarithmic scales.

    Args:
        before, after: int64 (characters,) counts, in any order; 0 for those of the charset that do not occur. `before`
            is None for a first version.
        parent, candidate: the names of the two versions.
    """
    with _style():
        figure = _new_figure(8.0, 3.0)
        axes = figure.subplots()
        for counts, name, color, style in (
            (before, _drawable(parent, "parent"), OLD, "--"),
            (after, _drawable(candidate, "candidate"), NEW, "-"),
        ):
            if counts is not None:
                ordered = np.sort(counts)[::-1]
                unseen = int((counts == 0).sum())
                told = f"{name}: {len(counts) - unseen:,} characters" + (f", {unseen:,} never" if unseen else "")
                seen = ordered[ordered > 0]
                axes.plot(np.arange(1, len(seen) + 1), seen, label=told, color=color, linestyle=style, linewidth=2)
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(axis="y", visible=True)
        axes.set_xlabel("rank of the character")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.legend(frameon=False, loc="upper right")
        axes.set_title("occurrences in train")
        return _png(figure)


def bucket_plot(buckets: Mapping[str, Mapping[str, tuple[float, float, float]]], parent: str, candidate: str) -> bytes:
    """A PNG of F1 of the characters of each bucket of frequency, of both versions, with intervals.

    Args:
        buckets: as in `Evidence.buckets`: name → `parent`, `candidate` → F1 and the ends of its interval.
        parent, candidate: the names of the two versions.
    """
    sides = (("parent", parent, OLD, "o", -0.12), ("candidate", candidate, NEW, "s", 0.12))
    with _style():
        figure = _new_figure(8.0, 1.2 + 0.5 * len(buckets))
        axes = figure.subplots()
        known = [name for name in ("all", "many", "medium", "few") if name in buckets]  # a manifest sorts its keys
        ordered = {name: buckets[name] for name in [*known, *(other for other in buckets if other not in known)]}
        places = np.arange(len(buckets))[::-1]
        for side, name, color, marker, shift in sides:
            pairs = zip(places, ordered.values(), strict=True)
            drawn = [(place - shift, found[side]) for place, found in pairs if side in found]
            for place, (value, low, high) in drawn:
                axes.hlines(place, low, high, color=color, linewidth=2.2)
                axes.annotate(wording.number(value, 2), (high, place), (6, 0), textcoords="offset points", va="center")
            if drawn:
                values, at = [found[0] for _, found in drawn], [place for place, _ in drawn]
                axes.scatter(values, at, color=color, marker=marker, s=40, label=_drawable(name, side), zorder=3)
        axes.set_yticks(places, [_drawable(name, f"bucket {n}") for n, name in enumerate(ordered)], parse_math=False)
        axes.set_ylim(-0.6, len(buckets) - 0.4)
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0)
        _tick(axes.xaxis)
        axes.set_title("F1 of characters, by how often they occur in train", pad=26)
        return _png(figure)


def mixing_plot(mixing: Mapping[str, Any]) -> bytes:
    """A PNG of the score by the share of each source: the curve in its band, the trainings as rings, the choice.

    Args:
        mixing: as recorded in `Iteration.mixing`: `ratio`, `score`, `points`, and `curves` by source, each with
            `shares`, `score`, `low` and `high`.
    """
    sources = [name for name in mixing["ratio"] if name in mixing["curves"]]
    with _style():
        figure = _new_figure(8.0, 2.9)
        for number, (axes, source) in enumerate(
            zip(figure.subplots(1, len(sources), sharey=True, squeeze=False)[0], sources, strict=True)
        ):
            curve = mixing["curves"][source]
            axes.fill_between(curve["shares"], curve["low"], curve["high"], color=NEW, alpha=0.18, linewidth=0)
            axes.plot(curve["shares"], curve["score"], color=NEW, linewidth=1.8)
            trained = [(point["ratio"][source], point["score"]) for point in mixing["points"]]
            axes.scatter(*zip(*trained, strict=True), facecolor="white", edgecolor=QUIET, linewidth=1.5, s=36, zorder=3)
            axes.scatter([mixing["ratio"][source]], [mixing["score"]], color=INK, marker="D", s=46, zorder=4)
            axes.set_title(f"share of {_drawable(visible(source, 24), f'source {number}')}", parse_math=False)
            axes.set_xlim(-0.05, 1.05)
            axes.set_xticks([0, 0.5, 1], ["0", "half", "all"])
            axes.grid(axis="y", visible=True)
            _tick(axes.yaxis)
        return _png(figure)
