"""The time that a training costs, over all runs of it, and when a checkpoint is due."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import Accelerator


SAVING = 0.05  # share of a training's time that checkpoints may take: those of large models are written less often


class Clock:
    """Starts with the process, so that imports and encoding count too.

    Args:
        checkpoint_seconds: least time between checkpoints; 0 for one after every step.
    """

    def __init__(self, checkpoint_seconds: float) -> None:
        self.every = checkpoint_seconds
        self.wall, self.cpu = time.monotonic(), 0.0  # `process_time` counts from the start of the process
        self.last, self.took = self.wall, 0.0  # when the last checkpoint was there, and how long it took

    def due(self, accelerator: Accelerator) -> bool:
        """Whether to save now, and call `saved` then; all processes agree, since the first decides."""
        wait = max(self.every, self.took * (1 / SAVING - 1)) if self.every else 0.0
        due = time.monotonic() - self.last >= wait
        if accelerator.num_processes > 1:
            import torch
            from accelerate.utils import broadcast

            due = bool(broadcast(torch.tensor([int(due)], device=accelerator.device)).item())
        if due:
            self.last = time.monotonic()
        return due

    def saved(self) -> None:
        """A checkpoint that was due is written."""
        now = time.monotonic()
        self.last, self.took = now, now - self.last

    def lap(self) -> tuple[float, float]:
        """Wall and CPU seconds since the last call."""
        wall, cpu = time.monotonic(), time.process_time()
        lap = wall - self.wall, cpu - self.cpu
        self.wall, self.cpu = wall, cpu
        return lap

    def keep(self, path: Path) -> None:
        """Writes down what `lap` would say now, for a process that goes on after a kill."""
        from hf_mbdc.training.script import write_atomically

        write_atomically(path, json.dumps([time.monotonic() - self.wall, time.process_time() - self.cpu]))

    def take_up(self, path: Path) -> None:
        """Adds what an earlier process has kept, if one has, to what `lap` says next."""
        if path.is_file():
            wall, cpu = json.loads(path.read_text(encoding="utf-8"))
            self.wall, self.cpu = self.wall - wall, self.cpu - cpu
