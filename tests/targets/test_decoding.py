"""The best span, "no answer", and the scores of candidates."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_mbdc.targets.batches import collate
from hf_mbdc.targets.decoding import Prediction, decode
from hf_mbdc.targets.encoding import EncodedRow, Window, pad
from hf_mbdc.targets.objective import span_scores

ENCODER = SimpleNamespace(collate=lambda windows: {"input_ids": pad([w.inputs["input_ids"] for w in windows], 0)})


def row(tokens: int, first: int = 0, candidates: list[list[int]] | None = None, windows: int = 1) -> EncodedRow:
    """Tokens of two characters, after a null token."""
    made = []
    for w in range(windows):
        offsets = np.array([[-1, -1], *([2 * i, 2 * i + 2] for i in range(w * tokens, (w + 1) * tokens))])
        made.append(Window({"input_ids": np.zeros(tokens + 1, dtype=np.int64)}, offsets, offsets[:, 0] >= 0))
    spans = np.array(candidates or np.zeros((0, 3)), dtype=np.int64)
    return EncodedRow("r", 0, tuple(made), spans, spans)


def predictions(rows: list[EncodedRow], start: torch.Tensor, end: torch.Tensor, longest: int = 80) -> list[Prediction]:
    batch = collate(rows, [r.candidates for r in rows], ENCODER)
    return decode(span_scores(start, end, batch, longest), batch, rows)


def peaks(windows: int, n: int, at: list[tuple[int, int]], height: float = 9.0) -> torch.Tensor:
    scores = torch.zeros(windows, n)
    for place in at:
        scores[place] = height
    return scores


def test_the_best_span_comes_back_as_characters() -> None:
    [p] = predictions([row(5)], peaks(1, 6, [(0, 2)]), peaks(1, 6, [(0, 4)]))
    assert (p.start, p.end) == (2, 8)
    assert p.score > p.null_score
    assert p.candidate_scores == ()


def test_an_end_before_its_start_is_never_taken() -> None:
    [p] = predictions([row(5)], peaks(1, 6, [(0, 4)]), peaks(1, 6, [(0, 2)]))
    assert p.start < p.end


def test_the_longest_answer_is_respected() -> None:
    [p] = predictions([row(5)], peaks(1, 6, [(0, 1)]), peaks(1, 6, [(0, 5)]), longest=2)
    assert p.end - p.start <= 4


def test_no_answer() -> None:
    [p] = predictions([row(3)], peaks(1, 4, [(0, 0)]), peaks(1, 4, [(0, 0)]))
    assert (p.start, p.end) == (-1, -1)
    assert p.score == p.null_score > math.log(0.9)


def test_the_answer_of_a_later_window_and_row() -> None:
    rows = [row(3), row(3, windows=3), row(3)]
    start = peaks(5, 4, [(0, 1), (3, 3), (4, 2)])
    assert [(p.start, p.end) for p in predictions(rows, start, start)] == [(0, 2), (16, 18), (2, 4)]


def test_candidates_keep_their_order_and_unscored_ones_are_minus_infinity() -> None:
    rows = [row(3, candidates=[[0, 3, 3], [-1, -1, -1], [0, 1, 1]]), row(3), row(3, candidates=[[0, 2, 2]])]
    [first, second, third] = predictions(rows, peaks(3, 4, [(0, 1)]), peaks(3, 4, [(0, 1)]))
    assert first.candidate_scores[1] == -math.inf
    assert first.candidate_scores[2] > first.candidate_scores[0] > -math.inf
    assert first.candidate_scores[2] == pytest.approx(first.score)
    assert second.candidate_scores == ()
    assert third.candidate_scores == pytest.approx((-math.log(7),))


@settings(deadline=None, max_examples=30)
@given(tokens=st.integers(1, 6), windows=st.integers(1, 3), longest=st.integers(1, 6), seed=st.integers(0, 1000))
def test_as_good_as_trying_every_span(tokens: int, windows: int, longest: int, seed: int) -> None:
    start, end = torch.randn(2, windows, tokens + 1, generator=torch.Generator().manual_seed(seed))
    spans = {
        (2 * (w * tokens + i), 2 * (w * tokens + j) + 2): (start[w, i + 1] + end[w, j + 1]).item()
        for w in range(windows)
        for i in range(tokens)
        for j in range(i, min(tokens, i + longest))
    }
    null = sum(math.exp((start[w, 0] + end[w, 0]).item()) for w in range(windows))
    total = math.log(sum(map(math.exp, spans.values())) + null)
    best = max(spans, key=lambda span: spans[span])
    [p] = predictions([row(tokens, windows=windows)], start, end, longest)
    assert p.null_score == pytest.approx(math.log(null) - total, abs=1e-5)
    expected = best if spans[best] > math.log(null) else (-1, -1)
    assert (p.start, p.end) == expected
    assert p.score == pytest.approx(max(spans[best], math.log(null)) - total, abs=1e-5)
