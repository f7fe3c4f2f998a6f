"""Encoded rows → one padded batch of tensors: model inputs, and where its spans are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hf_mbdc.targets.encoding import EncodedRow


@dataclass(frozen=True)
class Batch:
    """All windows of some rows, and the spans to be scored.

    Args:
        inputs: of the model, each (windows, n, …).
        starts, ends: (windows, n) bool, where an answer may start and end.
        row: (windows,) the row of each window.
        spans: (s, 3) `window, start, end` of the labelled spans.
        span_row: (s,) the row of each labelled span.
        unanswerable: (rows,) bool; the spans of such a row are the null tokens of its windows.
    """

    inputs: dict[str, Tensor]
    starts: Tensor
    ends: Tensor
    row: Tensor
    spans: Tensor
    span_row: Tensor
    unanswerable: Tensor

    def to(self, device: torch.device) -> Batch:
        """The same batch on another device."""
        if device.type == "cpu":
            return self
        moved = {name: getattr(self, name).to(device) for name in self.__dataclass_fields__ if name != "inputs"}
        return Batch({name: value.to(device) for name, value in self.inputs.items()}, **moved)


def collate(rows: Sequence[EncodedRow], spans: Sequence[np.ndarray], padding: Mapping[str, int]) -> Batch:
    """Pads the windows of `rows` to one length.

    Args:
        rows: n encoded rows.
        spans: of each row a (k, 3) array `window, start, end` of spans to be scored; a `window` of −1 is left out.
        padding: value of each model input at padded positions.
    """
    windows = [window for row in rows for window in row.windows]
    counts = [len(row.windows) for row in rows]
    n = max(row.length for row in rows)
    inputs = {
        name: torch.from_numpy(_pad([window.inputs[name] for window in windows], n, value))
        for name, value in padding.items()
    }
    ends = _pad([window.offsets[:, 0] for window in windows], n, -1) >= 0
    starts = _pad([window.starts for window in windows], n, False)
    first_window = np.cumsum([0, *counts[:-1]])
    located = [s[s[:, 0] >= 0] + [f, 0, 0] for s, f in zip(spans, first_window, strict=True)]
    span_row = np.repeat(np.arange(len(rows)), [len(s) for s in located])
    return Batch(
        inputs,
        torch.from_numpy(starts),
        torch.from_numpy(ends),
        torch.from_numpy(np.repeat(np.arange(len(rows)), counts)),
        torch.from_numpy(np.concatenate(located)),
        torch.from_numpy(span_row),
        torch.tensor([row.unanswerable for row in rows]),
    )


def _pad(arrays: Sequence[np.ndarray], n: int, value: int) -> np.ndarray:
    padded = np.full((len(arrays), n, *arrays[0].shape[1:]), value, dtype=arrays[0].dtype)
    for place, array in zip(padded, arrays, strict=True):
        place[: len(array)] = array
    return padded
