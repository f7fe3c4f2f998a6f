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
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("left:"))
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bars:
        task = bars.add_task(title, total=1.0)
        yield lambda fraction: bars.update(task, completed=fraction)
        elapsed = bars.tasks[0].elapsed or 0.0
    console.print(f"[green]✓[/green] {title} [dim]{elapsed:.0f} s[/dim]", highlight=False)
