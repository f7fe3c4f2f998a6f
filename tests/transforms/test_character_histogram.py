"""Code points counted on the bytes of Arrow strings, against counting characters one by one."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.transforms import character_histogram
from hf_mbdc.transforms.character_histogram import count_code_points, window_keys

POOLS = (
    "가나다라힣각",
    "abc 1\n",
    "한中日語",
    "…。、",
    "éüñßж",
    "😀👩‍👧",
    "\u1112\u1161\u11ab",
    "\ue000\uffffꀀ퟿豈\x00",
)
EVERY = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]


def counted(texts: pa.Array | pa.ChunkedArray) -> dict[str, int]:
    counts = count_code_points(texts)
    return {chr(code): int(counts[code]) for code in np.flatnonzero(counts).tolist()}


def drawn_text(draw: random.Random, pools: list[str]) -> str | None:
    if draw.random() < 0.05:
        return None
    return "".join(draw.choice(draw.choice(pools)) for _ in range(draw.randint(0, 9)))


def one_by_one(texts: Iterable[str | None]) -> dict[str, int]:
    return dict(Counter(character for text in texts if text for character in text))


@pytest.fixture(params=[(768 * 1024, 16, 4 << 20), (30, 1, 20), (64, 2, 1000)], ids=str)
def block_sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, size in zip(("_BLOCK", "_SPARSE", "_KEYS"), request.param, strict=True):
        monkeypatch.setattr(character_histogram, name, size)


def test_literal_counts() -> None:
    assert counted(pa.array(["가나", "가b", None, "", "👍"])) == {"가": 2, "나": 1, "b": 1, "👍": 1}
    assert counted(pa.array([], pa.string())) == {}
    assert counted(pa.array([None], pa.string())) == {}
    assert counted(pa.chunked_array([], pa.string())) == {}


@pytest.mark.usefixtures("block_sizes")
def test_all_mixtures_of_scripts_kinds_and_slices() -> None:
    draw = random.Random(0)
    for _ in range(5):
        pools = draw.sample(POOLS, draw.randint(1, len(POOLS)))
        texts = [
            None
            if draw.random() < 0.05
            else "".join(draw.choice(draw.choice(pools)) for _ in range(draw.randint(0, 9)))
            for _ in range(draw.randint(0, 40))
        ]
        plain = pa.array(texts, pa.string())
        for kind in (pa.string(), pa.large_string(), pa.string_view()):
            assert counted(pa.array(texts, kind)) == one_by_one(texts)
            assert counted(pa.array(texts, kind)[3:-2]) == one_by_one(texts[3:-2])
        assert counted(plain.dictionary_encode()) == one_by_one(texts)
        assert counted(pa.chunked_array([plain, plain[1:], plain[:0]])) == one_by_one(texts + texts[1:])


@pytest.mark.usefixtures("block_sizes")
def test_characters_of_all_unicode() -> None:
    some = EVERY[::29] if character_histogram._BLOCK > 1000 else EVERY[::997]
    assert counted(pa.array(some)) == dict.fromkeys(some, 1)
    shuffled = random.Random(0).sample(some, len(some))
    assert counted(pa.array(shuffled)) == dict.fromkeys(some, 1)


def test_bytes_under_a_null_are_no_characters() -> None:
    data, offsets = "가나".encode(), np.array([0, 3, 6], np.int32)
    valid = pa.py_buffer(np.array([0b01], np.uint8))
    texts = pa.Array.from_buffers(pa.string(), 2, [valid, pa.py_buffer(offsets), pa.py_buffer(data)])
    assert texts.to_pylist() == ["가", None]
    assert counted(texts) == {"가": 1}


def test_more_keys_than_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(character_histogram, "_BLOCK", 30_000)
    monkeypatch.setattr(character_histogram, "_KEYS", 15_000)  # a block has 10,000
    assert counted(pa.array(["가나다"] * 30_000)) == {"가": 30_000, "나": 30_000, "다": 30_000}


def test_keys_tell_the_characters_of_their_range_apart() -> None:
    codes = list(range(0xA000, 0xD800))
    data, keys = np.frombuffer("".join(map(chr, codes)).encode(), np.uint8), np.empty(len(codes), np.uint16)
    window_keys(data, np.empty(len(data), np.uint8), keys)
    assert len(np.unique(keys)) == len(codes)
    assert keys.max() < 1 << 14


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=30))
@settings(max_examples=40, deadline=None)
def test_any_text(texts: list[str]) -> None:
    assert counted(pa.array(texts, pa.string())) == one_by_one(texts)
