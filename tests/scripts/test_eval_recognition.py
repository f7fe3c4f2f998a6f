"""The script that scores a recogniser: its table, its JSON, beams and a language model."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from datasets import Dataset, DatasetDict

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.synthesis.rendering import render
from hf_mbdc.targets.recognition import Reading
from hf_mbdc.targets.recognition.ctc import CtcTarget, new_ctc
from hf_mbdc.targets.recognition.ctc_recogniser import CtcRecogniserConfig

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parents[2] / "scripts" / "eval_recognition.py"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data` and the `model` of a recogniser that has learned nothing."""
    folder = tmp_path_factory.mktemp("recognition")
    train = {"id": ["0", "1"], "text": ["가나" * 15, "다"]}
    test = {"id": ["a", "b", "c"], "text": ["가나", "다", "나"]}
    render(DatasetDict({"train": Dataset.from_dict(train), "test": Dataset.from_dict(test)})).save_to_disk(
        folder / "data"
    )
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "stem_channels": (4, 8), "num_hidden_layers": 1}
    new_ctc(CtcRecogniserConfig(characters=["나", "다", "가"], **sizes)).save(folder / "model")
    return folder


def flags(place: Path, *more: str) -> list[str]:
    return ["--model", str(place / "model"), "--dataset", str(place / "data"), *more]


def test_scores_table_and_predictions(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    read = [Reading("가나", -0.1), Reading("나", -0.5), Reading("나", -0.2)]
    monkeypatch.setattr(CtcTarget, "read", lambda *_: read)
    output, predictions = tmp_path / "scores.json", tmp_path / "read.parquet"
    SCRIPT["main"](
        flags(
            place, "--few-below", "5", "--many-above", "14", "--output", str(output), "--predictions", str(predictions)
        )
    )
    scores = json.loads(output.read_text(encoding="utf-8"))
    assert scores["rows"] == 3
    assert scores["scores"]["word accuracy"][0] == 0.6667
    assert scores["scores"]["character error rate"][0] == 0.25
    assert scores["scores"]["character F1, many"][0] == 0.8571  # 가 and 나 stand 15 times in train
    assert scores["scores"]["character F1, medium"] == [None, None, None]
    assert scores["scores"]["character F1, few"][0] == 0.0
    assert (scores["replaced"], scores["deleted"]) == ([["다", "나", 1]], [])
    told = capsys.readouterr().out
    assert "word accuracy          0.667  [0.000, 1.000]" in told
    assert "character F1, medium       –  [–, –]" in told
    assert "confusions: 다→나 1\ndeleted: none" in told
    assert pq.read_table(predictions)["prediction"].to_pylist() == ["가나", "나", "나"]


def test_a_language_model_of_the_counted_split_helps_the_beams(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images say that "나나" is a little likelier than "가나"; the words of train say otherwise."""
    target = CtcTarget(CtcTargetModel(), 4)
    words = Dataset.from_dict({"id": ["0", "1", "2"], "text": ["가나", "가나나", "다"]})
    logs = np.log(np.array([[[0.01, 0.5, 0.03, 0.46], [0.97, 0.01, 0.01, 0.01], [0.01, 0.97, 0.01, 0.01]]]))
    assert [text.tolist() for text in target._decode(logs, np.array([3]))] == [[0, 0]]
    helped = SCRIPT["with_language"](target, words, 1.0)
    assert [text.tolist() for text in helped._decode(logs, np.array([3]))] == [[2, 0]]


def CtcTargetModel() -> Any:  # noqa: N802 -- stands for a class
    return new_ctc(CtcRecogniserConfig(characters=["나", "다", "가"], hidden_size=8, stem_channels=(2, 2))).model


def test_beams_run_from_the_command_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    SCRIPT["main"](flags(place, "--beam-width", "3", "--language-weight", "0.5"))
    assert capsys.readouterr().out.startswith("3 rows\nword accuracy")


def test_wrong_inputs(place: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no such split \(split 'tset'\). The dataset has train, test."):
        SCRIPT["main"](flags(place, "--split", "tset"))
    with pytest.raises(RecipeError, match="Only a ctc_recogniser reads with a language model"):
        SCRIPT["with_language"](object(), Dataset.from_dict({"id": ["0"], "text": ["가"]}), 1.0)
