"""Sources are told apart, mixed in a ratio without touching the parent's rows, and weighed by parts."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, Features, Value

from hf_mbdc.errors import DataError
from hf_mbdc.mixture import PARENT, balance, mixture, split_sources

FEATURES = Features({name: Value("string") for name in ("id", "mbdc_source", "mbdc_parent_id")})


def rows(ids: str, sources: list[str | None]) -> Dataset:
    columns = {"id": list(ids), "mbdc_source": sources, "mbdc_parent_id": [None] * len(ids)}
    return Dataset.from_dict(columns, features=FEATURES)


PARENT_ROWS = rows("abcd", [None, "injected", None, None])
MADE = rows("abcduvwxyz", [None, "injected", None, None, *["random", "injected"] * 3])


def test_rows_of_the_parent_are_one_source_whatever_made_them() -> None:
    found = split_sources(PARENT_ROWS, MADE)
    assert {name: rows["id"][:] for name, rows in found.items()} == {
        PARENT: ["a", "b", "c", "d"],
        "injected": ["v", "x", "z"],
        "random": ["u", "w", "y"],
    }


def test_added_rows_name_their_source() -> None:
    with pytest.raises(DataError, match="added no row that could be mixed"):
        split_sources(PARENT_ROWS, PARENT_ROWS)
    lost = rows("abcdz", [None, "injected", None, None, None])
    with pytest.raises(DataError, match=r"does not say its source .*id 'z'"):
        split_sources(PARENT_ROWS, lost)


def test_a_mixture_keeps_the_parents_rows_as_they_are_and_in_their_order() -> None:
    sources = split_sources(PARENT_ROWS, MADE)
    whole = mixture(sources, {PARENT: 1.0}, 4, PARENT_ROWS)
    assert whole.to_list() == PARENT_ROWS.to_list()
    half = mixture(sources, {PARENT: 0.5, "random": 0.5}, 4, PARENT_ROWS)
    ids = half["id"][:]
    assert ids[:2] == sorted(ids[:2])
    assert set(ids[:2]) < set("abcd")
    assert set(ids[2:]) < set("uwy")
    assert half["mbdc_source"][2:] == ["random", "random"]


def test_a_source_with_too_few_rows_gives_copies() -> None:
    mixed = mixture(split_sources(PARENT_ROWS, MADE), {"random": 1.0}, 4, PARENT_ROWS).to_list()
    (copy,) = (row for row in mixed if row["id"].endswith("~2"))
    assert {row["id"] for row in mixed if row != copy} == set("uwy")
    assert copy == {"id": f"{copy['mbdc_parent_id']}~2", "mbdc_source": "random", "mbdc_parent_id": copy["id"][0]}


def test_parts_of_different_sizes_weigh_alike() -> None:
    scores = np.array([[1.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0]])
    weighed = balance(scores, ["even", "natural", "natural", "natural"])
    assert weighed.mean(axis=1) == pytest.approx([(1 + 1 / 3) / 2, 0])
    assert balance(scores, None) is scores
