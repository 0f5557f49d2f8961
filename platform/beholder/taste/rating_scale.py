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
            np.full(len(rated), 1 / (LOGITS**2 * NOISE)),
            design[compared.left] - design[compared.right],
            compared.choice.astype(np.float64),
            fixed[compared.left] - fixed[compared.right],
        )


def standardise(dataset: JudgementDataset) -> RatingScale:
    """Return how each person uses the scale."""
    rated = dataset.ratings
    shape = len(dataset.people), len(dataset.attributes)
    cell = rated.person * shape[1] + rated.attribute
    size = shape[0] * shape[1]
    count = np.bincount(cell, minlength=size).reshape(shape)
    score = rated.score.astype(np.float64)
    total = np.bincount(cell, score, minlength=size).reshape(shape)
    everybody = total.sum(axis=0) / np.maximum(count.sum(axis=0), 1)
    mean = (total + _MEAN_COUNT * everybody) / (count + _MEAN_COUNT)
    own = total / np.maximum(count, 1)
    square = np.bincount(cell, (score - own.reshape(-1)[cell]) ** 2, minlength=size).reshape(shape)
    within = square.sum(axis=0) / np.maximum((count - 1).clip(0).sum(axis=0), 1)
    within = np.where(within > 0, within, 1.0)  # nobody ever gave two different scores
    spread = np.sqrt((square + _SPREAD_COUNT * within) / (count + _SPREAD_COUNT))
    return RatingScale(mean, spread)
