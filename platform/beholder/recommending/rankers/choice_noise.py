"""Choice noise: how a person turns utilities into choices, as hypotheses whose probabilities their own choices change.

A hypothesis with a taste says how sharp choices are, how often one is made without looking (a lapse), and how soon a choice no
longer speaks for the person; three without a taste say that a coin is tossed, or one side is always taken. Each hypothesis with a
taste has its own Gaussian of the weights, and every choice multiplies a hypothesis' probability by what it had predicted for that
choice (prequential evidence, Dawid 1984). What is told is the mixture (Bayesian model averaging, Hoeting et al. 1999).
"""

import itertools
import math
from dataclasses import dataclass, field

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.statistics import sigmoid
from beholder.taste.gaussian import Gaussian

TASTELESS = 3  # a coin, the left side, the right side
_SIDE = 0.96  # how often who takes one side takes it
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()


@dataclass(frozen=True)
class ChoiceNoiseConfig:
    """The hypotheses, a grid, and how probable they are before anybody chose anything."""

    sharpness: list[float] = setting([0.4, 1.0], "how sharp choices may be: what the usual person's utilities are multiplied by")
    lapses: list[float] = setting([0.02], "how often a choice may be made without looking")
    drifting: float | None = setting(15.0, "half-life, in choices, of somebody whose taste changes; null: nobody's does")
    drifters: float = setting(0.15, "share of people whose taste changes, before anybody is known")
    tossers: float = setting(0.25, "share of people who toss a coin, before anybody is known")
    one_sided: float = setting(0.05, "share of people who always take one side, before anybody is known")
    people: float = setting(100.0, "how many people these shares are worth beside those from whom the shares are learned")

    def __post_init__(self) -> None:
        if not self.sharpness or not self.lapses or min(self.sharpness) <= 0 or not all(0 <= lapse < 1 for lapse in self.lapses):
            raise ConfigError("ranker.bayes.noise: expected sharpness above 0 and lapses from 0 to below 1, at least one of each")
        if min(self.tossers, self.one_sided, self.drifters) < 0 or self.tossers + self.one_sided >= 1 or self.drifters >= 1:
            raise ConfigError("ranker.bayes.noise: expected shares from 0 to below 1 of drifters, tossers and one_sided people")
        if self.people <= 0 or (self.drifting is not None and not self.drifting > 0):
            raise ConfigError("ranker.bayes.noise: people and drifting must be above 0")


EVERYBODY_ALIKE = ChoiceNoiseConfig(
    sharpness=[1.0], lapses=[0.0], drifting=None, drifters=0.0, tossers=0.0, one_sided=0.0
)  # one noise for all, and a taste


@dataclass(frozen=True, eq=False)
class ChoiceNoise:
    """J hypotheses with a taste, then TASTELESS without. sharpness, lapse, kept [J]: of those with a taste.

    kept: the share of what is known of somebody that is left one choice later. prior [J + 3]: probabilities before a person chose.
    """

    sharpness: np.ndarray
    lapse: np.ndarray
    kept: np.ndarray
    prior: np.ndarray

    def __len__(self) -> int:
        return len(self.sharpness)

    @classmethod
    def of(cls, config: ChoiceNoiseConfig, kept: float) -> "ChoiceNoise":
        """Return the grid of a config. kept: of somebody whose taste does not change."""
        drifting = config.drifting is not None and config.drifters > 0
        fading = [(kept, 1 - config.drifters if drifting else 1.0)]
        if drifting and config.drifting is not None:
            fading.append((0.5 ** (1 / config.drifting), config.drifters))
        grid = list(itertools.product(config.sharpness, config.lapses, fading))
        with_taste = 1 - config.tossers - config.one_sided
        size = len(config.sharpness) * len(config.lapses)
        shares = [with_taste * share / size for _, _, (_, share) in grid]
        prior = np.array([*shares, config.tossers, config.one_sided / 2, config.one_sided / 2])
        sharpness, lapse = (np.array([each[part] for each in grid], np.float64) for part in (0, 1))
        return cls(sharpness, lapse, np.array([fade for _, _, (fade, _) in grid]), prior)

    def learned(self, evidence: np.ndarray, people: float, *, steps: int = 50) -> "ChoiceNoise":
        """Return the hypotheses with the prior that makes people's choices likeliest, this one worth so many people (EM).

        evidence: ln P of each person's choices under each hypothesis, float64 [P, J + 3].
        """
        prior = self.prior
        for _ in range(steps):
            shares = responsibilities(evidence, prior).sum(axis=0) + people * self.prior
            prior = shares / shares.sum()
        return ChoiceNoise(self.sharpness, self.lapse, self.kept, prior)


