"""Refusals: what assistants say when they will not answer, and what only sounds like it."""

from __future__ import annotations

import pytest

from hf_mbdc.errors import RecipeError
from hf_mbdc.synthesis.filters.refusals import OPENING, find_refusals


@pytest.mark.parametrize(
    "text",
    [
        "As an AI language model, I do not have feelings.",
        "as an AI, I can't say.",
        "As a large language model I was trained on text.",
        "I am just an AI assistant, and opinions are not mine to have.",
        "I'm sorry, but I can't help with that.",
        "I’m sorry, I cannot assist with this request.",
        "I apologize, but I'm unable to provide that information.",
        "Unfortunately, I cannot write this for you.",
        "  **I cannot assist with that.**",
        "I can't fulfill your request.",
        "I cannot provide that information.",
        "I must respectfully decline.",
        "My knowledge cutoff is 2021, so I do not know.",
        "As of my last update, the mayor was Kim.",
        "AI 언어 모델로서 저는 감정이 없습니다.",
        "인공지능으로서 의견을 말할 수는 없습니다.",
        "저는 인공지능 언어 모델입니다.",
        "죄송하지만 그 요청은 도와드릴 수 없습니다.",
        "죄송합니다만, 답변을 드리기 어렵습니다.",
        "해당 요청에는 응할 수 없습니다.",
    ],
)
def test_a_refusal_is_found(text: str) -> None:
    assert find_refusals([text]).tolist() == [True]


@pytest.mark.parametrize(
    "text",
    [
        "She can't help her brother, so he sells 3 eggs.",
        "I cannot help but smile when I read your letter.",
        "I can't help thinking of the sea.",
        "Sorry is the hardest word.",
        "As an AI researcher, I study models.",
        "I am an AI engineer from Seoul.",
        "The clerk said: I'm sorry, but I can't help you.",
        "No one can provide 5 apples with 3 hands.",
        "저는 인공지능을 공부하는 학생입니다.",
        "죄송하다는 말은 어렵지 않다고 그는 말했다. 그래서 사과했다.",
        "그는 혼자서는 그 문을 열 수 없었다.",
        "",
    ],
)
def test_what_only_sounds_like_one_is_not(text: str) -> None:
    assert find_refusals([text]).tolist() == [False]


def test_only_the_opening_is_searched() -> None:
    explained = "Assistants are trained to refuse. " * 7 + "They say: As an AI language model, I cannot."
    assert len(explained) > OPENING
    assert find_refusals([explained, explained[-60:]]).tolist() == [False, True]


def test_further_patterns() -> None:
    assert find_refusals(["NO ANSWER given", "an answer"], ["no answer"]).tolist() == [True, False]
    with pytest.raises(RecipeError, match=r"It is no regular expression \(key 'refusal_patterns', value '\('\)"):
        find_refusals([], ["("])
