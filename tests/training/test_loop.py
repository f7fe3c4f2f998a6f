"""Training: schedule, learning, what is left out, and going on after a kill."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets import Target
from hf_mbdc.targets.encoding import encode_rows
from hf_mbdc.targets.layout_features import LayoutSpanEncoder
from hf_mbdc.targets.layout_span import LayoutSpanConfig, LayoutSpanForQuestionAnswering
from hf_mbdc.training import spans
from hf_mbdc.training.clock import Clock
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.loop import TrainingState, learning_rate, parameter_groups, train, training_identity
from hf_mbdc.training.predict import predict
from hf_mbdc.training.spans import SpanLearner
from hf_mbdc.transforms.weights import weights_hash

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "train_extractive_qa.py"


def small_target(**options: Any) -> Target:
    set_seed(0)
    model = LayoutSpanForQuestionAnswering(LayoutSpanConfig(hidden_size=32, num_hidden_layers=1, **options))
    return Target(model, LayoutSpanEncoder(model.config))


def train_spans(target: Target, encoded: Any, config: TrainingConfig, *others: Any) -> TrainingState:
    return train(SpanLearner(target, config), encoded, config, *others)


def test_schedule_rises_then_falls_to_nothing() -> None:
    rates = [learning_rate(step, 100, TrainingConfig(learning_rate=1.0, warmup=0.1)) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == rates[10] == 1.0
    assert rates[99] == pytest.approx(1 / 90)
    assert learning_rate(0, 1, TrainingConfig(learning_rate=1.0, warmup=0.0)) == 1.0


def test_biases_and_norms_do_not_decay() -> None:
    decaying, free = parameter_groups(small_target().model, 0.1)
    assert (decaying["weight_decay"], free["weight_decay"]) == (0.1, 0.0)
    assert {p.ndim for p in free["params"]} == {1}


@pytest.mark.parametrize("objective", ["chosen", "marginal", "hard_em"])
def test_a_few_rows_are_learned_by_heart(objective: str, rows: list[dict[str, Any]], tmp_path: Path) -> None:
    target = small_target(dropout=0.0, word_dropout=0.0, trigram_dropout=0.0, box_jitter=0.0)
    unanswerable = {**rows[0], "id": "x", "question": "What is the date?", "answers": [], "candidates": []}
    some = [*rows[:7], {**unanswerable, "answer_start": -1, "answer_end": -1}]
    encoded = encode_rows(some, target.encoder)
    config = TrainingConfig(objective=objective, epochs=40, batch_size=4, learning_rate=1e-2)
    state = train_spans(target, encoded, config, Accelerator(), tmp_path, Clock(1e9))
    predicted = [(p.start, p.end) for p in predict(target, encoded)]
    allowed = [{(c["start"], c["end"]) for c in row["candidates"]} or {(-1, -1)} for row in some]
    if objective == "chosen":
        allowed = [{(row["answer_start"], row["answer_end"])} for row in some]
    assert all(span in spans for span, spans in zip(predicted, allowed, strict=True))
    assert state.epoch_losses[-1] < 0.1 < state.epoch_losses[0]
    assert len(state.epoch_losses) == 40
    assert state.tokens == 40 * sum(len(window.offsets) for row in encoded for window in row.windows)


def test_hard_em_begins_as_marginal(
    rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    best_only: list[bool] = []
    span_loss = spans.span_loss
    monkeypatch.setattr(
        spans, "span_loss", lambda *a, **options: best_only.append(options["best_only"]) or span_loss(*a)
    )
    target = small_target()
    config = TrainingConfig(objective="hard_em", marginal_fraction=0.25, epochs=4, batch_size=4)
    train_spans(target, encode_rows(rows, target.encoder), config, Accelerator(), tmp_path, Clock(1e9))
    assert best_only == [False] * 3 + [True] * 9


def test_a_budget_of_steps_ends_within_an_epoch(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    """7 steps of 3 an epoch: two whole epochs and a part of a third one."""
    target, accelerator = small_target(), Accelerator()
    config = TrainingConfig(epochs=1, max_steps=7, batch_size=4)
    state = train_spans(target, encode_rows(rows, target.encoder), config, accelerator, tmp_path, Clock(1e9))
    assert (state.step, len(state.epoch_losses), state.open_losses) == (7, 3, [])
    assert json.loads((tmp_path / "progress.json").read_text()) == {"step": 7, "steps": 7}


def test_a_killed_run_of_a_budget_goes_on(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    config = TrainingConfig(max_steps=5, batch_size=4)
    ends: list[TrainingState] = []
    for folder in (tmp_path / "whole", tmp_path / "killed"):
        folder.mkdir()
        target = small_target()
        encoded = encode_rows(rows, target.encoder)
        if folder.name == "killed":
            saves = iter([True, True])  # the third step finds no more
            clock = Clock(0)
            clock.due = lambda accelerator, saves=saves: next(saves)
            with pytest.raises(StopIteration):
                train_spans(target, encoded, config, Accelerator(), folder, clock)
            target = small_target()
        ends.append(train_spans(target, encoded, config, Accelerator(), folder, Clock(1e9)))
    whole, killed = ends
    assert (whole.step, whole.tokens, whole.epoch_losses) == (killed.step, killed.tokens, killed.epoch_losses)
    assert whole.first_weights == killed.first_weights == weights_hash(small_target().model)


def test_gradients_are_scaled_down_to_the_norm(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    target = small_target()
    before = target.model.spans.weight.detach().clone()
    config = TrainingConfig(max_grad_norm=0.0, weight_decay=0.0, epochs=1)
    train_spans(target, encode_rows(rows, target.encoder), config, Accelerator(), tmp_path, Clock(1e9))
    assert torch.equal(target.model.spans.weight, before)


def test_rows_that_teach_nothing_are_left_out(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    target = small_target()
    absent = {**rows[0], "answer_start": -1, "answer_end": -1, "candidates": []}
    encoded = encode_rows([absent, rows[1]], target.encoder)
    state = train_spans(target, encoded, TrainingConfig(epochs=1), Accelerator(), tmp_path, Clock(1e9))
    assert state.tokens == len(encoded[1].windows[0].offsets)
    with pytest.raises(TrainingError, match=r"There is no row to train on \(reasons {'absent': 1}\)"):
        train_spans(target, encoded[:1], TrainingConfig(epochs=1), Accelerator(), tmp_path, Clock(1e9))


def test_what_makes_a_checkpoint_one_of_another_training(rows: list[dict[str, Any]]) -> None:
    encoder, config = small_target().encoder, TrainingConfig()
    first = rows[1]  # its answer occurs twice
    moved = {**first, "answer_start": first["candidates"][0]["start"], "answer_end": first["candidates"][0]["end"]}
    identities = {
        training_identity("weights", encode_rows(some, encoder), settings, processes)
        for some, settings, processes in (
            ([first], config, 1),
            ([first, first], config, 1),
            ([moved], config, 1),
            ([{**first, "candidates": []}], config, 1),
            ([{**first, "id": "x"}], config, 1),
            ([{**first, "question": "Another question?"}], config, 1),
            ([{**first, "boxes": [[0, 0, 9, 9]] * len(first["words"])}], config, 1),
            ([first], TrainingConfig(seed=1), 1),
            ([first], config, 2),
        )
    }
    assert len(identities) == 9


def test_other_first_weights_are_another_training(rows: list[dict[str, Any]]) -> None:
    target = small_target()
    encoded = encode_rows(rows, target.encoder)
    before = weights_hash(target.model)
    assert before == weights_hash(small_target().model)
    with torch.no_grad():
        next(target.model.parameters()).add_(1)
    after = weights_hash(target.model)
    assert after != before
    assert len({training_identity(first, encoded, TrainingConfig(), 1) for first in (before, after)}) == 2


def test_a_loss_that_is_not_a_number_stops_at_once(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    target = small_target()
    target.model.spans.bias.data.fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"The loss is not a number.*Lower --learning-rate"):
        train_spans(
            target, encode_rows(rows, target.encoder), TrainingConfig(epochs=1), Accelerator(), tmp_path, Clock(1e9)
        )


def test_the_time_of_several_runs_adds_up() -> None:
    state, clock = TrainingState("x", wall_seconds=100.0, cpu_seconds=50.0), Clock(1e9)
    assert not clock.due(Accelerator())
    clock.lap()
    state.add_time(clock)
    state.add_time(clock)
    assert 100 <= state.wall_seconds < 160
    assert 50 <= state.cpu_seconds < 110
    assert Clock(0).due(Accelerator())


@pytest.mark.parametrize("killed", ["between the two renames", "while the new one was written", "behind the renames"])
def test_a_kill_at_any_moment_of_saving_leaves_a_checkpoint(
    killed: str, rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    target = small_target()
    encoded = encode_rows(rows, target.encoder)
    config, accelerator = TrainingConfig(epochs=2, batch_size=4), Accelerator()
    whole = train_spans(target, encoded, config, accelerator, tmp_path, Clock(0))
    weights = {name: value.clone() for name, value in target.model.state_dict().items()}
    kept, old, new = (tmp_path / f"checkpoint{suffix}" for suffix in ("", ".old", ".new"))
    assert not old.exists()
    assert not new.exists()
    if killed == "between the two renames":
        shutil.copytree(kept, new)
        kept.rename(old)
    elif killed == "while the new one was written":
        new.mkdir()
        (new / "model.safetensors").write_bytes(b"half")
    else:  # the old one is there yet, of another time
        shutil.copytree(kept, old)
        (old / "state.json").write_text(json.dumps({"identity": "another", "step": 1}))

    again = small_target()
    state = train_spans(again, encoded, config, Accelerator(), tmp_path, Clock(1e9))
    assert (state.step, state.tokens) == (whole.step, whole.tokens) == (6, whole.tokens)
    assert all(torch.equal(value, weights[name]) for name, value in again.model.state_dict().items())


# --- the script, killed and started again ---


def test_a_killed_run_goes_on_and_ends_with_the_same_weights(data: Path, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    flags = ["--dataset", str(data), "--predict-splits", "test", "--epochs", "40", "--checkpoint-seconds", "0"]
    main = runpy.run_path(str(SCRIPT))["main"]

    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *flags, "--output-dir", str(killed)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    main([*flags, "--output-dir", str(whole)])
    deadline = time.monotonic() + 120
    while not (killed / "checkpoint" / "state.json").is_file() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "metrics.json").exists()
    steps = [json.loads(path.read_text())["step"] for path in killed.glob("checkpoint*/state.json")]
    assert 1 <= max(steps) < 80

    with pytest.raises(TrainingError, match="The checkpoint in the output folder is of other rows, settings"):
        main([*flags, "--output-dir", str(killed), "--seed", "1"])

    main([*flags, "--output-dir", str(killed)])
    first, second = (json.loads((folder / "metrics.json").read_text()) for folder in (whole, killed))
    for same in ("weights_sha256", "epoch_losses", "steps", "tokens", "rows_used", "identity"):
        assert first[same] == second[same]
    for name in ("predictions-test.parquet", "dynamics.parquet"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes()
    assert not (killed / "checkpoint").exists()

    # Finished: the same command trains nothing, and predicts one more split.
    main([*flags, "--output-dir", str(whole), "--predict-splits", "train"])
    assert json.loads((whole / "metrics.json").read_text()) == first
    assert (whole / "predictions-train.parquet").is_file()
