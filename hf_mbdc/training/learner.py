"""What the training loop must know of a target and its rows; one file beside this one for each kind of target."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import hashlib

    import pyarrow as pa
    import torch
    from accelerate import Accelerator
    from transformers import PreTrainedModel


class Row(Protocol):
    """An encoded row.

    Args:
        id: of the row.
        left_out: why it cannot be trained on; None where it can.
        document: rows with the same number cost less in one batch, where the learner shares documents.
        length: what a batch with this row is padded to.
        tokens: that the model reads of it, without padding.
    """

    @property
    def id(self) -> str: ...

    @property
    def left_out(self) -> str | None: ...

    @property
    def document(self) -> int: ...

    @property
    def length(self) -> int: ...

    @property
    def tokens(self) -> int: ...

    def update(self, digest: hashlib._Hash) -> None:
        """Adds all that a training learns from this row to a hash."""
        ...


class Learner(Protocol):
    """A target with what it learns."""

    @property
    def model(self) -> PreTrainedModel: ...

    @property
    def shares_documents(self) -> bool:
        """Whether rows of one document belong into one batch."""
        ...

    def loss(
        self, model: torch.nn.Module, rows: Sequence[Any], device: torch.device, step: int, steps: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The loss of a batch, and of each row what the dynamics keep: (2, rows) −log P(label), and its margin.

        Args:
            model: `self.model`, perhaps wrapped for several processes.
            step, steps: steps done, and in all.
        """
        ...

    def predict(self, split: str, accelerator: Accelerator) -> pa.Table:
        """Predictions for a split, in the order of its rows; every process does its share."""
        ...

    def saved(self, folder: Path) -> Learner:
        """The same with the weights that `save` wrote."""
        ...

    def save(self, folder: Path) -> None:
        """Writes what `from_pretrained` reads."""
        ...

    def told(self, rows: Sequence[Any]) -> dict[str, Any]:
        """What `metrics.json` says beside what it says of every training."""
        ...
