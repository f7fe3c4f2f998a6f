"""A training tells its launcher what went wrong, and does not outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hf_mbdc.errors import DataError
from hf_mbdc.training import child
from hf_mbdc.training.child import ERROR_FILE, ORPHANED, PARENT, child_environment, read_error, tell_launcher

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "scripts" / "train_extractive_qa.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def test_an_error_arrives_as_it_was_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, log = tmp_path / "error.json", tmp_path / "log.txt"
    assert read_error(path, log) is None
    for name, value in child_environment(path).items():
        monkeypatch.setenv(name, value)
    tell_launcher(DataError("합계가 없다", split="train", path=Path("a"), mend="Mend it."))
    assert str(read_error(path, log)) == f"합계가 없다 (split 'train', path 'a', log '{log}'). Mend it."
    assert [file.name for file in tmp_path.iterdir()] == ["error.json"]


def test_without_a_launcher_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(ERROR_FILE, raising=False)
    monkeypatch.delenv(PARENT, raising=False)
    tell_launcher(DataError("What"))
    child.watch_launcher()
    assert list(tmp_path.iterdir()) == []


def run_script(flags: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *flags]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_script_tells_its_launcher(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, **child_environment(tmp_path / "error.json")}
    flags = ["--dataset", "x", "--output-dir", str(tmp_path / "out"), "--epochs", "0"]
    done = run_script(flags, environment)
    assert done.stderr == "error: epochs is 0. It must be at least 1.\n"
    assert done.returncode == 1
    error = read_error(tmp_path / "error.json", Path("log"))
    assert str(error) == "epochs is 0 (log 'log'). It must be at least 1."


@pytest.mark.skipif(os.name != "posix", reason="no such parents")
def test_the_script_ends_when_its_launcher_is_gone(tmp_path: Path) -> None:
    environment = {**ENVIRONMENT, PARENT: "1"}  # this process is the parent, and not that one
    flags = ["--dataset", "x", "--output-dir", str(tmp_path)]
    done = run_script(flags, environment)
    assert (done.returncode, done.stderr) == (ORPHANED, "")


LAUNCHER = """
import os, pathlib, subprocess, sys, time
from hf_mbdc.training.child import child_environment
code = "import os, sys, time; from hf_mbdc.training.child import watch_launcher; watch_launcher(); "
code += "open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
environment = {**os.environ, **child_environment(pathlib.Path("error.json"))}
subprocess.Popen([sys.executable, "-c", code, sys.argv[1]], env=environment).wait()
"""


@pytest.mark.skipif(os.name != "posix", reason="no such signals")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_child_outlives_a_launcher_that_was_killed(tmp_path: Path, how: signal.Signals) -> None:
    note = tmp_path / "pid"
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(note)], env=ENVIRONMENT)
    wait_until(lambda: note.is_file() and note.read_text() != "")
    number = int(note.read_text())
    assert alive(number)
    time.sleep(2 * child.WATCH_SECONDS)
    assert alive(number), "it goes on while the launcher is there"
    launcher.send_signal(how)
    launcher.wait()
    wait_until(lambda: not alive(number))


def alive(number: int) -> bool:
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return False
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            return False
        return True
    return state != "Z"  # ended, and not yet collected by whoever adopted it


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(("processes", "said"), [("1", ["shut down"]), ("2", [])])
def test_one_of_several_processes_ends_before_python_shuts_down(processes: str, said: list[str]) -> None:
    # PyTorch's Gloo threads may abort a process that is shutting down; what is registered for its end still happens.
    code = (
        "import atexit\n"
        "from hf_mbdc.training.script import run_script\n"
        "class Last:\n"
        "    def __del__(self, say=print): say('shut down')\n"
        "last = Last()\n"
        "atexit.register(print, 'at exit')\n"
        "run_script(lambda: print('done'))\n"
    )
    environment = {**ENVIRONMENT, "WORLD_SIZE": processes}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[:-1] == ["done", "at exit", *said]
