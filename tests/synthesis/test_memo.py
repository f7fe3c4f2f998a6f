"""What a row is called in the memo, and that a memo finds what was added, whoever added it."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from typing import Any

from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.synthesis.memo import RowMemo, row_keys

ROW: dict[str, Any] = {"text": "a", "boxes": [[1, 2]], "candidates": [{"start": 0, "end": 1, "choice": 0.5}]}


def key(**changes: Any) -> str:
    return row_keys(Dataset.from_list([{**ROW, **changes}]), list(ROW))[0]


def test_a_key_is_of_the_content() -> None:
    assert key() == key()
    assert key(text="b") != key()
    assert key(boxes=[[1], [2]]) != key()
    assert key(candidates=[{"start": 0, "end": 2, "choice": 0.5}]) != key()
    assert key(candidates=[{"start": 0, "end": 1, "choice": 0.7}]) == key()
    assert row_keys(Dataset.from_list([{**ROW, "id": "x"}]), list(ROW)) == [key()]


@given(st.lists(st.text(max_size=3), min_size=1, max_size=8))
def test_keys_are_equal_exactly_where_values_are(texts: list[str]) -> None:
    keys = row_keys(Dataset.from_dict({"text": texts}), ["text"])
    assert [keys.index(k) for k in keys] == [texts.index(t) for t in texts]


def test_what_was_added_is_found(tmp_path: Path) -> None:
    memo = RowMemo(tmp_path / "model")
    assert memo.find(["a"]) == {}
    memo.add({"a": [0.1, float("-inf")], "b": []})
    memo.add({"c": [2.0]})
    memo.add({})
    assert RowMemo(tmp_path / "model").find(["a", "c", "b", "d"]) == {"a": [0.1, float("-inf")], "b": [], "c": [2.0]}
    assert RowMemo(tmp_path / "other").find(["a"]) == {}
    assert len(list((tmp_path / "model").iterdir())) == 2


def add(folder: Path, start: int) -> None:
    for number in range(start, start + 20):
        RowMemo(folder).add({str(number): [float(number)], "both": [1.0]})


def test_processes_share_a_memo(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=add, args=(tmp_path, start)) for start in (0, 10)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    expected = {str(number): [float(number)] for number in range(30)} | {"both": [1.0]}
    assert RowMemo(tmp_path).find([*expected, "30"]) == expected


def test_a_file_that_is_not_done_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "abc.7.tmp").write_bytes(b"PAR1 half")
    assert RowMemo(tmp_path).find(["a"]) == {}
