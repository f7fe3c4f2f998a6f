"""`hf-mbdc`: every command is a public function with the same name and options.

Nothing heavy is imported before a command runs, so that `--help` and shell completion answer at once. Errors of this
package are printed without a traceback (`--debug` shows it) and exit with 1, unforeseen ones with 70; wrong usage exits
with 2; an interrupt with 130. A run whose candidate was not accepted exits with 0, because refusing is a result.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hf_mbdc.errors import MbdcError
from hf_mbdc.revisions.layout import Deletes

if TYPE_CHECKING:
    from rich.text import Text

    from hf_mbdc.records import Iteration
    from hf_mbdc.review.page import Review

app = typer.Typer(
    name="hf-mbdc",
    help="Curate a dataset for the model that will ship: every iteration measured, published and explained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

RepoId = Annotated[str, typer.Argument(help="The dataset repository, namespace/name.", metavar="REPO_ID")]
Repository = Annotated[
    str,
    typer.Option(envvar="HF_MBDC_REPOSITORY", help="A folder, or `hub` for the Hub of HF_ENDPOINT and HF_TOKEN."),
]
DELETES = typer.Option(
    help="Rows that go: hard (gone), lazy (texts stay unread in the files), live (dead rows); default: as before."
)
Json = Annotated[bool, typer.Option("--json", help="Print the record as JSON on standard output, and nothing else.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from hf_mbdc import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of no command in particular; `main` takes `--debug` out of the command line, wherever it stands."""


@app.command()
def run(
    recipe: Annotated[str, typer.Argument(help="A packaged recipe (quickstart, receipts) or the path of a YAML file.")],
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the raw files, in place of the recipe's.")] = None,
    repository: Annotated[
        str | None,
        typer.Option(envvar="HF_MBDC_REPOSITORY", help="A folder, or `hub`, in place of the recipe's (./repo)."),
    ] = None,
    repo_id: Annotated[str | None, typer.Option(help="namespace/name, in place of the recipe's.")] = None,
    work_dir: Annotated[Path | None, typer.Option(help="Folder of the trainings; default: mbdc under HF_HOME.")] = None,
    max_parallel: Annotated[int | None, typer.Option(min=1, help="Trainings side by side; default: the cores.")] = None,
    as_json: Json = False,
) -> None:
    """Run a recipe: load, annotate, let the target help, train, compare, decide, publish."""
    from hf_mbdc.history import log as read_log
    from hf_mbdc.iteration import run as run_recipe
    from hf_mbdc.recipe import read_recipe

    plan = read_recipe(recipe, data_dir=data_dir, repository=repository, repo_id=repo_id)
    last = run_recipe(plan, work_dir=work_dir, max_parallel=max_parallel, progress=not as_json)
    if as_json:
        _print_json(_as_json(last))
        return
    from hf_mbdc.revisions.terminal import run_summary

    _show(run_summary(last, read_log(plan.repo_id, repository=plan.repository)))
    _show(_next_command(last, plan.repository))


@app.command()
def log(repo_id: RepoId, repository: Repository = "./repo", as_json: Json = False) -> None:
    """List the versions of a repository, newest first, and the candidates that were not accepted."""
    from hf_mbdc.history import log as read_log

    history = read_log(repo_id, repository=repository)
    if as_json:
        _print_json([_as_json(item) for item in history])
        return
    from hf_mbdc.revisions.terminal import log_table

    _show(log_table(history))


