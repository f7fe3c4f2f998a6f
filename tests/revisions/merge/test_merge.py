"""Three-way merge: literal cases, and any three small datasets against an oracle that goes cell by cell."""

from __future__ import annotations

from typing import Any

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.revisions.content_hash import content_hash
from hf_mbdc.revisions.merge.merge import Conflict, MergeConflictError, merge


def rows(**columns: list[Any]) -> dict[str, Dataset]:
    return {"train": Dataset.from_dict(columns)}


BASE = rows(id=["a", "b", "c"], total=["1", "2", "3"], n=[1, 2, 3])


def conflicts(ours: dict[str, Dataset], theirs: dict[str, Dataset], base: Any = None) -> list[Conflict]:
    with pytest.raises(MergeConflictError) as caught:
        merge(BASE if base is None else base, ours, theirs)
    assert caught.value.count == len(caught.value.conflicts)
    return list(caught.value.conflicts)


def test_cells_of_one_row_from_both_sides() -> None:
    ours = rows(id=["a", "b", "c"], total=["1", "20", "3"], n=[1, 2, 3])
    theirs = rows(id=["a", "b", "c"], total=["1", "2", "3"], n=[1, 22, 3])
    assert merge(BASE, ours, theirs)["train"].to_dict() == {
        "id": ["a", "b", "c"],
        "total": ["1", "20", "3"],
        "n": [1, 22, 3],
    }


def test_rows_added_and_removed_by_both() -> None:
    ours = rows(id=["b", "c", "o"], total=["2", "3", "9"], n=[2, 3, 9])
    theirs = rows(id=["t", "a", "b"], total=["8", "1", "2"], n=[8, 1, 2])
    merged = merge(BASE, ours, theirs)["train"]
    assert merged.to_dict() == {"id": ["t", "b", "o"], "total": ["8", "2", "9"], "n": [8, 2, 9]}


def test_the_order_that_one_side_made_is_kept() -> None:
    shuffled = rows(id=["c", "a", "b"], total=["3", "1", "2"], n=[3, 1, 2])
    edited = rows(id=["a", "b", "c", "d"], total=["1", "2", "x", "4"], n=[1, 2, 3, 4])
    for pair in ((shuffled, edited), (edited, shuffled)):
        assert merge(BASE, *pair)["train"]["total"][:] == ["x", "1", "2", "4"]


def test_the_same_change_on_both_sides_is_taken_once() -> None:
    ours = rows(id=["a", "b", "d"], total=["1", "x", "4"], n=[1, 2, 4])
    theirs = rows(id=["a", "b", "d"], total=["1", "x", "4"], n=[1, 5, 4])
    merged = merge(BASE, ours, theirs)["train"]
    assert merged.to_dict() == {"id": ["a", "b", "d"], "total": ["1", "x", "4"], "n": [1, 5, 4]}


def test_a_cell_that_both_changed() -> None:
    ours = rows(id=["a", "b", "c"], total=["1", "x" * 300 + "1", "3"], n=[1, 2, 3])
    theirs = rows(id=["a", "b", "c"], total=["1", "x" * 300 + "2", "3"], n=[1, 2, 3])
    (found,) = conflicts(ours, theirs)
    assert (found.split, found.id, found.column) == ("train", "b", "total")
    assert found.ours is not None
    assert found.ours.endswith("x1")
    assert len(found.ours) <= 200
    ours = rows(id=["a", "b", "c"], total=["1", "20", "3"], n=[1, 2, 3])
    theirs = rows(id=["a", "b", "c"], total=["1", "21", "3"], n=[1, 2, 3])
    with pytest.raises(MergeConflictError) as caught:
        merge(BASE, ours, theirs)
    assert str(caught.value) == (
        "Both sides changed the same: train 'b' total: ours '20', theirs '21' (conflicts 1). "
        "Load the head, decide these, and publish again."
    )


