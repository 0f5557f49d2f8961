"""The Bayesian taste: the population's as the prior mean, a covariance over people learned from the people, a posterior each.

A person's utility is u(x) = population(x) + features(x).w, with w ~ N(0, S) over people. S is learned by expectation
maximisation (empirical Bayes) as low rank + a diagonal, shrunk towards that diagonal where there are few people; each person's
w then has a Gaussian posterior by Laplace's method, tempered, which one more choice updates in microseconds.
The EM is that of probabilistic principal components (Tipping and Bishop 1999) with each person's own noise.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.taste import gaussian, person_features, population, rating_scale
from beholder.taste.contract import Normal, Progress, TasteInfo, TasteSettings, finite_embeddings, no_progress
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.gaussian import Gaussian, Observations
from beholder.taste.person_features import PersonFeatures
from beholder.taste.population import PopulationConfig
from beholder.taste.rating_scale import RatingScale
from beholder.taste.validation import pairs, scaled_log_loss

Posteriors = dict[str, Gaussian]  # by user_id


@dataclass(frozen=True)
class BayesTasteConfig:
    """Settings of the Bayesian taste. Lists are tried, and held-out judgements choose among all their combinations."""

    components: list[int] = setting([32, 64], "principal directions of the embeddings that people may weigh in their own way")
    ranks: list[int] = setting([6], "rank of the learned covariance beside its diagonal")
    spreads: list[float] = setting([0.015, 0.06], "variance that a person's own utility has before any judgement, in rating sd^2")
    tempers: list[float] = setting([0.5, 1.0], "power of the likelihood; below 1 where judgements depend on each other")
    strength: float = setting(10.0, "people that the prior covariance is worth")
    trend: float = setting(0.05, "prior variance of how much more or less a person follows the population, of its spread")
    iterations: int = setting(12, "steps of EM")
    population: PopulationConfig = setting(PopulationConfig(), "the prior mean")

    def __post_init__(self) -> None:
        for name in ("components", "ranks", "spreads", "tempers"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ConfigError(f"taste.bayes.{name} must be positive numbers, got {values}")
        if max(self.tempers) > 1:
            raise ConfigError(f"taste.bayes.tempers are powers in 0..1, got {self.tempers}")
        if self.strength <= 0 or self.trend <= 0 or self.iterations < 1:
            raise ConfigError("taste.bayes.strength and trend must be positive, iterations at least 1")


@dataclass(frozen=True)
class PopulationPrior:
    """The prior of one person's taste in one attribute: features, covariance [F, F] of their weights, power, scale.

    temper: the power of the likelihood. scale: what utilities are multiplied by so that held-out choices have the odds they should.
    """

    features: PersonFeatures
    covariance: np.ndarray
    temper: float
    scale: float

    def gaussian(self) -> Gaussian:
        """Return the prior of a person's own weights."""
        return Gaussian(np.zeros(self.features.width), self.covariance)


