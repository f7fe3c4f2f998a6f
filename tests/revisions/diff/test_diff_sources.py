"""Keys of all sorts, files and streams: the diff of whatever is compared is the diff of its rows."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, DatasetDict, Features, IterableDataset, List, Value, concatenate_datasets
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError
from hf_mbdc.revisions.diff import keys, parquet_rows
from hf_mbdc.revisions.diff import match as diff_match
from hf_mbdc.revisions.diff import rows as diff_rows
from hf_mbdc.revisions.diff import sources as diff_sources
from hf_mbdc.revisions.diff.diff import Diff, Duplicates, SplitDiff, diff

NAN = float("nan")
FEATURES = Features(
    {"id": Value("string"), "page": Value("int32"), "text": Value("string"), "score": Value("float64")}
    | {"boxes": List(List(Value("int32"))), "parts": {"a": Value("int64"), "b": [{"c": Value("string")}]}}
)
ROW = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["a", "b", "c", "", "ab", "a" * 9, "a" * 20, None]),
        "page": st.sampled_from([0, 1, None]),
        "text": st.sampled_from(["", "x", "y z", None]),
        "score": st.sampled_from([0.0, -1.5, NAN, None]),
        "boxes": st.sampled_from([None, [], [[1, 2]], [[1], [2]], [None]]),
        "parts": st.sampled_from([None, {"a": 1, "b": []}, {"a": 1, "b": [{"c": "x"}]}, {"a": None, "b": None}]),
    }
)
ROWS = st.lists(ROW, max_size=7)
KEYS = st.sampled_from(["id", "page", ("id", "page"), ("page", "id")])


def make(rows: list[dict[str, Any]]) -> Dataset:
    return Dataset.from_list(rows, features=FEATURES) if rows else Dataset(FEATURES.arrow_schema.empty_table())


def key_of(row: dict[str, Any], key: str | tuple[str, ...]) -> Any:
    return row[key] if isinstance(key, str) else tuple(row[name] for name in key)


def pairs(old: list[Any], new: list[Any], key: Any) -> tuple[list[tuple[int, int]], list[int], list[int]]:
    """The slow way: the first row of a key is the first of the other side with it, and so on."""
    places = defaultdict(list)
    for place, row in enumerate(old):
        places[key_of(row, key)].append(place)
    found = [(places[k].pop(0) if places[k] else -1, i) for i, k in enumerate(key_of(row, key) for row in new)]
    removed = sorted(place for left in places.values() for place in left)
    return [pair for pair in found if pair[0] >= 0], [i for p, i in found if p < 0], removed


def texts(row: dict[str, Any]) -> dict[str, str]:
    """Every cell as JSON, so that NaN equals NaN."""
    return {name: json.dumps(value) for name, value in row.items()}


def ids(rows: list[Any], places: list[int], key: Any) -> list[str]:
    keys = [key_of(rows[place], key) for place in places]
    return [json.dumps(list(k)) if isinstance(key, tuple) else "null" if k is None else str(k) for k in keys]


def check(split: SplitDiff, old: list[Any], new: list[Any], key: Any) -> None:
    both, added, removed = pairs(old, new, key)
    cells = [(i, n) for o, i in both for n in FEATURES if texts(old[o])[n] != texts(new[i])[n]]
    assert split.added_ids.to_pylist() == ids(new, added, key)
    assert split.removed_ids.to_pylist() == ids(old, removed, key)
    assert split.changed_ids.to_pylist() == ids(new, sorted({i for i, _ in cells}), key)
    assert {name: found.changed for name, found in split.columns.items()} == {
        name: count for name in FEATURES if (count := sum(n == name for _, n in cells))
    }
    assert split.reordered == ([o for o, _ in both] != sorted(o for o, _ in both))
    repeated = [len(rows) - len({key_of(row, key) for row in rows}) for rows in (old, new)]
    assert [split.duplicates.before, split.duplicates.after] == repeated


@settings(max_examples=80, deadline=None)
@given(ROWS, ROWS, KEYS)
def test_like_a_comparison_of_python_rows(old: list[Any], new: list[Any], key: Any) -> None:
    found = diff(make(old), make(new), key=key)
    check(found.splits["train"], old, new, key)
    assert Diff.from_dict(json.loads(json.dumps(found.to_dict(), allow_nan=False))).to_dict() == found.to_dict()
    assert found.to_html().count("<script") == 0


@settings(max_examples=40, deadline=None)
@given(ROWS, ROWS)
def test_when_all_hashes_collide(old: list[Any], new: list[Any]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diff_match, "hash_keys", lambda columns: np.full(len(columns[0]), 7, np.uint64))
        check(diff(make(old), make(new)).splits["train"], old, new, "id")


def value(text: str | None, feature: Any) -> Any:
    """What a text of `changes` stands for."""
    if text is None:
        return None
    if feature == Value("string"):
        return text
    return NAN if text == "nan" else json.loads(text)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=3), ROW, max_size=8), st.dictionaries(st.text(max_size=3), ROW, max_size=8))
def test_the_changes_applied_to_old_give_new(old: dict[str, Any], new: dict[str, Any]) -> None:
    before, after = ([row | {"id": key} for key, row in side.items()] for side in (old, new))
    result = {row["id"]: dict(row) for row in before}
    for change in diff(make(before), make(after)).changes():
        if change["kind"] == "removed":
            assert texts(json.loads(change["before"])) == texts(result.pop(change["id"]))
        elif change["kind"] == "added":
            result[change["id"]] = json.loads(change["after"])
        else:
            feature = FEATURES[change["column"]]
            assert texts({"": value(change["before"], feature)}) == texts({"": result[change["id"]][change["column"]]})
            result[change["id"]][change["column"]] = value(change["after"], feature)
    assert {key: texts(row) for key, row in result.items()} == {row["id"]: texts(row) for row in after}


def some(count: int, **columns: Any) -> Dataset:
    rows = {"id": [f"{n:05d}" for n in range(count)], "x": list(range(count)), "t": [f"text {n}" for n in range(count)]}
    return Dataset.from_dict(rows | columns)


def edited(rows: Dataset) -> Dataset:
    table = rows.data.table.combine_chunks().to_pydict()
    table["x"] = [x + 100 if x % 50 == 3 else x for x in table["x"]]
    return Dataset.from_dict({name: values[:77] + values[79:] for name, values in table.items()})


def test_blocks_of_ascending_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff_match, "BLOCK", 16)
    monkeypatch.setattr(diff_rows, "BLOCK", 16)
    monkeypatch.setattr(diff_rows, "RUN", 16)
    monkeypatch.setattr(diff_match, "match_hashes", None)  # ascending keys do not need it
    old = some(200)
    split = diff(old, concatenate_datasets([edited(old), some(3, id=["3", "4", "5"])])).splits["train"]
    assert split.removed_ids.to_pylist() == ["00077", "00078"]
    assert split.added_ids.to_pylist() == ["3", "4", "5"]
    assert split.changed_ids.to_pylist() == ["00003", "00053", "00103", "00153"]


@settings(max_examples=60, deadline=None)
@given(st.sets(st.binary(min_size=9, max_size=9)), st.sets(st.binary(min_size=9, max_size=9)), st.integers(8, 10))
def test_ascending_texts_of_one_length(old: set[bytes], new: set[bytes], size: int) -> None:
    both = set(sorted(old | new)[::3])  # on both sides
    sides = [sorted({key.hex()[:size] for key in side | both}) for side in (old, new)]
    split = diff(*(Dataset(pa.table({"id": pa.array(side, pa.string())})) for side in sides)).splits["train"]
    assert split.added_ids.to_pylist() == sorted({*sides[1]} - {*sides[0]})
    assert split.removed_ids.to_pylist() == sorted({*sides[0]} - {*sides[1]})


def test_ascending_numbers_and_dictionaries_as_keys() -> None:
    small, wide = pa.array([1, 2, 250], pa.uint8()), pa.array([2, 3, 250], pa.uint64())
    with pytest.raises(DataError, match="int64 in the old dataset and uint64 in the new"):
        diff(Dataset(pa.table({"id": small})), Dataset(pa.table({"id": wide})))
    split = diff(Dataset(pa.table({"id": small})), Dataset(pa.table({"id": wide.cast(pa.int16())}))).splits["train"]
    assert (split.added_ids.to_pylist(), split.removed_ids.to_pylist()) == (["3"], ["1"])


def test_rows_in_many_pieces_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff_rows, "BLOCK", 8)
    monkeypatch.setattr(diff_match, "MANY", 10)  # in parts
    old = some(150)
    pieces = concatenate_datasets([old.select(range(start, start + 10)) for start in range(0, 150, 10)])
    new = edited(old).shuffle(seed=3)
    split = diff(pieces, new).splits["train"]
    assert sorted(split.removed_ids.to_pylist()) == ["00077", "00078"]
    assert sorted(split.changed_ids.to_pylist()) == ["00003", "00053", "00103"]
    assert split.reordered


def test_duplicates_are_told_and_paired_in_their_order() -> None:
    old = Dataset.from_dict({"id": ["a", "b", "a", None], "x": [1, 2, 3, 4]})
    new = Dataset.from_dict({"id": ["a", "a", "a", None, None], "x": [1, 5, 6, 4, 4]})
    found = diff(old, new)
    split = found.splits["train"]
    assert split.duplicates == Duplicates(1, 3, ("a", "null"))
    assert (split.added_ids.to_pylist(), split.removed_ids.to_pylist()) == (["a", "null"], ["b"])
    assert [(e.id, e.before, e.after) for e in split.columns["x"].examples] == [("a", "3", "5")]
    line = "DUPLICATES: 3 rows repeat a key in train (before: 1), for example a, null; paired in their order"
    assert str(found).startswith(line)
    assert "Keys that are there more than once" in found.to_html()


@pytest.mark.parametrize("key", [(), ("id", "id")])
def test_keys_that_name_no_row(key: Any) -> None:
    with pytest.raises(DataError, match="Name each key column once"):
        diff(some(1), some(1), key=key)


def test_hashes_of_texts_depend_on_every_byte() -> None:
    words = ["", "a", "b", "a" * 8, "a" * 9, "a" * 7 + "b", "ab" * 8, "a" * 2000, "a" * 1999 + "b", "\0", "\0\0"]
    hashes = keys.hash_keys([pa.array(words)])
    assert len(set(hashes.tolist())) == len(words)
    one_by_one = [keys.hash_keys([pa.array([word], pa.large_string())])[0] for word in words]
    assert hashes.tolist() == [int(number) for number in one_by_one]
    assert keys.hash_keys([pa.array(["zz", *words]).slice(1)]).tolist() == hashes.tolist()


def write(rows: Dataset, path: Path, size: int = 20, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows.data.table.combine_chunks(), path, row_group_size=size, **options)
    return path


def test_files_are_compared_like_their_rows(tmp_path: Path) -> None:
    old, new = some(150), edited(some(150))
    expected = diff(old, new)
    for number, options in enumerate(({}, {"size": 33}, {"compression": "gzip"}, {"use_dictionary": False})):
        found = diff(write(old, tmp_path / "old.parquet"), write(new, tmp_path / f"{number}.parquet", **options))
        assert found == expected
        assert found.changes().to_list() == expected.changes().to_list()


def test_of_files_only_what_differs_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = some(100).to_dict()
    files = [write(Dataset.from_dict(rows), tmp_path / "old.parquet")]
    rows["x"][45] = -1
    files.append(write(Dataset.from_dict(rows), tmp_path / "new.parquet"))
    decoded = []
    group = parquet_rows.ParquetRows.group

    def counted(self: Any, number: int, columns: Any = None) -> pa.Table:
        decoded.append((number, list(self.schema.names if columns is None else columns)))
        return group(self, number, columns)

    monkeypatch.setattr(parquet_rows.ParquetRows, "group", counted)
    split = diff(*files).splits["train"]
    assert split.changed_ids.to_pylist() == ["00045"]
    assert {number for number, _ in decoded} == {2}
    assert not any("t" in columns for _, columns in decoded)


def test_row_groups_that_moved_are_found_again(tmp_path: Path) -> None:
    old = some(100)
    table = edited(old)
    new = concatenate_datasets([table.select(range(60, 98)), table.select(range(40, 60)), table.select(range(40))])
    files = write(old, tmp_path / "old.parquet"), write(new, tmp_path / "new.parquet", 20)
    found, expected = diff(*files).splits["train"], diff(old, new).splits["train"]
    assert found.reordered
    assert sorted(found.changed_ids.to_pylist()) == sorted(expected.changed_ids.to_pylist())
    assert (found.added, found.removed, found.columns["x"].changed) == (0, 2, expected.columns["x"].changed)


def stream(rows: Dataset) -> IterableDataset:
    return rows.to_iterable_dataset(num_shards=2)


def test_streams_and_large_files_go_by_a_temporary_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(diff_sources, "IN_MEMORY", 0)
    monkeypatch.setattr(diff_sources, "BATCH", 7)
    old, new = some(150), edited(some(150))
    expected = diff(old, new)
    assert diff(stream(old), stream(new)) == expected
    assert diff(old, stream(new)) == expected
    path = write(new, tmp_path / "new.parquet")
    assert diff(old, path) == expected
    found = diff(stream(old), path)
    assert found.changes().to_list() == expected.changes().to_list()
    folders = [rows.keeps.name for rows in (found._rows["train"].old, found._rows["train"].new)]
    assert all(Path(folder).is_dir() for folder in folders)
    del found
    assert not any(Path(folder).exists() for folder in folders)


def test_a_stream_that_changes_its_columns_is_refused() -> None:
    rows = IterableDataset.from_generator(lambda: iter([{"id": "a", "x": 1}] * 1000 + [{"id": "b", "x": "one"}] * 1000))
    with pytest.raises((DataError, pa.ArrowInvalid)):
        diff(rows, some(2))


def test_folders(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    write(some(30), old / "train-00000-of-00001.parquet")
    write(some(5), old / "test-00000-of-00001.parquet")
    write(edited(some(100)).select(range(20)), new / "data" / "train-00000-of-00002.parquet")
    write(edited(some(100)).select(range(20, 30)), new / "data" / "train-00001-of-00002.parquet")
    write(some(5), new / "data" / "test-00000-of-00001.parquet")
    found = diff(old, new)
    assert {name: split.changed for name, split in found.splits.items()} == {"train": 1, "test": 0}
    with pytest.raises(DataError, match="no such file or folder"):
        diff(old, tmp_path / "nowhere")
    (tmp_path / "broken.parquet").write_text("no")
    with pytest.raises(DataError, match="Not a Parquet file"):
        diff(tmp_path / "broken.parquet", new)


def test_the_folder_of_a_published_revision(tmp_path: Path) -> None:
    from hf_mbdc.publishing.publication import publish
    from hf_mbdc.revisions.repositories.folder import FolderRepository

    repository = FolderRepository(tmp_path)
    sides = [DatasetDict(train=rows, test=some(3)) for rows in (some(60), edited(some(100)).select(range(40)))]
    shas = [publish(side, "me/x", message="m", repository=repository).sha for side in sides]
    assert diff(*(repository.snapshot("me/x", sha) for sha in shas)) == diff(*sides)
