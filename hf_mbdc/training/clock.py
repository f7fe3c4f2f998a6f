"""The time that a training costs, over all runs of it, and when a checkpoint is due."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import Accelerator


class Clock:
    """Starts with the process, so that imports and encoding count too.

    Args:
        checkpoint_seconds: time between checkpoints; 0 for one after every step.
    """

    def __init__(self, checkpoint_seconds: float) -> None:
        self.every = checkpoint_seconds
        self.wall, self.cpu = time.monotonic(), 0.0  # `process_time` counts from the start of the process
        self.saved = self.wall

    def due(self, accelerator: Accelerator) -> bool:
        """Whether to save now; all processes agree, since the first decides."""
        due = time.monotonic() - self.saved >= self.every
        if accelerator.num_processes > 1:
            import torch
            from accelerate.utils import broadcast

            due = bool(broadcast(torch.tensor([int(due)], device=accelerator.device)).item())
        if due:
            self.saved = time.monotonic()
        return due

    def lap(self) -> tuple[float, float]:
        """Wall and CPU seconds since the last call."""
        wall, cpu = time.monotonic(), time.process_time()
        lap = wall - self.wall, cpu - self.cpu
        self.wall, self.cpu = wall, cpu
        return lap
