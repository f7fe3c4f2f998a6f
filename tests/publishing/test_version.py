"""The number of a revision follows from what changed."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import Dataset, DatasetDict, Features, Value

from hf_mbdc.errors import RepositoryError
from hf_mbdc.publishing.version import next_version, parse_version, sort_versions
from hf_mbdc.revisions.diff.diff import diff

OLD = {"id": ["a", "b"], "label": [0, 1]}
MORE = {"id": ["a", "b", "c"], "label": [0, 1, 1]}


def splits(train: dict[str, Any], **others: dict[str, Any]) -> DatasetDict:
    return DatasetDict({name: Dataset.from_dict(data) for name, data in {"train": train, **others}.items()})


@pytest.mark.parametrize(
    ("old", "new", "version"),
    [
        (splits(OLD), splits(OLD), "v1.2.4"),
        (splits(OLD), splits({"id": ["b", "a"], "label": [1, 0]}), "v1.2.4"),
        (splits(OLD), splits(MORE), "v1.3.0"),
        (splits(OLD), splits({**OLD, "score": [0.5, 0.5]}), "v1.3.0"),
        (splits(OLD), splits(OLD, test=MORE), "v1.3.0"),
        (splits(OLD), splits(OLD, test={"id": [], "label": []}), "v1.3.0"),
        (splits(OLD), splits({"id": ["a", "b"], "label": [0, 2]}), "v2.0.0"),
        (splits(MORE), splits(OLD), "v2.0.0"),
        (splits(OLD), splits({"id": OLD["id"]}), "v2.0.0"),
        (splits(OLD, test=MORE), splits(OLD), "v2.0.0"),
        (splits(OLD, test={"id": [], "label": []}), splits(OLD), "v2.0.0"),
        (splits(OLD), splits({**MORE, "label": [0, 2, 1]}), "v2.0.0"),
    ],
    ids=["same", "order", "row", "column", "split", "empty split", "cell", "less", "no column", "no split",
         "no empty split", "cell and row"],
)  # fmt: skip
def test_next_version(old: DatasetDict, new: DatasetDict, version: str) -> None:
    assert next_version("v1.2.3", diff(old, new)) == version


def test_another_type_is_a_major_version() -> None:
    old = Dataset.from_dict(OLD)
    new = old.cast(Features({"id": Value("string"), "label": Value("int32")}))
    assert next_version("v9.0.0", diff(old, new)) == "v10.0.0"


def test_the_first_version() -> None:
    assert next_version(None, None) == "v1.0.0"
    assert next_version("v0.0.0", diff(splits(OLD), splits(OLD))) == "v0.0.1"


def test_versions_are_sorted_by_number() -> None:
    assert sort_versions(["v10.0.0", "main", "v2.10.0", "v2.9.1", "v2"]) == ["v2.9.1", "v2.10.0", "v10.0.0"]


@pytest.mark.parametrize("tag", ["1.0.0", "v1.0", "v01.0.0", "v1.0.0-rc1", "v1.0.0\n", "v١.0.0", "v1.0.-1", ""])
def test_what_is_no_version(tag: str) -> None:
    assert parse_version(tag) is None
    with pytest.raises(RepositoryError, match="is no version"):
        next_version(tag, diff(splits(OLD), splits(OLD)))
