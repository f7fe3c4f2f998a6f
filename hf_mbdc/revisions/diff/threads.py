"""Work on the blocks of a diff in threads."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import pyarrow as pa

A = TypeVar("A")
B = TypeVar("B")


def in_threads(work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    """`map` on as many threads as Arrow uses, in order, with few results waiting."""
    threads = max(pa.cpu_count(), 1)
    waiting = iter(items)
    with ThreadPoolExecutor(threads) as pool:
        running = [pool.submit(work, item) for item in islice(waiting, 2 * threads)]
        while running:
            done = running.pop(0).result()
            running += [pool.submit(work, item) for item in islice(waiting, 1)]
            yield done
