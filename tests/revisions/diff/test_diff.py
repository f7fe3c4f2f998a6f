"""What changed between two datasets, on literal rows, and against a slow and simple comparison of Python rows."""

from __future__ import annotations

import datetime
import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value, concatenate_datasets
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.revisions import rows
from hf_mbdc.revisions.content_hash import dataset_hash
from hf_mbdc.revisions.diff.diff import (
    ColumnDiff,
    Diff,
    Example,
    Move,
    SchemaDiff,
    Shift,
    SplitDiff,
    TextEdits,
    describe,
    diff,
)

NAN = float("nan")


def one(before: dict[str, list[Any]], after: dict[str, list[Any]], **options: Any) -> SplitDiff:
    return diff(Dataset.from_dict(before), Dataset.from_dict(after), **options).splits["train"]


def counts(split: SplitDiff) -> tuple[int, int, int]:
    return split.added, split.removed, split.changed


def changed_cells(before: Any, after: Any, feature: Any = None) -> int:
    """How many of the cells of one column differ."""
    features = feature and Features({"id": Value("int64"), "x": feature})
    sides = [Dataset.from_dict({"id": list(range(len(x))), "x": x}, features=features) for x in (before, after)]
    split = diff(*sides).splits["train"]
    assert split.changed == (split.columns["x"].changed if split.columns else 0)
    return split.changed


def test_rows_and_columns() -> None:
    split = one(
        {"id": ["a", "b", "c"], "text": ["x", "y", "z"], "label": [0, 1, 2]},
        {"id": ["b", "c", "d"], "text": ["y!", "z", "w"], "label": [1, 3, 4]},
    )
    assert (split.rows_before, split.rows_after) == (3, 3)
    assert counts(split) == (1, 1, 2)
    assert split.added_ids.to_pylist() == ["d"]
    assert split.removed_ids.to_pylist() == ["a"]
    assert split.changed_ids.to_pylist() == ["b", "c"]
    assert split.columns == {
        "text": ColumnDiff(1, "text", (Example("b", "y", "y!"),), text=TextEdits(1, 2 / 3, 2 / 3)),
        "label": ColumnDiff(1, "number", (Example("c", "2", "3"),), shift=Shift(1, 1.0, 1.0, 1.0, 1.0)),
    }
    assert split.reasons == {"edited": 2, "added": 1}
    assert (split.reordered, split.status) == (False, "kept")


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        (["a", None, None], ["a", None, "b"], 1),
        ([1.0, NAN, NAN, None, 0.0], [1.0, NAN, 2.0, NAN, -0.0], 2),
        ([0.1, 0.2], [0.1, np.nextafter(0.2, 1)], 1),
        ([[1, 2], [], None, [1]], [[1, 2], None, [], [1, 1]], 3),
        ([[1, 2], [3]], [[1], [2, 3]], 2),
        ([[[1, 2], [3]]], [[[1], [2, 3]]], 1),
        ([[[1.0, NAN], [3.0]], [[NAN]]], [[[1.0, NAN], [4.0]], [[NAN]]], 1),
        ([{"s": 1, "t": None}, None, {"s": None, "t": "x"}], [{"s": 1, "t": "x"}, None, {"s": None, "t": "x"}], 1),
        ([None, {"s": 1}], [{"s": None}, {"s": 1}], 1),
        ([[{"s": 1}], [{"s": 1}, {"s": 2}]], [[{"s": 1}], [{"s": 1}, {"s": 3}]], 1),
        ([True, None, False], [True, None, True], 1),
        ([None, None], [None, None], 0),
    ],
)
def test_cells(before: list[Any], after: list[Any], changed: int) -> None:
    assert changed_cells(before, after) == changed
    assert changed_cells(after, before) == changed
    assert changed_cells(before, before) == 0


