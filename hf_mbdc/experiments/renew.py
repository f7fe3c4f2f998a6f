"""`renew`: what the models that decisions were made with score on rows that no decision has seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.experiments.revision import Revision, check_split, read_revision
from hf_mbdc.guidance.compare import Comparison, compare
from hf_mbdc.guidance.renewal import Renewal, renewal

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.measurement import Measurement
    from hf_mbdc.revisions.repositories.repository import Repository


@dataclass(frozen=True)
class RenewalReport:
    """The same trained models on the old and on the new rows.

    `score`: of the revision. `gain` and `fresh`: of the revision over its parent, on the old rows against the new ones,
    and on the new ones alone; None for a revision that was never compared with a parent.
    """

    repo_id: str
    version: str
    metric: str
    old_split: str
    new_split: str
    score: Renewal
    gain: Renewal | None = None
    fresh: Comparison | None = None

    def __str__(self) -> str:
        lines = [
            f"{self.metric} of {self.repo_id} {self.version}, {self.old_split} against {self.new_split}",
            str(self.score),
        ]
        if self.gain is not None and self.fresh is not None:
            low, high = self.gain.interval
            lines += [
                f"Its gain over its parent is {self.gain.old:+.3f} on {self.old_split} and {self.gain.new:+.3f} on "
                f"{self.new_split}: {self.gain.difference:+.3f}, {100 * self.gain.confidence:g}% interval {low:+.3f} "
                f"to {high:+.3f}.",
                f"On {self.new_split}, which decided nothing, the verdict would be {self.fresh}",
            ]
        return "\n".join(lines)


def renew(
    repo_id: str,
    split: str,
    revision: str = "main",
    *,
    repository: str | Path | Repository | None = None,
    work_dir: str | Path | None = None,
    max_parallel: int | None = None,
    progress: bool = True,
) -> RenewalReport:
    """Scores a revision's trained models on another split, beside the one that decisions were made on.

    For the final test split, once, when the work is done; and for a new test split, before it takes the old one's place
    (name it as `evaluation.split` then, and a new series begins). The models are those of the run where `work_dir`
    still has them; else they are trained again.

    Args:
        repo_id: `namespace/name`.
        split: of the revision's dataset: the final split of its recipe, or any that no decision has used.
        revision: a version, branch or commit.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.
        work_dir: folder of the trainings; default `mbdc` under HF_HOME, as for `run`.
        max_parallel: trainings side by side; default one a GPU, or one a core.
        progress: whether bars are shown on standard error.

    Raises:
        RevisionNotFoundError: there is no such revision.
        DataError: the split has no rows, lacks a column, trains, or is the one that decides.

    Example:
        >>> print(renew("me/receipts", "validation", "v2.0.0", repository="./repo"))  # doctest: +SKIP
    """
    from hf_mbdc.measurement import check_labels
    from hf_mbdc.progress import stage, without_bars_of_datasets

    with without_bars_of_datasets():
        found = read_revision(repo_id, revision, repository=repository)
        rows = _check_split(found, split)
        for name in (found.plan.split, split):
            check_labels(found.dataset, dataclasses.replace(found.plan, split=name, slice_by=None, final=None))
        parent = _parent_of(found, repository)
        measured = []
        for one in [found, *([parent] if parent else [])]:
            title = f"Training or finding the targets of {one.record.version} (seeds: {len(one.plan.seeds)})"
            with stage(title, show=progress) as update:
                old = one.measure(work_dir=work_dir, max_parallel=max_parallel, on_progress=update)
            with stage(f"Scoring {split} with them", show=progress) as update:
                measured.append((old, _score(one, old, rows, max_parallel, update)))
    return _report(found, split, measured)


def _report(found: Revision, split: str, measured: list[tuple[Measurement, np.ndarray]]) -> RenewalReport:
    metric, old_split = found.approach.metric, found.plan.split
    labels = (found.labels(old_split), found.labels(split))
    confidence = found.plan.confidence
    (old, new), *rest = [(one.scores[metric], scores) for one, scores in measured]
    gain = fresh = None
    if rest:
        ((old_parent, new_parent),) = rest
        gain = renewal(old - old_parent, new - new_parent, *labels, confidence=confidence)
        fresh = compare(new_parent, new, labels[1], confidence=confidence, minimum_effect=found.plan.minimum_effect)
    score = renewal(old, new, *labels, confidence=confidence)
    return RenewalReport(found.record.repo_id, found.record.version, metric, old_split, split, score, gain, fresh)


def _score(
    found: Revision, old: Measurement, rows: Dataset, max_parallel: int | None, update: Callable[[float], None]
) -> np.ndarray:
    """(seeds, rows) scores of the trained models on other rows."""
    from hf_mbdc.measurement import score_tables
    from hf_mbdc.training.scoring import ScoringJob, score

    jobs = [ScoringJob(training.model_path, rows, found.training.task) for training in old.trainings]
    work_dir = old.trainings[0].model_path.parent
    scored = score(jobs, work_dir=work_dir, max_parallel=max_parallel, on_progress=update)
    return score_tables([one.predictions for one in scored], rows, found.approach)[found.approach.metric]


def _parent_of(found: Revision, repository: str | Path | Repository | None) -> Revision | None:
    """The parent, trained as it was when the revision was weighed against it."""
    record = found.record
    if record.evidence is None or record.parent is None:
        return None
    parent = read_revision(record.repo_id, record.parent.sha, repository=repository)
    return dataclasses.replace(parent, training=found.training, plan=found.plan, approach=found.approach)


def _check_split(found: Revision, split: str) -> Dataset:
    rows = check_split(found.dataset, split, ("id", found.approach.reference, found.plan.cluster_by))
    if split in ("train", found.plan.split):
        work = "trains the target" if split == "train" else "is the one that decisions were made on"
        others = [name for name in found.dataset if name not in ("train", found.plan.split)]
        mend = f"Name one of: {', '.join(others)}." if others else "Publish the new rows as a split of their own first."
        raise DataError(f"This split {work}", split=split, mend=mend)
    return rows
