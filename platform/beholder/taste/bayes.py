"""The Bayesian taste: everybody's as the prior mean, a covariance over people learned from the people, a posterior each.

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
from beholder.taste import person_features, population, rating_scale
from beholder.taste.contract import Normal, TasteInfo, fitting
from beholder.taste.dataset import JudgementDataset
from beholder.taste.gaussian import Gaussian, Observations, laplace
from beholder.taste.person_features import PersonFeatures
from beholder.taste.population import PopulationConfig
from beholder.taste.rating_scale import RatingScale


@dataclass(frozen=True)
class BayesTasteConfig:
    """Lists are tried, and held-out judgements choose among all their combinations."""

    components: list[int] = setting([32, 64], "principal directions of the embeddings that people may weigh in their own way")
    ranks: list[int] = setting([6], "rank of the learned covariance beside its diagonal")
    spreads: list[float] = setting([0.015, 0.06], "variance that a person's own utility has before anybody is seen, in rating sd^2")
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
    """What is believed of somebody on one attribute before they said anything: features, covariance [F, F], power, scale.

    scale: what utilities are multiplied by so that held-out choices have the odds they should.
    """

    features: PersonFeatures
    covariance: np.ndarray
    temper: float
    scale: float

    def blank(self) -> Gaussian:
        """The belief about somebody new."""
        return Gaussian(np.zeros(self.features.width), self.covariance)


class BayesTaste:
    """Signs the contract of tastes, and learns on: `beliefs[attribute][user_id]` are its posteriors."""

    def __init__(
        self, info: TasteInfo, priors: Sequence[PopulationPrior], beliefs: Sequence[dict[str, Gaussian]], chosen: list[dict]
    ):
        self.info = info
        self.priors = list(priors)
        self.beliefs = [dict(each) for each in beliefs]
        self.chosen = chosen

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """The mean utility of each person, float32 [P, N]."""
        row = self.info.attribute(attribute)
        prior = self.priors[row]
        vectors = fitting(items, len(prior.features.centre))
        own = np.stack([self.belief(user_id, attribute).mean for user_id in user_ids]) if user_ids else np.zeros((0, 1))
        if not len(own):
            return np.zeros((0, len(items)), np.float32)
        return (prior.scale * prior.features.utilities(vectors, own)).astype(np.float32)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """u(left) - u(right) with its variance."""
        prior = self.priors[self.info.attribute(attribute)]
        width = len(prior.features.centre)
        left, right = fitting(left, width), fitting(right, width)
        deltas = prior.features.of(left) - prior.features.of(right)
        mean, variance = self.belief(user_id, attribute).look(deltas)
        mean = mean + prior.features.shared(left) - prior.features.shared(right)
        return Normal((prior.scale * mean).astype(np.float32), (prior.scale**2 * variance).astype(np.float32))

    def belief(self, user_id: str, attribute: str) -> Gaussian:
        """What is believed of a person's own weights; of somebody unknown, the prior."""
        row = self.info.attribute(attribute)
        return self.beliefs[row].get(user_id) or self.priors[row].blank()

    def choose(self, left: np.ndarray, right: np.ndarray, choice: float, user_id: str, attribute: str) -> None:
        """Learn from one choice of a person between two embeddings [D]: 1 left, 0 right, 0.5 neither."""
        row = self.info.attribute(attribute)
        prior = self.priors[row]
        pair = np.stack([left, right])
        (one, other), (base, past) = prior.features.of(pair), prior.features.shared(pair)
        # the scale stands in the likelihood: a choice is made on scaled utilities
        self.beliefs[row][user_id] = self.belief(user_id, attribute).choose(
            prior.scale * (one - other), choice, offset=prior.scale * (base - past), temper=prior.temper
        )

    def learn(self, evidence: JudgementDataset, items: np.ndarray) -> "BayesTaste":
        """A taste that also knows the people of `evidence`, from the prior and what they said there; nobody else changes."""
        vectors = fitting(items, None).astype(np.float64)
        standard = rating_scale.standardise(evidence)
        beliefs = [dict(each) for each in self.beliefs]
        for row, name in enumerate(self.info.attributes):
            if name not in evidence.attributes:
                continue
            told = evidence.on(evidence.attributes.index(name))
            prior = self.priors[row]
            precision = np.linalg.inv(prior.covariance)
            for person in np.flatnonzero(told.counts()):
                mine = told.by(np.arange(len(told.people)) == person)
                seen = _residual(mine, prior, vectors, standard)
                beliefs[row][told.people[person]] = laplace(prior.blank(), precision, seen, temper=prior.temper)
        known = dict.fromkeys([*self.info.people, *evidence.people])
        return BayesTaste(replace(self.info, people=tuple(known)), self.priors, beliefs, self.chosen)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Features, covariance and every belief (covariances as the lower triangle), by attribute."""
        found: dict[str, np.ndarray] = {}
        for row, prior in enumerate(self.priors):
            width = prior.features.width
            lower = np.tril_indices(width)
            beliefs = [self.beliefs[row].get(user_id) for user_id in self.info.people]
            found |= {f"{row}.{name}": value for name, value in prior.features.tensors().items()}
            found[f"{row}.covariance"] = prior.covariance[lower]
            found[f"{row}.known"] = np.array([belief is not None for belief in beliefs], np.uint8)
            present = [belief for belief in beliefs if belief is not None]
            found[f"{row}.means"] = np.array([b.mean for b in present]).reshape(-1, width)
            found[f"{row}.covariances"] = np.array([b.covariance[lower] for b in present]).reshape(-1, len(lower[0]))
        return found

    def settings(self) -> dict[str, Any]:
        """Scale and power of each attribute, and what held-out judgements chose."""
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
    seed: int,
    progress: Any,
) -> BayesTaste:
    """Fit prior and posteriors to `train`; `held_out` chooses among the settings of `config` and sets the scale."""
    everybody = population.fit(
        train, held_out, items, config.population, encoder_id=encoder_id, seed=seed, progress=lambda *_: None
    )
    vectors = items.astype(np.float64)
    standard = rating_scale.standardise(train)
    grid = list(itertools.product(config.components, config.ranks, config.spreads, config.tempers))
    steps = len(grid) * len(train.attributes)
    priors, beliefs, chosen = [], [], []
    for row in range(len(train.attributes)):
        told, tests = train.on(row), population.trials(held_out.on(row), seed=seed)
        weights = _in_train_scale(everybody.weights[row], everybody.centre, told, vectors, standard)
        best: tuple[float, PopulationPrior, dict[str, Gaussian], dict] | None = None
        for number, (components, rank, spread, temper) in enumerate(grid):
            shape = person_features.find(vectors, components=components, centre=everybody.centre, weights=weights)
            prior, found = _learn(told, shape, vectors, standard, config, rank=rank, spread=spread, temper=temper)
            loss, scale = _judge(prior, found, vectors, tests, train.people)
            progress(row * len(grid) + number + 1, steps, {"held-out log-loss": loss})
            setting_ = {"components": components, "rank": rank, "spread": spread, "temper": temper, "loss": loss}
            if best is None or loss < best[0]:
                best = loss, replace(prior, scale=scale), found, setting_
        assert best is not None
        priors.append(best[1])
        beliefs.append(best[2])
        chosen.append(best[3])
    return BayesTaste(TasteInfo("bayes", encoder_id, train.attributes, train.people), priors, beliefs, chosen)


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> BayesTaste:
    """Rebuild it from its tensors."""
    priors, beliefs = [], []
    for row in range(len(info.attributes)):
        own = {name.partition(".")[2]: value for name, value in tensors.items() if name.startswith(f"{row}.")}
        shape = PersonFeatures.of_tensors(own)
        covariance = _whole(own["covariance"], shape.width)
        priors.append(PopulationPrior(shape, covariance, settings["tempers"][row], settings["scales"][row]))
        people = [user_id for user_id, known in zip(info.people, own["known"], strict=True) if known]
        rows = zip(people, own["means"], own["covariances"], strict=True)
        beliefs.append({user_id: Gaussian(mean, _whole(lower, shape.width)) for user_id, mean, lower in rows})
    return BayesTaste(info, priors, beliefs, list(settings["chosen"]))


def without(tensors: Mapping[str, np.ndarray], row: int) -> dict[str, np.ndarray]:
    """Its tensors without the person of a row of about.people."""
    found = dict(tensors)
    for name in [name for name in tensors if name.endswith(".known")]:
        attribute, known = name.removesuffix("known"), tensors[name]
        if known[row]:
            at = int(known[:row].sum())
            for own in ("means", "covariances"):
                found[attribute + own] = np.delete(tensors[attribute + own], at, axis=0)
        found[name] = np.delete(known, row)
    return found


def _learn(
    told: JudgementDataset,
    shape: PersonFeatures,
    vectors: np.ndarray,
    standard: RatingScale,
    config: BayesTasteConfig,
    *,
    rank: int,
    spread: float,
    temper: float,
) -> tuple[PopulationPrior, dict[str, Gaussian]]:
    """Expectation maximisation on one attribute: the covariance over people, each person's noise and posterior."""
    unit = rating_scale.LOGITS**2
    start = np.diag(np.r_[np.full(shape.width - 2, spread * unit), 0.3 * unit, config.trend * shape.spread**2])
    prior = PopulationPrior(shape, start, temper, 1.0)
    whiten = np.sqrt(np.diag(start))
    people = [int(person) for person in np.flatnonzero(told.counts())]
    seen = {}
    for person in people:
        mine = told.by(np.arange(len(told.people)) == person)
        seen[person] = _residual(mine, prior, vectors, standard)
    noises = dict.fromkeys(people, rating_scale.NOISE)
    found: dict[int, Gaussian] = {}
    for _ in range(config.iterations):
        precision = np.linalg.inv(prior.covariance)
        moments = np.zeros_like(start)
        for person, data in seen.items():
            data = replace(data, precisions=np.full(len(data.values), 1 / (unit * noises[person])))
            before = found[person].mean if person in found else None
            belief = laplace(prior.blank(), precision, data, temper=temper, start=before, steps=3)
            found[person] = belief
            moments += np.outer(belief.mean, belief.mean) + belief.covariance
            noises[person] = _noise(belief, data)
        learned = (moments + config.strength * start) / (len(seen) + config.strength)
        prior = replace(prior, covariance=_low_rank(learned, whiten, rank))
    return prior, {told.people[person]: belief for person, belief in found.items()}


