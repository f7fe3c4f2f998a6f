"""The columns that ExtractiveQA adds, on literal rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from datasets import Features, List, Value

from hf_mbdc.approaches import find_approaches, make_approach
from hf_mbdc.approaches.extractive_qa import ExtractiveQA
from hf_mbdc.errors import DataError, RecipeError

RECEIPT = {
    "words": ["ABC", "SDN", "BHD", "TOTAL", "9.00", "CASH", "19.00", "9.00"],
    "boxes": [[i * 100, 10 * (i > 2), i * 100 + 90, 10 * (i > 2) + 9] for i in range(8)],
    "context": "ABC SDN BHD\nTOTAL 9.00 CASH 19.00 9.00",
}


def batch(*answers: list[str], **document: Any) -> dict[str, list[Any]]:
    shared = {**RECEIPT, **document}
    rows = [{"id": f"r{i}", "question": "?", "answers": given, **shared} for i, given in enumerate(answers)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def row(columns: dict[str, list[Any]], index: int = 0) -> dict[str, Any]:
    """One row, with None for NaN, which is not equal to itself."""
    return without_nan({name: values[index] for name, values in columns.items()})


def without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nan(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_nan(inner) for inner in value]
    return None if value != value else value


def test_a_row_with_two_occurrences() -> None:
    assert row(ExtractiveQA().transform(batch(["9.00"]))) == {
        "answer_start": 18,
        "answer_end": 22,
        "word_start": 4,
        "word_end": 4,
        "answer_boxes": [[400, 10, 490, 19]],
        "answer_page": 0,
        "matched_text": "9.00",
        "match_score": 1.0,
        "n_occurrences": 2,
        "candidates": [
            {"start": 18, "end": 22, "score": 1.0, "choice": None},
            {"start": 34, "end": 38, "score": 1.0, "choice": None},
        ],
        "choice_margin": None,
        "match_status": "exact",
    }


@pytest.mark.parametrize(
    ("answers", "status"), [(["nowhere"], "absent"), ([], "unanswerable"), (["", " "], "unanswerable")]
)
def test_a_miss_is_a_status(answers: list[str], status: str) -> None:
    added = row(ExtractiveQA().transform(batch(answers)))
    assert added == {
        "answer_start": -1,
        "answer_end": -1,
        "word_start": -1,
        "word_end": -1,
        "answer_boxes": [],
        "answer_page": -1,
        "matched_text": "",
        "match_score": None,
        "n_occurrences": 0,
        "candidates": [],
        "choice_margin": None,
        "match_status": status,
    }


def test_statuses_and_lines() -> None:
    added = ExtractiveQA().transform(batch(["BHD TOTAL"], ["abc sdn bhd"], ["absent", "CASH"]))
    assert added["match_status"] == ["exact", "fuzzy", "exact"]
    assert added["matched_text"] == ["BHD\nTOTAL", "ABC SDN BHD", "CASH"]
    assert added["answer_boxes"][0] == [[200, 0, 290, 9], [300, 10, 390, 19]]
    assert added["match_score"][:2] == [1.0, float(np.float32(0.99))]


def test_a_text_without_boxes() -> None:
    added = ExtractiveQA().transform(batch(["CASH"], boxes=[]))
    assert (added["answer_boxes"], added["word_start"]) == ([[]], [5])


def test_the_span_inside_a_word_gets_the_word_around_it() -> None:
    added = ExtractiveQA().transform(batch(["9.00"], words=["RM9.00."], boxes=[], context="RM9.00."))
    assert (added["answer_start"], added["answer_end"], added["word_start"], added["word_end"]) == ([2], [6], [0], [0])


def test_choices() -> None:
    many = batch(*[["9.00"]] * 40)
    assert set(ExtractiveQA("first").transform(many)["answer_start"]) == {18}
    assert set(ExtractiveQA("last").transform(many)["answer_start"]) == {34}
    drawn = ExtractiveQA("random").transform(many)
    assert set(drawn["answer_start"]) == {18, 34}
    assert drawn["answer_start"] != ExtractiveQA("random", seed=1).transform(many)["answer_start"]
    backwards = {name: values[::-1] for name, values in many.items()}
    assert ExtractiveQA("random").transform(backwards)["answer_start"] == drawn["answer_start"][::-1]


def test_a_random_draw_never_changes() -> None:
    assert ExtractiveQA("random").transform(batch(*[["9.00"]] * 8))["answer_start"] == [34, 18, 34, 18, 34, 34, 34, 34]


def test_the_first_answer_that_is_found_best_is_preferred() -> None:
    added = ExtractiveQA().transform(batch(["nowhere", "CASH", "TOTAL"], ["cash", "TOTAL"]))
    assert added["matched_text"] == ["CASH", "TOTAL"]
    assert added["n_occurrences"] == [2, 2]


def test_choose_candidate_moves_the_annotation_and_keeps_the_candidates() -> None:
    approach = ExtractiveQA()
    rows = batch(["9.00"], ["nowhere"])
    annotated = {**rows, **approach.transform(rows)}
    for candidate, choice in zip(annotated["candidates"][0], [-2.0, -0.5], strict=True):  # a model's log-probabilities
        candidate["choice"] = choice
    moved = approach.choose_candidate(annotated, [1, -1])
    assert row(moved) == {
        **row(ExtractiveQA("last").transform(rows)),
        "candidates": annotated["candidates"][0],
        "choice_margin": 1.5,
    }
    assert moved["match_status"] == ["exact", "absent"]
    assert set(moved) == set(approach.adds)


@pytest.mark.parametrize("index", [[2], [-1], [-2]])
def test_choose_candidate_out_of_range(index: list[int]) -> None:
    rows = batch(["9.00"])
    with pytest.raises(DataError, match=rf"There is no candidate {index[0]} \(id 'r0'\). The row has 2 candidates"):
        ExtractiveQA().choose_candidate({**rows, **ExtractiveQA().transform(rows)}, index)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"words": [], "boxes": [], "context": ""}, "the document has no words"),
        ({"words": [], "boxes": []}, "the document has no words"),
        ({"words": ["a"], "boxes": [], "context": ""}, "the document has no words"),
        ({"boxes": [[0, 0, 1, 1]]}, "1 boxes for 8 words"),
        ({"boxes": [[9, 0, 1, 1]] * 8}, "box 0 is inverted: [9, 0, 1, 1]"),
        ({"boxes": [[0, 0, 1, 1]] * 7 + [[0, 0, 1, 1200]]}, "box 7 is outside the page (0 to 1000): [0, 0, 1, 1200]"),
        ({"boxes": None}, "a word or the list of boxes is missing (null)"),
        ({"words": None}, "the document has no words"),
        ({"words": [None, "x"]}, "a word or the list of boxes is missing (null)"),
        ({"context": None}, "the document has no words"),
        ({"context": "ABC"}, "word 1 ('SDN') does not follow its predecessor in context"),
    ],
)
def test_unsound_documents_have_a_reason(document: dict[str, Any], reason: str) -> None:
    columns, reasons = ExtractiveQA().try_transform(batch(["9.00"], **document))
    assert reasons == [reason]
    assert row(columns) == dict.fromkeys(ExtractiveQA().adds)
    with pytest.raises(DataError, match="The document cannot be annotated") as caught:
        ExtractiveQA().transform(batch(["9.00"], **document))
    assert caught.value.where == {"id": "r0"}


def test_a_null_answer_is_no_unanswerable_question() -> None:
    _, reasons = ExtractiveQA().try_transform(batch(["9.00"], None, [None]))  # type: ignore[arg-type, list-item]
    assert reasons == [None, *["answers is missing (null); an unanswerable question has an empty list"] * 2]


def test_documents_with_the_same_text_may_differ_on_the_page() -> None:
    rows = batch(["CASH"], ["CASH"])
    rows["boxes"][1] = [[0, 0, 5, 5]] * 8
    assert ExtractiveQA().transform(rows)["answer_boxes"] == [[[500, 10, 590, 19]], [[0, 0, 5, 5]]]


def test_documents_with_the_same_text_may_have_other_words() -> None:
    rows = batch(["SH"], ["SH"], boxes=[], context="CA SH")
    rows["words"] = [["CA", "SH"], ["C", "A", "SH"]]
    assert ExtractiveQA().transform(rows)["word_start"] == [1, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"choose": "best"}, r"choose is 'best' \(key 'choose'\). Take one of first, last, random, question, learned."),
        ({"max_distance": 0.6}, r"max_distance is 0.6 .* Take a number from 0 to 0.5."),
        ({"max_distance": "0.3"}, r"max_distance is '0.3'"),
        ({"max_distance": float("nan")}, r"max_distance is nan"),
        ({"seed": 1.5}, r"seed is 1.5"),
        (
            {"chose": "last"},
            r"no option 'chose' .*Did you mean 'choose'\? Its options are: choose, max_distance, seed.",
        ),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        make_approach("extractive_qa", options)


def test_make_and_find_approaches() -> None:
    assert make_approach("extractive_qa", {"choose": "last"}) == ExtractiveQA("last")
    with pytest.raises(RecipeError, match=r"no approach 'extractive' .*Did you mean 'extractive_qa'\?"):
        make_approach("extractive")
    columns = {**ExtractiveQA().reads, **ExtractiveQA().adds}
    found = find_approaches(columns)
    assert found["name"] == "extractive_qa"
    assert list(found["adds"]) == list(ExtractiveQA().adds)
    assert found["adds"]["candidates"]["type"] == "list<{start: int32, end: int32, score: float32, choice: float32}>"
    assert found["adds"]["answer_boxes"]["type"] == "list<list<int32>>"
    assert find_approaches(ExtractiveQA().reads) == {}


def test_scores() -> None:
    scores = ExtractiveQA().score(["9.00", ""], [["9.00"], ["x"]])
    assert {name: values.tolist() for name, values in scores.items()} == {
        "exact_match": [1.0, 0.0],
        "f1": [1.0, 0.0],
        "anls": [1.0, 0.0],
    }
    assert ExtractiveQA.metric in scores


def older(row: dict[str, Any]) -> dict[str, Any]:
    """A row as it was before `choice`, `choice_margin` and `answer_page` came, and was put beside newer ones since."""
    candidates = [{**candidate, "choice": None} for candidate in row["candidates"]]
    return {**row, "candidates": candidates, "choice_margin": None, "answer_page": None}


def test_choose_candidate_takes_rows_of_older_versions() -> None:
    approach = ExtractiveQA()
    rows = {"id": ["a"], "question": ["?"], "words": [["9.00", "9.00"]], "boxes": [[]], "context": ["9.00 9.00"]}
    rows |= {"answers": [["9.00"]]}
    annotated = {**rows, **approach.transform(rows)}
    old = older({name: values[0] for name, values in annotated.items()})
    moved = approach.choose_candidate({name: [value] for name, value in old.items()}, [1])
    assert (moved["answer_start"], moved["answer_page"]) == ([5], [0])
    assert math.isnan(moved["choice_margin"][0])
    nothing = approach.choose_candidate({name: [value] for name, value in {**old, "candidates": None}.items()}, [-1])
    assert nothing["match_status"] == ["absent"]
    with pytest.raises(DataError, match="answers is missing"):
        approach.choose_candidate({**{name: [value] for name, value in old.items()}, "answers": [None]}, [1])


def test_rows_of_older_versions_name_their_approach() -> None:
    features = Features({**ExtractiveQA().reads, **ExtractiveQA().adds})
    del features["answer_page"], features["choice_margin"]
    features["candidates"] = List({"start": Value("int32"), "end": Value("int32"), "score": Value("float32")})
    record = find_approaches(features)
    assert record["name"] == "extractive_qa"
    assert "answer_page" not in record["adds"]
    assert record["adds"]["candidates"]["type"] == "list<{start: int32, end: int32, score: float32}>"
    del features["match_status"]
    assert find_approaches(features) == {}
