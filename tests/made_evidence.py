"""Evidence of a gain, for tests of what is made from it."""

from __future__ import annotations

from hf_mbdc.records import Evidence, SliceEvidence

GAIN = Evidence(
    "exact_match",
    "test",
    rows=316,
    clusters=79,
    seeds=(0, 1, 2),
    parent=0.82,
    candidate=0.87,
    difference=0.05,
    interval=(0.031, 0.069),
    confidence=0.95,
    p_value=0.0001,
    verdict="accept",
)
# Corrected for both, worse on one and better on the other.
SLICES = (
    SliceEvidence("date", 79, 0.9, 0.8, -0.1, (-0.15, -0.05), 0.003, (-0.16, -0.04), 79),
    SliceEvidence("total", 79, 0.6, 0.9, 0.3, (0.2, 0.4), 0.001, (0.1, 0.5), 79),
)
