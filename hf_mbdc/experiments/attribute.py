"""`attribute`: what is each step, version or other source of a revision's training rows worth to the target?"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.experiments.attribution import ITERATION, SourceReport, attribute_rows
from hf_mbdc.experiments.revision import read_revision

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.guidance.attribution import Method
    from hf_mbdc.records import Iteration
    from hf_mbdc.revisions.repositories.repository import Repository


def attribute(
    repo_id: str,
    revision: str = "main",
    *,
    by: str = "mbdc_source",
    metric: str | None = None,
    methods: Sequence[Method] | None = None,
    repository: str | Path | Repository | None = None,
    epochs: int | None = None,
    work_dir: str | Path | None = None,
    max_parallel: int | None = None,
    progress: bool = True,
) -> SourceReport:
    """Trains the target on a revision with and without each source of its rows, as the run that published it did.

    Where a step changed rows of an earlier version, "without it" means these rows as they were. Trainings take time:
    (2n + 2) × seeds for n sources, one pair × seeds for a single source. They are kept in `work_dir`.

    Args:
        repo_id: `namespace/name`.
        revision: a version, branch or commit.
        by: the column that names the sources: `mbdc_source` for steps, `mbdc_iteration` for versions, or any other.
        metric: one of the approach, by default its own; `answer_probability` tells more from few documents.
        methods: `add_one_in`, `leave_one_out`; default both where they differ.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.
        epochs: of the training, in place of the recipe's.
        work_dir: folder of the trainings; default `mbdc` under HF_HOME, as for `run`.
        max_parallel: trainings side by side; default one a GPU, or one a core.
        progress: whether a bar is shown on standard error.

    Raises:
        RevisionNotFoundError: there is no such revision.
        DataError: no row names a source, or the rows cannot be trained on or scored.
        RecipeError: there is no such metric or method.

    Example:
        >>> print(attribute("me/receipts", repository="./repo").attribution)  # doctest: +SKIP
        method         source              rows of  without  with  difference (interval)
        leave_one_out  relabel_occurrences all rows   0.810 0.861  +0.051 (+0.024 to +0.079)  accept
    """
    from huggingface_hub.constants import HF_HOME

    from hf_mbdc.measurement import check_labels
    from hf_mbdc.progress import stage, without_bars_of_datasets

    with without_bars_of_datasets():
        asked = read_revision(repo_id, revision, repository=repository)
        check_labels(asked.dataset, asked.plan)
        training = dataclasses.replace(asked.training, **asked.approach.target_settings())
        if epochs is not None:
            training = dataclasses.replace(training, epochs=epochs, max_steps=0)
        rows = asked.dataset["train"]
        earlier = earlier_versions(asked.record, rows, repository)
        title = f"Training the target with and without each source of {repo_id} {asked.record.version}"
        with stage(title, show=progress) as update:
            return attribute_rows(
                rows,
                asked.dataset[asked.plan.split],
                asked.approach,
                training=training,
                plan=asked.plan,
                work_dir=work_dir if work_dir is not None else Path(HF_HOME) / "mbdc",
                by=by,
                earlier=earlier,
                metric=metric,
                methods=methods,
                max_parallel=max_parallel,
                on_progress=update,
            )


def earlier_versions(
    record: Iteration, rows: Dataset, repository: str | Path | Repository | None
) -> dict[str | None, Dataset]:
    """Each version that made rows of `rows`, or of what those were made from → the train split before it.

    The newest first. Versions that did not change a row are passed over, and nothing is loaded for them.
    """
    from hf_mbdc.publishing.history import load, show

    found: dict[str | None, Dataset] = {}
    wanted = _iterations(rows)
    while record.parent is not None and wanted:
        if record.version in wanted:
            before = load(record.repo_id, record.parent.sha, repository=repository)["train"]
            found[record.version] = before
            wanted = (wanted | _iterations(before)) - {record.version}
        record = show(record.repo_id, record.parent.sha, repository=repository)
    return found


def _iterations(rows: Dataset) -> set[str]:
    named = rows[ITERATION][:] if ITERATION in rows.column_names else []
    return {version for version in named if version is not None}