class BayesTaste:
    """A Gaussian posterior for each person and attribute, which goes on learning: `posteriors[attribute][user_id]`."""

    def __init__(
        self,
        info: TasteInfo,
        priors: Sequence[PopulationPrior],
        posteriors: Sequence[Posteriors],
        chosen: list[dict[str, float]],
    ):
        """chosen: for each attribute the values that held-out judgements chose."""
        self.info = info
        self.priors = list(priors)
        self.posteriors = [dict(each) for each in posteriors]
        self.chosen = chosen

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return the mean utility of each person, float32 [P, N]."""
        row = self.info.attribute(attribute)
        prior = self.priors[row]
        vectors = finite_embeddings(items, len(prior.features.centre))
        if not user_ids:
            return np.zeros((0, len(items)), np.float32)
        own = np.stack([self.posterior(user_id, attribute).mean for user_id in user_ids])
        return np.asarray(prior.scale * prior.features.utilities(vectors, own), np.float32)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """Return u(left) - u(right) with its variance."""
        prior = self.priors[self.info.attribute(attribute)]
        width = len(prior.features.centre)
        left, right = finite_embeddings(left, width), finite_embeddings(right, width)
        deltas = prior.features.of(left) - prior.features.of(right)
        mean, variance = self.posterior(user_id, attribute).project(deltas)
        mean = mean + prior.features.shared(left) - prior.features.shared(right)
        return Normal((prior.scale * mean).astype(np.float32), (prior.scale**2 * variance).astype(np.float32))

    def posterior(self, user_id: str, attribute: str) -> Gaussian:
        """Return the posterior of a person's own weights; of somebody unknown, the prior."""
        row = self.info.attribute(attribute)
        return self.posteriors[row].get(user_id) or self.priors[row].gaussian()

    def update(self, left: np.ndarray, right: np.ndarray, choice: float, user_id: str, attribute: str) -> None:
        """Learn from one choice of a person between two embeddings [D]: 1 left, 0 right, 0.5 neither."""
        row = self.info.attribute(attribute)
        prior = self.priors[row]
        pair = np.stack([left, right])
        own, shared = prior.features.of(pair), prior.features.shared(pair)
        # the scale stands in the likelihood: a choice is made on scaled utilities
        self.posteriors[row][user_id] = self.posterior(user_id, attribute).update(
            prior.scale * (own[0] - own[1]), choice, offset=prior.scale * (shared[0] - shared[1]), temper=prior.temper
        )

    def learn(self, dataset: JudgementDataset, items: np.ndarray) -> "BayesTaste":
        """Return a taste that also knows the people of `dataset`, from the prior and their judgements; nobody else changes."""
        vectors = finite_embeddings(items, None).astype(np.float64)
        scale = rating_scale.standardise(dataset)
        learned = [dict(each) for each in self.posteriors]
        for row, name in enumerate(self.info.attributes):
            if name not in dataset.attributes:
                continue
            prior = self.priors[row]
            people = _observations(dataset.on_attribute(dataset.attributes.index(name)), prior, vectors, scale)
            found = gaussian.posteriors(prior.gaussian(), list(people.values()), starts=[None] * len(people), temper=prior.temper)
            learned[row] |= dict(zip(people, found, strict=True))
        known = dict.fromkeys([*self.info.people, *dataset.people])
        return BayesTaste(replace(self.info, people=tuple(known)), self.priors, learned, self.chosen)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return by attribute number: features, the prior's covariance, and mean and covariance of each person in order."""
        tensors: dict[str, np.ndarray] = {}
        for row, prior in enumerate(self.priors):
            width = prior.features.width
            posteriors = [self.posteriors[row].get(user_id) for user_id in self.info.people]
            known = [posterior for posterior in posteriors if posterior is not None]
            tensors |= {f"{row}.{name}": value for name, value in prior.features.tensors().items()}
            tensors[f"{row}.covariance"] = gaussian.lower_triangle([prior.covariance], width)[0]
            tensors[f"{row}.known"] = np.array([posterior is not None for posterior in posteriors], np.uint8)
            tensors[f"{row}.means"] = np.array([posterior.mean for posterior in known]).reshape(-1, width)
            tensors[f"{row}.covariances"] = gaussian.lower_triangle([posterior.covariance for posterior in known], width)
        return tensors

    def settings(self) -> TasteSettings:
        """Return scale and power of each attribute, and what held-out judgements chose."""
        return {
            "scales": [prior.scale for prior in self.priors],
            "tempers": [prior.temper for prior in self.priors],
            "chosen": self.chosen,
        }


