"""`ledger`: cost and gain of every iteration, and whether the next one is worth it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from hf_mbdc.cli.options import Json, RepoId, Repository, app
from hf_mbdc.cli.output import print_json, print_rich

if TYPE_CHECKING:
    from rich.console import Group

    from hf_mbdc.guidance.economy import Economy


@app.command()
def ledger(
    repo_id: RepoId,
    unit: Annotated[
        str, typer.Option(help="wall_hours, cpu_hours, gpu_hours, model_calls, million_tokens or money.")
    ] = "cpu_hours",
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Tell what each iteration cost and gained, the cost of an accepted point, and what the next one may bring."""
    from hf_mbdc.publishing.ledger import ledger as read_ledger

    found = read_ledger(repo_id, unit=unit, repository=repository)
    if as_json:
        told = {"accepted_points": found.accepted_points, "per_accepted_point": found.per_accepted_point}
        print_json({**dataclasses.asdict(found), **told})
        return
    print_rich(_ledger_table(found, repo_id))


def _ledger_table(found: Economy, repo_id: str) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from hf_mbdc.guidance.economy import UNIT_WORDS

    words = UNIT_WORDS[found.unit]
    table = Table(title=Text(f"Ledger of {repo_id}"), title_justify="left")
    for column in ("candidate", f"points of {found.metric or 'the metric'}", "95% interval", words, "kept"):
        table.add_column(Text(column), justify="left" if column == "candidate" else "right")
    for entry in found.entries:
        between = f"{entry.low:+.1f} to {entry.high:+.1f}"
        cells = (
            entry.version,
            f"{entry.points:+.1f}",
            between,
            f"{entry.spent:.3g}",
            "yes" if entry.accepted else "no",
        )
        table.add_row(*map(Text, cells))
    lines = [f"In all {found.total:.3g} {words}, the first version included."]
    if found.per_accepted_point is not None:
        lines.append(f"{found.per_accepted_point:.3g} {words} for each accepted point, refused candidates included.")
    if (coming := found.forecast) is not None:
        lines.append(
            f"The next iteration: {coming.points:.2g} points expected to be kept (measured gain {coming.low:+.1f} to "
            f"{coming.high:+.1f}, 90%), for {coming.spent:.3g} {words}."
        )
    return Group(table, Text("\n".join(lines)))
