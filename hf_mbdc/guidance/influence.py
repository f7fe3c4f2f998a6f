"""Which single training rows help the target on which evaluation rows, told from gradients, and whether that is true.

To first order, a step of gradient descent on a training row changes the loss of an evaluation row by minus the product
of their gradients (TracIn, Pruthi et al. 2020, https://arxiv.org/abs/2002.08484). Rows that say the same share what
they teach, so gradients are whitened by those of all training rows (influence functions, Koh & Liang 2017,
https://arxiv.org/abs/1703.04730, with the empirical Fisher matrix in place of the Hessian, on randomly projected
gradients as TRAK has them: Park et al. 2023, https://arxiv.org/abs/2303.14186; here of the loss, not of the margin).

None of this is to be believed unseen: `linear_datamodeling_score` compares what the influences foretell with targets
that were really trained on parts of the rows. `hf_mbdc.experiments.gradients` takes gradients; here is the algebra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError, RecipeError

MIN_SUBSETS = 5


def influence(train: Any, evaluation: Any, *, damping: float | None = 0.1) -> np.ndarray:
    """How much each training row lowers the loss of each evaluation row; below 0 where it raises it.

    Comparable between rows, in no unit: it foretells an order, see `linear_datamodeling_score`. Of several trained
    models (seeds, checkpoints), take the mean of their influences.

    Args:
        train: (n, p) gradients of the loss of each training row.
        evaluation: (m, p) of each evaluation row, by the same model and projection.
        damping: added to the Fisher matrix before it is inverted, as a share of its mean eigenvalue; None: TracIn, the
            plain product of gradients.

    Returns:
        (n, m).

    Raises:
        DataError: not two matrices of the same width, no rows, or a number that is not finite.
        RecipeError: `damping` is not above 0.

    Example:
        >>> influence([[1.0, 0.0], [0.0, 2.0]], [[1.0, -1.0]], damping=None).tolist()
        [[1.0], [-2.0]]
    """
    rows, judged = (_matrix(values, name) for values, name in ((train, "train"), (evaluation, "evaluation")))
    if rows.shape[1] != judged.shape[1]:
        raise DataError(
            f"Gradients have {rows.shape[1]} and {judged.shape[1]} numbers a row",
            mend="Take both from the same model, with the same projection.",
        )
    if damping is None:
        product: np.ndarray = rows @ judged.T
        return product
    if not damping > 0:
        raise RecipeError(f"damping is {damping}", mend="Give a share above 0, such as 0.1, or None.")
    return _whitened(rows, judged, damping)


def _whitened(rows: np.ndarray, judged: np.ndarray, damping: float) -> np.ndarray:
    """rows · (RᵀR/n + λI)⁻¹ · judgedᵀ, solved in the smaller of the two spaces (n × n by Woodbury's identity)."""
    n, width = rows.shape
    unit = np.abs(rows).max()
    if unit == 0:  # no row moves the model at all
        return np.zeros((n, len(judged)))
    rows = rows / unit  # squares of tiny gradients are 0
    judged = judged / unit
    ridge = damping * float(np.square(rows).sum()) / (n * width)
    if width <= n:
        fisher = rows.T @ rows / n + ridge * np.eye(width)
        found: np.ndarray = rows @ np.linalg.solve(fisher, judged.T)
        return found
    # R (RᵀR/n + λI)⁻¹ = (RRᵀ/n + λI)⁻¹ R
    found = np.linalg.solve(rows @ rows.T / n + ridge * np.eye(n), rows @ judged.T)
    return found


@dataclass(frozen=True)
class DatamodelingScore:
    """How well influences foretell what retraining gives: 1 is the right order of all subsets, 0 is guessing.

    Args:
        score: mean over evaluation rows of the rank correlation between foretold and measured output.
        interval: of `score`, for other subsets and other documents.
        subsets, rows: how many were retrained on, and scored.
    """

    score: float
    interval: tuple[float, float]
    subsets: int
    rows: int
    confidence: float

    def __str__(self) -> str:
        return (
            f"{self.score:+.3f} ({100 * self.confidence:g}% interval {self.interval[0]:+.3f} to "
            f"{self.interval[1]:+.3f}; {self.subsets} retrainings, {self.rows} rows)"
        )


def linear_datamodeling_score(
    influences: Any,
    subsets: Any,
    outputs: Any,
    clusters: Sequence[Any] | None = None,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> DatamodelingScore:
    """The linear datamodeling score (LDS, Park et al. 2023): rank correlation over subsets, mean over evaluation rows.

    The output that is foretold for a subset is the sum of the influences of its rows. Seed noise of the retrainings
    lowers the score of the best method, too: compare methods on the same retrainings, or give outputs that are means of
    several seeds. An evaluation row whose output is the same in all subsets has nothing to foretell and is left out.

    The interval is a percentile bootstrap that draws subsets and clusters of evaluation rows, both with replacement
    (Park et al. draw subsets only).

    Args:
        influences: (n, m) of n training rows on m evaluation rows, higher is better for the row, see `influence`.
        subsets: (k, n) bool, the training rows of each retraining; at least 5.
        outputs: (k, m) what each retrained target gave, higher is better, e.g. the log-probability of the answer.
        clusters: (m,) what each evaluation row belongs to, e.g. its document; None: every row for itself.
        confidence: of the interval.
        resamples: of the bootstrap.
        seed: of its draws.

    Raises:
        DataError: shapes do not fit, fewer than 5 subsets, a number that is not finite, or no output ever differs.

    Example:
        >>> subsets = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1]]
        >>> found = linear_datamodeling_score([[1.0], [2.0], [4.0]], subsets, [[0.1], [0.2], [0.4], [0.3], [0.5]])
        >>> round(found.score, 3)
        1.0
    """
    effects, measured = _matrix(influences, "influences"), _matrix(outputs, "outputs")
    chosen = np.asarray(subsets, dtype=float)
    if chosen.shape != (len(measured), len(effects)) or effects.shape[1] != measured.shape[1]:
        raise DataError(
            f"influences {effects.shape}, subsets {chosen.shape} and outputs {measured.shape} do not fit together",
            mend="Give them as (n, m), (k, n) and (k, m): training rows n, evaluation rows m, retrainings k.",
        )
    if len(chosen) < MIN_SUBSETS:
        what = f"{len(chosen)} retrainings say nothing about an order"
        raise DataError(what, mend=f"Retrain on {MIN_SUBSETS} subsets or more; 20 give a usable interval.")
    moves = np.ptp(measured, axis=0) > 0
    if not moves.any():
        raise DataError("No output differs between the retrainings", mend="Give more different subsets.")
    labels = np.arange(effects.shape[1]) if clusters is None else np.asarray(clusters)
    if len(labels) != effects.shape[1]:
        raise DataError(f"{len(labels)} clusters for {effects.shape[1]} rows", mend="Give one label a row.")
    _, cluster = np.unique(labels[moves], return_inverse=True)
    foretold, measured = (chosen @ effects)[:, moves], measured[:, moves]
    score = float(rank_correlation(foretold, measured).mean())
    drawn = _bootstrap(foretold, measured, cluster, resamples, np.random.default_rng([seed, 4]))
    low, high = np.nanquantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2]).tolist()
    return DatamodelingScore(score, (low, high), len(chosen), int(moves.sum()), confidence)


