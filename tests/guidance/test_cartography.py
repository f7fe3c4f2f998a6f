"""Dataset cartography: numbers by hand, regions, forgetting, and columns added by id."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hf_mbdc.errors import DataError
from hf_mbdc.guidance.cartography import (
    add_dynamics,
    cartography,
    forgetting_events,
    read_trajectories,
    regions,
)
from hf_mbdc.revisions.card.about import LEARNED


def dynamics(cells: list[tuple[str, int, float, float]]) -> pa.Table:
    """(id, epoch, probability, margin) → the table of a training."""
    probability = np.array([cell[2] for cell in cells])
    return pa.table(
        {
            "id": [cell[0] for cell in cells],
            "epoch": pa.array([cell[1] for cell in cells], pa.int32()),
            "loss": -np.log(probability),
            "probability": probability,
            "margin": [cell[3] for cell in cells],
            "correct": [cell[3] > 0 for cell in cells],
        }
    )


CELLS = [
    *(("kept", epoch, 0.9, 2.0) for epoch in range(4)),
    *(("wavering", epoch, p, m) for epoch, (p, m) in enumerate([(0.1, -2.0), (0.8, 1.0), (0.2, -1.0), (0.9, 2.0)])),
    *(("never", epoch, 0.1, -3.0) for epoch in range(4)),
]


def test_the_numbers_of_three_rows() -> None:
    found = read_trajectories(dynamics(CELLS))
    columns = {name: values.tolist() for name, values in cartography(found).items()}
    assert found.ids.tolist() == ["kept", "never", "wavering"]
    assert columns["dynamics_confidence"] == pytest.approx([0.9, 0.1, 0.5])
    assert columns["dynamics_variability"] == pytest.approx([0.0, 0.0, np.std([0.1, 0.8, 0.2, 0.9])])
    assert columns["dynamics_correctness"] == [1.0, 0.0, 0.5]
    assert columns["dynamics_forgetting"] == [0, 0, 1]
    assert columns["dynamics_margin"] == [2.0, -3.0, 0.0]
    assert columns["dynamics_loss"][:2] == pytest.approx([-np.log(0.9), -np.log(0.1)])
    assert columns["dynamics_region"] == ["easy", "hard", "ambiguous"]
    assert columns.keys() == LEARNED.keys() - {"curriculum_stage"}  # the card explains each


def test_a_row_that_was_not_seen_in_an_epoch_has_the_means_of_the_others() -> None:
    found = read_trajectories(dynamics([("a", 0, 0.5, 1.0), ("a", 1, 0.7, 1.0), ("b", 0, 0.5, -1.0)]))
    assert np.isnan(found.probability[1, 1])
    assert cartography(found)["dynamics_confidence"].tolist() == pytest.approx([0.6, 0.5])


def test_rows_of_one_id_are_averaged() -> None:
    found = read_trajectories(dynamics([("a", 0, 0.4, 1.0), ("a", 0, 0.8, -1.0)]))
    assert found.probability.tolist() == [[pytest.approx(0.6)]]
    assert found.correct.tolist() == [[0.5]]


@given(arrays(float, st.tuples(st.integers(1, 8), st.integers(1, 5)), elements=st.sampled_from([0.0, 1.0, np.nan])))
def test_forgetting_is_counted_as_a_loop_counts_it(correct: np.ndarray) -> None:
    expected = []
    for row in correct.T:
        seen = row[~np.isnan(row)]
        expected.append(sum(before == 1 and after == 0 for before, after in pairwise(seen)))
    assert forgetting_events(correct).tolist() == expected


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 0.5)), min_size=1, max_size=40))
def test_every_row_is_in_one_region_and_at_most_half_are_ambiguous(pairs: list[tuple[float, float]]) -> None:
    confidence, variability = np.array(pairs).T
    names = regions(confidence, variability)
    assert set(names) <= {"easy", "ambiguous", "hard"}
    if len(pairs) > 2:
        assert (names == "ambiguous").sum() <= np.ceil(len(pairs) / 2)
    settled = names != "ambiguous"
    assert np.array_equal(names[settled] == "easy", confidence[settled] >= 0.5)
    if settled.any() and (~settled).any():
        assert variability[~settled].min() >= variability[settled].max()


def test_rows_that_never_vary_are_not_ambiguous() -> None:
    assert regions(np.array([0.9, 0.1]), np.zeros(2)).tolist() == ["easy", "hard"]


def test_columns_are_added_by_id_and_replaced(tmp_path: Path) -> None:
    pq.write_table(dynamics(CELLS), tmp_path / "dynamics.parquet")
    rows = Dataset.from_dict({"id": ["never", "absent", "kept"], "key": ["x", "y", "z"]})
    once = add_dynamics(rows, tmp_path / "dynamics.parquet")
    twice = add_dynamics(once, dynamics(CELLS))
    assert twice.column_names == once.column_names
    assert once["dynamics_region"][:] == twice["dynamics_region"][:] == ["hard", None, "easy"]
    assert once["dynamics_correctness"][:] == [0.0, None, 1.0]
    assert once["dynamics_forgetting"][:] == [0, None, 0]
    assert once["key"][:] == ["x", "y", "z"]
    assert once.features["dynamics_margin"].dtype == "float64"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pa.table({"id": ["a"]}), r"The training dynamics lack the columns \['epoch'"),
        (dynamics(CELLS).slice(0, 0), "The training dynamics are empty"),
        ("nowhere.parquet", "The training dynamics cannot be read"),
    ],
)
def test_what_is_no_dynamics_is_refused(table: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_trajectories(table)


def test_dynamics_of_other_rows_are_refused() -> None:
    with pytest.raises(DataError, match="No row was in that training"):
        add_dynamics(Dataset.from_dict({"id": ["other"]}), dynamics(CELLS))
    with pytest.raises(DataError, match="The rows have no ids"):
        add_dynamics(Dataset.from_dict({"name": ["kept"]}), dynamics(CELLS))