def test_a_row_that_one_removed_and_the_other_changed() -> None:
    less = rows(id=["a", "c"], total=["1", "3"], n=[1, 3])
    other = rows(id=["a", "b", "c"], total=["1", "x", "3"], n=[1, 0, 3])
    assert conflicts(less, other) == [Conflict("train", "b", None, "removed", "changed in total, n")]
    assert conflicts(other, less) == [Conflict("train", "b", None, "changed in total, n", "removed")]


def test_a_row_that_both_added_differently() -> None:
    ours = rows(id=["a", "b", "c", "d"], total=["1", "2", "3", "x"], n=[1, 2, 3, None])
    theirs = rows(id=["a", "b", "c", "d"], total=["1", "2", "3", "y"], n=[1, 2, 3, None])
    assert conflicts(ours, theirs) == [Conflict("train", "d", "total", "x", "y")]


def test_columns_that_came_and_went() -> None:
    ours = rows(id=["a", "b", "c"], total=["1", "2", "3"], n=[1, 2, 3], ours=["p", "q", "r"])
    theirs = rows(id=["t", "a", "b", "c"], total=["0", "1", "2", "x"], theirs=[9, 1, 2, 3])
    assert merge(BASE, ours, theirs)["train"].to_dict() == {
        "id": ["t", "a", "b", "c"],
        "total": ["0", "1", "2", "x"],
        "theirs": [9, 1, 2, 3],
        "ours": [None, "p", "q", "r"],
    }


def test_columns_that_both_changed() -> None:
    without = rows(id=["a", "b", "c"], n=[1, 2, 3])
    edited = rows(id=["a", "b", "c"], total=["1", "2", "x"], n=[1, 2, 3])
    assert conflicts(without, edited) == [Conflict("train", None, "total", "removed", "changed values")]
    floats = rows(id=["a", "b", "c"], total=["1", "2", "3"], n=[1.0, 2.0, 3.0])
    texts = rows(id=["a", "b", "c"], total=["1", "2", "3"], n=["1", "2", "3"])
    assert conflicts(floats, texts) == [Conflict("train", None, "n", "float64", "string")]
    more = rows(id=["a", "b", "c", "d"], total=["1", "2", "3", "4"], n=[1, 2, 3, 4])
    assert conflicts(floats, more) == [Conflict("train", None, "n", "float64", "changed values")]
    edited = rows(id=["a", "b", "c"], total=["1", "2", "x"], n=[1, 2, 3])
    for pair in ((floats, edited), (edited, floats)):
        merged = merge(BASE, *pair)["train"]
        assert merged.features["n"] == Value("float64")
        assert merged.to_dict() == {"id": ["a", "b", "c"], "total": ["1", "2", "x"], "n": [1.0, 2.0, 3.0]}


def test_labels_by_other_names_are_no_cells_to_mix() -> None:
    def labels(names: list[str], values: list[int], ids: str = "ab") -> dict[str, Dataset]:
        features = Features({"id": Value("string"), "y": ClassLabel(names=names)})
        return {"train": Dataset.from_dict({"id": list(ids), "y": values}, features=features)}

    base, renamed = labels(["n", "p"], [0, 1]), labels(["no", "yes"], [0, 1])
    assert conflicts(renamed, labels(["n", "p"], [0, 1, 1], "abc"), base=base)[0].column == "y"
    assert merge(base, renamed, labels(["n", "p"], [1], "b"))["train"].features["y"].names == ["no", "yes"]


def test_splits_that_came_and_went() -> None:
    base = {"train": BASE["train"], "old": BASE["train"].select([0]), "gone": BASE["train"]}
    ours = {"train": BASE["train"], "old": BASE["train"].select([0]), "new": BASE["train"].select([1])}
    theirs = {"train": BASE["train"].select([2]), "gone": BASE["train"], "more": BASE["train"].select([0, 1])}
    merged = merge(base, ours, theirs)
    assert {name: split["id"][:] for name, split in merged.items()} == {
        "train": ["c"],
        "more": ["a", "b"],
        "new": ["b"],
    }
    assert conflicts(ours, {"gone": BASE["train"].select([0])}, base=base) == [
        Conflict("gone", None, None, "removed", "changed")
    ]


