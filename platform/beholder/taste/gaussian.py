"""Gaussian beliefs about weights: from many judgements by Laplace's method, from one in microseconds.

Weights w have a Gaussian prior. A rating is a noisy reading of a utility, a.w + noise; a comparison is a logistic choice on a
difference, P(left) = sigma(a.w). The likelihood may be tempered, raised to a power below 1: judgements of one person depend on
each other, and counting them in full makes a posterior too sure (Grünwald and van Ommen 2017).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Observations:
    """What was said about weights [D].

    readings [R, D], values [R] and precisions [R] (1 / noise variance) of ratings; differences [C, D] and choices [C]
    (1 left, 0 right, 0.5 a tie) of comparisons, made on offsets + differences.w. float64.
    """

    readings: np.ndarray
    values: np.ndarray
    precisions: np.ndarray
    differences: np.ndarray
    choices: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        return len(self.values) + len(self.choices)


@dataclass(frozen=True)
class Gaussian:
    """A belief about weights: mean [D] and covariance [D, D], float64."""

    mean: np.ndarray
    covariance: np.ndarray

    def look(self, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of directions.w, for directions [N, D]: two arrays [N]."""
        return directions @ self.mean, np.einsum("nd,nd->n", directions @ self.covariance, directions)

    def choose(self, difference: np.ndarray, choice: float, *, offset: float = 0.0, temper: float = 1.0) -> "Gaussian":
        """The belief after one more choice on offset + difference.w, in O(D^2).

        Only the weights' shadow along the difference changes its shape, so the mode is found in one dimension.
        """
        spread = self.covariance @ difference
        variance = float(difference @ spread)
        if variance <= 0:
            return self
        start = float(difference @ self.mean) + offset
        mode = _mode(start, temper * variance, choice)
        said = _sigmoid(mode)
        curve = temper * said * (1 - said)
        mean = self.mean + spread * ((mode - start) / variance)
        return Gaussian(mean, self.covariance - np.outer(spread, spread) * (curve / (1 + curve * variance)))


def laplace(
    prior: Gaussian,
    precision: np.ndarray,
    seen: Observations,
    *,
    temper: float,
    start: np.ndarray | None = None,
    steps: int = 20,
) -> Gaussian:
    """The Gaussian around the mode of the posterior (Newton's method), exact where there are only ratings.

    precision: the inverse of the prior's covariance [D, D]. start: where to begin, near the mode if that is known.
    """
    fixed = precision + temper * (seen.readings.T * seen.precisions) @ seen.readings
    pull = precision @ prior.mean + temper * seen.readings.T @ (seen.precisions * seen.values)
    mean = prior.mean if start is None else start
    if not len(seen.choices):
        covariance = np.linalg.inv(fixed)
        return Gaussian(covariance @ pull, covariance)
    covariance = prior.covariance

    def height(at: np.ndarray) -> float:
        """The log-posterior, up to a constant."""
        reached = seen.offsets + seen.differences @ at
        told = seen.choices * -np.logaddexp(0, -reached) + (1 - seen.choices) * -np.logaddexp(0, reached)
        return float(temper * told.sum() + pull @ at - at @ fixed @ at / 2)

    now = height(mean)
    for _ in range(steps):
        said = _sigmoid(seen.offsets + seen.differences @ mean)
        curves = temper * said * (1 - said)
        hessian = fixed + (seen.differences.T * curves) @ seen.differences
        gradient = pull - fixed @ mean + temper * seen.differences.T @ (seen.choices - said)
        covariance = np.linalg.inv(hessian)
        move = covariance @ gradient
        for _ in range(30):  # far from the mode a full step may overshoot, because the logistic flattens out
            then = height(mean + move)
            if then >= now - 1e-12:
                break
            move = move / 2
        mean, now = mean + move, then
        if np.abs(move).max() < 1e-7:
            break
    return Gaussian(mean, covariance)


def _mode(start: float, pull: float, choice: float) -> float:
    """Where x = start + pull (choice - sigma(x)): Newton's method, with a bisection wherever that does not come closer fast.

    Newton's steps alone may jump from one side of the mode to the other for ever.
    """
    low, high = start + pull * (choice - 1), start + pull * choice
    x, before = min(max(start, low), high), high - low
    for _ in range(200):
        said = _sigmoid(x)
        slope = start + pull * (choice - said) - x
        low, high = (x, high) if slope > 0 else (low, x)
        step = slope / (1 + pull * said * (1 - said))
        if not low <= x + step <= high or abs(step) > before / 2:
            step = (low + high) / 2 - x
        x, before = x + step, abs(step)
        if before < 1e-10:
            break
    return float(x)


def _sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))
