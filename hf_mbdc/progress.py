"""What a long run shows while it works: one bar a stage, on standard error, quiet when nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Update = Callable[[float], None]  # takes the fraction that is done, 0 to 1


@contextmanager
def stage(title: str, *, show: bool) -> Iterator[Update]:
    """Shows a bar with its title and the time left; afterwards one line with the time it took.

    Args:
        title: what is being done, e.g. "Training the target (6 runs)".
        show: False for no output at all. Without a terminal there is no bar, only the line at the end.
    """
    if not show:
        yield lambda fraction: None
        return
    import time

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.text import Text

    console, started = Console(stderr=True), time.perf_counter()
    # A title may hold a name in brackets, which is no markup.
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn(), TextColumn("left:"))
    bars = Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)
    with bars:
        task = bars.add_task(title, total=1.0)
        yield lambda fraction: bars.update(task, completed=fraction)
    took = f"{time.perf_counter() - started:.0f} s"
    console.print(Text.assemble(("✓", "green"), f" {title} ", (took, "dim")))


@contextmanager
def without_bars_of_datasets() -> Iterator[None]:
    """Silences the bars of `datasets`, which would stand between those of `stage`; afterwards all is as before."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    shown = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            enable_progress_bars()


def say(text: str, *, show: bool) -> None:
    """Prints a line on standard error, unless nobody wants to see it."""
    if show:
        from rich.console import Console

        Console(stderr=True).print(text, markup=False, highlight=False)
