"""Encoded rows → one padded batch of tensors: model inputs, and where its spans are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hf_mbdc.targets.encoding import EncodedRow, Encoder, pad


@dataclass(frozen=True)
class Batch:
    """All windows of some rows, and the spans to be scored.

    Args:
        inputs: of the model.
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


def collate(rows: Sequence[EncodedRow], spans: Sequence[np.ndarray], encoder: Encoder | None) -> Batch:
    """Puts the windows of `rows` into one batch.

    Args:
        rows: n encoded rows.
        spans: of each row a (k, 3) array `window, start, end` of spans to be scored; a `window` of −1 is left out.
        encoder: of the rows; None where the model's outputs are there already, and need no inputs.
    """
    windows = [window for row in rows for window in row.windows]
    counts = [len(row.windows) for row in rows]
    first_window = np.cumsum([0, *counts[:-1]])
    located = [s[s[:, 0] >= 0] + [f, 0, 0] for s, f in zip(spans, first_window, strict=True)]
    inputs = encoder.collate(windows) if encoder else {}
    return Batch(
        inputs={name: torch.from_numpy(values) for name, values in inputs.items()},
        starts=torch.from_numpy(pad([window.starts for window in windows], False)),
        ends=torch.from_numpy(pad([window.offsets[:, 0] for window in windows], -1) >= 0),
        row=torch.from_numpy(np.repeat(np.arange(len(rows)), counts)),
        spans=torch.from_numpy(np.concatenate(located)),
        span_row=torch.from_numpy(np.repeat(np.arange(len(rows)), [len(s) for s in located])),
        unanswerable=torch.tensor([row.unanswerable for row in rows]),
    )
