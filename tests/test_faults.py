"""The trials of scripts/bench_faults.py, a few of each: a Hub that fails, kills, publishers at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from loopback_hub import LoopbackHub

from hf_mbdc.revisions.repositories import hub_calls

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"


@pytest.fixture(scope="module")
def bench() -> Iterator[ModuleType]:
    """Imported by its name, because publishers in other processes import it too."""
    sys.path.insert(0, str(SCRIPTS))
    import bench_faults

    yield bench_faults
    sys.path.remove(str(SCRIPTS))


@pytest.fixture(params=["folder", "hub"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with LoopbackHub() as hub:
        yield hub.url if request.param == "hub" else str(tmp_path / "repo")


def test_a_hub_that_fails(bench: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_calls.time, "sleep", lambda seconds: None)
    tally, calls, broken = bench.faults(4, 0.2, tmp_path, seed=1)
    assert tally.wrong == ()
    assert tally.new_head + tally.old_head == 4
    assert tally.new_head > 0
    assert broken > calls / 10


def test_killed_publishers(bench: ModuleType, place: str, tmp_path: Path) -> None:
    tally, _ = bench.kills(2, place, tmp_path, seed=2)
    assert tally.wrong == ()
    assert tally.new_head + tally.old_head == 2


def test_publishers_at_once(bench: ModuleType, place: str, tmp_path: Path) -> None:
    tally = bench.crowd(3, 1, place, tmp_path)
    assert tally.wrong == ()
    assert tally.new_head == 3
