"""What speaks for a misreading and what against."""

from __future__ import annotations

import pytest

from hf_mbdc.transforms.misread import Difference, compare, digits_may_differ


@pytest.mark.parametrize(
    ("wanted", "found", "difference"),
    [
        ("same", "same", Difference(0, 0, 0, 0)),
        ("modern", "modcm", Difference(3, 3, 0, 0)),
        ("house", "h0use", Difference(1, 1, 0, 0)),
        ("house", "hou5e", Difference(1, 1, 0, 0)),
        ("house", "horse", Difference(1, 0, 0, 0)),
        ("house", "ho7use", Difference(1, 1, 0, 0)),
        ("in 1950", "in 1v50", Difference(1, 1, 0, 0)),
        ("in 1950", "in 1960", Difference(1, 0, 0, 1)),
        ("in 1950", "in 150", Difference(1, 0, 0, 1)),
        ("in 1950", "in 19550", Difference(1, 0, 0, 1)),
        ("united kingdom", "united states", Difference(7, 0, 7, 0)),
    ],
)
def test_compare(wanted: str, found: str, difference: Difference) -> None:
    assert compare(wanted, found) == difference


def test_look_alikes_weigh_half_and_lost_words_more() -> None:
    assert compare("house", "h0use").weight == 0.5
    assert compare("house", "horse").weight == 1
    assert compare("the kingdoms of it", "the of it").weight > 9


def test_digits() -> None:
    def may_differ(wanted: str, found: str) -> bool:
        return digits_may_differ(wanted, compare(wanted, found), 0.35)

    assert may_differ("room 18 of it", "room 18 of lt")
    assert may_differ("room 18 of it", "roon 17 of it")  # a page that reads badly
    assert not may_differ("room 18 of it", "room 17 of it")
    assert not may_differ("tel 012-3456789", "tcl 012-3456788")


def test_two_characters_taken_for_one_and_one_for_two() -> None:
    for wanted, found in (("should", "shoulcl"), ("brand new", "brand nevv"), ("clay", "day"), ("modern", "modem")):
        difference = compare(wanted, found)
        assert (difference.edits, difference.weight) == (2, 1)
    assert compare("should", "shoulxl").weight == 2
