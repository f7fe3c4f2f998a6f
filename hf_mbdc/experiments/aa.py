"""The A/A run: the same data against itself, trained with other seeds. Any difference that a gate finds is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.guidance.compare import Comparison, compare

if TYPE_CHECKING:
    from hf_mbdc.revisions.repositories.repository import Repository


@dataclass(frozen=True)
class AARun:
    """What an A/A run found: `comparison` is of the same rows, trained with `seeds` and with `others`."""

    comparison: Comparison
    metric: str
    split: str
    seeds: tuple[int, ...]
    others: tuple[int, ...]

    @property
    def passed(self) -> bool:
        """Whether the gate found no difference, as there is none."""
        return self.comparison.verdict == "inconclusive"

    def __str__(self) -> str:
        pairs = f"{self.metric} on {self.split}, seeds {list(self.seeds)} against {list(self.others)}, the same data"
        if self.passed:
            told = "As it must be, no difference is found."
        elif len(self.seeds) == 1:
            told = (
                "A difference is found where there is none: with one seed each, what seeds do is not told from what "
                "data do. Such a set-up takes luck for gain; give evaluation.seeds two or more."
            )
        else:
            chance = 1 - self.comparison.confidence
            told = (
                f"A difference is found where there is none. By chance this happens in {chance:.0%} of such runs. If "
                "it happens again with further seeds, rows of one cluster_by depend on each other, or trainings differ "
                "in more than their seed."
            )
        return f"{pairs}\n{self.comparison}\n{told}"


def aa(
    repo_id: str,
    revision: str = "main",
    *,
    repository: str | Path | Repository | None = None,
    work_dir: str | Path | None = None,
    max_parallel: int | None = None,
    progress: bool = True,
) -> AARun:
    """Trains the target on one revision with as many other seeds, and compares it with itself.

    The pairs of seeds mean nothing here, as in every comparison the chance of a false verdict is what the confidence
    leaves. With one seed it is larger, as nothing shows what seeds do. One run is a check of the set-up, not a
    measurement of that chance: `scripts/eval_guidance.py` measures it.

    Args:
        repo_id: `namespace/name`.
        revision: a version, branch or commit.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.
        work_dir: folder of the trainings; default `mbdc` under HF_HOME, as for `run`, whose trainings are used.
        max_parallel: trainings side by side; default one a GPU, or one a core.
        progress: whether a bar is shown on standard error.

    Raises:
        RevisionNotFoundError: there is no such revision.
        DataError: its rows cannot be trained on or scored.

    Example:
        >>> aa("me/quickstart", "v1.0.0", repository="./repo").passed  # doctest: +SKIP
        True
    """
    from hf_mbdc.experiments.revision import read_revision
    from hf_mbdc.guidance.controls import other_seeds
    from hf_mbdc.measurement import check_labels
    from hf_mbdc.progress import stage, without_bars_of_datasets

    with without_bars_of_datasets():
        found = read_revision(repo_id, revision, repository=repository)
        check_labels(found.dataset, found.plan)
        seeds, others = found.plan.seeds, tuple(other_seeds(found.plan.seeds))
        with stage(f"Training the target on {found.record.version} (seeds: 2 × {len(seeds)})", show=progress) as update:
            both = found.measure(
                work_dir=work_dir, seeds=(*seeds, *others), max_parallel=max_parallel, on_progress=update
            )
    metric, split = found.approach.metric, found.plan.split
    scores = both.scores[metric]
    slices = found.dataset[split][found.plan.slice_by][:] if found.plan.slice_by else None
    comparison = compare(
        scores[: len(seeds)],
        scores[len(seeds) :],
        clusters=found.labels(split),
        slices=slices,
        confidence=found.plan.confidence,
    )
    return AARun(comparison, metric, split, seeds, others)
