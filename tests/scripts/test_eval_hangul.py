"""The evaluation of guided mixing, with a target that reads what it saw often enough."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from recognition_run import FakeTarget

SCRIPT = Path(__file__).parents[2] / "scripts" / "eval_hangul.py"
COMMON, RARE = "가나다라마바", "뷁꽭뷀"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("eval_hangul", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["eval_hangul"] = module
    spec.loader.exec_module(module)
    return module


def test_the_table(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [f"{a}{b} {100 - n}" for n, (a, b) in enumerate((a, b) for a in COMMON for b in COMMON)]
    words += [f"{a}{rare}{b} 1" for a in COMMON for rare in RARE for b in COMMON]
    (tmp_path / "ko_50k.txt").write_text("\n".join([*words, "abc 900"]), encoding="utf-8")
    fake = FakeTarget()
    monkeypatch.setattr("hf_mbdc.training.launch.launch", fake.launch)
    sizes = ["--words", "100", "--test-words", "40", "--validation-words", "20", "--points", "4", "--seeds", "0", "1"]
    arguments = ["eval_hangul.py", "--data-dir", str(tmp_path), "--work-dir", str(tmp_path / "work"), *sizes]
    monkeypatch.setattr(sys, "argv", arguments)
    script.main()
    told = capsys.readouterr().out
    assert "9 syllables; 100 train words, 42 steps a training" in told
    assert {len(job.train) for job in fake.jobs} == {100}
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in told.splitlines() if " | " in line}
    assert {"natural", "half random", "random", "guided"} <= rows.keys()
    assert float(rows["random"][0]) > float(rows["natural"][0])  # even words: the rare syllables are read
    assert [line for line in told.splitlines() if line.startswith("| random − natural | F1 of few | +")]


def test_f1_and_its_difference(script: ModuleType) -> None:
    right = np.tile(np.array([[2.0, 2.0]]), (2, 10, 1))
    wrong = np.tile(np.array([[0.0, 1.0]]), (2, 10, 1))
    assert script.f1(right.sum(axis=(0, 1))) == 1.0
    assert script.f1_difference(right, wrong, [f"w{n}" for n in range(10)]) == (1.0, 1.0, 1.0)
    assert np.isnan(script.f1(np.zeros(2)))
