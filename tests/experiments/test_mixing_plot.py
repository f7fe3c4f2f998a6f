"""The curve of a mixing ratio: where the choice, the trainings and the band are drawn, and that nothing is injected."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence

import pytest

from hf_mbdc.experiments.diagnosis_plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP
from hf_mbdc.experiments.mixing_plot import mixing_svg
from hf_mbdc.guidance.mixing import Mixing, search_ratio

MADE = '<made> & "co"'


def search() -> Mixing:
    def score(ratios: Sequence[dict[str, float]]) -> list[list[list[float]]]:
        return [[[1 - (ratio[MADE] - 0.3) ** 2 + seed] for seed in (0.0, 0.01)] for ratio in ratios]

    return search_ratio(["real", MADE], score, points=6)


def test_the_curve_its_band_the_trainings_and_the_choice() -> None:
    found = search()
    root = ElementTree.fromstring(str(mixing_svg(found, MADE)))
    assert root.attrib["aria-label"].startswith(f"Score by the share of {MADE}: best at 30%")
    kinds = [item.attrib.get("class") for item in root]
    assert kinds.count("ambiguous") == len(found.points)
    assert kinds.count("rail") == 100
    (choice,) = [item for item in root if item.tag == "circle" and item.attrib["class"] == "gain"]
    assert choice.attrib["cx"] == f"{LEFT + 0.3 * (RIGHT - LEFT):.2f}%"
    heights = [float(item.attrib["cy"]) for item in root if item.tag == "circle"]
    assert float(choice.attrib["cy"]) == pytest.approx(min(heights), abs=3)  # the best is the highest
    assert all(TOP <= height <= HEIGHT - BOTTOM for height in heights)
    assert all(float(item.attrib["height"]) >= 0 for item in root if item.tag == "rect")


def test_names_of_sources_cannot_break_out() -> None:
    text = str(mixing_svg(search(), MADE))
    assert "<made>" not in text
    assert len(re.findall("<svg", text)) == 1


def test_another_source_is_no_curve() -> None:
    with pytest.raises(KeyError):
        mixing_svg(search(), "reel")
