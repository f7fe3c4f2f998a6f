"""`inspect`: a page on which a person judges the most doubtful rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hf_mbdc.cli.options import Json, RepoId, Repository, Revision, app
from hf_mbdc.cli.output import print_json, print_rich

if TYPE_CHECKING:
    from rich.text import Text

    from hf_mbdc.review.page import Review


@app.command()
def inspect(
    repo_id: RepoId,
    revision: Revision = "main",
    repository: Repository = "./repo",
    output: Annotated[Path, typer.Option(help="The page to write; an earlier one is replaced.")] = Path("review.html"),
    split: Annotated[str | None, typer.Option(help="Default: train, or the only one.")] = None,
    status: Annotated[
        list[str] | None, typer.Option(help="Only rows with it: fuzzy, absent, exact, unanswerable; may be repeated.")
    ] = None,
    max_margin: Annotated[
        float | None, typer.Option(help="Only rows whose best candidate beats the second by at most this.")
    ] = None,
    ids: Annotated[list[str] | None, typer.Option("--ids", help="Only this row; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows at most, the most doubtful first.")] = 50,
    as_json: Json = False,
) -> None:
    """Write one HTML page on which a person judges the most doubtful rows: keys, candidates, decisions to download."""
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.publishing.history import find_manifest, load
    from hf_mbdc.review.page import inspect as write_page
    from hf_mbdc.revisions.repositories.repository import open_repository

    opened = open_repository(repository)
    sha = opened.resolve(repo_id, revision)
    record = find_manifest(repo_id, sha, opened)
    # Decisions name the data that they were made on, and `main` moves.
    pinned = sha if record is None else record.branch if record.decision.refused else record.version
    with without_bars_of_datasets():
        dataset = load(repo_id, sha, repository=opened)
        page = write_page(
            dataset,
            output,
            split=split,
            status=status or (),
            max_margin=max_margin,
            ids=ids or (),
            limit=limit,
            repo_id=repo_id,
            revision=pinned,
        )
    if as_json:
        print_json({**dataclasses.asdict(page), "path": str(page.path)})
        return
    print_rich(_page_summary(page))


def _page_summary(page: Review) -> Text:
    from rich.text import Text

    told = f"{page.shown} of {page.selected} rows to look at, of {page.rows} in {page.split or 'the split'}"
    lines = [f"Wrote {page.path} ({page.bytes / 1e6:.1f} MB): {told}."]
    if page.shown < page.selected:
        lines.append(f"{page.selected - page.shown} are left out; --limit {page.selected} asks for all.")
    if page.images_left_out:
        lines.append(f"{page.images_left_out} images are left out to keep the file small; their words are drawn.")
    return Text("\n".join([*lines, "Open it in a browser; `?` shows its keys. Then download the decisions."]))
