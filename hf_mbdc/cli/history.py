"""`log`, `show`, `diff`, `blame`, `report`: what a repository holds and how it came about."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hf_mbdc.cli.options import Json, RepoId, Repository, Revision, app
from hf_mbdc.cli.output import as_record, print_json, print_rich


@app.command()
def log(repo_id: RepoId, repository: Repository = "./repo", as_json: Json = False) -> None:
    """List the versions of a repository, newest first, and the candidates that were not accepted."""
    from hf_mbdc.publishing.history import log as read_log

    history = read_log(repo_id, repository=repository)
    if as_json:
        print_json([as_record(item) for item in history])
        return
    from hf_mbdc.revisions.terminal.iterations import log_table

    print_rich(log_table(history))


@app.command()
def show(
    repo_id: RepoId,
    revision: Revision = "main",
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Show one revision: what changed, why, by which step and model, at what cost, with what effect."""
    from hf_mbdc.publishing.history import show as read_record

    record = read_record(repo_id, revision, repository=repository)
    if as_json:
        print_json(as_record(record))
        return
    from hf_mbdc.revisions.terminal.iterations import show_panel

    print_rich(show_panel(record))


@app.command()
def diff(
    repo_id: RepoId,
    old: Annotated[str, typer.Argument(help="The revision to compare from.")],
    new: Annotated[str, typer.Argument(help="The revision to compare to.")] = "main",
    key: Annotated[
        list[str] | None, typer.Option(help="The column that identifies a row; repeated: several do. Default: id.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write a page with the changes side by side to this file.")] = None,
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Compare two revisions by key: rows added, removed and changed, per split and column.

    Only what differs in the files of the two revisions is decoded; `hf-mbdc verify` checks the files themselves. Values
    of columns that a version named as sensitive are masked.
    """
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.publishing.history import versions
    from hf_mbdc.revisions.card.masking import mask
    from hf_mbdc.revisions.diff.diff import Diff
    from hf_mbdc.revisions.diff.diff import diff as compare
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    with without_bars_of_datasets():
        before, after = (opened.snapshot(repo_id, opened.resolve(repo_id, revision)) for revision in (old, new))
        changes = compare(before, after, key=key or "id")
        sensitive = {column for item in versions(repo_id, opened) for column in item.sensitive}
    told = mask(changes.to_dict(), sensitive)
    if html is not None:
        html.write_text(Diff.from_dict(told).to_html(f"{repo_id} {old} → {new}"), encoding="utf-8")
    if as_json:
        print_json(told)
        return
    from hf_mbdc.revisions.terminal.iterations import diff_table

    print_rich(diff_table(told, f"{repo_id} {old}", new))


@app.command()
def blame(
    repo_id: RepoId,
    id: Annotated[str, typer.Argument(help="The id of the row.", metavar="ID")],
    revision: Annotated[str, typer.Option(help="The version, branch or commit whose history is read.")] = "main",
    split: Annotated[str | None, typer.Option(help="Only what happened in this split.")] = None,
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Tell the history of one row: which version added, changed, moved or removed it, and by what."""
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.publishing.lineage import blame as read_history

    with without_bars_of_datasets():
        events = [
            event.to_dict()
            for event in read_history(repo_id, id, revision=revision, split=split, repository=repository)
        ]
    if as_json:
        print_json(events)
        return
    from hf_mbdc.revisions.terminal.checks import blame_table

    print_rich(blame_table(events, repo_id, id))


@app.command()
def report(
    repo_id: RepoId,
    output: Annotated[Path, typer.Option(help="The page to write; an earlier one is replaced.")] = Path("report.html"),
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Write one HTML page about a repository: trend, versions and refused candidates, evidence, changes, costs."""
    from hf_mbdc.publishing.reporting import report as write_page

    path = write_page(repo_id, output, repository=repository)
    if as_json:
        print_json({"path": str(path), "bytes": path.stat().st_size})
        return
    from rich.text import Text

    print_rich(Text(f"Wrote {path} ({path.stat().st_size / 1e3:.0f} kB). Open it in a browser; it needs no network."))
