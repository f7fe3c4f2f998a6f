"""Replacing values of some rows keeps order, features and every other value."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, Features, Image, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.transforms.rows import PROVENANCE, add_provenance_columns, append_rows, replace_rows


def test_only_the_given_rows_and_columns_change() -> None:
    rows = Dataset.from_dict({"id": ["a", "b", "c"], "spans": [[{"start": 1}], [], [{"start": 3}]], "n": [1, 2, 3]})
    changed = replace_rows(rows, np.array([2, 0]), {"spans": [[], [{"start": 9}]], "n": [30, 10]})
    assert changed.to_dict() == {"id": ["a", "b", "c"], "spans": [[{"start": 9}], [], []], "n": [10, 2, 30]}
    assert changed.features == rows.features
    assert rows["n"][:] == [1, 2, 3]


def test_no_positions_change_nothing() -> None:
    rows = Dataset.from_dict({"id": ["a"], "n": [1]})
    assert replace_rows(rows, np.array([], dtype=np.int64), {"n": []}).to_dict() == rows.to_dict()


def test_an_indices_mapping_is_followed() -> None:
    rows = Dataset.from_dict({"n": [1, 2, 3]}).select([2, 0])
    assert replace_rows(rows, np.array([1]), {"n": [9]})["n"][:] == [3, 9]


def test_provenance_columns_are_null_and_added_once() -> None:
    features = Features({"id": Value("string"), "image": Image(), "boxes": List(List(Value("int32")))})
    rows = Dataset.from_dict({"id": ["a"], "image": [None], "boxes": [[[1, 2, 3, 4]]]}, features=features)
    once = add_provenance_columns(rows)
    assert {name: once[name][:] for name in PROVENANCE} == {name: [None] for name in PROVENANCE}
    assert {name: once.features[name] for name in features} == dict(features)
    assert add_provenance_columns(once).features == once.features


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_same_as_a_python_loop(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.lists(st.integers(-9, 9), max_size=3), min_size=1, max_size=8))
    positions = data.draw(st.lists(st.integers(0, len(values) - 1), unique=True))
    new = data.draw(
        st.lists(st.lists(st.integers(-9, 9), max_size=3), min_size=len(positions), max_size=len(positions))
    )
    rows = Dataset.from_dict({"v": values}, features=Features({"v": List(Value("int64"))}))
    expected = list(values)
    for position, value in zip(positions, new, strict=True):
        expected[position] = value
    assert replace_rows(rows, np.array(positions, dtype=np.int64), {"v": new})["v"][:] == expected


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(Exception, match=r"int|convert"):
        replace_rows(Dataset.from_dict({"n": [1]}), np.array([0]), {"n": ["x"]})


def test_appended_rows_have_null_where_they_have_no_column() -> None:
    first = Dataset.from_dict({"id": ["a"], "count": [1]}, split="train")
    both = append_rows(first, Dataset.from_dict({"id": ["b"], "source": ["made"]}))
    assert both.to_list() == [
        {"id": "a", "count": 1, "source": None},
        {"id": "b", "count": None, "source": "made"},
    ]
    assert both.split == "train"
    with pytest.raises(DataError, match=r"int64.*string.*column 'count'"):
        append_rows(first, Dataset.from_dict({"id": ["b"], "count": ["1"]}))
