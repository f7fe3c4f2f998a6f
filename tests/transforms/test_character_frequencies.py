"""Characters counted over parts, and what the counts say of each text."""

from __future__ import annotations

import math
import pickle
import unicodedata
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import RecipeError
from hf_mbdc.transforms.character_frequencies import BUCKETS, CharacterFrequencies, count_characters, row_frequencies
from hf_mbdc.transforms.character_rows import cut_characters

FAMILY, FLAG, NOTE = "👩\u200d👩\u200d👧", "🇰🇷", "e\u0301"
TEXTS = st.lists(
    st.one_of(
        st.none(),
        st.text(st.sampled_from("가각나ab\u0301\u1100\u1161\u11a8é👩\u200d👧🇰🇷ﬁ"), max_size=6),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    ),
    max_size=12,
)


def test_literal_counts_after_normalisation() -> None:
    found = count_characters([pa.array([NOTE, None, "é", "\u1100\u1161\u11a8"]), pa.array(["각각"])])
    assert found == CharacterFrequencies(("각", "é"), (3, 2))
    assert count_characters([pa.array([NOTE + FLAG, FLAG])], None, "grapheme").by_character == {NOTE: 1, FLAG: 2}
    assert count_characters([]) == CharacterFrequencies((), ())


@given(TEXTS, TEXTS, st.sampled_from(["NFC", "NFKD", None]), st.sampled_from(["code_point", "grapheme"]))
def test_counts_are_those_of_one_text_after_the_other(first: list, second: list, form: str, unit: str) -> None:
    expected: Counter[str] = Counter()
    for text in (text for text in first + second if text):
        text = unicodedata.normalize(form, text) if form else text
        expected.update(regex.findall(r"\X", text) if unit == "grapheme" else text)
    parts = [pa.array(first, pa.large_string()), pa.chunked_array([pa.array(second, pa.string())])]
    found = count_characters(parts, form, unit)  # type: ignore[arg-type]
    assert dict(found.by_character) == dict(expected)
    assert list(found.counts) == sorted(found.counts, reverse=True)


def test_literal_rows() -> None:
    counted = CharacterFrequencies(("가", "나", FLAG, "다"), (200, 50, 30, 2))
    texts = ["가", "가나", "다라다가", "", FLAG, NOTE]
    rows = row_frequencies(cut_characters(pa.array(texts), unit="grapheme"), counted, 20, 100)
    assert rows.least.tolist() == [200, 50, 0, 0, 30, 0]
    assert [BUCKETS[n] for n in rows.bucket] == ["many", "medium", "few", "few", "medium", "few"]
    assert rows.tail.to_pylist() == [[], [], ["다", "라"], [], [], [NOTE]]
    means = [math.log(201), (math.log(201) + math.log(51)) / 2, (2 * math.log(3) + math.log(201)) / 4]
    np.testing.assert_allclose(rows.mean_log, [*means, math.nan, math.log(31), 0], rtol=1e-6)


def test_no_rows() -> None:
    rows = row_frequencies(cut_characters(pa.array([], pa.string())), CharacterFrequencies(("a",), (1,)), 1, 1)
    assert (len(rows.least), len(rows.mean_log), rows.tail.to_pylist()) == (0, 0, [])


def test_survives_pickling_with_tables_made() -> None:
    counted = CharacterFrequencies(("가",), (3,))
    rows = cut_characters(pa.array(["가"]))
    assert counted.of(rows).tolist() == [3]
    again = pickle.loads(pickle.dumps(counted))  # noqa: S301
    assert again == counted
    assert len(pickle.dumps(counted)) < 1000
    assert again.of(rows).tolist() == [3]


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(RecipeError, match="There are 2 characters and 1 counts"):
        CharacterFrequencies("ab", (1,))  # type: ignore[arg-type]
