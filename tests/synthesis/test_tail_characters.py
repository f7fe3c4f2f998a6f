"""Words made for rare characters: what each recipe writes, targets met or refused, and nothing but keys deciding."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from datasets import Dataset, DatasetDict
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.synthesis.tail_characters import RECIPES, TailOptions, shares, tail_characters
from hf_mbdc.transforms.rows import PROVENANCE

TEXTS = ["가나", "가다", "나라마", "가", "각나다라", "abc", "가1"]
CORPUS = Dataset.from_dict(
    {"id": [f"w{n}" for n in range(len(TEXTS))], "text": TEXTS, "count": [50, 20, 5, 30, 1, 3, 2]}
)
CHARSET = "가나다라마각힣뷁"


def make(words: int = 200, corpus: Dataset = CORPUS, scores: Any = None, **options: Any) -> Any:
    given_options = {"charset": CHARSET, "weight": "count", "at_least": 3} | options
    return tail_characters(
        corpus, TailOptions(words, **given_options), scores=scores, model="reader@1" if scores else None
    )


def counts(rows: Dataset) -> Counter[str]:
    return Counter("".join(rows["text"][:]))


@pytest.mark.parametrize("recipe", ["injected", "language_aware", "random"])
def test_every_character_occurs_often_enough(recipe: str) -> None:
    made = make(mixture={"natural": 0.7, recipe: 0.3})
    found = counts(made.rows)
    assert min(found[character] for character in CHARSET) >= 3
    assert Counter(made.rows["mbdc_source"][:]) == {"natural": 140, recipe: 60}


@given(
    st.fixed_dictionaries({recipe: st.integers(0, 3) for recipe in RECIPES}).filter(lambda m: sum(m.values()) > 0),
    st.integers(1, 60),
    st.integers(0, 6),
    st.integers(0, 3),
)
@settings(max_examples=25, deadline=None)
def test_met_or_refused(mixture: dict[str, int], words: int, at_least: int, seed: int) -> None:
    try:
        made = make(words, mixture=mixture, at_least=at_least, seed=seed, candidates=2)
    except DataError as refused:
        if "places for characters that natural words lack" not in str(refused):
            raise
        return
    found = counts(made.rows)
    assert min(found[character] for character in CHARSET) >= at_least
    assert len(made.rows) == words == len(set(made.rows["id"][:]))
    record = made.record
    assert (record.kept + record.changed + record.added, record.rejected) == (words, 0)


def test_natural_words_are_words_as_often_as_they_occur() -> None:
    made = make(20_000, mixture={"natural": 1}, at_least=0)
    found = Counter(made.rows["text"][:])
    assert {text: round(found[text] / 20_000, 2) for text in TEXTS} == pytest.approx(
        {text: n / 111 for text, n in zip(TEXTS, CORPUS["count"], strict=True)}, abs=0.012
    )
    by_id = dict(zip(CORPUS["id"], TEXTS, strict=True))
    assert [by_id[parent] for parent in made.rows["mbdc_parent_id"]] == made.rows["text"][:]
    assert made.record.kept == 20_000


def test_reweighted_words_are_words_of_each_rarest_character_alike() -> None:
    made = make(7_000, mixture={"reweighted": 1}, at_least=0)
    found = Counter(made.rows["text"][:])
    # 나라마 has the rarest 마, 각나다라 각, 가1 1, abc a (of a, b, c the first): 가 and 가나 and 가다 have classes too.
    assert set(found) == set(TEXTS)
    assert all(abs(n - 1000) < 120 for n in found.values())


def test_an_injected_word_keeps_all_but_one_character() -> None:
    made = make(mixture={"natural": 0.5, "injected": 0.5})
    by_id = dict(zip(CORPUS["id"], TEXTS, strict=True))
    injected = made.rows.filter(lambda row: row["mbdc_source"] == "injected")
    for row in injected:
        parent = by_id[row["mbdc_parent_id"]]
        assert len(parent) == len(row["text"])
        changed = [(a, b) for a, b in zip(parent, row["text"], strict=True) if a != b]
        assert len(changed) == 1
        assert set(changed[0]) <= set(CHARSET)
    assert made.record.changed == 100
    assert "abc" not in by_id[injected[0]["mbdc_parent_id"]]


def test_the_least_needed_character_gives_way() -> None:
    corpus = Dataset.from_dict({"id": ["a", "b"], "text": ["가나", "가"], "count": [1, 3]})
    made = make(40, corpus, mixture={"injected": 1}, charset="가나힣", at_least=5)
    long = [text for text in made.rows["text"] if len(text) == 2]
    assert long
    assert all(text[1] == "나" for text in long)


def test_random_words_have_the_lengths_of_words_and_all_characters_alike() -> None:
    made = make(400, mixture={"random": 1}, at_least=0)
    found = counts(made.rows)
    assert max(found.values()) - min(found.values()) <= 1
    assert set(found) == set(CHARSET)
    lengths = dict(zip(CORPUS["id"], map(len, TEXTS), strict=True))
    assert [lengths[parent] for parent in made.rows["mbdc_parent_id"]] == [len(text) for text in made.rows["text"]]
    assert made.record.added == 400


def test_the_given_scores_choose() -> None:
    def ends_on_it(texts: list[str]) -> list[float]:
        return [float(text[-1] in "힣뷁") for text in texts]

    made = make(mixture={"natural": 0.9, "language_aware": 0.1}, scores=ends_on_it, at_least={"힣": 10, "뷁": 10})
    likely = made.rows.filter(lambda row: row["mbdc_source"] == "language_aware")
    assert all(text[-1] in "힣뷁" for text in likely["text"])
    assert set(likely["mbdc_model"]) == {made.record.model} == {"reader@1"}
    assert set(made.rows["mbdc_model"][:180]) == {None}


def test_the_models_own_words_are_likelier_than_injected_ones() -> None:
    from hf_mbdc.synthesis.words.corpus import read_corpus
    from hf_mbdc.synthesis.words.language_model import fit_characters

    syllables = "가나다라마바사아자차"
    texts = [a + b + c for a in syllables[:5] for b in syllables[5:] for c in "요니"]
    corpus = Dataset.from_dict({"id": texts, "text": texts})
    own = read_corpus(corpus, syllables, None, "NFC", "code_point")
    model = fit_characters(own.words, len(own.characters))
    mean = {}
    for recipe in ("injected", "language_aware"):
        made = make(200, corpus, mixture={recipe: 1}, charset=syllables, weight=None)
        words = read_corpus(made.rows, own.characters, None, "NFC", "code_point").words
        mean[recipe] = model.scores(words).mean()
    assert mean["language_aware"] > mean["injected"] + 0.5


@pytest.mark.parametrize("recipe", RECIPES)
def test_neither_the_order_of_the_corpus_nor_more_rows_change_a_draw(recipe: str) -> None:
    mixture = {recipe: 1}
    one = make(60, mixture=mixture, at_least=0)
    other = make(60, CORPUS.shuffle(seed=5), mixture=mixture, at_least=0)
    assert one.rows[:] == other.rows[:]
    if recipe != "language_aware":  # there the likeliest word depends on the character, which all rows decide
        more = make(90, mixture=mixture, at_least=0)
        assert more.rows[:60]["mbdc_parent_id"] == one.rows["mbdc_parent_id"][:]
    assert make(60, mixture=mixture, at_least=0, seed=1).rows["text"][:] != one.rows["text"][:]


def test_targets_of_single_characters() -> None:
    made = make(mixture={"natural": 0.9, "injected": 0.1}, at_least={"뷁": 17})
    # 20 places: 17 for 뷁, and one each for the three that then have the lowest surplus.
    found = counts(made.rows)
    assert (found["뷁"], found["힣"]) == (18, 1)


def test_clusters_are_characters() -> None:
    family = "👩\u200d👩\u200d👧"
    corpus = Dataset.from_dict({"id": ["a", "b"], "text": ["e\u0301a", family]})
    options = TailOptions(20, {"injected": 1}, at_least=3, charset=["a", family, "🇰🇷", "é"], unit="grapheme")
    text = "".join(tail_characters(corpus, options).rows["text"][:])
    assert all(text.count(character) >= 3 for character in ("a", family, "🇰🇷", "é"))


def test_rows_that_cannot_be_drawn_are_kept_aside() -> None:
    columns = {"id": list("abcde"), "text": ["가", None, "", "나", "다"], "count": [1.0, 1, 1, float("nan"), -1]}
    made = make(4, Dataset.from_dict(columns), mixture={"natural": 1}, at_least=0)
    assert set(made.rows["text"]) == {"가"}
    assert made.rejected[:]["id"] == ["b", "c", "d", "e"]
    assert made.rejected[:]["reason"][:2] == ["the text is null", "the text is empty"]
    assert made.record.rejected == 4
    assert made.record.reasons["the weight is no number of at least 0"] == 2


def test_every_row_says_where_it_comes_from() -> None:
    made = make(mixture=dict.fromkeys(RECIPES, 1))
    assert made.rows.column_names == ["id", "text", *PROVENANCE]
    assert set(made.rows["mbdc_parent_id"]) <= set(CORPUS["id"])
    assert sum(made.record.reasons.values()) == 200


def test_a_budget_that_is_too_small_says_how_large_it_must_be() -> None:
    with pytest.raises(DataError, match=r"need \d+ places .* the mixture has 1 .*let injected be at least 0\.\d+ of"):
        make(100, mixture={"natural": 0.99, "injected": 0.01}, at_least=10)
    with pytest.raises(DataError, match=r"Make at least \d+ words, or lower at_least"):
        make(10, mixture={"injected": 1}, at_least=50)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"words": 0}, "There is at least one word"),
        ({"candidates": 0}, "at least one candidate"),
        ({"mixture": {"inject": 1}}, "There is no recipe 'inject'"),
        ({"mixture": {"natural": -1}}, "The share of 'natural' is -1"),
        ({"mixture": {"natural": 0}}, "No recipe has a share"),
        ({"at_least": -1}, "A target is a whole number"),
        ({"unit": "byte"}, "No such characters"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        TailOptions(**options)


def test_wrong_data() -> None:
    with pytest.raises(RecipeError, match="The charset lacks 'x', which has a target"):
        make(at_least={"x": 1})
    with pytest.raises(DataError, match="There is no column 'frequency'"):
        make(weight="frequency")
    with pytest.raises(DataError, match="No word of the corpus has a character of the charset"):
        make(charset="힣")
    with pytest.raises(DataError, match="No word can be drawn"):
        make(corpus=CORPUS.map(lambda row: {"count": 0}))
    with pytest.raises(DataError, match="A score is no number"):
        make(mixture={"language_aware": 1}, scores=lambda texts: [float("nan")] * len(texts))
    with pytest.raises(DataError, match="Give one for each of"):
        make(mixture={"language_aware": 1}, scores=lambda texts: [1.0])
    with pytest.raises(RecipeError, match="Scores and their model's name go together"):
        tail_characters(CORPUS, TailOptions(weight="count"), model="reader")


def test_shares_add_up() -> None:
    assert shares({"natural": 1, "random": 1, "injected": 1}, 10) == {
        "natural": 4, "reweighted": 0, "injected": 3, "language_aware": 0, "random": 3
    }  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [{"charset": 5}, {"charset": [1]}, {"charset": None}, {"mixture": 0.3}, {"mixture": {"natural": "1"}}],
)
def test_options_of_a_wrong_type_are_refused_with_their_key(options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError) as caught:
        TailOptions(**options)
    assert caught.value.where["key"] == next(iter(options))


@pytest.mark.parametrize("corpus", [CORPUS.to_iterable_dataset(), DatasetDict(train=CORPUS), [1]])
def test_words_come_from_one_split_in_memory(corpus: Any) -> None:
    with pytest.raises(DataError, match="Words are drawn from a Dataset, not"):
        make(corpus=corpus)


def test_weights_are_numbers() -> None:
    with pytest.raises(DataError, match="is string, no number"):
        make(weight="text")
