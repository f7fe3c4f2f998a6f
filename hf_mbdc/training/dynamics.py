"""Training dynamics: what the model made of every row in every epoch, kept from the forward passes that train it.

No pass is added: the scores that give the loss also give the probability of each row's label and its margin, one step
of the optimizer before that row is learned from, with dropout as in training (as Toneva et al. 2019 and Pleiss et al.
2020 record them). `hf_mbdc.guidance.cartography` reads what is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import TrainingError

if TYPE_CHECKING:
    import pyarrow as pa
    from accelerate import Accelerator
    from torch import Tensor

FILE = "dynamics.parquet"


class DynamicsRecorder:
    """Collects what `Learner.loss` says of each row, in one process of a training.

    Args:
        ids: of the rows that are trained on, in the order of their numbers.
        process: number of this process; each keeps the rows that it saw.
    """

    def __init__(self, ids: Sequence[str], process: int = 0) -> None:
        self.ids, self.process = list(ids), process
        self.epochs: list[np.ndarray] = []  # each (2, rows): loss and margin, NaN for a row that was not seen here

    def record(self, epoch: int, rows: Sequence[int], seen: Tensor) -> None:
        """Keeps the scores (2, len(rows)) of one step; of a row that a filled-up epoch repeats, the first ones."""
        while len(self.epochs) <= epoch:
            self.epochs.append(np.full((2, len(self.ids)), np.nan, dtype=np.float32))
        place, scores = np.asarray(rows), seen.cpu().numpy()
        new = np.isnan(self.epochs[epoch][0, place])
        self.epochs[epoch][:, place[new]] = scores[:, new]

    def save(self, folder: Path) -> None:
        """Writes into a checkpoint what was recorded up to it."""
        np.save(self._file(folder), np.array(self.epochs, dtype=np.float32).reshape(-1, 2, len(self.ids)))

    def load(self, folder: Path) -> None:
        """Goes on from a checkpoint: what was recorded after it is forgotten, and recorded again.

        Raises:
            TrainingError: the checkpoint holds no dynamics: an earlier version wrote it.
        """
        if not self._file(folder).is_file():
            mend = "Give another --output-dir, or --no-resume to start again."
            raise TrainingError("The checkpoint holds no training dynamics", path=str(folder), mend=mend)
        self.epochs = list(np.load(self._file(folder), allow_pickle=False))

    def _file(self, folder: Path) -> Path:
        return folder / f"dynamics-{self.process}.npy"

    def table(self, accelerator: Accelerator) -> pa.Table:
        """What all processes recorded: `id, epoch` (from 0), `loss, probability, margin, correct`, a row for each pair.

        `correct`: the label was more probable than every other answer. Rows that no process saw in an epoch, as in one
        that the budget cut short, are not there.
        """
        import pyarrow as pa
        from accelerate.utils import gather_object

        empty = np.empty((0, 2, len(self.ids)), dtype=np.float32)
        seen, *others = gather_object([np.array(self.epochs) if self.epochs else empty])
        for other in others:
            seen = np.where(np.isnan(seen), other, seen)
        epoch, row = np.nonzero(~np.isnan(seen[:, 0]))
        loss, margin = seen[epoch, 0, row], seen[epoch, 1, row]
        return pa.table(
            {
                "id": pa.array(self.ids, pa.string()).take(pa.array(row)),
                "epoch": pa.array(epoch, pa.int32()),
                "loss": loss,
                "probability": np.exp(-loss),
                "margin": margin,
                "correct": margin > 0,
            }
        )
