"""Expected scores: from a judge's probabilities of points to scored rows and pairs."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from scripted_model import Scripted, text_of
from tiny_llama import tiny_model, tiny_tokenizer

from hf_mbdc.errors import RecipeError
from hf_mbdc.generation import LocalGenerator, Request, Sampling, Store, rate
from hf_mbdc.synthesis.methods.dialogue import Answer, Ask, Models, converse
from hf_mbdc.synthesis.methods.expected_score import ExpectedScoreOptions, expected_score
from hf_mbdc.synthesis.methods.prompts import render_prompt
from hf_mbdc.synthesis.methods.scored_rows import scored_rows
from hf_mbdc.synthesis.preferences.pairs import build_pairs

SHARES = {
    "answer 0": ((0.0, 0.0, 0.0, 0.25, 0.75), 0.9),
    "answer 1": ((0.2, 0.2, 0.2, 0.2, 0.2), 0.5),
    "answer 3": ((0.0, 0.0, 0.0, 0.0, 1.0), 0.49),
}


def judge(ask: Ask) -> Answer | str | None:
    """Answers `answer 0`, `answer 1`, …; the third is cut off."""
    if ask.role == "target":
        return None if ask.sample == 2 else f"answer {ask.sample}"
    found = re.search(r"<response>(answer \d)</response>", text_of(ask))
    assert found
    shares, mass = SHARES[found[1]]
    return Answer("5", "stop", "j@1", shares, mass)


def test_the_score_is_the_mean_of_the_points_under_their_probabilities() -> None:
    model = Scripted(judge)
    done, cost = converse({"row": expected_score("Why?")}, model)
    assert done["row"].scores == (4.75, pytest.approx(3.0), None, None)
    assert done["row"].judgements == ((4.75,), (pytest.approx(3.0),), (), (None,))
    assert [len(turn) for turn in model.asked] == [4, 3]  # what was cut off is not judged
    assert cost.model_calls == 7
    assert {(ask.role, ask.options) for ask in model.asked[1]} == {("judge", ("1", "2", "3", "4", "5"))}
    assert {(ask.sampling.temperature, ask.sampling.top_p, ask.options) for ask in model.asked[0]} == {(0.7, 0.9, ())}
    [pair] = build_pairs(scored_rows({"row": "Why?"}, done)).rows.to_list()
    assert (pair["chosen"], pair["rejected"], pair["mbdc_model"]) == ("answer 0", "answer 1", "m@1")


def test_what_the_judge_reads() -> None:
    model = Scripted(judge)
    converse({"row": expected_score("Why?")}, model)
    text = text_of(model.asked[1][0])
    assert "Give one of these numbers of points: 1, 2, 3, 4, 5." in text
    assert "User: Why?\n\n<response>answer 0</response>" in text
    assert text.endswith("Answer with the number of points and nothing else.")
    assert [message["role"] for message in model.asked[1][0].messages] == ["user"]


def test_the_least_mass_is_an_option() -> None:
    done, _ = converse({"row": expected_score("Why?", ExpectedScoreOptions(least_mass=0.4))}, Scripted(judge))
    assert done["row"].scores == (4.75, pytest.approx(3.0), None, 5.0)


def test_points_and_prompt_are_the_users(tmp_path: Path) -> None:
    (tmp_path / "expected_score.jinja").write_text("{{ points[0] }} to {{ points[-1] }}? {{ response }}")
    model = Scripted(lambda ask: Answer("1", "stop", "j", (0.25, 0.75), 1.0) if ask.role == "judge" else "four")
    options = ExpectedScoreOptions(candidates=1, points=(" 0", " 10"), prompts=str(tmp_path))
    done, _ = converse({"row": expected_score("2+2?", options)}, model)
    assert (model.asked[1][0].options, text_of(model.asked[1][0])) == ((" 0", " 10"), "0 to 10? four")
    assert done["row"].scores == (7.5,)


def test_all_answers_cut_off_ask_no_judge() -> None:
    model = Scripted(lambda ask: None)
    done, _ = converse({"row": expected_score("Why?")}, model)
    assert (done["row"].scores, len(model.asked)) == ((None,) * 4, 1)


def test_a_judge_that_cannot_be_asked_gives_no_score() -> None:
    model = Scripted(lambda ask: Answer(None, "the prompt is too long") if ask.role == "judge" else "x")
    done, _ = converse({"row": expected_score("Why?")}, model)
    assert done["row"].scores == (None,) * 4


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"candidates": 0}, "At least one answer is drawn"),
        ({"least_mass": 1.5}, "It is no probability"),
        ({"points": ("good", "bad")}, "Points are no numbers"),
        ({"points": ("1",)}, "Points are not different numbers"),
        ({"points": ("1", " 1")}, "Points are not different numbers"),
    ],
)
def test_options_that_make_no_sense_are_told(wrong: dict, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        ExpectedScoreOptions(**wrong)


def test_a_list_of_points_from_a_recipe_is_taken() -> None:
    assert ExpectedScoreOptions(points=["1", "2"]).points == ("1", "2")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def tiny() -> LocalGenerator:
    return LocalGenerator(tiny_model(positions=2048), tiny_tokenizer(), name="tiny")


def test_real_models_answer_texts_and_ratings_in_one_conversation(tiny: LocalGenerator, tmp_path: Path) -> None:
    """Sampled answers of the target and probabilities of the judge, each model asked once for each turn."""
    options = ExpectedScoreOptions(candidates=4, max_tokens=40, least_mass=0.0)
    prompts = {"a": "Why?", "b": "2+2?"}
    with Store(tmp_path / "s") as store:
        dialogues = {key: expected_score(prompt, options) for key, prompt in prompts.items()}
        found, cost = converse(dialogues, Models(tiny, store=store))
        dialogues = {key: expected_score(prompt, options) for key, prompt in prompts.items()}
        again, no_cost = converse(dialogues, Models(tiny, store=store))
    assert (again, no_cost.model_calls) == (found, 0)
    judged = 0
    for key, scored in found.items():
        assert set(scored.models) == {tiny.identity()}
        for text, reason, score in zip(scored.texts, scored.finish_reasons, scored.scores, strict=True):
            if reason == "length":
                assert score is None
                continue
            prompt = render_prompt("expected_score", prompt=prompts[key], response=text, points=list("12345"))
            [row] = rate([Request("x", [{"role": "user", "content": prompt}])], tiny)
            assert score == pytest.approx(sum(p * k for p, k in zip(row["probabilities"], range(1, 6), strict=True)))
            assert math.isfinite(row["mass"])
            judged += 1
    assert judged
    assert cost.model_calls == 8 + judged


def test_what_is_asked_at_one_turn_keeps_its_own_sampling_and_options(tiny: LocalGenerator) -> None:
    message = [{"role": "user", "content": "Why?"}]
    greedy, short, drawn = Sampling(0.0, max_tokens=9), Sampling(0.0, max_tokens=2), Sampling(1.0, max_tokens=9)
    asks = [Ask(message, greedy), Ask(message, options=("1", "2")), Ask(message, short), Ask(message, drawn)]
    asks.append(Ask(message, options=("2", "1")))
    named = [(str(place), ask) for place, ask in enumerate(asks)]
    together, cost = Models(tiny).ask(named)
    assert together == [Models(tiny).ask([one])[0][0] for one in named]
    assert len({answer.text for answer in together[:1] + together[2:4]}) == 3
    one, two = together[1].probabilities or (), together[4].probabilities or ()
    assert one == pytest.approx(two[::-1])
    assert (together[1].mass, cost.model_calls) == (pytest.approx(together[4].mass), 5)
