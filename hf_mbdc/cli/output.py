"""What every command prints: tables for people, JSON for programs, errors on standard error."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from hf_mbdc.records import Iteration


def print_rich(renderable: Any) -> None:
    """Prints a rich table or text on standard output."""
    from rich.console import Console

    Console().print(renderable)


def print_json(data: Any) -> None:
    """Prints data as JSON on standard output, keys sorted."""
    typer.echo(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=False))


def as_record(item: Iteration) -> dict[str, Any]:
    """The manifest, and where it lies."""
    return {**json.loads(item.to_json()), "sha": item.sha, "branch": item.branch}


def show_publication(record: Iteration, as_json: bool, *, dry_run: bool = False) -> None:
    """Prints what a publication did, or would do."""
    if as_json:
        print_json(as_record(record))
        return
    from hf_mbdc.revisions.terminal.publication import publication_table

    print_rich(publication_table(record, dry_run=dry_run))


def print_error(text: str) -> None:
    """Prints one line on standard error; text of the error is never read as markup."""
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True).print(Text("Error: ", style="bold red") + Text(text, style="default"), soft_wrap=True)
