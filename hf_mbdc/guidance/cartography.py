"""How hard each row was for the target, from the dynamics of one training.

A row that is learned at once and kept teaches little more; one that the model learns, forgets and learns again is near
the border; one that it never believes is hard, or its label is wrong. Three papers measure this from what the model
made of every row in every epoch (`dynamics.parquet` of a training): confidence and variability (dataset cartography,
Swayamdipta et al. 2020, https://arxiv.org/abs/2009.10795), forgetting events (Toneva et al. 2019,
https://arxiv.org/abs/1812.05159) and the area under the margin (AUM, Pleiss et al. 2020,
https://arxiv.org/abs/2001.10528).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

PREFIX = "dynamics_"
AMBIGUOUS_SHARE = 1 / 3


@dataclass(frozen=True)
class Trajectories:
    """What a model made of each row in each epoch of its training.

    Args:
        ids: (rows,) of the rows that were trained on.
        loss, probability, margin: (epochs, rows) floats; NaN where a row was not seen in an epoch.
        correct: (epochs, rows) 1.0, 0.0 or NaN.
    """

    ids: np.ndarray
    loss: np.ndarray
    probability: np.ndarray
    margin: np.ndarray
    correct: np.ndarray


def read_trajectories(dynamics: str | Path | pa.Table) -> Trajectories:
    """The dynamics of a training as arrays.

    Args:
        dynamics: the file `dynamics.parquet` of a training, or its table: `id, epoch, loss, probability, margin,
            correct`. Where rows share an id (resampled data), their numbers are averaged.

    Raises:
        DataError: a column is missing, or there is no row.

    Example:
        >>> import pyarrow as pa
        >>> table = pa.table({"id": ["b", "a", "a"], "epoch": [0, 0, 1], "loss": [0.7, 0.1, 0.1],
        ...     "probability": [0.5, 0.9, 0.9], "margin": [-1.0, 2.0, 2.0], "correct": [False, True, True]})
        >>> read_trajectories(table).correct.tolist()
        [[1.0, 0.0], [1.0, nan]]
    """
    table = _read(dynamics)
    wanted = ("id", "epoch", "loss", "probability", "margin", "correct")
    if missing := [name for name in wanted if name not in table.column_names]:
        raise DataError(f"The training dynamics lack the columns {missing}", mend="Give a training's dynamics.parquet.")
    if not table.num_rows:
        raise DataError("The training dynamics are empty", mend="Train for an epoch at least.")
    ids, row = np.unique(table["id"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    epoch = table["epoch"].to_numpy()
    cell, shape = epoch * len(ids) + row, (int(epoch.max()) + 1, len(ids))
    seen = np.bincount(cell, minlength=shape[0] * shape[1])

    def grid(name: str) -> np.ndarray:
        values = table[name].to_numpy(zero_copy_only=False).astype(float)
        sums = np.bincount(cell, weights=values, minlength=len(seen))
        return np.divide(sums, seen, out=np.full(len(seen), np.nan), where=seen > 0).reshape(shape)

    return Trajectories(ids, grid("loss"), grid("probability"), grid("margin"), grid("correct"))


def cartography(found: Trajectories) -> dict[str, np.ndarray]:
    """Columns that say how hard each row was, in the order of `found.ids`; what each holds, a card says.

    Regions part the rows, where the paper's overlap: `ambiguous` is the third of the rows whose probability varies most
    (fewer where many vary alike); of the others, those with a mean probability of at least one half are `easy`, the
    rest `hard`. A forgetting event is a right epoch followed by a wrong one; a row that was never right has none, and
    `dynamics_correctness` 0: order by both. Deviation from Pleiss et al.: their margin is between logits of classes,
    ours between log-probabilities of answers, which differ by the same amount.

    Example:
        >>> p = np.array([[0.9, 0.1, 0.1], [0.9, 0.9, 0.1]])
        >>> columns = cartography(Trajectories(np.array(["a", "b", "c"]), -np.log(p), p, p - 0.5, (p > 0.5) * 1.0))
        >>> columns["dynamics_region"].tolist(), columns["dynamics_correctness"].tolist()
        (['easy', 'ambiguous', 'hard'], [1.0, 0.5, 0.0])
    """
    confidence, variability = _over_epochs(np.nanmean, found.probability), _over_epochs(np.nanstd, found.probability)
    columns = {
        "confidence": confidence,
        "variability": variability,
        "correctness": _over_epochs(np.nanmean, found.correct),
        "forgetting": forgetting_events(found.correct),
        "margin": _over_epochs(np.nanmean, found.margin),
        "loss": _over_epochs(np.nanmean, found.loss),
        "region": regions(confidence, variability),
    }
    return {f"{PREFIX}{name}": values for name, values in columns.items()}


def forgetting_events(correct: np.ndarray) -> np.ndarray:
    """(rows,) how often each row was right in one epoch and wrong the next time it was seen.

    Args:
        correct: (epochs, rows); at least one half counts as right, NaN is skipped.

    Example:
        >>> forgetting_events(np.array([[1, 0], [0, 0], [np.nan, 1], [1, 1], [0, 1]])).tolist()
        [2, 0]
    """
    seen = ~np.isnan(correct)
    right = np.where(seen, correct, 0.0) >= 0.5
    last = np.maximum.accumulate(np.where(seen, np.arange(len(correct))[:, None], -1), axis=0)  # the last epoch seen
    before = np.take_along_axis(right, np.maximum(last[:-1], 0), axis=0)  # not right where nothing was seen before
    return np.asarray((before & seen[1:] & ~right[1:]).sum(axis=0), dtype=np.int64)


def regions(confidence: np.ndarray, variability: np.ndarray) -> np.ndarray:
    """(rows,) `easy`, `ambiguous` or `hard` of each row, see `cartography`."""
    border = np.quantile(variability, 1 - AMBIGUOUS_SHARE, method="higher") if len(variability) else 0.0
    settled = np.where(confidence >= 0.5, "easy", "hard")
    ambiguous = (variability >= border) if (variability >= border).mean() <= 0.5 else (variability > border)
    return np.where(ambiguous & (variability > 0), "ambiguous", settled)


def add_dynamics(rows: Dataset, dynamics: str | Path | pa.Table) -> Dataset:
    """Adds the columns of `cartography` to a dataset by `id`; null for rows that were not trained on.

    Columns of an earlier training are replaced.

    Args:
        rows: with the column `id`.
        dynamics: see `read_trajectories`.

    Raises:
        DataError: there is no column `id`, or no row of the dataset was trained on.

    Example:
        >>> ds = add_dynamics(dataset["train"], result.model_path / "dynamics.parquet")  # doctest: +SKIP
    """
    if "id" not in rows.column_names:
        raise DataError("The rows have no ids", column="id", mend="Load them with hf_mbdc.load_dataset.")
    found = read_trajectories(dynamics)
    columns = cartography(found)
    place, known = place_of(found.ids, rows["id"][:])
    if not known.any():
        raise DataError("No row was in that training", mend="Give the dynamics of a training on these rows.")
    return append_columns(rows, {name: values[place] for name, values in columns.items()}, known)


def append_columns(rows: Dataset, columns: Mapping[str, np.ndarray], known: np.ndarray) -> Dataset:
    """The rows with further columns of numbers or texts, null where nothing is known, in place of any of that name.

    Args:
        columns: name → (rows,) values.
        known: (rows,) whether a row has values.

    Example:
        >>> from datasets import Dataset
        >>> rows = Dataset.from_dict({"id": ["a", "b"]})
        >>> append_columns(rows, {"loss": np.array([0.5, 0.0])}, np.array([True, False]))["loss"][:]
        [0.5, None]
    """
    import pyarrow as pa
    from datasets import Dataset, Value

    table = rows.with_format("arrow")[:].drop_columns([name for name in columns if name in rows.column_names])
    features = rows.features.copy()
    for name, values in columns.items():
        features.pop(name, None)
        kind = {"f": "float64", "i": "int64"}.get(values.dtype.kind, "string")
        table = table.append_column(name, pa.array(values, Value(kind).pa_type, mask=~known))
        features[name] = Value(kind)
    info = rows.info.copy()
    info.features = features
    return Dataset(table.replace_schema_metadata(features.arrow_schema.metadata), info=info)


def place_of(ids: np.ndarray, wanted: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where each wanted id stands in sorted `ids`, and whether it does.

    Example:
        >>> [part.tolist() for part in place_of(np.array(["a", "c"]), ["c", "b"])]
        [[1, 1], [True, False]]
    """
    names = np.asarray(wanted, dtype=str)
    place = np.minimum(np.searchsorted(ids, names), len(ids) - 1)
    return place, ids[place] == names


def _over_epochs(reduce: Any, values: np.ndarray) -> np.ndarray:
    with warnings.catch_warnings():  # a row that no epoch saw: its mean is NaN, which is what we say
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(reduce(values, axis=0), dtype=float)


def _read(dynamics: str | Path | pa.Table) -> pa.Table:
    import pyarrow.parquet as pq

    if not isinstance(dynamics, str | Path):
        return dynamics
    try:
        return pq.read_table(dynamics)
    except (OSError, ValueError) as error:
        mend = "Name the dynamics.parquet of a training."
        raise DataError("The training dynamics cannot be read", path=str(dynamics), mend=mend) from error