def test_the_kinds_of_columns() -> None:
    features = Features(
        {
            "id": Value("string"),
            "text": Value("string"),
            "label": ClassLabel(names=["a", "b"]),
            "score": Value("float32"),
            "words": List(Value("string")),
            "page": Image(),
            "day": Value("date32"),
        }
    )
    page = {"bytes": b"one", "path": "1.png"}
    row = {"id": "a", "text": "x", "label": 0, "score": 0.1, "words": ["ü"], "page": page, "day": None}
    new = row | {"text": None, "label": 1, "score": 0.2, "words": [], "day": datetime.date(1970, 1, 2)}
    new["page"] = {"bytes": b"two", "path": "1.png"}
    sides = [Dataset.from_list([side], features=features) for side in (row, new)]
    found = diff(*sides).splits["train"]
    assert {name: column.kind for name, column in found.columns.items()} == {
        "text": "text",
        "label": "label",
        "score": "number",
        "words": "list",
        "page": "image",
        "day": "other",
    }
    assert {name: (c.examples[0].before, c.examples[0].after) for name, c in found.columns.items()} == {
        "text": ("x", None),
        "label": ("a", "b"),
        "score": ("0.1", "0.2"),
        "words": ('["ü"]', "[]"),
        "page": ("3 bytes, sha256 7692c3ad3540", "3 bytes, sha256 3fc4ccfe7458"),
        "day": (None, '"1970-01-02"'),
    }


def test_what_lies_hidden_under_a_null_is_not_compared() -> None:
    mask = pa.array([True, False])
    fields = [pa.array([1, 1]), pa.array([2, 2])]  # 1 and 2 in the first row are under a null
    sides = [pa.StructArray.from_arrays([field], names=["s"], mask=mask) for field in fields]
    found = diff(*(Dataset(pa.table({"id": [1, 2], "x": side})) for side in sides))
    assert found.splits["train"].changed_ids.to_pylist() == ["2"]


def test_an_image_with_another_path_is_the_same() -> None:
    images = [[{"bytes": b"x", "path": path}] for path in ("a.png", None)]
    assert changed_cells(*images, feature=Image()) == 0
    assert changed_cells(*([cell] for cell in images), feature=List(Image())) == 0


def test_columns_that_come_and_go_change_no_row() -> None:
    found = diff(Dataset.from_dict({"id": ["a"], "old": [1]}), Dataset.from_dict({"id": ["a"], "new": [["x"]]}))
    assert found.schema == SchemaDiff(added={"new": "list<string>"}, removed={"old": "int64"})
    assert counts(found.splits["train"]) == (0, 0, 0)
    assert not found.is_empty


def test_a_retyped_column_is_compared_by_value() -> None:
    old = Dataset.from_dict({"id": ["a", "b"], "x": [1, 2]})
    new = Dataset.from_dict({"id": ["a", "b"], "x": [1.0, 2.5]})
    found = diff(old, new)
    assert found.schema == SchemaDiff(retyped={"x": ("int64", "float64")})
    assert found.splits["train"].changed_ids.to_pylist() == ["b"]
    incomparable = diff(old, Dataset.from_dict({"id": ["a", "b"], "x": [["1"], ["2"]]}))
    assert incomparable.splits["train"].changed == 2


def test_types_that_hold_the_same_values_are_no_change() -> None:
    old = Dataset(pa.table({"id": ["a"], "x": ["1"]}))
    new = Dataset(pa.table({"id": pa.array(["a"], pa.large_string()), "x": pa.array(["1"], pa.large_string())}))
    assert diff(old, new).is_empty


def test_other_names_of_labels_are_a_change_of_the_schema() -> None:
    sides = [
        Dataset.from_dict({"id": ["a"], "x": [0]}, Features({"id": Value("string"), "x": ClassLabel(names=names)}))
        for names in (["no", "yes"], ["yes", "no"])
    ]
    assert diff(*sides).schema.retyped == {"x": ("ClassLabel(no, yes)", "ClassLabel(yes, no)")}


def test_order_is_noted_and_no_change() -> None:
    old = Dataset.from_dict({"id": ["a", "b", "c"], "x": [1, 2, 3]})
    found = diff(old, old.select([2, 0, 1]))
    assert found.is_empty
    assert found.splits["train"].reordered
    assert not diff(old, old.select([0, 2])).splits["train"].reordered


