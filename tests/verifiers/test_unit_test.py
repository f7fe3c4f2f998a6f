"""Unit tests as a verifier: only code that has passed the last one is right, whatever it does to look so."""

from __future__ import annotations

import doctest
import math
import os
import sys
import time
from pathlib import Path

import pytest

from hf_mbdc.errors import RecipeError
from hf_mbdc.verifiers import unit_test
from hf_mbdc.verifiers.unit_test import UnitTest, read_code

VERIFY = UnitTest(run_untrusted_code=True, seconds=20.0)
RIGHT = "def double(x):\n    return 2 * x\n"
TESTS = "assert double(4) == 8\nassert double('a') == 'aa'"


def test_the_examples() -> None:
    assert doctest.testmod(unit_test).failed == 0


@pytest.mark.parametrize(
    ("completion", "score"),
    [
        (RIGHT, 1.0),
        (f"Think first.\n```python\ndef double(x): return x\n```\nNo:\n```python\n{RIGHT}```\nSo it is.", 1.0),
        (f"```\n{RIGHT}```", 1.0),
        (f"```python\n{RIGHT}import sys; print('noise'); sys.stderr.write('noise')\n```", 1.0),
        ("```python\ndef double(x):\n    return 3 * x\n```", 0.0),
        ("```python\ndef double(x)\n    return 2 * x\n```", 0.0),  # a block of code that is none is wrong
        ("```python\nimport sys\nsys.exit(0)\n```", 0.0),
        ("```python\nimport os\nos._exit(0)\n```", 0.0),
        ("```python\ndef double(x):\n    raise SystemExit(0)\n```", 0.0),
        (f"```python\n{RIGHT}input()\n```", 0.0),  # there is nothing to read
        (f"```python\n{RIGHT}x = bytearray(1 << 34)\n```", 0.0),
    ],
)
def test_right_is_what_passes_the_last_test(completion: str, score: float) -> None:
    assert VERIFY(completion, TESTS) == score


@pytest.mark.parametrize("completion", ["", "I cannot do that.", "double", "'double'", "```python\n", "\x00"])
def test_what_is_no_code_is_not_judged(completion: str) -> None:
    assert read_code(completion) is None
    assert math.isnan(VERIFY(completion, TESTS))


@pytest.mark.parametrize("tests", ["", "it doubles", "assert double("])
def test_tests_that_are_none_judge_nothing(tests: str) -> None:
    assert math.isnan(VERIFY(RIGHT, tests))


def test_what_takes_too_long_has_failed_with_all_that_it_started(tmp_path: Path) -> None:
    mark = tmp_path / "late"
    child = f"import time; time.sleep(1.5); open({str(mark)!r}, 'w')"
    code = f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {child!r}])\nwhile True: pass\n"
    assert UnitTest(run_untrusted_code=True, seconds=1.0)(code, "pass") == 0.0
    time.sleep(2)
    assert not mark.exists()


def test_it_knows_nothing_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    tests = "import os\nassert 'HF_TOKEN' not in os.environ\nassert os.listdir() == []\nopen('mine', 'w').write('x')"
    assert VERIFY("found = 1", tests) == 1.0
    assert not (Path.cwd() / "mine").exists()


def test_a_process_that_left_the_group_is_not_waited_for() -> None:
    sleeps = "[sys.executable, '-c', 'import time; time.sleep(60)'], start_new_session=True"
    code = f"import subprocess, sys\nsubprocess.Popen({sleeps})\n"
    assert UnitTest(run_untrusted_code=True, seconds=1.0)(code, "while True: pass") == 0.0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_process_is_left() -> None:
    def children() -> list[str]:
        return Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()

    before = children()
    VERIFY(RIGHT, TESTS)
    assert children() == before


def test_nothing_runs_unless_it_is_allowed_by_name() -> None:
    with pytest.raises(RecipeError, match=r"Unit tests run what a model wrote.*Set run_untrusted_code=True"):
        UnitTest()
    with pytest.raises(RecipeError, match="seconds is out of range"):
        UnitTest(run_untrusted_code=True, seconds=0)
