"""A trained target's answers to a split, as the table that the rest of the loop reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from hf_mbdc.targets.batches import collate
from hf_mbdc.targets.decoding import Prediction, decode
from hf_mbdc.targets.encoding import encode_rows
from hf_mbdc.targets.objective import span_scores

if TYPE_CHECKING:
    import pyarrow as pa
    from accelerate import Accelerator

    from hf_mbdc.targets import Target
    from hf_mbdc.targets.encoding import EncodedRow

BATCH_TOKENS = 8192


def predict(target: Target, rows: Sequence[EncodedRow], device: torch.device | str = "cpu") -> list[Prediction]:
    """Predictions in the order of `rows`. How they are put into batches does not matter, but for rounding."""
    predictions: dict[int, Prediction] = {}
    model = target.model.to(device).eval()
    for indices in _batches(rows):
        part = [rows[index] for index in indices]
        batch = collate(part, [row.candidates for row in part], target.encoder).to(torch.device(device))
        with torch.inference_mode():
            outputs = model(**batch.inputs)
            scores = span_scores(outputs.start_logits, outputs.end_logits, batch, target.encoder.max_answer_tokens)
        predictions.update(zip(indices, decode(scores, batch, part), strict=True))
    return [predictions[index] for index in range(len(rows))]


def predict_rows(target: Target, rows: Sequence[Mapping[str, Any]], accelerator: Accelerator) -> pa.Table:
    """The prediction table of raw rows; every process does its share, and all get the whole."""
    from accelerate.utils import gather_object

    mine = range(accelerator.process_index, len(rows), accelerator.num_processes)
    encoded = encode_rows([rows[index] for index in mine], target.encoder)
    gathered = dict(gather_object(list(zip(mine, predict(target, encoded, accelerator.device), strict=True))))
    return prediction_table(rows, [gathered[index] for index in range(len(rows))])


def _batches(rows: Sequence[EncodedRow]) -> list[list[int]]:
    """Rows of like length together, up to `BATCH_TOKENS` padded tokens."""
    batches: list[list[int]] = []
    windows = 0
    for index in sorted(range(len(rows)), key=lambda i: (rows[i].length, i)):
        windows += len(rows[index].windows)
        if not batches or windows * rows[index].length > BATCH_TOKENS:
            batches.append([])
            windows = len(rows[index].windows)
        batches[-1].append(index)
    return batches


def prediction_table(rows: Sequence[Mapping[str, Any]], predictions: Sequence[Prediction]) -> pa.Table:
    """Predictions with the text of `context` that they name; "" where the answer is "no answer"."""
    import pyarrow as pa

    pairs = list(zip(rows, predictions, strict=True))
    return pa.table(
        {
            "id": pa.array([row["id"] for row in rows], pa.string()),
            "prediction": pa.array(
                [r["context"][p.start : p.end] if p.start >= 0 else "" for r, p in pairs], pa.string()
            ),
            "start": pa.array([p.start for p in predictions], pa.int32()),
            "end": pa.array([p.end for p in predictions], pa.int32()),
            "score": pa.array([p.score for p in predictions], pa.float64()),
            "null_score": pa.array([p.null_score for p in predictions], pa.float64()),
            "candidate_scores": pa.array([list(p.candidate_scores) for p in predictions], pa.list_(pa.float64())),
        }
    )
