"""Judges that look at all answers to a prompt, and drafts that are shown while they are wrong."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from scripted_model import Scripted

from hf_mbdc.generation.completions import Sampling
from hf_mbdc.synthesis.methods import judges
from hf_mbdc.synthesis.methods.dialogue import Answer, Ask, converse
from hf_mbdc.synthesis.methods.drafts import drafts

ANSWERS = [
    Answer("1 2", "stop", logprobs=(-0.1, -0.3)),
    Answer("2 1", "stop", logprobs=(-1.0,)),
    Answer("1 2", "stop", logprobs=()),
    Answer("1", "length", logprobs=(-0.1,)),
]


def right(texts: list[str | None]) -> list[bool | None]:
    return [None if text is None else text == "1 2" for text in texts]


def test_judges() -> None:
    assert judges.verified(right)(ANSWERS) == [1.0, 0.0, 1.0, None]
    assert judges.majority(str.strip)(ANSWERS) == [2 / 3, 1 / 3, 2 / 3, None]
    assert judges.likelihood(ANSWERS) == [-0.2, -1.0, None, None]
    assert judges.length(ANSWERS) == [2.0, 2.0, 2.0, None]


@given(st.lists(st.tuples(st.sampled_from(["1 2", "2 1", "", "9"]), st.sampled_from(["stop", "length"]))))
def test_the_majority_is_a_share(drawn: list[tuple[str, str]]) -> None:
    scores = judges.majority(str.strip)([Answer(text, reason) for text, reason in drawn])
    known = {text: score for (text, _), score in zip(drawn, scores, strict=True) if score is not None}
    assert [score is None for score in scores] == [reason == "length" for _, reason in drawn]
    assert not known or abs(sum(known.values()) - 1) < 1e-9


def test_a_wrong_draft_is_shown_and_a_right_one_ends_it() -> None:
    script = {"sort 2 1": ["2 1", "1", "1 2"], "sort 1 2": ["1 2"], "sort 2 2": ["2", None]}

    def reply(ask: Ask) -> str | None:
        return script[ask.messages[0]["content"]][len(ask.messages) // 2]

    model = Scripted(reply)
    judge = judges.verified(right)
    found, _ = converse({prompt: drafts(prompt, judge, 3, Sampling()) for prompt in script}, model)
    talks = [[[turn["content"] for turn in ask.messages] for ask in turn] for turn in model.asked]
    assert talks == [
        [["sort 2 1"], ["sort 1 2"], ["sort 2 2"]],
        [["sort 2 1", "2 1", "sort 2 1"], ["sort 2 2", "2", "sort 2 2"]],
        [["sort 2 1", "2 1", "sort 2 1", "1", "sort 2 1"]],  # the draft that was cut off is not shown
    ]
    assert found["sort 2 1"].texts == ("2 1", "1", "1 2")
    assert found["sort 2 1"].scores == (0.0, 0.0, 1.0)
    assert found["sort 2 2"].scores == (0.0, None)


def test_there_are_so_many_drafts_at_most() -> None:
    model = Scripted(lambda ask: "wrong")
    found, _ = converse({"a": drafts("sort 2 1", judges.verified(right), 2, Sampling())}, model)
    assert (model.calls, found["a"].scores) == (2, (0.0, 0.0))
