"""`publish`, `compact`, `rollback`, `verify`: the commands that write revisions, and the one that checks them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hf_mbdc.cli.options import Json, RepoId, Repository, Revision, app
from hf_mbdc.cli.output import as_record, print_json, print_rich, show_publication
from hf_mbdc.revisions.files.layout import Deletes

DELETES = typer.Option(
    help="Rows that go: hard (gone), lazy (texts stay unread in the files), live (dead rows); default: as before."
)


@app.command()
def publish(
    repo_id: RepoId,
    path: Annotated[Path, typer.Argument(help="A folder or file that load_dataset or load_from_disk reads.")],
    message: Annotated[str, typer.Option("--message", "-m", help="Why this revision exists, in one line.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be published, and send nothing.")] = False,
    parent: Annotated[
        str | None, typer.Option(help="The revision the change was made from; default: the head.")
    ] = None,
    version: Annotated[str | None, typer.Option(help="At least the version that follows from what changed.")] = None,
    merge: Annotated[bool, typer.Option("--merge", help="Merge with what others published since the parent.")] = False,
    deletes: Annotated[Deletes | None, DELETES] = None,
    sensitive: Annotated[
        list[str] | None, typer.Option(help="A column whose values no published example shows; may be repeated.")
    ] = None,
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Publish data as the next revision; --dry-run shows what changed, the next version and the exact new bytes."""
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.publishing.publication import publish as publish_rows
    from hf_mbdc.revisions.files.local import read_local

    with without_bars_of_datasets():
        record = publish_rows(
            read_local(path),
            repo_id,
            message=message,
            repository=repository,
            parent=parent,
            version=version,
            merge=merge,
            deletes=deletes,
            sensitive=sensitive or (),
            dry_run=dry_run,
        )
    show_publication(record, as_json, dry_run=dry_run)


@app.command()
def compact(
    repo_id: RepoId,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Headline of the changelog entry.")] = None,
    deletes: Annotated[Deletes | None, DELETES] = None,
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Write the head's files anew, without dead rows, unused texts and delta shards; the rows stay the same."""
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.publishing.compaction import MESSAGE
    from hf_mbdc.publishing.compaction import compact as compact_head

    with without_bars_of_datasets():
        record = compact_head(repo_id, message=message or MESSAGE, repository=repository, deletes=deletes)
    show_publication(record, as_json)


@app.command()
def rollback(
    repo_id: RepoId,
    to: Annotated[str, typer.Argument(help="The version whose content is to be the newest again.")],
    message: Annotated[str, typer.Option(help="Why; the headline of the changelog entry.")],
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Publish the content of an earlier version again, as a new version that says why."""
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.publishing.restoration import rollback as restore

    with without_bars_of_datasets():
        record = restore(repo_id, to, message=message, repository=repository)
    if as_json:
        print_json(as_record(record))
        return
    from hf_mbdc.revisions.terminal.iterations import show_panel

    print_rich(show_panel(record))


@app.command()
def verify(
    repo_id: RepoId,
    revision: Revision = "main",
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Check a revision against its manifest, from the data; exits with 1 when something is not as it says."""
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.publishing.verification import verify as check

    with without_bars_of_datasets():
        found = check(repo_id, revision, repository=repository)
    if as_json:
        print_json(found.to_dict())
    else:
        from hf_mbdc.revisions.terminal.checks import verification_table

        print_rich(verification_table(found.to_dict()))
    if not found.ok:
        raise typer.Exit(1)