def rank_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's ρ of each column; ties get their mean rank; 0 where one side is constant: it foretells nothing.

    Args:
        first, second: (k, m).

    Returns:
        (m,).

    Example:
        >>> rank_correlation(np.array([[1, 5], [2, 5], [9, 5]]), np.array([[3, 1], [2, 2], [1, 3]])).tolist()
        [-1.0, 0.0]
    """
    ranks = [_mean_ranks(values) for values in (first, second)]
    left, right = (rank - rank.mean(axis=0) for rank in ranks)
    scale = np.sqrt(np.square(left).sum(axis=0) * np.square(right).sum(axis=0))
    together = (left * right).sum(axis=0)
    return np.divide(together, scale, out=np.zeros_like(scale), where=scale > 0)


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    """(k, m) ranks from 0 in each column: how many are smaller, and half of the others that are equal."""
    order = np.argsort(values, axis=0, kind="stable")
    inorder = np.take_along_axis(values, order, axis=0)
    k = len(values)
    place = np.arange(k)[:, None]
    starts = np.r_["0", np.ones((1, values.shape[1]), bool), inorder[1:] != inorder[:-1]]
    first = np.maximum.accumulate(np.where(starts, place, 0), axis=0)
    ends = np.r_["0", starts[1:], np.ones((1, values.shape[1]), bool)]
    last = np.minimum.accumulate(np.where(ends, place, k)[::-1], axis=0)[::-1]
    ranks = np.empty_like(values, dtype=float)
    np.put_along_axis(ranks, order, (first + last) / 2, axis=0)
    return ranks


def _bootstrap(
    foretold: np.ndarray, measured: np.ndarray, cluster: np.ndarray, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """(resamples,) scores of drawn subsets and clusters."""
    subsets, clusters = len(foretold), int(cluster.max()) + 1
    sizes = np.bincount(cluster, minlength=clusters)
    drawn = np.empty(resamples)
    for number in range(resamples):
        rows = rng.integers(0, subsets, subsets)
        weights = rng.multinomial(clusters, np.full(clusters, 1 / clusters))
        correlations = rank_correlation(foretold[rows], measured[rows])
        sums = np.bincount(cluster, weights=correlations, minlength=clusters)
        drawn[number] = (weights @ sums) / (weights @ sizes)
    return drawn


def _matrix(values: Any, name: str) -> np.ndarray:
    matrix = np.asarray(values, dtype=float)
    if matrix.ndim != 2 or not matrix.size:
        raise DataError(f"{name} has the shape {matrix.shape}", mend="Give a matrix, one row for each row.")
    if not np.isfinite(matrix).all():
        row = int(np.argwhere(~np.isfinite(matrix))[0, 0])
        raise DataError(f"A number of {name} is not finite", row=row, mend="Leave the row out.")
    return matrix
