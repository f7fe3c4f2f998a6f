"""The training loop: seeded order, one schedule, and checkpoints from which a killed run goes on."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import TrainingError
from hf_mbdc.training.clock import Clock
from hf_mbdc.training.dynamics import FILE, DynamicsRecorder
from hf_mbdc.training.order import steps_by_epoch
from hf_mbdc.transforms.weights import weights_hash

if TYPE_CHECKING:
    import torch
    from accelerate import Accelerator

    from hf_mbdc.training.config import Settings
    from hf_mbdc.training.learner import Learner, Row

CHECKPOINT = "checkpoint"
BETAS = (0.9, 0.98)


@dataclass
class TrainingState:
    """Where a training is. Written beside the weights of a checkpoint; becomes part of `metrics.json`."""

    identity: str = ""  # of first weights, rows, settings and number of processes
    first_weights: str = ""  # `weights_hash` before the first step
    step: int = 0
    tokens: int = 0  # model input tokens of all processes, without padding
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    epoch_losses: list[float] = field(default_factory=list)  # the last epoch may be a part of one, see `max_steps`
    open_losses: list[float] = field(default_factory=list)  # of the epoch that is not at its end

    def count(self, rows: Sequence[Row], loss: float, *, ends_epoch: bool) -> None:
        """One step was done, on `rows` over all processes."""
        self.step += 1
        self.tokens += sum(row.tokens for row in rows)
        self.open_losses.append(loss)
        if ends_epoch:
            self.epoch_losses.append(sum(self.open_losses) / len(self.open_losses))
            self.open_losses = []

    def add_time(self, clock: Clock) -> None:
        """Adds what passed since this was called last."""
        wall, cpu = clock.lap()
        self.wall_seconds += wall
        self.cpu_seconds += cpu


def make_accelerator() -> Accelerator:
    """An `Accelerator` that also joins the processes of `torchrun` on a machine without an accelerator.

    There, `Accelerator()` silently makes every process a world of its own, unless it is told to use the CPU.
    """
    import torch
    from accelerate import Accelerator, DistributedDataParallelKwargs

    several = int(os.environ.get("WORLD_SIZE", "1")) > 1
    # Some checkpoints have a pooler, which no span depends on; without the flag, processes would wait for its gradient.
    handlers = [DistributedDataParallelKwargs(find_unused_parameters=True)] if several else []
    return Accelerator(cpu=several and not torch.cuda.is_available(), kwargs_handlers=handlers)


def train(
    learner: Learner,
    rows: Sequence[Row],
    config: Settings,
    accelerator: Accelerator,
    output_dir: Path,
    clock: Clock,
    *,
    resume: bool = True,
) -> TrainingState:
    """Trains `learner.model` in place.

    Args:
        learner: a target with what it learns, see `hf_mbdc.training.learner`.
        rows: encoded rows; those with `left_out` are not used.
        output_dir: where checkpoints, progress and `dynamics.parquet` (see `hf_mbdc.training.dynamics`) are written.
        clock: started with the process; says how often a checkpoint is written to `output_dir/checkpoint`.
        resume: whether to go on from that checkpoint.

    Raises:
        TrainingError: there is no row to train on, or the checkpoint is of another training.
    """
    import torch

    used = [row for row in rows if row.left_out is None]
    if not used:
        raise TrainingError("There is no row to train on", reasons=dict(Counter(row.left_out for row in rows)))
    processes = accelerator.num_processes
    epochs = steps_by_epoch(used, config, together=learner.shares_documents, processes=processes)
    steps = list(itertools.chain.from_iterable(epochs))
    last_steps = set(itertools.accumulate(map(len, epochs)))
    optimizer = torch.optim.AdamW(parameter_groups(learner.model, config.weight_decay), betas=BETAS, fused=True)
    first_weights = weights_hash(learner.model)
    model, optimizer = accelerator.prepare(learner.model, optimizer)
    identity = training_identity(first_weights, rows, config, processes, charset_of(learner.model))
    state = TrainingState(identity, first_weights)
    dynamics = DynamicsRecorder([row.id for row in used], accelerator.process_index)
    if resume:
        state = _resume(accelerator, output_dir, state, dynamics)
    model.train()
    with Progress(output_dir, len(steps), state.step, accelerator.is_main_process) as progress:
        for batches in steps[state.step :]:
            part = [used[index] for index in batches[accelerator.process_index]]
            rate = learning_rate(state.step, len(steps), config)
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss, seen = learner.loss(model, part, accelerator.device, state.step, len(steps))
            value = _step(model, optimizer, loss, config, accelerator, part)
            dynamics.record(len(state.epoch_losses), batches[accelerator.process_index], seen)
            everywhere = [used[index] for batch in batches for index in batch]
            state.count(everywhere, value, ends_epoch=state.step + 1 in last_steps)
            progress.advance(state.step, value)
            if clock.due(accelerator):
                state.add_time(clock)
                _save(accelerator, output_dir, state, dynamics)
                clock.saved()
    _write_dynamics(dynamics, accelerator, output_dir)
    state.add_time(clock)
    return state


def _step(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: torch.Tensor,
    config: Settings,
    accelerator: Accelerator,
    rows: Sequence[Row],
) -> float:
    """One step of the optimizer; gives the value of its loss."""
    optimizer.zero_grad(set_to_none=True)
    accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), config.max_grad_norm)
    optimizer.step()
    value = loss.item()
    if value != value:
        raise TrainingError("The loss is not a number", mend="Lower --learning-rate.", ids=[row.id for row in rows])
    return value


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Matrices and tables decay; biases and norms do not."""
    trained = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def learning_rate(step: int, steps: int, config: Settings) -> float:
    """Linear warm-up to the peak, then linear down to 0 at the last step.

    Example:
        >>> from hf_mbdc.training.config import TrainingConfig
        >>> [learning_rate(step, 10, TrainingConfig(learning_rate=1.0, warmup=0.2)) for step in (0, 1, 2, 6)]
        [0.5, 1.0, 1.0, 0.5]
    """
    warm = max(1, round(config.warmup * steps))
    return config.learning_rate * min((step + 1) / warm, (steps - step) / max(1, steps - warm))


