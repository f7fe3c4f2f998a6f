"""The simulated truth is the truth, and the shortcuts forget what they say they forget."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import eval_guidance as script


@pytest.mark.parametrize("kind", ["continuous", "skewed", "binary"])
@pytest.mark.parametrize("sizes", ["equal", "unequal"])
def test_the_mean_of_many_documents_and_seeds_is_the_stated_effect(kind: str, sizes: str) -> None:
    design = script.Design(kind, seeds=200, documents=3000, sizes=sizes, seed_spread="large", effect=0.05)
    data = script.draw(design, np.random.default_rng(0))
    assert (data.candidate - data.parent).mean() == pytest.approx(0.05, abs=0.06 if kind != "binary" else 0.02)
    if kind == "binary":
        assert set(np.unique(data.parent)) | set(np.unique(data.candidate)) == {0.0, 1.0}
    shift = script.draw(dataclasses.replace(design, effect=0.1), np.random.default_rng(0))
    gained = (shift.candidate - shift.parent).mean() - (data.candidate - data.parent).mean()
    assert gained == pytest.approx(0.05, abs=0.005)


def test_few_documents_differ_where_that_is_the_design() -> None:
    design = script.Design("sparse", seeds=50, documents=6000, effect=0.02)
    data = script.draw(design, np.random.default_rng(0))
    change = data.candidate - data.parent
    assert change.mean() == pytest.approx(0.02, abs=0.003)
    differs = np.bincount(data.documents, weights=np.abs(change).max(axis=0)) > 0
    assert differs.mean() == pytest.approx(1 / 12, abs=0.01)


def test_shortcuts_are_narrower_where_they_forget_something() -> None:
    data = script.draw(script.Design(seed_spread="large"), np.random.default_rng(1))
    width = {name: high - low for name, (low, high) in script.shortcuts(data, np.random.default_rng(1)).items()}
    assert width["all scores independent"] < width["rows independent"] < width["seeds ignored"]
    assert width["seeds ignored"] < np.ptp(script.run(data, 500, np.random.default_rng(1)).interval)


def test_every_table_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["eval_guidance.py", "--repetitions", "1", "--resamples", "100"])
    monkeypatch.setattr(script, "print_time", lambda: None)
    monkeypatch.setattr(script, "print_resamples", lambda resamples: None)
    script.main()
    printed = capsys.readouterr().out
    for number in range(1, 8):
        assert f"\n{number}. " in printed
