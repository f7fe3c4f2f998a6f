"""What slices can be named by."""

from __future__ import annotations

import numpy as np
from datasets import Dataset

from hf_mbdc.experiments.metadata import describe_rows


def test_own_and_counted_columns() -> None:
    ds = Dataset.from_dict(
        {
            "id": ["1", "2", "3", "4"],
            "document_id": ["a", "a", "b", "b"],
            "key": ["total", "date", "total", "date"],
            "always": ["x"] * 4,
            "question": ["What is it?", "When?", "What is it?", "When?"],
            "words": [["a", "b", "c"], ["a", "b", "c"], ["d"], ["d"]],
            "word_start": [0, 2, 0, -1],
            "word_end": [1, 2, 0, -1],
            "answer_start": [0, 4, 0, -1],
            "answer_boxes": [[[0, 0, 1, 1]], [[0, 0, 1, 1]], [[0, 0, 1, 1]] * 2, []],
            "match_score": [1.0, 0.9, None, None],
            "mbdc_source": [None, "relabel_occurrences", None, None],
            "dynamics_loss": [1.0, 2.0, 3.0, 4.0],
        }
    )
    found = describe_rows(ds)
    assert found.keys() == {
        *("key", "match_score", "mbdc_source"),
        *("document_words", "answer_words", "answer_place", "answer_lines"),
    }  # the questions and their lengths part the rows as their keys do
    assert found["document_words"].tolist() == [3, 3, 1, 1]
    np.testing.assert_array_equal(found["answer_words"], [2, 1, 1, np.nan])
    np.testing.assert_array_equal(found["answer_place"], [0, 1, 0, np.nan])
    np.testing.assert_array_equal(found["answer_lines"], [1, 1, 2, np.nan])
    hidden = describe_rows(ds, {"key", "question"})
    assert not {"key", "question", "question_words"} & hidden.keys()
    assert describe_rows(ds, {"key"})["question"].tolist() == ["What is it?", "When?", "What is it?", "When?"]


def test_texts_that_name_rows_are_content_and_not_metadata() -> None:
    ds = Dataset.from_dict(
        {"id": list("abcd"), "title": list("wxyz"), "kind": list("ppqq"), "note": ["x" * 81, "y"] * 2}
    )
    assert describe_rows(ds).keys() == {"kind"}


def test_words_are_counted_by_their_characters() -> None:
    ds = Dataset.from_dict({"id": list("abc"), "text": ["값", "서울", "값"]})
    assert {name: values.tolist() for name, values in describe_rows(ds).items()} == {
        "text": ["값", "서울", "값"],
    }
    other = Dataset.from_dict({"id": list("abcd"), "text": ["값", "서울", "바다", "뭍"]})
    assert {name: values.tolist() for name, values in describe_rows(other).items()} == {"text_characters": [1, 2, 2, 1]}


def test_numbers_that_all_differ_are_not_the_same_column() -> None:
    values = np.random.default_rng(0).random((2, 60))
    ds = Dataset.from_dict({"id": [str(number) for number in range(60)], "x": values[0], "y": values[1]})
    assert describe_rows(ds).keys() == {"x", "y"}
