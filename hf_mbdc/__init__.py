"""hf_mbdc: model-based data-centric AI on Hugging Face `datasets`.

Public names are imported when they are first used, so that `import hf_mbdc` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hf_mbdc.approaches import annotate, annotate_with_rejected, fit
    from hf_mbdc.approaches.extractive_qa import ExtractiveQA
    from hf_mbdc.approaches.text_generation import TextGeneration
    from hf_mbdc.approaches.text_recognition import TextRecognition
    from hf_mbdc.errors import MbdcError
    from hf_mbdc.experiments.attribute import attribute
    from hf_mbdc.experiments.diagnose import diagnose
    from hf_mbdc.generation import (
        EndpointGenerator,
        LocalGenerator,
        Request,
        Sampling,
        VllmGenerator,
        generate,
        rate,
        samples,
    )
    from hf_mbdc.guidance.compare import compare
    from hf_mbdc.iteration import run
    from hf_mbdc.loaders import load_dataset, load_with_rejected
    from hf_mbdc.publishing.compaction import compact
    from hf_mbdc.publishing.history import load, log, show
    from hf_mbdc.publishing.ledger import ledger
    from hf_mbdc.publishing.lineage import blame
    from hf_mbdc.publishing.publication import publish
    from hf_mbdc.publishing.reporting import report
    from hf_mbdc.publishing.restoration import rollback
    from hf_mbdc.publishing.verification import verify
    from hf_mbdc.records import Iteration
    from hf_mbdc.rendering.augmenting import Augmentation
    from hf_mbdc.reproduction import replay
    from hf_mbdc.review.decisions import apply_decisions, read_decisions
    from hf_mbdc.review.page import inspect
    from hf_mbdc.revisions.diff.diff import diff
    from hf_mbdc.revisions.repositories.folder import FolderRepository
    from hf_mbdc.revisions.repositories.hub import HubRepository
    from hf_mbdc.synthesis.filters.made_rows import filter_rows
    from hf_mbdc.synthesis.filters.options import FilterOptions
    from hf_mbdc.synthesis.preferences.importers import from_distilabel, from_ultrafeedback
    from hf_mbdc.synthesis.preferences.pairs import PairOptions, build_pairs
    from hf_mbdc.synthesis.rendering import RenderOptions, render, render_with_rejected
    from hf_mbdc.verifiers import ExactAnswer, score_completions
    from hf_mbdc.writers.answer_struct import with_answer_struct
    from hf_mbdc.writers.squad import write_squad

__version__ = "0.1.0"

__all__ = [
    "Augmentation",
    "EndpointGenerator",
    "ExactAnswer",
    "ExtractiveQA",
    "FilterOptions",
    "FolderRepository",
    "HubRepository",
    "Iteration",
    "LocalGenerator",
    "MbdcError",
    "PairOptions",
    "RenderOptions",
    "Request",
    "Sampling",
    "TextGeneration",
    "TextRecognition",
    "VllmGenerator",
    "annotate",
    "annotate_with_rejected",
    "apply_decisions",
    "attribute",
    "blame",
    "build_pairs",
    "compact",
    "compare",
    "diagnose",
    "diff",
    "filter_rows",
    "fit",
    "from_distilabel",
    "from_ultrafeedback",
    "generate",
    "inspect",
    "ledger",
    "load",
    "load_dataset",
    "load_with_rejected",
    "log",
    "publish",
    "rate",
    "read_decisions",
    "render",
    "render_with_rejected",
    "replay",
    "report",
    "rollback",
    "run",
    "samples",
    "score_completions",
    "show",
    "verify",
    "with_answer_struct",
    "write_squad",
]

_MODULE_OF = {
    "Augmentation": "rendering.augmenting",
    "EndpointGenerator": "generation.endpoint",
    "ExactAnswer": "verifiers",
    "ExtractiveQA": "approaches.extractive_qa",
    "FilterOptions": "synthesis.filters.options",
    "FolderRepository": "revisions.repositories.folder",
    "HubRepository": "revisions.repositories.hub",
    "Iteration": "records",
    "LocalGenerator": "generation.local",
    "MbdcError": "errors",
    "PairOptions": "synthesis.preferences.pairs",
    "RenderOptions": "synthesis.rendering",
    "Request": "generation.completions",
    "Sampling": "generation.completions",
    "TextGeneration": "approaches.text_generation",
    "TextRecognition": "approaches.text_recognition",
    "VllmGenerator": "generation.vllm",
    "annotate": "approaches",
    "annotate_with_rejected": "approaches",
    "apply_decisions": "review.decisions",
    "attribute": "experiments.attribute",
    "blame": "publishing.lineage",
    "build_pairs": "synthesis.preferences.pairs",
    "compact": "publishing.compaction",
    "compare": "guidance.compare",
    "diagnose": "experiments.diagnose",
    "diff": "revisions.diff.diff",
    "filter_rows": "synthesis.filters.made_rows",
    "fit": "approaches",
    "from_distilabel": "synthesis.preferences.importers",
    "from_ultrafeedback": "synthesis.preferences.importers",
    "generate": "generation.generate",
    "inspect": "review.page",
    "ledger": "publishing.ledger",
    "load": "publishing.history",
    "load_dataset": "loaders",
    "load_with_rejected": "loaders",
    "log": "publishing.history",
    "publish": "publishing.publication",
    "rate": "generation.rate",
    "read_decisions": "review.decisions",
    "render": "synthesis.rendering",
    "render_with_rejected": "synthesis.rendering",
    "replay": "reproduction",
    "report": "publishing.reporting",
    "rollback": "publishing.restoration",
    "run": "iteration",
    "samples": "generation.completions",
    "score_completions": "verifiers",
    "show": "publishing.history",
    "verify": "publishing.verification",
    "with_answer_struct": "writers.answer_struct",
    "write_squad": "writers.squad",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'hf_mbdc' has no attribute {name!r}")
    return getattr(importlib.import_module(f"hf_mbdc.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
