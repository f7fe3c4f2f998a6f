"""Texts cut into characters, and brought into a Unicode form, all at once as one by one."""

from __future__ import annotations

import unicodedata
from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.transforms.character_rows import (
    Form,
    changes,
    cut_characters,
    joins,
    split_characters,
    write_texts,
)

EVERY = [code for code in range(0x110000) if not 0xD800 <= code < 0xE000]
FAMILY, FLAG, NOTE = "👩\u200d👩\u200d👧", "🇰🇷", "e\u0301"
ODD = st.sampled_from([FAMILY, FLAG, NOTE, "\r\n", "각", "\u1100\u1161", "각\u11a8", "नि", "a", "가", "\u200d", "ก็"])
TEXTS = st.lists(
    st.one_of(st.lists(ODD, max_size=4).map("".join), st.text(st.characters(exclude_categories=["Cs"]), max_size=9)),
    max_size=9,
)


def names(texts: list[str], unit: str = "grapheme") -> list[list[str]]:
    rows = cut_characters(pa.array(texts, pa.string()), None, unit)  # type: ignore[arg-type]
    all_names = [rows.name(code) for code in rows.codes.tolist()]
    return [all_names[a:b] for a, b in zip(rows.offsets[:-1], rows.offsets[1:], strict=True)]


def test_literal_clusters() -> None:
    assert names(["가나", "", FAMILY + "a" + NOTE, FLAG * 2, "\r\n"]) == [
        ["가", "나"],
        [],
        [FAMILY, "a", NOTE],
        [FLAG, FLAG],
        ["\r\n"],
    ]
    assert names(["가", NOTE], "code_point") == [["가"], ["e", "\u0301"]]
    assert names([]) == []


def test_a_slice_and_large_strings() -> None:
    texts = ["x", "가" + NOTE, "", "나"]
    for kind in (pa.string(), pa.large_string()):
        rows = cut_characters(pa.array(texts, kind)[1:], unit="grapheme")
        assert rows.offsets.tolist() == [0, 2, 2, 3]
        assert write_texts(rows).to_pylist() == texts[1:]


@given(TEXTS)
def test_clusters_are_those_of_the_standard(texts: list[str]) -> None:
    assert names(texts) == [regex.findall(r"\X", text) for text in texts]


@given(TEXTS, st.sampled_from(["grapheme", "code_point"]))
def test_written_texts_are_the_texts(texts: list[str], unit: str) -> None:
    assert write_texts(cut_characters(pa.array(texts, pa.string()), None, unit)).to_pylist() == texts  # type: ignore[arg-type]


@given(TEXTS, st.sampled_from([*get_args(Form), None]))
def test_normalised_as_by_unicodedata(texts: list[str], form: Form | None) -> None:
    for kind in (pa.string(), pa.large_string()):
        done = write_texts(cut_characters(pa.array(texts, kind), form))
        assert done.to_pylist() == [unicodedata.normalize(form, text) if form else text for text in texts]


@pytest.mark.parametrize("form", get_args(Form))
def test_characters_that_are_said_not_to_change_never_do(form: Form) -> None:
    text = "".join(chr(code) for code in EVERY if (code < 0x3200 or code % 5 == 0) and not changes(code, form))
    assert unicodedata.normalize(form, text) == text
    assert len(text) > 200_000


def test_characters_that_are_said_not_to_join_never_do() -> None:
    alone = [code for code in EVERY if (code < 0x3200 or code % 23 == 0) and not joins(code)]
    for order in (alone, np.random.default_rng(0).permutation(alone).tolist()):
        assert len(regex.findall(r"\X", "".join(map(chr, order)))) == len(alone) > 50_000


def test_different_characters_in_their_order() -> None:
    assert split_characters("나\u1100\u1161나b", "NFC", "code_point") == ("나", "가", "b")
    assert split_characters([NOTE, FLAG], None, "grapheme") == (NOTE, FLAG)
    assert split_characters("", "NFC", "code_point") == ()
