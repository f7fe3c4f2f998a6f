"""The content hash: what it ignores, and that it misses nothing else."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from datasets import (
    ClassLabel,
    Dataset,
    DatasetDict,
    Features,
    Image,
    LargeList,
    List,
    Value,
    concatenate_datasets,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from hf_mbdc.errors import DataError
from hf_mbdc.revisions import rows
from hf_mbdc.revisions.content_hash import combine_hashes, content_hash, dataset_hash

FEATURES = Features(
    {
        "id": Value("string"),
        "number": Value("int32"),
        "score": Value("float32"),
        "flag": Value("bool"),
        "boxes": List(List(Value("int32"))),
        "candidates": List({"start": Value("int32"), "text": Value("string")}),
    }
)
ROW = st.fixed_dictionaries(
    {
        "id": st.none() | st.text(max_size=3),
        "number": st.none() | st.integers(-3, 3),
        "score": st.none() | st.floats(width=32),
        "flag": st.none() | st.booleans(),
        "boxes": st.none() | st.lists(st.none() | st.lists(st.integers(0, 2), max_size=2), max_size=2),
        "candidates": st.none()
        | st.lists(
            st.none() | st.fixed_dictionaries({"start": st.none() | st.integers(0, 2), "text": st.text(max_size=2)}),
            max_size=2,
        ),
    }
)


def png(colour: int, size: int = 2) -> bytes:
    target = io.BytesIO()
    PillowImage.new("L", (size, size), colour).save(target, "PNG")
    return target.getvalue()


def table(column: Any, kind: Any = None) -> Dataset:
    return Dataset(pa.table({"a": pa.array(column, kind) if not isinstance(column, pa.Array) else column}))


def typed(column: list[Any], feature: Any) -> Dataset:
    return Dataset.from_dict({"a": column}, features=Features({"a": feature}))


def nan(bits: int) -> float:
    return struct.unpack("<d", struct.pack("<Q", bits))[0]


def test_the_hash_of_a_literal_dataset_never_changes() -> None:
    data = {"id": ["a", "b"], "n": [1, None], "boxes": [[[1, 2]], []], "score": [float("nan"), -0.0]}
    assert content_hash(Dataset.from_dict(data)) == ("14515319707c7343bc0c1df768fab9ef1e1f36a0d49792d87f596e0cdd59a8f6")


SAME = {
    "large_string": (table(["x", None]), table(["x", None], pa.large_string())),
    "string_view": (table(["x", None]), table(["x", None], pa.string_view())),
    "dictionary": (table(["x", None, "x"]), table(pa.array(["x", None, "x"]).dictionary_encode())),
    "large list": (typed([[1], None], List(Value("int64"))), typed([[1], None], LargeList(Value("int64")))),
    "NaN of another bit pattern": (
        table(np.array([nan(0x7FF8000000000000)])[:], pa.float64()),
        table(np.array([nan(0x7FF8000000000001)]), pa.float64()),
    ),
    "negative zero": (table([0.0]), table([-0.0])),
    "bytes hidden under a null": (
        table(["x", None]),
        table(
            pa.Array.from_buffers(
                pa.string(), 2, pa.array(["x", None]).buffers()[:1] + pa.array(["x", "yy"]).buffers()[1:]
            )
        ),
    ),
    "number hidden under a null": (
        table([1, None]),
        table(pa.Array.from_buffers(pa.int64(), 2, pa.array([1, None]).buffers()[:1] + pa.array([1, 7]).buffers()[1:])),
    ),
    "path of an image": (
        typed([{"bytes": b"x", "path": "here.png"}], Image()),
        typed([{"bytes": b"x", "path": None}], Image()),
    ),
    "path of an image in a list": (
        typed([[{"bytes": b"x", "path": "here.png"}]], List(Image())),
        typed([[{"bytes": b"x", "path": None}]], List(Image())),
    ),
    "image shown undecoded": (
        typed([{"bytes": b"x", "path": None}], Image()),
        typed([{"bytes": b"x", "path": None}], Image(decode=False)),
    ),
    "order of columns": (Dataset.from_dict({"a": [1], "b": [2]}), Dataset.from_dict({"b": [2], "a": [1]})),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME.keys())
def test_storage_does_not_matter(pair: tuple[Dataset, Dataset]) -> None:
    assert content_hash(pair[0]) == content_hash(pair[1])


OTHER = {
    "cell": (table(["x"]), table(["y"])),
    "where one text ends": (table(["ab", "c"]), table(["a", "bc"])),
    "where one list ends": (table([[1], [2, 3]]), table([[1, 2], [3]])),
    "null or empty text": (table([None, "x"]), table(["", "x"])),
    "null or empty list": (table([None, [1]]), table([[], [1]])),
    "null or zero": (table([None, 1]), table([0, 1])),
    "null or false": (table([None, True]), table([False, True])),
    "null or NaN": (table([None, 1.0]), table([float("nan"), 1.0])),
    "which is null": (table([None, 1, 1]), table([1, None, 1])),
    "null struct or struct of null": (table([None, {"b": 1}]), table([{"b": None}, {"b": 1}])),
    "depth": (typed([[]], List(List(Value("int32")))), typed([[[]]], List(List(Value("int32"))))),
    "order of rows": (table([1, 2]), table([2, 1])),
    "number of empty rows": (table([None, None]), table([None])),
    "type": (table([1], pa.int32()), table([1], pa.int64())),
    "column name": (Dataset.from_dict({"a": [1]}), Dataset.from_dict({"b": [1]})),
    "columns swapped": (Dataset.from_dict({"a": [1], "b": [2]}), Dataset.from_dict({"b": [1], "a": [2]})),
    "label names": (typed([0], ClassLabel(names=["x", "y"])), typed([0], ClassLabel(names=["y", "x"]))),
    "column that exists": (Dataset.from_dict({"a": [1]}), Dataset.from_dict({"a": [1], "b": [None]})),
    "struct or column with its path": (
        Dataset.from_dict({"a": [{"b": 1}]}),
        Dataset.from_dict({"a": [{}], 'a".\\"b': [1]}),
    ),
    "image": (
        typed([{"bytes": b"x", "path": None}], Image()),
        typed([{"bytes": b"y", "path": None}], Image()),
    ),
    "date": (table([1], pa.date32()), table([2], pa.date32())),
    "decimal": (
        table(["1.1"]).cast(Features(a=Value("decimal128(5, 2)"))),
        table(["1.2"]).cast(Features(a=Value("decimal128(5, 2)"))),
    ),
}


@pytest.mark.parametrize("pair", OTHER.values(), ids=OTHER.keys())
def test_content_matters(pair: tuple[Dataset, Dataset]) -> None:
    assert content_hash(pair[0]) != content_hash(pair[1])


@settings(max_examples=60, deadline=None)
@given(st.lists(ROW, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_chunks_and_indices_do_not_matter_and_every_cell_does(data: list[dict[str, Any]], random: Any) -> None:
    dataset = Dataset.from_list(data, features=FEATURES)
    expected = content_hash(dataset)
    order = random.sample(range(len(data)), len(data))
    back = np.argsort(order)
    pieces = concatenate_datasets([dataset.select([index]) for index in range(len(data))])
    assert content_hash(pieces) == expected
    assert content_hash(pieces.select(order).select(back)) == expected
    assert content_hash(dataset.select(order)) == content_hash(Dataset.from_list([data[i] for i in order], FEATURES))

    row, column = random.randrange(len(data)), random.choice(list(FEATURES))
    changed = [dict(item) for item in data]
    changed[row][column] = {
        "id": "changed",
        "number": 9,
        "score": 9.5,
        "flag": not data[row]["flag"],
        "boxes": [[9]],
        "candidates": [{"start": 9, "text": ""}],
    }[column]
    assert content_hash(Dataset.from_list(changed, features=FEATURES)) != expected


@pytest.mark.parametrize("order", [[0, 2, 1, 3], [3, 1], [1, 1, 2], [2, 3], []])
def test_any_selection_of_rows(order: list[int]) -> None:
    dataset = concatenate_datasets([table([0, 1]), table([2, 3])])
    assert content_hash(dataset.select(order)) == content_hash(typed(order, Value("int64")))


def test_small_blocks_give_the_same_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    data: dict[str, Any] = {"id": [str(n) for n in range(100)], "boxes": [[[n] * (n % 3)] for n in range(100)]}
    data["deep"] = [{"b.c": n, "b": {"c": -n}} for n in range(100)]  # two leaves that a careless path would mix up
    dataset = Dataset.from_dict(data).shuffle(seed=3)
    expected = content_hash(dataset)
    monkeypatch.setattr(rows, "BLOCK_BYTES", 200)
    assert rows.Rows(dataset).block_rows < 20
    assert content_hash(dataset) == expected


def test_an_image_file_is_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "page.png"
    path.write_bytes(png(7))
    outside = typed([{"bytes": None, "path": str(path)}, None], Image())
    inside = typed([{"bytes": png(7), "path": None}, None], Image())
    assert content_hash(outside) == content_hash(inside)
    path.write_bytes(png(8))
    assert content_hash(outside) != content_hash(inside)


def test_a_missing_image_file_is_named_without_its_folder(tmp_path: Path) -> None:
    outside = typed([{"bytes": None, "path": str(tmp_path / "gone.png")}], Image())
    with pytest.raises(
        DataError, match=r"Cannot read the file of a cell: No such file.*column 'a', file 'gone.png'"
    ) as info:
        content_hash(outside)
    assert str(tmp_path) not in str(info.value)


def test_a_file_that_is_no_image_is_not_read_into_the_data(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("token")
    with pytest.raises(DataError, match="The file of an image cell is no image"):
        content_hash(typed([{"bytes": None, "path": str(tmp_path / "secret")}], Image()))


def test_the_hash_of_all_splits_knows_their_names_and_not_their_order() -> None:
    one, two = table([1]), table([2])
    expected = dataset_hash(DatasetDict(train=one, test=two))
    assert dataset_hash(DatasetDict(test=two, train=one)) == expected
    assert combine_hashes({"train": content_hash(one), "test": content_hash(two)}) == expected
    assert dataset_hash(DatasetDict(train=two, test=one)) != expected
    assert dataset_hash(DatasetDict(train=one)) != content_hash(one)


def test_an_empty_dataset_has_a_hash_of_its_columns() -> None:
    assert content_hash(table([], pa.int32())) == content_hash(table([1], pa.int32()).select([]))
    assert content_hash(table([], pa.int32())) != content_hash(table([], pa.int64()))


def test_what_is_no_dataset_is_refused() -> None:
    with pytest.raises(DataError, match="Expected a Dataset, got DatasetDict"):
        content_hash(DatasetDict(train=table([1])))
