"""Languages: what is judged, and what is told where that is impossible."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hf_mbdc.errors import MbdcError, RecipeError
from hf_mbdc.synthesis.filters.language import find_other_languages

ENGLISH = "Natalia sold clips to 48 of her friends in April."
KOREAN = "나탈리아는 사월에 친구 마흔여덟 명에게 머리핀을 팔았습니다."
GERMAN = "Im April verkaufte Natalia Haarspangen an achtundvierzig ihrer Freunde."


def test_other_languages_are_named() -> None:
    assert find_other_languages([ENGLISH, KOREAN, GERMAN], ["en", "ko"]) == ["", "", "de"]
    assert find_other_languages([ENGLISH, KOREAN], ["de"]) == ["en", "ko"]


def test_short_texts_and_formulas_are_not_judged() -> None:
    assert find_other_languages(["Das ist ein Haus", "12 + 30 = 42; 42 * 2 = 84", ""], ["en"]) == ["", "", ""]
    assert find_other_languages(["State quarters:35(2/5)=14 quarters\nPennsylvania:14(.50)=7 quarters"], ["en"]) == [""]


def test_a_language_that_is_not_known_is_told() -> None:
    with pytest.raises(RecipeError, match=r"The language is not known \(key 'languages', value \['english'\]\)"):
        find_other_languages([], ["en", "english"])
    with pytest.raises(RecipeError, match="No language is wanted"):
        find_other_languages([], [])


def test_without_the_library_the_mend_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "py3langid", None)
    with pytest.raises(MbdcError, match=r'pip install "hf-mbdc\[language\]"'):
        find_other_languages([ENGLISH], ["en"])


def test_questions_of_four_languages(shared_data: Path) -> None:
    texts = {}
    for language in ("de", "en", "ru", "vi"):
        data = json.loads((shared_data / "xquad" / f"xquad.{language}.json").read_text(encoding="utf-8"))["data"]
        questions = [qa["question"] for item in data for part in item["paragraphs"] for qa in part["qas"]]
        texts[language] = questions[:200]
    for language, questions in texts.items():
        refused = [bool(found) for found in find_other_languages(questions, [language])]
        assert sum(refused) <= 2, (language, refused)
        others = [bool(found) for found in find_other_languages(questions, [*sorted(texts.keys() - {language})])]
        assert sum(others) >= 185, (language, sum(others))