def _save(accelerator: Accelerator, output_dir: Path, state: TrainingState, dynamics: DynamicsRecorder) -> None:
    """Writes a checkpoint beside the old one and swaps them, so that a kill at any moment leaves a whole one."""
    new, old, final = (output_dir / f"{CHECKPOINT}{suffix}" for suffix in (".new", ".old", ""))
    if accelerator.is_main_process:
        shutil.rmtree(new, ignore_errors=True)
    accelerator.wait_for_everyone()
    accelerator.save_state(str(new))
    dynamics.save(new)
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        (new / "state.json").write_text(json.dumps(asdict(state)))
        if final.exists():
            shutil.rmtree(old, ignore_errors=True)
            final.rename(old)
        new.rename(final)
        shutil.rmtree(old, ignore_errors=True)
    accelerator.wait_for_everyone()


def _resume(
    accelerator: Accelerator, output_dir: Path, new: TrainingState, dynamics: DynamicsRecorder
) -> TrainingState:
    for suffix in ("", ".old"):  # `.old` alone: the kill came between the two renames
        folder = output_dir / f"{CHECKPOINT}{suffix}"
        if not (folder / "state.json").is_file():
            continue
        state = TrainingState(**json.loads((folder / "state.json").read_text()))
        if state.identity != new.identity:
            raise TrainingError(
                "The checkpoint in the output folder is of other rows, settings or number of processes",
                path=str(folder),
                mend="Give another --output-dir, or --no-resume to start again.",
            )
        dynamics.load(folder)
        accelerator.load_state(str(folder))
        return state
    return new


def _write_dynamics(dynamics: DynamicsRecorder, accelerator: Accelerator, output_dir: Path) -> None:
    import pyarrow.parquet as pq

    table = dynamics.table(accelerator)
    if accelerator.is_main_process:
        temporary = output_dir / f"{FILE}.tmp"
        pq.write_table(table, temporary)
        temporary.replace(output_dir / FILE)


def charset_of(model: torch.nn.Module) -> Sequence[str]:
    """The characters that the outputs of a recogniser mean; none of another model."""
    return getattr(model.config, "characters", None) or ()


def training_identity(
    first_weights: str, rows: Sequence[Row], config: Settings, processes: int, charset: Sequence[str] = ()
) -> str:
    """A hash of all that decides what a training gives, except the code: first weights, inputs, labels, settings.

    Args:
        first_weights: `weights_hash` of the model that is about to be trained.
        charset: what the numbers of labels mean, where they are of characters.
    """
    start = [first_weights, asdict(config), processes, len(rows), *charset]
    digest = hashlib.sha256(json.dumps(start, sort_keys=True).encode())
    for row in rows:
        row.update(digest)
    return digest.hexdigest()


class Progress:
    """A bar where somebody looks, and `progress.json` for the program that launched this one."""

    def __init__(self, output_dir: Path, steps: int, step: int, shown: bool) -> None:
        self.path, self.steps, self.step, self.shown = output_dir / "progress.json", steps, step, shown
        self.written = 0.0

    def __enter__(self) -> Progress:
        from accelerate.utils import tqdm

        quiet = not (self.shown and sys.stderr.isatty())
        self.bar = tqdm(total=self.steps, initial=self.step, desc="training", unit="step", disable=quiet)
        return self

    def advance(self, step: int, loss: float) -> None:
        """One step was done."""
        self.bar.update()
        self.step = step
        now = time.monotonic()
        if self.shown and (now - self.written > 0.5 or step == self.steps):
            self.bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
            self.written = now
            temporary = self.path.with_suffix(".tmp")
            temporary.write_text(json.dumps({"step": step, "steps": self.steps}))
            temporary.replace(self.path)

    def __exit__(self, *_: object) -> None:
        self.bar.close()
