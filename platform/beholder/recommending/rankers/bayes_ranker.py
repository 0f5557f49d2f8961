"""The Bayesian ranker: a Gaussian over each person's weights that every choice updates.

u(edit) = regressors(edit).w. Before somebody chose anything, w ~ N(m, S), and m and S are learned from everybody's choices by
expectation maximisation (empirical Bayes) with Laplace's method for each person. A choice then updates the person's own Gaussian
in microseconds. Old choices fade: between two choices a person's weights follow an Ornstein-Uhlenbeck process whose stationary
distribution is the prior, so that evidence halves in `half_life` choices and somebody who answers nothing stays put.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import EditRegressors, TastePrior, fit_regressors
from beholder.taste import gaussian
from beholder.taste.gaussian import Gaussian, Observations

_VARIANCE = 0.3  # of each regressor's weight before anybody is known, in logits
ENOUGH = 10  # people with several choices each, from which a prior can be learned
_SEVERAL = 5


@dataclass(frozen=True)
class BayesRankerConfig:
    """The regressors, how the prior is learned, and how choices fade."""

    components: int = setting(32, "principal components of the embedding's change that are regressors")
    strength: float = setting(100.0, "how many people the diagonal that the prior's covariance is shrunk to is worth")
    iterations: int = setting(15, "steps of expectation maximisation (EM) that learn the prior")
    half_life: float | None = setting(200.0, "choices after which a choice counts half; null: choices never fade")

    def __post_init__(self) -> None:
        if self.components < 1 or self.iterations < 1 or self.strength <= 0:
            raise ConfigError("ranker.bayes.components and iterations must be at least 1, strength above 0")
        if self.half_life is not None and not self.half_life > 0:
            raise ConfigError(f"ranker.bayes.half_life must be above 0 choices, or null, got {self.half_life}")

    @property
    def kept(self) -> float:
        """The share of what is known of somebody's weights that is left one choice later."""
        return 1.0 if self.half_life is None else float(0.5 ** (1 / self.half_life))


class BayesRanker(Ranker):
    """Implements Ranker. posteriors: of each person's weights [F]. taste_prior: a taste whose utility is one more regressor."""

    def __init__(
        self,
        info: RankerInfo,
        regressors: EditRegressors,
        prior: Gaussian,
        posteriors: Mapping[str, Gaussian],
        config: BayesRankerConfig,
        taste_prior: TastePrior | None = None,
    ) -> None:
        self.info, self.regressors, self.prior, self.config, self.taste_prior = info, regressors, prior, config, taste_prior
        self.posteriors = dict(posteriors)

    def posterior(self, user_id: str) -> Gaussian:
        """Return the posterior of a person's weights; of somebody unknown, the prior."""
        return self.posteriors.get(user_id, self.prior)

    def update(self, comparison: Comparison) -> None:
        self.info.check(comparison.left)
        self.info.check(comparison.right)
        self.posteriors[comparison.user_id] = self._faded(comparison.user_id).update(
            _gaps(self.regressors, comparison, self.taste_prior), comparison.outcome
        )

    def remove_person(self, user_id: str) -> bool:
        return self.posteriors.pop(user_id, None) is not None

    def of_person(self, user_id: str | None) -> "BayesRanker":
        own = {name: posterior for name, posterior in self.posteriors.items() if name == user_id}
        return BayesRanker(self.info, self.regressors, self.prior, own, self.config, self.taste_prior)

    def utilities(self, user_id: str, edit_set: EditSet) -> np.ndarray:
        self.info.check(edit_set)
        rows = self.regressors.of(edit_set, self.taste_prior.of(user_id, edit_set) if self.taste_prior else None)
        return np.asarray((rows @ self.posterior(user_id).mean).astype(np.float32))

    def joint(self, user_id: str, edit_set: EditSet) -> JointNormal:
        self.info.check(edit_set)
        rows = self.regressors.of(edit_set, self.taste_prior.of(user_id, edit_set) if self.taste_prior else None)
        posterior = self.posterior(user_id)
        return JointNormal(rows @ posterior.mean, rows @ _factor(posterior.covariance))

    def tensors(self) -> Mapping[str, np.ndarray]:
        width = self.regressors.width
        means = np.array([posterior.mean for posterior in self.posteriors.values()]).reshape(-1, width)
        triangles = gaussian.lower_triangle([posterior.covariance for posterior in self.posteriors.values()], width)
        prior = {"prior.mean": self.prior.mean, "prior.covariance": gaussian.lower_triangle([self.prior.covariance], width)[0]}
        return self.regressors.tensors() | prior | {"means": means, "covariances": triangles}

    def settings(self) -> dict[str, Any]:
        return {
            "config": asdict(self.config),
            "people": list(self.posteriors),
            "opinion": self.taste_prior is not None,
        }  # as stored

    def _faded(self, user_id: str) -> Gaussian:
        """Return a person's Gaussian one choice later, before that choice is known."""
        posterior, kept = self.posteriors.get(user_id), self.config.kept
        if posterior is None or kept == 1:
            return posterior or self.prior
        mean = self.prior.mean + kept * (posterior.mean - self.prior.mean)
        return Gaussian(mean, self.prior.covariance + kept**2 * (posterior.covariance - self.prior.covariance))


