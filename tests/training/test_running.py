"""Commands side by side: how many, on which GPU, and what is left after one that fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hf_mbdc.errors import TrainingError
from hf_mbdc.training import running

# Says on which GPU it is, waits until as many others run as it is told, and is done.
SCRIPT = """
import json, os, pathlib, sys, time
place, together = pathlib.Path(sys.argv[1]), int(sys.argv[2])
(place / "started").touch()
deadline = time.monotonic() + 20
while len(list(place.parent.glob("*/started"))) < together and time.monotonic() < deadline:
    time.sleep(0.01)
device = os.environ.get("CUDA_VISIBLE_DEVICES")
(place / "metrics.json").write_text(json.dumps({"device": device, "together": time.monotonic() < deadline}))
"""


def run(folder: Path, number: int, together: int, max_parallel: int | None) -> list[dict[str, object]]:
    """Runs commands, and gives what each wrote."""
    places = [folder / str(n) for n in range(number)]
    for place in places:
        place.mkdir()
    commands = {place: [sys.executable, "-c", SCRIPT, str(place), str(together)] for place in places}
    running.run_all(commands, max_parallel, 0, lambda fraction: None)
    return [json.loads((place / "metrics.json").read_text()) for place in places]


@pytest.fixture
def gpu_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A build of torch for GPUs, and the driver's folder, which is still empty."""
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    driver = tmp_path / "driver"
    driver.mkdir()
    monkeypatch.setattr(running, "DRIVER", driver)
    return driver


def test_gpus_are_those_of_the_driver_or_of_the_environment(gpu_build: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert running.gpus() == []
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (gpu_build / name).mkdir()
    assert running.gpus() == ["0", "1"]
    for named, found in (("3, GPU-8a", ["3", "GPU-8a"]), ("", []), ("-1", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
        assert running.gpus() == found
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "2.13.0+cpu")
    assert running.gpus() == []


def test_each_command_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(running, "gpus", lambda: ["0", "1"])
    written = run(tmp_path, 4, together=2, max_parallel=None)
    assert sorted(str(one["device"]) for one in written[:2]) == ["0", "1"]
    assert {one["device"] for one in written[2:]} <= {"0", "1"}
    assert all(one["together"] for one in written)


def test_more_commands_than_gpus_share_them_in_turn(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(running, "gpus", lambda: ["0", "1"])
    written = run(tmp_path, 4, together=4, max_parallel=4)
    assert [one["device"] for one in written] == ["0", "1", "0", "1"]
    assert all(one["together"] for one in written)


def test_without_a_gpu_the_environment_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(running, "gpus", lambda: [])
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [one["device"] for one in run(tmp_path, 1, together=1, max_parallel=1)] == [None]


def test_a_failed_command_stops_the_others(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("bad", "slow")]
    for place in places:
        place.mkdir()
    slow = [sys.executable, "-c", "import time; time.sleep(60)"]
    commands = {places[0]: [sys.executable, "-c", "raise SystemExit('no data')"], places[1]: slow}
    with pytest.raises(TrainingError, match="ended with exit status 1, and said last: no data"):
        running.run_all(commands, 2, 0, lambda fraction: None)
    assert not (places[1] / "metrics.json").exists()


def test_kernels_are_those_of_every_processor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    told = tmp_path / "cpuinfo"
    monkeypatch.setattr(running, "PROCESSORS", told)
    assert running.kernels() == {}  # not Linux
    told.write_text("flags\t\t: fpu avx avx2\n")
    assert running.kernels() == {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    told.write_text("Features\t: fp asimd sve\n")
    assert running.kernels() == {}


@pytest.mark.skipif(not running.kernels(), reason="a processor with other kernels")
def test_a_command_computes_with_these_kernels_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code = (
        "import json, pathlib, sys, torch\n"
        "found = torch.backends.cpu.get_cpu_capability()\n"
        "(pathlib.Path(sys.argv[1]) / 'metrics.json').write_text(json.dumps(found))\n"
    )
    for told, capability in ((None, "AVX2"), ("default", "DEFAULT")):
        place = tmp_path / capability
        place.mkdir()
        if told is not None:
            monkeypatch.setenv("ATEN_CPU_CAPABILITY", told)
        running.run_all({place: [sys.executable, "-c", code, str(place)]}, None, 0, lambda fraction: None)
        assert json.loads((place / "metrics.json").read_text()) == capability
