"""Extractive question answering as the training loop sees it: a target, its objective, its predictions."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from hf_mbdc.targets import Target, load_target
from hf_mbdc.targets.batches import Batch, collate
from hf_mbdc.targets.objective import SpanScores, group_logsumexp, labelled_spans, span_loss, span_scores
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.predict import predict_rows

if TYPE_CHECKING:
    import pyarrow as pa
    from accelerate import Accelerator
    from transformers import PreTrainedModel

    from hf_mbdc.targets.encoding import EncodedRow


@dataclass(frozen=True)
class SpanLearner:
    """A target that learns the spans of answers.

    Args:
        target: see `hf_mbdc.targets.load_target`.
        config: says which spans of a row are learned, and when.
        to_predict: name → raw rows of each split that can be predicted.
    """

    target: Target
    config: TrainingConfig
    to_predict: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    @property
    def model(self) -> PreTrainedModel:
        """The target's."""
        return self.target.model

    @property
    def shares_documents(self) -> bool:
        """Whether questions to one document cost less together."""
        return self.target.encoder.shares_documents

    def loss(
        self, model: torch.nn.Module, rows: Sequence[EncodedRow], device: torch.device, step: int, steps: int
    ) -> tuple[Tensor, Tensor]:
        """See `hf_mbdc.training.learner.Learner`; the second is that of `label_scores`."""
        objective = self.config.objective
        best_only = objective == "hard_em" and step >= self.config.marginal_fraction * steps
        spans = [labelled_spans(row, objective) for row in rows]
        batch = collate(rows, spans, self.target.encoder).to(device)
        outputs = model(**batch.inputs)
        scores = span_scores(outputs.start_logits, outputs.end_logits, batch, self.target.encoder.max_answer_tokens)
        return span_loss(scores, batch, best_only=best_only), label_scores(scores, batch)

    def predict(self, split: str, accelerator: Accelerator) -> pa.Table:
        """See `hf_mbdc.training.predict.prediction_table`."""
        return predict_rows(self.target, self.to_predict[split], accelerator)

    def save(self, folder: Path) -> None:
        """Writes weights, config and tokenizer."""
        self.target.save(folder)

    def saved(self, folder: Path) -> SpanLearner:
        """The same with the weights in a folder."""
        return dataclasses.replace(self, target=load_target(str(folder)))

    def told(self, rows: Sequence[EncodedRow]) -> dict[str, Any]:
        """How many answers end inside a token: all of it is the label."""
        return {"rows_widened": sum(row.widened for row in rows)}


@torch.no_grad()
def label_scores(scores: SpanScores, batch: Batch) -> Tensor:
    """(2, rows): −log P(label), and the margin of each row, log P(label) − log P(best other answer).

    The label is what the objective reads: the answer's span; all candidates for `marginal` and `hard_em`, whose
    probabilities add up for the loss and whose best one counts for the margin; "no answer" of an unanswerable row. The
    other answers are all spans that could be decoded, and "no answer".
    """
    rows = len(batch.unanswerable)
    window, start, end = batch.spans.unbind(1)
    labelled = scores.spans[window, start, end - start]
    others = scores.spans.clone()
    others[window, start, end - start] = -torch.inf
    best = _largest(labelled, batch.span_row, rows)
    rival = _largest(others.flatten(1).amax(1), batch.row, rows)
    best = torch.where(batch.unanswerable, scores.null, best)
    # The null tokens of all windows are one answer, and more probable together than any of them in `others`.
    rival = torch.where(batch.unanswerable, rival, torch.maximum(rival, scores.null))
    return torch.stack([-group_logsumexp(labelled, batch.span_row, rows), best - rival])


def _largest(values: Tensor, group: Tensor, groups: int) -> Tensor:
    lowest = torch.full((groups,), -torch.inf, dtype=values.dtype, device=values.device)
    return lowest.scatter_reduce(0, group, values, "amax")
