"""`compare`, `renew` and `aa`: a decision looked at again, on other rows, and against nothing."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import typer

from hf_mbdc.cli.options import Json, MaxParallel, RepoId, Repository, Revision, WorkDir, app
from hf_mbdc.cli.output import print_json


@app.command()
def compare(
    repo_id: RepoId,
    revision: Revision = "main",
    slice_by: Annotated[str | None, typer.Option(help="Slices by this column of the evaluation split.")] = None,
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Compare a version with its parent again, from the published scores of single rows; trains nothing."""
    from hf_mbdc.publishing.comparison import compare_again
    from hf_mbdc.publishing.history import show

    found = compare_again(repo_id, revision, slice_by=slice_by, repository=repository)
    if as_json:
        print_json({**dataclasses.asdict(found), "plan": dataclasses.asdict(found.plan)})
        return
    _print_lines(str(found))
    record = show(repo_id, revision, repository=repository)
    if record.evidence is not None and record.evidence.controls:
        _print_lines(record.decision.reason)  # its verdict rests on them, too


@app.command()
def renew(
    repo_id: RepoId,
    split: Annotated[str, typer.Argument(help="The split to score: the final one, or a new test split.")],
    revision: Revision = "main",
    repository: Repository = "./repo",
    work_dir: WorkDir = None,
    max_parallel: MaxParallel = None,
    as_json: Json = False,
) -> None:
    """Score a version's trained models on a split that no decision has seen, beside the one that decided."""
    from hf_mbdc.experiments.renew import renew as find

    found = find(
        repo_id,
        split,
        revision,
        repository=repository,
        work_dir=work_dir,
        max_parallel=max_parallel,
        progress=not as_json,
    )
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        _print_lines(str(found))


@app.command()
def aa(
    repo_id: RepoId,
    revision: Revision = "main",
    repository: Repository = "./repo",
    work_dir: WorkDir = None,
    max_parallel: MaxParallel = None,
    as_json: Json = False,
) -> None:
    """Train the target on one version with other seeds and compare it with itself: no difference may be found."""
    from hf_mbdc.experiments.aa import aa as find

    found = find(
        repo_id,
        revision,
        repository=repository,
        work_dir=work_dir,
        max_parallel=max_parallel,
        progress=not as_json,
    )
    if as_json:
        print_json({**dataclasses.asdict(found), "passed": found.passed})
    else:
        _print_lines(str(found))


def _print_lines(text: str) -> None:
    """Prints a report; what cannot be seen in names that come from data is made visible."""
    from hf_mbdc.revisions.escape import visible

    for line in text.splitlines():
        typer.echo(visible(line, 1000))
