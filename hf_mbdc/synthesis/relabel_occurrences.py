"""Choose among the occurrences of an answer with the target model's own scores, out of fold.

An answer such as `9.00` may stand in a document several times, and its offsets say which one the target learns to
read. The target is trained over *all* occurrences of the answers of other documents (marginal likelihood, or hard-EM:
Min et al. 2019, https://arxiv.org/abs/1909.04849), scores the occurrences of the documents that were held out, and the
most likely one becomes the label, if it matches the answer as well as any. Further rounds train on the labels of the
round before, until no label changes.

Where this deviates from the paper: there the model is trained on its choice and is the end product, for which hard-EM
is best; here it labels only documents that it was not trained on (K-fold over documents), and the labels are the
product, published for any model. On receipts both objectives give labels that teach equally well
(`scripts/eval_receipts.py`); marginal likelihood, which has no schedule, is the default.

An iteration that changes few rows need not train again: see `hf_mbdc.synthesis.reuse`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError, RecipeError, TrainingError
from hf_mbdc.records import Cost, StepRecord
from hf_mbdc.synthesis.out_of_fold import HELD_OUT, FoldModels
from hf_mbdc.synthesis.reuse import Earlier, assign_folds, documents, plan_reuse
from hf_mbdc.synthesis.step import Step, StepContext, StepResult
from hf_mbdc.transforms.rows import PROVENANCE, add_provenance_columns, replace_rows

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.approaches.extractive_qa import ExtractiveQA
    from hf_mbdc.training.config import TrainingConfig
    from hf_mbdc.training.launch import TrainingResult

NAME = "relabel_occurrences"
CODE = ("memo", "out_of_fold", "relabel_occurrences", "reuse")  # of hf_mbdc/synthesis: what decides the step's result
MOVED = "the target, trained on other documents, finds another occurrence more likely"


@dataclass(frozen=True)
class RelabelOptions:
    """Options of the step in a recipe.

    `folds`: parts that the documents are cut into; each part is scored by a target trained on the others.
    `objective`: `marginal` or `hard_em`, of the first round; later ones train on the labels of the round before.
    `seed`: of the fold assignment and of the trainings. `rounds`: at most so many; fewer when no label changes.
    `retrain_above`: the models of an earlier iteration are used again, and score only rows that changed, up to this
    share of training rows that changed since; 0: trained anew at any change. The first default is well below what the
    folds themselves do, which take a quarter of the rows from each training.
    """

    folds: int = 4
    objective: str = "marginal"
    seed: int = 0
    rounds: int = 1
    retrain_above: float = 0.05

    def __post_init__(self) -> None:
        if self.folds < 2:
            what = "Scoring out of fold needs at least 2 folds"
            raise RecipeError(what, key="folds", value=self.folds, mend="4 is a good number.")
        if self.rounds < 1:
            raise RecipeError("There is at least one round", key="rounds", value=self.rounds, mend="1, or up to 5.")
        if self.objective not in ("hard_em", "marginal"):
            raise RecipeError(
                "No such objective over occurrences", key="objective", value=self.objective, mend="marginal or hard_em."
            )
        if not 0 <= self.retrain_above <= 1:
            what = "A share of rows lies between 0 and 1"
            raise RecipeError(what, key="retrain_above", value=self.retrain_above, mend="0.05 is a good number.")


def step_identity(options: RelabelOptions, config: TrainingConfig) -> str:
    """A hash of all that decides what the step makes of given rows: its code, its options, the target's settings.

    Models are only kept where it is the same. When they are kept is no part of it.
    """
    from hf_mbdc.training.launch import PACKAGE, code_hash, code_only, settings_of, short_hash

    files = [PACKAGE / "synthesis" / f"{name}.py" for name in CODE]
    code = [code_hash(config.task), *(code_only(path.read_text(encoding="utf-8")) for path in files)]
    chosen = {**dataclasses.asdict(options), "retrain_above": None}
    return short_hash([NAME, code, chosen, settings_of(config)])


def relabel_occurrences(
    rows: Dataset,
    approach: ExtractiveQA,
    *,
    config: TrainingConfig,
    options: RelabelOptions = RelabelOptions(),
    work_dir: Path,
    earlier: Earlier | None = None,
    max_parallel: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> StepResult:
    """Moves the offsets of rows whose answer occurs several times to the occurrence the target finds most likely.

    Args:
        rows: an annotated train split.
        approach: the approach that annotated it; re-derives the columns of a chosen occurrence.
        config: training settings of the target; objective and seed come from `options`.
        options: folds, objective, seed, rounds, and how long models are kept.
        work_dir: folder of the trainings; what is there already is not trained again.
        earlier: rows that this step, with the same identity, read in an earlier iteration: its models are used again
            where the options allow it. The result depends on these rows, not on whether `work_dir` still has the
            models: where it has not, they are trained again.
        max_parallel: trainings side by side; default one a GPU, or one a core.
        on_progress: called with the fraction that is done, 0 to 1.

    Returns:
        The rows, with provenance columns set where the offsets moved, and the step's record with its cost.
    """
    steps: list[StepResult] = []
    for number in range(options.rounds):
        settings = dataclasses.replace(config, objective="chosen" if number else options.objective, seed=options.seed)
        models = FoldModels(settings, work_dir, max_parallel, _part(on_progress, number, options.rounds))
        step, earlier = _round(steps[-1].rows if steps else rows, approach, options, models, earlier)
        steps.append(step)
        if not step.record.changed:
            break
    step = steps[0] if len(steps) == 1 else _together(rows, approach, steps)
    return StepResult(step.rows, dataclasses.replace(step.record, identity=step_identity(options, config)))


def run(rows: Dataset, options: RelabelOptions, context: StepContext) -> StepResult:
    """The step as a recipe calls it."""
    return relabel_occurrences(
        rows,
        context.approach,
        config=context.config,
        options=options,
        work_dir=context.work_dir,
        earlier=context.earlier,
        max_parallel=context.max_parallel,
        on_progress=context.on_progress,
    )


def kept_identity(options: RelabelOptions, config: TrainingConfig) -> str | None:
    """`step_identity`, or None where the options keep no models."""
    return step_identity(options, config) if options.retrain_above else None


STEP = Step(RelabelOptions, run, approaches=("extractive_qa",), trains=True, identity=kept_identity)


def _round(
    rows: Dataset, approach: ExtractiveQA, options: RelabelOptions, models: FoldModels, earlier: Earlier | None
) -> tuple[StepResult, Earlier | None]:
    """One round, and the earlier rows as they went into its next round; None where that is to train anew."""
    if earlier is not None:
        fold = _folds(earlier.rows, options)
        chosen, most = models.config.objective == "chosen", options.retrain_above
        reuse = plan_reuse(rows, earlier.rows, fold, folds=options.folds, seed=options.seed, chosen=chosen, most=most)
        if reuse is not None:
            results = models.score(earlier.rows, fold)
            then = apply_scores(earlier.rows, approach, fold, results)
            results, reused = models.score_again(rows, reuse, results)
            step = apply_scores(rows, approach, reuse.fold, results)
            record = dataclasses.replace(step.record, reused=reused, trained_on=earlier.revision)
            # Where no label moved then, there was no further round.
            return StepResult(step.rows, record), Earlier(then.rows, earlier.revision) if then.record.changed else None
    fold = _folds(rows, options)
    return apply_scores(rows, approach, fold, models.score(rows, fold)), None


def apply_scores(
    rows: Dataset, approach: ExtractiveQA, fold: np.ndarray, results: dict[int, TrainingResult]
) -> StepResult:
    """Relabels from the held-out scores of each fold's model; the half of the step that trains nothing.

    In the rows that move, `choice` becomes the model's log-probability of each candidate that matches as well as the
    best one (NaN for the others), and `choice_margin` follows. Rows that an older version annotated keep the columns
    that they have.
    """
    moved, best, scores = _moves(rows, results)
    # Without the columns that are not read: an image would be decoded.
    read = [*approach.reads, *(name for name in approach.may_read if name in rows.column_names), "candidates"]
    batch = rows.select_columns(read).select(moved)[:]
    batch["candidates"] = [
        [{**candidate, "choice": float(np.float32(score))} for candidate, score in zip(row, own, strict=True)]
        for row, own in zip(batch["candidates"], scores, strict=True)
    ]
    provenance = {
        "mbdc_source": [NAME] * len(moved),
        "mbdc_parent_id": batch["id"],
        "mbdc_model": [results[k].model_id for k in fold[moved]],
        "mbdc_iteration": [None] * len(moved),  # stamped when its version is known; an earlier one no longer holds
    }
    chosen = approach.choose_candidate(batch, best)
    changed = {**{name: chosen[name] for name in _added(approach, rows)}, **provenance}
    record = StepRecord(
        name=NAME,
        pillar="model-guided synthesis",
        why="",
        model=", ".join(results[k].model_id for k in sorted(results)),
        kept=len(rows) - len(moved),
        changed=len(moved),
        reasons={MOVED: len(moved)},
        cost=sum((result.cost for result in results.values()), Cost()),
    )
    return StepResult(replace_rows(add_provenance_columns(rows), moved, changed), record)


def _folds(rows: Dataset, options: RelabelOptions) -> np.ndarray:
    fold = assign_folds(documents(rows), options.folds, options.seed)
    if len(np.unique(fold)) < 2:
        raise DataError(
            "All documents fell into one fold, so that there is none to train on",
            split="train",
            folds=options.folds,
            mend="Give more documents, or another seed of the step.",
        )
    return fold


def _part(on_progress: Callable[[float], None] | None, number: int, rounds: int) -> Callable[[float], None] | None:
    """The progress of one round as a part of the whole."""
    return None if on_progress is None else lambda fraction: on_progress((number + fraction) / rounds)


def _together(before: Dataset, approach: ExtractiveQA, steps: list[StepResult]) -> StepResult:
    """Several rounds as one step: the rows whose label is another one than at the start, and the record of all rounds.

    A label that moved and came back is no change: its row stays as it was.
    """
    after = steps[-1].rows
    label = ["answer_start", "answer_end"]
    places = [np.array([ds[name][:] for name in label]) for ds in (before, after)]
    moved = np.flatnonzero((places[0] != places[1]).any(axis=0))
    changed = after.select_columns([*_added(approach, before), *PROVENANCE]).select(moved)[:]
    in_rounds = {f"labels moved in round {n}": step.record.changed for n, step in enumerate(steps, start=1)}
    record = dataclasses.replace(
        steps[-1].record,
        kept=len(before) - len(moved),
        changed=len(moved),
        reasons={MOVED: len(moved), **in_rounds},
        cost=sum((step.record.cost for step in steps), Cost()),
        reused=min(step.record.reused for step in steps),  # a row whose result a round had to make is not reused
        trained_on=steps[0].record.trained_on,
    )
    return StepResult(replace_rows(add_provenance_columns(before), moved, changed), record)


def _added(approach: ExtractiveQA, rows: Dataset) -> list[str]:
    """The approach's columns that the rows have: those of an older version have fewer."""
    return [name for name in approach.adds if name in rows.column_names]


