"""Which labels are probably wrong, how many there are, and in which order a person should look at them.

Labels are compared with the probabilities of a model that did not see them. How many are wrong is counted by confident
learning (Northcutt, Jiang & Chuang 2021, JAIR 70): a class's threshold is the mean probability of that class among the
rows labelled with it, and a row is confidently of a class whose threshold it reaches. Which rows these are follows from
the odds that the given label is the true one, with a noise matrix P(given | true) that makes the given labels likely
(expectation maximisation, as Dawid & Skene 1979 have it for annotators).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_mbdc.errors import DataError

# Both chosen on simulated noise, such as the first part of scripts/eval_label_errors.py makes, not on checked errors.
FOREIGN = 0.03  # weight of rows that are of no class, or of several, as those with even probabilities may be
PRIOR = 0.3  # of uniform noise in the noise matrix, in rows of an average class
EM_STEPS = 15
NEWTON_STEPS = 10
SHARPEST, SOFTEST = 4.0, 0.125  # bounds of the power that calibrates
TINY = 1e-12  # the least probability that is told apart from 0
_BLOCK = 1_000_000  # numbers handled at a time: 8 MB
_TOLERANCE = 0.01  # of the sum of a row's probabilities, which float16 and rounding to three digits keep


@dataclass(frozen=True)
class LabelErrors:
    """One entry a row, in the order of the rows, and what was estimated about all of them.

    Args:
        quality: the probability, as far as the model goes, that the given label is right: lower is more suspect. It
            orders rows; how many are wrong is for `error_rate` to say.
        suspected: the rows to look at: of as many first ranks as `error_rate` says, those where the model prefers
            another class.
        suggested: the likeliest other label for suspected rows, else the given one.
        rank: 1 is the row to look at first.
        error_rate: estimated share of wrong labels.
        joint: (given, true) estimated shares of all rows; rows that reach no threshold count as rightly labelled.
    """

    quality: np.ndarray
    suspected: np.ndarray
    suggested: np.ndarray
    rank: np.ndarray
    error_rate: float
    joint: np.ndarray

    def to_review(self) -> np.ndarray:
        """The positions of the suspected rows, most suspect first."""
        order = np.argsort(self.rank)
        return order[self.suspected[order]]

    def columns(self, names: Sequence[str] | None = None) -> dict[str, list[Any]]:
        """As columns for the rows: `for name, values in found.columns().items(): ds = ds.add_column(name, values)`.

        Args:
            names: of the classes, to be written instead of numbers.
        """
        suggested = self.suggested.tolist()
        return {
            "mbdc_label_quality": self.quality.tolist(),
            "mbdc_label_suspected": self.suspected.tolist(),
            "mbdc_label_suggested": suggested if names is None else [names[code] for code in suggested],
            "mbdc_label_rank": self.rank.tolist(),
        }


def find_label_errors(labels: Any, probabilities: Any) -> LabelErrors:
    """Ranks rows by how probably their label is wrong, and names the suspected ones.

    1. The probabilities are raised to the power that makes the given labels most likely (temperature scaling, Guo et
       al. 2017): a model that is too sure, or not sure enough, is no worse for it.
    2. The confident joint of given and true labels says how many labels are wrong.
    3. The noise matrix P(given | true) is fitted, drawn a little to noise that is alike everywhere.
    4. A row with the given label k has the odds p(k) P(k | k) : Σ_{j≠k} p(j) P(k | j) + 0.03 h/K, where h is the
       entropy of its probabilities as a share of the largest: a row that looks like every class may be of none.

    `scripts/eval_label_errors.py` compares it with the scores of cleanlab, on simulated noise and on labels that people
    checked. Memory beside the arguments: a few times classes × classes and some numbers a row; `probabilities` may be
    float32 or a memory map and are read in blocks, about thirty times.

    Args:
        labels: (rows,) given classes, 0 … classes − 1.
        probabilities: (rows, classes) by models that were not trained on the row itself (cross-validated): else they
            have learnt its label, wrong or not. Of several models, give the mean. Sums may miss 1 by 0.01.

    Raises:
        DataError: shapes that do not fit, no rows, one class, a label out of range, or a row whose probabilities are
            negative, not finite or do not sum to 1.

    Example:
        >>> found = find_label_errors([0, 0, 0, 1, 1, 1], [[.9, .1], [.8, .2], [.1, .9], [.2, .8], [.3, .7], [.1, .9]])
        >>> found.to_review().tolist(), found.suggested.tolist()
        ([2], [0, 0, 1, 1, 1, 1])
    """
    given, table = _check_inputs(labels, probabilities)
    power = _calibrate(given, table)
    joint = _confident_joint(given, table, power)
    noise = _fit_noise(given, table, power)
    quality, likeliest, other = np.empty(len(given)), np.empty_like(given), np.empty_like(given)
    for rows, block in _blocks(table, power):
        likeliest[rows] = block.argmax(axis=1)
        quality[rows], other[rows] = _judge(block, given[rows], noise)
    rank = rank_by_quality(quality)
    error_rate = float(1 - np.trace(joint))
    suspected = (rank <= round(error_rate * len(given))) & (likeliest != given)
    return LabelErrors(quality, suspected, np.where(suspected, other, given), rank, error_rate, joint)


def rank_by_quality(quality: np.ndarray) -> np.ndarray:
    """Ranks rows for review: 1 for the lowest quality, ties in the order of the rows, NaN last.

    Example:
        >>> rank_by_quality(np.array([0.9, np.nan, 0.1])).tolist()
        [2, 3, 1]
    """
    rank = np.empty(len(quality), dtype=np.int64)
    rank[np.argsort(quality, kind="stable")] = np.arange(1, len(quality) + 1)
    return rank


def _judge(block: np.ndarray, given: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probability that each given label is right, and the likeliest of the others."""
    own = np.arange(len(given)), given
    weights = block * noise.T[given]
    right = np.maximum(weights[own], TINY)
    weights[own] = 0
    wrong = weights.sum(axis=1) + _foreign(block)
    return right / (right + wrong), weights.argmax(axis=1)


