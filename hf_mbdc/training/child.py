"""What a launched training and its launcher have to tell each other: an error, and that one of them is gone.

Both go through the environment that `launch` gives its processes; a script that somebody else started does nothing.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from hf_mbdc.errors import MbdcError, TrainingError

PARENT = "MBDC_LAUNCHER_PID"
ERROR_FILE = "MBDC_ERROR_FILE"
ORPHANED = 70  # exit status
WATCH_SECONDS = 0.5


def child_environment(error_file: Path) -> Mapping[str, str]:
    """What a launcher adds to the environment of a training."""
    return {PARENT: str(os.getpid()), ERROR_FILE: str(error_file)}


def watch_launcher() -> None:
    """From now on this process ends when its launcher does, however that one ends: nobody waits for its result.

    A checkpoint is swapped in whole, so that it may end at any moment.
    """
    launcher = os.environ.pop(PARENT, None)
    if launcher is not None and os.name == "posix":  # elsewhere the parent's number stays when it is gone
        threading.Thread(target=_watch, args=(int(launcher),), daemon=True).start()


def _watch(launcher: int) -> None:
    while os.getppid() == launcher:
        time.sleep(WATCH_SECONDS)
    os._exit(ORPHANED)


def tell_launcher(error: MbdcError) -> None:
    """Leaves an error where the launcher finds it in one piece."""
    path = os.environ.get(ERROR_FILE)
    if path is not None:
        told = {"what": error.what, "mend": error.mend, "where": error.where}
        temporary = Path(f"{path}.tmp")
        temporary.write_text(json.dumps(told, default=str), encoding="utf-8")
        temporary.replace(path)


def read_error(path: Path, log: Path) -> TrainingError | None:
    """The error that a training left, with the path of its log; None when it left none."""
    if not path.is_file():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    return TrainingError(told["what"], mend=told["mend"], **{**told["where"], "log": str(log)})
