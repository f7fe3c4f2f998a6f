"""Commands side by side, one thread each, every one on a GPU of its own where there are some."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hf_mbdc.errors import TrainingError
from hf_mbdc.training.child import child_environment, read_error
from hf_mbdc.training.model_card import PACKAGE

ERROR = "error.json"
POLL_SECONDS = 0.1
STOP_SECONDS = 5.0
KILLED = 9  # SIGKILL, which the kernel sends when memory runs out
# Of a small model on a CPU: without the first two, glibc gives every tensor back to the kernel, where most of the time
# goes then; idle OpenMP threads that spin take the cores from the jobs beside them. One thread each, so that no
# result depends on how many cores there are.
ENVIRONMENT = {
    "MALLOC_MMAP_THRESHOLD_": str(4 << 30),
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
    "GOMP_SPINCOUNT": "0",
    "TOKENIZERS_PARALLELISM": "false",
}
# AVX-512 sums round otherwise than AVX2 sums, and a label that a target chooses, and with it the hash of a revision,
# would then differ between machines: so the kernels are those that nearly every x86 processor has.
KERNELS = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
PROCESSORS = Path("/proc/cpuinfo")
DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder for each GPU


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def gpus() -> list[str]:
    """The NVIDIA GPUs that this process may use, as `CUDA_VISIBLE_DEVICES` names them; none for a CPU build of torch.

    Nothing is imported and no GPU is touched: the environment or the driver's own list is read.
    """
    from importlib.metadata import version

    if version("torch").endswith("+cpu"):
        return []
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        names = [name.strip() for name in named.split(",")]
        return [name for name in names if name and not name.startswith("-")]  # −1 means none
    return [str(number) for number, _ in enumerate(DRIVER.iterdir())] if DRIVER.is_dir() else []


def kernels() -> dict[str, str]:
    """The variables that choose the kernels of PyTorch on the CPU; none where they would not run."""
    try:
        told = PROCESSORS.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux
        return {}
    return KERNELS if "avx2" in told.split() else {}


def run_all(
    commands: Mapping[Path, list[str]],
    max_parallel: int | None,
    done_before: int,
    on_progress: Callable[[float], None],
) -> None:
    """Runs commands side by side, each in its folder, where it writes `metrics.json` last.

    Args:
        commands: folder → command.
        max_parallel: so many at a time; None: one a GPU, or without one, one a core. More than there are GPUs share
            them in turn.
        done_before: how many of the whole were done already.
        on_progress: called with the share of the whole that is done.

    Raises:
        TrainingError: one of them failed; the others are stopped.
    """
    devices = gpus()
    free = list(range(max_parallel or len(devices) or cores()))
    waiting = list(commands)
    running: dict[Path, tuple[subprocess.Popen[bytes], int]] = {}
    total, finished = len(commands) + done_before, done_before
    if total:
        on_progress(finished / total)
    try:
        while waiting or running:
            while waiting and free:
                place, slot = waiting.pop(0), free.pop(0)
                device = devices[slot % len(devices)] if devices else None
                running[place] = _start(commands[place], place, device), slot
            time.sleep(POLL_SECONDS)
            for place, (process, slot) in list(running.items()):
                if process.poll() is not None:
                    del running[place]
                    free.append(slot)
                    _check(place, process.returncode)
                    finished += 1
            on_progress((finished + sum(_fraction(place) for place in running)) / total)
    finally:
        _stop([process for process, _ in running.values()])


def is_done(place: Path) -> bool:
    """Whether a command has written all that it gives."""
    return (place / "metrics.json").is_file()  # written last


def _start(command: list[str], place: Path, device: str | None) -> subprocess.Popen[bytes]:
    environment = {**kernels(), **os.environ, **ENVIRONMENT, **child_environment(place / ERROR)}
    if device is not None:
        environment["CUDA_VISIBLE_DEVICES"] = device
    if (PACKAGE.parent / "pyproject.toml").is_file():  # a checkout, which need not be installed
        environment["PYTHONPATH"] = os.pathsep.join(
            [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        )
    for name in ("progress.json", ERROR):
        (place / name).unlink(missing_ok=True)
    with (place / "log.txt").open("wb") as log:
        return subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def _fraction(place: Path) -> float:
    try:
        progress = json.loads((place / "progress.json").read_text())
    except FileNotFoundError:  # it has not started yet
        return 0.0
    return float(progress["step"] / progress["steps"])


def _check(place: Path, code: int) -> None:
    if code == 0 and is_done(place):
        return
    log = place / "log.txt"
    if (told := read_error(place / ERROR, log)) is not None:
        raise told
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    how = f"was killed by signal {-code}" if code < 0 else f"ended with exit status {code}"
    last = f", and said last: {lines[-1].strip().rstrip('.')}" if lines else ""
    cause = "If memory ran out, lower max_parallel. " if -code == KILLED else ""
    mend = f"{cause}What was done is kept: after the cause is mended, the same call goes on from there."
    raise TrainingError(f"A training {how}{last}", log=str(log), mend=mend)


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
