"""The score of every evaluation row with every seed, of parent and candidate: what a decision was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hf_mbdc.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_COLUMNS = ("id", "cluster", "seed", "parent", "candidate")


@dataclass(frozen=True, eq=False)
class RowScores:
    """Scores of the target trained on parent and on candidate; `compare` takes it as it is.

    As a table it has a line for each row and seed (`id, cluster, slice, seed, parent, candidate`), so that it can be
    published as a Parquet file, read by anybody, and compared again.

    Args:
        ids: (rows,) of the evaluation rows.
        clusters: (rows,) what each row belongs to, e.g. its document.
        seeds: (seeds,) of the trainings.
        parent: (seeds, rows) scores, in units of the metric.
        candidate: (seeds, rows)
        slices: (rows,) a label for each row, or None.

    Raises:
        DataError: the sizes do not fit each other.

    Example:
        >>> scores = RowScores(("a", "b"), ("d0", "d1"), (0,), np.array([[0.0, 1.0]]), np.array([[1.0, 1.0]]))
        >>> scores.to_table().to_pylist()[0]
        {'id': 'a', 'cluster': 'd0', 'slice': None, 'seed': 0, 'parent': 0.0, 'candidate': 1.0}
        >>> RowScores.from_table(scores.to_table()).candidate
        array([[1., 1.]])
    """

    ids: Sequence[str]
    clusters: Sequence[str]
    seeds: Sequence[int]
    parent: np.ndarray
    candidate: np.ndarray
    slices: Sequence[str] | None = None

    def __post_init__(self) -> None:
        shape = (len(self.seeds), len(self.ids))
        labels = {"clusters": self.clusters, "slices": self.ids if self.slices is None else self.slices}
        for name, values in labels.items():
            if len(values) != len(self.ids):
                raise DataError(f"{name} has {len(values)} labels for {shape[1]} rows", mend="Give one label a row.")
        for name, scores in (("parent", self.parent), ("candidate", self.candidate)):
            if scores.shape != shape:
                what = f"Scores of the {name} have shape {scores.shape} for {shape[0]} seeds and {shape[1]} rows"
                raise DataError(what, mend="Score every row with every seed.")

    def to_table(self) -> pa.Table:
        """One line for each seed and row, seed by seed."""
        import pyarrow as pa

        seeds, rows = self.parent.shape
        labels = {
            "id": pa.array(self.ids, pa.string()),
            "cluster": pa.array(map(str, self.clusters), pa.string()),
            "slice": pa.array([None] * rows if self.slices is None else map(str, self.slices), pa.string()),
        }
        columns = {name: pa.chunked_array([column] * seeds) for name, column in labels.items()}
        columns["seed"] = pa.array(np.repeat(np.asarray(self.seeds, np.int64), rows))
        columns["parent"] = pa.array(np.ravel(self.parent).astype(np.float64))
        columns["candidate"] = pa.array(np.ravel(self.candidate).astype(np.float64))
        return pa.table(columns)

    def to_parquet(self) -> bytes:
        """The table as a Parquet file; equal scores give equal bytes."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        sink = pa.BufferOutputStream()
        pq.write_table(self.to_table(), sink, compression="zstd")
        return sink.getvalue().to_pybytes()

    @classmethod
    def from_parquet(cls, data: bytes) -> RowScores:
        """Reads what `to_parquet` made; raises as `from_table`."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(pa.BufferReader(data))
        except pa.ArrowInvalid as error:
            raise DataError("The scores are no Parquet file", mend="Publish them again.") from error
        return cls.from_table(table)

    @classmethod
    def from_table(cls, table: pa.Table) -> RowScores:
        """Reads what `to_table` made, or any table with its columns (`slice` may be missing), in any order of lines.

        Rows and seeds keep the order in which they first occur.

        Raises:
            DataError: a column is missing; a row has no score with one of the seeds, or two; or has two clusters.
        """
        missing = [name for name in _COLUMNS if name not in table.column_names]
        if missing:
            raise DataError("The scores lack a column", column=missing[0], mend=f"They need: {', '.join(_COLUMNS)}.")
        ids, row_of = _in_order(table["id"].to_numpy())
        seeds, seed_of = _in_order(table["seed"].to_numpy())
        place = seed_of * len(ids) + row_of
        _check_complete(np.bincount(place, minlength=len(seeds) * len(ids)), ids, seeds)
        order = np.argsort(place)
        labels: dict[str, list[str] | None] = {"slice": None}
        for name in ("cluster", "slice"):
            if name in table.column_names and table[name].null_count < len(table):
                grid = table[name].to_numpy()[order].reshape(len(seeds), len(ids))
                if (grid != grid[0]).any():
                    row = int(np.argwhere(grid != grid[0])[0, 1])
                    raise DataError(
                        f"A row has two labels of {name!r}", id=ids[row], mend="Give it the same every seed."
                    )
                labels[name] = grid[0].tolist()
        if labels.get("cluster") is None:
            raise DataError("The scores name no cluster", column="cluster", mend="Name the document of each row.")
        parent, candidate = (
            table[name].to_numpy()[order].reshape(len(seeds), len(ids)) for name in ("parent", "candidate")
        )
        return cls(ids.tolist(), labels["cluster"] or [], seeds.tolist(), parent, candidate, labels["slice"])


def _in_order(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different values as they first occur, and the number of each one's value."""
    names, first, index = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return names[order], rank[index]


def _check_complete(counts: np.ndarray, ids: np.ndarray, seeds: np.ndarray) -> None:
    wrong = np.flatnonzero(counts != 1)
    if len(wrong):
        seed, row = divmod(int(wrong[0]), len(ids))
        what = "A row has no score with one of the seeds" if counts[wrong[0]] == 0 else "A row is scored twice"
        mend = "Pairs are made of the same row and seed: score every row once with every seed, or leave it out of all."
        raise DataError(what, id=ids[row], seed=int(seeds[seed]), rows=len(np.unique(wrong % len(ids))), mend=mend)