def test_nested_cells_nulls_and_pictures() -> None:
    features = Features({"id": Value("string"), "words": List(List(Value("int32"))), "image": Image()})
    pictures = [{"bytes": name.encode(), "path": None} for name in "pqr"]

    def made(words: list[Any], images: list[Any], ids: str = "ab") -> dict[str, Dataset]:
        columns = {"id": list(ids), "words": words, "image": images}
        return {"train": Dataset.from_dict(columns, features=features).cast_column("image", Image(decode=False))}

    base = made([[[1]], None], pictures[:2])
    ours = made([[[1], [2]], None], pictures[:2])
    theirs = made([[[1]], []], [pictures[2], pictures[1]])
    merged = merge(base, ours, theirs)["train"]
    assert merged["words"][:] == [[[1], [2]], []]
    assert merged["image"][:] == [pictures[2], pictures[1]]


IDS, VALUES = "abcdef", st.sampled_from(["x", "y", None])
TABLES = st.lists(st.sampled_from(IDS), unique=True, max_size=6).flatmap(
    lambda ids: st.tuples(*(st.tuples(st.just(i), VALUES, VALUES) for i in ids))
)
FEATURES = Features({"id": Value("string"), "p": Value("string"), "q": Value("string")})


def as_split(table: tuple[tuple[str, Any, Any], ...]) -> dict[str, Dataset]:
    columns = {name: [row[place] for row in table] for place, name in enumerate(FEATURES)}
    return {"train": Dataset.from_dict(columns, features=FEATURES)}


def oracle(base: Any, ours: Any, theirs: Any) -> tuple[set[tuple[Any, ...]], int]:
    """The merged rows as a set, and the number of conflicts: one row and one cell after the other."""
    sides = [{row[0]: row[1:] for row in table} for table in (base, ours, theirs)]
    merged, against = set(), 0
    for key in IDS:
        before, left, right = (side.get(key) for side in sides)
        if left == right or right == before:
            chosen = left
        elif left == before:
            chosen = right
        elif left is None or right is None:
            against, chosen = against + 1, None
        else:
            cells = []
            for place in range(2):
                old = (before[place],) if before else ()
                if left[place] == right[place] or (right[place],) == old:
                    cells.append(left[place])
                elif (left[place],) == old:
                    cells.append(right[place])
                else:
                    against += 1
            chosen = tuple(cells)
        if chosen is not None:
            merged.add((key, *chosen))
    return merged, against


@settings(max_examples=150, deadline=None)
@given(TABLES, TABLES, TABLES)
def test_like_the_oracle(base: Any, ours: Any, theirs: Any) -> None:
    expected, against = oracle(base, ours, theirs)
    sides = [as_split(table) for table in (base, ours, theirs)]
    if against:
        with pytest.raises(MergeConflictError) as caught:
            merge(*sides)
        assert caught.value.count == against
        return
    merged = merge(*sides)["train"]
    found = [tuple(row.values()) for row in merged]
    assert len(found) == len(expected)
    assert set(found) == expected
    assert merged.features == FEATURES
    turned = merge(sides[0], sides[2], sides[1])["train"]
    assert {tuple(row.values()) for row in turned} == expected


def test_merging_takes_rows_and_does_not_copy_them() -> None:
    ours = rows(id=["a", "b", "c", "d"], total=["1", "2", "3", "4"], n=[1, 2, 3, 4])
    theirs = rows(id=["a", "b", "c"], total=["1", "x", "3"], n=[1, 2, 3])
    merged = merge(BASE, ours, theirs)
    assert isinstance(merged, DatasetDict)
    assert merged["train"]._indices is not None
    assert content_hash(merged["train"]) == content_hash(
        rows(id=["a", "b", "c", "d"], total=["1", "x", "3", "4"], n=[1, 2, 3, 4])["train"]
    )
