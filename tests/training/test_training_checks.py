"""What is told before any training starts."""

from __future__ import annotations

import doctest
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hf_mbdc.errors import RecipeError, TrainingError
from hf_mbdc.training import checks
from hf_mbdc.training.checks import check_max_parallel, check_model, check_work_dir

MEND = "Name another folder for trained models: work_dir=… (--work-dir)."


def test_a_folder_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_work_dir("a/b") == tmp_path / "a" / "b"
    assert list((tmp_path / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("inside", ["", "/inside", "/deep/inside"])
def test_a_file_is_no_folder(tmp_path: Path, inside: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainingError) as caught:
        check_work_dir(f"{tmp_path}/file{inside}")
    assert str(caught.value) == f"The folder for trained models is a file (path '{tmp_path}/file'). {MEND}"


@pytest.mark.parametrize("work_dir", [None, "", " ", 3])
def test_no_folder(work_dir: Any) -> None:
    with pytest.raises(TrainingError) as caught:
        check_work_dir(work_dir)
    assert str(caught.value) == f"The folder for trained models is {work_dir!r}. {MEND}"


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder that this process may read and not write, also where the tests run as root."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "locked"
        folder.mkdir()
        Path(scratch).chmod(0o755)
        folder.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


@pytest.mark.parametrize("inside", ["", "inside"])
def test_a_folder_that_cannot_be_written(locked: Path, inside: str) -> None:
    with pytest.raises(TrainingError) as caught:
        check_work_dir(locked / inside)
    assert str(caught.value) == (
        f"The folder for trained models cannot be written: Permission denied (path {str(locked / inside)!r}). {MEND}"
    )


def test_a_name_that_is_too_long(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be written: File name too long"):
        check_work_dir(tmp_path / ("x" * 300))


@pytest.mark.parametrize("value", [0, -1, "2", 1.5, True])
def test_bad_max_parallel(value: Any) -> None:
    with pytest.raises(RecipeError) as caught:
        check_max_parallel(value)
    assert str(caught.value) == (
        f"max_parallel is {value!r} (key 'max_parallel'). "
        "Give a whole number of at least 1, or leave it out for one training a GPU, or a core."
    )


def test_good_max_parallel() -> None:
    assert [check_max_parallel(number) for number in (None, 1, 64)] == [None] * 3


@pytest.mark.parametrize(
    "name", ["layout_span", "google-bert/bert-base-uncased", "me/My.Model_2", "bert-base-uncased", "xlm-roberta-large"]
)
def test_good_models(name: str) -> None:
    assert check_model(name) is None


@pytest.mark.parametrize("name", ["layoutspan", "layout-span", "LAYOUT_SPAN", "layout_spam", "layout_span_"])
def test_slips(name: str) -> None:
    with pytest.raises(TrainingError) as caught:
        check_model(name)
    assert str(caught.value) == f"There is no target model {name!r}. Did you mean 'layout_span'?"


@pytest.mark.parametrize("name", ["nonsense", "", "  ", None, 3, "layoutlm", "a b/c", "me/", "/", "me/x--y", "-a/b"])
def test_no_models(name: Any) -> None:
    with pytest.raises(TrainingError) as caught:
        check_model(name)
    if name == "/":
        assert caught.value.what == "The folder holds no model: it has no config.json"
        return
    assert str(caught.value) == (
        f"There is no target model {name!r}. Name layout_span, a folder that save_pretrained wrote, or a model of the "
        "Hub with its owner (google-bert/bert-base-uncased)."
    )


@pytest.mark.parametrize("name", ["/nowhere/model", "./model", "../model", "~/model", "a/b/c", "a\\b", "notes.txt"])
def test_folders_that_are_not_there(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(TrainingError) as caught:
        check_model(name)
    assert str(caught.value) == (
        f"There is no such folder with a model (model {name!r}). "
        "Name a folder that save_pretrained wrote, or layout_span."
    )


@pytest.mark.parametrize("kind", ["layout_span", "bert", "layoutlm", "layoutlmv3", "lilt"])
def test_folders_with_models(tmp_path: Path, kind: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    assert check_model(str(tmp_path)) is None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (None, "The folder holds no model: it has no config.json (model FOLDER). Name a folder that save_pretrained"),
        ("{", "The config.json of the model cannot be read, or names no model_type (model FOLDER). Name a folder"),
        ("{}", "The config.json of the model cannot be read, or names no model_type (model FOLDER). Name a folder"),
        ("[]", "The config.json of the model cannot be read, or names no model_type (model FOLDER). Name a folder"),
        (
            '{"model_type": "vit"}',
            "A model of type 'vit' has no question-answering head, and cannot be a target",
        ),
        (
            '{"model_type": "layoutlmv2"}',
            "A model of type 'layoutlmv2' needs page images, and cannot be a target",
        ),
    ],
)
def test_folders_without_a_model_that_answers(tmp_path: Path, config: str | None, message: str) -> None:
    if config is not None:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(TrainingError, match=re.escape(message.replace("FOLDER", repr(str(tmp_path))))):
        check_model(str(tmp_path))


def test_examples_in_docstrings() -> None:
    outcome = doctest.testmod(checks)
    assert (outcome.failed, outcome.attempted) == (0, 4)
