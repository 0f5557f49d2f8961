"""The Bayesian taste: the population's as the prior mean, a covariance over people learned from the people, a posterior each.

A person's utility is u(x) = population(x) + features(x).w, with w ~ N(0, S) over people. S is learned by expectation
maximisation (empirical Bayes) as low rank + a diagonal, shrunk towards that diagonal where there are few people; each person's
w then has a Gaussian posterior by Laplace's method, tempered, which one more choice updates in microseconds.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.process import one_blas_thread
from beholder.taste import covariance_em, gaussian, person_block, population, rating_scale
from beholder.taste.contract import Normal, Progress, TasteInfo, TasteSettings, finite_embeddings, no_progress
from beholder.taste.covariance_em import CovarianceFit, EmSetting, LocalBlocks, PeopleBlocks
from beholder.taste.dataset import Groups, JudgementDataset, draw_people
from beholder.taste.gaussian import Gaussian
from beholder.taste.person_block import BlockPosterior, ImageDesign, PersonBlock
from beholder.taste.person_features import PersonFeatures, PrincipalAxes
from beholder.taste.person_shards import PersonShards, ShardedPeople, ShardedPosteriors
from beholder.taste.population import Population, PopulationConfig
from beholder.taste.rating_scale import RatingScale, ScoreMoments
from beholder.taste.validation import pairs

Posteriors = MutableMapping[str, Gaussian]  # by user_id
_PASSES = 2  # that learn the noise of a person from whom the prior was not learned, before their posterior


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
    prior_people: int = setting(
        5000, "people from whom the population's taste and the prior are learned, at most; drawn by the seed where there are more"
    )
    population: PopulationConfig = setting(PopulationConfig(), "the prior mean")

    def __post_init__(self) -> None:
        for name in ("components", "ranks", "spreads", "tempers"):
            values = getattr(self, name)
            if not values or min(values) <= 0:
                raise ConfigError(f"taste.bayes.{name} must be positive numbers, got {values}")
        if max(self.tempers) > 1:
            raise ConfigError(f"taste.bayes.tempers are powers in 0..1, got {self.tempers}")
        if self.strength <= 0 or self.trend <= 0 or self.iterations < 1 or self.prior_people < 1:
            raise ConfigError("taste.bayes.strength and trend must be positive, iterations and prior_people at least 1")


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

    def posteriors(self, block: PersonBlock, design: ImageDesign) -> Iterator[BlockPosterior]:
        """Yield the posteriors of people from whom the prior was not learned, batch by batch; each one's noise is learned first."""
        state = person_block.refine(block, design, self.covariance, temper=self.temper, passes=_PASSES)
        return person_block.posteriors(block, design, self.covariance, state, temper=self.temper, steps=20)


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
        self.posteriors = [copy.copy(each) for each in posteriors]
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
        # the likelihood is that of `learn` and of the fit; the scale turns what was learned into odds
        self.posteriors[row][user_id] = self.posterior(user_id, attribute).update(
            own[0] - own[1], choice, offset=shared[0] - shared[1], temper=prior.temper
        )

    @one_blas_thread
    def learn(self, dataset: JudgementDataset, items: np.ndarray) -> "BayesTaste":
        """Return a taste that also knows the people of `dataset`, from the prior and their judgements; nobody else changes."""
        vectors = finite_embeddings(items, None).astype(np.float64)
        scale = rating_scale.standardise(dataset)
        learned = [copy.copy(each) for each in self.posteriors]
        for row, name in enumerate(self.info.attributes):
            if name not in dataset.attributes:
                continue
            prior = self.priors[row]
            own = dataset.on_attribute(dataset.attributes.index(name))
            block = PersonBlock.of(own, scale, width=prior.features.width)
            design = ImageDesign.of(prior.features, vectors, own.judged_images())
            for some in prior.posteriors(block, design):
                names = (dataset.people[person] for person in block.people[some.rows])
                learned[row].update((who, Gaussian(*each)) for who, *each in zip(names, some.mean, some.covariance, strict=True))
        people = self.info.people
        if isinstance(people, ShardedPeople):
            known: Sequence[str] = people.joined(dataset.people)
        else:
            known = tuple(dict.fromkeys([*people, *dataset.people]))
        return BayesTaste(replace(self.info, people=known), self.priors, learned, self.chosen)

    def with_shards(self, shards: PersonShards) -> "BayesTaste":
        """Return a taste that knows the people of shards, in the place of its own."""
        posteriors = [ShardedPosteriors(shards, row) for row in range(len(self.priors))]
        return BayesTaste(replace(self.info, people=ShardedPeople(shards)), self.priors, posteriors, self.chosen)

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


