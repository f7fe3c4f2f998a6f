"""What looks on while a trainer of transformers runs: progress for the launcher, checkpoints by the clock, checks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from hf_mbdc.errors import TrainingError
from hf_mbdc.training.loop import Progress
from hf_mbdc.training.phases import TIME

if TYPE_CHECKING:
    from accelerate import Accelerator

    from hf_mbdc.training.clock import Clock


class Watch(TrainerCallback):
    """A callback of one phase of a training.

    Args:
        output: folder of the training, which gets `progress.json` and, with each checkpoint, `TIME`.
        clock: says when a checkpoint is due.
        before, steps: of the phases before this one, and in all.
        accelerator: of the trainer.
        no_margin: what the reward margin of the first step of a preference may be at most, model and reference being
            one; more means that the reference is another model.
    """

    def __init__(
        self, output: Path, clock: Clock, before: int, steps: int, accelerator: Accelerator, no_margin: float
    ) -> None:
        self.progress, self.time = Progress(output, steps, before, accelerator.is_main_process), output / TIME
        self.clock, self.before, self.accelerator, self.no_margin = clock, before, accelerator, no_margin
        self.loss = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Shows a bar where somebody looks."""
        self.progress.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Tells the step, and asks for a checkpoint when one is due.

        Not after the last step: a trainer that goes on from there takes one more.
        """
        self.progress.advance(self.before + state.global_step, self.loss)
        control.should_log |= state.global_step == state.max_steps  # what is told is of the end
        control.should_save = state.global_step < state.max_steps and self.clock.due(self.accelerator)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Keeps the time that was spent up to a checkpoint."""
        self.clock.saved()
        if self.accelerator.is_main_process:
            self.clock.keep(self.time)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Checks that a preference begins at its reference."""
        told = logs or {}
        self.loss = float(told.get("loss", self.loss))
        margin = told.get("rewards/margins")
        if state.global_step == 1 and margin is not None and not abs(margin) <= self.no_margin:
            mend = "Save the model and read it again before its preferences are trained."
            raise TrainingError("The reference is not the model that is trained", margin=margin, mend=mend)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Closes the bar."""
        self.progress.__exit__()
