"""How many of which characters are to be written, so that every character occurs as often as it must."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def fill(levels: np.ndarray, units: int) -> np.ndarray:
    """How many units each level gets when every single one goes to the lowest level (the first one among equals).

    Like water it raises the lowest levels to a common height; the rest, less than one each, goes to the first of them.

    Args:
        levels: (n,) whole numbers, n ≥ 1.
        units: at least 0.

    Example:
        >>> fill(np.array([5, 0, 2]), 4).tolist()
        [0, 3, 1]
    """
    order = np.argsort(levels, kind="stable")
    ordered = levels[order].astype(np.int64)
    sizes = np.arange(1, len(ordered) + 1)
    below = np.cumsum(ordered)
    # Raising the k lowest to the height of the next one costs k · next − their sum; the last k that can be paid counts.
    costs = sizes[:-1] * ordered[1:] - below[:-1]
    lowest = int(np.searchsorted(costs, units, side="right")) + 1
    height, rest = divmod(int(below[lowest - 1]) + units, lowest)
    given = np.zeros(len(levels), np.int64)
    raised = np.sort(order[:lowest])
    given[raised] = height - levels[raised]
    given[raised[:rest]] += 1
    return given


@dataclass(frozen=True)
class Allotment:
    """How often each character is written.

    Args:
        single: (characters,) into words that keep their other characters, one a word.
        free: (characters,) into words that are written from nothing.
        missing: how many places were too few; 0 where every target is met.
    """

    single: np.ndarray
    free: np.ndarray
    missing: int


def allot(have: np.ndarray, need: np.ndarray, single: int, free: int) -> Allotment:
    """Meets all targets, whenever there are places enough.

    Let D be the sum of max(0, need − have), the occurrences that are missing. No allotment of fewer than D places can
    meet all targets, since one place is one occurrence. This one meets them all with D places or more:

    1. Of the `single` places each goes to the character with the lowest have − need. As long as an occurrence is
       missing, that character lacks one, so every place lowers D by one: max(0, D − single) are missing afterwards.
    2. Of the `free` places each character first gets what it still lacks, max(0, D − single) in all, which fits if and
       only if D ≤ single + free. The rest is spread as evenly as that allows, so that free words stay balanced.

    Args:
        have: (characters,) occurrences that nothing takes away.
        need: (characters,) occurrences wanted.
        single, free: number of places.

    Example:
        >>> done = allot(np.array([9, 0, 1]), np.array([2, 2, 2]), single=2, free=6)
        >>> done.single.tolist(), done.free.tolist(), done.missing
        ([0, 2, 0], [2, 2, 2], 0)
    """
    first = fill(have - need, single)
    lacking = np.maximum(need - have - first, 0)
    missing = max(0, int(lacking.sum()) - free)
    if missing:
        return Allotment(first, lacking, missing)
    return Allotment(first, lacking + fill(lacking, free - int(lacking.sum())), 0)


def part_from(given: np.ndarray, banned: np.ndarray) -> np.ndarray:
    """The same characters in an order in which none stands where it is banned, as far as there is one to swap with.

    Args:
        given, banned: (n,) characters.

    Example:
        >>> part_from(np.array([3, 1, 2]), np.array([3, 4, 5])).tolist()
        [1, 3, 2]
    """
    given = given.copy()
    for at in np.flatnonzero(given == banned).tolist():
        if given[at] != banned[at]:
            continue  # an earlier swap mended it
        others = np.flatnonzero((given != banned[at]) & (banned != given[at]))
        if len(others):
            given[at], given[others[0]] = given[others[0]], given[at]
    return given
