"""Predictions as a table, the same however rows are put into batches."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch

from hf_mbdc.errors import DataError
from hf_mbdc.targets import load_target
from hf_mbdc.targets.encoding import encode_rows
from hf_mbdc.training import predict as module
from hf_mbdc.training.data import read_dataset, read_rows, split_of
from hf_mbdc.training.predict import predict, prediction_table

ROOT = Path(__file__).resolve().parents[2]


def test_the_table_has_the_text_of_the_context(rows: list[dict[str, Any]]) -> None:
    torch.manual_seed(0)
    target = load_target("layout_span")
    table = prediction_table(rows, predict(target, encode_rows(rows, target.encoder)))
    assert table.column_names == ["id", "prediction", "start", "end", "score", "null_score", "candidate_scores"]
    for row, answer in zip(rows, table.to_pylist(), strict=True):
        expected = row["context"][answer["start"] : answer["end"]] if answer["start"] >= 0 else ""
        assert answer["prediction"] == expected
        assert answer["score"] <= 0
        assert len(answer["candidate_scores"]) == len(row["candidates"])


def test_batches_do_not_matter(rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    target = load_target("layout_span")
    long = {**rows[0], "context": " ".join(["w1"] * 900), "words": ["w1"] * 900, "boxes": [], "candidates": []}
    encoded = encode_rows([rows[3], long, *rows], target.encoder)
    together = predict(target, encoded)
    monkeypatch.setattr(module, "BATCH_TOKENS", 1)
    for one, other in zip(together, predict(target, encoded), strict=True):
        assert (one.start, one.end) == (other.start, other.end)
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.candidate_scores == pytest.approx(other.candidate_scores, abs=1e-4)


def test_a_long_row_is_read_in_parts(rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A page of many windows goes through the model some windows at a time, and is one distribution all the same."""
    torch.manual_seed(0)
    target = load_target("layout_span")
    words = ["word", "9.50"] * 4000
    context = " ".join(words)
    spans = [(5, 9), (len(context) - 4, len(context)), (20_000, 20_004)]
    candidates = [{"start": start, "end": end, "score": 1.0} for start, end in spans]
    long = {**rows[0], "context": context, "words": words, "boxes": [], "candidates": candidates}
    encoded = encode_rows([long, rows[1]], target.encoder)
    assert len(encoded[0].windows) > 20
    shapes = []
    forward = target.model.forward
    monkeypatch.setattr(
        target.model, "forward", lambda **inputs: shapes.append(inputs["input_ids"].shape) or forward(**inputs)
    )
    parted = predict(target, encoded)
    assert max(windows * tokens for windows, tokens in shapes) <= module.BATCH_TOKENS
    monkeypatch.setattr(module, "BATCH_TOKENS", 10**9)
    for one, other in zip(parted, predict(target, encoded), strict=True):
        assert (one.start, one.end) == (other.start, other.end)
        assert one.score == pytest.approx(other.score, abs=1e-4)
        assert one.null_score == pytest.approx(other.null_score, abs=1e-4)
        assert one.candidate_scores == pytest.approx(other.candidate_scores, abs=1e-4)
    assert max(parted[0].candidate_scores) < 0


def test_reading_data(data: Path, tmp_path: Path) -> None:
    dataset = read_dataset(str(data))
    assert len(read_rows(split_of(dataset, "test"), "test", labels=True)) == 4
    with pytest.raises(DataError, match=r"There is no such split \(split 'dev'\). The dataset has train, test."):
        split_of(dataset, "dev")
    with pytest.raises(DataError, match=r"The dataset cannot be read.*save_to_disk"):
        read_dataset(str(tmp_path / "nothing"))


def test_the_evaluation_script(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    load_target("layout_span").save(tmp_path / "model")
    script = runpy.run_path(str(ROOT / "scripts" / "eval.py"))
    flags = ["--model", str(tmp_path / "model"), "--dataset", str(data), "--output", str(tmp_path / "scores.json")]
    script["main"](flags)
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert {name: part["rows"] for name, part in scores.items()} == {"company": 2, "total": 2, "all rows": 4}
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].split() == ["rows", "exact_match", "f1", "anls"]
    assert printed[-1].startswith("all rows")
    with pytest.raises(DataError, match=r"no such column .*column 'vendro'.* It has: id"):
        script["main"]([*flags, "--slice-by", "vendro"])


def test_scores_by_slice() -> None:
    score = runpy.run_path(str(ROOT / "scripts" / "eval.py"))["score"]
    scores = score(["9.00", "", "ACME"], [["9.00"], [], ["ACME LTD"]], ["total", "total", "company"])
    assert [scores[name]["exact_match"] for name in ("total", "company", "all rows")] == [1, 0, pytest.approx(2 / 3)]
    assert list(score([""], [[]], [None])) == ["all rows"]
