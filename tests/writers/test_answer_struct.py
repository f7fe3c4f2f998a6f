from __future__ import annotations

import datasets
import pytest

from hf_mbdc.approaches import annotate
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError
from hf_mbdc.writers.answer_struct import with_answer_struct
from hf_mbdc.writers.located import Written

LETTER = "DATE: 1/8/93\nDear Bob, see you on January 8"


def row(row_id, answers, context=LETTER):
    return {
        "id": row_id,
        "question": "when?",
        "words": context.split(),
        "boxes": [],
        "context": context,
        "answers": answers,
    }


FEATURES = datasets.Features(ExtractiveQA().reads)


def annotated(*rows):
    return annotate(datasets.Dataset.from_list(list(rows), features=FEATURES), ExtractiveQA())


def test_literal_rows():
    ds = annotated(
        row("a", ["1/8/93", "January 8"]), row("b", ["Zanzibar, 1874"]), row("c", []), row("d", ["January 8"])
    )
    made, written = with_answer_struct(ds)
    assert written == Written(3, 1, 0, (("b", "the answer is not located (match_status is 'absent')"),))
    assert made.column_names == [*FEATURES, "answer"]
    assert made.features["answer"] == {
        "match_score": datasets.Value("float64"),
        "matched_text": datasets.Value("string"),
        "start": datasets.Value("int64"),
        "text": datasets.Value("string"),
    }
    assert made["id"][:] == ["a", "c", "d"]
    assert made["answer"][:] == [
        {"match_score": 1.0, "matched_text": "1/8/93", "start": 6, "text": "1/8/93"},
        {"match_score": None, "matched_text": "", "start": -1, "text": ""},
        {"match_score": 1.0, "matched_text": "January 8", "start": 34, "text": "January 8"},
    ]


def test_the_given_answer_that_fits_best_is_the_text():
    ds = datasets.Dataset.from_list(
        [
            {
                "id": "a",
                "context": LETTER,
                "answers": ["Monday", "", "January 9"],
                "match_score": 0.5,
                "match_status": "fuzzy",
                "answer_start": 34,
                "answer_end": 43,
            }
        ]
    )
    made, written = with_answer_struct(ds)
    assert made[0]["answer"] == {"match_score": 0.5, "matched_text": "January 8", "start": 34, "text": "January 9"}
    assert written.reworded == 1
    _, written = with_answer_struct(ds.map(lambda row: {"answers": [""]}))
    assert written.left_out == (("a", "an answer is located, and none is given"),)


def test_other_columns_stay_and_it_can_be_stored(tmp_path):
    ds = annotated(row("a", ["1/8/93"])).add_column("vendor", ["acme"])
    made, _ = with_answer_struct(ds)
    made.to_parquet(tmp_path / "a.parquet")
    again = datasets.Dataset.from_parquet(str(tmp_path / "a.parquet"), cache_dir=str(tmp_path / "cache"))
    assert (
        again.to_list() == made.to_list() == [{**row("a", ["1/8/93"]), "vendor": "acme", "answer": made[0]["answer"]}]
    )


def test_rows_that_are_not_annotated():
    plain = datasets.Dataset.from_list([row("a", ["1/8/93"])], features=FEATURES)
    with pytest.raises(DataError, match=r"A column is missing \(column 'match_score'\)"):
        with_answer_struct(plain)


def test_a_column_that_is_there_already():
    both = annotated(row("a", ["1/8/93"])).add_column("answer", ["1/8/93"])
    with pytest.raises(DataError, match=r"has a column of this name already \(column 'answer'\). Rename it"):
        with_answer_struct(both)