def test_splits_by_name_and_rows_that_moved() -> None:
    old = DatasetDict(
        train=Dataset.from_dict({"id": ["a", "b", "c"]}),
        test=Dataset.from_dict({"id": ["d"]}),
        extra=Dataset.from_dict({"id": ["e"]}),
    )
    new = DatasetDict(
        train=Dataset.from_dict({"id": ["a"]}),
        test=Dataset.from_dict({"id": ["d", "b", "c"]}),
        fresh=Dataset.from_dict({"id": ["e", "f"]}),
    )
    found = diff(old, new)
    assert {name: (split.status, *counts(split)) for name, split in found.splits.items()} == {
        "train": ("kept", 0, 2, 0),
        "test": ("kept", 2, 0, 0),
        "fresh": ("added", 2, 0, 0),
        "extra": ("removed", 0, 1, 0),
    }
    assert sorted(found.moved, key=str) == [
        Move("extra", "fresh", 1, ("e",)),
        Move("train", "test", 2, ("b", "c")),
    ]


def test_a_dataset_is_compared_with_the_split_of_a_dict() -> None:
    old = DatasetDict(train=Dataset.from_dict({"id": ["a"]}))
    assert diff(old, Dataset.from_dict({"id": ["a"]})).is_empty
    assert diff(old["train"], old).is_empty
    named = Dataset.from_dict({"id": ["a"]}, split="test")
    assert diff(named, Dataset.from_dict({"id": ["a"]}, split="train")).is_empty
    assert diff(old, named).splits["train"].status == "removed"


def test_reasons_are_the_sources_of_the_new_rows() -> None:
    old = {"id": list("abcd"), "x": [0, 0, 0, 0], "mbdc_source": [None, None, None, "relabel"]}
    new = {"id": list("abcdefg"), "x": [1, 1, 1, 0, 0, 0, 0]}
    new["mbdc_source"] = ["relabel", "relabel", None, "relabel", "rephrase", None, ""]
    assert one(old, new).reasons == {"relabel": 2, "added": 2, "rephrase": 1, "edited": 1}
    assert one(old, {name: new[name] for name in ("id", "x")}).reasons == {"edited": 3, "added": 3}


def test_many_reasons_are_bounded() -> None:
    new = {"id": [str(n) for n in range(99)], "mbdc_source": [f"{n} {'x' * 500}" for n in range(99)]}
    reasons = one({"id": [], "mbdc_source": []}, new).reasons
    assert (len(reasons), reasons["other"], sum(reasons.values())) == (21, 79, 99)
    assert max(map(len, reasons)) == 200


def test_whole_numbers_of_any_width_are_keys() -> None:
    old = Dataset(pa.table({"key": pa.array([1, 2], pa.int8()), "x": ["a", "b"]}))
    new = Dataset(pa.table({"key": pa.array([2, 3], pa.int64()), "x": ["a", "b"]}))
    found = diff(old, new, key="key").splits["train"]
    assert counts(found) == (1, 1, 1)
    assert found.columns["x"].examples == (Example("2", "b", "a"),)


def test_an_empty_split_has_keys_of_no_type() -> None:
    full, empty = Dataset.from_dict({"id": ["a"], "x": [1]}), Dataset.from_dict({"id": [], "x": []})
    assert counts(diff(empty, full).splits["train"]) == (1, 0, 0)
    assert counts(diff(full, empty).splits["train"]) == (0, 1, 0)
    assert diff(empty, empty).is_empty


BAD = {
    "no key": (
        {"name": ["a"]},
        r"The new dataset has no key column \(split 'train', column 'id'\)\. .*columns: name\.",
    ),
    "no columns": ({}, r"The new dataset has no key column.*columns: none\."),
    "numbers": ({"id": [1]}, r"The keys are of type string in the old dataset and int64 in the new one"),
    "fractions": ({"id": [1.5]}, r"The keys of the new dataset are double .*\. Use strings or integers\."),
    "lists": ({"id": [["a"]]}, r"The keys of the new dataset are list"),
}


