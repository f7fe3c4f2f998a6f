"""Correction for many slices: Holm's example, and what counts as sure."""

from __future__ import annotations

import doctest

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import hf_mbdc.guidance.slices as module
from hf_mbdc.guidance.slices import holm, likely_gains, likely_losses, sure_gains, sure_losses
from hf_mbdc.records import SliceEvidence


def test_example_in_the_docstring() -> None:
    assert doctest.testmod(module).failed == 0


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_corrected_p_values_keep_their_order_and_are_never_below_the_raw_ones(raw: list[float]) -> None:
    found = np.array(holm(raw))
    assert (found >= np.array(raw) - 1e-12).all()
    assert (np.diff(found[np.argsort(raw, kind="stable")]) >= 0).all()


def test_no_slice_no_value() -> None:
    assert holm([]) == []


def test_sure_and_likely_are_kept_apart() -> None:
    def part(name: str, interval: tuple[float, float], together: tuple[float, float] | None) -> SliceEvidence:
        return SliceEvidence(name, 9, 0.5, 0.5, 0.0, interval, 0.5, together)

    slices = [
        part("fell", (-0.3, -0.2), (-0.4, -0.1)),
        part("may have fallen", (-0.3, -0.1), (-0.4, 0.1)),
        part("open", (-0.3, 0.1), (-0.4, 0.2)),
        part("rose", (0.2, 0.3), (0.1, 0.4)),
        part("of an older record", (0.2, 0.3), None),
    ]
    names = [[part.name for part in pick(slices)] for pick in (sure_losses, likely_losses, sure_gains, likely_gains)]
    assert names == [["fell"], ["may have fallen"], ["rose"], ["of an older record"]]
