"""Training dynamics: what is recorded of each row, once an epoch, also after a kill."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from hf_mbdc.errors import TrainingError
from hf_mbdc.targets import Target
from hf_mbdc.targets.batches import Batch
from hf_mbdc.targets.encoding import encode_rows
from hf_mbdc.targets.layout_features import LayoutSpanEncoder
from hf_mbdc.targets.layout_span import LayoutSpanConfig, LayoutSpanForQuestionAnswering
from hf_mbdc.targets.objective import SpanScores
from hf_mbdc.training import loop
from hf_mbdc.training.clock import Clock
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.dynamics import FILE, DynamicsRecorder
from hf_mbdc.training.loop import TrainingState, train
from hf_mbdc.training.spans import SpanLearner, label_scores


def small_target() -> Target:
    set_seed(0)
    model = LayoutSpanForQuestionAnswering(LayoutSpanConfig(hidden_size=32, num_hidden_layers=1))
    return Target(model, LayoutSpanEncoder(model.config))


def train_spans(target: Target, encoded: Any, config: TrainingConfig, *others: Any) -> TrainingState:
    return train(SpanLearner(target, config), encoded, config, *others)


def logs(values: list[list[list[float]]]) -> torch.Tensor:
    return torch.log(torch.tensor(values))


def scored(spans: list[list[int]], span_row: list[int], unanswerable: list[bool]) -> torch.Tensor:
    """Two rows: the first has one window, the second two; the null token of each window is its first span."""
    probabilities = logs(
        [
            [[0.1, 0.0], [0.5, 0.3], [0.1, 0.0]],
            [[0.2, 0.0], [0.1, 0.05], [0.1, 0.0]],
            [[0.25, 0.0], [0.3, 0.0], [0.0, 0.0]],
        ]
    )
    batch = Batch(
        inputs={},
        starts=torch.ones(3, 3, dtype=torch.bool),
        ends=torch.ones(3, 3, dtype=torch.bool),
        row=torch.tensor([0, 1, 1]),
        spans=torch.tensor(spans),
        span_row=torch.tensor(span_row),
        unanswerable=torch.tensor(unanswerable),
    )
    return label_scores(SpanScores(probabilities, torch.log(torch.tensor([0.1, 0.45])), torch.zeros(2)), batch)


def test_the_margin_is_to_the_best_other_span_or_to_no_answer() -> None:
    loss, margin = scored([[0, 1, 2], [2, 1, 1]], [0, 1], [False, False]).tolist()
    assert loss == pytest.approx([-math.log(0.3), -math.log(0.3)])
    # Row 0 labels the span 1–2 and its rival is 1–1; both nulls of row 1 together (0.45) beat its span.
    assert margin == pytest.approx([math.log(0.3 / 0.5), math.log(0.3 / 0.45)])


def test_an_unanswerable_row_is_right_when_no_span_beats_all_nulls_together() -> None:
    loss, margin = scored([[0, 1, 1], [1, 0, 0], [2, 0, 0]], [0, 1, 1], [False, True]).tolist()
    assert loss == pytest.approx([-math.log(0.5), -math.log(0.45)])
    assert margin == pytest.approx([math.log(0.5 / 0.3), math.log(0.45 / 0.3)])


def test_of_several_labelled_spans_probabilities_add_up_and_the_best_has_the_margin() -> None:
    loss, margin = scored([[0, 1, 1], [0, 1, 2], [2, 1, 1]], [0, 0, 1], [False, False]).tolist()
    assert loss[0] == pytest.approx(-math.log(0.8))
    assert margin[0] == pytest.approx(math.log(0.5 / 0.1))


def test_a_row_that_an_epoch_repeats_keeps_its_first_scores() -> None:
    recorder = DynamicsRecorder(["a", "b"])
    recorder.record(0, [1], torch.tensor([[1.0], [2.0]]))
    recorder.record(0, [1, 0], torch.tensor([[8.0, 3.0], [9.0, -4.0]]))
    recorder.record(1, [0], torch.tensor([[0.5], [0.0]]))
    table = recorder.table(Accelerator()).to_pydict()
    assert table["id"] == ["a", "b", "a"]
    assert table["epoch"] == [0, 0, 1]
    assert table["loss"] == [3.0, 1.0, 0.5]
    assert table["margin"] == [-4.0, 2.0, 0.0]
    assert table["correct"] == [False, True, False]
    assert table["probability"] == pytest.approx(np.exp([-3.0, -1.0, -0.5]))


def test_a_training_records_every_row_once_an_epoch(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    target = small_target()
    absent = {**rows[0], "id": "absent", "answer_start": -1, "answer_end": -1, "candidates": []}
    encoded = encode_rows([absent, *rows[:5]], target.encoder)
    config = TrainingConfig(epochs=3, batch_size=2)
    train_spans(target, encoded, config, Accelerator(), tmp_path, Clock(1e9))
    table = pq.read_table(tmp_path / FILE)
    assert table["id"].to_pylist() == [row["id"] for row in rows[:5]] * 3
    assert table["epoch"].to_pylist() == [epoch for epoch in range(3) for _ in range(5)]


def test_recording_is_that_of_the_loss(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    target = small_target()
    encoded = encode_rows(rows, target.encoder)
    state = train_spans(target, encoded, TrainingConfig(epochs=2, batch_size=12), Accelerator(), tmp_path, Clock(1e9))
    losses = pq.read_table(tmp_path / FILE)["loss"].to_numpy().reshape(2, 12)
    assert losses.mean(1) == pytest.approx(state.epoch_losses, rel=1e-5)


@pytest.mark.parametrize("killed_after", [1, 3, 5])
def test_a_killed_training_loses_and_doubles_nothing(
    killed_after: int, rows: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, whole, killed = TrainingConfig(epochs=2, batch_size=4), tmp_path / "whole", tmp_path / "killed"
    target = small_target()
    encoded = encode_rows(rows, target.encoder)
    for folder in (whole, killed):
        folder.mkdir()
    train_spans(target, encoded, config, Accelerator(), whole, Clock(1e9))

    step, done = loop._step, iter(range(killed_after))

    def until_killed(*arguments: Any) -> Any:
        if next(done, None) is None:
            raise KeyboardInterrupt
        return step(*arguments)

    monkeypatch.setattr(loop, "_step", until_killed)
    with pytest.raises(KeyboardInterrupt):
        train_spans(small_target(), encoded, config, Accelerator(), killed, Clock(0))
    monkeypatch.setattr(loop, "_step", step)
    assert not (killed / FILE).exists()
    train_spans(small_target(), encoded, config, Accelerator(), killed, Clock(1e9))
    assert pq.read_table(killed / FILE).equals(pq.read_table(whole / FILE))


def test_a_budget_that_ends_within_an_epoch_leaves_the_rest_of_it_out(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    target = small_target()
    config = TrainingConfig(max_steps=4, batch_size=4)
    train_spans(target, encode_rows(rows, target.encoder), config, Accelerator(), tmp_path, Clock(1e9))
    assert np.bincount(pq.read_table(tmp_path / FILE)["epoch"].to_numpy()).tolist() == [12, 4]


def test_a_checkpoint_without_dynamics_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="The checkpoint holds no training dynamics"):
        DynamicsRecorder(["a"]).load(tmp_path)
