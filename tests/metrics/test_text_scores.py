"""Exact match, F1 and ANLS: literal text → literal score."""

from __future__ import annotations

import re
import string
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.metrics import anls_scores, exact_match_scores, f1_scores
from hf_mbdc.metrics.text import normalize_squad, normalize_strict

WORDS = st.text(alphabet="aAtheTHE .,9-", max_size=12)
ROWS = st.lists(st.tuples(WORDS, st.lists(WORDS, max_size=3)), min_size=1, max_size=8)


def test_normalize_strict_keeps_punctuation_and_folds_width_case_and_blanks() -> None:
    assert normalize_strict("  Ｔotal:\tRM\n 9.00 ") == "total: rm 9.00"
    assert normalize_strict("ﬁne") == "fine"


def test_normalize_squad_drops_punctuation_and_articles_and_so_the_decimal_point() -> None:
    assert normalize_squad("The  Total, an a-priori 9.00") == "total apriori 900"


@pytest.mark.parametrize(
    ("prediction", "answers", "strict", "squad"),
    [
        ("9.00", ["9.00"], 1, 1),
        ("900", ["9.00"], 0, 1),  # the trap of "squad"
        ("rm 9.00", ["9.00", "RM  9.00"], 1, 1),
        ("The Shop", ["shop"], 0, 1),
        ("", ["9.00"], 0, 0),
        ("", [], 1, 1),
        ("9.00", [], 0, 0),
        ("", [" "], 1, 1),  # an answer without a character is none
        ("x", ["", "x"], 1, 1),
        ("", ["", "x"], 0, 0),
        ("...", [], 0, 1),
    ],
)
def test_exact_match(prediction: str, answers: list[str], strict: int, squad: int) -> None:
    assert exact_match_scores([prediction], [answers]).tolist() == [strict]
    assert exact_match_scores([prediction], [answers], "squad").tolist() == [squad]


@pytest.mark.parametrize(
    ("prediction", "answers", "expected"),
    [
        ("red car", ["red car"], 1.0),
        ("the red car", ["red bus"], 0.5),
        ("red red car", ["red"], 0.5),  # bag of tokens: precision 1/3, recall 1
        ("blue", ["red"], 0.0),
        ("blue", ["red", "a blue bus"], 2 / 3),
        ("", ["red"], 0.0),
        ("red", [], 0.0),
        ("", [], 1.0),
        ("9.00", ["900"], 1.0),
    ],
)
def test_f1(prediction: str, answers: list[str], expected: float) -> None:
    assert f1_scores([prediction], [answers]) == pytest.approx([expected])


def test_f1_strict_keeps_the_decimal_point() -> None:
    assert f1_scores(["9.00"], [["900"]], normalization="strict").tolist() == [0.0]


@pytest.mark.parametrize(
    ("prediction", "answers", "at_most", "below"),
    [
        ("Hello", ["hello"], 1.0, 1.0),
        ("hallo", ["hello"], 0.8, 0.8),
        ("kitten", ["sitting"], 1 - 3 / 7, 1 - 3 / 7),
        ("ab", ["ax"], 0.5, 0.0),  # NL = 0.5 exactly
        ("abc", ["axy"], 0.0, 0.0),  # NL = 2/3
        ("abcde", ["abcxy", "abcd"], 0.8, 0.8),  # best answer counts
        ("  A\n b ", ["a b"], 1.0, 1.0),
        ("", ["a"], 0.0, 0.0),
        ("a", [], 0.0, 0.0),
    ],
)
def test_anls(prediction: str, answers: list[str], at_most: float, below: float) -> None:
    assert anls_scores([prediction], [answers]) == pytest.approx([at_most])
    assert anls_scores([prediction], [answers], threshold_rule="below") == pytest.approx([below])


def test_anls_of_an_empty_prediction_for_an_unanswerable_row_is_named() -> None:
    assert anls_scores(["", ""], [[], [""]]).tolist() == [1.0, 1.0]
    assert anls_scores(["", ""], [[], [""]], unanswerable="zero").tolist() == [0.0, 0.0]


def test_rows_keep_their_place_when_the_number_of_answers_differs() -> None:
    predictions, references = ["a", "", "bb", "c"], [["x", "a"], [], ["bb", "b", "q"], ["z"]]
    assert exact_match_scores(predictions, references).tolist() == [1, 1, 1, 0]
    assert anls_scores(predictions, references).tolist() == [1, 1, 1, 0]


def test_no_rows_give_no_scores() -> None:
    for scores in (exact_match_scores([], []), f1_scores([], []), anls_scores([], [])):
        assert scores.shape == (0,)
        assert scores.dtype == np.float64


@pytest.mark.parametrize("score", [exact_match_scores, f1_scores, anls_scores])
def test_bad_input_is_told_with_its_row(score) -> None:
    with pytest.raises(DataError, match="There are 1 predictions for 2 rows of references"):
        score(["a"], [["a"], ["b"]])
    with pytest.raises(DataError, match=r"A prediction is NoneType, not a text \(row 1\)"):
        score(["a", None], [["a"], ["b"]])
    with pytest.raises(DataError, match=r"References are not a list of texts \(row 0\)"):
        score(["a"], ["a"])
    with pytest.raises(DataError, match=r"References are not a list of texts \(row 0\)"):
        score(["a"], [[None]])


def test_unknown_options_name_the_allowed_ones() -> None:
    with pytest.raises(RecipeError, match=r"normalization is 'lower'.*strict, squad"):
        exact_match_scores(["a"], [["a"]], "lower")
    with pytest.raises(RecipeError, match=r"threshold_rule is 'under'.*at_most, below"):
        anls_scores(["a"], [["a"]], threshold_rule="under")
    with pytest.raises(RecipeError, match=r"unanswerable is 'nan'.*one, zero"):
        anls_scores(["a"], [["a"]], unanswerable="nan")


def squad_v2(prediction: str, answers: list[str]) -> tuple[float, float]:
    """The rules of the official SQuAD 2.0 evaluation, written out row by row."""

    def normalize(text: str) -> str:
        text = "".join(c for c in text.lower() if c not in string.punctuation)
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())

    def f1(gold: str) -> float:
        ours, theirs = normalize(prediction).split(), normalize(gold).split()
        if not ours or not theirs:
            return float(ours == theirs)
        same = sum((Counter(ours) & Counter(theirs)).values())
        if same == 0:
            return 0.0
        precision, recall = same / len(ours), same / len(theirs)
        return 2 * precision * recall / (precision + recall)

    gold = [answer for answer in answers if normalize(answer)] or [""]
    return max(float(normalize(prediction) == normalize(g)) for g in gold), max(f1(g) for g in gold)


@given(ROWS)
def test_squad_normalization_equals_the_official_rules(rows: list[tuple[str, list[str]]]) -> None:
    predictions, references = [p for p, _ in rows], [a for _, a in rows]
    exact, f1 = np.array([squad_v2(p, a) for p, a in rows]).T
    assert exact_match_scores(predictions, references, "squad").tolist() == exact.tolist()
    assert f1_scores(predictions, references) == pytest.approx(f1.tolist())


@given(ROWS)
def test_scores_are_shares_and_an_exact_match_is_full_marks(rows: list[tuple[str, list[str]]]) -> None:
    predictions, references = [p for p, _ in rows], [a for _, a in rows]
    exact = exact_match_scores(predictions, references)
    for scores in (anls_scores(predictions, references), f1_scores(predictions, references, "strict")):
        assert ((scores >= 0) & (scores <= 1)).all()
        assert (scores[exact == 1] == 1).all()
