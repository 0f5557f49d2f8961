"""Chance mixture: how often people are predicted right, as a mixture of those who answer by chance and those who look.

Two beta-binomial classes: of chance (1/2, a little overdispersed) and of people who look, whose mean, spread and share are learned
from everybody (empirical Bayes, maximum a posteriori). The probability of chance given somebody's own counts is a local false
discovery rate (Efron, Tibshirani, Storey and Tusher 2001), which allows for how many people are looked at.
"""

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special  # type: ignore[import-untyped]  # scipy ships no types

_CHANCE_COUNT = 400.0  # the beta's count of the class of chance: a standard deviation of 0.025 beyond the binomial's
_MEAN, _MEAN_SPREAD, _LOG_COUNT, _COUNT_SPREAD = 0.70, 0.08, np.log(60.0), 1.0  # of people who look, before anybody is known
_PRIOR_COUNT = 10.0  # people that the belief in `share` is worth
_FEWEST = 10  # coin tosses of a person from whom the classes are learned


@dataclass(frozen=True)
class ChanceMixture:
    """Two classes of people. share: of those who answer by chance; mean and count: of the beta of those who look; usable: whether
    the two can be told apart here."""

    share: float
    mean: float
    count: float
    usable: bool

    def log_odds(self, right: np.ndarray, tosses: np.ndarray) -> np.ndarray:
        """Return ln P(counts | chance) - ln P(counts | looks), [P]."""
        chance = _log_beta_binomial(right, tosses, 0.5, _CHANCE_COUNT)
        return np.asarray(chance - _log_beta_binomial(right, tosses, self.mean, self.count))


def fit_mixture(right: np.ndarray, tosses: np.ndarray, evidence: np.ndarray, q: np.ndarray, *, share: float) -> ChanceMixture:
    """Return the two classes by maximum a posteriori. evidence: what else speaks for chance, ln odds [P]; q: of being predictable
    nevertheless; share: of people who answer by chance, before anybody is known.

    Where hardly anybody is predictable (fewer than two people, or a fifth of those with enough judgements), it is the data that
    can't tell, not the people, and nobody is called random for it.
    """
    enough = tosses >= _FEWEST
    k, n, more = right[enough], tosses[enough], evidence[enough]

    def loss(values: np.ndarray) -> float:
        logit, mean, log_count = values
        chance = special.log_expit(logit) + more + _log_beta_binomial(k, n, 0.5, _CHANCE_COUNT)
        looks = special.log_expit(-logit) + _log_beta_binomial(k, n, mean, np.exp(log_count))
        chances = special.expit(logit)
        prior = _PRIOR_COUNT * (share * np.log(chances) + (1 - share) * np.log1p(-chances))
        prior -= ((mean - _MEAN) / _MEAN_SPREAD) ** 2 / 2 + ((log_count - _LOG_COUNT) / _COUNT_SPREAD) ** 2 / 2
        return float(-np.logaddexp(chance, looks).sum() - prior)

    start = np.array([special.logit(share), _MEAN, _LOG_COUNT])
    bounds = [(-9.0, 4.0), (0.55, 0.98), (np.log(5.0), np.log(1000.0))]
    best = optimize.minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    predictable = int((q[enough] < 0.05).sum())
    usable = predictable >= 2 and predictable >= 0.2 * int(enough.sum())
    return ChanceMixture(float(special.expit(best[0])) if usable else share, float(best[1]), float(np.exp(best[2])), usable)


def _log_beta_binomial(right: np.ndarray, tosses: np.ndarray, mean: float, count: float) -> np.ndarray:
    """Return ln P of so many right ones of so many tosses under a beta of this mean and count, up to what no beta changes, [P]."""
    a, b = mean * count, (1 - mean) * count
    return np.asarray(special.betaln(right + a, tosses - right + b) - special.betaln(a, b))
