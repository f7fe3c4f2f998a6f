"""The gradient of the loss of every single row, small enough to be compared with those of all others.

A linear layer's gradient is a sum over tokens of (gradient of its output) ⊗ (its input), so the gradients of all rows
of a batch come out of one backward pass. Both factors are projected at random before they are multiplied (LoGRA, Choe
et al. 2024, https://arxiv.org/abs/2405.13954): products of gradients stay what they were, up to noise. Embeddings,
norms and attention biases are not looked at.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from hf_mbdc.errors import DataError
from hf_mbdc.targets.batches import Batch, collate
from hf_mbdc.targets.encoding import encode_rows
from hf_mbdc.targets.objective import span_loss, span_scores

if TYPE_CHECKING:
    from hf_mbdc.targets import Target

BATCH_ROWS = 8
SIZE = 12  # a layer's gradient becomes SIZE × SIZE numbers


def row_gradients(target: Target, rows: Sequence[Mapping[str, Any]], *, size: int = SIZE, seed: int = 0) -> np.ndarray:
    """The projected gradient of −log P(answer) of each row, without dropout.

    Args:
        target: a trained one; its linear layers are read.
        rows: dictionaries with the columns that training reads.
        size: of the projection of each layer's inputs, and of its outputs; a side that is not larger stays as it is.
        seed: of the projections; gradients can be compared where it is the same.

    Returns:
        (rows, p) float32, p ≈ layers · size².

    Raises:
        DataError: a row has no answer that could be trained on.
    """
    # Each row is encoded by itself: a document that several rows share would be read once, and its gradient be theirs
    # together.
    encoded = [one for row in rows for one in encode_rows([row], target.encoder)]
    for row in encoded:
        if row.left_out is not None:
            raise DataError("The row has no answer to train on", id=row.id, reason=row.left_out, mend="Leave it out.")
    target.model.eval()
    device = next(target.model.parameters()).device
    found: dict[int, np.ndarray] = {}
    with _Recorder(target.model, size, seed) as recorder:
        order = sorted(range(len(encoded)), key=lambda index: (encoded[index].length, index))
        for indices in (order[first : first + BATCH_ROWS] for first in range(0, len(order), BATCH_ROWS)):
            batch = collate([encoded[i] for i in indices], [encoded[i].answer for i in indices], target.encoder)
            gradients = _of_batch(target, batch.to(device), len(indices), recorder)
            found.update(zip(indices, gradients.cpu().numpy(), strict=True))
    return np.stack([found[index] for index in range(len(rows))])


def _of_batch(target: Target, batch: Batch, rows: int, recorder: _Recorder) -> Tensor:
    outputs = target.model(**batch.inputs)
    scores = span_scores(outputs.start_logits, outputs.end_logits, batch, target.encoder.max_answer_tokens)
    target.model.zero_grad(set_to_none=True)
    (rows * span_loss(scores, batch)).backward()  # the sum over rows
    target.model.zero_grad(set_to_none=True)
    by_window = recorder.take()
    return torch.zeros(rows, by_window.shape[1], device=by_window.device).index_add_(0, batch.row, by_window)


class _Recorder:
    """Keeps, of every linear layer, the projected gradient of each window of the last backward pass."""

    def __init__(self, model: nn.Module, size: int, seed: int) -> None:
        self.layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        self.sides = {
            name: tuple(
                _projection(width, size, f"{seed}:{name}:{side}").to(layer.weight)
                for side, width in (("in", layer.in_features + 1), ("out", layer.out_features))
            )
            for name, layer in self.layers.items()
        }
        self.found: dict[str, Tensor] = {}

    def __enter__(self) -> _Recorder:
        self.handles = [
            layer.register_forward_hook(lambda _, inputs, output, name=name: self._watch(name, inputs[0], output))
            for name, layer in self.layers.items()
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _watch(self, name: str, given: Tensor, output: Tensor) -> None:
        into, out = self.sides[name]
        # The bias is the weight of an input that is always 1.
        given = (given.detach() @ into[:-1] + into[-1]).reshape(len(given), -1, into.shape[1])

        def keep(gradient: Tensor) -> None:
            moved = (gradient @ out).reshape(len(given), -1, out.shape[1])
            product = torch.einsum("bti,btj->bij", given, moved).flatten(1)
            self.found[name] = self.found[name] + product if name in self.found else product

        if output.requires_grad:
            output.register_hook(keep)

    def take(self) -> Tensor:
        """(windows, p) of the backward pass that was just done."""
        found = torch.cat([self.found[name] for name in self.layers if name in self.found], 1)
        self.found = {}
        return found


def _projection(width: int, size: int, key: str) -> Tensor:
    """(width, size) random signs, so scaled that products keep their mean; the identity where it is no wider."""
    if width <= size:
        return torch.eye(width)
    draw = torch.Generator().manual_seed(zlib.crc32(key.encode()))
    return (torch.randint(0, 2, (width, size), generator=draw).float() * 2 - 1) * size**-0.5
