"""Scores: ratings on any ordered scale, made comparable between people.

People use a scale differently: one gives 3 and 4, another 1 to 10. A score counts as its distance from the person's own mean in
the person's own standard deviations, both shrunk to everybody's where a person rated little.
"""

from dataclasses import dataclass

import numpy as np

from beholder.taste.dataset import JudgementDataset, RatingTable

LOGITS = 1.4  # of utility in one standard deviation of a person's scores, before held-out judgements set the scale
NOISE = 0.8  # variance of a standardised score around its utility, before anything is known: most of it is the moment's
_MEAN_COUNT, _SPREAD_COUNT = 2.0, 3.0  # ratings that everybody's mean and spread are worth


@dataclass(frozen=True)
class RatingScale:
    """mean and spread of each person's scores on each attribute, float64 [P, A]."""

    mean: np.ndarray
    spread: np.ndarray

    def of(self, ratings: RatingTable) -> np.ndarray:
        """Standardised scores, float64 [R]."""
        at = ratings.person, ratings.attribute
        return (ratings.score - self.mean[at]) / self.spread[at]


def standardise(evidence: JudgementDataset) -> RatingScale:
    """How each person uses the scale."""
    rated = evidence.ratings
    shape = len(evidence.people), len(evidence.attributes)
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
