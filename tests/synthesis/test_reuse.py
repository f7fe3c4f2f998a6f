"""What may be kept of earlier models: how much changed, and which model has never seen a document."""

from __future__ import annotations

from typing import Any

import numpy as np
from datasets import Dataset
from hypothesis import given
from hypothesis import strategies as st

from hf_mbdc.synthesis.reuse import Reuse, assign_folds, documents, plan_reuse


def rows(*documents: tuple[str, str, str], **changes: Any) -> Dataset:
    """A row for each (id, document, text)."""
    base = {"question": "Total?", "words": ["9"], "boxes": [[0, 0, 1, 1]], "answers": ["9"]}
    base |= {"answer_start": 0, "answer_end": 1, "candidates": [{"start": 0, "end": 1, "choice": 0.0}], **changes}
    return Dataset.from_list([{"id": i, "document_id": d, "context": text, **base} for i, d, text in documents])


BEFORE = rows(("1", "a", "A"), ("2", "b", "B"), ("3", "c", "C"), ("4", "d", "D"))
FOLD = np.array([0, 0, 1, 1])


def plan(now: Dataset, *, chosen: bool = False, most: float = 99.0, before: Dataset = BEFORE) -> Reuse | None:
    return plan_reuse(now, before, FOLD[: len(before)], folds=2, seed=0, chosen=chosen, most=most)


def test_the_same_rows_keep_everything() -> None:
    found = plan(BEFORE, most=0.0)
    assert found is not None
    assert (found.fold.tolist(), found.known.tolist(), found.share) == ([0, 0, 1, 1], [True] * 4, 0.0)


def test_a_changed_row_is_asked_again_of_the_model_that_never_saw_its_document() -> None:
    found = plan(rows(("1", "a", "A"), ("2", "b", "other"), ("4", "d", "D"), ("5", "e", "E")))
    assert found is not None
    assert found.fold[:3].tolist() == [0, 0, 1]
    assert found.known.tolist() == [True, False, True, False]
    assert found.share == 3 / 4  # row 2 changed, 3 is gone, 5 is new


def test_above_the_share_all_is_trained_anew() -> None:
    now = rows(("1", "a", "A"), ("2", "b", "other"), ("3", "c", "C"), ("4", "d", "D"))
    assert plan(now, most=0.25) is not None
    assert plan(now, most=0.24) is None


def test_an_answer_is_learned_but_asked_of_nobody() -> None:
    found = plan(rows(*[(str(i + 1), "abcd"[i], "ABCD"[i]) for i in range(4)], answers=["8"]))
    assert found is not None
    assert (found.known.all(), found.share) == (True, 1.0)


def test_a_moved_label_counts_where_it_is_learned() -> None:
    moved = rows(*[(str(i + 1), "abcd"[i], "ABCD"[i]) for i in range(4)], answer_start=4, answer_end=5)
    assert plan(moved, most=0.0) is not None
    assert plan(moved, most=0.0, chosen=True) is None


def test_a_new_document_with_a_known_text_goes_to_the_model_that_never_saw_the_text() -> None:
    found = plan(rows(("1", "a", "A"), *[(f"n{i}", f"new{i}", "ABCD"[i % 4]) for i in range(16)]))
    assert found is not None
    assert found.fold[1:].tolist() == [0, 0, 1, 1] * 4
    assert not found.known[1:].any()


def test_a_document_that_ties_two_folds_together_lets_nothing_be_kept() -> None:
    assert plan(rows(("1", "a", "C"), ("2", "b", "B"), ("3", "c", "C"), ("4", "d", "D"))) is None


def test_a_row_whose_text_was_edited_is_still_its_document_without_a_document_id() -> None:
    def alone(*documents: tuple[str, str, str]) -> Dataset:
        return rows(*documents).remove_columns("document_id")

    before = alone(*[(str(i), "", f"text {i}") for i in range(40)])
    fold = assign_folds(documents(before), 2, 0)
    now = alone(*[(str(i), "", f"edited {i}") for i in range(40)])
    found = plan_reuse(now, before, fold, folds=2, seed=0, chosen=False, most=1.0)
    assert found is not None
    assert found.fold.tolist() == fold.tolist()


def test_new_documents_are_spread_over_the_models_that_there_are() -> None:
    before = rows(("1", "a", "A"), ("2", "b", "B"))
    now = rows(*[(str(i), f"new{i}", f"text {i}") for i in range(20)])
    found = plan_reuse(now, before, np.array([1, 4]), folds=5, seed=0, chosen=False, most=99.0)
    assert found is not None
    assert set(found.fold.tolist()) == {1, 4}


def test_columns_that_came_since_let_nothing_be_kept() -> None:
    assert plan(BEFORE, before=BEFORE.remove_columns("candidates")) is None


TEXTS = st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("ABCDEF")), min_size=2, max_size=8)


@given(TEXTS, TEXTS)
def test_no_model_is_asked_about_what_it_was_trained_on(
    then: list[tuple[str, str]], now: list[tuple[str, str]]
) -> None:
    before, after = (rows(*[(str(i), *pair) for i, pair in enumerate(pairs)]) for pairs in (then, now))
    fold = assign_folds(documents(before), 3, 0)
    found = plan_reuse(after, before, fold, folds=3, seed=0, chosen=False, most=99.0)
    if found is None:
        return
    for row, k in zip(after, found.fold.tolist(), strict=True):
        for other in np.flatnonzero(fold != k).tolist():  # the model of k was trained on these
            trained = before[other]
            for name in ("id", "document_id", "context"):
                assert trained[name] != row[name]
