"""Which rows are in which batch: an order that depends on seed and epoch only, cut where the budget ends."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hf_mbdc.training.config import Settings
    from hf_mbdc.training.learner import Row

POOL = 16  # batches whose rows are sorted by length together, so that batches need little padding
Step = list[list[int]]  # the batch of each process


def steps_by_epoch(
    rows: Sequence[Row], config: Settings, *, together: bool = False, processes: int = 1
) -> list[list[Step]]:
    """All steps of a training: of `config.epochs` whole epochs, or of as many as `config.max_steps` take.

    The order of an epoch does not depend on where the last one ends, so that trainings with different budgets begin
    alike.

    Args:
        together, processes: see `epoch_batches`.
    """
    epochs: list[list[Step]] = []
    left = config.max_steps
    while left > 0 if config.max_steps else len(epochs) < config.epochs:
        batches = epoch_batches(
            rows, config.batch_size, seed=config.seed, epoch=len(epochs), together=together, processes=processes
        )
        steps = [batches[i : i + processes] for i in range(0, len(batches), processes)]
        epochs.append(steps[:left] if config.max_steps else steps)
        left -= len(steps)
    return epochs


def epoch_batches(
    rows: Sequence[Row], batch_size: int, *, seed: int, epoch: int, together: bool = False, processes: int = 1
) -> list[list[int]]:
    """Indices of `rows` for every batch of an epoch.

    Rows are shuffled, sorted by length within pools of a few batches, and the batches shuffled again.

    Args:
        together: rows of one document are put into the same batch, as far as they fit; batches may be a little smaller
            than `batch_size` then.
        processes: the number of batches is a multiple of it; the first ones are repeated where needed.
    """
    draw = random.Random(f"{seed}:{epoch}")
    groups = _groups(rows, batch_size, draw) if together else [[index] for index in range(len(rows))]
    draw.shuffle(groups)
    batches: list[list[int]] = []
    for pool in _pools(groups, POOL * batch_size):
        pool.sort(key=lambda group: rows[group[0]].length)
        batches += _fill(pool, batch_size)
    draw.shuffle(batches)
    while len(batches) % processes:
        batches += batches[: -len(batches) % processes]
    return batches


def _groups(rows: Sequence[Row], batch_size: int, draw: random.Random) -> list[list[int]]:
    """Rows of each document, shuffled and in pieces that fit into a batch."""
    of: dict[int, list[int]] = {}
    for index, row in enumerate(rows):
        of.setdefault(row.document, []).append(index)
    for group in of.values():
        draw.shuffle(group)
    return [group[i : i + batch_size] for group in of.values() for i in range(0, len(group), batch_size)]


def _pools(groups: list[list[int]], size: int) -> list[list[list[int]]]:
    pools: list[list[list[int]]] = [[]]
    filled = 0
    for group in groups:
        if filled >= size:
            pools.append([])
            filled = 0
        pools[-1].append(group)
        filled += len(group)
    return pools


def _fill(groups: list[list[int]], batch_size: int) -> list[list[int]]:
    batches: list[list[int]] = []
    for group in groups:
        if batches and len(batches[-1]) + len(group) <= batch_size:
            batches[-1] += group
        else:
            batches.append(list(group))
    return batches
