"""The probability of a span, and one loss for every way to use the candidates of a row.

A span's score is its start logit plus its end logit. Its probability is normalised over all spans of the row that could
be decoded (start ≤ end < start + `max_answer_tokens`, inside the document, over all windows of the row) and the null
token of each window. That is P(start)·P(end) of Min et al. 2019 (https://arxiv.org/abs/1909.04849), except that no
probability is wasted on spans that cannot be decoded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hf_mbdc.targets.batches import Batch
from hf_mbdc.targets.encoding import EncodedRow


@dataclass(frozen=True)
class SpanScores:
    """Log-probabilities of a batch.

    Args:
        spans: (windows, n, d) of the span from position i to i + d; −inf where there is none. The null token of a
            window is `spans[window, 0, 0]`.
        null: (rows,) of "no answer", the null tokens of all windows of a row together.
        total: (rows,) what was taken off the scores of each row so that its probabilities add up to one.
    """

    spans: Tensor
    null: Tensor
    total: Tensor


def span_scores(start_logits: Tensor, end_logits: Tensor, batch: Batch, max_answer_tokens: int) -> SpanScores:
    """Log-probabilities of all spans of a batch.

    Args:
        start_logits, end_logits: (windows, n), of any `AutoModelForQuestionAnswering`.
    """
    start = start_logits.float().masked_fill(~batch.starts, -torch.inf)
    end = end_logits.float().masked_fill(~batch.ends, -torch.inf)
    width = min(max_answer_tokens, start.shape[1])
    end = torch.nn.functional.pad(end, (0, width - 1), value=-torch.inf)
    scores = start[:, :, None] + end.unfold(1, width, 1)
    null = (start_logits[:, 0] + end_logits[:, 0]).float()
    scores = torch.cat(
        [torch.nn.functional.pad(null[:, None, None], (0, width - 1), value=-torch.inf), scores[:, 1:]], 1
    )
    rows = len(batch.unanswerable)
    total = group_logsumexp(torch.logsumexp(scores.flatten(1), 1), batch.row, rows)
    return SpanScores(scores - total[batch.row][:, None, None], group_logsumexp(null, batch.row, rows) - total, total)


def group_logsumexp(values: Tensor, group: Tensor, groups: int) -> Tensor:
    """(groups,) log Σ exp of the values of each group.

    Args:
        values: (n,), in the order of their groups.
        group: (n,) rising numbers from 0; every group has a value.

    Example:
        >>> group_logsumexp(torch.log(torch.tensor([1.0, 2.0, 4.0])), torch.tensor([0, 0, 1]), 2).exp().tolist()
        [3.0, 4.0]
    """
    if len(values) == groups:  # one value for each, the usual case: nothing to add up
        return values
    lowest = torch.full((groups,), -torch.inf, dtype=values.dtype, device=values.device)
    peak = lowest.scatter_reduce(0, group, values.detach(), "amax")
    peak = peak.masked_fill(peak == -torch.inf, 0.0)
    return torch.log(torch.zeros_like(peak).index_add(0, group, torch.exp(values - peak[group]))) + peak


def labelled_spans(row: EncodedRow, objective: str) -> np.ndarray:
    """(k, 3) spans of a row that an objective reads: its answer, or all its candidates that fit."""
    if objective == "chosen" or row.unanswerable:
        return row.answer
    # Two candidates inside one token are one span: counted twice, the probability would exceed 1.
    fits = np.unique(row.candidates[row.candidates[:, 0] >= 0], axis=0)
    return fits if len(fits) else row.answer


def span_loss(scores: SpanScores, batch: Batch, *, best_only: bool = False) -> Tensor:
    """Mean over rows of −log Σ P(span) over the row's labelled spans.

    `chosen`: one span a row, so this is the cross entropy. `marginal`: all candidates. `hard_em` starts as `marginal`
    and ends with `best_only`: only the candidate that the model finds most probable counts. Of an unanswerable row the
    null tokens of all windows are one event, and always add up.
    """
    window, start, end = batch.spans.unbind(1)
    chosen = scores.spans[window, start, end - start]
    rows = len(batch.unanswerable)
    total = group_logsumexp(chosen, batch.span_row, rows)
    if best_only:
        lowest = torch.full_like(total, -torch.inf)
        best = lowest.scatter_reduce(0, batch.span_row, chosen, "amax")
        total = torch.where(batch.unanswerable, total, best)
    return -total.mean()
