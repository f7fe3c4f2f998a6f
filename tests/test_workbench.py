"""What is told of the rows before any training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Features, Value

from hf_mbdc.errors import DataError
from hf_mbdc.recipe import HalvingRecipe
from hf_mbdc.workbench import Workbench, check_rows, prepare


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    found = prepare("quickstart", repository=tmp_path / "repo", work_dir=tmp_path / "work")
    return replace(found, recipe=replace(found.recipe, halving=HalvingRecipe()))


def rows(bench: Workbench, **documents: list[str | None]) -> DatasetDict:
    """Splits with a row for each document; nothing but labels and ids is in them."""
    label = Value("string")
    features = Features({**bench.approach.reads, **bench.approach.adds, "document_id": label, "key": label})
    empty: dict[str, Any] = dict.fromkeys(features)
    splits = {}
    for split, names in documents.items():
        given = [{**empty, "id": f"{split}{n}", "document_id": name, "key": "total"} for n, name in enumerate(names)]
        splits[split] = Dataset.from_list(given, features=features)
    return DatasetDict(splits)


def test_rows_that_can_be_compared(bench: Workbench) -> None:
    assert check_rows(bench, rows(bench, train=["a"], validation=["b"], test=["c", "d"])) is None


@pytest.mark.parametrize(
    ("test", "message"),
    [
        (["c", "c"], r"All rows are of one cluster \(split 'test', column 'document_id'\)"),
        (["c", None], r"The column has no value in a row \(split 'test', column 'document_id', id 'test1'\)"),
        (["c", "b"], r"1 values of 'document_id' stand in test and in validation .*chose among alternatives"),
        (["a", "c"], r"1 values of 'document_id' stand in train and in test .*were trained on"),
    ],
)
def test_rows_that_cannot(bench: Workbench, test: list[str | None], message: str) -> None:
    with pytest.raises(DataError, match=message):
        check_rows(bench, rows(bench, train=["a"], validation=["b"], test=test))


def test_a_row_without_a_slice(bench: Workbench) -> None:
    dataset = rows(bench, train=["a"], validation=["b"], test=["c", "d"])
    dataset["test"] = dataset["test"].map(lambda row: {"key": None}, features=dataset["test"].features)
    with pytest.raises(DataError, match=r"no value in a row \(split 'test', column 'key', id 'test0'\)"):
        check_rows(bench, dataset)
