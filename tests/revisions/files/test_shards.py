"""Where rows go when a revision is written onto its parent: places, bytes, delta shards, what is left of old rows."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image, List, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage

from hf_mbdc.revisions import rows as rows_module
from hf_mbdc.revisions.content_hash import dataset_hash
from hf_mbdc.revisions.files import chunks as chunks_module
from hf_mbdc.revisions.files import shards
from hf_mbdc.revisions.files.layout import LIVE, Deletes, write_files
from hf_mbdc.revisions.files.live import arrange, describe_layout

FEATURES = Features(
    {
        "id": Value("string"),
        "text": Value("string"),
        "words": List(Value("string")),
        "label": ClassLabel(names=["no", "yes"]),
    }
)


def make(*ids: str, **texts: str) -> Dataset:
    """Rows whose text is unique and long, but for those that are named."""
    found = [texts.get(name, hashlib.sha256(name.encode()).hexdigest()) for name in ids]
    data = {"id": list(ids), "text": found, "words": [[name] * 2 for name in ids], "label": [0] * len(ids)}
    return Dataset.from_dict(data, features=FEATURES)


def write(
    folder: Path, rows: Dataset, parent: Path | None = None, deletes: Deletes = "hard"
) -> dict[str, dict[str, list[Any]]]:
    """Writes one split; gives each file's columns."""
    files = write_files(DatasetDict(train=rows), None, folder, parent=parent, deletes=deletes)
    assert sorted(files) == sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    return {name.removeprefix("data/"): pq.read_table(path).to_pydict() for name, path in sorted(files.items())}


def ids(files: dict[str, dict[str, list[Any]]]) -> dict[str, str]:
    return {name: "".join(columns["id"]) for name, columns in files.items()}


def chunks(path: Path) -> dict[tuple[int, str], bytes]:
    """The bytes of every column chunk."""
    data, metadata = path.read_bytes(), pq.read_metadata(path)
    found = {}
    for group in range(metadata.num_row_groups):
        for index in range(metadata.num_columns):
            column = metadata.row_group(group).column(index)
            start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
            found[group, column.path_in_schema] = data[start : start + column.total_compressed_size]
    return found


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "GROUP_ROWS", 4)


BASE, DELTA = "train-00000-of-00001.parquet", "train-delta-0000{}.parquet"


def test_rows_stay_in_their_groups_and_new_ones_are_a_delta_shard(tmp_path: Path) -> None:
    write(tmp_path / "1", make(*"abcdefgh"))
    files = write(tmp_path / "2", make(*"acdefxghyz"), tmp_path / "1")
    assert ids(files) == {BASE: "acdefxgh", DELTA.format(1): "yz"}
    groups = pq.read_metadata(tmp_path / "2/data" / BASE)
    assert [groups.row_group(n).num_rows for n in range(2)] == [3, 5]
    files = write(tmp_path / "3", make(*"acdefxghz012"), tmp_path / "2")
    assert ids(files) == {BASE: "acdefxgh", DELTA.format(1): "z", DELTA.format(2): "012"}


def test_files_whose_rows_are_all_gone_are_gone(tmp_path: Path) -> None:
    write(tmp_path / "1", make(*"abcd"))
    write(tmp_path / "2", make(*"abcdef"), tmp_path / "1")
    write(tmp_path / "3", make(*"abcdefg"), tmp_path / "2")
    assert ids(write(tmp_path / "4", make(*"abcdg"), tmp_path / "3")) == {BASE: "abcd", DELTA.format(2): "g"}
    assert ids(write(tmp_path / "5", make(*"efg"), tmp_path / "3")) == {DELTA.format(1): "ef", DELTA.format(2): "g"}


@pytest.mark.parametrize(
    ("order", "expected", "groups"),
    [
        ("bcdefgha", {BASE: "bcdefgh", DELTA.format(1): "a"}, [3, 4]),  # moved to the end: comes in there
        ("habcdefg", {BASE: "habcdefg"}, [5, 3]),  # moved to the front
        ("hgfedcba", {BASE: "hgfedcba"}, [4, 4]),  # written anew
        ("ijklabcd", {BASE: "ijklabcd"}, [8]),
        ("ijklmabcd", {BASE: "ijklmabcd"}, [4, 4, 1]),  # too many for a group: written anew
    ],
)
def test_the_order_is_always_that_of_the_user(
    tmp_path: Path, order: str, expected: dict[str, str], groups: list[int]
) -> None:
    write(tmp_path / "1", make(*"abcdefgh"))
    files = ids(write(tmp_path / "2", make(*order), tmp_path / "1"))
    assert "".join(files.values()) == order
    assert files == expected
    metadata = pq.read_metadata(tmp_path / "2/data" / BASE)
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == groups


