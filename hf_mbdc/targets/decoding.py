"""Model outputs → predictions: the best span of each row, how sure the model is, and its opinion on every candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_mbdc.targets.batches import Batch
from hf_mbdc.targets.encoding import EncodedRow
from hf_mbdc.targets.objective import SpanScores


@dataclass(frozen=True)
class Prediction:
    """What a target answers to one row.

    Args:
        start, end: characters in `context`, end exclusive; −1 when the answer is "no answer".
        score: log-probability of the answer (of "no answer" where start is −1).
        null_score: log-probability of "no answer".
        candidate_scores: log-probability of each of the row's candidates, −inf for those longer than an answer may be.
    """

    start: int
    end: int
    score: float
    null_score: float
    candidate_scores: tuple[float, ...]


@dataclass(frozen=True)
class RowScores:
    """What a prediction is made of, of a row or of some of its windows; log-probabilities among those windows.

    Args:
        best: of the most probable span, or of a window's null token where that is the best of them.
        span: characters of that span.
        null: of "no answer".
        candidates: (k,) of the row's candidates, −inf for those that are not in these windows.
        total: log Σ exp of all scores of these windows, see `SpanScores`.
    """

    best: float
    span: tuple[int, int]
    null: float
    candidates: np.ndarray
    total: float


def decode(scores: SpanScores, batch: Batch, rows: Sequence[EncodedRow]) -> list[Prediction]:
    """Best span of each row over all its windows; "no answer" where that is more probable than any span.

    Args:
        scores, batch: of `rows`, with the rows' `candidates` as the batch's spans.
    """
    return [predict_row([part]) for part in row_scores(scores, batch, rows)]


def row_scores(scores: SpanScores, batch: Batch, rows: Sequence[EncodedRow]) -> list[RowScores]:
    """The best span, and the scores of "no answer" and candidates, of each row. Arguments as `decode`."""
    width = scores.spans.shape[2]
    # A window's null token may be the best of it: then all null tokens together are better still, and win at the end.
    best, place = (x.cpu().numpy() for x in scores.spans.flatten(1).max(1))
    null, total = scores.null.cpu().numpy(), scores.total.cpu().numpy()
    window, start, end = batch.spans.unbind(1)
    scored = scores.spans[window, start, end - start].cpu().numpy()
    found, first_window, first_span = [], 0, 0
    for number, row in enumerate(rows):
        w = first_window + int(np.argmax(best[first_window : first_window + len(row.windows)]))
        offsets = row.windows[w - first_window].offsets
        i, d = divmod(int(place[w]), width)
        fits = row.candidates[:, 0] >= 0
        candidates = np.full(len(fits), -np.inf)
        candidates[fits] = scored[first_span : first_span + fits.sum()]
        span = int(offsets[i, 0]), int(offsets[i + d, 1])
        found.append(RowScores(float(best[w]), span, float(null[number]), candidates, float(total[number])))
        first_window, first_span = first_window + len(row.windows), first_span + int(fits.sum())
    return found


def predict_row(parts: Sequence[RowScores]) -> Prediction:
    """The prediction of a row from the scores of its parts, in the order of its windows, normalised over all of them.

    Example:
        >>> import math
        >>> spans = {(0, 1): 0.5, (4, 5): 0.9}
        >>> halves = [RowScores(math.log(p), s, math.log(1 - p), np.zeros(0), 0.0) for s, p in spans.items()]
        >>> answer = predict_row(halves)
        >>> answer.start, round(math.exp(answer.score), 2), round(math.exp(answer.null_score), 2)
        (4, 0.45, 0.3)
    """
    shifts = [0.0]
    if len(parts) > 1:
        totals = np.array([part.total for part in parts])
        shifts = (totals - np.logaddexp.reduce(totals)).tolist()
    pairs = list(zip(parts, shifts, strict=True))
    best, span = max(((part.best + shift, part.span) for part, shift in pairs), key=lambda pair: pair[0])
    null = float(np.logaddexp.reduce([part.null + shift for part, shift in pairs]))
    candidates = np.max([part.candidates + shift for part, shift in pairs], axis=0).tolist()
    if best > null:
        return Prediction(*span, best, null, tuple(candidates))
    return Prediction(-1, -1, null, null, tuple(candidates))
