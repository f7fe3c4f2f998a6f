"""`hf-mbdc inspect`: from a published revision to a page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from datasets import DatasetDict
from review_rows import review_rows
from typer.testing import CliRunner

import hf_mbdc as mbdc
from hf_mbdc.cli import app

ID = "me/receipts"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("repo")
    mbdc.publish(DatasetDict(train=review_rows()), ID, repository=root, message="Labels")
    return str(root)


def run(repository: str, *words: str) -> tuple[int, str, BaseException | None]:
    done = CliRunner().invoke(app, ["inspect", ID, *words, "--repository", repository])
    return done.exit_code, re.sub(r"\s+", " ", done.output), done.exception


def test_a_revision_becomes_a_page(repository: str, tmp_path: Path) -> None:
    code, told, _ = run(repository, "--output", str(tmp_path / "r.html"), "--limit", "2")
    assert code == 0
    assert "2 of 3 rows to look at, of 5 in train" in told
    assert "--limit 3 asks for all" in told
    assert '"revision":"v1.0.0"' in (tmp_path / "r.html").read_text()  # and not `main`, which moves


def test_rows_are_chosen_by_status_margin_and_id(repository: str, tmp_path: Path) -> None:
    page = str(tmp_path / "r.html")
    for words, shown in [
        (["--status", "fuzzy", "--status", "absent"], 2),
        (["--max-margin", "0.5"], 1),
        (["--ids", "once", "--ids", "nothing"], 2),
    ]:
        code, told, _ = run(repository, *words, "--output", page, "--split", "train", "--json")
        assert (code, json.loads(told)["shown"], json.loads(told)["path"]) == (0, shown, page)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["v9.0.0"], "v9.0.0"),
        (["--split", "dev"], "no split 'dev'"),
        (["--status", "fuzy"], "No such status: 'fuzy'"),
        (["--ids", "gone"], "No row has this id"),
        (["--output", "nowhere/r.html"], "folder of the page does not exist"),
        (["--status", "fuzzy", "--max-margin", "0"], "no such row to review"),
    ],
)
def test_bad_wishes_are_answered(repository: str, words: list[str], told: str) -> None:
    code, _, error = run(repository, *words)
    assert code == 1
    assert isinstance(error, mbdc.MbdcError)
    assert told in str(error)