def fit(
    train: JudgementDataset,
    held_out: JudgementDataset,
    items: np.ndarray,
    config: BayesTasteConfig,
    *,
    encoder_id: str,
    seed: int = 0,
    progress: Progress = no_progress,
) -> BayesTaste:
    """Fit prior and posteriors to `train`; `held_out` chooses among the settings of `config` and sets the scale."""
    everybody = population.fit(train, held_out, items, config.population, encoder_id=encoder_id, seed=seed)
    vectors = items.astype(np.float64)
    scale = rating_scale.standardise(train)
    grid = list(itertools.product(config.components, config.ranks, config.spreads, config.tempers))
    steps = len(grid) * len(train.attributes)
    priors, posteriors, chosen = [], [], []
    for row in range(len(train.attributes)):
        own, test = train.on_attribute(row), pairs(held_out.on_attribute(row), seed=seed)
        weights = _in_train_scale(everybody.weights[row], everybody.centre, own, vectors, scale)
        tried: list[tuple[PopulationPrior, Posteriors, dict[str, float]]] = []
        for number, (components, rank, spread, temper) in enumerate(grid):
            features = person_features.find(vectors, components=components, centre=everybody.centre, weights=weights)
            prior, people = _learn(own, features, vectors, scale, config, rank=rank, spread=spread, temper=temper)
            loss, factor = _held_out_loss(prior, people, vectors, test, train.people)
            progress(row * len(grid) + number + 1, steps, {"held-out log-loss": loss})
            values = {"components": components, "rank": rank, "spread": spread, "temper": temper, "loss": loss}
            tried.append((replace(prior, scale=factor), people, values))
        best = min(tried, key=lambda one: one[2]["loss"])
        priors.append(best[0])
        posteriors.append(best[1])
        chosen.append(best[2])
    return BayesTaste(TasteInfo("bayes", encoder_id, train.attributes, train.people), priors, posteriors, chosen)


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> BayesTaste:
    """Rebuild what `tensors()` and `settings()` gave."""
    priors, posteriors = [], []
    for row in range(len(info.attributes)):
        own = {name.partition(".")[2]: value for name, value in tensors.items() if name.startswith(f"{row}.")}
        features = PersonFeatures.of_tensors(own)
        covariance = gaussian.symmetric(own["covariance"], features.width)
        priors.append(PopulationPrior(features, covariance, settings["tempers"][row], settings["scales"][row]))
        people = [user_id for user_id, known in zip(info.people, own["known"], strict=True) if known]
        rows = zip(people, own["means"], own["covariances"], strict=True)
        posteriors.append({user_id: Gaussian(mean, gaussian.symmetric(lower, features.width)) for user_id, mean, lower in rows})
    return BayesTaste(info, priors, posteriors, list(settings["chosen"]))


def without_person(
    info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str
) -> tuple[dict[str, np.ndarray], TasteSettings]:
    """Return tensors and settings without a person's posteriors."""
    row, left = info.people.index(user_id), dict(tensors)
    for name in [name for name in tensors if name.endswith(".known")]:
        attribute, known = name.removesuffix("known"), tensors[name]
        if known[row]:
            at = int(known[:row].sum())
            for own in ("means", "covariances"):
                left[attribute + own] = np.delete(tensors[attribute + own], at, axis=0)
        left[name] = np.delete(known, row)
    return left, dict(settings)


def _learn(
    dataset: JudgementDataset,
    features: PersonFeatures,
    vectors: np.ndarray,
    scale: RatingScale,
    config: BayesTasteConfig,
    *,
    rank: int,
    spread: float,
    temper: float,
) -> tuple[PopulationPrior, Posteriors]:
    """Return the prior and posteriors of one attribute, by EM on the covariance over people and each person's noise."""
    unit = rating_scale.LOGITS**2
    start = np.diag(np.r_[np.full(features.width - 2, spread * unit), 0.3 * unit, config.trend * features.spread**2])
    prior = PopulationPrior(features, start, temper, 1.0)
    whiten = np.sqrt(np.diag(start))
    people = _observations(dataset, prior, vectors, scale)
    noises = [rating_scale.NOISE] * len(people)
    starts: list[np.ndarray | None] = [None] * len(people)
    posteriors: list[Gaussian] = []
    for _ in range(config.iterations):
        seen = [
            replace(one, precisions=np.full(len(one.values), 1 / (unit * noise)))
            for one, noise in zip(people.values(), noises, strict=True)
        ]
        posteriors = gaussian.posteriors(prior.gaussian(), seen, starts=starts, temper=temper, steps=3)
        starts = [posterior.mean for posterior in posteriors]
        noises = [_noise(posterior, one) for posterior, one in zip(posteriors, seen, strict=True)]
        moment = gaussian.second_moment(posteriors, np.zeros(features.width))
        learned = gaussian.shrink(moment, len(posteriors), target=start, strength=config.strength)
        prior = replace(prior, covariance=_low_rank(learned, whiten, rank))
    return prior, dict(zip(people, posteriors, strict=True))