def _foreign(block: np.ndarray) -> np.ndarray:
    """What a row that is of no class weighs beside the classes."""
    classes = block.shape[1]
    entropy = -(block * np.log(np.maximum(block, TINY))).sum(axis=1) / np.log(classes)
    return FOREIGN / classes * entropy


def _calibrate(given: np.ndarray, table: np.ndarray) -> float:
    """The power of the probabilities that makes the given labels most likely: Newton's method, as that is convex."""
    power = 1.0
    for _ in range(NEWTON_STEPS):
        slope = bend = 0.0
        for rows, block in _blocks(table, power):
            logs = np.log(np.maximum(table[rows], TINY))
            mean = (block * logs).sum(axis=1)
            slope += float((logs[np.arange(len(block)), given[rows]] - mean).sum())
            bend += float((block * (logs - mean[:, None]) ** 2).sum())
        step = slope / bend if bend > TINY else 0.0
        last, power = power, min(max(power + step, power / 2, SOFTEST), power * 2, SHARPEST)
        if abs(power - last) < 1e-4:
            break
    return power


def _confident_joint(given: np.ndarray, table: np.ndarray, power: float) -> np.ndarray:
    """(given, true) shares of all rows, where the true class is the one that a row is confidently of."""
    classes = table.shape[1]
    counts, sums, joint = np.bincount(given, minlength=classes), np.zeros(classes), np.zeros(classes**2)
    for rows, block in _blocks(table, power):
        sums += np.bincount(given[rows], block[np.arange(len(block)), given[rows]], minlength=classes)
    thresholds = np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)  # ∞: a class without rows
    for rows, block in _blocks(table, power):
        reached = block >= thresholds - 1e-9  # rows that are all alike reach their own mean in spite of rounding
        best = np.where(reached, block, -1.0).argmax(axis=1)
        confident = np.where(reached.any(axis=1), best, given[rows])
        joint += np.bincount(given[rows] * classes + confident, minlength=classes**2)
    return joint.reshape(classes, classes) / len(given)


