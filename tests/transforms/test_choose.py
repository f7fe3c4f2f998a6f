"""The rungs of the choice among occurrences, on literal texts and pages."""

from __future__ import annotations

import dataclasses
import doctest
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.transforms import choose, choose_features, choose_learned, choose_text
from hf_mbdc.transforms.boxes import word_offsets
from hf_mbdc.transforms.choose import best_matches, by_position, margin, question_scores, support_of
from hf_mbdc.transforms.choose_features import FEATURES, features
from hf_mbdc.transforms.choose_learned import (
    WRONG_PLACES,
    Example,
    early_preference,
    fit_chooser,
    fit_logit,
    read_chooser,
    wrong_places,
)
from hf_mbdc.transforms.choose_text import ChoiceText, count_rarities, question_words
from hf_mbdc.transforms.locate import Occurrence, SearchText


def spans_of(text: str, answer: str) -> list[tuple[int, int]]:
    starts = [i for i in range(len(text)) if text.startswith(answer, i)]
    return [(start, start + len(answer)) for start in starts]


def chosen_by_question(text: str, question: str, answer: str) -> int:
    spans = spans_of(text, answer)
    return int(question_scores(ChoiceText(text), question, spans, np.zeros(len(spans))).argmax())


@pytest.mark.parametrize("module", [choose, choose_features, choose_learned, choose_text])
def test_examples_in_docstrings(module: object) -> None:
    outcome = doctest.testmod(module)  # type: ignore[arg-type]
    assert outcome.failed == 0
    assert outcome.attempted > 0


def test_only_the_best_matches_of_the_earliest_answer_are_chosen_among() -> None:
    found = [
        Occurrence(0, 4, 1.0, 1),
        Occurrence(5, 9, 0.99, 0),
        Occurrence(10, 14, 1.0, 0),
        Occurrence(15, 19, 1.0, 0),
    ]
    assert best_matches(found) == [2, 3]
    assert best_matches([]) == []


def test_position() -> None:
    assert [by_position(rung, [1, 4, 6], "x", 0) for rung in ("first", "last")] == [1, 6]
    assert len({by_position("random", [1, 4, 6], f"row {i}", 0) for i in range(30)}) == 3


@pytest.mark.parametrize(
    ("text", "question", "answer", "right"),
    [
        ("It rained in 1990. The war ended in 1990.", "When did the war end?", "1990", 1),
        ("The war ended in 1990. It rained in 1990.", "When did the war end?", "1990", 0),
        ("Ann has two dogs, three cats and two birds.", "How many birds are there?", "two", 1),
        # Another form of the word: a particle, a case ending, a compound.
        ("서울에 비가 왔다. 부산의 시장은 서울에 갔다.", "부산 시장이 간 곳은?", "서울", 1),
        ("Он жил в Москве. Король умер в Москве.", "Где умер королём?", "Москве", 1),
        ("Es gibt zehn Häuser und zehn Meerestiere.", "Wie viele Tiere?", "zehn", 1),
        # Scripts without spaces are read by character.
        ("他在北京出生。他在北京大学学习物理。", "他在哪里学习物理？", "北京", 1),
    ],
)
def test_the_rung_question(text: str, question: str, answer: str, right: int) -> None:
    assert chosen_by_question(text, question, answer) == right


def test_a_question_that_says_nothing_takes_the_first() -> None:
    scores = question_scores(ChoiceText("a b a b"), "?", [(0, 1), (4, 5)], np.zeros(2))
    assert scores.tolist() == [-math.log(2)] * 2


def page(*lines: str) -> tuple[str, ChoiceText]:
    """One box per word, as wide as its letters; a line every 30."""
    words, boxes = [], []
    for row, line in enumerate(lines):
        for word in re.finditer(r"\S+", line):
            words.append(word.group())
            boxes.append([10 * word.start(), 30 * row, 10 * word.end(), 30 * row + 20])
    context = "\n".join(" ".join(line.split()) for line in lines)
    return context, ChoiceText(context, boxes, word_offsets(words, context))


def test_on_a_page_the_nearest_box_wins_and_not_the_nearest_word() -> None:
    context, text = page("Cash        Total", "9.00        9.00", "Change 0.00")
    spans = spans_of(context, "9.00")
    assert question_scores(text, "What is the total?", spans, np.zeros(2)).argmax() == 1
    flat = ChoiceText(context)  # in reading order, "Total" stands right before the first amount
    assert question_scores(flat, "What is the total?", spans, np.zeros(2)).argmax() == 0


