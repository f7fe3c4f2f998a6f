"""The influence of every training row on every evaluation row, from targets that were trained on all rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset

    from hf_mbdc.targets import Target


@dataclass(frozen=True)
class RowInfluence:
    """How much training rows lower the loss of evaluation rows.

    Args:
        values: (training rows, scored evaluation rows); see `hf_mbdc.guidance.influence.influence`. 0 for a training
            row that cannot be trained on: its answer was not located.
        evaluation: (scored evaluation rows,) their positions in the evaluation split; the others have no located answer
            whose loss could be told.
    """

    values: np.ndarray
    evaluation: np.ndarray

    @property
    def of_rows(self) -> np.ndarray:
        """(training rows,) mean over evaluation rows: the lowest are worth a look, they harm the target most."""
        mean: np.ndarray = self.values.mean(axis=1)
        return mean


def row_influence(
    rows: Dataset,
    evaluation: Dataset,
    models: Sequence[str | Path],
    *,
    damping: float | None = 0.1,
    seed: int = 0,
) -> RowInfluence:
    """Mean influence over trained targets, from the gradients of their linear layers.

    Args:
        rows: the annotated train split that the models were trained on.
        evaluation: annotated rows that they were not trained on.
        models: folders of the targets, e.g. `TrainingResult.model_path` of several seeds; more of them lessen noise.
        damping: see `influence`; None: TracIn.
        seed: of the random projections.

    Raises:
        DataError: no models, or a split without a located answer.
        TrainingError: a folder holds no target.
    """
    from hf_mbdc.experiments.gradients import row_gradients
    from hf_mbdc.guidance.influence import influence
    from hf_mbdc.targets import load_target
    from hf_mbdc.training.data import read_rows

    if not models:
        raise DataError("There is no trained target to take gradients of", mend="Name the folder of one or more.")
    train, judged = (read_rows(split, name, labels=True) for split, name in ((rows, "train"), (evaluation, "eval")))
    targets = [load_target(str(folder)) for folder in models]
    used, scored = _trainable(targets[0], train, "train"), _trainable(targets[0], judged, "evaluation")
    values = np.zeros((len(train), len(scored)))
    for target in targets:
        gradients = [
            row_gradients(target, [split[place] for place in places.tolist()], seed=seed)
            for split, places in ((train, used), (judged, scored))
        ]
        values[used] += influence(*gradients, damping=damping) / len(targets)
    return RowInfluence(values, scored)


def _trainable(target: Target, rows: Sequence[Mapping[str, Any]], split: str) -> np.ndarray:
    """The positions of rows whose answer the target can be trained on."""
    from hf_mbdc.targets.encoding import encode_rows

    places = np.array([i for i, row in enumerate(encode_rows(rows, target.encoder)) if row.left_out is None])
    if not len(places):
        raise DataError("No row has an answer that was located", split=split, mend="Annotate it, or give other rows.")
    return places