@one_blas_thread
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
    """Fit prior and posteriors to `train`; `held_out` chooses among the settings of `config` and sets the scale.

    Where there are more people than `config.prior_people`, so many are drawn, the population's taste and the prior are learned
    from these, and everybody's posterior follows from the prior and their own judgements.
    """
    drawn = draw_people(train.people, config.prior_people, seed)
    known, chooser = (train, held_out) if drawn.all() else (train.of_people(drawn), held_out.of_people(drawn))
    everybody = population.fit(known, chooser, items, config.population, encoder_id=encoder_id, seed=seed)
    vectors = items.astype(np.float64)
    usual = ScoreMoments.of(known)
    scale, principal = rating_scale.standardise(train, usual), PrincipalAxes.of(vectors, everybody.centre)
    steps = len(train.attributes) * config.iterations
    priors, posteriors, chosen = [], [], []
    for row in range(len(train.attributes)):
        own, test = known.on_attribute(row), pairs(chooser.on_attribute(row), seed=seed)
        features = attribute_features(own, everybody, row, vectors, scale, config, principal=principal)
        images = np.union1d(train.on_attribute(row).judged_images(), np.r_[test.left, test.right])
        designs = {components: ImageDesign.of(each, vectors, images) for components, each in features.items()}
        width = max(each.width for each in features.values())
        blocks = LocalBlocks(in_blocks(own, scale, width=width), designs, test, chooser.weights_of(test))

        def after(iteration: int, done: int = row * config.iterations) -> None:
            progress(done + iteration, steps, {})

        learned = choose(blocks, features, config, after=after)
        everyone = in_blocks(train.on_attribute(row), scale, width=width) if not drawn.all() else blocks.blocks
        design = designs[learned.fit.setting.components]
        found: Posteriors = {}
        for number, block in enumerate(everyone):
            own_block = learned.posteriors_of_block(block, design, number) if drawn.all() else None
            for some in own_block or learned.prior.posteriors(block, design):
                names = (train.people[person] for person in block.people[some.rows])
                found.update((name, Gaussian(*each)) for name, *each in zip(names, some.mean, some.covariance, strict=True))
        priors.append(learned.prior)
        posteriors.append(found)
        chosen.append(learned.chosen)
    return BayesTaste(TasteInfo("bayes", encoder_id, train.attributes, train.people), priors, posteriors, chosen)


@dataclass(frozen=True)
class LearnedPrior:
    """The prior of one attribute with what chose it. fit: as the EM left it."""

    prior: PopulationPrior
    fit: CovarianceFit
    chosen: dict[str, float]

    def posteriors_of_block(self, block: PersonBlock, design: ImageDesign, number: int) -> Iterator[BlockPosterior]:
        """Yield the posteriors, under the prior that was learned, of a block that it was learned from, batch by batch.

        Each person's noise is what the last E step found.
        """
        state = self.fit.states[number] if self.fit.states else block.state(len(self.prior.covariance))
        return person_block.posteriors(block, design, self.prior.covariance, state, temper=self.prior.temper, steps=20)


def choose(
    people: PeopleBlocks,
    features: Mapping[int, PersonFeatures],
    config: BayesTasteConfig,
    *,
    after: Callable[[int], None] = lambda iteration: None,
) -> LearnedPrior:
    """Return the prior of one attribute: learned by each combination of the settings, and chosen by held-out judgements."""
    grid = itertools.product(config.components, config.ranks, config.spreads, config.tempers)
    fits = covariance_em.learn(
        people,
        features,
        [EmSetting(*values) for values in grid],
        trend=config.trend,
        strength=config.strength,
        iterations=config.iterations,
        after=after,
    )
    losses = people.held_out_loss(fits)
    best = min(range(len(fits)), key=lambda number: losses[number][0])
    fit, (loss, scale) = fits[best], losses[best]
    prior = PopulationPrior(features[fit.setting.components], fit.covariance, fit.setting.temper, scale)
    return LearnedPrior(prior, fit, vars(fit.setting) | {"loss": loss})


def attribute_features(
    known: JudgementDataset,
    everybody: Population,
    row: int,
    vectors: np.ndarray,
    scale: RatingScale,
    config: BayesTasteConfig,
    *,
    principal: PrincipalAxes,
) -> dict[int, PersonFeatures]:
    """Return what people's own weights on one attribute are on, by number of components. known: judgements on that attribute."""
    weights = _in_train_scale(everybody.weights[row], everybody.centre, known, vectors, scale)
    return {components: principal.features(components, weights) for components in config.components}


def in_blocks(dataset: JudgementDataset, scale: RatingScale, *, width: int, people: int = person_block.PEOPLE) -> list[PersonBlock]:
    """Return judgements on one attribute in blocks of so many people, about. width: of the features."""
    count = -(-len(dataset.people) // people)
    if count <= 1:
        return [PersonBlock.of(dataset, scale, width=width)]
    number = np.arange(len(dataset.people)) * count // len(dataset.people)
    ratings, comparisons = (Groups.of(number[table.person], count) for table in (dataset.ratings, dataset.comparisons))
    return [PersonBlock.of(dataset.select(ratings[block], comparisons[block]), scale, width=width) for block in range(count)]


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


def _in_train_scale(
    weights: np.ndarray, centre: np.ndarray, dataset: JudgementDataset, vectors: np.ndarray, scale: RatingScale
) -> np.ndarray:
    """Return the population's weights stretched to fit the training judgements best; held-out ones set the scale afterwards."""
    design = ((vectors - centre) @ weights.astype(np.float64))[:, None]
    one = Gaussian(np.ones(1), np.full((1, 1), 100.0))
    factor = gaussian.laplace(one, np.full((1, 1), 0.01), scale.observations(dataset, design), temper=1.0).mean[0]
    return np.asarray(weights.astype(np.float64) * factor)