def test_on_a_page_the_label_left_on_the_line_wins() -> None:
    context, text = page("Tax         9.00", "Total", "Total Amount           9.00", "Amount", "Cash 9.00")
    spans = spans_of(context, "9.00")
    assert question_scores(text, "What is the total amount?", spans, np.zeros(3)).argmax() == 1


def test_pages_lie_one_below_the_other() -> None:
    words, context = ["Total", "9.00", "9.00"], "Total 9.00\n9.00"
    boxes = [[0, 0, 50, 20], [700, 900, 740, 920], [60, 0, 100, 20]]
    offsets = word_offsets(words, context)
    spans = spans_of(context, "9.00")
    one = ChoiceText(context, boxes, offsets)
    two = ChoiceText(context, boxes, offsets, [0, 0, 1])
    assert question_scores(one, "total", spans, np.zeros(2)).argmax() == 1
    assert question_scores(two, "total", spans, np.zeros(2)).argmax() == 0


def test_other_given_answers_support_what_they_overlap() -> None:
    context = "The port is cooled. It has an additional port below."
    spans = spans_of(context, "port")
    answers = ["port", "additional port", "port", "nowhere"]
    assert support_of(SearchText(context), answers, 0, spans).tolist() == [0, 1]


@given(st.lists(st.floats(-1e6, 0) | st.just(float("nan")) | st.just(float("-inf")), max_size=5))
def test_a_margin_is_finite_or_nan(scores: list[float]) -> None:
    value = margin(scores)
    assert math.isnan(value) or 0 <= value < math.inf


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("He met J. Smith. She left.", [0] * 6 + [1] * 3),
        ("It cost 3.50 in all. Yes", [0] * 6 + [1]),
        ("See e.g. the map. Go.", [0] * 8 + [1] * 2),
        ("他来了。她走了", [0] * 4 + [1] * 3),
        ("one\ntwo", [0, 1]),
    ],
)
def test_sentences(text: str, sentences: list[int]) -> None:
    assert ChoiceText(text).sentence.tolist() == sentences


def test_words_keep_their_marks() -> None:
    assert question_words("हिन्दी भाषा, naïve e\u0301te\u0301?") == ["हिन्दी", "भाषा", "naïve", "été"]
    assert question_words("ไทย 北京") == ["ไ", "ท", "ย", "北", "京"]


def test_a_word_that_is_everywhere_says_nothing() -> None:
    text = ChoiceText(" ".join(["of"] * 201))
    assert text.alike("of") == {}
    assert len(ChoiceText(" ".join(["of"] * 200)).alike("of")) == 200


def test_rarities() -> None:
    table = count_rarities([["the", "cat"], ["the", "dog"], ["the"]], keep=1)
    assert set(table) == {"the", ""}
    assert table["the"] < table[""]


@given(st.text(max_size=60), st.text(max_size=30), st.data())
def test_features_of_any_text_are_numbers(context: str, question: str, data: st.DataObject) -> None:
    text = ChoiceText(context)
    if not len(text.starts):
        return
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    found = features(text, text.matches(question), [(start, end), (0, len(context))])
    assert found.shape == (2, len(FEATURES))
    assert np.isfinite(found).all()


def rows_to_learn(several: bool = False, count: int = 80) -> list[Example]:
    """The answer is the word behind the question's word; a word before another word is none."""
    made = []
    for i in range(count):
        words = [f"noun{(7 * i + j) % 61} value{(5 * i + 3 * j) % 53}" for j in range(6)]
        asked = f"noun{(7 * i + 2) % 61}"
        context = ". ".join(words) + "."
        answer = f"value{(5 * i + 6) % 53}"
        if several:
            context = f"{answer} came. {context} Then {answer} left."
        made.append(
            Example(f"row{i}", ChoiceText(context), f"What is behind {asked}?", tuple(spans_of(context, answer)))
        )
    return [example for example in made if several or len(example.spans) == 1]


