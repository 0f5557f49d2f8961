"""Gaussian beliefs about weights: from many judgements by Laplace's method, from one in microseconds, and a prior over people.

Weights w have a Gaussian prior. A rating is a noisy measurement of a utility, a.w + noise; a comparison is a logistic choice on a
difference, P(left) = sigmoid(a.w); a tie is half a choice for either side. The likelihood may be tempered, raised to a power
below 1: judgements of one person depend on each other, and counting them in full makes a posterior too sure (Grünwald and van
Ommen 2017). A prior over people is learned by expectation maximisation, whose M step `shrink` is part of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder.statistics import log_likelihood, sigmoid


@dataclass(frozen=True)
class Observations:
    """Judgements as observations of weights [D].

    rating_design [R, D], values [R] and precisions [R] (1 / noise variance) of ratings; differences [C, D] and choices [C]
    (1 left, 0 right, 0.5 a tie) of comparisons, made on offsets + differences.w. weights [C]: of their log-likelihoods; None: 1.
    float64.
    """

    rating_design: np.ndarray
    values: np.ndarray
    precisions: np.ndarray
    differences: np.ndarray
    choices: np.ndarray
    offsets: np.ndarray
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.values) + len(self.choices)


@dataclass(frozen=True)
class Gaussian:
    """A multivariate normal of weights: mean [D] and covariance [D, D], float64."""

    mean: np.ndarray
    covariance: np.ndarray

    def project(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and variance of directions.w, for directions [N, D]: two arrays [N]."""
        return directions @ self.mean, np.einsum("nd,nd->n", directions @ self.covariance, directions)

    def update(self, difference: np.ndarray, choice: float, *, offset: float = 0.0, temper: float = 1.0) -> "Gaussian":
        """Return the posterior after one more choice on offset + difference.w, in O(D^2).

        Only the weights' projection on the difference changes its shape, so the mode is found in one dimension.
        """
        spread = self.covariance @ difference
        variance = float(difference @ spread)
        if variance <= 0:
            return self
        start = float(difference @ self.mean) + offset
        mode = _mode(start, temper * variance, choice)
        p = sigmoid(mode)
        curvature = temper * p * (1 - p)
        mean = self.mean + spread * ((mode - start) / variance)
        return Gaussian(mean, self.covariance - np.outer(spread, spread) * (curvature / (1 + curvature * variance)))


def laplace(
    prior: Gaussian,
    precision: np.ndarray,
    observations: Observations,
    *,
    temper: float,
    start: np.ndarray | None = None,
    steps: int = 20,
) -> Gaussian:
    """Return the Gaussian around the mode of the posterior (Newton's method), exact where there are only ratings.

    precision: the inverse of the prior's covariance [D, D]. start: where to begin, near the mode if that is known.
    """
    ratings, comparisons = observations.rating_design, observations.differences
    fixed = precision + temper * (ratings.T * observations.precisions) @ ratings
    pull = precision @ prior.mean + temper * ratings.T @ (observations.precisions * observations.values)
    mean = prior.mean if start is None else start
    if not len(observations.choices):
        covariance = np.linalg.inv(fixed)
        return Gaussian(covariance @ pull, covariance)
    covariance = prior.covariance
    worth = temper if observations.weights is None else temper * observations.weights

    def log_posterior(at: np.ndarray) -> float:
        """Return it up to a constant."""
        likelihood = (worth * log_likelihood(observations.offsets + comparisons @ at, observations.choices)).sum()
        return float(likelihood + pull @ at - at @ fixed @ at / 2)

    now = log_posterior(mean)
    for _ in range(steps):
        p = sigmoid(observations.offsets + comparisons @ mean)
        curvatures = worth * p * (1 - p)
        hessian = fixed + (comparisons.T * curvatures) @ comparisons
        gradient = pull - fixed @ mean + comparisons.T @ (worth * (observations.choices - p))
        covariance = np.linalg.inv(hessian)
        step = covariance @ gradient
        for _ in range(30):  # far from the mode a full step may overshoot, because the logistic flattens out
            then = log_posterior(mean + step)
            if then >= now - 1e-12:
                break
            step = step / 2
        mean, now = mean + step, then
        if np.abs(step).max() < 1e-7:
            break
    return Gaussian(mean, covariance)


def shrink(moment: np.ndarray, count: float, *, target: np.ndarray, strength: float) -> np.ndarray:
    """Return the covariance [D, D] of `count` people drawn towards a target that is worth `strength` people."""
    return np.asarray((count * moment + strength * target) / (count + strength))


def lower_triangle(matrices: Sequence[np.ndarray], width: int) -> np.ndarray:
    """Return the lower triangles of symmetric matrices [width, width] as rows, float64 [N, width (width + 1) / 2]."""
    at = np.tril_indices(width)
    return np.array([matrix[at] for matrix in matrices]).reshape(-1, len(at[0]))


def symmetric(lower: np.ndarray, width: int) -> np.ndarray:
    """Return a symmetric matrix [width, width] from its lower triangle."""
    matrix = np.zeros((width, width))
    matrix[np.tril_indices(width)] = lower
    return np.asarray(matrix + np.tril(matrix, -1).T)


def _mode(start: float, pull: float, choice: float) -> float:
    """Return x = start + pull (choice - sigmoid(x)): Newton's method, with a bisection wherever that does not come closer fast.

    Newton's steps alone may jump from one side of the mode to the other for ever.
    """
    low, high = start + pull * (choice - 1), start + pull * choice
    x, before = min(max(start, low), high), high - low
    for _ in range(200):
        p = sigmoid(x)
        slope = start + pull * (choice - p) - x
        low, high = (x, high) if slope > 0 else (low, x)
        step = slope / (1 + pull * p * (1 - p))
        if not low <= x + step <= high or abs(step) > before / 2:
            step = (low + high) / 2 - x
        x, before = x + step, abs(step)
        if before < 1e-10:
            break
    return float(x)
