"""The model: gradients, invariances, saving and loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForQuestionAnswering

from hf_mbdc.targets import load_target
from hf_mbdc.targets.batches import collate
from hf_mbdc.targets.encoding import EncodedRow, encode_rows
from hf_mbdc.targets.layout_features import LayoutSpanEncoder
from hf_mbdc.targets.layout_span import (
    DX_EDGES,
    LayoutSpanConfig,
    LayoutSpanForQuestionAnswering,
    distance_class,
    token_relations,
)
from hf_mbdc.targets.objective import labelled_spans, span_loss, span_scores


def row(number: int, question: str = "Total?", boxes: bool = True) -> dict[str, Any]:
    words = ["SHOP", "TOTAL", f"{number}.50", "CASH", "9.00"][: 3 + number % 3]
    places = [[100 * i, 200 * i % 700, 100 * i + 80, 200 * i % 700 + 40] for i in range(len(words))]
    return {
        "id": str(number),
        "question": question,
        "context": " ".join(words),
        "words": words,
        "boxes": places if boxes else [],
        "answers": [f"{number}.50"],
        "answer_start": 11,
        "answer_end": 15,
    }


def target(**options: Any) -> tuple[LayoutSpanForQuestionAnswering, LayoutSpanEncoder]:
    torch.manual_seed(0)
    model = LayoutSpanForQuestionAnswering(LayoutSpanConfig(**options)).eval()
    return model, LayoutSpanEncoder(model.config)


def inputs_of(rows: list[dict[str, Any]], encoder: LayoutSpanEncoder) -> dict[str, torch.Tensor]:
    windows = [window for encoded in encode_rows(rows, encoder) for window in encoded.windows]
    return {name: torch.from_numpy(values) for name, values in encoder.collate(windows).items()}


def test_it_is_small() -> None:
    model, _ = target()
    assert 200_000 < sum(p.numel() for p in model.parameters()) < 500_000


@pytest.mark.parametrize("joint", [0, 1])
def test_the_gradient_reaches_every_parameter(joint: int) -> None:
    model, encoder = target(num_joint_layers=joint, dropout=0.0)
    model.train()
    rows = encode_rows([row(n, question) for n in range(3) for question in ("Total?", "Which shop?")], encoder)
    batch = collate(rows, [labelled_spans(r, "chosen") for r in rows], encoder)
    outputs = model(**batch.inputs)
    span_loss(span_scores(outputs.start_logits, outputs.end_logits, batch, 80), batch).backward()
    without = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert without == []


def test_rows_do_not_depend_on_what_is_beside_them() -> None:
    model, encoder = target()
    rows = [row(0), row(1), row(2), row(1, "Which shop?")]
    with torch.no_grad():
        together = model(**inputs_of(rows, encoder)).start_logits
        for logits, one in zip(together, rows, strict=True):
            alone = model(**inputs_of([one], encoder)).start_logits[0]
            torch.testing.assert_close(logits[: len(alone)], alone, atol=1e-5, rtol=1e-4)


def test_question_text_and_layout_matter() -> None:
    model, encoder = target()
    moved = {**row(1), "boxes": [[500, 0, 600, 20]] * 4}
    rows = [row(1), row(1, "Which shop?"), moved, row(1, boxes=False)]
    with torch.no_grad():
        logits = [model(**inputs_of([one], encoder)).start_logits[0] for one in rows]
    assert len({tuple(x.tolist()) for x in logits}) == 4


def test_relations() -> None:
    bbox = torch.tensor([[[0, 0, 0, 0], [10, 10, 30, 20], [510, 10, 530, 20], [10, 310, 30, 320], [0, 0, 0, 0]]])
    known = torch.tensor([[True, True, True, True, False]])
    relations = token_relations(bbox, torch.tensor([[10]]), known).view(5, 5)
    assert relations[1, 1] == relations[2, 2] == relations[3, 3]
    assert len({relations[i, j].item() for i, j in ((1, 1), (1, 2), (2, 1), (1, 3), (3, 1))}) == 5
    classes = relations // (17 * 17)  # of Δx
    assert classes[1:4, 0].tolist() == [13, 13, 13]  # to null
    assert classes[0, 1:4].tolist() == [14, 14, 14]  # from null
    assert classes[:4, 4].tolist() == [15, 15, 15, 15]  # to padding
    assert relations.max() < 16 * 17 * 17


def test_padding_gets_no_attention() -> None:
    model, encoder = target(word_dropout=0.0)
    inputs = inputs_of([row(0), row(2)], encoder)
    changed = {**inputs, "place_ids": inputs["place_ids"].masked_fill(inputs["input_ids"] == 0, 5)}
    with torch.no_grad():
        before, after = model(**inputs).end_logits, model(**changed).end_logits
    n = (inputs["input_ids"][0] != 0).sum()
    assert n < before.shape[1]
    torch.testing.assert_close(before[0, :n], after[0, :n])


def test_classes_are_symmetric_and_rise() -> None:
    classes = distance_class(torch.arange(-1000, 1001), DX_EDGES)
    assert (classes[1:] >= classes[:-1]).all()
    assert (classes + classes.flip(0) == 12).all()
    assert (classes[0], classes[-1]) == (0, 12)


def test_lines_are_counted_in_line_heights() -> None:
    """The same page, printed twice as large, has the same relations."""
    boxes = torch.tensor([[[0, 0, 0, 0], [100, 10, 120, 20], [100, 22, 120, 32], [100, 60, 120, 70]]])
    large = boxes * torch.tensor([1, 2, 1, 2])
    known = torch.ones(1, 4, dtype=torch.bool)
    small_lines = token_relations(boxes, torch.tensor([[10]]), known)
    assert torch.equal(small_lines, token_relations(large, torch.tensor([[20]]), known))
    assert not torch.equal(small_lines, token_relations(large, torch.tensor([[10]]), known))


def test_a_layer_adds_to_what_it_gets() -> None:
    model, _ = target()
    layer = model.layers[0]
    for output in (layer.attention_output, layer.mlp_out):
        torch.nn.init.zeros_(output.weight)
        torch.nn.init.zeros_(output.bias)
    x = torch.randn(1, 3, model.config.hidden_size)
    assert torch.equal(layer(x, torch.zeros(1, 9, dtype=torch.long)), x)


def test_the_scale_of_the_relative_bias() -> None:
    model, _ = target()
    bias = model.layers[0].bias
    for table in (bias.page, bias.order, bias.null):
        torch.nn.init.ones_(table)
    relations = torch.tensor([[0, 14 * 17 * 17, 15 * 17 * 17]])  # between words, from null, to padding
    assert bias(relations)[0].tolist() == [20.0, 10.0, -10_000.0]


def test_a_token_without_a_box_is_nowhere() -> None:
    model, _ = target()
    places = model._embed_boxes(torch.tensor([[[0, 0, 0, 0], [0, 0, 10, 10]]]))
    assert not places[0, 0].any()
    assert places[0, 1].any()


def test_saving_and_the_auto_classes(tmp_path: Path) -> None:
    model, encoder = target(num_hidden_layers=1)
    model.save_pretrained(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert AutoConfig.from_pretrained(tmp_path).model_type == "layout_span"
    again = AutoModelForQuestionAnswering.from_pretrained(tmp_path)
    inputs = inputs_of([row(0), row(1)], encoder)
    with torch.no_grad():
        one, other = model(**inputs), again(**inputs)
    assert torch.equal(one.start_logits, other.start_logits)
    assert torch.equal(one.end_logits, other.end_logits)
    assert isinstance(load_target(str(tmp_path)).encoder, LayoutSpanEncoder)


def test_a_seed_gives_the_weights() -> None:
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(load_target("layout_span").model.words.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_long_documents_decode_a_span_at_their_end() -> None:
    from hf_mbdc.targets.decoding import decode

    _, encoder = target(max_length=64, max_answer_tokens=8)
    words = ["word"] * 300 + ["42"]
    long = {**row(0), "context": " ".join(words), "words": words, "boxes": []}
    long |= {"answers": ["42"], "answer_start": 1500, "answer_end": 1502}
    encoded: list[EncodedRow] = encode_rows([long], encoder)
    assert len(encoded[0].windows) > 4
    batch = collate(encoded, [encoded[0].candidates], encoder)
    [[w, i, j]] = encoded[0].answer
    logits = torch.zeros(len(encoded[0].windows), int(np.max([len(x.offsets) for x in encoded[0].windows])))
    logits[w, i] = logits[w, j] = 20.0
    [prediction] = decode(span_scores(logits, logits, batch, 8), batch, encoded)
    assert (prediction.start, prediction.end) == (1500, 1502)
