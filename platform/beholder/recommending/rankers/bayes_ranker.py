"""The Bayesian ranker: a Gaussian over each person's weights that every choice updates.

u(edit) = features(edit).w. Before somebody chose anything, w ~ N(m, S), and m and S are learned from everybody's choices by
expectation maximisation (empirical Bayes) with Laplace's method for each person. A choice then updates the person's own Gaussian
in microseconds. Old choices fade: between two choices a person's weights are believed to wander as an Ornstein-Uhlenbeck process
does whose stationary distribution is the prior, so that evidence halves in `half_life` choices and somebody silent stays put.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers import ranker_features
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import EditRegressors, TastePrior
from beholder.taste.gaussian import Gaussian, Observations, laplace

_VARIANCE = 0.3  # of each feature's weight before anybody is known, in logits


@dataclass(frozen=True)
class BayesRankerConfig:
    components: int = setting(32, "principal directions of the embedding's change that people weigh in their own way")
    strength: float = setting(100.0, "people that the prior covariance's diagonal is worth")
    iterations: int = setting(15, "steps of EM")
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
    """Signs the contract; `beliefs[user_id]` are the posteriors. opinion: a taste whose word is one more feature."""

    def __init__(
        self, about: RankerInfo, shape: EditRegressors, prior: Gaussian, beliefs: Mapping[str, Gaussian], config: BayesRankerConfig,
        opinion: TastePrior | None = None,
    ):  # fmt: skip
        self.about, self.shape, self.prior, self.config, self.opinion = about, shape, prior, config, opinion
        self.beliefs = dict(beliefs)

    def belief(self, user_id: str) -> Gaussian:
        """What is believed of a person's weights; of somebody unknown, the prior."""
        return self.beliefs.get(user_id, self.prior)

    def tell(self, event: Comparison) -> None:
        self.about.check(event.left)
        self.about.check(event.right)
        self.beliefs[event.user_id] = self._faded(event.user_id).choose(_gaps(self.shape, event, self.opinion), event.won)

    def forget(self, user_id: str) -> bool:
        return self.beliefs.pop(user_id, None) is not None

    def joint(self, user_id: str, options: EditSet) -> JointNormal:
        self.about.check(options)
        rows = self.shape.of(options, self.opinion.of(user_id, options) if self.opinion else None)
        belief = self.belief(user_id)
        return JointNormal(rows @ belief.mean, rows @ _root(belief.covariance))

    def tensors(self) -> Mapping[str, np.ndarray]:
        lower = np.tril_indices(self.shape.width)
        means = np.array([belief.mean for belief in self.beliefs.values()]).reshape(-1, self.shape.width)
        triangles = np.array([belief.covariance[lower] for belief in self.beliefs.values()]).reshape(-1, len(lower[0]))
        prior = {"prior.mean": self.prior.mean, "prior.covariance": self.prior.covariance[lower]}
        return self.shape.tensors() | prior | {"means": means, "covariances": triangles}

    def settings(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "people": list(self.beliefs), "opinion": self.opinion is not None}

    def _faded(self, user_id: str) -> Gaussian:
        """The belief one choice later, before that choice is known."""
        belief, kept = self.beliefs.get(user_id), self.config.kept
        if belief is None or kept == 1:
            return belief or self.prior
        mean = self.prior.mean + kept * (belief.mean - self.prior.mean)
        return Gaussian(mean, self.prior.covariance + kept**2 * (belief.covariance - self.prior.covariance))


def fit(
    events: Sequence[Comparison], config: BayesRankerConfig, *, opinion: TastePrior | None = None, seed: int = 0
) -> BayesRanker:
    """The prior of everybody's choices, and the posterior of everybody among them. Nothing in it is random: seed is not used."""
    shape = ranker_features.find(events, components=config.components, opinion=opinion)
    blocks = _blocks(len(events[0].left.directions), shape, opinion)
    people: dict[str, list[Comparison]] = {}
    for event in events:
        people.setdefault(event.user_id, []).append(event)
    seen = [_observe(mine, shape, opinion) for mine in people.values()]
    prior = untaught(len(events[0].left.directions), shape, opinion)
    found = [prior] * len(seen)
    for _ in range(config.iterations):
        precision = np.linalg.inv(prior.covariance)
        found = [
            laplace(prior, precision, data, temper=1.0, start=belief.mean, steps=5)
            for data, belief in zip(seen, found, strict=True)
        ]
        prior = _everybody(found, blocks, config.strength)
    about = RankerInfo("bayes", events[0].left.directions, events[0].left.embeddings.shape[1])
    ranker = BayesRanker(about, shape, prior, {}, config, opinion)
    for event in events:
        ranker.tell(event)
    return ranker


def untaught(count: int, shape: EditRegressors, opinion: TastePrior | None) -> Gaussian:
    """What is believed of anybody before a single choice, of features over `count` directions.

    The taste's word counts as it is; everything else is thought to be worth 0, give or take. That somebody likes a strength in
    the middle best, which is what squares tell, is thought to be rarer than that they like more of it, or less.
    """
    _, squares, *_ = blocks = _blocks(count, shape, opinion)
    mean, variances = np.zeros(shape.width), np.full(shape.width, _VARIANCE)
    variances[squares] = _VARIANCE / 10
    if opinion is not None:
        mean[blocks[-1]] = 1.0
    return Gaussian(mean, np.diag(variances))


