"""Which rows are doubtful, and in which order they are shown."""

from __future__ import annotations

import numpy as np
import pytest
from datasets import Dataset, Value
from hypothesis import given, settings
from hypothesis import strategies as st
from review_rows import dataset_of, review_row, review_rows

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.review.reasons import reasons
from hf_mbdc.review.select import _share_larger, find_doubts, select_rows

SCORES = st.lists(st.sampled_from([1.0, 0.9, 0.75]), max_size=4)


def ambiguous(row_id: str, count: int) -> dict[str, object]:
    context = " ".join(["9.00"] * count)
    return review_row(row_id, context, ["9.00"], [(5 * k, 5 * k + 4, 1.0) for k in range(count)], "exact")


def with_margins(rows: Dataset, margins: list[float | None]) -> Dataset:
    return rows.add_column("choice_margin", margins, feature=Value("float32"))


def test_doubt_of_every_kind_of_row() -> None:
    doubts = find_doubts(review_rows())
    # one place; the wrong half of two, at the middle of all margins; (1 − .8) / .35; the constant for absent; none
    assert doubts.doubt == pytest.approx([0, 0.25, 0.2 / 0.35, 0.6, 0], abs=1e-6)
    assert doubts.tied.tolist() == [1, 2, 1, 0, 0]
    assert np.isnan(doubts.margin).tolist() == [True, False, True, True, True]
    assert doubts.counts() == {"exact": 2, "fuzzy": 1, "absent": 1, "unanswerable": 1}


def test_labels_that_a_model_suspects_are_doubtful_by_their_quality() -> None:
    rows = dataset_of(*(ambiguous(name, 1) for name in "abcd"), ambiguous("e", 2))
    rows = rows.add_column("mbdc_label_quality", [0.3, 0.02, 0.01, None, 0.5])
    rows = rows.add_column("mbdc_label_suspected", [True, True, False, True, True])
    doubts = find_doubts(rows)
    assert doubts.doubt == pytest.approx([0.7, 0.98, 0, 0, 1 - 0.75 * 0.5])
    assert select_rows(doubts).tolist() == [1, 0, 4]
    assert reasons({**rows[1], "mbdc_label_rank": 2, "mbdc_label_suggested": "8.00"}, doubts, 1) == [
        "A model takes the label for wrong, as number 2 of its split: it suggests '8.00'."
    ]
    assert reasons(rows[2], doubts, 2) == ["Nothing doubtful: the answer stands on the page once, verbatim."]


def test_rows_without_a_doubt_are_left_out_and_the_most_doubtful_come_first() -> None:
    assert select_rows(find_doubts(review_rows())).tolist() == [3, 2, 1]


def test_a_small_choice_margin_is_more_doubtful_than_a_large_one() -> None:
    rows = with_margins(dataset_of(*(ambiguous(name, 2) for name in "abc")), [0.5, 0.01, 0.2])
    doubts = find_doubts(rows)
    assert select_rows(doubts).tolist() == [1, 2, 0]
    assert doubts.by_choice.all()
    assert select_rows(doubts, max_margin=0.2).tolist() == [1, 2]


def test_a_missing_choice_margin_falls_back_to_the_match_scores() -> None:
    rows = with_margins(dataset_of(ambiguous("a", 2), ambiguous("b", 3), ambiguous("c", 1)), [float("nan"), None, None])
    doubts = find_doubts(rows)
    assert doubts.by_choice.tolist() == [False, False, False]
    assert doubts.margin.tolist()[:2] == [0, 0]
    assert select_rows(doubts).tolist() == [1, 0]


def test_a_label_that_a_person_chose_is_not_doubtful() -> None:
    rows = dataset_of(ambiguous("a", 2), ambiguous("b", 2), ambiguous("c", 2))
    rows = rows.add_column("mbdc_source", [None, "review", "relabel_occurrences"], feature=Value("string"))
    assert select_rows(find_doubts(rows)).tolist() == [0, 2]


def test_filters_by_status_and_id() -> None:
    doubts = find_doubts(review_rows())
    assert select_rows(doubts, statuses=["exact", "unanswerable"]).tolist() == [1, 0, 4]
    assert select_rows(doubts, ids=["once", "fuzzy"]).tolist() == [2, 0]
    assert select_rows(doubts, ids=["once", "fuzzy"], statuses=["exact"]).tolist() == [0]


def test_equal_doubts_stay_in_the_order_of_the_data() -> None:
    rows = dataset_of(*(ambiguous(name, 2) for name in "dbca"))
    assert select_rows(find_doubts(rows)).tolist() == [0, 1, 2, 3]


def test_bad_wishes_are_answered() -> None:
    doubts = find_doubts(review_rows(), split="train")
    with pytest.raises(RecipeError, match=r"'fuzy'.*fuzzy, absent, exact, unanswerable"):
        select_rows(doubts, statuses=["fuzy"])
    with pytest.raises(RecipeError, match="max_margin is nan"):
        select_rows(doubts, max_margin=float("nan"))
    with pytest.raises(DataError, match=r"1 of 2 ids.*'gone'.*'once'"):
        select_rows(doubts, ids=["once", "gone"])
    with pytest.raises(DataError, match=r"no such row.*1 absent, 2 exact"):
        select_rows(doubts, statuses=["fuzzy"], max_margin=0)


def test_rows_that_are_not_annotated_are_refused() -> None:
    with pytest.raises(DataError, match=r"not annotated: 'match_status' missing.*'train'.*mbdc\.annotate"):
        find_doubts(review_rows().remove_columns("match_status"), split="train")


@settings(max_examples=40)
@given(st.lists(SCORES, min_size=1, max_size=8))
def test_best_second_and_ties_are_those_of_each_row(scores: list[list[float]]) -> None:
    rows = [
        review_row(str(k), "9.00 " * 4, ["9.00"], [(5 * i, 5 * i + 4, s) for i, s in enumerate(own)], "exact")
        for k, own in enumerate(scores)
    ]
    doubts = find_doubts(dataset_of(*rows))
    for k, own in enumerate(np.float32(values).tolist() for values in scores):
        best = sorted(own, reverse=True)
        assert doubts.tied[k] == (own.count(best[0]) if own else 0)
        assert doubts.margin[k] == (best[0] - best[1]) if len(own) > 1 else np.isnan(doubts.margin[k])


@given(st.lists(st.one_of(st.just(float("nan")), st.sampled_from([0.0, 1.0, 2.0])), max_size=12))
def test_share_larger_counts(values: list[float]) -> None:
    numbers = [value for value in values if value == value]
    for value, share in zip(values, _share_larger(np.array(values, dtype=float)), strict=True):
        if value != value:
            assert share != share
        else:
            larger = sum(other > value for other in numbers) + sum(other == value for other in numbers) / 2
            assert share == pytest.approx(larger / len(numbers))
