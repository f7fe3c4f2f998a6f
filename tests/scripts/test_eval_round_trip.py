"""The table of round trips counts what comes back, what is wider and what is left out."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from hf_mbdc.targets.layout_features import LayoutSpanEncoder
from hf_mbdc.targets.layout_span import LayoutSpanConfig

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "eval_round_trip.py"))


def row(text: str, answer: str, **more: Any) -> dict[str, Any]:
    start = text.index(answer)
    span = {"answer_start": start, "answer_end": start + len(answer)}
    candidates = [{"start": start, "end": start + len(answer), "score": 1.0}]
    made = {"id": answer, "question": "?", "context": text, "words": text.split(), "boxes": [], "answers": [answer]}
    return {**made, **span, "candidates": candidates, **more}


def test_rows_are_counted() -> None:
    encoder = LayoutSpanEncoder(LayoutSpanConfig(max_answer_tokens=3))
    rows = [row("TOTAL RM9.00", "9.00"), row("the Japanese car", "Japan"), row("a b c d e", "a b c d")]
    counts = SCRIPT["round_trip"](rows, encoder)
    wanted = {"rows": 3, "equal": 1, "not on edges": 1, "more": 3, "left out": 1, "candidates": 2, "of them equal": 1}
    assert {name: counts[name] for name in wanted} == wanted


def test_other_boxes_are_not_equal() -> None:
    boxes = {"boxes": [[0, 0, 9, 9], [10, 0, 19, 9]], "word_start": 1, "word_end": 1, "answer_page": 0}
    encoder = LayoutSpanEncoder(LayoutSpanConfig())
    right = row("TOTAL 9.00", "9.00", answer_boxes=[[10, 0, 19, 9]], **boxes)
    assert SCRIPT["round_trip"]([right], encoder)["equal"] == 1
    with pytest.raises(AssertionError):
        SCRIPT["round_trip"]([{**right, "answer_boxes": [[0, 0, 9, 9]]}], encoder)


def test_every_receipt_and_nearly_every_korean_entity_comes_back(shared_data: Path) -> None:
    encoder = LayoutSpanEncoder(LayoutSpanConfig())
    receipts = SCRIPT["annotated"]("sroie", shared_data / "sroie")[::6]
    counts = SCRIPT["round_trip"](receipts, encoder)
    assert counts["equal"] == counts["rows"] > 200
    assert counts["of them equal"] == counts["candidates"]
    entities = SCRIPT["read_entities"](shared_data / "klue" / "klue-ner-v1.1_dev.tsv")[:400]
    counts = SCRIPT["round_trip"](entities, encoder)
    assert counts["equal"] >= 0.99 * counts["rows"]
