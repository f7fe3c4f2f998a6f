"""A verifier for code: it is right if its tests pass.

What a model wrote runs in a Python process of its own: with nothing of this one's environment, in an empty folder that
is removed afterwards, with bounds on time, memory and the size of files, and without this one's input and output. That
stops accidents and endless loops. It is no sandbox: the code can read the machine's files and use its network. So it
runs only where that is allowed by name; do it in a container without network if the model is not your own.
"""

from __future__ import annotations

import ast
import json
import math
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass

from hf_mbdc.errors import RecipeError

FENCED = re.compile(
    r"^[ \t]*```[ \t]*(?:python|py)?3?[ \t]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE | re.IGNORECASE
)

# The word comes back only after the last test: code that ends the process before it, for which Python's status would
# be 0, has passed nothing. What the code prints goes nowhere.
_RUN = """
import json, os, sys
asked = json.load(sys.stdin)
try:
    import resource
    for name, most in (("RLIMIT_CPU", asked["seconds"]), ("RLIMIT_AS", asked["bytes"]), ("RLIMIT_FSIZE", 1 << 24)):
        if sys.platform != "darwin" or name != "RLIMIT_AS":
            resource.setrlimit(getattr(resource, name), (most, most))
except ImportError:  # Windows
    pass
answer, silence = os.dup(1), os.open(os.devnull, os.O_WRONLY)
os.dup2(silence, 1), os.dup2(silence, 2)
names = {"__name__": "answer"}
exec(compile(asked["code"], "completion", "exec"), names)
exec(compile(asked["tests"], "tests", "exec"), names)
os.write(answer, asked["word"].encode())
"""


@dataclass(frozen=True)
class UnitTest:
    """Whether the Python code of a completion passes the tests that are its reference, such as those of MBPP.

    The code is that of the last fenced block (```` ```python ````); a completion without one is code only where Python
    can parse all of it. The tests run after it, under the same names: `assert`s, or anything that raises where the code
    is wrong. See the module for what running it means.

    Args:
        run_untrusted_code: nothing is run unless this is True.
        seconds: after which it has failed; wall time, and CPU time.
        memory_mib: that it may have; not bounded on macOS and Windows.

    Raises:
        RecipeError: running is not allowed, or a bound is none.

    Example:
        >>> verify = UnitTest(run_untrusted_code=True)
        >>> verify("def double(x):\\n    return 2 * x", "assert double(4) == 8")
        1.0
    """

    run_untrusted_code: bool = False
    seconds: float = 10.0
    memory_mib: int = 1024

    def __post_init__(self) -> None:
        if self.run_untrusted_code is not True:
            mend = "Set run_untrusted_code=True where that may be done: in a container, say."
            raise RecipeError("Unit tests run what a model wrote", key="run_untrusted_code", mend=mend)
        for key in ("seconds", "memory_mib"):
            if not 0 < getattr(self, key) < math.inf:
                raise RecipeError(f"{key} is out of range", key=key, value=getattr(self, key), mend="Give some.")

    def __call__(self, completion: str, reference: str) -> float:
        """1 where all tests pass, 0 where not, or not in time; NaN without code, or where the tests are none."""
        code = read_code(completion)
        if code is None or not _is_code(reference):
            return math.nan
        return float(self._passes(code, reference))

    def _passes(self, code: str, tests: str) -> bool:
        word = secrets.token_hex(16)
        asked = {"code": code, "tests": tests, "word": word, "bytes": self.memory_mib << 20}
        asked["seconds"] = math.ceil(self.seconds)
        with tempfile.TemporaryDirectory() as folder:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _RUN],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={"PATH": os.defpath, "SYSTEMROOT": os.environ.get("SYSTEMROOT", "")},
                start_new_session=True,
            )
            try:
                said, _ = process.communicate(json.dumps(asked).encode(), timeout=self.seconds)
            except subprocess.TimeoutExpired:
                return False
            finally:
                _kill(process)
        return said.decode(errors="replace") == word


def read_code(completion: str) -> str | None:
    """The code of a completion; None where there is none.

    Example:
        >>> read_code("Here it is:\\n```python\\nx = 1\\n```\\nDone."), read_code("x = 1"), read_code("It is one.")
        ('x = 1\\n', 'x = 1', None)
    """
    if blocks := FENCED.findall(completion):
        return str(blocks[-1])
    return completion if _is_code(completion) else None


def _is_code(text: str) -> bool:
    """Whether Python can parse it, and it does something: one word alone would be the name of a variable."""
    try:
        lines = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(not isinstance(line, ast.Expr) or isinstance(line.value, ast.Call) for line in lines)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and all that it has started."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass  # all are gone
    process.wait()
    for pipe in (process.stdin, process.stdout):  # not read to its end: a process that left the group may hold it
        if pipe is not None:
            pipe.close()