def _fit_noise(given: np.ndarray, table: np.ndarray, power: float) -> np.ndarray:
    """(true, given) probabilities of the given label."""
    classes = table.shape[1]
    noise = _uniform_noise(classes, 0.05)
    for _ in range(EM_STEPS):
        pairs = np.zeros((classes, classes))  # (given, true) rows
        for rows, block in _blocks(table, power):
            weights = block * noise.T[given[rows]]
            weights /= (weights.sum(axis=1) + _foreign(block) + TINY)[:, None]
            order = np.argsort(given[rows], kind="stable")
            starts = np.searchsorted(given[rows][order], np.arange(classes))
            present = np.flatnonzero(np.diff(np.r_[starts, len(order)]))
            pairs[present] += np.add.reduceat(weights[order], starts[present], axis=0)
        error = 1 - np.trace(pairs) / pairs.sum()
        prior = _uniform_noise(classes, min(max(error, 0.001), 0.5)) * pairs.sum() / classes
        noise = pairs.T + PRIOR * prior
        noise /= noise.sum(axis=1, keepdims=True)
    return noise


def _uniform_noise(classes: int, error: float) -> np.ndarray:
    noise = np.full((classes, classes), error / (classes - 1))
    noise[np.diag_indices(classes)] = 1 - error
    return noise


def _blocks(table: np.ndarray, power: float) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows block by block as float64, raised to a power, with sums of exactly 1."""
    size = max(1, _BLOCK // table.shape[1])
    for start in range(0, len(table), size):
        block = np.maximum(table[start : start + size].astype(float), TINY) ** power
        block /= block.sum(axis=1, keepdims=True)
        yield slice(start, start + len(block)), block


def _check_inputs(labels: Any, probabilities: Any) -> tuple[np.ndarray, np.ndarray]:
    table, given = np.asanyarray(probabilities), np.asarray(labels)
    if table.ndim != 2 or given.ndim != 1 or len(table) != len(given) or not len(given):
        raise DataError(
            f"Labels have shape {given.shape} and probabilities {table.shape}",
            mend="Give (rows,) labels and (rows, classes) probabilities of the same rows.",
        )
    if table.shape[1] < 2:
        raise DataError("There is one class only", mend="Give the probabilities of two classes or more.")
    if given.dtype.kind not in "iu":
        raise DataError(
            f"Labels are {given.dtype}, not numbers of classes", mend="Give 0, 1, … as ClassLabel has them."
        )
    if (wrong := (given < 0) | (given >= table.shape[1])).any():
        row = int(np.argmax(wrong))
        raise DataError(
            f"The label {given[row]} is none of the {table.shape[1]} classes",
            row=row,
            mend="Leave out rows without a label; give a column of probabilities for each class.",
        )
    size = max(1, _BLOCK // table.shape[1])
    for start in range(0, len(table), size):
        _check_probabilities(table[start : start + size], start)
    return given.astype(np.intp), table


def _check_probabilities(block: np.ndarray, start: int) -> None:
    sums = block.sum(axis=1, dtype=float)
    wrong = ~((np.abs(sums - 1) <= _TOLERANCE) & (block >= 0).all(axis=1))  # NaN too
    if wrong.any():
        row = int(np.argmax(wrong))
        what = "are not numbers" if np.isnan(sums[row]) else f"are below 0 or sum to {sums[row]:.4g}"
        raise DataError(
            f"The probabilities of a row {what}",
            row=start + row,
            mend="Give probabilities, as softmax makes them of logits, and leave out rows that were not scored.",
        )
