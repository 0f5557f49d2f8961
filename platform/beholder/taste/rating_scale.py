"""Ratings on any ordered scale made comparable between people, and judgements as observations of weights.

People use a scale differently: one gives 3 and 4, another 1 to 10. A score counts as its distance from the person's own mean in
the person's own standard deviations, both shrunk to everybody's where a person rated little.
"""

from dataclasses import dataclass

import numpy as np

from beholder.taste.dataset import JudgementDataset, RatingTable
from beholder.taste.gaussian import Observations

LOGITS = 1.4  # of utility in one standard deviation of a person's scores, before held-out judgements set the scale
NOISE = 0.8  # variance of a standardised score around its utility, before anything is known: most of it is the moment's
_MEAN_COUNT, _SPREAD_COUNT = 2.0, 3.0  # ratings that everybody's mean and spread are worth


@dataclass(frozen=True)
class RatingScale:
    """How people use a scale: mean and spread of each person's scores on each attribute, float64 [P, A]."""

    mean: np.ndarray
    spread: np.ndarray

    def of(self, ratings: RatingTable) -> np.ndarray:
        """Return standardised scores, float64 [R]."""
        at = ratings.person, ratings.attribute
        return np.asarray((ratings.score - self.mean[at]) / self.spread[at])

    def observations(self, dataset: JudgementDataset, design: np.ndarray, offset: np.ndarray | None = None) -> Observations:
        """Return judgements on one attribute as observations of weights on `design` [N, D]; ratings in logits, of variance NOISE.

        offset: the part of each image's utility that does not depend on the weights, [N]; None: nothing.
        """
        rated, compared = dataset.ratings, dataset.comparisons
        fixed = np.zeros(len(design)) if offset is None else offset
        return Observations(
            design[rated.image],
            LOGITS * self.of(rated) - fixed[rated.image],
            np.full(len(rated), 1 / (LOGITS**2 * NOISE))
            if dataset.weights is None
            else dataset.weights[rated.person] / (LOGITS**2 * NOISE),
            design[compared.left] - design[compared.right],
            compared.choice.astype(np.float64),
            fixed[compared.left] - fixed[compared.right],
            dataset.weights_of(compared),
        )


@dataclass(frozen=True)
class ScoreMoments:
    """How people use a scale on each attribute, as sums that add up over people, float64 [A] each.

    count and total: of the scores. square: of each score's distance from the person's own mean, squared. freedom: its degrees.
    """

    count: np.ndarray
    total: np.ndarray
    square: np.ndarray
    freedom: np.ndarray

    @classmethod
    def of(cls, dataset: JudgementDataset) -> "ScoreMoments":
        """Return the sums over the people of a dataset, by their weights."""
        count, total, square = _person_sums(dataset)
        sums = count, total, square, (count - 1).clip(0)
        if dataset.weights is not None:
            return cls(*(dataset.weights @ each for each in sums))
        return cls(*(each.sum(axis=0).astype(np.float64) for each in sums))

    def mean(self) -> np.ndarray:
        """Return everybody's mean score, [A]."""
        return np.asarray(self.total / np.maximum(self.count, 1))

    def variance(self) -> np.ndarray:
        """Return the variance of scores around their person's mean, [A]; 1 where nobody ever gave two different ones."""
        within = self.square / np.maximum(self.freedom, 1)
        return np.where(within > 0, within, 1.0)


def standardise(dataset: JudgementDataset, usual: ScoreMoments | None = None) -> RatingScale:
    """Return how each person uses the scale. usual: how people do, to whom the dataset's are shrunk; None: the dataset's own."""
    count, total, square = _person_sums(dataset)
    usual = usual or ScoreMoments.of(dataset)
    mean = (total + _MEAN_COUNT * usual.mean()) / (count + _MEAN_COUNT)
    spread = np.sqrt((square + _SPREAD_COUNT * usual.variance()) / (count + _SPREAD_COUNT))
    return RatingScale(mean, spread)


def _person_sums(dataset: JudgementDataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return count and sum of each person's scores on each attribute, and the sum of squares around their mean, [P, A] each."""
    rated = dataset.ratings
    shape = len(dataset.people), len(dataset.attributes)
    cell = rated.person * shape[1] + rated.attribute
    size = shape[0] * shape[1]
    count = np.bincount(cell, minlength=size).reshape(shape)
    score = rated.score.astype(np.float64)
    total = np.bincount(cell, score, minlength=size).reshape(shape)
    own = total / np.maximum(count, 1)
    square = np.bincount(cell, (score - own.reshape(-1)[cell]) ** 2, minlength=size).reshape(shape)
    return count, total, square
