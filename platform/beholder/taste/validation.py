"""Held-out judgements: the loss that stops a fit, and the slope that turns utilities into logits."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from beholder.taste.dataset import ComparisonTable, JudgementDataset, pairs_within

_PAIRS = 200  # that a person's ratings imply, at most, on one attribute
_PRIOR = 9.0  # the variance, in logits, of what a typical difference is believed to be worth


@dataclass(frozen=True)
class HeldOut:
    """Comparisons to judge a model by: those that were made and, on an attribute without any, those that ratings imply."""

    comparisons: ComparisonTable
    attributes: int

    @classmethod
    def of(cls, evidence: JudgementDataset, *, seed: int = 0) -> "HeldOut":
        made = evidence.comparisons
        rated = replace(evidence, ratings=evidence.ratings[~np.isin(evidence.ratings.attribute, made.attribute)])
        return cls(ratings_as_pairs(rated, at_most=_PAIRS, seed=seed).comparisons, len(evidence.attributes))

    def __len__(self) -> int:
        return len(self.comparisons)

    def differences(self, utility: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """u(left) - u(right), [C]. utility(image, person, attribute), int64 [N] each, gives [N]; it is asked each thing once."""
        asked = self.comparisons
        sides = np.stack(
            [np.r_[asked.left, asked.right], np.r_[asked.person, asked.person], np.r_[asked.attribute, asked.attribute]]
        )
        once, where = np.unique(sides, axis=1, return_inverse=True)
        left, right = utility(once[0], once[1], once[2])[where.reshape(-1)].reshape(2, -1)
        found: np.ndarray = left - right
        return found

    def slopes(self, differences: np.ndarray) -> np.ndarray:
        """For each attribute the factor that turns differences into logits, float64 [A]; 1 where nothing tells."""
        return slopes(differences, self.comparisons.choice, self.comparisons.attribute, self.attributes)

    def loss(self, differences: np.ndarray) -> float:
        """Mean -log P of the choices, at each attribute's best slope: the order of images counts, not how far they lie apart."""
        factors = self.slopes(differences)[self.comparisons.attribute]
        return log_loss(factors * differences, self.comparisons.choice)

    def accuracy(self, differences: np.ndarray) -> float:
        """The share of choices that differences have the sign of; a tie on either side counts half."""
        return float(np.mean(1 - np.abs(self.comparisons.choice - (np.sign(differences) + 1) / 2)))


def ratings_as_pairs(evidence: JudgementDataset, *, at_most: int, seed: int) -> JudgementDataset:
    """The evidence with the comparisons that ratings imply in the place of the ratings, at most so many a person and attribute."""
    made, implied = evidence.comparisons, pairs_within(evidence, at_most=at_most, seed=seed)
    columns = ("person", "left", "right", "attribute", "choice")
    both = ComparisonTable(*(np.concatenate([getattr(made, name), getattr(implied, name)]) for name in columns))
    return replace(evidence, ratings=evidence.ratings[np.zeros(0, np.int64)], comparisons=both)


def log_loss(difference: np.ndarray, choice: np.ndarray) -> float:
    """Mean -log P of comparisons, [C] each, as plain logistic choices; a tie counts half for either side."""
    x = difference.astype(np.float64)
    return float(np.mean(np.logaddexp(0, x) - choice * x))


def slope(difference: np.ndarray, choice: np.ndarray) -> float:
    """The factor, above 0, that turns differences [C] into logits of the choices [C]: the most probable one where a typical
    difference is believed to be worth 0 +- 3 logits, so that it is finite, and scales as the differences do. 1 where nothing tells.
    """
    return float(slopes(difference, choice, np.zeros(len(difference), np.int64), 1)[0])


def slopes(difference: np.ndarray, choice: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """`slope` of each of many groups of comparisons at once, float64 [groups]; group: whose each comparison is, int64 [C]."""
    count = np.maximum(np.bincount(group, minlength=groups), 1)
    x = difference.astype(np.float64)
    size = np.sqrt(np.bincount(group, x * x, minlength=groups) / count)
    silent = size == 0
    size = np.where(silent, 1.0, size)
    x = x / size[group]
    found, going = np.ones(groups), ~silent
    for _ in range(100):
        p = 1 / (1 + np.exp(-np.clip(found[group] * x, -60, 60)))
        up = np.bincount(group, (p - choice) * x, minlength=groups) + found / _PRIOR
        step = up / (np.bincount(group, p * (1 - p) * x * x, minlength=groups) + 1 / _PRIOR)
        found = np.where(going, np.clip(found - np.clip(step, -1, 1), 1e-3, 1e3), found)
        going &= np.abs(step) >= 1e-9
        if not going.any():
            break
    return found / size