def fit(
    comparisons: Sequence[Comparison], config: BayesRankerConfig, *, taste_prior: TastePrior | None = None, seed: int = 0
) -> BayesRanker:
    """Learn the prior from everybody's choices, and the posterior of each person. Nothing is random: seed is not used."""
    regressors = fit_regressors(comparisons, components=config.components, taste_prior=taste_prior)
    blocks = _blocks(len(comparisons[0].left.directions), regressors, taste_prior)
    people: dict[str, list[Comparison]] = {}
    for comparison in comparisons:
        people.setdefault(comparison.user_id, []).append(comparison)
    observations = [_observe(mine, regressors, taste_prior) for mine in people.values()]
    prior = weak_prior(len(comparisons[0].left.directions), regressors, taste_prior)
    starts = [prior.mean] * len(observations)
    for _ in range(config.iterations):
        posteriors = gaussian.posteriors(prior, observations, starts=starts, steps=5)
        starts = [posterior.mean for posterior in posteriors]
        prior = _likeliest_prior(posteriors, blocks, config.strength)
    info = RankerInfo("bayes", comparisons[0].left.directions, comparisons[0].left.embeddings.shape[1])
    ranker = BayesRanker(info, regressors, prior, {}, config, taste_prior)
    for comparison in comparisons:
        ranker.update(comparison)
    return ranker


def weak_prior(count: int, regressors: EditRegressors, taste_prior: TastePrior | None) -> Gaussian:
    """Return the prior before a single choice is known, of the weights of regressors over `count` directions.

    The taste's utility has the weight 1, every other regressor 0, with a variance. That of squares is smaller: that somebody
    likes a strength in the middle best is rarer than that they like more of it, or less.
    """
    _, squares, *_ = blocks = _blocks(count, regressors, taste_prior)
    mean, variances = np.zeros(regressors.width), np.full(regressors.width, _VARIANCE)
    variances[squares] = _VARIANCE / 10
    if taste_prior is not None:
        mean[blocks[-1]] = 1.0
    return Gaussian(mean, np.diag(variances))


def load(
    info: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, taste_prior: TastePrior | None = None
) -> BayesRanker:
    """Rebuild a ranker from what `tensors()` and `settings()` gave."""
    regressors = EditRegressors.of_tensors(tensors)
    rows = zip(settings["people"], tensors["means"], tensors["covariances"], strict=True)
    posteriors = {user_id: Gaussian(mean, gaussian.symmetric(lower, regressors.width)) for user_id, mean, lower in rows}
    prior = Gaussian(tensors["prior.mean"], gaussian.symmetric(tensors["prior.covariance"], regressors.width))
    return BayesRanker(info, regressors, prior, posteriors, BayesRankerConfig(**settings["config"]), taste_prior)


