"""What all answers so far say of each image: the Bradley-Terry model with a normal prior, so that its uncertainty is known.

Pairs of a study are chosen with it where the population's answer is least sure: its mutual information with the utilities is
largest (Houlsby et al. 2011). The prior is the same for all images, or what a taste says of them: what it was fitted to need not be
asked again.
"""

from collections.abc import Callable, Iterable

import numpy as np

from beholder.recommending.acquisition import information
from beholder.taste.contract import Taste
from beholder.taste.gaussian import Gaussian, Observations, laplace

NOBODY = ""  # a user_id that no taste knows: it says of them what it says of the population
_VARIANCE = 1.5  # of a utility, in logits, before any answer
_OWN = 0.25  # the part of it that no taste knows of, in logits
_MOST = 400  # images with a covariance of their own; of more, only the variances are kept
_SAMPLE = 64  # images to which each one is compared where there are more


def same_for_all(count: int) -> Gaussian:
    """Return the prior of the utilities of images of which nothing is known, in the form of `fit_utilities`."""
    return Gaussian(np.zeros(count), np.eye(count) * _VARIANCE if count <= _MOST else np.full((count, 1), _VARIANCE))


def taste_prior(taste: Taste, vectors: np.ndarray, attribute: str, *, seed: int = 0) -> Gaussian:
    """Return what a taste says of the utilities of images [N, D] to somebody it does not know, in the form of `fit_utilities`.

    Its variances of differences, D_ij = K_ii + K_jj - 2 K_ij, give the covariance by double centring, K = -J D J / 2 with
    J = I - 11' / N (Torgerson 1952), up to what all utilities have in common, which no comparison sees. Each image also has a part
    of its own, so that answers may contradict a taste that is sure, or does not say how sure it is. Of more than 400 images, the
    diagonal of K is estimated from the differences to 64 of them.
    """
    count = len(vectors)
    mean = taste.utilities(vectors, [NOBODY], attribute)[0].astype(np.float64)
    others = np.arange(count) if count <= _MOST else np.sort(np.random.default_rng(seed).permutation(count)[:_SAMPLE])
    variance = np.stack(
        [taste.differences(vectors, np.repeat(vectors[[row]], count, axis=0), NOBODY, attribute).variance for row in others], axis=1
    ).astype(np.float64)
    to_all = variance.mean(axis=1)
    if count > _MOST:
        diagonal = np.clip(to_all - to_all[others].mean() / 2, 0, None)
        return Gaussian(mean, (diagonal + _OWN)[:, None])
    centred = variance - to_all[:, None] - to_all + to_all.mean()
    return Gaussian(mean, -(centred + centred.T) / 4 + _OWN * np.eye(count))


def fit_utilities(count: int, answers: Iterable[tuple[int, int, float]], prior: Gaussian | None = None) -> Gaussian:
    """Return the posterior of the utilities of `count` images, in logits.

    answers: (left, right, choice) with the images' numbers; choice is 1 for left, 0 for right and 0.5 for a tie. prior: None:
    the same for all images. Up to 400 images have a covariance [count, count]; of more, there are the variances alone, as
    [count, 1].
    """
    rows = list(answers)
    left, right = (np.array([row[at] for row in rows], np.int64) for at in (0, 1))
    choices = np.array([row[2] for row in rows], np.float64)
    prior = prior or same_for_all(count)
    if count > _MOST:
        return _diagonal(prior, left, right, choices)
    differences = np.zeros((len(rows), count))
    differences[np.arange(len(rows)), left] = 1
    differences[np.arange(len(rows)), right] = -1
    empty = np.zeros((0, count)), np.zeros(0), np.zeros(0)
    observations = Observations(*empty, differences, choices, np.zeros(len(rows)))
    return laplace(prior, np.linalg.inv(prior.covariance), observations, temper=1.0)


def _diagonal(prior: Gaussian, left: np.ndarray, right: np.ndarray, choices: np.ndarray) -> Gaussian:
    """Return the same for many images, by coordinate-wise Newton steps: variances [count, 1]."""
    count, start, precision = len(prior.mean), prior.mean, 1 / prior.covariance[:, 0]
    mean, curvature = start, precision
    for _ in range(30):
        p = 1 / (1 + np.exp(mean[right] - mean[left]))
        gradient = np.bincount(left, choices - p, count) - np.bincount(right, choices - p, count) - (mean - start) * precision
        weight = p * (1 - p)
        curvature = np.bincount(left, weight, count) + np.bincount(right, weight, count) + precision
        mean = mean + 0.5 * gradient / curvature
    return Gaussian(mean, 1 / curvature[:, None])


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
