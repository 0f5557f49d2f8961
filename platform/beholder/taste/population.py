"""The population's taste: one linear utility per attribute that everybody shares. The yardstick of all the others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.taste import rating_scale
from beholder.taste.contract import Normal, TasteInfo, fitting
from beholder.taste.dataset import JudgementDataset, pairs_within
from beholder.taste.gaussian import Gaussian, Observations, laplace
from beholder.taste.rating_scale import RatingScale


@dataclass(frozen=True)
class PopulationConfig:
    """Ridge regression on ratings and logistic regression on comparisons at once."""

    penalties: list[float] = setting(
        [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0], "strengths of the ridge; held-out judgements choose"
    )

    def __post_init__(self) -> None:
        if not self.penalties or min(self.penalties) <= 0:
            raise ConfigError(f"taste.population.penalties must be positive numbers, got {self.penalties}")


class Population:
    """Signs the contract of tastes. weights: float32 [A, D], centre: float32 [D]."""

    def __init__(self, info: TasteInfo, weights: np.ndarray, centre: np.ndarray, penalties: Sequence[float]):
        self.info = info
        self.weights = weights
        self.centre = centre
        self.penalties = list(penalties)

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """The same for everybody, float32 [P, N]."""
        row = self.info.attribute(attribute)
        shared = (fitting(items, len(self.centre)) - self.centre) @ self.weights[row]
        return np.broadcast_to(shared.astype(np.float32), (len(user_ids), len(items)))

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """u(left) - u(right); how sure the population is of itself is not asked."""
        row = self.info.attribute(attribute)
        mean = (fitting(left, len(self.centre)) - fitting(right, len(self.centre))) @ self.weights[row]
        return Normal(mean.astype(np.float32), np.zeros(len(mean), np.float32))

    def tensors(self) -> Mapping[str, np.ndarray]:
        """weights and centre."""
        return {"weights": self.weights, "centre": self.centre}

    def settings(self) -> dict[str, Any]:
        """The penalty chosen for each attribute."""
        return {"penalties": self.penalties}


def fit(
    train: JudgementDataset,
    held_out: JudgementDataset,
    items: np.ndarray,
    config: PopulationConfig,
    *,
    encoder_id: str,
    seed: int,
    progress: Any,
) -> Population:
    """Fit one utility per attribute to what everybody said; `held_out` chooses the penalty and sets the scale."""
    vectors = fitting(items, None).astype(np.float64)
    seen = np.unique(np.concatenate([train.ratings.image, train.comparisons.left, train.comparisons.right]))
    centre = vectors[seen].mean(axis=0)
    size = np.sqrt(((vectors[seen] - centre) ** 2).mean())
    design = (vectors - centre) / size  # so that a penalty means the same for every encoder
    standard = rating_scale.standardise(train)
    weights, chosen = [], []
    for attribute in range(len(train.attributes)):
        progress(attribute, len(train.attributes), {})
        told = observe(train.on(attribute), design, standard)
        tests = trials(held_out.on(attribute), seed=seed)
        found = {penalty: _ridge(told, penalty) for penalty in sorted(config.penalties)}
        losses = {penalty: _loss(design, w, tests) for penalty, w in found.items()}
        # nothing held out says nothing: then the middle one
        middle = sorted(config.penalties)[len(config.penalties) // 2]
        best = min(losses, key=lambda penalty: (losses[penalty][0], penalty != middle))
        weights.append(found[best] * losses[best][1] / size)
        chosen.append(best)
    progress(len(train.attributes), len(train.attributes), {})
    info = TasteInfo("population", encoder_id, train.attributes, train.people)
    return Population(info, np.array(weights, np.float32), centre.astype(np.float32), chosen)


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Population:
    """Rebuild it from its tensors."""
    return Population(info, tensors["weights"], tensors["centre"], settings["penalties"])


def observe(
    evidence: JudgementDataset, design: np.ndarray, standard: RatingScale, *, noise: float = rating_scale.NOISE
) -> Observations:
    """Evidence on one attribute as observations of weights on design [N, D]; ratings in logits, of noise variance `noise`."""
    rated, compared = evidence.ratings, evidence.comparisons
    return Observations(
        design[rated.image],
        rating_scale.LOGITS * standard.of(rated),
        np.full(len(rated), 1 / (rating_scale.LOGITS**2 * noise)),
        design[compared.left] - design[compared.right],
        compared.choice.astype(np.float64),
        np.zeros(len(compared)),
    )


def trials(held_out: JudgementDataset, *, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pairs to test on: comparisons and what ratings imply; person, left, right [C] and choice [C]."""
    pairs = (held_out.comparisons, pairs_within(held_out, at_most=200, seed=seed))
    person, left, right, choice = (
        np.concatenate([getattr(part, name) for part in pairs]) for name in ("person", "left", "right", "choice")
    )
    return person, left, right, choice


def rescale(differences: np.ndarray, choices: np.ndarray) -> tuple[float, float]:
    """The log-loss of choices [C] after the best factor on differences [C], and that factor: 0.05..20, or 1 for no choices."""
    if not len(choices):
        return 0.0, 1.0
    factors = np.exp(np.linspace(np.log(0.05), np.log(20.0), 121))
    scaled = np.outer(factors, differences)
    losses = (np.logaddexp(0, -scaled) * choices + np.logaddexp(0, scaled) * (1 - choices)).mean(axis=1)
    best = int(losses.argmin())
    return float(losses[best]), float(factors[best])


def _ridge(told: Observations, penalty: float) -> np.ndarray:
    width = told.readings.shape[1]
    prior = Gaussian(np.zeros(width), np.eye(width) / penalty)
    return laplace(prior, np.eye(width) * penalty, told, temper=1.0).mean


def _loss(design: np.ndarray, weights: np.ndarray, tests: tuple[np.ndarray, ...]) -> tuple[float, float]:
    _, left, right, choice = tests
    shared = design @ weights
    return rescale(shared[left] - shared[right], choice)
