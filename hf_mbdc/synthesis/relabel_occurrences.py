"""Choose among the occurrences of an answer with the target model's own scores, out of fold.

An answer such as `9.00` may stand in a document several times, and its offsets say which one the target learns to
read. The target is trained over *all* occurrences of the answers of other documents (marginal likelihood first, then
its own best-scoring one: hard-EM, Min et al. 2019, https://arxiv.org/abs/1909.04849), scores the occurrences of the
documents that were held out, and the most likely one becomes the label, if it matches the answer as well as any.
Further rounds train on the labels of the round before, until no label changes.

Where this deviates from the paper: there the model is trained on its choice and is the end product; here it labels only
documents that it was not trained on (K-fold over documents), and the labels are the product, published for any model.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError, RecipeError, TrainingError
from hf_mbdc.records import Cost, StepRecord
from hf_mbdc.transforms.groups import groups
from hf_mbdc.transforms.rows import PROVENANCE, add_provenance_columns, replace_rows

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.approaches.extractive_qa import ExtractiveQA
    from hf_mbdc.training.config import TrainingConfig
    from hf_mbdc.training.launch import TrainingResult

NAME = "relabel_occurrences"
MOVED = "the target, trained on other documents, finds another occurrence more likely"


@dataclass(frozen=True)
class StepResult:
    """The rows after a step, and the record of what the step did to them."""

    rows: Dataset
    record: StepRecord


@dataclass(frozen=True)
class RelabelOptions:
    """Options of the step in a recipe.

    `folds`: parts that the documents are cut into; each part is scored by a target trained on the others.
    `objective`: `hard_em` or `marginal`, of the first round; later ones train on the labels of the round before.
    `seed`: of the fold assignment and of the trainings. `rounds`: at most so many; fewer when no label changes.
    """

    folds: int = 4
    objective: str = "hard_em"
    seed: int = 0
    rounds: int = 1

    def __post_init__(self) -> None:
        if self.folds < 2:
            what = "Scoring out of fold needs at least 2 folds"
            raise RecipeError(what, key="folds", value=self.folds, mend="4 is a good number.")
        if self.rounds < 1:
            raise RecipeError("There is at least one round", key="rounds", value=self.rounds, mend="1, or up to 5.")
        if self.objective not in ("hard_em", "marginal"):
            raise RecipeError(
                "No such objective over occurrences", key="objective", value=self.objective, mend="hard_em or marginal."
            )


def assign_folds(groups: list[str], folds: int, seed: int) -> np.ndarray:
    """(n,) fold numbers by a hash of each group, so that equal groups share a fold and new ones move no old one.

    Example:
        >>> assign_folds(["a", "c", "a"], folds=2, seed=0).tolist()
        [0, 1, 0]
    """
    keys = (hashlib.sha256(f"{seed}\x1f{group}".encode()).digest() for group in groups)
    return np.array([int.from_bytes(key[:8], "big") % folds for key in keys], dtype=np.int64)


def relabel_occurrences(
    rows: Dataset,
    approach: ExtractiveQA,
    *,
    config: TrainingConfig,
    options: RelabelOptions = RelabelOptions(),
    work_dir: Path,
    max_parallel: int | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> StepResult:
    """Moves the offsets of rows whose answer occurs several times to the occurrence the target finds most likely.

    Args:
        rows: an annotated train split.
        approach: the approach that annotated it; re-derives the columns of a chosen occurrence.
        config: training settings of the target; objective and seed come from `options`.
        options: folds, objective, seed, rounds.
        work_dir: folder of the trainings; what is there already is not trained again.
        max_parallel: trainings side by side; default one a core.
        on_progress: called with the fraction that is done, 0 to 1.

    Returns:
        The rows, with provenance columns set where the offsets moved, and the step's record with its cost.
    """
    fold = assign_folds(_documents(rows), options.folds, options.seed)
    if len(np.unique(fold)) < 2:
        raise DataError(
            "All documents fell into one fold, so that there is none to train on",
            split="train",
            folds=options.folds,
            mend="Give more documents, or another seed of the step.",
        )
    steps: list[StepResult] = []
    for number in range(options.rounds):
        settings = dataclasses.replace(config, objective="chosen" if number else options.objective, seed=options.seed)
        current = steps[-1].rows if steps else rows
        progress = _part(on_progress, number, options.rounds)
        results = _score(current, fold, settings, work_dir, max_parallel, progress)
        steps.append(apply_scores(current, approach, fold, results))
        if not steps[-1].record.changed:
            break
    return steps[0] if len(steps) == 1 else _together(rows, approach, steps)


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


def _score(
    rows: Dataset,
    fold: np.ndarray,
    config: TrainingConfig,
    work_dir: Path,
    max_parallel: int | None,
    on_progress: Callable[[float], None] | None,
) -> dict[int, TrainingResult]:
    """For each fold that has documents, the predictions of a target trained on the others."""
    from hf_mbdc.training.launch import TrainingJob, launch

    used = np.unique(fold).tolist()
    jobs = [
        TrainingJob(
            train=rows.select(np.flatnonzero(fold != k)),
            predict={"held_out": rows.select(np.flatnonzero(fold == k))},
            config=config,
        )
        for k in used
    ]
    results = launch(jobs, work_dir=work_dir, max_parallel=max_parallel, on_progress=on_progress)
    return dict(zip(used, results, strict=True))


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
    )
    return StepResult(replace_rows(add_provenance_columns(before), moved, changed), record)


def _added(approach: ExtractiveQA, rows: Dataset) -> list[str]:
    """The approach's columns that the rows have: those of an older version have fewer."""
    return [name for name in approach.adds if name in rows.column_names]


def _documents(rows: Dataset) -> list[str]:
    """(n,) the document of each row; documents with the same text are one, or labels would give held-out ones away."""
    contexts = ["text:" + text for text in rows["context"][:]]
    if "document_id" not in rows.column_names:
        return contexts
    return groups([[f"document:{key}", text] for key, text in zip(rows["document_id"][:], contexts, strict=True)])


def _moves(rows: Dataset, results: dict[int, TrainingResult]) -> tuple[np.ndarray, list[int], list[np.ndarray]]:
    """The rows whose label moves, the candidate that each moves to, and the scores of the row's candidates.

    A label moves to a candidate that is likelier and no worse a match.

    Raises:
        TrainingError: a score is NaN, as of a training that diverged.
    """
    scored: dict[str, list[float]] = {}
    for result in results.values():
        held_out = result.predictions["held_out"]
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