@pytest.mark.parametrize("deletes", ["hard", "lazy", "live"])
def test_unchanged_column_chunks_keep_their_bytes(tmp_path: Path, deletes: Deletes) -> None:
    rows = make(*"abcdefgh")
    write(tmp_path / "1", rows, deletes=deletes)
    same = write(tmp_path / "2", rows, tmp_path / "1", deletes)
    assert list(same) == [BASE]
    before, after = (tmp_path / n / "data" / BASE for n in "12")
    assert before.read_bytes() == after.read_bytes()
    labels = rows.remove_columns("label").add_column("label", [0, 1, 0, 0, 0, 0, 0, 0]).cast(FEATURES)
    write(tmp_path / "3", concatenate(labels.select(range(6)), make("i")), tmp_path / "1", "hard")
    left, right = chunks(before), chunks(tmp_path / "3/data" / BASE)
    if deletes == "hard":
        changed = {key for key in left if left[key] != right[key]}
        assert changed == {(0, "label"), (1, "id"), (1, "text"), (1, "words.list.element"), (1, "label")}


def concatenate(*parts: Dataset) -> Dataset:
    return Dataset(pa.concat_tables([part.data.table.take(range_of(part)) for part in parts]))


def range_of(part: Dataset) -> pa.Array:
    return pa.array(np.arange(len(part)) if part._indices is None else part._indices.column(0).to_numpy())


def test_a_dictionary_goes_on_that_of_the_parent(tmp_path: Path) -> None:
    write(tmp_path / "1", make(*"abcdefgh"), deletes="lazy")
    files = write(tmp_path / "2", make(*"abcdefgh", c="new"), tmp_path / "1", "lazy")
    assert files[BASE]["text"][:3] == [*make(*"ab")["text"][:], "new"]
    read = pq.ParquetFile(tmp_path / "2/data" / BASE, read_dictionary=["text"]).read_row_group(0)["text"].chunk(0)
    assert read.dictionary.to_pylist() == [*make(*"abcd")["text"][:], "new"]
    assert describe_layout(tmp_path / "2") == {"deletes": "lazy", "dead_rows": 0, "unused_values": 1, "deltas": 0}
    schema = pq.read_schema(tmp_path / "2/data" / BASE)
    assert schema.field("text").type == pa.string()


def test_a_dictionary_with_too_many_unused_values_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path / "1", make(*"abcdefgh"), deletes="lazy")
    write(tmp_path / "2", make(*"abefgh"), tmp_path / "1", "lazy")
    assert describe_layout(tmp_path / "2")["unused_values"] == 0


@pytest.mark.parametrize(("deletes", "left"), [("hard", False), ("lazy", True), ("live", True)])
def test_what_is_left_of_texts_that_go(
    tmp_path: Path, deletes: Deletes, left: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks_module, "COMPRESSION", "none")  # or the text would not be found
    gone, edited = (text.encode() for text in make(*"bg")["text"][:])
    write(tmp_path / "1", make(*"abcdefgh"), deletes=deletes)
    before = DatasetDict(train=make(*"abcdefgh"))
    now = DatasetDict(train=make(*"acdefgh", g="edited"))
    now = arrange(now, before) if deletes == "live" else now
    write(tmp_path / "2", now["train"], tmp_path / "1", deletes)
    write(tmp_path / "3", now["train"], tmp_path / "2", "hard")
    for folder, there in (("1", True), ("2", left), ("3", False)):
        data = b"".join(path.read_bytes() for path in (tmp_path / folder).rglob("*.parquet"))
        assert (gone in data, edited in data) == (there, there), folder


def test_live_files_change_in_one_column_only(tmp_path: Path) -> None:
    write(tmp_path / "1", make(*"abcdefgh"), deletes="live")
    before = DatasetDict(train=make(*"abcdefgh"))
    now = arrange(DatasetDict(train=make(*"abdefghi", e="edited")), before)
    assert "".join(now["train"]["id"][:]) == "abdfghei"
    files = write(tmp_path / "2", now["train"], tmp_path / "1", "live")
    assert ids(files) == {BASE: "abcdefgh", DELTA.format(1): "ei"}
    assert files[BASE][LIVE] == [True, True, False, True, False, True, True, True]
    assert files[DELTA.format(1)][LIVE] == [True, True]
    left, right = (chunks(tmp_path / n / "data" / BASE) for n in "12")
    assert {key for key in left if left[key] != right[key]} == {(0, LIVE), (1, LIVE)}
    assert describe_layout(tmp_path / "2") == {"deletes": "live", "dead_rows": 2, "unused_values": 0, "deltas": 1}
    # A dead row stays dead, and one that comes back comes in.
    back = concatenate(now["train"], make("c"))
    assert ids(write(tmp_path / "3", back, tmp_path / "2", "live")) == {**ids(files), DELTA.format(2): "c"}


