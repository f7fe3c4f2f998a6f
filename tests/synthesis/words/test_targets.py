"""Targets that are met: by hand, and against what unit after unit gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.synthesis.words.targets import allot, fill, part_from

NUMBERS = st.lists(st.integers(-20, 20), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("levels", "units", "given_units"),
    [
        ([5, 0, 2], 4, [0, 3, 1]),
        ([0, 0, 0], 4, [2, 1, 1]),
        ([1, -3], 0, [0, 0]),
        ([7], 3, [3]),
        ([1, 2, 3], 3, [2, 1, 0]),
    ],
)
def test_literal_fills(levels: list[int], units: int, given_units: list[int]) -> None:
    assert fill(np.array(levels), units).tolist() == given_units


@given(NUMBERS, st.integers(0, 60))
def test_every_unit_goes_to_the_lowest_level(levels: list[int], units: int) -> None:
    now = np.array(levels)
    for _ in range(units):
        now[np.argmin(now)] += 1
    done = np.array(levels) + fill(np.array(levels), units)
    assert sorted(done) == sorted(now)
    assert (done >= levels).all()


@given(st.data(), st.integers(0, 80), st.integers(0, 80))
def test_targets_are_met_exactly_where_places_suffice(data: st.DataObject, single: int, free: int) -> None:
    have = np.array(data.draw(st.lists(st.integers(0, 20), min_size=1, max_size=10)))
    need = np.array(data.draw(st.lists(st.integers(0, 20), min_size=len(have), max_size=len(have))))
    lacking = int(np.maximum(need - have, 0).sum())
    done = allot(have, need, single, free)
    assert done.missing == max(0, lacking - single - free)
    assert done.single.sum() == single
    assert (done.single >= 0).all()
    if not done.missing:
        assert done.free.sum() == free
        assert (have + done.single + done.free >= need).all()


def test_free_places_are_spread_evenly() -> None:
    done = allot(np.array([90, 0, 0]), np.array([0, 0, 5]), single=0, free=12)
    assert done.free.tolist() == [4, 3, 5]


def test_what_would_replace_itself_changes_places() -> None:
    assert part_from(np.array([1, 1, 2]), np.array([1, 2, 3])).tolist() == [2, 1, 1]
    assert part_from(np.array([4, 4]), np.array([4, 4])).tolist() == [4, 4]  # nothing to swap with


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=20))
def test_parting_keeps_the_characters_and_makes_it_no_worse(pairs: list[tuple[int, int]]) -> None:
    given_characters, banned = (np.array([pair[n] for pair in pairs], np.int64) for n in range(2))
    done = part_from(given_characters, banned)
    assert sorted(done) == sorted(given_characters)
    assert (done == banned).sum() <= (given_characters == banned).sum()
