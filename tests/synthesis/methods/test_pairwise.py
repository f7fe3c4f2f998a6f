"""A judge of two answers: both orders, ties, flips, and what cannot be read."""

from __future__ import annotations

import re

import pytest
from scripted_model import Scripted, text_of

from hf_mbdc.synthesis.methods.dialogue import Ask, converse
from hf_mbdc.synthesis.methods.pairwise import Judged, flip_rate, pairwise


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
