"""Curriculum: an order of the training rows from easy to hard, and how many of them a model sees when.

Difficulty comes from an earlier training (`dynamics_loss`, `dynamics_confidence`, …); the pacing functions are those of
Hacohen & Weinshall 2019 (https://arxiv.org/abs/1904.03626). Nothing is random but ties, which a hash of the row's id
breaks, so that the order depends on difficulties and ids only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from hf_mbdc.errors import DataError, RecipeError

if TYPE_CHECKING:
    from datasets import Dataset

Pacing = Literal["linear", "root", "step"]
COLUMN = "curriculum_stage"


def curriculum_order(difficulty: Any, ids: Sequence[str], *, seed: int = 0) -> np.ndarray:
    """(rows,) row numbers, easiest first; rows of unknown difficulty (NaN) come last.

    Args:
        difficulty: (rows,) numbers, higher = harder, such as the mean loss.
        ids: of the rows; they break ties, by a hash with the seed.

    Raises:
        DataError: lengths differ.

    Example:
        >>> curriculum_order([0.9, 0.1, float("nan"), 0.4], ["a", "b", "c", "d"]).tolist()
        [1, 3, 0, 2]
    """
    hard = np.asarray(difficulty, dtype=float)
    if hard.shape != (len(ids),):
        raise DataError(f"{hard.shape} difficulties for {len(ids)} ids", mend="Give one number a row.")
    keys = [hashlib.sha256(f"{seed}\x1f{name}".encode()).digest()[:8] for name in ids]
    return np.lexsort((np.array([int.from_bytes(key, "big") for key in keys], dtype=np.uint64), hard))


def visible_rows(rows: int, stages: int, *, pacing: Pacing = "linear", start: float = 0.3) -> np.ndarray:
    """(stages,) how many of the easiest rows are trained on in each stage; all of them in the last.

    Args:
        rows: number of all rows.
        stages: parts of the training, such as its epochs.
        pacing: `linear`; `root`: fast at first (its square is linear); `step`: the easiest until half of the stages.
        start: share of the rows in the first stage, in (0, 1].

    Raises:
        RecipeError: an option is out of its range.

    Example:
        >>> visible_rows(100, 4, start=0.4).tolist(), visible_rows(100, 4, pacing="step", start=0.4).tolist()
        ([40, 60, 80, 100], [40, 40, 100, 100])
    """
    if rows < 0 or stages < 1 or not 0 < start <= 1:
        raise RecipeError(
            f"rows, stages and start are {rows}, {stages} and {start}",
            key="curriculum",
            mend="Take at least one stage, and a start above 0, up to 1.",
        )
    done = np.ones(1) if stages == 1 else np.arange(stages) / (stages - 1)
    if pacing == "linear":
        share = start + (1 - start) * done
    elif pacing == "root":
        share = np.sqrt(start**2 + (1 - start**2) * done)
    elif pacing == "step":
        share = np.where((done < 0.5) & (stages > 1), start, 1.0)
    else:
        raise RecipeError(f"There is no pacing {pacing!r}", key="pacing", mend="Take linear, root or step.")
    return np.ceil(share * rows - 1e-9).astype(np.int64)


def curriculum_stages(order: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """(rows,) the first stage, from 0, in which each row is trained on.

    Example:
        >>> curriculum_stages(np.array([2, 0, 1]), np.array([1, 3])).tolist()
        [1, 1, 0]
    """
    stage = np.empty(len(order), dtype=np.int64)
    stage[order] = np.searchsorted(visible, np.arange(len(order)), side="right")
    return stage


def add_curriculum(
    rows: Dataset,
    by: str = "dynamics_loss",
    *,
    stages: int = 4,
    pacing: Pacing = "linear",
    start: float = 0.3,
    descending: bool = False,
    seed: int = 0,
) -> Dataset:
    """Adds `curriculum_stage`: the stage from which each row takes part; rows of unknown difficulty join at the end.

    Args:
        rows: with `id` and the column of difficulty; `hf_mbdc.guidance.cartography.add_dynamics` adds some.
        by: that column.
        stages, pacing, start: see `visible_rows`.
        descending: whether lower means harder, as for `dynamics_confidence`.
        seed: of the order of ties.

    Raises:
        DataError: a column is missing, or holds no numbers.

    Example:
        >>> from datasets import Dataset
        >>> ds = Dataset.from_dict({"id": ["a", "b", "c", "d"], "dynamics_loss": [3.0, 1.0, 2.0, 0.5]})
        >>> add_curriculum(ds, stages=2, start=0.5)["curriculum_stage"][:]
        [1, 0, 1, 0]
    """
    for column in ("id", by):
        if column not in rows.column_names:
            mend = "Add it with hf_mbdc.guidance.cartography.add_dynamics." if column == by else "Ids name the rows."
            raise DataError("The rows have no such column", column=column, mend=mend)
    if getattr(rows.features[by], "dtype", "").startswith(("float", "int", "uint")) is False:
        raise DataError("The column holds no numbers", column=by, mend="Name a column of numbers.")
    table = rows.with_format("arrow")[:]
    hard = table[by].to_numpy(zero_copy_only=False).astype(float)
    order = curriculum_order(-hard if descending else hard, table["id"].to_pylist(), seed=seed)
    stage = curriculum_stages(order, visible_rows(len(rows), stages, pacing=pacing, start=start))
    kept = rows.remove_columns(COLUMN) if COLUMN in rows.column_names else rows
    return kept.add_column(COLUMN, stage)
