"""`attribute`: what each source of a revision's training rows is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from hf_mbdc.cli.options import Json, MaxParallel, RepoId, Repository, Revision, WorkDir, app
from hf_mbdc.cli.output import print_json, print_rich

if TYPE_CHECKING:
    from rich.console import Group

    from hf_mbdc.experiments.attribution import SourceReport


@app.command()
def attribute(
    repo_id: RepoId,
    revision: Revision = "main",
    by: Annotated[
        str, typer.Option(help="The column that names the sources: mbdc_source (steps), mbdc_iteration (versions), ….")
    ] = "mbdc_source",
    metric: Annotated[
        str | None, typer.Option(help="Default: the approach's. answer_probability tells more from few documents.")
    ] = None,
    repository: Repository = "./repo",
    epochs: Annotated[int | None, typer.Option(min=1, help="Of the training, in place of the recipe's.")] = None,
    work_dir: WorkDir = None,
    max_parallel: MaxParallel = None,
    as_json: Json = False,
) -> None:
    """Train with and without each source of the rows, and tell what each is worth to the target."""
    from hf_mbdc.experiments.attribute import attribute as find

    found = find(
        repo_id,
        revision,
        by=by,
        metric=metric,
        repository=repository,
        epochs=epochs,
        work_dir=work_dir,
        max_parallel=max_parallel,
        progress=not as_json,
    )
    if as_json:
        print_json(found.to_dict())
        return
    print_rich(_table(found))


def _table(found: SourceReport) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from hf_mbdc.guidance.attribution import WORDS
    from hf_mbdc.revisions.escape import visible

    table = Table(title=Text(f"What each source brings: {found.metric}"), title_justify="left")
    interval = f"{100 * found.attribution.effects[0].comparison.confidence:g}% interval"
    for column in ("source", "rows", "", "without", "with", "difference", interval, "verdict"):
        table.add_column(Text(column), justify="left" if column in ("source", "", "verdict") else "right")
    for row in found.attribution.to_rows():
        whole, source = row["slice"] is None, row["source"]
        where = WORDS[row["method"]] if whole else f"  on {row['slice']}"
        figures = f"{row['without']:.3f}", f"{row['with']:.3f}", f"{row['difference']:+.3f}"
        between = f"{row['low']:+.3f} to {row['high']:+.3f}"
        head = (source, f"{found.rows[source]:,}") if whole else ("", "")
        table.add_row(*(Text(visible(text, 80)) for text in (*head, where, *figures, between, row["verdict"] or "")))
    cost = f"{found.steps:,} steps a training, {found.cost.cpu_seconds / 3600:.2g} CPU hours in all."
    return Group(table, Text(f"Best first: {', '.join(visible(s, 80) for s in found.attribution.ranking())}. {cost}"))
