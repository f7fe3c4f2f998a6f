"""Scores of rows by models that were not trained on them: K trainings, or K models kept from an earlier iteration."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.records import Cost
from hf_mbdc.synthesis.memo import RowMemo
from hf_mbdc.synthesis.reuse import Reuse

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from hf_mbdc.training.config import TrainingConfig
    from hf_mbdc.training.launch import TrainingResult

HELD_OUT = "held_out"  # the split that a fold's model predicts


@dataclass(frozen=True)
class FoldModels:
    """How the models of the folds are trained and asked. `work_dir` holds trainings, and what models said of rows."""

    config: TrainingConfig
    work_dir: Path
    max_parallel: int | None = None
    on_progress: Callable[[float], None] | None = None

    def score(self, rows: Dataset, fold: np.ndarray) -> dict[int, TrainingResult]:
        """For each fold that has documents, the predictions of a target trained on the others.

        Args:
            fold: (n,) fold of each row.
        """
        from hf_mbdc.training.launch import TrainingJob, launch

        used = np.unique(fold).tolist()
        jobs = [
            TrainingJob(
                train=rows.select(np.flatnonzero(fold != k)),
                predict={HELD_OUT: rows.select(np.flatnonzero(fold == k))},
                config=self.config,
            )
            for k in used
        ]
        results = launch(jobs, work_dir=self.work_dir, max_parallel=self.max_parallel, on_progress=self.on_progress)
        return dict(zip(used, results, strict=True))

    def score_again(
        self, rows: Dataset, reuse: Reuse, results: dict[int, TrainingResult]
    ) -> tuple[dict[int, TrainingResult], int]:
        """The predictions for rows by models that are kept, and how many rows had theirs before.

        The cost is what this call spent: a training that was in `work_dir` was paid for by the iteration that made it.

        Args:
            results: of the trainings on the earlier rows.
        """
        from hf_mbdc.training.scoring import ScoringJob, score

        keys = np.array(reuse.keys)
        mine = {k: np.flatnonzero(reuse.fold == k) for k in results}
        unknown = {k: rows_k[~reuse.known[rows_k]] for k, rows_k in mine.items()}
        memos = {k: self._memo(result) for k, result in results.items() if len(unknown[k])}
        found = {k: memos[k].find(keys[unknown[k]].tolist()) if k in memos else {} for k in results}
        todo = {k: [i for i in rows_k.tolist() if reuse.keys[i] not in found[k]] for k, rows_k in unknown.items()}
        asked = [k for k in results if todo[k]]
        jobs = [ScoringJob(results[k].model_path, rows.select(todo[k])) for k in asked]
        answers = score(jobs, work_dir=self.work_dir, max_parallel=self.max_parallel)
        spent = {k: Cost() if result.cached else result.cost for k, result in results.items()}
        for k, answer in zip(asked, answers, strict=True):
            new = dict(zip(keys[todo[k]].tolist(), answer.predictions["candidate_scores"].to_pylist(), strict=True))
            memos[k].add(new)
            found[k] |= new
            spent[k] += answer.cost
        now = {
            k: dataclasses.replace(
                result, predictions={HELD_OUT: _table(rows, reuse, mine[k], result, found[k])}, cost=spent[k]
            )
            for k, result in results.items()
        }
        return now, len(rows) - sum(map(len, todo.values()))

    def _memo(self, result: TrainingResult) -> RowMemo:
        from hf_mbdc.training.launch import code_hash, short_hash

        code = code_hash(self.config.task)
        return RowMemo(self.work_dir / "memo" / short_hash([result.metrics["weights_sha256"], code]))


def _table(
    rows: Dataset, reuse: Reuse, mine: np.ndarray, result: TrainingResult, found: dict[str, list[float]]
) -> pa.Table:
    """The scores of one fold's rows: those of the training for rows that are as they were then, else those found."""
    import pyarrow as pa

    before = result.predictions[HELD_OUT]
    known = dict(zip(before["id"].to_pylist(), before["candidate_scores"].to_pylist(), strict=True))
    ids = rows.select_columns(["id"]).select(mine)["id"][:]
    scores = [known[key] if reuse.known[i] else found[reuse.keys[i]] for key, i in zip(ids, mine.tolist(), strict=True)]
    return pa.table({"id": ids, "candidate_scores": pa.array(scores, pa.list_(pa.float64()))})
