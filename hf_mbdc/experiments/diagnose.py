"""`diagnose`: where does the target fail, on how many rows, which step would help, and what would that cost?

One training says it: its predictions of the evaluation split tell where the target fails, and its dynamics what it
found hard in the training rows. The trainings of a run are taken where they are, so that a diagnosis is cheap then.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mbdc.errors import DataError, RecipeError
from hf_mbdc.experiments.diagnosis import Diagnosis, examine
from hf_mbdc.experiments.learned import read_learned
from hf_mbdc.experiments.revision import Revision, check_split, read_revision
from hf_mbdc.records import Cost, Iteration

if TYPE_CHECKING:
    from datasets import DatasetDict

    from hf_mbdc.approaches import TargetApproach
    from hf_mbdc.recipe import EvaluationRecipe
    from hf_mbdc.revisions.repositories.repository import Repository
    from hf_mbdc.training.config import Settings
    from hf_mbdc.training.tasks import Task


def diagnose(
    repo_id: str,
    revision: str = "main",
    output: str | Path = "diagnose.html",
    *,
    repository: str | Path | Repository | None = None,
    publish_columns: bool = False,
    epochs: int | None = None,
    work_dir: str | Path | None = None,
    max_parallel: int | None = None,
    progress: bool = True,
) -> Diagnosis:
    """Says where the target that is trained on a revision fails, and writes it as one page.

    The target is trained as the run that published the revision did; where its trainings are still in `work_dir`,
    nothing is trained. A revision that no recipe made is diagnosed with the default target on `test` or `validation`.

    Args:
        repo_id: `namespace/name`.
        revision: a version, branch or commit.
        output: the page to write, which runs no script and needs no network; an earlier one is replaced.
        repository: a folder, or None for the Hub of HF_ENDPOINT and HF_TOKEN.
        publish_columns: also publish the rows with what was found of each (`dynamics_…`, `curriculum_stage`) as the
            next version; the revision must be the head then.
        epochs: of the training, in place of the recipe's.
        work_dir: folder of the trainings; default `mbdc` under HF_HOME, as for `run`.
        max_parallel: trainings side by side; default one a GPU, or one a core.
        progress: whether a bar is shown on standard error.

    Raises:
        RevisionNotFoundError: there is no such revision.
        DataError: its rows cannot be trained on or scored, or the page cannot be written.
        RecipeError: columns are to be published, and the target's training keeps no dynamics.

    Example:
        >>> diagnose("me/receipts", repository="./repo").advice[0].title  # doctest: +SKIP
        'Let the target choose among occurrences'
    """
    from huggingface_hub.constants import HF_HOME

    from hf_mbdc.experiments.diagnosis_page import render_diagnosis
    from hf_mbdc.progress import stage, without_bars_of_datasets
    from hf_mbdc.publishing.history import log
    from hf_mbdc.publishing.parentage import parent_of
    from hf_mbdc.revisions.repositories.repository import open_repository

    path = check_output(output)
    with without_bars_of_datasets():
        opened = open_repository(repository)
        if publish_columns:
            parent_of(repo_id, opened, revision)  # a revision that is not the head is told before any work
        asked = read_revision(repo_id, revision, repository=opened)
        if publish_columns and not look_up_task(asked.training).dynamics:
            mend = "Leave --publish-columns out: the page tells where the target fails all the same."
            raise RecipeError("The training of this target keeps no dynamics", approach=asked.approach.name, mend=mend)
        training = asked.training
        if epochs is not None:
            training = dataclasses.replace(training, epochs=epochs, max_steps=0)
        record, history = asked.record, log(repo_id, repository=opened)
        title = f"Diagnosing the target on {repo_id} {record.version} (seeds: {len(asked.plan.seeds)})"
        with stage(title, show=progress) as update:
            found = diagnose_rows(
                asked.dataset,
                asked.approach,
                training=training,
                plan=asked.plan,
                work_dir=work_dir if work_dir is not None else Path(HF_HOME) / "mbdc",
                revision=f"{repo_id}@{record.version}",
                sensitive=sorted({column for item in history for column in item.sensitive}),
                earlier=costs_of_steps(reversed(history)),
                max_parallel=max_parallel,
                on_progress=update,
            )
    path.write_text(render_diagnosis(found, repo_id, record), encoding="utf-8")
    return found if not publish_columns else _publish_columns(found, asked, opened)


def _publish_columns(found: Diagnosis, asked: Revision, repository: Repository) -> Diagnosis:
    from hf_mbdc.experiments.hard_examples import with_dynamics
    from hf_mbdc.publishing.publication import publish

    assert found.learned is not None, "checked before any work"
    record = publish(
        with_dynamics(asked.dataset, found.learned),
        asked.record.repo_id,
        message=f"What the target found hard in the training rows of {asked.record.version}, as columns",
        repository=repository,
        parent=asked.record.sha,
    )
    return dataclasses.replace(found, published=record.version)


def diagnose_rows(
    dataset: DatasetDict,
    approach: TargetApproach,
    *,
    training: Settings,
    plan: EvaluationRecipe,
    work_dir: str | Path,
    revision: str | None = None,
    sensitive: Sequence[str] = (),
    earlier: Mapping[str, Cost] | None = None,
    max_parallel: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Diagnosis:
    """The same for rows at hand: trains the target on them (or takes that training from `work_dir`).

    Args:
        dataset: annotated rows: `train`, and the split that `plan` names.
        approach: of the rows, with what it has learned.
        training: settings of the target; the seeds come from `plan`.
        plan: evaluation split, seeds, `cluster_by`, `slice_by` (also the class of imbalance) and confidence.
        work_dir: folder of the trainings.
        revision: `namespace/name@version` of the rows: the same as in the run whose trainings shall be found.
        sensitive: columns whose values are neither shown nor used to name slices.
        earlier: what steps cost when they ran last, by name.
        max_parallel: trainings side by side; default one a GPU, or one a core.
        on_progress: called with the fraction that is done, 0 to 1.

    Raises:
        DataError: a split or a column is missing, or has no rows.
    """
    from hf_mbdc.measurement import measure
    from hf_mbdc.training.dynamics import FILE

    columns = ("id", approach.reference, plan.cluster_by, plan.slice_by)
    rows, evaluation = (check_split(dataset, name, columns) for name in ("train", plan.split))
    (measured,) = measure(
        [rows],
        evaluation,
        approach,
        training=training,
        plan=plan,
        work_dir=Path(work_dir),
        revisions=[revision],
        max_parallel=max_parallel,
        on_progress=on_progress,
    )
    kept = [one.model_path / FILE for one in measured.trainings]
    return examine(
        rows,
        evaluation,
        approach,
        measured.scores[approach.metric],
        [one.predictions[plan.split] for one in measured.trainings],
        read_learned(rows["id"][:], kept) if look_up_task(training).dynamics else None,
        plan,
        cost=measured.cost,
        cached=all(one.cached for one in measured.trainings),
        sensitive=frozenset(sensitive),
        earlier=earlier,
    )


def look_up_task(training: Settings) -> Task:
    """The kind of target that settings are of."""
    from hf_mbdc.training.tasks import TASKS

    return TASKS[training.task]


def costs_of_steps(oldest_first: Iterable[Iteration]) -> dict[str, Cost]:
    """What each step cost when it ran last, by its name."""
    return {step.name: step.cost for item in oldest_first for step in item.steps}


def check_output(output: str | Path) -> Path:
    """The path of the page, before any work: it must be a file in a folder that exists.

    Raises:
        DataError: it is not.
    """
    path = Path(output)
    if path.is_dir() or not path.absolute().parent.is_dir():
        mend = "Name a file in a folder that exists and can be written to."
        raise DataError("The page cannot be written", path=str(path), mend=mend)
    return path