@pytest.mark.parametrize(("new", "message"), BAD.values(), ids=BAD.keys())
def test_bad_keys(new: dict[str, list[Any]], message: str) -> None:
    old = Dataset.from_dict({"id": ["a"]})
    with pytest.raises(DataError, match=message):
        diff(old, Dataset.from_dict(new))
    with pytest.raises(DataError, match="old"):
        diff(Dataset.from_dict(new), old)


def test_what_is_no_dataset_is_refused() -> None:
    with pytest.raises(DataError, match="Expected a Dataset, got list"):
        diff([{"id": 1}], Dataset.from_dict({"id": [1]}))


SOME = DatasetDict(
    train=Dataset.from_dict({"id": ["000-total", "b", "c"], "answer": ["9.00", "x", None], "n": [1, 2, 3]}),
    old=Dataset.from_dict({"id": ["d"], "answer": ["y"], "n": [4]}),
)
OTHER = DatasetDict(
    train=Dataset.from_dict(
        {"id": ["c", "000-total", "d"], "answer": ["two\nlines [b]", "9.50", "y"], "m": [[1], [2], [3]]}
    )
)


def test_the_table() -> None:
    assert str(diff(SOME, OTHER)) == TABLE
    assert str(diff(SOME, SOME)).endswith("\n\nNo changes.")


TABLE = """\
split                 before   after   added   removed   changed
────────────────────────────────────────────────────────────────
train                      3       3       1         1         2
old (split removed)        1       0       0         1         0

split   changed cells   column   kind   how                            for example
───────────────────────────────────────────────────────────────────────────────────────────────
train               2   answer   text   similarity 0.75; 1 were null   c: null → two\\nlines [b]

column added: m (list<int64>)
column removed: n (int64)
moved: 1 row from old to train
order: the rows of train stand in another order, which counts as no change
reasons in train: edited 2, added 1"""


def test_text_from_data_breaks_nothing() -> None:
    hostile = "\x1b[31m[red]a|b\u202e\n" * 30
    old = Dataset.from_dict({"id": [hostile], hostile: ["x"]})
    new = Dataset.from_dict({"id": [hostile], hostile: [hostile]})
    text = str(diff(old, new))
    assert not any(ord(c) < 32 or ord(c) == 127 or c == "\u202e" for c in text.replace("\n", ""))
    assert "[red]" in text
    assert max(map(len, text.splitlines())) <= 120


def test_a_long_text_is_cut_where_it_differs() -> None:
    before, after = "x" * 5000 + "old" + "y" * 5000, "x" * 5000 + "new" + "y" * 5000
    example = one({"id": ["i" * 900], "t": [before]}, {"id": ["i" * 900], "t": [after]}).columns["t"].examples[0]
    assert example.before == "…" + "x" * 50 + "old" + "y" * 145 + "…"
    assert example.after == "…" + "x" * 50 + "new" + "y" * 145 + "…"
    assert len(example.id) == 200


def test_a_text_that_is_not_utf8_is_shown_with_marks() -> None:
    broken = pa.array([b"caf\xe9"]).view(pa.string())
    old = Dataset(pa.table({"id": broken, "t": broken}))
    new = Dataset(pa.table({"id": broken, "t": ["café"]}))
    found = diff(old, new)
    assert found.splits["train"].columns["t"].examples == (Example("caf�", "caf�", "café"),)
    assert found.splits["train"].changed_ids.to_pylist() == ["caf�"]


def test_the_dict_is_bounded_json_and_can_be_read_back() -> None:
    old = Dataset.from_dict({"id": [f"{n}" + "x" * 300 for n in range(200)], "t": ["a" * 999] * 200})
    new = Dataset.from_dict({"id": [f"{n}" + "x" * 300 for n in range(100, 300)], "t": ["b" * 999] * 200})
    found = diff(DatasetDict(train=old, test=new), DatasetDict(train=new, test=old))
    data = found.to_dict()
    text = json.dumps(data, allow_nan=False)
    assert len(text) < 60_000
    again = Diff.from_dict(json.loads(text))
    assert again.to_dict() == data
    assert str(again) == str(found)
    assert len(found.splits["train"].changed_ids) == 100
    assert len(again.splits["train"].changed_ids) == 20
    assert len(again.splits["train"].columns["t"].examples) == 5


