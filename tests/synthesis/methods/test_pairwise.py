"""A judge of two answers: both orders, ties, flips, and what cannot be read."""

from __future__ import annotations

import re

import pytest
from scripted_model import Scripted, text_of

from hf_mbdc.synthesis.methods.dialogue import Answer, Ask, converse
from hf_mbdc.synthesis.methods.pairwise import (
    Judged,
    PreferenceOptions,
    Preferred,
    flip_rate,
    pairwise,
    preference,
)


def judge(model: Scripted) -> Judged:
    done, _ = converse({"row": pairwise("2+2?", "four", "five")}, model)
    return done["row"]


def shown(ask: Ask) -> list[str]:
    return re.findall(r"^(four|five)$", text_of(ask), re.MULTILINE)


def test_an_answer_wins_if_it_wins_in_both_orders() -> None:
    model = Scripted(lambda ask: "[[A]]" if shown(ask)[0] == "four" else "[[B]]")
    found = judge(model)
    assert found == Judged("first", "first")
    assert (found.winner, found.flipped) == ("first", False)
    assert [shown(ask) for ask in model.asked[0]] == [["four", "five"], ["five", "four"]]
    assert {(ask.role, ask.sampling.temperature) for ask in model.asked[0]} == {("judge", 0.0)}


@pytest.mark.parametrize(
    ("replies", "winner", "flipped"),
    [
        (("[[A]]", "[[A]]"), "tie", True),  # what is read first
        (("[[B]]", "[[B]]"), "tie", True),
        (("[[B]]", "[[A]]"), "second", False),
        (("[[A]]", "[[C]]"), "tie", False),
        (("[[C]]", "[[C]]"), "tie", False),
        (("[[A]]", "hm"), None, None),
        ((None, "[[A]]"), None, None),
    ],
)
def test_what_the_orders_say_together(replies: tuple[str | None, str | None], winner: str, flipped: bool) -> None:
    found = judge(Scripted(lambda ask: replies[shown(ask)[0] == "five"]))
    assert (found.winner, found.flipped) == (winner, flipped)


def test_a_judge_that_could_never_be_read_has_no_flip_rate() -> None:
    assert flip_rate([Judged(None, "first")]) is None
    assert flip_rate([]) is None


def prefer(model: Scripted, **options) -> Preferred:
    done, _ = converse({"row": preference("2+2?", "four", "five", PreferenceOptions(**options))}, model)
    return done["row"]


def likes(first: float, mass: float = 0.9) -> Answer:
    """A judge that takes the answer which is shown first for better with this probability."""
    return Answer("A" if first > 0.5 else "B", "stop", "m@1", (first, 1 - first), mass)


def test_a_preference_is_the_mean_of_both_orders() -> None:
    model = Scripted(lambda ask: likes(0.9 if shown(ask)[0] == "four" else 0.3))
    found = prefer(model)
    assert (found.shown_first, found.shown_second) == (0.9, 0.7)
    assert (found.probability, found.winner, found.flipped) == (pytest.approx(0.8), "first", False)
    assert [shown(ask) for ask in model.asked[0]] == [["four", "five"], ["five", "four"]]
    assert {(ask.role, ask.options) for ask in model.asked[0]} == {("judge", ("A", "B"))}
    assert all("Question:\n2+2?\n" in text_of(ask) for ask in model.asked[0])
    assert model.calls == 2


@pytest.mark.parametrize(
    ("as_given", "swapped", "probability", "winner", "flipped"),
    [
        (0.9, 0.9, 0.5, "tie", True),  # what is read first
        (0.9, 0.7, 0.6, "first", True),
        (0.2, 0.4, 0.4, "second", True),
        (0.2, 0.9, 0.15, "second", False),
        (0.5, 0.25, 0.625, "first", False),
    ],
)
def test_what_a_place_adds_is_cancelled(
    as_given: float, swapped: float, probability: float, winner: str, flipped: bool
) -> None:
    found = prefer(Scripted(lambda ask: likes(as_given if shown(ask)[0] == "four" else swapped)))
    assert (found.probability, found.winner, found.flipped) == (pytest.approx(probability), winner, flipped)


def test_a_judge_that_would_say_something_else_has_no_preference() -> None:
    model = Scripted(lambda ask: likes(0.9, 0.9 if shown(ask)[0] == "four" else 0.4))
    found = prefer(model)
    assert (found.shown_first, found.shown_second) == (0.9, None)
    assert (found.probability, found.winner, found.flipped) == (None, None, None)
    assert prefer(model, least_mass=0.4).shown_second == pytest.approx(0.1)
    assert flip_rate([found, Preferred(0.9, 0.1)]) == 1.0
    assert flip_rate([found]) is None


def test_verdicts_are_as_the_judge_writes_them() -> None:
    model = Scripted(lambda ask: likes(0.9))
    prefer(model, verdicts=(" A", " B"))
    assert {ask.options for ask in model.asked[0]} == {(" A", " B")}
