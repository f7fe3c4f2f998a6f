"""Contamination: equal texts, n-grams in common, and what is no evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import RecipeError
from hf_mbdc.synthesis.filters import contamination
from hf_mbdc.synthesis.filters.contamination import NgramIndex, find_equal

LONG = "Janet has sixteen ducks and every one of them lays an egg a day in spring"


def test_equal_texts() -> None:
    evaluation = ["Who wrote the play that is named after Hamlet?", "72", LONG, LONG]
    texts = ["who wrote the play that is named after hamlet", "72", f"{LONG}!", "Who wrote the play?", ""]
    assert find_equal(texts, evaluation).tolist() == [0, -1, 2, -1, -1]
    assert find_equal(texts, evaluation, least=1).tolist() == [0, 1, 2, -1, -1]
    assert find_equal(["!"], ["?"], least=0).tolist() == [-1]  # no words to compare
    assert find_equal(texts, []).tolist() == [-1] * 5
    assert find_equal([], evaluation).tolist() == []


def test_one_ngram_in_common_is_enough() -> None:
    words = LONG.split()
    index = NgramIndex(["Something else.", LONG])
    inside = f"Once upon a time, {' '.join(words[1:14]).upper()}; and so on."
    one_less = f"Once upon a time, {' '.join(words[1:13])}; and so on."
    assert index.find([inside, one_less, LONG, ""]).tolist() == [1, -1, 1, -1]


def test_the_evaluation_text_with_most_in_common_is_named() -> None:
    index = NgramIndex(["a b c x y", "a b c d e", "a b c d e f"], n=3)
    assert index.find(["a b c d e f", "a b c", "d e f"]).tolist() == [2, 0, 2]


def test_no_ngram_reaches_over_the_end_of_a_text() -> None:
    assert NgramIndex(["a b", "c d"], n=3).find(["a b c d"]).tolist() == [-1]
    assert NgramIndex(["a b c d"], n=3).find(["a b", "c d"]).tolist() == [-1, -1]


def test_the_form_of_the_data_is_no_evidence() -> None:
    form = "Solve the problem and give the answer"
    for many, found in ((10, 0), (11, -1)):
        index = NgramIndex([f"{form} {number} now" for number in range(many)], n=5)
        assert index.find([f"{form} here"]).tolist() == [found]
    same = NgramIndex([f"{form} now"] * 50, n=5)  # one passage of many questions
    assert same.find([f"{form} here"]).tolist() == [0]


def test_an_ngram_has_words() -> None:
    with pytest.raises(RecipeError, match="An n-gram has at least one word"):
        NgramIndex([], 0)
    assert NgramIndex([]).find(["a b"]).tolist() == [-1]


@given(st.lists(st.text("ab ", max_size=12), max_size=6), st.lists(st.text("ab ", max_size=12), max_size=6))
def test_what_is_found_has_an_ngram_in_common(texts: list[str], evaluation: list[str]) -> None:
    def ngrams(text: str) -> set[tuple[str, ...]]:
        words = text.split()
        return {tuple(words[n : n + 2]) for n in range(len(words) - 1)}

    for text, other in zip(texts, NgramIndex(evaluation, 2).find(texts).tolist(), strict=True):
        common = [len(ngrams(text) & ngrams(one)) for one in evaluation]
        assert other == (common.index(max(common)) if max(common, default=0) else -1)


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contamination, "_BLOCK", 2)
    assert NgramIndex(["a b c", "c d e"], 2).find(["a b", "x", "d e", "c d", "y z"]).tolist() == [0, -1, 1, 1, -1]


def test_questions_of_gsm8k(shared_data: Path) -> None:
    def questions(split: str) -> list[str]:
        with (shared_data / "gsm8k" / f"{split}.jsonl").open(encoding="utf-8") as lines:
            return [json.loads(line)["question"] for line in lines]

    test, train = questions("test"), questions("train")
    index = NgramIndex(test)
    assert (index.find(test) >= 0).mean() > 0.99
    assert 0 < (index.find(train) >= 0).sum() <= 20  # variants of a test question with other numbers
