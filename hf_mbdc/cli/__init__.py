"""`hf-mbdc`: every command is a public function with the same name and options.

Nothing heavy is imported before a command runs, so that `--help` and shell completion answer at once. Errors of this
package are printed without a traceback (`--debug` shows it) and exit with 1, unforeseen ones with 70; wrong usage exits
with 2; an interrupt with 130. A run whose candidate was not accepted exits with 0, because refusing is a result.
"""

from __future__ import annotations

import signal
import sys
from typing import Annotated

import typer

from hf_mbdc.cli import attribution, diagnosis, gate, history, ledger, loop, publishing, review
from hf_mbdc.cli.options import app
from hf_mbdc.cli.output import print_error
from hf_mbdc.errors import MbdcError

__all__ = ["app", "attribution", "diagnosis", "gate", "history", "ledger", "loop", "main", "publishing", "review"]


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
        print_error(str(error))
        sys.exit(1)
    except Exception as error:
        print_error(f"{type(error).__name__}: {error}. This was not foreseen; --debug shows where.")
        sys.exit(70)  # EX_SOFTWARE of sysexits.h


def _stop(number: int, frame: object) -> None:
    """Ends the run through its `finally` blocks, which stop the trainings."""
    print_error(f"Stopped by {signal.Signals(number).name}. What was done is kept: the same command goes on from it.")
    sys.exit(128 + number)
