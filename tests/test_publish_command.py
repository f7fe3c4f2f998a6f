"""`hf-mbdc publish` and `hf-mbdc compact`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from datasets import Dataset
from typer.testing import CliRunner, Result

import hf_mbdc as mbdc
from hf_mbdc.cli import app

ID = "me/receipts"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    write("one.csv", a="x", b="[bold]y")
    write("two.csv", b="[bold]z", c="x")
    return tmp_path


def write(name: str, **texts: str) -> None:
    Dataset.from_dict({"id": list(texts), "text": list(texts.values())}).to_csv(name)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words, "--repository", "repo"])


def test_a_dry_run_shows_the_change_the_version_and_the_bytes_and_publishes_nothing(folder: Path) -> None:
    told = run("publish", ID, "one.csv", "-m", "First", "--dry-run")
    assert "Would publish me/receipts v1.0.0 (onto nothing): train 2 rows\nNew bytes: " in told.output
    assert not (folder / "repo").exists()
    assert "me/receipts v1.0.0 (onto nothing): train 2 rows" in run("publish", ID, "one.csv", "-m", "First").output
    told = run("publish", ID, "two.csv", "-m", "Second", "--dry-run")
    assert "v1.0.0 → v2.0.0" in told.output
    assert "[bold]z" in told.output
    assert list(mbdc.show(ID, repository="repo").splits) == ["train"]
    assert mbdc.show(ID, repository="repo").version == "v1.0.0"
    told = run("publish", ID, "one.csv", "-m", "Again", "--dry-run")
    assert "Nothing to publish: me/receipts v1.0.0 holds these rows already. New bytes: 0" in told.output


def test_options_are_those_of_the_function(folder: Path) -> None:
    run("publish", ID, "one.csv", "-m", "First", "--deletes", "lazy")
    done = run("publish", ID, "two.csv", "-m", "Second", "--version", "v5.0.0", "--parent", "v1.0.0", "--json")
    found = json.loads(done.stdout)
    assert (found["version"], found["message"], found["layout"]["unused_values"]) == ("v5.0.0", "Second", 0)
    assert run("publish", ID, "two.csv", "-m", "Third", "--deletes", "soft").exit_code == 2
    assert run("publish", ID, "two.csv").exit_code == 2


def test_compact_says_what_the_files_held(folder: Path) -> None:
    write("many.csv", **{name: f"text {name}" for name in "abcdefgh"})
    write("fewer.csv", **{name: f"text {name}" for name in "abcdefg"})
    run("publish", ID, "many.csv", "-m", "First", "--deletes", "live")
    done = run("publish", ID, "fewer.csv", "-m", "Second")
    assert "The files still hold 1 dead row; hf-mbdc compact removes them." in done.output
    done = run("compact", ID)
    assert "v2.0.1 (onto v2.0.0): train 7 rows" in done.output
    assert "still hold" not in done.output
    assert json.loads(run("compact", ID, "--json").stdout)["version"] == "v2.0.1"
