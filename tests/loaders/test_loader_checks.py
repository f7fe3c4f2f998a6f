from __future__ import annotations

import pytest
from datasets import Dataset, Features, LargeList, List, Value

from hf_mbdc.errors import DataError
from hf_mbdc.loaders.checks import check_columns, check_ids


def test_columns_that_fit():
    features = Features({"id": Value("string"), "boxes": List(List(Value("int32")))})
    dataset = Dataset.from_dict({"id": ["a"], "boxes": [[[1, 2, 3, 4]]], "more": [1]}).cast(
        Features(
            {"id": Value("large_string"), "boxes": LargeList(List(Value("int32"), length=4)), "more": Value("int8")}
        )
    )
    check_columns(dataset, features, "train")


def test_a_missing_column_names_the_nearest():
    dataset = Dataset.from_dict({"contxt": ["a"], "id": ["b"]})
    with pytest.raises(DataError) as caught:
        check_columns(dataset, Features({"context": Value("string")}), "train")
    assert str(caught.value) == (
        "The column is missing (split 'train', column 'context'). "
        "Rename it: dataset.rename_column('contxt', 'context'). The columns are contxt, id."
    )


def test_a_missing_column_without_a_near_one():
    with pytest.raises(DataError, match=r"\(column 'words'\)\. Add it\. The columns are id\."):
        check_columns(Dataset.from_dict({"id": ["a"]}), Features({"words": List(Value("string"))}))


def test_a_column_of_another_type():
    dataset = Dataset.from_dict({"words": ["a b"]})
    with pytest.raises(DataError, match=r"The column is string, not list<string> \(split 'test', column 'words'\)"):
        check_columns(dataset, Features({"words": List(Value("string"))}), "test")


def test_ids_that_fit():
    check_ids(Dataset.from_dict({"id": ["a", "b"]}), "train")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"key": ["a"]}, r"The dataset has no column `id`.*\(split 'train'\)\. Rename your key to `id`"),
        (
            {"id": [1, 2]},
            r"The column is int64, not string \(split 'train', column 'id'\)\. Cast it: dataset.cast_column",
        ),
        ({"id": ["a", None, "b"]}, r"A row has no id \(split 'train', row 1\)\. Give every row an id"),
        (
            {"id": ["a", "b", "c", "b"]},
            r"1 ids occur more than once \(split 'train', id 'b'\)\. Ids are unique in a split",
        ),
        ({"id": []}, r"The dataset has no rows \(split 'train'\)"),
    ],
)
def test_ids_that_do_not(columns, message):
    with pytest.raises(DataError, match=message):
        check_ids(Dataset.from_dict(columns), "train")


def test_ids_of_selected_rows():
    dataset = Dataset.from_dict({"id": ["a", "b", "b"]})
    check_ids(dataset.select([0, 2]), "train")
    with pytest.raises(DataError, match="occur more than once"):
        check_ids(dataset.select([1, 0, 1]), "train")
