"""The name of a model's weights: what they are, not where they lie."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def weights_hash(model: torch.nn.Module) -> str:
    """SHA-256 (hex) of all weights and buffers by name, as far as a model saves them.

    Buffers that are made anew at loading follow from the model's config, and some change while it computes.
    """
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
