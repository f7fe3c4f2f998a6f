"""A loopback server of models, and pauses between tries that no test has to wait for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback_model import LoopbackModel

import hf_mbdc.generation.caller as caller_module


@pytest.fixture
def server() -> Iterator[LoopbackModel]:
    with LoopbackModel() as running:
        yield running


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caller_module, "FIRST_PAUSE", 0.01)
