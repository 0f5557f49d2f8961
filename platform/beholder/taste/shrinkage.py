"""Shrinkage: how far a person is served their own taste, where judgements that it was not fitted to may speak against it.

Nobody should be served worse than by the population's taste because a model of them went wrong: a person who clicks at random,
or changed their mind. The weight is the posterior probability that the personal utilities explain the held-out judgements better
than the population's do, and what is served lies that far between the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.statistics import log_likelihood, sigmoid
from beholder.taste.contract import Normal, Taste, TasteInfo, TasteSettings
from beholder.taste.dataset import Groups, JudgementDataset
from beholder.taste.validation import TIE, pairs

POPULATION = ""  # a user_id that no taste knows: it gets the population's
_ODDS = 4.0  # prior odds of the personal taste, before held-out judgements: it was fitted to this person

Weights = Mapping[str, Mapping[str, float]]  # attribute -> user_id -> 0 (the population's) .. 1 (the person's own)


@dataclass(frozen=True)
class ShrunkTaste:
    """A taste that serves each person something between the population's utility and their own, by their weight."""

    taste: Taste
    weights: Weights

    @property
    def info(self) -> TasteInfo:
        """Return the inner taste's."""
        return self.taste.info

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return what lies between the population's and the person's, float32 [P, N]."""
        own = self.taste.utilities(items, user_ids, attribute)
        weights = np.array([self._weight(user_id, attribute) for user_id in user_ids], np.float32)
        if (weights == 1).all():
            return own
        shared = self.taste.utilities(items, [POPULATION], attribute)
        return np.asarray(shared + weights[:, None] * (own - shared), np.float32)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """Return what lies between the population's and the person's; the variance is that of the mixture of the two."""
        own = self.taste.differences(left, right, user_id, attribute)
        weight = self._weight(user_id, attribute)
        if weight == 1:
            return own
        shared = self.taste.differences(left, right, POPULATION, attribute)
        mean = shared.mean + weight * (own.mean - shared.mean)
        within = weight * own.variance + (1 - weight) * shared.variance
        between = weight * (1 - weight) * (own.mean - shared.mean) ** 2
        return Normal(mean, within + between)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return the inner taste's."""
        return self.taste.tensors()

    def settings(self) -> TasteSettings:
        """Return the inner taste's."""
        return self.taste.settings()

    def _weight(self, user_id: str, attribute: str) -> float:
        return float(self.weights.get(attribute, {}).get(user_id, 1.0))


def weigh(taste: Taste, held_out: JudgementDataset, items: np.ndarray, *, seed: int) -> dict[str, dict[str, float]]:
    """Return how far each person's own taste is to be trusted, from judgements it was not fitted to; nobody without any is named.

    Pairs that ratings imply count as much together as the ratings they come from.
    """
    weights: dict[str, dict[str, float]] = {}
    for row, attribute in enumerate(held_out.attributes):
        own = held_out.on_attribute(row)
        test = pairs(own, seed=seed)
        counts = own.select(np.arange(len(own.ratings)), own.comparisons.choice != TIE).counts()
        groups = Groups.of(test.person, len(held_out.people))
        weights[attribute] = {}
        for person in groups.present():
            mine, user_id = test[groups[person]], held_out.people[person]
            personal, population = (
                log_likelihood(taste.differences(items[mine.left], items[mine.right], name, attribute).logits(), mine.choice).sum()
                for name in (user_id, POPULATION)
            )
            weights[attribute][user_id] = float(trust(personal - population, counts[person] / len(mine)))
    return weights


def trust(gain: Any, independent: Any) -> Any:
    """Return the weight of people's own tastes, 0..1, from numbers or arrays [P].

    gain: ln P of held-out pairs by the own taste, less that by the population's. independent: judgements behind each of the pairs.
    """
    return sigmoid(np.log(_ODDS) + np.minimum(1.0, independent) * gain)
