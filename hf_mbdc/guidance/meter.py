"""What a piece of work cost, as a `Cost` for the record."""

from __future__ import annotations

import os
import time
from types import TracebackType

from hf_mbdc.records import Cost


class CostMeter:
    """Measures wall and CPU seconds inside a `with` block and sums what the work reports.

    CPU seconds are of all threads of this process and of its children, as far as they have been waited for by the end
    of the block (the operating system tells no sooner; on Windows it does not tell of children).

    Example:
        >>> with CostMeter() as meter:
        ...     meter.add(Cost(model_calls=2, tokens=600))
        ...     meter.add(Cost(model_calls=1, tokens=250))
        >>> meter.cost.model_calls, meter.cost.tokens, meter.cost.wall_seconds >= 0
        (3, 850, True)
    """

    def __init__(self) -> None:
        self._added = Cost()
        self._started: Cost | None = None
        self._measured: Cost | None = None

    def add(self, cost: Cost) -> None:
        """Adds what was counted. Give seconds only for work that ran elsewhere: those of this block are measured."""
        self._added += cost

    @property
    def cost(self) -> Cost:
        """What it cost so far; after the block, what it cost in all."""
        return self._added + (self._measured if self._measured is not None else self._elapsed())

    def __enter__(self) -> CostMeter:
        self._measured, self._started = None, _clock()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._measured = self._elapsed()

    def _elapsed(self) -> Cost:
        if self._started is None:
            return Cost()
        now = _clock()
        return Cost(now.wall_seconds - self._started.wall_seconds, now.cpu_seconds - self._started.cpu_seconds)


def _clock() -> Cost:
    children = os.times()
    return Cost(time.perf_counter(), time.process_time() + children.children_user + children.children_system)
