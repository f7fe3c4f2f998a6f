"""Curriculum: easy rows first, the same order every time."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance.curriculum import Pacing, add_curriculum, curriculum_order, curriculum_stages, visible_rows


def test_ties_are_broken_by_id_and_not_by_place() -> None:
    ids = [f"row-{number}" for number in range(20)]
    order = curriculum_order(np.zeros(20), ids)
    backwards = curriculum_order(np.zeros(20), ids[::-1])
    assert [ids[place] for place in order] == [ids[::-1][place] for place in backwards]
    assert [ids[place] for place in order] != ids
    assert [ids[place] for place in order][:3] == ["row-0", "row-19", "row-1"]  # also on every other machine
    assert order.tolist() != curriculum_order(np.zeros(20), ids, seed=1).tolist()


@pytest.mark.parametrize(
    ("pacing", "expected"),
    [("linear", [20, 40, 60, 80, 100]), ("root", [20, 53, 73, 88, 100]), ("step", [20, 20, 100, 100, 100])],
)
def test_pacing(pacing: Pacing, expected: list[int]) -> None:
    assert visible_rows(100, 5, pacing=pacing, start=0.2).tolist() == expected


@given(st.integers(0, 200), st.integers(1, 10), st.sampled_from(["linear", "root", "step"]), st.floats(0.01, 1))
def test_rows_only_join_and_all_are_there_in_the_end(rows: int, stages: int, pacing: Pacing, start: float) -> None:
    visible = visible_rows(rows, stages, pacing=pacing, start=start)
    assert (np.diff(visible) >= 0).all()
    assert visible[-1] == rows
    stage = curriculum_stages(np.arange(rows), visible)
    assert np.bincount(stage, minlength=stages).cumsum().tolist() == visible.tolist()


def test_rows_of_unknown_difficulty_join_last() -> None:
    ds = Dataset.from_dict({"id": list("abcd"), "dynamics_loss": [0.1, None, 0.3, 0.2]})
    staged = add_curriculum(ds, stages=4, start=0.25)
    assert staged["curriculum_stage"][:] == [0, 3, 2, 1]
    assert add_curriculum(staged, stages=1)["curriculum_stage"][:] == [0, 0, 0, 0]
    ds = ds.rename_column("dynamics_loss", "dynamics_confidence")
    staged = add_curriculum(ds, "dynamics_confidence", stages=4, start=0.25, descending=True)
    assert staged["curriculum_stage"][:] == [2, 3, 0, 1]


def test_bad_input_is_answered() -> None:
    ds = Dataset.from_dict({"id": ["a"], "dynamics_loss": ["high"]})
    with pytest.raises(DataError, match="The column holds no numbers"):
        add_curriculum(ds)
    with pytest.raises(DataError, match=r"no such column \(column 'dynamics_margin'\).*add_dynamics"):
        add_curriculum(ds, "dynamics_margin")
    with pytest.raises(DataError, match="for 1 ids"):
        curriculum_order([1.0, 2.0], ["a"])
    with pytest.raises(RecipeError, match="There is no pacing 'fast'"):
        visible_rows(10, 2, pacing=cast(Pacing, "fast"))
    with pytest.raises(RecipeError, match="Take at least one stage"):
        visible_rows(10, 0)