def test_learned_from_rows_whose_answer_occurs_once() -> None:
    chooser = fit_chooser(rows_to_learn())
    assert chooser.early == 0.0
    for example in rows_to_learn(several=True, count=20):
        scores = chooser.scores(example.text, example.question, example.spans, np.zeros(len(example.spans)))
        assert scores.argmax() == 1
        assert math.isclose(np.exp(scores).sum(), 1.0)


def test_learning_knows_no_order() -> None:
    rows = rows_to_learn() + rows_to_learn(several=True, count=9)
    assert fit_chooser(rows) == fit_chooser(rows[::-1])


def test_what_was_learned_is_json() -> None:
    chooser = fit_chooser(rows_to_learn())
    again = read_chooser(json.loads(json.dumps(dataclasses.asdict(chooser))))
    assert again == chooser
    assert set(chooser.weights) == set(FEATURES)


def test_too_few_rows_to_learn_from() -> None:
    with pytest.raises(DataError, match=r"There are 49 rows whose answer occurs once.*choose='question'"):
        fit_chooser(rows_to_learn()[:49])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({}, "none that was learned"),
        ({"weights": {"near": 1.0}, "rarities": {"": 1.0}, "early": 0.0, "rows": 9}, "unknown features: near"),
        ({"weights": {}, "rarities": {}, "early": 0.0, "rows": 9}, "none that was learned"),
        ({"weights": {}, "rarities": {"": "x"}, "early": 0.0, "rows": 9}, "none that was learned"),
        ({"weights": {"page_left": math.nan}, "rarities": {"": 1.0}, "early": 0.0, "rows": 9}, "none that was learned"),
        ({"weights": {1: 1.0}, "rarities": {"": 1.0}, "early": 0.0, "rows": 9}, "none that was learned"),
    ],
)
def test_a_mapping_that_is_no_chooser(data: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_chooser(data)


def test_wrong_places_look_like_the_right_one() -> None:
    context = "In 1990 Ann Lee saw Bob Ray. In 2001 he met Eva Ray and 17 others of Old Town."
    text = ChoiceText(context)
    (right,) = spans_of(context, "Bob Ray")
    places = [context[start:end] for start, end in wrong_places(text, right, "key")]
    assert sorted(places) == ["Ann Lee", "Eva Ray", "Lee saw", "Old Town", "Ray and"]
    (year,) = spans_of(context, "2001")
    assert sorted(context[start:end] for start, end in wrong_places(text, year, "key")) == ["17", "1990"]


def test_wrong_places_are_drawn_by_the_key() -> None:
    text = ChoiceText(" ".join(f"word{i}x" for i in range(100)))
    one, same, other = (wrong_places(text, (0, 6), key) for key in ("a", "a", "b"))
    assert one == same != other
    assert len(set(one)) == WRONG_PLACES


def test_the_logit_finds_the_weights_that_made_the_data() -> None:
    random = np.random.RandomState(0)
    true = np.array([2.0, -1.0, 0.0])
    rows = []
    for _ in range(3000):
        places = random.normal(size=(4, 3))
        odds = np.exp(places @ true)
        right = random.choice(4, p=odds / odds.sum())
        rows.append(np.roll(places, -right, axis=0))
    assert np.abs(fit_logit(rows, penalty=1.0) - true).max() < 0.15


def test_the_preference_for_early_occurrences() -> None:
    first, last = np.array([9.0, 0.0, 0.0]), np.array([0.0, 0.0, 9.0])
    assert early_preference([]) == 0.0
    assert early_preference([first] * 20) > 1 > -1 > early_preference([last] * 20)
    assert early_preference([np.array([1.0, 0.0])] * 20) == 0.0  # none of them is sure


def test_many_places_are_scored_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    context = "\n".join(f"ITEM{k} 9.00 CASH {k} TOTAL 9.00" for k in range(30))
    spans = [(match.start(), match.end()) for match in re.finditer("9.00", context)]
    text, question = ChoiceText(context), "total of cash 7"
    matches = text.matches(question)
    whole = features(text, matches, spans), question_scores(text, question, spans, np.zeros(len(spans)))
    monkeypatch.setattr(choose_features, "AT_ONCE", 7 * len(matches.unit))
    parts = features(text, matches, spans), question_scores(text, question, spans, np.zeros(len(spans)))
    np.testing.assert_allclose(parts[0], whole[0], rtol=1e-12)
    np.testing.assert_allclose(parts[1], whole[1], rtol=1e-12)
