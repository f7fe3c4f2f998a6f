"""`diagnose`: where the target fails, and what would help, on one page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hf_mbdc.cli.options import Json, MaxParallel, RepoId, Repository, Revision, WorkDir, app
from hf_mbdc.cli.output import print_json, print_rich

if TYPE_CHECKING:
    from rich.console import Group

    from hf_mbdc.experiments.diagnosis import Diagnosis


@app.command()
def diagnose(
    repo_id: RepoId,
    revision: Revision = "main",
    output: Annotated[Path, typer.Option(help="The page to write; an earlier one is replaced.")] = Path(
        "diagnose.html"
    ),
    repository: Repository = "./repo",
    publish_columns: Annotated[
        bool, typer.Option("--publish-columns", help="Publish what was found of each training row as columns.")
    ] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the training, in place of the recipe's.")] = None,
    work_dir: WorkDir = None,
    max_parallel: MaxParallel = None,
    as_json: Json = False,
) -> None:
    """Say where the target fails, on how many rows, which step would help and what it would cost."""
    from hf_mbdc.experiments.diagnose import diagnose as find

    found = find(
        repo_id,
        revision,
        output,
        repository=repository,
        publish_columns=publish_columns,
        epochs=epochs,
        work_dir=work_dir,
        max_parallel=max_parallel,
        progress=not as_json,
    )
    if as_json:
        print_json({**found.to_dict(), "path": str(output)})
        return
    print_rich(_summary(found, output))


def _summary(found: Diagnosis, output: Path) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from hf_mbdc.experiments.diagnosis_page import cost_text, worst
    from hf_mbdc.revisions.card.wording import number
    from hf_mbdc.revisions.escape import visible

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("What would help", "Rows", "In reach", "Cost"):
        table.add_column(column, justify="right" if column in ("Rows", "In reach") else "left")
    for advice in found.advice:
        room = "" if advice.room is None else number(advice.room)
        table.add_row(Text(advice.title), f"{advice.rows:,}", room, Text(cost_text(advice.cost) or advice.basis))
    return Group(
        Text(f"{found.metric} on {found.split}: {number(found.score)}. {visible(worst(found), 300)}"),
        *([table] if found.advice else []),
        Text(f"The page: {output}"),
        *([Text(f"The columns: {found.published}")] if found.published else []),
    )