@app.command()
def show(
    repo_id: RepoId,
    revision: Annotated[str, typer.Argument(help="A version, branch or commit.")] = "main",
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Show one revision: what changed, why, by which step and model, at what cost, with what effect."""
    from hf_mbdc.history import show as read_record

    record = read_record(repo_id, revision, repository=repository)
    if as_json:
        _print_json(_as_json(record))
        return
    from hf_mbdc.revisions.terminal import show_panel

    _show(show_panel(record))


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

    Only what differs in the files of the two revisions is decoded; `hf-mbdc verify` checks the files themselves.
    """
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.revisions.diff import Diff
    from hf_mbdc.revisions.diff import diff as compare
    from hf_mbdc.revisions.repository import open_repository

    opened = open_repository(repository)
    with without_bars_of_datasets():
        before, after = (opened.snapshot(repo_id, opened.resolve(repo_id, revision)) for revision in (old, new))
        changes = compare(before, after, key=key or "id")
    if html is not None:
        from hf_mbdc.history import versions
        from hf_mbdc.revisions.masking import mask

        named = {column for item in versions(repo_id, opened) for column in item.sensitive}
        page = Diff.from_dict(mask(changes.to_dict(), named)) if named else changes
        html.write_text(page.to_html(f"{repo_id} {old} → {new}"), encoding="utf-8")
    if as_json:
        _print_json(changes.to_dict())
        return
    from hf_mbdc.revisions.terminal import diff_table

    _show(diff_table(changes.to_dict(), f"{repo_id} {old}", new))


@app.command()
def report(
    repo_id: RepoId,
    output: Annotated[Path, typer.Option(help="The page to write; an earlier one is replaced.")] = Path("report.html"),
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Write one HTML page about a repository: trend, versions and refused candidates, evidence, changes, costs."""
    from hf_mbdc.reporting import report as write_page

    path = write_page(repo_id, output, repository=repository)
    if as_json:
        _print_json({"path": str(path), "bytes": path.stat().st_size})
        return
    from rich.text import Text

    _show(Text(f"Wrote {path} ({path.stat().st_size / 1e3:.0f} kB). Open it in a browser; it needs no network."))


@app.command()
def inspect(
    repo_id: RepoId,
    revision: Annotated[str, typer.Argument(help="A version, branch or commit.")] = "main",
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
    from hf_mbdc.history import find_manifest, load
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.review.page import inspect as write_page
    from hf_mbdc.revisions.repository import open_repository

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
        _print_json({**dataclasses.asdict(page), "path": str(page.path)})
        return
    _show(_page_summary(page))


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
    from hf_mbdc.publication import publish as publish_rows
    from hf_mbdc.revisions.local import read_local

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
    _show_publication(record, as_json, dry_run=dry_run)


@app.command()
def compact(
    repo_id: RepoId,
    message: Annotated[str | None, typer.Option("--message", "-m", help="Headline of the changelog entry.")] = None,
    deletes: Annotated[Deletes | None, DELETES] = None,
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Write the head's files anew, without dead rows, unused texts and delta shards; the rows stay the same."""
    from hf_mbdc.compaction import MESSAGE
    from hf_mbdc.compaction import compact as compact_head
    from hf_mbdc.progress import without_bars_of_datasets

    with without_bars_of_datasets():
        record = compact_head(repo_id, message=message or MESSAGE, repository=repository, deletes=deletes)
    _show_publication(record, as_json)


@app.command()
def verify(
    repo_id: RepoId,
    revision: Annotated[str, typer.Argument(help="A version, branch or commit.")] = "main",
    repository: Repository = "./repo",
    as_json: Json = False,
) -> None:
    """Check a revision against its manifest, from the data; exits with 1 when something is not as it says."""
    from hf_mbdc.progress import without_bars_of_datasets
    from hf_mbdc.verification import verify as check

    with without_bars_of_datasets():
        found = check(repo_id, revision, repository=repository)
    if as_json:
        _print_json(found.to_dict())
    else:
        from hf_mbdc.revisions.reports import verification_table

        _show(verification_table(found.to_dict()))
    if not found.ok:
        raise typer.Exit(1)


@app.command()
def replay(
    repo_id: RepoId,
    revision: Annotated[str, typer.Argument(help="A version, branch or commit.")] = "main",
    repository: Repository = "./repo",
    data_dir: Annotated[Path | None, typer.Option(help="Folder of the raw files, for a first revision.")] = None,
    work_dir: Annotated[Path | None, typer.Option(help="Folder of the trainings; default: a new one.")] = None,
    max_parallel: Annotated[int | None, typer.Option(min=1, help="Trainings side by side; default: the cores.")] = None,
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
        _print_json(found.to_dict())
    else:
        from hf_mbdc.revisions.reports import replay_table

        _show(replay_table(found.to_dict()))
    if not (found.same or found.same_but_models):
        raise typer.Exit(1)


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
    from hf_mbdc.restoration import rollback as restore

    with without_bars_of_datasets():
        record = restore(repo_id, to, message=message, repository=repository)
    if as_json:
        _print_json(_as_json(record))
        return
    from hf_mbdc.revisions.terminal import show_panel

    _show(show_panel(record))


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
    from hf_mbdc.lineage import blame as read_history
    from hf_mbdc.progress import without_bars_of_datasets

    with without_bars_of_datasets():
        events = [
            event.to_dict()
            for event in read_history(repo_id, id, revision=revision, split=split, repository=repository)
        ]
    if as_json:
        _print_json(events)
        return
    from hf_mbdc.revisions.reports import blame_table

    _show(blame_table(events, repo_id, id))


def main() -> None:
    """The entry point: runs the command, and turns an error into one readable line unless `--debug` is given."""
    debug = "--debug" in sys.argv
    sys.argv = [word for word in sys.argv if word != "--debug"]  # allowed anywhere: it is typed when something failed
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows knows no SIGHUP
            signal.signal(getattr(signal, name), _stop)
    if debug:
        app()
        return
    try:
        app()
    except MbdcError as error:
        _print_error(str(error))
        sys.exit(1)
    except Exception as error:
        _print_error(f"{type(error).__name__}: {error}. This was not foreseen; --debug shows where.")
        sys.exit(70)  # EX_SOFTWARE of sysexits.h


def _stop(number: int, frame: object) -> None:
    """Ends the run through its `finally` blocks, which stop the trainings."""
    _print_error(f"Stopped by {signal.Signals(number).name}. What was done is kept: the same command goes on from it.")
    sys.exit(128 + number)


def _print_error(text: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text("Error: ", style="bold red") + Text(text, style="default"), soft_wrap=True)


def _show(renderable: Any) -> None:
    from rich.console import Console

    Console().print(renderable)


def _show_publication(record: Iteration, as_json: bool, *, dry_run: bool = False) -> None:
    if as_json:
        _print_json(_as_json(record))
        return
    from hf_mbdc.revisions.publication_table import publication_table

    _show(publication_table(record, dry_run=dry_run))


def _as_json(item: Iteration) -> dict[str, Any]:
    """The manifest, and where it lies."""
    return {**json.loads(item.to_json()), "sha": item.sha, "branch": item.branch}


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False))


def _page_summary(page: Review) -> Text:
    from rich.text import Text

    told = f"{page.shown} of {page.selected} rows to look at, of {page.rows} in {page.split or 'the split'}"
    lines = [f"Wrote {page.path} ({page.bytes / 1e6:.1f} MB): {told}."]
    if page.shown < page.selected:
        lines.append(f"{page.selected - page.shown} are left out; --limit {page.selected} asks for all.")
    if page.images_left_out:
        lines.append(f"{page.images_left_out} images are left out to keep the file small; their words are drawn.")
    return Text("\n".join([*lines, "Open it in a browser; `?` shows its keys. Then download the decisions."]))


def _next_command(last: Iteration, repository: str) -> Text:
    from rich.text import Text

    revision = last.branch if last.decision.refused else last.version
    where = [] if repository == "./repo" else ["--repository", repository]
    return Text("\nNext: " + shlex.join(["hf-mbdc", "show", last.repo_id, revision, *where]))


if __name__ == "__main__":
    main()
