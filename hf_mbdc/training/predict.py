"""A trained target's answers to a split, as the table that the rest of the loop reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from hf_mbdc.targets.batches import collate
from hf_mbdc.targets.decoding import Prediction, RowScores, predict_row, row_scores
from hf_mbdc.targets.encoding import encode_rows
from hf_mbdc.targets.objective import span_scores

if TYPE_CHECKING:
    import pyarrow as pa
    from accelerate import Accelerator

    from hf_mbdc.targets import Target
    from hf_mbdc.targets.encoding import EncodedRow

BATCH_TOKENS = 8192


def predict(target: Target, rows: Sequence[EncodedRow], device: torch.device | str = "cpu") -> list[Prediction]:
    """Predictions in the order of `rows`. How they are put into batches does not matter, but for rounding.

    A row with more windows than one batch may hold is read in several parts, so that memory is bounded however long a
    document is; its probabilities are normalised over all its windows all the same.
    """
    predictions: dict[int, Prediction] = {}
    target.model.to(device).eval()
    for indices in _batches(rows):
        parts = [_parts(rows[index]) for index in indices]
        if len(indices) == 1:
            scores = [[_scores(target, [part], device)[0] for part in parts[0]]]
        else:
            scores = [[one] for one in _scores(target, [part for [part] in parts], device)]
        predictions.update(zip(indices, map(predict_row, scores), strict=True))
    return [predictions[index] for index in range(len(rows))]


def _scores(target: Target, rows: Sequence[EncodedRow], device: torch.device | str) -> list[RowScores]:
    batch = collate(rows, [row.candidates for row in rows], target.encoder).to(torch.device(device))
    with torch.inference_mode():
        outputs = target.model(**batch.inputs)
        scores = span_scores(outputs.start_logits, outputs.end_logits, batch, target.encoder.max_answer_tokens)
    return row_scores(scores, batch, rows)


def _parts(row: EncodedRow) -> list[EncodedRow]:
    """A row as rows of so many of its windows as a batch may hold; each with all candidates, −1 for those elsewhere."""
    size = max(1, BATCH_TOKENS // row.length)
    if len(row.windows) <= size:
        return [row]
    parts = []
    for first in range(0, len(row.windows), size):
        windows = row.windows[first : first + size]
        place = row.candidates[:, 0]
        here = (place >= first) & (place < first + len(windows))
        candidates = np.where(here[:, None], row.candidates - [first, 0, 0], -1)
        parts.append(dataclasses.replace(row, windows=windows, candidates=candidates))
    return parts


def predict_rows(target: Target, rows: Sequence[Mapping[str, Any]], accelerator: Accelerator) -> pa.Table:
    """The prediction table of raw rows; every process does its share, and all get the whole."""
    from accelerate.utils import gather_object

    mine = range(accelerator.process_index, len(rows), accelerator.num_processes)
    encoded = encode_rows([rows[index] for index in mine], target.encoder)
    gathered = dict(gather_object(list(zip(mine, predict(target, encoded, accelerator.device), strict=True))))
    return prediction_table(rows, [gathered[index] for index in range(len(rows))])


def _batches(rows: Sequence[EncodedRow]) -> list[list[int]]:
    """Rows of like length together, up to `BATCH_TOKENS` padded tokens; a longer row is alone."""
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