@pytest.mark.parametrize(("edited", "flags"), [("h", "abcdefg"), ("f", "abcde"), ("e", "abcd"), ("c", "ab")])
def test_an_edited_row_in_its_old_place_is_no_live_one(tmp_path: Path, edited: str, flags: str) -> None:
    write(tmp_path / "1", make(*"abcdefgh"), deletes="live")
    files = write(tmp_path / "2", make(*"abcdefgh", **{edited: "edited"}), tmp_path / "1", "live")
    alive = [name for name, live in zip(files[BASE]["id"], files[BASE][LIVE], strict=True) if live]
    assert "".join(alive) == flags
    assert "".join(files[DELTA.format(1)]["id"]) == "abcdefgh".removeprefix(flags)


def test_rows_in_quite_another_order_leave_no_dead_ones(tmp_path: Path) -> None:
    write(tmp_path / "1", make(*"abcdefgh"), deletes="live")
    files = write(tmp_path / "2", make(*"bafedchg"), tmp_path / "1", "live")
    assert ids(files) == {BASE: "bafedchg"}
    assert files[BASE][LIVE] == [True] * 8


def test_many_delta_shards_become_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "MAX_DELTAS", 2)
    write(tmp_path / "0", make(*"abcd"))
    for number, name in enumerate("efg"):
        rows = make(*"abcdefg"[: 5 + number])
        files = write(tmp_path / str(number + 1), rows, tmp_path / str(number))
        assert name in ids(files)[max(files)]
    assert ids(files) == {BASE: "abcd", DELTA.format(3): "efg"}


def test_keys_that_tell_no_rows_apart(tmp_path: Path) -> None:
    doubled: list[list[str | None]] = [["a", "a", "b"], ["a", None, "b"]]
    kinds: tuple[Deletes, ...] = ("hard", "live")
    for number, names in enumerate(doubled):
        rows = Dataset.from_dict({"id": names, "x": [1, 2, 3]})
        more = Dataset.from_dict({"id": [names[1], "b", "b", "b"], "x": [5, 6, 7, 8]})
        for deletes in kinds:
            folder = tmp_path / f"{number}-{deletes}"
            write(folder / "1", rows, deletes=deletes)
            files = write(folder / "2", more, folder / "1", deletes)
            alive = [x for f in files.values() for x, live in zip(f["x"], f.get(LIVE, f["x"]), strict=True) if live]
            assert alive == [5, 6, 7, 8]
    rows = Dataset.from_dict({"x": [1, 2]})
    write(tmp_path / "3", rows)
    assert list(write(tmp_path / "4", rows, tmp_path / "3")) == [BASE]


def test_a_parent_that_another_tool_wrote_is_no_guide(tmp_path: Path) -> None:
    (tmp_path / "1/data").mkdir(parents=True)
    make(*"abcd").to_parquet(tmp_path / "1/data" / BASE)
    assert ids(write(tmp_path / "2", make(*"abcde"), tmp_path / "1")) == {BASE: "abcde"}


def test_marks_that_are_none(tmp_path: Path) -> None:
    write(tmp_path / "1", make(*"abcd"))
    table = pq.read_table(tmp_path / "1/data" / BASE)
    path = tmp_path / "other.parquet"
    for noted in (
        b"",
        b"[]",
        b"{",
        b'{"format": 1}',
        b'{"format": 1, "deletes": "x", "unused_values": 0, "dead_rows": 0}',
    ):
        pq.write_table(table.replace_schema_metadata({chunks_module.MARK: noted}), path)
        assert chunks_module.read_mark(path) is None
    (tmp_path / "1/data" / BASE).rename(tmp_path / "1/data/train-delta-x.parquet")
    assert ids(write(tmp_path / "2", make(*"abcde"), tmp_path / "1")) == {BASE: "abcde"}


def test_columns_that_come_and_go(tmp_path: Path) -> None:
    write(tmp_path / "1", make(*"abcdefgh"), deletes="lazy")
    more = make(*"abcdefgh").add_column("score", [0.5] * 8).remove_columns("words")
    files = write(tmp_path / "2", more, tmp_path / "1", "lazy")
    assert list(files[BASE]) == ["id", "text", "label", "score"]
    left, right = (chunks(tmp_path / n / "data" / BASE) for n in "12")
    assert all(left[key] == right[key] for key in left.keys() & right.keys())
    assert ids(write(tmp_path / "3", more, tmp_path / "1", "live")) == {BASE: "abcdefgh"}


