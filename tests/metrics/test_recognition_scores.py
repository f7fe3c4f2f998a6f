"""Scores of recognised texts, beside what was counted by hand."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.metrics.recognition import (
    BUCKETS,
    cer_scores,
    char_f1,
    confusions,
    edit_counts,
    micro_cer,
    word_accuracy_scores,
)

TEXT = st.text("가나다라ab", max_size=8)
FREQUENCIES = {"가": 500, "나": 100, "다": 20, "라": 19}


def test_a_word_is_right_or_wrong_as_a_whole() -> None:
    assert word_accuracy_scores(["가나", "가", "", ""], ["가나", "가나", "", "x"]).tolist() == [1, 0, 1, 0]


def test_unicode_forms_are_no_errors_unless_they_count() -> None:
    decomposed = unicodedata.normalize("NFD", "한글")
    assert word_accuracy_scores([decomposed], ["한글"]).tolist() == [1]
    assert word_accuracy_scores([decomposed], ["한글"], None).tolist() == [0]
    assert word_accuracy_scores(["ﬁ"], ["fi"]).tolist() == [0]
    assert word_accuracy_scores(["ﬁ"], ["fi"], "NFKC").tolist() == [1]
    assert cer_scores([decomposed], ["한국"], "NFC").tolist() == [0.5]
    assert cer_scores([list("ab")], [["a", "c"]]).tolist() == [0.5]


def test_edits_over_characters() -> None:
    read, true = ["abd", "ab", "", "xyz", "", "a"], ["abc", "b", "ab", "", "", "aaaa"]
    edits, characters = edit_counts(read, true)
    assert edits.tolist() == [1, 1, 2, 3, 0, 3]
    assert characters.tolist() == [3, 1, 2, 0, 0, 4]
    assert cer_scores(read, true).tolist() == pytest.approx([1 / 3, 1, 1, 3, 0, 3 / 4])
    assert micro_cer(read, true).value == pytest.approx(10 / 10)


def test_a_grapheme_is_one_character() -> None:
    read, true = [["e\u0301", "x"]], [["e\u0301", "y"]]
    assert edit_counts(read, true, None)[1].tolist() == [2]
    assert cer_scores(read, true, None).tolist() == [0.5]


def test_confusions_by_hand() -> None:
    found = confusions(["가너다", "나라", "가"], ["가나다", "나다라", "가나"])
    assert found.right == Counter({"가": 2, "다": 1, "나": 1, "라": 1})
    assert found.replaced == Counter({("나", "너"): 1})
    assert found.deleted == Counter({"다": 1, "나": 1})
    assert found.inserted == Counter()
    assert found.errors() == Counter({"나": 2, "다": 1})
    assert confusions(["xab"], ["ab"]).inserted == Counter({"x": 1})


def test_f1_by_bucket_by_hand() -> None:
    """Right: 가 2, 나 1, 다 1; missed: 나, 다; wrongly read: 라 (which is rare), x (which was never seen)."""
    scores = char_f1(["가나라", "가다x"], ["가나나", "가다다"], FREQUENCIES)
    assert scores["many"].value == 1.0  # 가
    assert scores["medium"].value == pytest.approx(2 * 2 / (2 * 2 + 2))  # 나, 다
    assert scores["few"].value == 0.0  # 라, x
    assert scores["all"].value == pytest.approx(2 * 4 / (2 * 4 + 4))
    assert list(scores) == ["all", "many", "medium", "few"]


def test_the_bounds_of_buckets_are_those_of_the_approach() -> None:
    from hf_mbdc.transforms.character_frequencies import BUCKETS, bucket_of

    for count in (0, 19, 20, 21, 99, 100, 101):
        scores = char_f1(["가"], ["가"], {"가": count})
        [bucket] = [name for name in ("many", "medium", "few") if not math.isnan(scores[name].value)]
        assert bucket == BUCKETS[bucket_of(np.array([count]), 20, 100)[0]]


def test_a_bucket_without_characters_has_no_score() -> None:
    scores = char_f1(["가"], ["가"], FREQUENCIES)
    assert (scores["many"].value, scores["many"].low, scores["many"].high) == (1.0, 1.0, 1.0)
    assert all(math.isnan(value) for value in (scores["few"].value, scores["few"].low, scores["few"].high))


def test_one_inserted_character_makes_one_error() -> None:
    assert char_f1(["x가나다"], ["가나다"], FREQUENCIES)["all"].value == pytest.approx(6 / 7)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
def test_every_character_is_counted_once(pairs: list[tuple[str, str]]) -> None:
    read, true = [one for one, _ in pairs], [other for _, other in pairs]
    found = confusions(read, true)
    replaced = found.replaced.total()
    assert found.right.total() + replaced + found.deleted.total() == sum(map(len, true))
    assert found.right.total() + replaced + found.inserted.total() == sum(map(len, read))
    assert replaced + found.deleted.total() + found.inserted.total() == edit_counts(read, true)[0].sum()
    assert found.right + found.errors() == Counter("".join(true))


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
def test_a_text_read_rightly_scores_best(pairs: list[tuple[str, str]]) -> None:
    read, true = [one for one, _ in pairs], [other for _, other in pairs]
    right = word_accuracy_scores(read, true) == 1
    assert ((cer_scores(read, true) == 0) == right).all()
    assert (word_accuracy_scores(true, true) == 1).all()
    scores = char_f1(read, true, FREQUENCIES)
    assert all(math.isnan(score.value) or 0 <= score.value <= 1 for score in scores.values())
    if "".join(true):
        assert char_f1(true, true, FREQUENCIES)["all"].value == 1


@pytest.mark.parametrize(
    ("read", "true", "message"),
    [
        (["a"], [], "There are 1 predictions for 0 references. Give one prediction a row."),
        ([None], ["a"], r"A prediction is NoneType, not a text \(row 0\)"),
        (["a", "b"], ["a", 7], r"A reference is int, not a text \(row 1\)"),
        ([["a", 1]], ["a"], r"A prediction is list, not a text \(row 0\)"),
    ],
)
def test_what_is_no_text(read: list[str], true: list[str], message: str) -> None:
    for scores in (word_accuracy_scores, cer_scores, confusions):
        with pytest.raises(DataError, match=message):
            scores(read, true)


def test_no_rows_and_no_form() -> None:
    assert cer_scores([], []).tolist() == []
    with pytest.raises(DataError, match="There are no rows to score"):
        char_f1([], [], {})
    with pytest.raises(RecipeError, match="normalization is 'nfc'"):
        word_accuracy_scores(["a"], ["a"], "nfc")


@given(st.lists(st.integers(0, 300), min_size=1), st.integers(1, 100), st.integers(0, 100))
def test_buckets_are_those_of_counted_characters(counts, few_below, more):
    """`metrics` stands alone, so the rule stands twice: here it is held to be one."""
    from hf_mbdc.metrics.recognition import _bucket
    from hf_mbdc.transforms.character_frequencies import BUCKETS as COUNTED
    from hf_mbdc.transforms.character_frequencies import bucket_of

    found = [COUNTED[n] for n in bucket_of(np.array(counts), few_below, few_below + more)]
    assert [("all", *BUCKETS)[_bucket(count, few_below, few_below + more)] for count in counts] == found
