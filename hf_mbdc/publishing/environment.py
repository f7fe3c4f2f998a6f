"""What a revision was made with."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

PACKAGES = ("hf-mbdc", "datasets", "transformers", "torch", "accelerate", "pyarrow", "numpy", "rapidfuzz")
EXTRAS = ("trl", "peft")  # where they are installed
CODE = "hf-mbdc code"  # beside the packages, in an environment


def environment() -> dict[str, str]:
    """Python, the kind of machine, the versions of the packages that decide results, and a hash of our own code."""
    import importlib.metadata
    import importlib.util
    import platform

    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    extras = [name for name in EXTRAS if importlib.util.find_spec(name) is not None]
    versions |= {name: importlib.metadata.version(name) for name in extras}
    machine = f"{platform.system()} {platform.machine()}"
    return {"python": platform.python_version(), "machine": machine, **versions, CODE: _code_hash()}


@functools.cache
def _code_hash() -> str:
    """Of all modules of the package: between two releases the version says nothing of what was changed."""
    import hf_mbdc

    folder = Path(hf_mbdc.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes().replace(b"\r\n", b"\n"))
    return digest.hexdigest()[:12]
