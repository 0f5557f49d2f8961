"""What all answers so far say of each image: the Bradley-Terry model with a normal prior, so that its uncertainty is known.

Pairs of a study are chosen with it where the population's answer is least sure: its mutual information with the utilities is
largest (Houlsby et al. 2011).
"""

from collections.abc import Callable, Iterable

import numpy as np

from beholder.recommending.acquisition import information
from beholder.taste.gaussian import Gaussian, Observations, laplace

_VARIANCE = 1.5  # of a utility, in logits, before any answer
_MOST = 400  # images with a covariance of their own; of more, only the variances are kept


def fit_utilities(count: int, answers: Iterable[tuple[int, int, float]]) -> Gaussian:
    """Return the posterior of the utilities of `count` images, in logits.

    answers: (left, right, choice) with the images' numbers; choice is 1 for left, 0 for right and 0.5 for a tie. Up to 400 images
    have a covariance [count, count]; of more, there are the variances alone, as [count, 1].
    """
    rows = list(answers)
    left, right = (np.array([row[at] for row in rows], np.int64) for at in (0, 1))
    choices = np.array([row[2] for row in rows], np.float64)
    if count > _MOST:
        return _diagonal(count, left, right, choices)
    differences = np.zeros((len(rows), count))
    differences[np.arange(len(rows)), left] = 1
    differences[np.arange(len(rows)), right] = -1
    prior = Gaussian(np.zeros(count), np.eye(count) * _VARIANCE)
    empty = np.zeros((0, count)), np.zeros(0), np.zeros(0)
    observations = Observations(*empty, differences, choices, np.zeros(len(rows)))
    return laplace(prior, np.eye(count) / _VARIANCE, observations, temper=1.0)


def _diagonal(count: int, left: np.ndarray, right: np.ndarray, choices: np.ndarray) -> Gaussian:
    """The same for many images, by coordinate-wise Newton steps; the covariance [count, count] is not made: [count, 0] is given."""
    mean: np.ndarray = np.zeros(count)
    curvature: np.ndarray = np.zeros(count)
    for _ in range(30):
        p = 1 / (1 + np.exp(mean[right] - mean[left]))
        gradient = np.bincount(left, choices - p, count) - np.bincount(right, choices - p, count) - mean / _VARIANCE
        weight = p * (1 - p)
        curvature = np.bincount(left, weight, count) + np.bincount(right, weight, count) + 1 / _VARIANCE
        mean = mean + 0.5 * gradient / curvature
    return Gaussian(mean, 1 / curvature[:, None] if len(choices) else np.full((count, 1), _VARIANCE))


def pair_information(utilities: Gaussian) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Return a function of two arrays of images [P] that returns the information in bits of each answer [P]."""
    mean, covariance = utilities.mean, utilities.covariance
    full = covariance.shape[1] == len(mean) and covariance.ndim == 2 and len(mean) > 1
    variance = np.diag(covariance) if full else covariance[:, 0]

    def of(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        shared = covariance[first, second] if full else np.zeros(len(first))
        deviation = np.sqrt(np.maximum(variance[first] + variance[second] - 2 * shared, 1e-12))
        return information(mean[first] - mean[second], deviation)

    return of
