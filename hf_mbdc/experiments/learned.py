"""What the target made of its training rows, over all trainings of a diagnosis, in the order of the split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hf_mbdc.guidance.cartography import Trajectories, cartography, place_of, read_trajectories


@dataclass(frozen=True)
class Learned:
    """Means over trainings.

    Args:
        known: (rows,) whether a row was trained on.
        columns: the numbers and regions of `hf_mbdc.guidance.cartography.cartography`, (rows,) each: NaN, or "", for
            rows that were not trained on. The region is that of the first training.
        losses, right: (epochs,) mean loss, and share of the rows that were right.
    """

    known: np.ndarray
    columns: dict[str, np.ndarray]
    losses: np.ndarray
    right: np.ndarray

    @property
    def correctness(self) -> np.ndarray:
        """(rows,) share of the epochs in which each row was right."""
        return self.columns["dynamics_correctness"]

    def to_dict(self) -> dict[str, Any]:
        """Rows in each region, and the mean of each epoch, as plain data."""
        regions = np.unique(self.columns["dynamics_region"][self.known], return_counts=True)
        return {
            "regions": dict(zip(regions[0].tolist(), regions[1].tolist(), strict=True)),
            "losses": self.losses.tolist(),
            "right": self.right.tolist(),
        }


def read_learned(ids: Sequence[str], dynamics: Sequence[Path]) -> Learned:
    """Joins the dynamics of trainings on the same rows to these rows.

    Args:
        ids: (rows,) of the train split.
        dynamics: the `dynamics.parquet` of each training.
    """
    found = [read_trajectories(path) for path in dynamics]
    columns = [cartography(one) for one in found]
    place, known = place_of(found[0].ids, ids)

    def joined(name: str) -> np.ndarray:
        if columns[0][name].dtype.kind == "U":
            return np.where(known, columns[0][name][place], "")
        return np.where(known, np.mean([one[name] for one in columns], axis=0)[place], np.nan)

    return Learned(
        known=known,
        columns={name: joined(name) for name in columns[0]},
        losses=np.mean([_by_epoch(one, "loss") for one in found], axis=0),
        right=np.mean([_by_epoch(one, "correct") for one in found], axis=0),
    )


def _by_epoch(found: Trajectories, name: str) -> np.ndarray:
    return np.asarray(np.nanmean(getattr(found, name), axis=1))
