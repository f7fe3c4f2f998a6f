"""Self-Refine: calls, what each prompt carries, when it stops, what it keeps."""

from __future__ import annotations

from typing import Any

import pytest
from scripted_model import Scripted, text_of

from hf_mbdc.errors import RecipeError
from hf_mbdc.synthesis.methods.dialogue import Ask, converse
from hf_mbdc.synthesis.methods.self_refine import Refined, SelfRefineOptions, self_refine


def refine(model: Scripted, **options: Any) -> Refined:
    done, cost = converse({"row": self_refine("Sort 3 1 2.", SelfRefineOptions(**options))}, model)
    assert cost.model_calls == model.calls
    return done["row"]


def numbered(feedback: list[str]) -> Scripted:
    """Answers draft 0, draft 1, …; gives the feedback in its order."""
    drafts, left = iter(f"draft {n}" for n in range(99)), iter(feedback)

    def reply(ask: Ask) -> str:
        return next(left) if "Say what is wrong" in text_of(ask) else next(drafts)

    return Scripted(reply)


def test_it_goes_on_until_the_feedback_says_that_all_is_well() -> None:
    model = numbered(["3 is first", "1 is twice", "It is correct."])
    found = refine(model)
    assert (found.answer, found.stopped, found.model) == ("draft 2", True, "m@1")
    assert [(one.answer, one.feedback) for one in found.rounds] == [
        ("draft 0", "3 is first"),
        ("draft 1", "1 is twice"),
        ("draft 2", "It is correct."),
    ]
    assert model.calls == 6  # three answers, three times feedback


def test_each_refinement_sees_every_earlier_answer_with_its_feedback() -> None:
    model = numbered(["3 is first", "1 is twice", "It is correct."])
    refine(model)
    first, last = (text_of(model.asked[turn][0]) for turn in (2, 4))
    assert first.index("draft 0") < first.index("3 is first")
    assert "draft 1" not in first
    places = [last.index(text) for text in ("Sort 3 1 2.", "draft 0", "3 is first", "draft 1", "1 is twice")]
    assert places == sorted(places)
    assert "draft 2" not in last


def test_four_rounds_are_the_most_and_all_is_drawn_at_the_papers_temperature() -> None:
    model = numbered(["no"] * 9)
    found = refine(model)
    assert (found.answer, found.stopped) == ("draft 4", False)
    assert len(found.rounds) == 5
    assert found.rounds[-1].feedback is None
    assert model.calls == 1 + 2 * 4
    assert {ask.sampling.temperature for turn in model.asked for ask in turn} == {0.7}


def test_with_scores_the_best_answer_is_kept_and_the_later_one_of_equals() -> None:
    model = numbered(["a\nScore: 4", "b\nScore: 8/10", "c\nscore = 8", "d\nScore: 80"])
    found = refine(model, scored=True)
    assert [one.score for one in found.rounds] == [4.0, 8.0, 8.0, None, None]
    assert found.answer == "draft 2"
    assert "Score: N" in text_of(model.asked[1][0])


def test_an_answer_that_needs_no_score_is_kept_before_scored_ones() -> None:
    found = refine(numbered(["Wrong order.\nScore: 3", "It is correct"]), scored=True)
    assert (found.answer, found.stopped) == ("draft 1", True)


@pytest.mark.parametrize(
    ("cut", "reason", "rounds"),
    [("Sort 3 1 2.", "the answer was cut off", 0), ("Say what is wrong", "the feedback was cut off", 1)],
)
def test_what_is_cut_off_ends_the_row_with_its_reason(cut: str, reason: str, rounds: int) -> None:
    model = Scripted(lambda ask: None if text_of(ask).startswith(cut) or cut in text_of(ask)[-400:] else "fine")
    found = refine(model)
    assert (found.answer, found.reason, len(found.rounds)) == (None, reason, rounds)


def test_a_prompt_of_ones_own_takes_the_place_of_the_packaged_one(tmp_path) -> None:
    (tmp_path / "self_refine_feedback.jinja").write_text("Mine: {{ answer }}. Say what is wrong, or {{ stop }}.")
    model = numbered(["it is correct"])
    refine(model, prompts=str(tmp_path))
    assert text_of(model.asked[1][0]) == "Mine: draft 0. Say what is wrong, or it is correct."
    (tmp_path / "self_refine_feedback.jinja").write_text("{{ nothing }}")
    with pytest.raises(RecipeError, match=r"self_refine_feedback.jinja cannot be written: 'nothing' is undefined"):
        refine(numbered(["no"]), prompts=str(tmp_path))


def test_wrong_options_are_told() -> None:
    with pytest.raises(RecipeError, match="at least one round"):
        SelfRefineOptions(rounds=0)
    with pytest.raises(RecipeError, match="Nothing says that an answer is right"):
        SelfRefineOptions(stop=" ")
