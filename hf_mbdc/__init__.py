"""hf_mbdc: model-based data-centric AI on Hugging Face `datasets`.

Public names are imported when they are first used, so that `import hf_mbdc` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "ExtractiveQA": "hf_mbdc.approaches.extractive_qa",
    "FolderRepository": "hf_mbdc.revisions.folder",
    "HubRepository": "hf_mbdc.revisions.hub",
    "Iteration": "hf_mbdc.records",
    "MbdcError": "hf_mbdc.errors",
    "annotate": "hf_mbdc.approaches",
    "compare": "hf_mbdc.guidance.compare",
    "diff": "hf_mbdc.revisions.diff",
    "load": "hf_mbdc.revisions.publish",
    "load_dataset": "hf_mbdc.loaders",
    "log": "hf_mbdc.revisions.publish",
    "publish": "hf_mbdc.revisions.publish",
    "run": "hf_mbdc.iteration",
    "show": "hf_mbdc.revisions.publish",
}
__all__ = ["__version__", *_HOME]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'hf_mbdc' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


if TYPE_CHECKING:
    from hf_mbdc.approaches import annotate
    from hf_mbdc.approaches.extractive_qa import ExtractiveQA
    from hf_mbdc.errors import MbdcError
    from hf_mbdc.guidance.compare import compare
    from hf_mbdc.iteration import run
    from hf_mbdc.loaders import load_dataset
    from hf_mbdc.records import Iteration
    from hf_mbdc.revisions.diff import diff
    from hf_mbdc.revisions.folder import FolderRepository
    from hf_mbdc.revisions.hub import HubRepository
    from hf_mbdc.revisions.publish import load, log, publish, show
