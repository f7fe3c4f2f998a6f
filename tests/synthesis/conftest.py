"""A target of random weights, so that its answers differ, for steps in which it makes data."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hf_mbdc.approaches.text_generation import TextGeneration
from hf_mbdc.synthesis.step import StepContext


@pytest.fixture
def context(tmp_path: Path) -> StepContext:
    import torch

    from hf_mbdc.targets.language import new_language_model

    torch.manual_seed(0)
    model, tokenizer = new_language_model(["sort", "reverse", "1", "2", "3"], width=16, layers=1)
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "target")
    target: Any = SimpleNamespace(model_path=tmp_path / "target", model_id="small_lm@0123")
    return StepContext(TextGeneration(verifier="made_problems"), None, tmp_path, target=lambda: target)
