"""The command line: what it prints, what it exits with, and that it shows no traceback."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from datasets import Dataset
from typer.testing import CliRunner

import hf_mbdc as mbdc
from hf_mbdc.cli import app

ID = "me/receipts"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("repo")
    for version, totals in enumerate((["1.00", "[bold]2.00"], ["1.00", "3.00"])):
        rows = Dataset.from_dict({"id": ["a", "b"], "total": totals})
        mbdc.publish(rows, ID, repository=root, message=f"Totals, take {version}")
    return str(root)


def hf_mbdc(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "hf_mbdc.cli", *words], capture_output=True, text=True, check=False)


def test_log_show_and_diff_print_what_was_published(repository: str) -> None:
    runner = CliRunner()
    log = runner.invoke(app, ["log", ID, "--repository", repository])
    assert log.exit_code == 0
    assert log.output.index("v2.0.0") < log.output.index("v1.0.0")
    show = runner.invoke(app, ["show", ID, "v1.0.0", "--repository", repository])
    assert "Totals, take 0" in show.output
    diff = runner.invoke(app, ["diff", ID, "v1.0.0", "v2.0.0", "--repository", repository])
    assert diff.exit_code == 0
    assert "[bold]2.00" in diff.output


def test_diff_writes_a_page_and_takes_a_key_of_several_columns(repository: str, tmp_path: Path) -> None:
    page = tmp_path / "diff.html"
    words = ["diff", ID, "v1.0.0", "v2.0.0", "--repository", repository, "--html", str(page), "--json"]
    done = CliRunner().invoke(app, [*words, "--key", "id", "--key", "total"])
    found = json.loads(done.output)
    assert (found["key"], found["splits"]["train"]["added"]) == (["id", "total"], 1)
    assert "me/receipts v1.0.0 → v2.0.0</h1>" in page.read_text("utf-8")


def test_no_form_of_a_diff_shows_a_sensitive_value(tmp_path: Path) -> None:
    for total in ("Zebedee", "Annabel"):
        rows = Dataset.from_dict({"id": ["a"], "total": [total]})
        mbdc.publish(rows, ID, repository=tmp_path, message="a name", sensitive=["total"])
    page = tmp_path / "diff.html"
    for more in ([], ["--json", "--html", str(page)]):
        done = CliRunner().invoke(app, ["diff", ID, "v1.0.0", "--repository", str(tmp_path), *more])
        shown = done.output + (page.read_text("utf-8") if more else "")
        assert "masked" in shown
        assert not {"Zebedee", "Annabel"} & set(re.findall(r"\w+", shown))


@pytest.mark.parametrize("command", [["log", ID], ["show", ID], ["diff", ID, "v1.0.0"]])
def test_json_is_json_and_nothing_else(repository: str, command: list[str]) -> None:
    done = hf_mbdc(*command, "--repository", repository, "--json")
    assert json.loads(done.stdout)
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["run", "recepits"], 1, "Did you mean 'receipts'"),
        (["run", "receipts"], 1, "--data-dir"),
        (["run", "receipts", "--data-dir", "nowhere"], 1, "nowhere"),
        (["log", "me/receipts", "--repository", "nowhere"], 1, "nowhere"),
        (["log", "receipts"], 1, "namespace/name"),
        (["show", ID, "v9.0.0"], 1, "v9.0.0"),
        (["diff", ID, "v1.0.0", "v2.0.0", "--key", "kee"], 1, "kee"),
        (["frobnicate"], 2, "No such command"),
        (["run", "quickstart", "--max-parallel", "0"], 2, "max-parallel"),
    ],
)
def test_what_a_tired_user_types_is_answered_without_a_traceback(
    repository: str, words: list[str], code: int, message: str
) -> None:
    if words[0] in ("show", "diff"):
        words = [*words, "--repository", repository]
    done = hf_mbdc(*words)
    told = re.sub(r"\s+", " ", done.stderr)
    assert done.returncode == code
    assert message in told
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback() -> None:
    done = hf_mbdc("--debug", "run", "recepits")
    assert "Traceback" in done.stderr
    assert done.returncode == 1


def test_a_file_where_the_repository_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = hf_mbdc("run", "quickstart", "--repository", str(tmp_path / "file"))
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "file" in done.stderr


def test_an_interrupt_ends_quietly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hf_mbdc.cli", "run", "quickstart", "--repository", str(tmp_path / "repo")]
    with subprocess.Popen(
        [*command, "--work-dir", str(tmp_path / "work")], stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("work/*/log.txt")) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=30)[1]
    assert process.returncode == 130
    assert "Traceback" not in told


def test_version_is_told() -> None:
    assert CliRunner().invoke(app, ["--version"]).output.strip() == mbdc.__version__
