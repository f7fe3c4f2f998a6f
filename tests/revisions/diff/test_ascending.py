"""Keys that ascend on both sides, looked up in one another."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.revisions.diff import ascending
from hf_mbdc.revisions.rows import rows_of

NUMBERS = st.sets(st.integers(0, 300))


def places(wanted: list[object], there: list[object]) -> list[int]:
    return [there.index(key) if key in there else -1 for key in wanted]


@settings(max_examples=100, deadline=None)
@given(NUMBERS, NUMBERS, st.sets(st.integers(0, 2000)), st.integers(1, 70))
def test_numbers_are_found(left: set[int], right: set[int], both: set[int], stride: int) -> None:
    wanted, there = sorted(left | both), sorted(right | both)
    if not wanted or not there:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ascending, "STRIDE", stride)
        assert ascending.find(np.array(wanted), np.array(there)).tolist() == places(wanted, there)


# Prefixes of one another, zeros at the end, more than a word in common, and texts that differ in more than a word.
TEXTS = st.sets(
    st.tuples(st.sampled_from([b"", b"row-", b"a-long-prefix-"]), st.text("\0a\xff", max_size=12)).map(
        lambda parts: parts[0] + parts[1].encode("latin-1")
    )
)


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS, TEXTS, st.sampled_from([pa.string(), pa.large_string()]), st.integers(1, 20))
def test_texts_are_found(left: set[bytes], right: set[bytes], both: set[bytes], kind: pa.DataType, block: int) -> None:
    new, old = sorted(left | both), sorted(right | both)
    if not new or not old:
        return
    sides = [rows_of(pa.table({"id": pa.array([b"", *keys]).view(pa.string()).cast(kind)[1:]})) for keys in (old, new)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ascending, "BLOCK", block)
        assert all(map(ascending.ascends, sides))
        assert ascending.match_ascending(*sides).tolist() == places(list(new), list(old))


def test_a_text_and_the_same_with_a_zero_are_two_keys() -> None:
    plain, zero = pa.array(["row-1", "row-2"]), pa.array(["row-1\0", "row-2"])
    assert ascending._look_up(plain, zero).tolist() == [-1, 1]
    assert ascending._look_up(zero, plain).tolist() == [-1, 1]
    full, short = pa.array(["abcdefg\0"]), pa.array(["abcdefg"])
    assert ascending._look_up(full, short).tolist() == [-1]


@pytest.mark.parametrize("keys", [["b", "a"], ["a", "a"], ["a", None], [str(n) for n in range(200)]])
def test_what_does_not_ascend(keys: list[str | None]) -> None:
    assert not ascending.ascends(rows_of(pa.table({"id": keys})))


def test_the_border_of_two_blocks_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ascending, "BLOCK", 100)
    numbers = [*range(100), *range(99, 199)]
    assert not ascending.ascends(rows_of(pa.table({"id": numbers})))
    assert ascending.ascends(rows_of(pa.table({"id": sorted(set(numbers))})))
