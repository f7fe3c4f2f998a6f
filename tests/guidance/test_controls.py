"""Controls have the amount of data of a candidate and nothing new, drawn by row ids alone."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.guidance import controls, draws
from hf_mbdc.guidance.controls import count_tokens, other_seeds, token_matched_control
from hf_mbdc.guidance.draws import drawn_order, set_column, take_rounds


@pytest.mark.parametrize("module", [controls, draws])
def test_the_examples(module: object) -> None:
    assert doctest.testmod(module).failed == 0


def rows(sizes: list[int], prefix: str = "r") -> Dataset:
    texts = [" ".join(f"w{n}" for n in range(size)) for size in sizes]
    return Dataset.from_dict({"id": [f"{prefix}{n}" for n in range(len(sizes))], "text": texts})


@given(parent=st.lists(st.integers(3, 30), min_size=1, max_size=12), candidate=st.lists(st.integers(3, 60), min_size=1))
def test_the_tokens_match_to_half_a_row(parent: list[int], candidate: list[int]) -> None:
    control = token_matched_control(rows(parent), rows(candidate), columns=["text"])
    amiss = abs(int(count_tokens(control, ["text"]).sum()) - sum(candidate))
    assert amiss <= max(parent) / 2 or len(control) == 1
    assert len(set(control["id"][:])) == len(control)


def test_the_parent_comes_first_and_every_row_is_repeated_before_one_is_repeated_again() -> None:
    control = token_matched_control(rows([10] * 4), rows([10] * 10, "new"))
    ids = control["id"][:]
    assert ids[:4] == ["r0", "r1", "r2", "r3"]
    assert {name[:2] for name in ids[4:8]} == {"r0", "r1", "r2", "r3"}
    assert {name[2:] for name in ids[4:8]} == {"~2"}
    assert [name[2:] for name in ids[8:]] == ["~3", "~3"]
    assert control["mbdc_source"][:] == [None] * 4 + ["resampled"] * 6
    assert control["mbdc_parent_id"][:] == [None] * 4 + [name[:2] for name in ids[4:]]


def test_a_smaller_candidate_gets_a_smaller_control() -> None:
    parent = rows([10] * 8)
    control = token_matched_control(parent, rows([10] * 5))
    assert len(control) == 5
    assert control["id"][:] == sorted(control["id"][:])
    assert token_matched_control(parent, parent)["id"][:] == parent["id"][:]


def test_draws_depend_on_seed_and_id_alone() -> None:
    parent, candidate = rows([10] * 9), rows([10] * 14)
    mixed = parent.select([4, 2, 8, 0, 1, 7, 5, 3, 6])
    copies = {seed: set(token_matched_control(parent, candidate, seed=seed)["id"][9:]) for seed in (0, 1)}
    assert set(token_matched_control(mixed, candidate)["id"][9:]) == copies[0] != copies[1]
    assert drawn_order(["a", "b", "c", "d", "e"], 0, "x").tolist() == [2, 3, 0, 4, 1]


def test_provenance_of_other_rows_stays() -> None:
    given_rows = set_column(rows([5, 5]), "mbdc_source", ["rephrase", "rephrase"], where=np.array([True, False]))
    taken = take_rounds(given_rows, np.array([0, 1, 0]), "resampled")
    assert taken["mbdc_source"][:] == ["rephrase", None, "resampled"]


def test_seeds_of_an_a_a_run_are_others() -> None:
    assert not set(other_seeds([3, 8, 1])) & {3, 8, 1}
    with pytest.raises(RecipeError, match="There are no seeds"):
        other_seeds([])


def test_bad_input() -> None:
    good = rows([5, 5])
    with pytest.raises(DataError, match=r"Two rows have the same id \(split 'parent'\)"):
        token_matched_control(good.select([0, 0]), good)
    with pytest.raises(DataError, match="The rows have no ids"):
        token_matched_control(good.remove_columns("id"), good)
    with pytest.raises(DataError, match="There are no rows to match"):
        token_matched_control(good, good.select([]))
    with pytest.raises(DataError, match="No column holds texts"):
        token_matched_control(good.remove_columns("text"), good)
