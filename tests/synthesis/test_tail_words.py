"""Made words join the train rows: with the approach's columns, apart from other splits, as often as they must occur."""

from __future__ import annotations

import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from hf_mbdc import annotate, fit
from hf_mbdc.approaches.text_recognition import TextRecognition
from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.synthesis.step import StepContext
from hf_mbdc.synthesis.tail_words import HELD_OUT, TailWordsOptions, run

WORDS = ["가나", "나가", "다라", "가다", "라나"]


def rows(words: list[str] = WORDS, **columns: list[Any]) -> tuple[Dataset, TextRecognition]:
    given = Dataset.from_dict({"id": [f"w{n}" for n in range(len(words))], "text": words, **columns})
    approach = fit(given, TextRecognition(charset="가나다라뷁", few_below=1, many_above=3))
    return annotate(given, approach), approach


def context(approach: TextRecognition, **given: Any) -> StepContext:
    return StepContext(approach, None, Path("nowhere"), **given)


def test_rows_are_added_behind_those_that_are_there() -> None:
    before, approach = rows()
    done = run(before, TailWordsOptions(words=12, mixture={"random": 1.0}, at_least=4), context(approach))
    assert done.rows["text"][:5] == WORDS
    made = done.rows.select(range(5, 17))
    counts = Counter("".join(made["text"][:]))
    assert min(counts[c] for c in "가나다라뷁") >= 4
    assert set(made["mbdc_source"]) == {"random"}
    assert set(made["mbdc_parent_id"]) <= set(before["id"])
    assert set(made["mbdc_iteration"]) == {None}
    least = {text: min(Counter("".join(WORDS))[c] for c in text) for text in made["text"][:]}
    assert dict(zip(made["text"][:], made["char_min_freq"][:], strict=True)) == least
    assert (done.record.kept, done.record.added, done.record.changed, done.record.rejected) == (5, 12, 0, 0)
    assert done.rejected is None


def test_columns_of_others_are_null() -> None:
    before, approach = rows(count=[1, 2, 3, 4, 5])
    done = run(before, TailWordsOptions(words=3, at_least=0), context(approach))
    assert done.rows["count"][:] == [1, 2, 3, 4, 5, None, None, None]


def test_what_stands_in_another_split_is_left_out_with_its_reason() -> None:
    before, approach = rows(["가", "나", "다"])
    options = TailWordsOptions(words=20, mixture={"random": 1.0}, at_least=1)
    done = run(before, options, context(approach, others={"test": Dataset.from_dict({"text": ["뷁", "라"]})}))
    made = done.rows.select(range(3, len(done.rows)))
    assert set(made["text"]) == {"가", "나", "다"}
    assert done.rejected is not None
    assert set(done.rejected["reason"]) == {HELD_OUT}
    assert set(done.rejected["split"]) == {"train"}
    assert len(done.rejected) == done.record.rejected == done.record.reasons[HELD_OUT] == 20 - len(made)
    everything = {"test": Dataset.from_dict({"text": list("가나다라뷁")})}
    with pytest.raises(DataError, match="Every made word stands in another split"):
        run(before, options, context(approach, others=everything))


def test_an_evaluation_word_of_another_form_is_one_all_the_same() -> None:
    before, approach = rows()
    decomposed = Dataset.from_dict({"text": [unicodedata.normalize("NFD", text) for text in ("가나", "다라")]})
    options = TailWordsOptions(words=30, mixture={"natural": 1.0}, at_least=0)
    done = run(before, options, context(approach, others={"test": decomposed}))
    made = done.rows.select(range(5, len(done.rows)))
    assert set(made["text"]) == {"나가", "가다", "라나"}
    assert (len(made), done.record.rejected) == (30, 0)  # nothing is made of them, so that nothing is thrown away


def test_characters_that_lose_too_many_places_are_told(caplog: pytest.LogCaptureFixture) -> None:
    before, approach = rows(["가", "나", "다"])
    options = TailWordsOptions(words=40, mixture={"random": 1.0}, at_least=4)
    done = run(before, options, context(approach, others={"test": Dataset.from_dict({"text": ["뷁", "라"]})}))
    assert done.record.reasons["characters that occur less often than asked"] == 2
    assert "2 characters occur less often than asked" in caplog.text


def test_the_charset_of_the_step_is_cut_as_the_approach_counts() -> None:
    before, approach = rows()
    charset = unicodedata.normalize("NFD", "가나뷁")
    done = run(before, TailWordsOptions(words=12, charset=charset, at_least=2), context(approach))
    counts = Counter("".join(done.rows.select(range(5, 17))["text"][:]))
    assert min(counts[character] for character in "가나뷁") >= 2


def test_what_the_target_missed_comes_more_often() -> None:
    before, approach = rows()
    asked = []

    def misses() -> dict[str, int]:
        asked.append(1)
        return {"다": 7, "라": 0, "x": 3}  # the charset lacks x

    options = TailWordsOptions(words=60, mixture={"injected": 1.0}, at_least=2, per_miss=5)
    done = run(before, options, context(approach, misses=misses))
    assert asked == [1]
    counts = Counter("".join(done.rows["text"][5:]))
    assert counts["다"] >= 2 + 5 * 7
    assert done.record.reasons["characters that the target missed"] == 2
    with pytest.raises(RecipeError, match=r"No split tells what the target misses .*per_miss.*validation"):
        run(before, options, context(approach))
    plain = TailWordsOptions(words=6, at_least=1)
    run(before, plain, context(approach, misses=misses))
    assert asked == [1]  # not asked where it does not count


def test_words_are_made_of_rows_that_no_step_made() -> None:
    before, approach = rows(["가나", "나가", "뷁뷁뷁뷁"], mbdc_source=[None, None, "random"])
    options = TailWordsOptions(words=30, mixture={"random": 1.0}, at_least=0)
    made = run(before, options, context(approach)).rows["text"][3:]
    assert {len(text) for text in made} == {2}  # lengths of natural words
    only, approach = rows(["뷁뷁뷁뷁"], mbdc_source=["random"])
    assert {len(text) for text in run(only, options, context(approach)).rows["text"][1:]} == {4}


def test_wrong_options() -> None:
    with pytest.raises(RecipeError, match=r"per_miss"):
        TailWordsOptions(per_miss=-1)
    with pytest.raises(RecipeError, match=r"no recipe 'randm'"):
        TailWordsOptions(mixture={"randm": 1.0})
    before, approach = rows(["가나"], mbdc_source=[None])
    taken = before.map(lambda row: {"id": "random-0-0"})
    with pytest.raises(RecipeError, match=r"the id of another row .*give the step another one"):
        run(taken, TailWordsOptions(words=3, mixture={"random": 1.0}, at_least=0), context(approach))
