"""Near-duplicates: which are found, that all that can be found are, and that many texts take no square time."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import RecipeError
from hf_mbdc.synthesis.filters import near_duplicates as module
from hf_mbdc.synthesis.filters.near_duplicates import SHORT, banding, near_duplicates, near_known, rouge_l

SEA = "Name five animals that live in the deep sea."
HILL = "Describe the hill behind the house where your aunt once lived."
LETTERS = "abcdefghijklmnopqrst"


def lcs(left: list[str], right: list[str]) -> int:
    """The textbook table."""
    row = [0] * (len(right) + 1)
    for a in left:
        before = 0
        for place, b in enumerate(right, start=1):
            before, row[place] = row[place], before + 1 if a == b else max(row[place], row[place - 1])
    return row[-1]


def rouge(left: str, right: str) -> float:
    a, b = left.split(), right.split()
    return 2 * lcs(a, b) / (len(a) + len(b))


@pytest.mark.parametrize(
    ("texts", "like"),
    [
        ([], []),
        ([SEA, HILL], [-1, -1]),
        ([SEA, HILL, SEA], [-1, -1, 0]),
        ([SEA, SEA.replace("five", "three").upper()], [-1, 0]),
        (["Yes.", "yes.", " YES. ", "yes"], [-1, 0, 0, -1]),  # short ones: white space and case aside
        (["What is 17 + 25?", "What is 17 + 26?", "What is 17 - 25?"], [-1, -1, -1]),
        (["", "", "!!!", "???"], [-1, 0, -1, -1]),
        # c is like b alone, which is dropped: it stays
        (["a b c d e f g h i j", "a b c d e f g h x y", "a b c d e f z w x y"], [-1, 0, -1]),
        # the second of two equal texts is like the kept one, too
        (["a b c d e f g h i j", "a b c d e f g h x y", "a b c d e f g h x y"], [-1, 0, 0]),
        (["집 앞 바다 에서 나 는 친구 를 만났다", "집 앞 바다 에서 나 는 동생 을 만났다"], [-1, 0]),
    ],
)
def test_which_text_each_one_repeats(texts: list[str], like: list[int]) -> None:
    assert near_duplicates(texts).tolist() == like


def test_against_known_texts() -> None:
    known = [HILL, SEA, "Yes.", SEA]
    texts = ["yes.", SEA.replace("five", "six"), SEA, "No.", SEA]
    assert near_known(texts, known).tolist() == [2, 1, 1, -1, 1]
    assert near_known(texts, known, least=SHORT).tolist() == [-1, 1, 1, -1, 1]
    assert near_known(texts, []).tolist() == [-1] * 5
    assert near_known([], known).tolist() == []


def test_the_threshold_counts() -> None:
    ten = "a b c d e f g h i j"
    for same in (6, 7, 8):
        other = " ".join(word if place < same else f"x{place}" for place, word in enumerate(ten.split()))
        assert near_duplicates([ten, other], 0.7).tolist() == [-1, 0 if same >= 7 else -1]
    assert near_duplicates([ten, "j i h g f e d c b a"], 0.7).tolist() == [-1, -1]  # the same words, another order
    for wrong in (0, 1.5, -1):
        with pytest.raises(RecipeError, match="The threshold is no share"):
            near_duplicates([], wrong)


@given(st.lists(st.text(LETTERS, min_size=1, max_size=20), min_size=2, max_size=2))
def test_rouge_l_is_that_of_the_textbook(texts: list[str]) -> None:
    left, right = (" ".join(text) for text in texts)
    assert rouge_l([left], [right])[0] == pytest.approx(rouge(left, right))


def test_rouge_l_with_more_different_words_than_a_code_unit_has() -> None:
    many = " ".join(f"w{number}" for number in range(60_000))  # past the surrogates
    assert rouge_l([many], [many])[0] == 1.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from(LETTERS), min_size=8, max_size=14).map(" ".join), max_size=12))
def test_a_kept_text_is_like_no_other_and_a_dropped_one_is_like_a_kept_one(texts: list[str]) -> None:
    like = near_duplicates(texts, 0.7)
    kept = np.flatnonzero(like < 0).tolist()
    for text, other in enumerate(like.tolist()):
        if other >= 0:
            assert like[other] < 0
            assert other < text
            assert rouge(texts[text], texts[other]) >= 0.7 - 1e-9
    assert near_duplicates([texts[row] for row in kept], 0.7).tolist() == [-1] * len(kept)


@pytest.mark.parametrize("threshold", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
def test_the_bands_propose_pairs_at_the_threshold(threshold: float) -> None:
    bands, rows = banding(threshold)
    least = threshold / (2 - threshold)
    assert 1 - (1 - least**rows) ** bands >= 0.99
    assert bands * rows <= module._PERMUTATIONS
    same, size = round(200 * threshold), 200
    draw = random.Random(0)
    texts, others = [], []
    for pair in range(200):  # pairs of exactly the threshold, with edits all over the text
        words = [f"{pair}w{n}" for n in range(size)]
        edited = set(draw.sample(range(size), size - same))
        texts.append(" ".join(words))
        others.append(" ".join(f"{word}x" if n in edited else word for n, word in enumerate(words)))
    found = near_known(others, texts, threshold)
    assert (found == np.arange(200)).mean() >= 0.97


def test_a_word_counts_as_often_as_it_stands() -> None:
    """Texts that have little but one word in common, often."""
    texts = ["the " * 14 + " ".join(f"{pair}w{n}" for n in range(6)) for pair in range(30)]
    others = ["the " * 14 + " ".join(f"{pair}x{n}" for n in range(6)) for pair in range(30)]
    assert (near_known(others, texts) >= 0).all()


def test_blocks_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(1)
    texts = []
    for number in range(120):
        words = [f"{number % 20}{letter}" for letter in LETTERS]
        for place in draw.sample(range(20), 4):
            words[place] = "x"
        texts.append(" ".join(words))
    whole, known = near_duplicates(texts), near_known(texts[60:], texts[:60])
    assert 10 < (whole >= 0).sum() < 110
    monkeypatch.setattr(module, "_BLOCK", 7)
    monkeypatch.setattr(module, "_FEW", 2)
    monkeypatch.setattr(module, "_SKETCHED", 3)
    monkeypatch.setattr(module, "_PAIRS", 5)
    assert near_duplicates(texts).tolist() == whole.tolist()
    assert near_known(texts[60:], texts[:60]).tolist() == known.tolist()


def test_copies_of_a_form_take_no_square_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = 0

    def scores(left: list[str], right: list[str], least: float) -> np.ndarray:
        nonlocal compared
        compared += len(left)
        return original(left, right, least)

    original = module._scores
    monkeypatch.setattr(module, "_scores", scores)
    texts = [f"The name is n{n} and the rest of this form is the same everywhere as it is here" for n in range(3000)]
    assert (near_duplicates(texts) >= 0).sum() == 2999
    assert (near_known(texts, texts) >= 0).all()
    assert compared < 3000 * 200  # of 4.5 and 9 million pairs


def test_questions_that_were_written_twice(shared_data: Path) -> None:
    with (shared_data / "gsm8k" / "train.jsonl").open(encoding="utf-8") as lines:
        questions = [json.loads(line)["question"] for line in lines][:2000]
    like = near_duplicates(questions)
    found = np.flatnonzero(like >= 0)
    assert 2 <= len(found) <= 20
    scores = rouge_l([questions[row] for row in found], [questions[row] for row in like[found]])
    assert scores.min() >= 0.7