def _low_rank(covariance: np.ndarray, whiten: np.ndarray, rank: int) -> np.ndarray:
    """The nearest covariance of the form whiten (L L' + c I) whiten: Tipping and Bishop's maximum likelihood."""
    values, axes = np.linalg.eigh(covariance / np.outer(whiten, whiten))
    rest = values[:-rank].mean() if rank < len(values) else 0.0
    kept = np.maximum(values[-rank:] - rest, 0)
    nearest = (axes[:, -rank:] * kept) @ axes[:, -rank:].T + rest * np.eye(len(values))
    return nearest * np.outer(whiten, whiten)


def _noise(belief: Gaussian, seen: Observations, *, worth: float = 5.0) -> float:
    """The variance of a person's standardised scores around their utility, shrunk to what is usual."""
    if not len(seen.values):
        return rating_scale.NOISE
    mean, variance = belief.look(seen.readings)
    errors = ((seen.values - mean) ** 2 + variance).sum() / rating_scale.LOGITS**2
    return float((errors + worth * rating_scale.NOISE) / (len(seen.values) + worth))


def _residual(mine: JudgementDataset, prior: PopulationPrior, vectors: np.ndarray, standard: RatingScale) -> Observations:
    """One person's evidence as observations of their own weights: what the population leaves unsaid."""
    images = np.unique(np.concatenate([mine.ratings.image, mine.comparisons.left, mine.comparisons.right]))
    at = np.searchsorted(images, mine.ratings.image)
    left, right = (np.searchsorted(images, side) for side in (mine.comparisons.left, mine.comparisons.right))
    own, shared = prior.features.of(vectors[images]), prior.features.shared(vectors[images])
    ratings, comparisons = mine.ratings, mine.comparisons
    return Observations(
        own[at],
        rating_scale.LOGITS * standard.of(ratings) - shared[at],
        np.full(len(ratings), 1 / (rating_scale.LOGITS**2 * rating_scale.NOISE)),
        own[left] - own[right],
        comparisons.choice.astype(np.float64),
        shared[left] - shared[right],
    )


