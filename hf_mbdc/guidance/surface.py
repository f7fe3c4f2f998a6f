"""A response surface over mixing ratios: a Gaussian process, averaged over what its few points leave open.

Ratios x are put at √x, where the simplex is a piece of a sphere (Hellinger distance): unlike logarithms, that has room
for a source of which nothing is taken. The covariance is Matérn 5/2. Length scale, amplitude and noise are not chosen
but averaged over a grid, each combination with its posterior weight (Rasmussen & Williams 2006, §5.2): with a dozen
trainings many fit, and one of them alone would be too sure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

LENGTHS = np.geomspace(0.2, 3.2, 9)  # of distances up to √2
AMPLITUDES = np.geomspace(0.25, 4.0, 7) ** 2  # of standardised scores
NOISES = np.geomspace(0.01, 3.0, 14) ** 2
MEAN = 4.0  # prior variance of the mean of standardised scores


@dataclass(frozen=True)
class Surface:
    """Scores at some ratios as weighted Gaussian processes, one for each combination that the scores leave possible.

    Args:
        ratios: (points, sources).
        shift, scale: of the scores.
        weights, lengths, amplitudes: (processes,).
        inverses, solved: (processes, points, points) inverse Cholesky factors, (processes, points) solved scores.
    """

    ratios: np.ndarray
    shift: float
    scale: float
    weights: np.ndarray
    lengths: np.ndarray
    amplitudes: np.ndarray
    inverses: np.ndarray
    solved: np.ndarray

    def predict(self, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation (n,) of the true score at n ratios, noise of a training left out."""
        means, variances = self._each(ratios)
        mean = self.weights @ means
        variance = self.weights @ (variances + means**2) - mean**2
        return self.shift + self.scale * mean, self.scale * np.sqrt(np.maximum(variance, 0))

    def expected_improvement(self, ratios: np.ndarray, best: float) -> np.ndarray:
        """(n,) how much the true score at each ratio is expected to be above `best`, 0 where it is below."""
        means, variances = self._each(ratios)
        deviation = np.sqrt(np.maximum(variances, 1e-12))
        z = (means - (best - self.shift) / self.scale) / deviation
        density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        gain: np.ndarray = self.weights @ (deviation * (z * _normal(z) + density))
        return self.scale * gain

    def _each(self, ratios: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(processes, n) mean and variance of every process, standardised."""
        distance = _distances(ratios, self.ratios)
        means, variances = [], []
        for length, amplitude, inverse, solved in zip(
            self.lengths, self.amplitudes, self.inverses, self.solved, strict=True
        ):
            cross = amplitude * _matern(distance / length) + MEAN
            means.append(cross @ solved)
            variances.append(amplitude + MEAN - ((cross @ inverse.T) ** 2).sum(axis=1))
        return np.array(means), np.array(variances)


def fit_surface(ratios: np.ndarray, scores: np.ndarray, noise: tuple[float, int] = (0.0, 0)) -> Surface:
    """The surface through some scores.

    Args:
        ratios: (points, sources), rows add up to 1.
        scores: (points,).
        noise: the variance of a score by chance, as measured, and the degrees of freedom that it was measured with; 0
            of them where there is but one seed: then the scatter about the surface alone tells.

    Example:
        >>> ratios = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
        >>> mean, deviation = fit_surface(ratios, np.array([0.1, 0.9, 0.2]), (1e-6, 9)).predict(ratios)
        >>> mean.round(2).tolist(), bool((deviation < 0.02).all())
        ([0.1, 0.9, 0.2], True)
    """
    shift, scale = float(scores.mean()), float(scores.std()) or 1.0
    values = (scores - shift) / scale
    measured, freedom = max(noise[0] / scale**2, 1e-6), noise[1]
    noises = measured * np.geomspace(0.3, 3.0, 7) ** 2 if freedom else NOISES
    lengths, amplitudes, variances = (grid.ravel() for grid in np.meshgrid(LENGTHS, AMPLITUDES, noises, indexing="ij"))
    covariance = amplitudes[:, None, None] * _matern(_distances(ratios, ratios) / lengths[:, None, None]) + MEAN
    inverses = np.linalg.inv(np.linalg.cholesky(covariance + variances[:, None, None] * np.eye(len(values))))
    half = inverses @ values
    fit = -(half**2).sum(axis=1) / 2 + np.log(np.diagonal(inverses, axis1=1, axis2=2)).sum(axis=1)
    of_noise = -freedom / 2 * (np.log(variances) + measured / variances)  # χ² of the measured variance
    weights = np.exp(fit + of_noise - (fit + of_noise).max())
    kept = weights > 1e-3  # the others change nothing and cost as much
    return Surface(
        ratios,
        shift,
        scale,
        weights[kept] / weights[kept].sum(),
        lengths[kept],
        amplitudes[kept],
        inverses[kept],
        np.einsum("pji,pj->pi", inverses[kept], half[kept]),
    )


def _distances(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    steps = np.sqrt(one)[:, None] - np.sqrt(two)[None]
    found: np.ndarray = np.sqrt((steps**2).sum(axis=2))
    return found


def _matern(distance: np.ndarray) -> np.ndarray:
    scaled = math.sqrt(5) * distance
    return (1 + scaled + scaled**2 / 3) * np.exp(-scaled)


def _normal(z: np.ndarray) -> np.ndarray:
    """The standard normal distribution function; numpy has no error function."""
    return np.array([math.erf(v) for v in (z / math.sqrt(2)).ravel()]).reshape(z.shape) / 2 + 0.5