def _moves(rows: Dataset, results: dict[int, TrainingResult]) -> tuple[np.ndarray, list[int], list[np.ndarray]]:
    """The rows whose label moves, the candidate that each moves to, and the scores of the row's candidates.

    A label moves to a candidate that is likelier and no worse a match.

    Raises:
        TrainingError: a score is NaN, as of a training that diverged.
    """
    scored: dict[str, list[float]] = {}
    for result in results.values():
        held_out = result.predictions[HELD_OUT]
        scored.update(zip(held_out["id"].to_pylist(), held_out["candidate_scores"].to_pylist(), strict=True))
    moved, chosen, of_moved = [], [], []
    columns = (rows[name][:] for name in ("id", "candidates", "answer_start", "answer_end"))
    for row, (key, candidates, start, end) in enumerate(zip(*columns, strict=True)):  # lists of different lengths
        scores = np.array(scored[key])
        if np.isnan(scores).any():
            mend = "Lower target.training.learning_rate, or look at the training's log."
            raise TrainingError("The target's scores are not numbers: its training diverged", id=key, mend=mend)
        labels = [i for i, c in enumerate(candidates) if (c["start"], c["end"]) == (start, end)]
        if not labels:
            continue
        match = np.array([c["score"] for c in candidates])
        best = int(np.argmax(np.where(match == match.max(), scores, -np.inf)))
        if scores[best] > scores[labels[0]]:
            moved.append(row)
            chosen.append(best)
            of_moved.append(np.where(match == match.max(), scores, np.nan))
    return np.array(moved, dtype=np.int64), chosen, of_moved