@dataclass(frozen=True, eq=False)
class NoisyPosterior:
    """What is known of P people, or of one. means [..., J, D], covariances [..., J, D, D], evidence [..., J + 3]: ln P of the
    choices so far under each hypothesis."""

    means: np.ndarray
    covariances: np.ndarray
    evidence: np.ndarray
    _matched: list[Gaussian] = field(default_factory=list)  # the mixture as one Gaussian, once it was asked for

    @classmethod
    def before(cls, noise: ChoiceNoise, prior: Gaussian) -> "NoisyPosterior":
        """Return what is known of somebody before they chose. prior: of the usual person's weights."""
        scale = noise.sharpness[:, None]
        covariances = scale[:, :, None] ** 2 * prior.covariance
        return cls(scale * prior.mean, covariances, np.zeros(len(noise) + TASTELESS))

    def update(
        self, noise: ChoiceNoise, start: "NoisyPosterior", difference: np.ndarray, outcome: np.ndarray, *, first: bool = False
    ) -> "NoisyPosterior":
        """Return what is known after one more choice. difference [..., D] of the regressors of the sides; outcome [...]: 1 the
        left one, 0 the right one, 0.5 neither. start: `before`; first: nothing was known yet, so that nothing fades.

        The Gaussians get the moments of the true posterior, by quadrature in the one dimension that the choice speaks of (assumed
        density filtering, Opper 1998).
        """
        means, covariances = self.means, self.covariances
        if not first and (noise.kept < 1).any():
            kept = noise.kept[:, None]
            means = start.means + kept * (means - start.means)
            covariances = start.covariances + kept[..., None] ** 2 * (covariances - start.covariances)
        spread = np.einsum("...jde,...e->...jd", covariances, difference)
        variance = np.maximum(np.einsum("...jd,...d->...j", spread, difference), 0)
        mean = np.einsum("...jd,...d->...j", means, difference)
        evidence, shift, shrunk = _moments(mean, variance, noise.lapse, np.asarray(outcome)[..., None])
        means = means + spread * shift[..., None]
        covariances = covariances - shrunk[..., None, None] * spread[..., :, None] * spread[..., None, :]
        return NoisyPosterior(means, covariances, self.evidence + np.concatenate([evidence, _tasteless(outcome)], axis=-1))

    def weights(self, noise: ChoiceNoise) -> np.ndarray:
        """Return the probability of each hypothesis, float64 [..., J + 3]."""
        return responsibilities(self.evidence, noise.prior)

    def matched(self, noise: ChoiceNoise) -> Gaussian:
        """Return one person's mixture as the Gaussian of the same mean and covariance; without a taste all weights are 0."""
        if not self._matched:
            weights = self.weights(noise)[: len(noise)]
            mean = weights @ self.means
            second = np.tensordot(weights, self.covariances, 1) + (self.means.T * weights) @ self.means
            self._matched.append(Gaussian(mean, second - np.outer(mean, mean)))
        return self._matched[0]

    def chances(self, noise: ChoiceNoise, rows: np.ndarray) -> np.ndarray:
        """Return P(one person prefers, shown on either side) for differences of regressors [C, D], float64 [C].

        It is the share of answers that would say so: in a lapse, and without a taste, that is half of them.
        """
        weights = self.weights(noise)
        looked = weights[: len(noise)] * (1 - noise.lapse)
        return np.asarray(self._preferred(rows) @ looked + 0.5 * (1 - looked.sum()))

    def answers(self, noise: ChoiceNoise, rows: np.ndarray) -> np.ndarray:
        """Return P(one person takes the left side) under each hypothesis, for differences of regressors [C, D], [C, J + 3]."""
        tasteless = np.tile([0.5, _SIDE, 1 - _SIDE], (len(rows), 1))
        return np.concatenate([(1 - noise.lapse) * self._preferred(rows) + noise.lapse / 2, tasteless], axis=1)

    def _preferred(self, rows: np.ndarray) -> np.ndarray:
        """Return P(preferred) under each hypothesis with a taste, [C, J]."""
        mean = rows @ self.means.T
        variance = np.stack([np.einsum("cd,cd->c", rows @ each, rows) for each in self.covariances], axis=1)
        return np.asarray(sigmoid(mean / np.sqrt(1 + np.pi / 8 * np.maximum(variance, 0))))


def responsibilities(evidence: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return the probability of each hypothesis, [..., J + 3]."""
    with np.errstate(divide="ignore"):
        logs = evidence + np.log(prior)
    shares = np.exp(logs - logs.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def _moments(
    mean: np.ndarray, variance: np.ndarray, lapse: np.ndarray, outcome: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ln P of an outcome that is logistic in x ~ N(mean, variance), and how the posterior of weights follows from x's:
    the mean moves by `shift` times its covariance with x, the covariance shrinks by `shrunk` times the square of that."""
    deviation = np.sqrt(variance)
    x = mean[..., None] + deviation[..., None] * _NODES
    left = (1 - lapse[:, None]) * sigmoid(x) + lapse[:, None] / 2
    chosen = outcome[..., None]
    likelihood = np.where(chosen == 1, left, np.where(chosen == 0, 1 - left, np.sqrt(left * (1 - left))))
    mass = np.maximum(likelihood * _WEIGHTS, 1e-300)
    total = mass.sum(axis=-1)
    share = mass / total[..., None]
    step = (share * _NODES).sum(axis=-1)  # of x, in its standard deviations
    left_over = np.clip((share * (_NODES - step[..., None]) ** 2).sum(axis=-1), 1e-6, None)
    safe = np.maximum(deviation, 1e-12)
    moved = deviation > 1e-9
    shift, shrunk = np.where(moved, step / safe, 0), np.where(moved, (1 - left_over) / safe**2, 0)
    return np.log(total), shift, shrunk


def _tasteless(outcome: np.ndarray) -> np.ndarray:
    """Return ln P of outcomes [...] under the hypotheses without a taste, [..., TASTELESS]."""
    outcome = np.asarray(outcome, np.float64)
    one, other = math.log(_SIDE), math.log(1 - _SIDE)
    sides = [outcome * one + (1 - outcome) * other, outcome * other + (1 - outcome) * one]
    return np.stack([np.full(outcome.shape, -math.log(2)), *sides], axis=-1)
