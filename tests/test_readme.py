"""The README is under test: its commands exist, the files they name too, and its Python tour runs from top to bottom.

Fenced blocks are found by their language. `bash` lines that start with `hf-mbdc` are parsed by the real command tree
(the command, its options and their types); other words that name a file of the project must do so. `python` blocks
share one namespace and run in order, in a folder beside which `shared` lies, as it does beside a checkout. Only `run`,
which takes minutes and has tests of its own, has a stand-in there: it checks its arguments and its recipe, and returns
the record of a finished iteration.
"""

from __future__ import annotations

import functools
import inspect
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import hf_mbdc
from hf_mbdc.records import Cost, Decision, Evidence, Iteration, ParentRecord, SplitRecord

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^```(?P<language>\w+)[^\n]*\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
SEPARATORS = {"&&", "||", "|", ";", "&"}


class Block(NamedTuple):
    language: str
    line: int  # of the README, where its text starts
    text: str


def blocks_of(markdown: str) -> list[Block]:
    return [
        Block(found["language"], markdown.count("\n", 0, found.start("text")) + 1, found["text"])
        for found in FENCE.finditer(markdown)
    ]


def commands_of(block: Block) -> list[list[str]]:
    """The commands of a shell block as words, without comments, prompts and the assignments before a command."""
    commands: list[list[str]] = []
    for line in block.text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        words: list[str] = []
        for word in [*lexer, ";"]:
            if word not in SEPARATORS:
                words.append(word)
                continue
            while words and re.match(r"[A-Z_][A-Z0-9_]*=", words[0]):
                del words[0]
            if words:
                commands.append(words)
            words = []
    return commands


def complaint(words: list[str]) -> str:
    """What the command line says against `hf-mbdc …`, "" if nothing: everything is parsed and no command is run."""
    import typer
    from typer.testing import CliRunner

    from hf_mbdc.cli import app

    idle = typer.Typer()
    if app.registered_callback is not None:
        idle.callback()(_idle(app.registered_callback.callback))
    for command in app.registered_commands:
        idle.command(command.name)(_idle(command.callback))
    result = CliRunner().invoke(idle, words[1:])
    return "" if result.exit_code == 0 else result.output + repr(result.exception)


def _idle(command):
    @functools.wraps(command)  # typer reads the signature through it
    def nothing(*args: object, **options: object) -> None:
        return None

    return nothing


README = blocks_of((ROOT / "README.md").read_text(encoding="utf-8"))
COMMANDS = [words for block in README if block.language in ("bash", "sh", "console") for words in commands_of(block)]
PYTHON = [block for block in README if block.language == "python"]


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "hf-mbdc"], ids=" ".join)
def test_command_of_the_readme_exists(words: list[str]) -> None:
    assert complaint(words) == ""


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_files_of_the_project_that_a_command_names_exist(words: list[str]) -> None:
    named = [word for word in words if re.match(r"(scripts|tests|hf_mbdc|cards)/", word)]
    assert [word for word in named if not (ROOT / word).exists()] == []


def test_python_tour_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not PYTHON:
        pytest.skip("the README has no Python yet")
    shared = ROOT.parent / "shared"
    if shared.is_dir():
        (tmp_path / "shared").symlink_to(shared, target_is_directory=True)
    elif any("../shared" in block.text for block in PYTHON):
        pytest.skip(f"the tour reads real data and there is none at {shared}")
    home = tmp_path / "work"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr(hf_mbdc, "run", stand_in_for(hf_mbdc.run))
    namespace: dict[str, Any] = {"__name__": "readme"}
    for block in PYTHON:
        # Leading newlines make a traceback name the README's own line.
        exec(compile("\n" * (block.line - 1) + block.text, str(ROOT / "README.md"), "exec"), namespace)
    # What the tour promises in its comments is there when it has run.
    assert [namespace[name].version for name in ("first", "second")] == ["v1.0.0", "v2.0.0"]
    assert (home / "review.html").is_file()


def stand_in_for(run):
    """Checks a call of `run` as far as that costs nothing, and returns the record of a finished iteration."""
    signature = inspect.signature(run)

    def checked(*args: object, **options: object) -> Iteration:
        from hf_mbdc.recipe import read_recipe

        given = signature.bind(*args, **options).arguments
        plan = read_recipe(given["recipe"], data_dir=given.get("data_dir"), repo_id=given.get("repo_id"))
        scores = {"parent": 0.6, "candidate": 0.8, "difference": 0.2, "interval": (0.1, 0.3), "confidence": 0.95}
        return Iteration(
            repo_id=plan.repo_id,
            version="v2.0.0",
            message=plan.iterations[-1].message,
            content_hash="0" * 64,
            splits={"train": SplitRecord(rows=8, content_hash="0" * 64)},
            decision=Decision("accept", "The whole interval lies above 0, so the candidate is accepted."),
            parent=ParentRecord("v1.0.0", "0" * 40, "1" * 64),
            evidence=Evidence(
                "exact_match", "test", rows=8, clusters=2, seeds=(0,), p_value=0.01, verdict="accept", **scores
            ),
            cost=Cost(wall_seconds=1.0),
            created_at="2025-01-01T00:00:00+00:00",
            sha="2" * 40,
        )

    return checked


def test_blocks_and_commands_are_found() -> None:
    markdown = (
        'Text\n```bash\n# first\n$ A=1 hf-mbdc log "a b" && \\\n  hf-mbdc show x  # why\n```\n\n```python\nx = 1\n```\n'
    )
    shell, python = blocks_of(markdown)
    assert commands_of(shell) == [["hf-mbdc", "log", "a b"], ["hf-mbdc", "show", "x"]]
    assert python == Block("python", 9, "x = 1\n")


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("hf-mbdc walk", "No such command"),
        ("hf-mbdc run quickstart --repo-url x", "No such option"),
        ("hf-mbdc run", "Missing argument"),
        ("hf-mbdc run quickstart --max-parallel many", "Invalid value"),
    ],
)
def test_a_command_that_does_not_exist_is_found_out(command: str, problem: str) -> None:
    assert problem in complaint(command.split())


@pytest.mark.parametrize("command", ["hf-mbdc --help", "hf-mbdc run --help", "hf-mbdc --debug log me/receipts --json"])
def test_a_command_that_exists_passes(command: str) -> None:
    assert complaint(command.split()) == ""


def test_the_stand_in_refuses_what_run_would_refuse() -> None:
    run = stand_in_for(hf_mbdc.run)
    assert run("receipts", data_dir="elsewhere", repository="./repo").repo_id == "me/receipts"
    with pytest.raises(TypeError, match="data_folder"):
        run("receipts", data_folder="elsewhere")
    with pytest.raises(hf_mbdc.MbdcError, match="recipts"):
        run("recipts")
