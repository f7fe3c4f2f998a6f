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


def decode(scores: SpanScores, batch: Batch, rows: Sequence[EncodedRow]) -> list[Prediction]:
    """Best span of each row over all its windows; "no answer" where that is more probable than any span.

    Args:
        scores, batch: of `rows`, with the rows' `candidates` as the batch's spans.
    """
    width = scores.spans.shape[2]
    # A window's null token may be the best of it: then all null tokens together are better still, and win below.
    best, place = (x.cpu().numpy() for x in scores.spans.flatten(1).max(1))
    null = scores.null.cpu().numpy()
    window, start, end = batch.spans.unbind(1)
    candidates = scores.spans[window, start, end - start].cpu().numpy()
    predictions, first_window, first_span = [], 0, 0
    for row, null_score in zip(rows, null, strict=True):
        w = first_window + int(np.argmax(best[first_window : first_window + len(row.windows)]))
        offsets = row.windows[w - first_window].offsets
        i, d = divmod(int(place[w]), width)
        answered = best[w] > null_score
        span = (int(offsets[i, 0]), int(offsets[i + d, 1])) if answered else (-1, -1)
        fits = row.candidates[:, 0] >= 0
        candidate_scores = np.full(len(fits), -np.inf)
        candidate_scores[fits] = candidates[first_span : first_span + fits.sum()]
        score = float(best[w] if answered else null_score)
        predictions.append(Prediction(*span, score, float(null_score), tuple(candidate_scores.tolist())))
        first_window, first_span = first_window + len(row.windows), first_span + int(fits.sum())
    return predictions
