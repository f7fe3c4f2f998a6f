"""The character n-gram model: probabilities that add up, and words that look like its own."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from hf_mbdc.synthesis.words.corpus import Words
from hf_mbdc.synthesis.words.language_model import DISCOUNT, different, fit_characters


def words(*numbers: list[int]) -> Words:
    return Words(np.array(list(itertools.chain(*numbers)), np.int64), np.cumsum([0, *map(len, numbers)]))


def test_probabilities_of_one_word_by_hand() -> None:
    model = fit_characters(words([0]), size=2)  # symbols: 0, 1 and the end
    floor = 1 / 3
    alone = (1 - DISCOUNT) / 2 + DISCOUNT * 2 / 2 * floor  # two symbols of two kinds were seen
    after = (1 - DISCOUNT) + DISCOUNT * alone
    again = (1 - DISCOUNT) + DISCOUNT * after
    assert model.scores(words([0])).tolist() == pytest.approx([math.log(again)])  # both its symbols are as likely


def test_all_words_of_a_length_and_what_is_longer_add_up_to_one() -> None:
    model = fit_characters(words([0, 1], [0, 0, 1], [1]), size=3)
    total = 0.0
    for length in range(4):
        every = words(*map(list, itertools.product(range(3), repeat=length)))
        total += float(np.exp(model.scores(every) * (length + 1)).sum())
    # What is left are the words of four characters and more: their beginnings add up to it.
    beginnings = words(*map(list, itertools.product(range(3), repeat=4)))
    with_ends = np.exp(model.scores(beginnings) * 5)
    assert 0 < with_ends.sum() < 1 - total < 1


def test_each_step_is_a_distribution() -> None:
    model = fit_characters(words([0, 1], [0, 0, 1], [1]), size=3)
    for before in itertools.product(range(5), repeat=2):
        steps = [model._probabilities(np.array([*before, last]))[-1] for last in range(4)]
        assert sum(steps) == pytest.approx(1)


def test_words_like_those_of_the_corpus_are_likelier() -> None:
    model = fit_characters(words([0, 1, 2], [0, 1, 3], [4, 1, 2]), size=6)
    likely, unlikely, unseen = model.scores(words([4, 1, 3], [3, 1, 4], [5, 5, 5]))
    assert likely > unlikely > unseen > -np.inf


def test_different_words_once_each() -> None:
    given = words([1], [2, 3], [1])
    once = different(given, ["a", "bc", "a"])
    assert (once.numbers.tolist(), once.offsets.tolist()) == ([1, 2, 3], [0, 1, 3])


def test_no_words_no_scores() -> None:
    assert len(fit_characters(words([0]), size=1).scores(words())) == 0
    assert fit_characters(words([0]), size=1).model_id.startswith("character 3-gram@")


def test_a_word_is_as_probable_as_its_characters_one_after_the_other() -> None:
    model = fit_characters(words([0, 1], [0, 0, 1], [1]), size=3)
    before = np.array([[-1, -1], [-1, 0], [0, 0], [0, 2]])
    steps = model.after(before, np.array([0, 0, 2, -1]))
    assert steps.sum() == pytest.approx(4 * model.scores(words([0, 0, 2]))[0])
    assert np.exp(model.after(np.array([[0, 1]] * 4), np.array([0, 1, 2, -1]))).sum() == pytest.approx(1)