def load(
    about: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, opinion: TastePrior | None = None
) -> BayesRanker:
    """From what `tensors()` and `settings()` gave."""
    shape = EditRegressors.of_tensors(tensors)
    rows = zip(settings["people"], tensors["means"], tensors["covariances"], strict=True)
    beliefs = {user_id: Gaussian(mean, _whole(lower, shape.width)) for user_id, mean, lower in rows}
    prior = Gaussian(tensors["prior.mean"], _whole(tensors["prior.covariance"], shape.width))
    return BayesRanker(about, shape, prior, beliefs, BayesRankerConfig(**settings["config"]), opinion)


def _everybody(found: Sequence[Gaussian], blocks: Sequence[slice], strength: float) -> Gaussian:
    """The prior that makes these posteriors likeliest, its covariance shrunk towards a diagonal that is even in each block."""
    means = np.array([belief.mean for belief in found])
    mean = means.mean(axis=0)
    moments = (means - mean).T @ (means - mean) + sum(belief.covariance for belief in found)
    usual = np.diag(moments) / len(found)
    even = np.concatenate([np.full(len(usual[block]), usual[block].mean()) for block in blocks])
    return Gaussian(mean, (moments + strength * np.diag(even)) / (len(found) + strength))


def _blocks(count: int, shape: EditRegressors, opinion: TastePrior | None) -> list[slice]:
    """Columns of one kind: alphas of `count` directions, squares, changes of the embedding, what the taste says."""
    edges = [0, count, 2 * count, 2 * count + len(shape.axes)] + [shape.width] * (opinion is not None)
    return [slice(first, last) for first, last in itertools.pairwise(edges)]


def _observe(events: Sequence[Comparison], shape: EditRegressors, opinion: TastePrior | None) -> Observations:
    gaps = np.array([_gaps(shape, event, opinion) for event in events])
    choices = np.array([event.won for event in events], np.float64)
    none = np.zeros((0, shape.width)), np.zeros(0), np.zeros(0)
    return Observations(*none, gaps, choices, np.zeros(len(events)))


def _gaps(shape: EditRegressors, event: Comparison, opinion: TastePrior | None) -> np.ndarray:
    """Left minus right, [F]."""
    if opinion is None:
        return (shape.of(event.left) - shape.of(event.right))[0]
    left, right = (shape.of(side, opinion.of(event.user_id, side)) for side in (event.left, event.right))
    return (left - right)[0]


def _root(covariance: np.ndarray) -> np.ndarray:
    """R with R R' = covariance."""
    try:
        return np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:  # rounding after very many choices
        values, axes = np.linalg.eigh(covariance)
        return axes * np.sqrt(np.maximum(values, 0))


def _whole(lower: np.ndarray, width: int) -> np.ndarray:
    matrix = np.zeros((width, width))
    matrix[np.tril_indices(width)] = lower
    return matrix + np.tril(matrix, -1).T


ENOUGH = 10  # people with several choices each, from which a prior can be learned
_SEVERAL = 5


def learn(
    events: Sequence[Comparison], options: EditSet, config: BayesRankerConfig, *, opinion: TastePrior | None = None
) -> BayesRanker:
    """A ranker that knows these choices, each person's in order.

    With choices of enough people the prior is learned from them; else nobody is thought to like anything in particular but what
    their taste (opinion) says. options: the candidates of some image, which tell how large features are.
    """
    counts: dict[str, int] = {}
    for event in events:
        counts[event.user_id] = counts.get(event.user_id, 0) + 1
    if sum(count >= _SEVERAL for count in counts.values()) >= ENOUGH:
        return fit(events, config, opinion=opinion)
    ranker = begin(options, config, opinion=opinion)
    for event in events:
        ranker.tell(event)
    return ranker


def begin(options: EditSet, config: BayesRankerConfig, *, opinion: TastePrior | None = None) -> BayesRanker:
    """A ranker that knows nobody: the taste's word counts as it is, everything else is thought to be worth 0, give or take."""
    changes = options.embeddings.astype(np.float64) - options.original
    axes = np.linalg.svd(changes, full_matrices=False)[2][: config.components]
    alphas = options.alphas.astype(np.float64)
    parts = [alphas, alphas**2, changes @ axes.T]
    sizes = [np.sqrt((part**2).mean(axis=0)) for part in parts[:2]]
    sizes.append(np.full(len(axes), np.sqrt((parts[2] ** 2).mean())))
    if opinion is not None:
        sizes.append(np.ones(1))
    whole = np.concatenate(sizes)
    shape = EditRegressors(axes, np.where(whole > 1e-9, whole, 1.0))
    about = RankerInfo("bayes", options.directions, options.embeddings.shape[1])
    return BayesRanker(about, shape, untaught(len(options.directions), shape, opinion), {}, config, opinion)
