"""The application, and the options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    name="hf-mbdc",
    help="Curate a dataset for the model that will ship: every iteration measured, published and explained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

RepoId = Annotated[str, typer.Argument(help="The dataset repository, namespace/name.", metavar="REPO_ID")]
Revision = Annotated[str, typer.Argument(help="A version, branch or commit.")]
Repository = Annotated[
    str,
    typer.Option(envvar="HF_MBDC_REPOSITORY", help="A folder, or `hub` for the Hub of HF_ENDPOINT and HF_TOKEN."),
]
MaxParallel = Annotated[int | None, typer.Option(min=1, help="Trainings side by side; default: GPUs, else cores.")]
WorkDir = Annotated[Path | None, typer.Option(help="Folder of the trainings; default: mbdc under HF_HOME.")]
Json = Annotated[bool, typer.Option("--json", help="Print the record as JSON on standard output, and nothing else.")]
