"""Self-Rewarding, UltraFeedback, best of n and rephrasing, with a scripted model; and on to pairs."""

from __future__ import annotations

import re

import pytest
from scripted_model import Scripted, text_of

from hf_mbdc.errors import RecipeError
from hf_mbdc.synthesis.methods.best_of_n import BestOfNOptions, best_of_n
from hf_mbdc.synthesis.methods.dialogue import Ask, converse
from hf_mbdc.synthesis.methods.rephrase import Rephrased, rephrase
from hf_mbdc.synthesis.methods.scored_rows import Scored, scored_rows
from hf_mbdc.synthesis.methods.self_rewarding import SelfRewardingOptions, read_points, self_rewarding
from hf_mbdc.synthesis.methods.ultrafeedback import ASPECTS, read_ratings, shown_order, ultrafeedback
from hf_mbdc.synthesis.preferences.pairs import PairOptions, build_pairs
from hf_mbdc.verifiers import ExactAnswer


def points_of(ask: Ask) -> str | None:
    """Answers `answer 0`, `answer 1`, …; gives answer n the points n − 1, n and n + 1, which are n in the mean."""
    if ask.role == "target":
        return f"answer {ask.sample}"
    found = re.search(r"<response>answer (\d)</response>", text_of(ask))
    assert found
    return f"Well. Score: {int(found[1]) + ask.sample - 1}"


def test_self_rewarding_draws_four_answers_and_three_judgements_of_each() -> None:
    model = Scripted(points_of)
    done, _ = converse({"row": self_rewarding("Why?")}, model)
    found = done["row"]
    assert found.texts == ("answer 0", "answer 1", "answer 2", "answer 3")
    assert found.judgements[2] == (1.0, 2.0, 3.0)
    assert found.scores == (pytest.approx(0.5), 1.0, 2.0, 3.0)  # "-1" is no number of points: 0 and 1 are left
    assert [len(turn) for turn in model.asked] == [4, 12]
    assert {(ask.sampling.temperature, ask.sampling.top_p) for ask in model.asked[0]} == {(0.7, 0.9)}
    assert {ask.role for ask in model.asked[1]} == {"judge"}
    [pair] = build_pairs(scored_rows({"row": "Why?"}, done)).rows.to_list()
    assert (pair["chosen"], pair["rejected"], pair["mbdc_model"]) == ("answer 3", "answer 0", "m@1")


def test_what_is_cut_off_is_not_judged_and_what_cannot_be_read_is_no_score() -> None:
    def reply(ask: Ask) -> str | None:
        if ask.role == "target":
            return None if ask.sample == 1 else f"answer {ask.sample}"
        return "I like it" if "answer 0" in text_of(ask) else None if "answer 2" in text_of(ask) else "Score: 2"

    model = Scripted(reply)
    done, _ = converse({"row": self_rewarding("Why?")}, model)
    assert done["row"].scores == (None, None, None, 2.0)
    assert done["row"].judgements == ((None, None, None), (), (None, None, None), (2.0, 2.0, 2.0))
    assert len(model.asked[1]) == 9
    made = build_pairs(scored_rows({"row": "Why?"}, done))
    assert made.dropped["reason"][:] == ["fewer than two completions can be used"]


def test_all_answers_cut_off_ask_no_judge() -> None:
    model = Scripted(lambda ask: None)
    done, _ = converse({"row": self_rewarding("Why?")}, model)
    assert done["row"].scores == (None,) * 4
    assert len(model.asked) == 1


def test_greedy_judgements_are_not_drawn_several_times() -> None:
    with pytest.raises(RecipeError, match="Greedy judgements are all the same"):
        SelfRewardingOptions(judge_temperature=0)


def rate(ask: Ask) -> str:
    """Rates answer n with n + 1 for every aspect, and honesty of answer 0 not at all."""
    if ask.role == "target":
        return f"answer {ask.sample}"
    shown = [int(n) for n in re.findall(r"^answer (\d)$", text_of(ask), re.MULTILINE)]
    honest = "honesty" in text_of(ask)
    lines = [
        f"Rating of text {place}: {'N/A' if honest and n == 0 else n + 1}\nRationale: because"
        for place, n in enumerate(shown, start=1)
    ]
    return "\n".join(lines)


def test_ultrafeedback_rates_all_four_at_once_for_each_aspect_in_drawn_orders() -> None:
    model = Scripted(rate)
    done, _ = converse({key: ultrafeedback(key, "Why?") for key in ("a", "b", "c")}, model)
    assert [len(turn) for turn in model.asked] == [12, 12]  # of each row four answers, four aspects
    assert done["a"].scores == (1.0, 2.0, 3.0, 4.0)
    assert done["a"].judgements[0] == (1.0, None, 1.0, 1.0)
    orders = {tuple(re.findall(r"^answer \d$", text_of(ask), re.MULTILINE)) for ask in model.asked[1]}
    assert len(orders) > 6
    assert all(len(set(order)) == 4 for order in orders)
    assert {ask.sampling.temperature for ask in model.asked[1]} == {0.0}
    assert {aspect.name for aspect in ASPECTS} == {
        "instruction following",
        "honesty",
        "truthfulness",
        "helpfulness",
    }


