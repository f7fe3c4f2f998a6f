"""Trains the target with and without each source of its rows, and tells what each source brings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError
from hf_mbdc.guidance.attribution import METHODS, Attribution, Method, Subset, attribute, subsets_needed
from hf_mbdc.records import Cost

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from hf_mbdc.approaches import TargetApproach
    from hf_mbdc.recipe import EvaluationRecipe
    from hf_mbdc.training.config import Settings
    from hf_mbdc.training.launch import TrainingJob

ITERATION, PARENT_ID = "mbdc_iteration", "mbdc_parent_id"


@dataclass(frozen=True)
class SourceReport:
    """What each source of the training rows brings.

    Args:
        attribution: the effects; `str()` of it is a table, `why(source)` a line about one.
        metric: what was scored.
        rows: source → rows of it.
        steps: of every training, however many rows it had.
        cost: of all trainings, also of those that were done at an earlier call.
    """

    attribution: Attribution
    metric: str
    rows: dict[str, int]
    steps: int
    cost: Cost

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON knows it."""
        rest = {name: value for name, value in dataclasses.asdict(self).items() if name != "attribution"}
        return {**rest, "effects": self.attribution.to_rows()}


def attribute_rows(
    rows: Dataset,
    evaluation: Dataset,
    approach: TargetApproach,
    *,
    training: Settings,
    plan: EvaluationRecipe,
    work_dir: str | Path,
    by: str = "mbdc_source",
    earlier: Mapping[str | None, Dataset] | None = None,
    metric: str | None = None,
    methods: Sequence[Method] | None = None,
    max_parallel: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> SourceReport:
    """Trains on the unions of sources that the methods ask for, and compares the scores.

    Every training takes the same steps, those that all rows together would take, from the same weights. So a source is
    not praised for longer training: without it, the other rows are read more often (the control of equal tokens).

    Args:
        rows: an annotated train split. A row whose column `by` is null belongs to the base, which is always there.
        evaluation: rows that no step has touched.
        approach: scores the predictions.
        training: settings of the target; `max_steps`, or the epochs over all rows, is the budget.
        plan: seeds, `cluster_by`, `slice_by`, `confidence` and `minimum_effect`.
        work_dir: of the trainings; what is there already is not trained again.
        by: the column of the sources; `mbdc_source` names steps, `mbdc_iteration` versions.
        earlier: see `rows_of`: what rows that a source changed are put back to when it is left out.
        metric: one of the approach, by default its own; or `answer_probability`, see `score_predictions`.
        methods: see `hf_mbdc.guidance.attribution`; default both, or `leave_one_out` where that says the same (one
            source) or where no row is left without sources.
        max_parallel: trainings side by side; default one a GPU, or one a core.
        on_progress: called with the share of the work done.

    Raises:
        DataError: no row has a source, a column is missing, or a training would have no rows.
        RecipeError: there is no such metric or method.
        TrainingError: see `launch`.
    """
    from hf_mbdc.experiments.scores import check_metric, score_predictions
    from hf_mbdc.training.budget import with_steps_of
    from hf_mbdc.training.launch import launch

    name = metric or approach.metric
    check_metric(evaluation, approach, name)
    given = [None if source is None else str(source) for source in _column(rows, by, "train")]
    sources = sorted({source for source in given if source is not None})
    if not sources:
        raise DataError("No row names a source", column=by, mend="Name the column that says where rows came from.")
    clusters = _column(evaluation, plan.cluster_by, plan.split)
    slices = _column(evaluation, plan.slice_by, plan.split) if plan.slice_by else None
    if methods is None:
        alone = len(sources) == 1 or not len(rows_of(rows, frozenset(), by, earlier, task=training.task))
        methods = METHODS[1:] if alone else METHODS
    jobs = _jobs(
        rows, evaluation, subsets_needed(sources, methods), by, earlier, with_steps_of(training, len(rows)), plan
    )
    results = launch(list(jobs.values()), work_dir=work_dir, max_parallel=max_parallel, on_progress=on_progress)
    scored: dict[Subset, list[np.ndarray]] = {}
    for (subset, _), result in zip(jobs, results, strict=True):
        scored.setdefault(subset, []).append(
            score_predictions(result.predictions[plan.split], evaluation, approach, name)
        )
    found = attribute(
        scored,
        clusters,
        methods=methods,
        slices=slices,
        confidence=plan.confidence,
        minimum_effect=plan.minimum_effect,
    )
    sizes = {source: given.count(source) for source in sources}
    return SourceReport(found, name, sizes, results[0].metrics["steps"], sum((r.cost for r in results), Cost()))


def _jobs(
    rows: Dataset,
    evaluation: Dataset,
    subsets: Sequence[Subset],
    by: str,
    earlier: Mapping[str | None, Dataset] | None,
    budget: Settings,
    plan: EvaluationRecipe,
) -> dict[tuple[Subset, int], TrainingJob]:
    """A training for each subset and seed, those of one subset behind each other."""
    from hf_mbdc.training.launch import TrainingJob

    jobs = {}
    for subset in subsets:
        union = rows_of(rows, subset, by, earlier, task=budget.task)
        if not len(union):
            raise DataError(
                "Without its sources the train split is empty, so that nothing can be trained",
                sources=sorted(subset),
                mend="Keep some rows without a source as the base, or take the method leave_one_out alone.",
            )
        for seed in plan.seeds:
            jobs[subset, seed] = TrainingJob(union, {plan.split: evaluation}, dataclasses.replace(budget, seed=seed))
    return jobs


def rows_of(
    rows: Dataset,
    subset: Subset,
    by: str = "mbdc_source",
    earlier: Mapping[str | None, Dataset] | None = None,
    *,
    task: str = "extractive_qa",
) -> Dataset:
    """The rows of the base and of some sources, with the columns that training reads.

    A row of a source that is left out goes, if the source added it. If it changed another row, that one comes back as
    it was before, which may be the work of a still earlier iteration, and so on.

    Args:
        rows: with `id` and `by`; with `mbdc_parent_id` and `mbdc_iteration` where something can come back.
        subset: the sources that stay.
        by: the column of the sources.
        earlier: `mbdc_iteration` (None: not published yet) → the train split before it, the newest first. Without one,
            nothing comes back.
        task: kind of target, a name in `hf_mbdc.training.tasks.TASKS`: says which columns a training reads.

    Example:
        >>> from datasets import Dataset
        >>> columns = {"question": "", "context": "", "words": [], "boxes": [], "answer_start": -1, "answer_end": -1}
        >>> sources = {"1": None, "2": "rephrase", "3": "tail"}
        >>> rows = Dataset.from_list(
        ...     [{"id": key, "answers": [], "mbdc_source": source, **columns} for key, source in sources.items()]
        ... )
        >>> rows_of(rows, frozenset(["tail"]))["id"][:]
        ['1', '3']
    """
    import pyarrow as pa
    from datasets import Dataset, DatasetInfo, Features

    from hf_mbdc.training.tasks import TASKS

    columns = TASKS[task].columns_read(rows, "train", labels=True)
    current = _table(rows, columns, by)
    for iteration, former in (earlier or {}).items():
        undone = ~_stays(current, subset, by) & np.array([v == iteration for v in _values(current, ITERATION)], bool)
        kept = current.filter(~undone)
        wanted = set(_values(current.filter(undone), PARENT_ID)) - set(_values(kept, "id"))
        before = _table(former, columns, by)
        back = before.filter(np.array([key in wanted for key in _values(before, "id")], bool))
        current = pa.concat_tables([kept, back], promote_options="default")  # a column of nulls alone has no type
    features = Features({name: rows.features[name] for name in columns})  # else an image would be but its bytes
    kept = current.filter(_stays(current, subset, by)).select(columns).replace_schema_metadata(None)
    return Dataset(kept.cast(features.arrow_schema), info=DatasetInfo(features=features))


def _stays(table: pa.Table, subset: Subset, by: str) -> np.ndarray:
    return np.array([source is None or source in subset for source in _values(table, by)], bool)


def _values(table: pa.Table, name: str) -> list[str | None]:
    return [None if value is None else str(value) for value in table[name].to_pylist()]


def _table(rows: Dataset, columns: Sequence[str], by: str) -> pa.Table:
    """The columns that training reads, and those that say where a row came from: null where they are missing."""
    from hf_mbdc.transforms.rows import add_provenance_columns

    kept = [name for name in dict.fromkeys((*columns, by, ITERATION, PARENT_ID)) if name in rows.column_names]
    table: pa.Table = add_provenance_columns(rows.select_columns(kept)).with_format("arrow")[:]
    return table.select(list(dict.fromkeys((*columns, by, ITERATION, PARENT_ID))))


def _column(rows: Dataset, name: str, split: str) -> list[Any]:
    if name not in rows.column_names:
        mend = f"It has: {', '.join(rows.column_names)}."
        raise DataError("The split has no such column", split=split, column=name, mend=mend)
    return list(rows[name][:])
