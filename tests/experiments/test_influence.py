"""Gradients of single rows against autograd, and the influence of rows of a target that was really trained."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from torch import nn

import hf_mbdc as mbdc
from hf_mbdc.errors import DataError
from hf_mbdc.experiments import gradients, influence
from hf_mbdc.experiments.gradients import row_gradients
from hf_mbdc.experiments.influence import row_influence
from hf_mbdc.targets import Target, load_target
from hf_mbdc.targets.batches import collate
from hf_mbdc.targets.encoding import encode_rows
from hf_mbdc.targets.layout_features import LayoutSpanEncoder
from hf_mbdc.targets.layout_span import LayoutSpanConfig, LayoutSpanForQuestionAnswering
from hf_mbdc.targets.objective import span_loss, span_scores
from hf_mbdc.training.config import TrainingConfig
from hf_mbdc.training.launch import TrainingJob, launch

EXACT = 10_000  # no projection


@pytest.fixture(scope="module")
def data() -> Dataset:
    loaded = mbdc.load_dataset("made_receipts", documents=6, split_fractions=(1, 0, 0))["train"]
    return mbdc.annotate(loaded.remove_columns("image"), mbdc.ExtractiveQA())


@pytest.fixture(scope="module")
def target() -> Target:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = LayoutSpanForQuestionAnswering(LayoutSpanConfig(**sizes, max_length=64, max_answer_tokens=16))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return Target(model, LayoutSpanEncoder(model.config))


def by_autograd(target: Target, row: dict[str, Any]) -> np.ndarray:
    """The gradient of a row's loss, layer by layer: input and bias against output."""
    target.model.eval()
    target.model.zero_grad()
    [encoded] = encode_rows([row], target.encoder)
    batch = collate([encoded], [encoded.answer], target.encoder)
    outputs = target.model(**batch.inputs)
    span_loss(
        span_scores(outputs.start_logits, outputs.end_logits, batch, target.encoder.max_answer_tokens), batch
    ).backward()
    layers = [module for module in target.model.modules() if isinstance(module, nn.Linear)]
    parts = [torch.cat([layer.weight.grad, layer.bias.grad[:, None]], 1).T.flatten() for layer in layers]
    target.model.zero_grad(set_to_none=True)
    return torch.cat(parts).numpy()


def test_gradients_of_a_batch_are_those_of_its_rows_one_by_one(data: Dataset, target: Target) -> None:
    rows = data.to_list()[:11]  # of several documents, of different length, in two batches; some in several windows
    assert len({len(one.windows) for one in encode_rows(rows, target.encoder)}) > 1
    found = row_gradients(target, rows, size=EXACT)
    for row, gradient in zip(rows, found, strict=True):
        expected = by_autograd(target, row)
        np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())
    assert all(parameter.grad is None for parameter in target.model.parameters())


def test_projected_products_are_those_of_whole_gradients_on_the_average(data: Dataset, target: Target) -> None:
    rows = data.to_list()[:4]
    exact = row_gradients(target, rows, size=EXACT)
    draws = [row_gradients(target, rows, size=4, seed=seed) for seed in range(60)]
    assert draws[0].shape[1] < exact.shape[1] / 3
    products = np.mean([draw @ draw.T for draw in draws], axis=0)
    expected = exact @ exact.T
    np.testing.assert_allclose(products, expected, atol=0.35 * np.abs(expected).max())
    assert np.corrcoef(products.ravel(), expected.ravel())[0, 1] > 0.9


def test_gradients_are_drawn_by_seed(data: Dataset, target: Target) -> None:
    rows = data.to_list()[:2]
    once, again, other = (row_gradients(target, rows, size=4, seed=seed) for seed in (1, 1, 2))
    assert (once == again).all()
    assert (once != other).any()


def test_a_row_without_a_located_answer_is_refused_by_name(data: Dataset, target: Target) -> None:
    rows = data.to_list()[:2]
    rows[1] |= {"answers": ["nowhere"], "answer_start": -1, "answer_end": -1, "candidates": []}
    with pytest.raises(DataError, match=rf"no answer to train on \(id '{rows[1]['id']}'"):
        row_gradients(target, rows)


@pytest.fixture(scope="module")
def trained(data: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = TrainingConfig(max_steps=60)
    [result] = launch([TrainingJob(data, {}, config)], work_dir=tmp_path_factory.mktemp("w"), max_parallel=1)
    return result.model_path


def test_a_step_against_the_gradient_of_a_row_does_to_others_what_its_influence_says(
    data: Dataset, trained: Path
) -> None:
    rows = data.to_list()[:8]
    target = load_target(str(trained))
    before = losses(target, rows)
    foretold = row_influence(data, data.select(range(8)), [trained], damping=None).values[0]
    assert foretold[0] > 0  # a row helps itself
    exact = row_gradients(target, rows, size=EXACT)
    expected = exact @ exact[0]
    step(target, rows[0], rate=1e-4 / expected[0])
    moved = before - losses(target, rows)
    linear = 1e-4 * expected / expected[0]
    np.testing.assert_allclose(moved, linear, atol=0.1 * np.abs(linear).max())
    assert np.corrcoef(foretold, moved)[0, 1] > 0.9  # what the projection leaves of it


def losses(target: Target, rows: list[dict[str, Any]]) -> np.ndarray:
    return np.array([float(_loss(target, row)) for row in rows])


def _loss(target: Target, row: dict[str, Any]) -> torch.Tensor:
    target.model.eval()
    [encoded] = encode_rows([row], target.encoder)
    batch = collate([encoded], [encoded.answer], target.encoder)
    outputs = target.model(**batch.inputs)
    scores = span_scores(outputs.start_logits, outputs.end_logits, batch, target.encoder.max_answer_tokens)
    return span_loss(scores, batch).double()


def step(target: Target, row: dict[str, Any], rate: float) -> None:
    """One step of gradient descent in the weights of the linear layers."""
    _loss(target, row).backward()
    with torch.no_grad():
        for module in target.model.modules():
            if isinstance(module, nn.Linear):
                for parameter in module.parameters():
                    parameter -= rate * parameter.grad
    target.model.zero_grad(set_to_none=True)


def test_rows_without_a_located_answer_have_no_influence_and_are_not_scored(data: Dataset, trained: Path) -> None:
    lost = {"answers": ["nowhere"], "answer_start": -1, "answer_end": -1, "candidates": [], "match_status": "absent"}
    changed = [row | (lost if number == 1 else {}) for number, row in enumerate(data.to_list()[:6])]
    some = Dataset.from_list(changed, features=data.features)
    found = row_influence(some, some, [trained])
    assert found.evaluation.tolist() == [0, 2, 3, 4, 5]
    assert found.values.shape == (6, 5)
    assert (found.values[1] == 0).all()
    assert (found.values[[0, 2, 3, 4, 5]] != 0).any(axis=1).all()
    np.testing.assert_allclose(found.of_rows, found.values.mean(axis=1))
    with pytest.raises(DataError, match=r"No row has an answer that was located \(split 'evaluation'\)"):
        row_influence(some, some.select([1]), [trained])


def test_models_are_averaged(data: Dataset, trained: Path, tmp_path: Path, target: Target) -> None:
    target.save(tmp_path)
    some = data.select(range(4))
    one, other, both = (row_influence(some, some, m).values for m in ([trained], [tmp_path], [trained, tmp_path]))
    np.testing.assert_allclose(both, (one + other) / 2)
    with pytest.raises(DataError, match="There is no trained target"):
        row_influence(some, some, [])


def test_the_examples() -> None:
    assert doctest.testmod(influence).failed == doctest.testmod(gradients).failed == 0