def test_images_are_embedded_wherever_their_rows_go(tmp_path: Path) -> None:
    target = io.BytesIO()
    PillowImage.new("L", (2, 2), 7).save(target, "PNG")
    (tmp_path / "private.png").write_bytes(target.getvalue())
    features = Features({"id": Value("string"), "image": Image()})
    path = str(tmp_path / "private.png")
    first = Dataset.from_dict({"id": ["a"], "image": [path]}, features=features)
    second = Dataset.from_dict({"id": ["a", "b"], "image": [path, path]}, features=features)
    for deletes in ("hard", "live"):
        write(tmp_path / deletes / "1", first, deletes=deletes)
        files = write(tmp_path / deletes / "2", second, tmp_path / deletes / "1", deletes)
        cell = {"bytes": target.getvalue(), "path": "private.png"}
        assert [columns["image"] for columns in files.values()] == [[cell], [cell]]
        data = b"".join(found.read_bytes() for found in (tmp_path / deletes).rglob("*.parquet"))
        assert str(tmp_path).encode() not in data


EDIT = st.tuples(st.sampled_from(["remove", "edit", "label", "add", "insert", "swap"]), st.integers(0, 30))
MODES: tuple[Deletes, ...] = ("hard", "lazy", "live")


def apply(rows: list[dict[str, Any]], edit: tuple[str, int], name: str) -> list[dict[str, Any]]:
    kind, at = edit
    at %= len(rows)
    new = {"id": name, "text": None if at % 3 == 0 else f"new {name}", "words": [name, ""], "label": None}
    match kind:
        case "remove":
            return rows[:at] + rows[at + 1 :] if len(rows) > 1 else rows
        case "edit":
            return [*rows[:at], rows[at] | {"text": f"edited {name}"}, *rows[at + 1 :]]
        case "label":
            return [*rows[:at], rows[at] | {"label": 1, "words": None}, *rows[at + 1 :]]
        case "add":
            return [*rows, new]
        case "insert":
            return [*rows[:at], new, *rows[at:]]
    return [*rows[at:], *rows[:at]]


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 12), st.lists(st.tuples(st.lists(EDIT, max_size=5), st.sampled_from(MODES)), max_size=4), st.data()
)
def test_whatever_happened_before_the_rows_come_back(
    tmp_path_factory: pytest.TempPathFactory, count: int, steps: list[Any], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("steps")
    rows = [dict(row) for row in make(*(f"r{n}" for n in range(count)))]
    before: DatasetDict | None = None
    for number, (edits, deletes) in enumerate([([], "hard"), *steps]):
        for index, edit in enumerate(edits):
            rows = apply(rows, edit, f"{number}-{index}")
        splits = DatasetDict(train=Dataset.from_list(rows, features=FEATURES))
        splits = arrange(splits, before) if deletes == "live" else splits
        parent = folder / str(number - 1) if number else None
        files = write_files(splits, None, folder / str(number), parent=parent, deletes=deletes)
        again = splits["train"].select(range(len(rows))[::-1]).select(range(len(rows))[::-1])
        twice = write_files(DatasetDict(train=again), None, folder / f"{number}b", parent=parent, deletes=deletes)
        assert {n: p.read_bytes() for n, p in files.items()} == {n: p.read_bytes() for n, p in twice.items()}
        before = DatasetDict(train=read(files))
        assert dataset_hash(before) == dataset_hash(splits)
        assert sorted(before["train"]["id"][:]) == sorted(row["id"] for row in rows)
        rows = [dict(row) for row in before["train"]]
        anew = write_files(before, None, folder / f"{number}c", deletes=deletes)
        assert dataset_hash(DatasetDict(train=read(anew))) == dataset_hash(before)


def read(files: dict[str, Path]) -> Dataset:
    """The rows as a reader of the files gets them who leaves out the dead ones."""
    tables = [pq.read_table(path) for _, path in sorted(files.items())]
    table = pa.concat_tables(tables)
    if LIVE in table.column_names:
        table = table.filter(pc.field(LIVE)).drop_columns(LIVE)
    return Dataset(table.cast(FEATURES.arrow_schema))


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = make(*(f"{n:02d}" for n in range(30)))
    whole = write(tmp_path / "1", rows)
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 300)
    assert write(tmp_path / "2", rows) == whole
    assert (tmp_path / "1/data" / BASE).read_bytes() == (tmp_path / "2/data" / BASE).read_bytes()
