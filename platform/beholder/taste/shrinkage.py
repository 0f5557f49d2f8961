"""Trust: how far a person is served their own taste, where judgements that it never saw may speak against it.

Nobody should get worse than everybody's taste because a model of them went wrong: a person who clicks at random, or changed
their mind. The weight is the posterior probability that the personal utilities explain the held-out judgements better than the
population's do, and what is served lies that far between the two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.taste import population
from beholder.taste.contract import Normal, Taste, TasteInfo
from beholder.taste.dataset import JudgementDataset

POPULATION = ""  # a user_id that no taste knows: it gets the population's
_ODDS = 4.0  # for the personal taste before anything held out is seen: it was fitted to this person

Weights = Mapping[str, Mapping[str, float]]  # attribute -> user_id -> 0 (the population's) .. 1 (the person's own)


@dataclass(frozen=True)
class ShrunkTaste:
    """A taste that serves each person as far as it can be believed. Signs the contract of tastes."""

    taste: Taste
    weights: Weights

    @property
    def info(self) -> TasteInfo:
        """The taste's own."""
        return self.taste.info

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Between the population's and the person's, float32 [P, N]."""
        own = self.taste.utilities(items, user_ids, attribute)
        weights = np.array([self._weight(user_id, attribute) for user_id in user_ids], np.float32)
        if (weights == 1).all():
            return own
        shared = self.taste.utilities(items, [POPULATION], attribute)
        return (shared + weights[:, None] * (own - shared)).astype(np.float32)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """Between the population's and the person's; the variance is that of the mixture of the two."""
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
        """The taste's own."""
        return self.taste.tensors()

    def settings(self) -> dict[str, Any]:
        """The taste's own."""
        return self.taste.settings()

    def _weight(self, user_id: str, attribute: str) -> float:
        return float(self.weights.get(attribute, {}).get(user_id, 1.0))


def weigh(taste: Taste, held_out: JudgementDataset, items: np.ndarray, *, seed: int) -> dict[str, dict[str, float]]:
    """How far each person's own taste is to be trusted, from judgements it was not fitted to; 1 where there are none.

    Pairs that ratings imply count as much together as the ratings they come from.
    """
    found: dict[str, dict[str, float]] = {}
    for row, attribute in enumerate(held_out.attributes):
        own = held_out.on(row)
        person, left, right, choice = population.trials(own, seed=seed)
        said = own.counts()
        found[attribute] = {}
        for who in np.unique(person):
            mine = person == who
            user_id = held_out.people[who]
            pair = items[left[mine]], items[right[mine]]
            gains = [
                log_likelihood(taste.differences(*pair, name, attribute).probability(), choice[mine]).sum()
                for name in (user_id, POPULATION)
            ]
            share = min(1.0, said[who] / mine.sum())
            found[attribute][user_id] = float(1 / (1 + np.exp(-np.log(_ODDS) - share * (gains[0] - gains[1]))))
    return found


def log_likelihood(probability: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """ln P of each choice [N] (1 left, 0 right, 0.5 half of each), given P(left) [N]."""
    certain = np.clip(probability.astype(np.float64), 1e-9, 1 - 1e-9)
    return choice * np.log(certain) + (1 - choice) * np.log1p(-certain)
