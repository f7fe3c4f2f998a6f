"""Mixing ratios as points of a simplex: a lattice of them, points that fill it, and whole rows for each source."""

from __future__ import annotations

import itertools

import numpy as np

MOST_POINTS = 3000


def lattice(sources: int, steps: int) -> np.ndarray:
    """(n, sources) all ratios in parts of 1/steps, coarser where that would be more than a few thousand.

    Example:
        >>> lattice(2, 4).tolist()
        [[0.0, 1.0], [0.25, 0.75], [0.5, 0.5], [0.75, 0.25], [1.0, 0.0]]
    """
    while _count(sources, steps) > MOST_POINTS and steps > 1:
        steps -= 1
    # Stars and bars: where sources − 1 bars stand among the steps.
    bars = np.array(list(itertools.combinations(range(steps + sources - 1), sources - 1)), np.int64)
    bars = bars.reshape(-1, sources - 1)
    edges = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), steps + sources - 1)])
    found: np.ndarray = (np.diff(edges, axis=1) - 1) / steps
    return found


def fill(points: np.ndarray, count: int, taken: np.ndarray) -> np.ndarray:
    """(count,) indices of points, each the farthest from those taken before; distances are those of √ratio.

    Args:
        points: (n, sources).
        taken: (t, sources) ratios that are there already; at least one.

    Example:
        >>> points = lattice(2, 4)
        >>> points[fill(points, 3, np.array([[0.5, 0.5]]))].tolist()
        [[0.0, 1.0], [1.0, 0.0], [0.25, 0.75]]
    """
    places = np.sqrt(points)
    nearest = np.min([((places - np.sqrt(ratio)) ** 2).sum(axis=1) for ratio in taken], axis=0)
    found = []
    for _ in range(count):
        found.append(int(np.argmax(np.round(nearest, 9))))
        nearest = np.minimum(nearest, ((places - places[found[-1]]) ** 2).sum(axis=1))
    return np.array(found, np.int64)


def allocate(ratio: np.ndarray, size: int) -> np.ndarray:
    """(sources,) whole rows that add up to `size` and are nearest to the ratio (largest remainders).

    Example:
        >>> allocate(np.array([1 / 3, 1 / 3, 1 / 3]), 10).tolist()
        [4, 3, 3]
    """
    exact = ratio * size
    rows = np.floor(exact + 1e-9).astype(np.int64)
    order = np.argsort(-(exact - rows), kind="stable")
    rows[order[: size - rows.sum()]] += 1
    return rows


def _count(sources: int, steps: int) -> int:
    found = 1
    for number in range(1, sources):
        found = found * (steps + number) // number
    return found
