"""Losses against numbers computed by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from hf_mbdc.targets.batches import Batch, collate
from hf_mbdc.targets.encoding import EncodedRow, Window, pad
from hf_mbdc.targets.objective import group_logsumexp, labelled_spans, span_loss, span_scores

ENCODER = SimpleNamespace(collate=lambda windows: {"input_ids": pad([w.inputs["input_ids"] for w in windows], 0)})


NONE = np.zeros((0, 3), dtype=np.int64)


def row(
    windows: int = 1, tokens: int = 3, answer: list[list[int]] | None = None, unanswerable: bool = False
) -> EncodedRow:
    """Windows of a null token and `tokens` document tokens of one character."""
    offsets = np.array([[-1, -1], *([i, i + 1] for i in range(tokens))])
    made = tuple(
        Window({"input_ids": np.arange(tokens + 1)}, offsets + w * tokens * (offsets >= 0), offsets[:, 0] >= 0)
        for w in range(windows)
    )
    spans = NONE if answer is None else np.array(answer)
    return EncodedRow("r", 0, made, spans, spans, unanswerable)


def batch_of(*rows: EncodedRow) -> Batch:
    return collate(rows, [labelled_spans(r, "marginal") for r in rows], ENCODER)


def logits(*windows: list[float]) -> torch.Tensor:
    return torch.tensor(windows, requires_grad=True)


def test_uniform_scores_give_one_over_the_number_of_spans() -> None:
    # 3 tokens: 6 spans with start ≤ end, and "no answer"
    batch = batch_of(row(answer=[[0, 1, 2]]))
    scores = span_scores(torch.zeros(1, 4), torch.zeros(1, 4), batch, 80)
    assert span_loss(scores, batch).item() == pytest.approx(math.log(7))
    assert scores.null.item() == pytest.approx(-math.log(7))
    assert torch.isfinite(scores.spans).sum() == 7


def test_longest_answer_bounds_the_spans() -> None:
    batch = batch_of(row(answer=[[0, 1, 1]]))
    assert span_loss(span_scores(torch.zeros(1, 4), torch.zeros(1, 4), batch, 1), batch).item() == pytest.approx(
        math.log(4)
    )


START, END = [0.0, 1.0, 2.0, -1.0], [0.5, 0.0, 1.0, 2.0]
# exp of start + end: null .5, (1,1) 1, (1,2) 2, (1,3) 3, (2,2) 3, (2,3) 4, (3,3) 1
TOTAL = math.log(sum(math.exp(s) for s in (0.5, 1, 2, 3, 3, 4, 1)))


def test_chosen_marginal_and_hard_em_by_hand() -> None:
    one, two = batch_of(row(answer=[[0, 1, 2]])), batch_of(row(answer=[[0, 1, 2], [0, 2, 3]]))
    scores = span_scores(logits(START), logits(END), one, 80)
    assert span_loss(scores, one).item() == pytest.approx(TOTAL - 2)
    assert span_loss(scores, two).item() == pytest.approx(TOTAL - math.log(math.exp(2) + math.exp(4)))
    assert span_loss(scores, two, best_only=True).item() == pytest.approx(TOTAL - 4)


def test_hard_em_teaches_the_best_candidate_only() -> None:
    batch = batch_of(row(answer=[[0, 1, 1], [0, 3, 3]]))
    start, end = logits([0.0, 2.0, 0.0, 0.0]), logits([0.0, 2.0, 0.0, 0.0])
    span_loss(span_scores(start, end, batch, 80), batch, best_only=True).backward()
    assert start.grad is not None
    assert start.grad[0, 1] < 0 < start.grad[0, 3]


def test_windows_of_a_row_share_one_normalisation() -> None:
    batch = batch_of(row(windows=2, answer=[[1, 2, 2]]))
    loss = span_loss(span_scores(torch.zeros(2, 4), torch.zeros(2, 4), batch, 80), batch)
    assert loss.item() == pytest.approx(math.log(14))


def test_the_null_tokens_of_all_windows_are_one_event() -> None:
    unanswerable = row(windows=2, answer=[[0, 0, 0], [1, 0, 0]], unanswerable=True)
    for best_only in (False, True):
        batch = batch_of(unanswerable)
        scores = span_scores(torch.zeros(2, 4), torch.zeros(2, 4), batch, 80)
        assert span_loss(scores, batch, best_only=best_only).item() == pytest.approx(math.log(7))


def test_padding_and_other_rows_do_not_matter() -> None:
    short, long = row(tokens=2, answer=[[0, 1, 1]]), row(tokens=5, answer=[[0, 5, 5]])
    batch = batch_of(short, long)
    scores = span_scores(torch.zeros(2, 6), torch.zeros(2, 6), batch, 80)
    assert scores.null.tolist() == pytest.approx([-math.log(4), -math.log(16)])
    assert span_loss(scores, batch).item() == pytest.approx((math.log(4) + math.log(16)) / 2)


def test_a_start_outside_its_window_is_no_span() -> None:
    full = row(answer=[[0, 2, 2]])
    window = full.windows[0]
    owned = window.starts & (np.arange(4) != 1)
    part = EncodedRow("r", 0, (Window(window.inputs, window.offsets, owned),), full.candidates, full.answer)
    batch = batch_of(part)
    assert span_loss(span_scores(torch.zeros(1, 4), torch.zeros(1, 4), batch, 80), batch).item() == pytest.approx(
        math.log(4)  # null, (2,2), (2,3), (3,3)
    )


def test_labels_of_the_objectives() -> None:
    answer, candidates = np.array([[0, 1, 1]]), np.array([[0, 1, 1], [-1, -1, -1], [0, 2, 2]])
    base = row()
    both = EncodedRow("r", 0, base.windows, candidates, answer)
    assert labelled_spans(both, "chosen").tolist() == [[0, 1, 1]]
    assert labelled_spans(both, "marginal").tolist() == [[0, 1, 1], [0, 2, 2]]
    assert labelled_spans(EncodedRow("r", 0, base.windows, NONE, answer), "hard_em").tolist() == [[0, 1, 1]]
    nothing = EncodedRow("r", 0, base.windows, candidates, np.array([[0, 0, 0]]), unanswerable=True)
    assert labelled_spans(nothing, "marginal").tolist() == [[0, 0, 0]]


def test_candidates_on_the_same_tokens_count_once() -> None:
    base = row()
    twice = EncodedRow("r", 0, base.windows, np.array([[0, 1, 1], [0, 1, 1]]), np.array([[0, 1, 1]]))
    assert labelled_spans(twice, "marginal").tolist() == [[0, 1, 1]]


def test_group_logsumexp_survives_large_values() -> None:
    values = torch.tensor([1000.0, 1000.0, -1000.0])
    assert group_logsumexp(values, torch.tensor([0, 0, 1]), 2).tolist() == pytest.approx([1000 + math.log(2), -1000])
