"""The Bayesian taste of very many people, a block of people at a time: posteriors under a prior that is known, and their trust.

`bayes.fit` holds everybody; this is for whoever maps over blocks of people and keeps each in a shard.
"""

from collections.abc import Sequence

import numpy as np

from beholder.statistics import log_likelihood
from beholder.taste import rating_scale, shrinkage
from beholder.taste.bayes import BayesTaste, PopulationPrior
from beholder.taste.contract import Normal, TasteInfo
from beholder.taste.dataset import ComparisonTable, Groups, JudgementDataset
from beholder.taste.gaussian import Gaussian
from beholder.taste.person_block import BlockPosterior, ImageDesign, PersonBlock
from beholder.taste.person_shards import AttributePosteriors, PersonShard
from beholder.taste.rating_scale import ScoreMoments
from beholder.taste.validation import TIE, pairs


def fit_shard(
    train: JudgementDataset,
    held_out: JudgementDataset,
    priors: Sequence[PopulationPrior],
    designs: Sequence[ImageDesign],
    usual: ScoreMoments,
    *,
    seed: int,
) -> PersonShard:
    """Return the posteriors of a dataset's people, and how far each is served their own taste.

    priors and designs: of each attribute. usual: how people use the scale. held_out: sets the trust alone.
    """
    scale = rating_scale.standardise(train, usual)
    attributes = []
    for row, (prior, design) in enumerate(zip(priors, designs, strict=True)):
        block = PersonBlock.of(train.on_attribute(row), scale, width=prior.features.width)
        asked = _HeldOut(held_out.on_attribute(row), seed)
        width, count = prior.features.width, len(block.people)
        triangle = np.tril_indices(width)
        means, lower = np.zeros((count, width)), np.zeros((count, len(triangle[0])), np.float32)
        trust = np.ones(len(train.people))
        for some in prior.posteriors(block, design):
            means[some.rows], lower[some.rows] = some.mean, some.covariance[:, triangle[0], triangle[1]]
            trust[block.people[some.rows]] = asked.trust(prior, design, block.people[some.rows], some)
        known = np.zeros(len(train.people), bool)
        known[block.people] = True
        attributes.append(AttributePosteriors(known, means, lower, trust))
    return PersonShard(train.people, tuple(attributes))


def taste_of(shard: PersonShard, info: TasteInfo, priors: Sequence[PopulationPrior]) -> BayesTaste:
    """Return a shard's people as a taste. info: what it is for; its people are the shard's."""
    posteriors: list[dict[str, Gaussian]] = []
    for each in shard.attributes:
        found = ((user_id, each.posterior(row)) for row, user_id in enumerate(shard.people))
        posteriors.append({user_id: posterior for user_id, posterior in found if posterior is not None})
    return BayesTaste(TasteInfo(info.kind, info.encoder_id, info.attributes, shard.people), priors, posteriors, [])


class _HeldOut:
    """Held-out pairs on one attribute by person, and how many judgements stand behind them."""

    def __init__(self, dataset: JudgementDataset, seed: int) -> None:
        self.pairs: ComparisonTable = pairs(dataset, seed=seed)
        self.groups = Groups.of(self.pairs.person, len(dataset.people))
        self.counts = dataset.select(np.arange(len(dataset.ratings)), dataset.comparisons.choice != TIE).counts()

    def trust(self, prior: PopulationPrior, design: ImageDesign, people: np.ndarray, some: BlockPosterior) -> np.ndarray:
        """Return what `shrinkage.weigh` returns of these people, [P]; 1 for somebody of whom nothing is held out."""
        at, real = self.groups.padded(people)
        left, right = (np.where(real, side[at], -1) for side in (self.pairs.left, self.pairs.right))
        own, shared = design.own[left] - design.own[right], design.shared[left] - design.shared[right]
        choice = np.where(real, self.pairs.choice[at], 0.5)
        unknown = np.broadcast_to(prior.covariance, some.covariance.shape)
        beliefs = (
            _logits(own, shared, mean, covariance, prior.scale)
            for mean, covariance in ((some.mean, some.covariance), (np.zeros_like(some.mean), unknown))
        )
        personal, population = (np.where(real, log_likelihood(logits, choice), 0.0).sum(axis=1) for logits in beliefs)
        count = real.sum(axis=1)
        weight = shrinkage.trust(personal - population, self.counts[people] / np.maximum(count, 1))
        return np.where(count > 0, weight, 1.0)


def _logits(own: np.ndarray, shared: np.ndarray, mean: np.ndarray, covariance: np.ndarray, scale: float) -> np.ndarray:
    """Return the logits of P(left), [P, C], of differences own.w + shared under each person's Gaussian."""
    difference = (own @ mean[:, :, None])[:, :, 0] + shared
    variance = ((own @ covariance) * own).sum(axis=2)
    return Normal(scale * difference, scale**2 * variance).logits()
