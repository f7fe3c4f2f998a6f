"""The plots: equal bytes for equal records, small, readable whatever the names are."""

from __future__ import annotations

import dataclasses
import io
import math
import warnings
from pathlib import Path

import pytest
from PIL import Image

from hf_mbdc.records import Decision, Evidence, Iteration, SliceEvidence, SplitRecord
from hf_mbdc.revisions.card.plots import KINDS, _kind, evidence_plot, trend_plot
from hf_mbdc.revisions.card.series import TrendPoint, trend_points

Told = tuple[str, float, bool]
GOLDEN = Path(__file__).parents[1] / "golden"
BUDGET = 40_000  # bytes


def read(name: str) -> Iteration:
    return Iteration.from_json((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def told(iterations: list[Iteration]) -> list[Told]:
    """The trend without its intervals."""
    return [(point.version, point.score, point.refused) for point in trend_points(iterations)]


@pytest.fixture
def evidence() -> Evidence:
    found = read("receipts_v2").evidence
    assert found is not None
    return found


def check(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    assert image.format == "PNG"
    assert not image.info.keys() - {"transparency"}  # no software, no time
    assert len(png) <= BUDGET
    assert image.width == 1200
    return image


def test_equal_records_give_equal_bytes(evidence: Evidence) -> None:
    import matplotlib

    before = evidence_plot(evidence, "v1.0.0", "v2.0.0")
    check(before)
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):  # a user's own style does not leak in
        assert evidence_plot(evidence, "v1.0.0", "v2.0.0") == before


@pytest.mark.parametrize(("interval", "loses"), [((0.01, 0.05), False), ((-0.05, -0.01), True), ((-0.01, 0.01), False)])
def test_a_loss_looks_unlike_a_gain(evidence: Evidence, interval: tuple[float, float], loses: bool) -> None:
    part = dataclasses.replace(evidence.slices[0], difference=sum(interval) / 2, interval=interval)
    image = check(evidence_plot(dataclasses.replace(evidence, slices=(part,)), "v1.0.0", "v2.0.0")).convert("RGB")
    colours = {colour for _, colour in image.getcolors(1 << 24)}
    blue, vermilion = (0, 114, 178), (213, 94, 0)  # Okabe and Ito's: the new version and its gains, and losses
    near = {
        wanted: min(sum(abs(a - b) for a, b in zip(colour, wanted, strict=True)) for colour in colours) < 12
        for wanted in (blue, vermilion)
    }
    assert near == {blue: True, vermilion: loses}


def test_gain_loss_and_neither_differ_in_shape_too() -> None:
    assert [_kind(interval) for interval in ((0.01, 0.05), (-0.05, -0.01), (0.0, 0.0))] == ["gain", "loss", "unclear"]
    assert len({shape for _, shape, _ in KINDS.values()}) == 3


def test_many_slices_with_awkward_names(evidence: Evidence) -> None:
    names = ["합계", "$x$ ^ \\frac", "a very long name of a slice that goes on", *map(str, range(30))]
    slices = [SliceEvidence(n, 79, 0.5, 0.5 + i / 100, i / 100, (i / 200, i / 50)) for i, n in enumerate(names)]
    slices.append(SliceEvidence("no rows", 0, math.nan, math.nan, math.nan, (math.nan, math.nan)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a missing glyph would warn
        image = check(evidence_plot(dataclasses.replace(evidence, slices=tuple(slices)), "v1", "v2"))
    few = check(evidence_plot(dataclasses.replace(evidence, slices=tuple(slices[3:15])), "v1", "v2"))
    assert image.height == few.height  # twelve slices at most


def test_trend_points() -> None:
    v1, v2, refused = read("receipts_v1"), read("receipts_v2"), read("receipts_v3_refused")
    assert trend_points([v1]) == []
    assert told([v1, v2, refused]) == [
        ("v1.0.0", 0.8228, False),
        ("v2.0.0", 0.8745, False),
        ("candidates/70707070", 0.866, True),
    ]


def test_only_what_was_measured_alike_is_joined() -> None:
    v1, v2, refused = read("receipts_v1"), read("receipts_v2"), read("receipts_v3_refused")
    assert refused.evidence is not None
    other_target = dataclasses.replace(refused, approach={**refused.approach, "target": "distilbert"})
    others = [
        dataclasses.replace(refused, evidence=dataclasses.replace(refused.evidence, **change))
        for change in ({"rows": 10}, {"clusters": 10}, {"metric": "anls"}, {"split": "validation"})
    ]
    for other in (other_target, *others):
        assert told([v1, v2, other]) == [
            ("v2.0.0", 0.8745, False),
            ("candidates/70707070", 0.866, True),
        ]


def test_columns_of_provenance_leave_the_trend_whole_and_edited_evaluation_rows_cut_it() -> None:
    v1, v2, refused = read("receipts_v1"), read("receipts_v2"), read("receipts_v3_refused")
    hashed = {**v1.splits, "test": SplitRecord(316, "99" * 32)}  # without the columns that v2 adds
    assert len(trend_points([dataclasses.replace(v1, splits=hashed), v2, refused])) == 3
    assert refused.parent is not None
    counts = {"rows_before": 316, "rows_after": 316, "added": 0, "removed": 0, "changed": 4}
    edited = dataclasses.replace(
        v2,
        version="v3.0.0",
        evidence=None,
        decision=Decision("unmeasured", "by hand"),
        diff={"splits": {"test": counts}},
    )
    newest = dataclasses.replace(
        refused, version="v4.0.0", parent=dataclasses.replace(refused.parent, version="v3.0.0")
    )
    cut = [("v3.0.0", 0.8745, False), ("candidates/70707070", 0.866, True)]
    assert told([v1, v2, edited, newest]) == cut
    train = dataclasses.replace(edited, diff={"splits": {"train": counts}})
    assert told([v1, v2, train, newest]) == [
        ("v1.0.0", 0.8228, False),
        ("v2.0.0", 0.8745, False),
        *cut,
    ]
    beside = dataclasses.replace(edited, decision=Decision("reject", "worse"))  # nothing follows from it
    assert len(trend_points([v1, v2, beside, newest])) == 4


def test_trend_plot_is_deterministic() -> None:
    points = [TrendPoint("v1.0.0", 0.82), TrendPoint("v2.0.0", 0.821), TrendPoint("v2.1.0", 0.81, refused=True)]
    plot = trend_plot(points, "exact_match", "test")
    check(plot)
    assert trend_plot(points, "exact_match", "test") == plot
    assert trend_plot(points[:2], "exact_match", "test") != plot
    wide = [*points[:2], dataclasses.replace(points[2], interval=(0.8, 0.82))]
    assert trend_plot(wide, "exact_match", "test") != plot