def _likeliest_prior(posteriors: Sequence[Gaussian], blocks: Sequence[slice], strength: float) -> Gaussian:
    """Return the prior that makes these posteriors likeliest, its covariance shrunk to a diagonal that is even in each block."""
    mean = np.mean([posterior.mean for posterior in posteriors], axis=0)
    moment = gaussian.second_moment(posteriors, mean)
    usual = np.diag(moment)
    even = np.concatenate([np.full(len(usual[block]), usual[block].mean()) for block in blocks])
    return Gaussian(mean, gaussian.shrink(moment, len(posteriors), target=np.diag(even), strength=strength))


def _blocks(count: int, regressors: EditRegressors, taste_prior: TastePrior | None) -> list[slice]:
    """Return the columns of each kind: alphas of `count` directions, squares, changes of the embedding, the taste's utility."""
    edges = [0, count, 2 * count, 2 * count + len(regressors.axes)] + [regressors.width] * (taste_prior is not None)
    return [slice(first, last) for first, last in itertools.pairwise(edges)]


def _observe(comparisons: Sequence[Comparison], regressors: EditRegressors, taste_prior: TastePrior | None) -> Observations:
    gaps = np.array([_gaps(regressors, comparison, taste_prior) for comparison in comparisons])
    choices = np.array([comparison.outcome for comparison in comparisons], np.float64)
    none = np.zeros((0, regressors.width)), np.zeros(0), np.zeros(0)
    return Observations(*none, gaps, choices, np.zeros(len(comparisons)))


def _gaps(regressors: EditRegressors, comparison: Comparison, taste_prior: TastePrior | None) -> np.ndarray:
    """Return the regressors of the left side minus those of the right one, [F]."""
    if taste_prior is None:
        return np.asarray((regressors.of(comparison.left) - regressors.of(comparison.right))[0])
    left, right = (regressors.of(side, taste_prior.of(comparison.user_id, side)) for side in (comparison.left, comparison.right))
    return np.asarray((left - right)[0])


def _factor(covariance: np.ndarray) -> np.ndarray:
    """Return R with R R' = covariance."""
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:  # rounding after very many choices
        values, axes = np.linalg.eigh(covariance)
        return np.asarray(axes * np.sqrt(np.maximum(values, 0)))


def start(
    comparisons: Sequence[Comparison], edit_set: EditSet, config: BayesRankerConfig, *, taste_prior: TastePrior | None = None
) -> BayesRanker:
    """Return a ranker that has learned from these choices, each person's in order.

    With choices of enough people the prior is learned from them; else it is the weak one of `begin`. edit_set: the candidates of
    some image, which tell how large the regressors are.
    """
    counts: dict[str, int] = {}
    for comparison in comparisons:
        counts[comparison.user_id] = counts.get(comparison.user_id, 0) + 1
    if sum(count >= _SEVERAL for count in counts.values()) >= ENOUGH:
        return fit(comparisons, config, taste_prior=taste_prior)
    ranker = begin(edit_set, config, taste_prior=taste_prior)
    for comparison in comparisons:
        ranker.update(comparison)
    return ranker


def begin(edit_set: EditSet, config: BayesRankerConfig, *, taste_prior: TastePrior | None = None) -> BayesRanker:
    """Return a ranker that knows nobody, with `weak_prior`. edit_set: as in `start`."""
    changes = edit_set.embeddings.astype(np.float64) - edit_set.original
    axes = np.linalg.svd(changes, full_matrices=False)[2][: config.components]
    alphas = edit_set.alphas.astype(np.float64)
    parts = [alphas, alphas**2, changes @ axes.T]
    sizes = [np.sqrt((part**2).mean(axis=0)) for part in parts[:2]]
    sizes.append(np.full(len(axes), np.sqrt((parts[2] ** 2).mean())))
    if taste_prior is not None:
        sizes.append(np.ones(1))
    whole = np.concatenate(sizes)
    regressors = EditRegressors(axes, np.where(whole > 1e-9, whole, 1.0))
    info = RankerInfo("bayes", edit_set.directions, edit_set.embeddings.shape[1])
    return BayesRanker(info, regressors, weak_prior(len(edit_set.directions), regressors, taste_prior), {}, config, taste_prior)
