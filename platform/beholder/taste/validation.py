"""Pairs to judge a taste by, whether its differences are right about them, and the scale that makes its utilities logits.

There is one policy for ties, in training, judging and searching:

- Training learns from ties. A tie says that two utilities lie near each other, and every likelihood has a place for it: a band
  in `likelihood`, half a choice for either side in `gaussian`.
- Judging leaves ties out: when a fit stops, a setting or a weight is chosen, a scale is set, or a figure is reported. A tie
  has no right answer that accuracy could count, and what a taste serves is the probability of left given that a side is
  chosen. Counted as half a choice for either side, ties would pull every taste's scale towards 0, and the more so the
  better it orders the images.
- Two images that somebody rated alike imply nothing, in training or judging: scales are coarse, so most equal ratings come of
  the scale and not of the images.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from beholder import statistics
from beholder.statistics import sigmoid
from beholder.taste.dataset import ComparisonTable, JudgementDataset, concatenate, implied_comparisons

PAIRS = 200  # that a person's ratings imply, at most, on one attribute
TIE = 0.5
_PRIOR = 9.0  # the variance, in logits, of what a typical difference is believed to be worth


def pairs(dataset: JudgementDataset, *, seed: int = 0, at_most: int = PAIRS, ties: bool = False) -> ComparisonTable:
    """Return the comparisons made and those that ratings imply, `at_most` a person and attribute.

    ties: False to judge by, True to learn from (the module's docstring says why).
    """
    made = dataset.comparisons if ties else decided(dataset.comparisons)
    return concatenate([made, implied_comparisons(dataset, at_most=at_most, seed=seed)])


def decided(comparisons: ComparisonTable) -> ComparisonTable:
    """Return the comparisons that are no ties."""
    return comparisons[comparisons.choice != TIE]


def ratings_as_pairs(dataset: JudgementDataset, *, at_most: int, seed: int) -> JudgementDataset:
    """Return judgements to learn from with the comparisons that ratings imply in the place of the ratings."""
    comparisons = pairs(dataset, seed=seed, at_most=at_most, ties=True)
    return replace(dataset, ratings=dataset.ratings[np.zeros(0, np.int64)], comparisons=comparisons)


def correctness(differences: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Return 1 where the sign of a difference [C] is the choice, 0 where not, 0.5 where there is no difference; float64 [C]."""
    return np.asarray(1 - np.abs(choice - (np.sign(differences) + 1) / 2), np.float64)


def logit_scale(differences: np.ndarray, choice: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the factor, above 0, that turns differences [C] into logits of the choices [C]; 1 where nothing tells.

    It is the most probable one where a typical difference is believed to be worth 0 +- 3 logits, so that it is finite, and
    scales as the differences do. weight: of each choice's log-likelihood, [C]; None: 1.
    """
    return float(logit_scales(differences, choice, np.zeros(len(differences), np.int64), 1, weight)[0])


def logit_scales(
    differences: np.ndarray, choice: np.ndarray, group: np.ndarray, groups: int, weight: np.ndarray | None = None
) -> np.ndarray:
    """Return `logit_scale` of each of many groups of comparisons at once (Newton's method), float64 [groups].

    group: which each comparison belongs to, int64 [C]; weight: of its log-likelihood, [C]; None: 1.
    """
    count = np.maximum(np.bincount(group, minlength=groups), 1)
    worth = np.ones(len(differences)) if weight is None else weight
    x = differences.astype(np.float64)
    size = np.sqrt(np.bincount(group, x * x, minlength=groups) / count)
    silent = size == 0
    size = np.where(silent, 1.0, size)
    x = x / size[group]
    scale, unfinished = np.ones(groups), ~silent
    for _ in range(100):
        p = sigmoid(scale[group] * x)
        gradient = np.bincount(group, worth * (p - choice) * x, minlength=groups) + scale / _PRIOR
        step = gradient / (np.bincount(group, worth * p * (1 - p) * x * x, minlength=groups) + 1 / _PRIOR)
        scale = np.where(unfinished, np.clip(scale - np.clip(step, -1, 1), 1e-3, 1e3), scale)
        unfinished &= np.abs(step) >= 1e-9
        if not unfinished.any():
            break
    return np.asarray(scale / size)


def scaled_log_loss(differences: np.ndarray, choice: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    """Return the log-loss of choices [C] at the logit scale of differences [C], and that scale; 0 and 1 for no choices.

    weight: of each choice's log-likelihood, [C]; None: 1.
    """
    if not len(choice):
        return 0.0, 1.0
    scale = logit_scale(differences, choice, weight)
    return statistics.log_loss(scale * differences, choice, weight), scale


@dataclass(frozen=True)
class HeldOut:
    """Pairs to stop a fit by: the comparisons made and, on an attribute without any, those that ratings imply; no ties.

    weight: of each one's log-likelihood, float64 [C]; None: 1.
    """

    comparisons: ComparisonTable
    attributes: int
    weight: np.ndarray | None = None

    @classmethod
    def of(cls, dataset: JudgementDataset, *, seed: int = 0) -> "HeldOut":
        """Return the pairs of held-out judgements."""
        compared = np.isin(dataset.ratings.attribute, decided(dataset.comparisons).attribute)
        dataset = replace(dataset, ratings=dataset.ratings[~compared])
        asked = pairs(dataset, seed=seed)
        return cls(asked, len(dataset.attributes), dataset.weights_of(asked))

    def __len__(self) -> int:
        return len(self.comparisons)

    def differences(self, utility: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        """Return u(left) - u(right), [C]. utility(image, person, attribute), int64 [N] each, gives [N]; it is asked each once."""
        table = self.comparisons
        sides = np.stack(
            [np.r_[table.left, table.right], np.r_[table.person, table.person], np.r_[table.attribute, table.attribute]]
        )
        once, where = np.unique(sides, axis=1, return_inverse=True)
        left, right = utility(once[0], once[1], once[2])[where.reshape(-1)].reshape(2, -1)
        return np.asarray(left - right)

    def logit_scales(self, differences: np.ndarray) -> np.ndarray:
        """Return for each attribute the factor that turns differences into logits, float64 [A]; 1 where nothing tells."""
        return logit_scales(differences, self.comparisons.choice, self.comparisons.attribute, self.attributes, self.weight)

    def loss(self, differences: np.ndarray) -> float:
        """Return the log-loss at each attribute's scale: the order of images counts, not how far they lie apart."""
        scales = self.logit_scales(differences)[self.comparisons.attribute]
        return statistics.log_loss(scales * differences, self.comparisons.choice, self.weight)