def _low_rank(covariance: np.ndarray, whiten: np.ndarray, rank: int) -> np.ndarray:
    """Return the nearest covariance of the form whiten (L L' + c I) whiten: Tipping and Bishop's maximum likelihood."""
    values, axes = np.linalg.eigh(covariance / np.outer(whiten, whiten))
    rest = values[:-rank].mean() if rank < len(values) else 0.0
    kept = np.maximum(values[-rank:] - rest, 0)
    nearest = (axes[:, -rank:] * kept) @ axes[:, -rank:].T + rest * np.eye(len(values))
    return np.asarray(nearest * np.outer(whiten, whiten))


def _noise(posterior: Gaussian, observations: Observations, *, strength: float = 5.0) -> float:
    """Return the variance of a person's standardised scores around their utility, shrunk to what is usual."""
    if not len(observations.values):
        return rating_scale.NOISE
    mean, variance = posterior.project(observations.rating_design)
    errors = ((observations.values - mean) ** 2 + variance).sum() / rating_scale.LOGITS**2
    return float((errors + strength * rating_scale.NOISE) / (len(observations.values) + strength))


def _observations(
    dataset: JudgementDataset, prior: PopulationPrior, vectors: np.ndarray, scale: RatingScale
) -> dict[str, Observations]:
    """Return each person's judgements on one attribute as observations of their own weights, beside the population's utility."""
    images = dataset.judged_images()
    design, offset = np.zeros((len(vectors), prior.features.width)), np.zeros(len(vectors))
    design[images], offset[images] = prior.features.of(vectors[images]), prior.features.shared(vectors[images])
    return {
        dataset.people[person]: scale.observations(dataset.of_person(person), design, offset)
        for person in np.flatnonzero(dataset.counts()).tolist()
    }


def _in_train_scale(
    weights: np.ndarray, centre: np.ndarray, dataset: JudgementDataset, vectors: np.ndarray, scale: RatingScale
) -> np.ndarray:
    """Return the population's weights stretched to fit the training judgements best; held-out ones set the scale afterwards."""
    design = ((vectors - centre) @ weights.astype(np.float64))[:, None]
    one = Gaussian(np.ones(1), np.full((1, 1), 100.0))
    factor = gaussian.laplace(one, np.full((1, 1), 0.01), scale.observations(dataset, design), temper=1.0).mean[0]
    return np.asarray(weights.astype(np.float64) * factor)


def _held_out_loss(
    prior: PopulationPrior, posteriors: Posteriors, vectors: np.ndarray, test: ComparisonTable, people: Sequence[str]
) -> tuple[float, float]:
    """Return held-out log-loss at the best scale, and that scale."""
    images = np.unique(np.concatenate([test.left, test.right]))
    own, shared = prior.features.of(vectors[images]), prior.features.shared(vectors[images])
    unknown = prior.gaussian()
    means = np.stack([posteriors.get(user_id, unknown).mean for user_id in people])
    left, right = np.searchsorted(images, test.left), np.searchsorted(images, test.right)
    differences = np.einsum("nf,nf->n", own[left] - own[right], means[test.person]) + shared[left] - shared[right]
    return scaled_log_loss(differences, test.choice)
