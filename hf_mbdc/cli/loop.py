"""`run` and `replay`: the commands that train."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hf_mbdc.cli.options import Json, MaxParallel, RepoId, Repository, Revision, WorkDir, app
from hf_mbdc.cli.output import as_record, print_json, print_rich

if TYPE_CHECKING:
    from rich.text import Text

    from hf_mbdc.records import Iteration


@app.command()
def run(
    recipe: Annotated[
        str, typer.Argument(help="A recipe: quickstart, receipts, hangul, self-improve, or a YAML file.")
    ],
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the raw files, in place of the recipe's.")] = None,
    repository: Annotated[
        str | None,
        typer.Option(envvar="HF_MBDC_REPOSITORY", help="A folder, or `hub`, in place of the recipe's (./repo)."),
    ] = None,
    repo_id: Annotated[str | None, typer.Option(help="namespace/name, in place of the recipe's.")] = None,
    work_dir: WorkDir = None,
    max_parallel: MaxParallel = None,
    as_json: Json = False,
) -> None:
    """Run a recipe: load, annotate, let the target help, train, compare, decide, publish."""
    from hf_mbdc.iteration import run as run_recipe
    from hf_mbdc.publishing.history import log as read_log
    from hf_mbdc.recipe import read_recipe

    plan = read_recipe(recipe, data_dir=data_dir, repository=repository, repo_id=repo_id)
    last = run_recipe(plan, work_dir=work_dir, max_parallel=max_parallel, progress=not as_json)
    if as_json:
        print_json(as_record(last))
        return
    from hf_mbdc.revisions.terminal.iterations import run_summary

    print_rich(run_summary(last, read_log(plan.repo_id, repository=plan.repository)))
    print_rich(_next_command(last, plan.repository))


@app.command()
def replay(
    repo_id: RepoId,
    revision: Revision = "main",
    repository: Repository = "./repo",
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the raw files, for a first revision.")] = None,
    work_dir: Annotated[Path | None, typer.Option(help="Folder of the trainings; default: a new one.")] = None,
    max_parallel: MaxParallel = None,
    as_json: Json = False,
) -> None:
    """Run the recorded recipe again and compare; exits with 1 when other rows come out."""
    from hf_mbdc.reproduction import replay as make_again

    found = make_again(
        repo_id,
        revision,
        repository=repository,
        data_dir=data_dir,
        work_dir=work_dir,
        max_parallel=max_parallel,
        progress=not as_json,
    )
    if as_json:
        print_json(found.to_dict())
    else:
        from hf_mbdc.revisions.terminal.checks import replay_table

        print_rich(replay_table(found.to_dict()))
    if not (found.same or found.same_but_models):
        raise typer.Exit(1)


def _next_command(last: Iteration, repository: str) -> Text:
    from rich.text import Text

    revision = last.branch if last.decision.refused else last.version
    where = [] if repository == "./repo" else ["--repository", repository]
    return Text("\nNext: " + shlex.join(["hf-mbdc", "show", last.repo_id, revision, *where]))