def test_the_order_belongs_to_row_aspect_and_seed() -> None:
    numbers = [0, 1, 2, 3]
    assert shown_order("a", "honesty", numbers, 0) == shown_order("a", "honesty", numbers, 0)
    others = {tuple(shown_order(key, aspect, numbers, seed)) for key in "abc" for aspect in "xy" for seed in (0, 1)}
    assert len(others) > 6
    firsts = [shown_order(str(key), "honesty", numbers, 0)[0] for key in range(400)]
    assert all(60 < firsts.count(number) < 140 for number in numbers)


@pytest.mark.parametrize(
    ("judgement", "points"),
    [
        ("Score: 4", 4.0),
        ("**Score:** 4", 4.0),
        ("Score: 3, no, Score: 4.5 points", 4.5),
        ("Score: -1", None),
        ("Score: 6", None),
        ("Score: four", None),
        ("the score is high", None),
        ("Score: 1 + 1 + 1 = 3", None),
        ("Score: 3. At last: Score: 1+1", None),
        ("Score: 8/10", None),
        ("Score: 4/5", 4.0),
        ("Score: 4 - a good answer.", 4.0),
        ("Score: 4.", 4.0),
    ],
)
def test_points_that_cannot_be_read_are_none(judgement: str, points: float | None) -> None:
    assert read_points(judgement) == points


@pytest.mark.parametrize(
    ("judgement", "ratings"),
    [
        ("Rating of text 1: 3\nRating of text 2: 4.5", [3.0, 4.5]),
        ("rating of Text 2: [5]", [None, 5.0]),
        ("Rating of text 1: 6\nRating of text 2: 0", [None, None]),
        ("Rating of text 1: 3\nRating of text 1: 4\nRating of text 2: 1", [None, 1.0]),
        ("Rating of text 3: 4", [None, None]),
        ("good and bad", [None, None]),
        ("Rating of text 12: fine", [None, None]),
        ("Rating of text 1: -1\nRating of text 2 - 4", [None, 4.0]),
        ("", [None, None]),
    ],
)
def test_ratings_that_cannot_be_read_are_none(judgement: str, ratings: list[float | None]) -> None:
    assert read_ratings(judgement, 2) == ratings


def test_best_of_n_keeps_what_the_verifier_accepts() -> None:
    texts = ["A: 5", "A: 4", "four", "A: 4 eggs"]
    model = Scripted(lambda ask: texts[ask.sample] if ask.sample < 4 else None)
    done, _ = converse({"row": best_of_n("2+2?", "4", ExactAnswer(), BestOfNOptions(candidates=5))}, model)
    assert done["row"].scores == (0.0, 1.0, None, 1.0, None)
    made = build_pairs(scored_rows({"row": "2+2?"}, done), PairOptions("sft", good_from=1.0, per_prompt=9))
    assert sorted(made.rows["completion"][:]) == ["A: 4", "A: 4 eggs"]


@pytest.mark.parametrize(
    ("question", "answer", "reason"),
    [
        ("What is two plus two?", "A: 4", ""),
        ("2+2?", "A: 4", "the question is the same"),
        (" ", "A: 4", "the question was cut off or is missing"),
        (None, "A: 4", "the question was cut off or is missing"),
        ("What is two plus two?", "four it is: 4", "the answers are the same"),
        ("What is two plus two?", "A: 5", "the answer is not verified"),
        ("What is two plus two?", None, "the answer was cut off or is missing"),
    ],
)
def test_a_rephrased_question_prefers_the_models_answer_if_it_is_right(
    question: str | None, answer: str | None, reason: str
) -> None:
    given = "four it is: 4"
    model = Scripted(lambda ask: question if "other words" in text_of(ask) else answer)
    done, _ = converse({"row": rephrase("2+2?", given, verifier=lambda text, _: float(text.endswith("4")))}, model)
    if reason:
        assert done["row"] == Rephrased(None, None, None, reason, "m@1")
    else:
        assert done["row"] == Rephrased("What is two plus two?", "A: 4", given, model="m@1")


def test_an_empty_answer_is_not_compared_with() -> None:
    model = Scripted(lambda ask: "anything")
    done, _ = converse({"row": rephrase("2+2?", " \n")}, model)
    assert (done["row"].reason, model.calls) == ("the given answer is empty", 0)


def test_rows_that_end_at_different_turns_do_not_disturb_each_other() -> None:
    alone, _ = converse({"a": self_rewarding("Why?")}, Scripted(points_of))
    together, _ = converse(
        {"b": best_of_n("2+2?", "4", ExactAnswer()), "a": self_rewarding("Why?")}, Scripted(points_of)
    )
    assert together["a"] == alone["a"]
    assert list(together) == ["b", "a"]


def test_scored_rows_have_one_type_whatever_is_in_them() -> None:
    nothing = Scored((), (), (), ())
    rows = scored_rows({"a": "Why?"}, {"a": nothing})
    assert rows.features == scored_rows({"a": "x"}, {"a": Scored(("t",), (1.0,), ("stop",), ("m",))}).features