def test_a_diff_of_columns_with_a_type_change_can_be_read_back() -> None:
    found = diff(SOME, OTHER)
    assert Diff.from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_types_in_words() -> None:
    assert describe({"word": Value("string"), "boxes": List(List(Value("int32")), length=2)}) == (
        "{word: string, boxes: list<list<int32>> of 2}"
    )
    assert describe(Image()) == "Image"
    assert len(describe(ClassLabel(names=[str(n) for n in range(999)]))) == 200


CELL = st.fixed_dictionaries(
    {
        "text": st.sampled_from(["", "a", "b", None]),
        "score": st.sampled_from([0.0, 1.0, NAN, None]),
        "boxes": st.sampled_from([None, [], [[]], [[1]], [[1, 2]], [[1], [2]], [None]]),
        "parts": st.sampled_from([None, [], [{"s": 1, "v": NAN}], [{"s": 1, "v": 2.0}], [{"s": None, "v": NAN}]]),
    }
)
FEATURES = Features(
    {
        "id": Value("string"),
        "text": Value("string"),
        "score": Value("float32"),
        "boxes": List(List(Value("int32"))),
        "parts": List({"s": Value("int32"), "v": Value("float64")}),
    }
)
SIDE = st.dictionaries(st.sampled_from("abcdefgh"), CELL, max_size=8)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return all(same(left[name], right[name]) for name in left)
    if isinstance(left, float) and isinstance(right, float) and math.isnan(left):
        return math.isnan(right)
    return left == right


def build(side: dict[str, Any], order: list[str]) -> Dataset:
    """With an indices mapping and a chunk for each row, as nothing should notice."""
    if not side:
        return Dataset.from_dict({name: [] for name in FEATURES}, features=FEATURES)
    stored = sorted(side)
    pieces = [Dataset.from_list([{"id": key, **side[key]}], features=FEATURES) for key in stored]
    return concatenate_datasets(pieces).select([stored.index(key) for key in order])


@settings(max_examples=60, deadline=None)
@given(SIDE, SIDE, st.randoms(use_true_random=False))
def test_against_a_comparison_of_python_rows(old: dict[str, Any], new: dict[str, Any], random: Any) -> None:
    order = [random.sample(sorted(side), len(side)) for side in (old, new)]
    before, after = build(old, order[0]), build(new, order[1])
    found = diff(before, after)
    split = found.splits["train"]
    both = [key for key in order[1] if key in old]
    edits = {key: [name for name in old[key] if not same(old[key][name], new[key][name])] for key in both}
    assert split.added_ids.to_pylist() == [key for key in order[1] if key not in old]
    assert split.removed_ids.to_pylist() == [key for key in order[0] if key not in new]
    assert split.changed_ids.to_pylist() == [key for key in both if edits[key]]
    assert {name: column.changed for name, column in split.columns.items()} == {
        name: total for name in CELL_NAMES if (total := sum(name in edit for edit in edits.values()))
    }
    assert split.reordered == (both != [key for key in order[0] if key in new])
    unchanged = old.keys() == new.keys() and not any(edits.values())
    assert found.is_empty == unchanged
    hashes = [dataset_hash(DatasetDict(train=side)) for side in (before, after)]
    assert (hashes[0] == hashes[1]) == (unchanged and order[0] == order[1])


CELL_NAMES = ("text", "score", "boxes", "parts")


def test_many_rows_in_small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "BLOCK_BYTES", 1000)
    old = Dataset.from_dict({"id": [f"{n:04d}" for n in range(1000)], "x": list(range(1000))})
    new = old.map(lambda row: {"x": row["x"] + (row["x"] % 10 == 0)}).shuffle(seed=1).select(range(900))
    split = diff(old, new).splits["train"]
    kept = sorted(new["id"][:])
    assert counts(split) == (0, 100, sum(key.endswith("0") for key in kept))
    assert sorted(split.changed_ids.to_pylist()) == [key for key in kept if key.endswith("0")]
    assert split.columns["x"].changed == split.changed
    assert len(split.columns["x"].examples) == 5
