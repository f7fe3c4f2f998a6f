"""Row scores as a table: a line for each row and seed, read back in any order, refused where a pair is missing."""

from __future__ import annotations

import doctest

import numpy as np
import pyarrow as pa
import pytest

import hf_mbdc.guidance.row_scores as module
from hf_mbdc.errors import DataError
from hf_mbdc.guidance.row_scores import RowScores

SCORES = RowScores(
    ids=("b", "a", "c"),
    clusters=("d1", "d0", "d1"),
    seeds=(7, 3),
    parent=np.array([[0.0, 1.0, 0.0], [0.0, 0.5, 0.0]]),
    candidate=np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.25]]),
    slices=("total", "date", "total"),
)


def test_example_in_the_docstring() -> None:
    assert doctest.testmod(module).failed == 0


def test_a_line_for_each_row_and_seed() -> None:
    lines = SCORES.to_table().to_pylist()
    assert len(lines) == 6
    assert lines[0] == {"id": "b", "cluster": "d1", "slice": "total", "seed": 7, "parent": 0.0, "candidate": 1.0}
    assert lines[5] == {"id": "c", "cluster": "d1", "slice": "total", "seed": 3, "parent": 0.0, "candidate": 0.25}


def test_it_comes_back_whatever_the_order_of_the_lines() -> None:
    table = SCORES.to_table()
    for order in ([0, 1, 2, 3, 4, 5], [5, 0, 3, 1, 4, 2]):
        found = RowScores.from_table(table.take(order))
        where = [SCORES.ids.index(key) for key in found.ids]
        which = [SCORES.seeds.index(seed) for seed in found.seeds]
        assert np.array_equal(found.parent, SCORES.parent[which][:, where])
        assert np.array_equal(found.candidate, SCORES.candidate[which][:, where])
        assert list(found.clusters) == [SCORES.clusters[row] for row in where]
        assert list(found.slices or []) == [(SCORES.slices or [])[row] for row in where]
    assert list(RowScores.from_table(table).ids) == ["b", "a", "c"]
    assert RowScores.from_table(table.drop_columns(["slice"])).slices is None


def test_a_row_that_only_some_seeds_scored_is_refused() -> None:
    table = SCORES.to_table()
    with pytest.raises(DataError, match=r"no score with one of the seeds \(id 'a', seed 3, rows 1\).*leave it out"):
        RowScores.from_table(table.take([0, 1, 2, 3, 5]))
    with pytest.raises(DataError, match=r"A row is scored twice \(id 'b', seed 7"):
        RowScores.from_table(pa.concat_tables([table, table.slice(0, 1)]))
    with pytest.raises(DataError, match=r"lack a column \(column 'seed'\)"):
        RowScores.from_table(table.drop_columns(["seed"]))
    moved = table.set_column(1, "cluster", pa.array(["d1", "d0", "d1", "d1", "d9", "d1"]))
    with pytest.raises(DataError, match=r"A row has two labels of 'cluster' \(id 'a'\)"):
        RowScores.from_table(moved)


def test_sizes_must_fit() -> None:
    with pytest.raises(DataError, match=r"Scores of the candidate have shape \(1, 2\) for 1 seeds and 1 rows"):
        RowScores(["a"], ["d"], [0], np.zeros((1, 1)), np.zeros((1, 2)))
    with pytest.raises(DataError, match="clusters has 2 labels for 1 rows"):
        RowScores(["a"], ["d", "e"], [0], np.zeros((1, 1)), np.zeros((1, 1)))