def _in_train_scale(
    weights: np.ndarray, centre: np.ndarray, told: JudgementDataset, vectors: np.ndarray, standard: RatingScale
) -> np.ndarray:
    """The population's weights stretched to fit what was said in training best; held-out judgements set the scale afterwards."""
    seen = population.observe(told, ((vectors - centre) @ weights.astype(np.float64))[:, None], standard)
    one = Gaussian(np.ones(1), np.full((1, 1), 100.0))
    return weights.astype(np.float64) * laplace(one, np.full((1, 1), 0.01), seen, temper=1.0).mean[0]


def _judge(
    prior: PopulationPrior, found: dict[str, Gaussian], vectors: np.ndarray, tests: tuple[np.ndarray, ...], people: Sequence[str]
) -> tuple[float, float]:
    """Held-out log-loss at the best scale, and that scale."""
    person, left, right, choice = tests
    used = np.unique(np.concatenate([left, right]))
    own, shared = prior.features.of(vectors[used]), prior.features.shared(vectors[used])
    blank = prior.blank()
    means = np.stack([found.get(user_id, blank).mean for user_id in people])
    one, other = np.searchsorted(used, left), np.searchsorted(used, right)
    differences = np.einsum("nf,nf->n", own[one] - own[other], means[person]) + shared[one] - shared[other]
    return population.rescale(differences, choice)


def _whole(lower: np.ndarray, width: int) -> np.ndarray:
    """A symmetric matrix from its lower triangle."""
    matrix = np.zeros((width, width))
    matrix[np.tril_indices(width)] = lower
    return matrix + np.tril(matrix, -1).T
