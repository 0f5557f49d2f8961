"""Predictability: whether what somebody says can be told from what they and others said of other images.

The model is a biased low-rank completion of the matrix of people and images (Koren, Bell and Volinsky 2009): a utility of each
image that all people share, by attribute; a few factors of images on which people differ, found by subspace iteration on what the
shared utility leaves; and each person's own weights of both by ridge regression. It is cross-validated: whatever a judgement is
compared to was learned without that judgement. Whoever answers at random is right in half of the cases, however much they answer.

How often: of comparisons that are no ties, the share predicted on the right side; of ratings, that of pairs of different scores of
one person in one fold that are in the predicted order (Goodman and Kruskal's gamma as a share). Both count in the same currency,
the number of tosses of a coin that would be as sure: for ratings from the variance of Kendall's S under shuffled scores (Kendall
1970), and less where the answers to one item hang together (Kish's design effect).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array  # type: ignore[import-untyped]  # scipy ships no types
from scipy.sparse.linalg import LinearOperator, cg  # type: ignore[import-untyped]

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.quality.judgement_rows import JudgementRows, groups_of

_COMPARISON_NOISE = 2.0  # variance of a comparison's value around the difference of utilities
_RATING_NOISE = 0.6  # variance of a standardised score around its utility
_SLOPE_VARIANCE = 0.25  # of how far a person follows what all share, around 1
_MOST = 150  # ratings of a person, attribute and fold that are put in order


@dataclass(frozen=True)
class PredictabilityConfig:
    """Settings of the cross-validated completion."""

    folds: int = setting(4, "parts of each person's judgements, each predicted from the others")
    factors: int = setting(8, "factors of images on which people differ")
    ridge: float = setting(2.0, "judgements that the belief in an ordinary image is worth")
    components: int = setting(48, "principal directions of the embeddings, where there are any, that people may weigh")
    spread: float = setting(0.03, "variance of a person's own weight of such a direction, in rating sd^2")
    sample: int = setting(5000, "people from whom what all share is learned, at most; drawn by the seed where there are more")

    def __post_init__(self) -> None:
        if self.folds < 2 or self.factors < 0 or self.components < 0 or self.sample < 1:
            raise ConfigError("predictability needs folds >= 2, factors and components >= 0 and sample >= 1")
        if self.ridge <= 0 or self.spread <= 0:
            raise ConfigError("predictability.ridge and predictability.spread must be above 0")


@dataclass(frozen=True)
class ImageModel:
    """What is known of images without one fold. shared: utilities that all share, float64 [A, N]; factors: float64 [N, K], scaled
    so that a person's own weights have the variance 1."""

    shared: np.ndarray
    factors: np.ndarray


def fit(rows: JudgementRows, config: PredictabilityConfig, *, seed: int, features: np.ndarray | None = None) -> ImageModel:
    """Fit what is known of images to judgements. features: of the images, float64 [N, F], to be used beside the factors."""
    shared = np.zeros((rows.attributes, rows.images))
    rest = rows.value.copy()
    for attribute in range(rows.attributes):
        own = np.flatnonzero(rows.attribute == attribute)
        if len(own):
            shared[attribute] = _shared(rows[own], config, features)
    rest -= _margin(rows, shared)
    factors = _factors(rows, rest, config.factors, seed=seed)
    return ImageModel(shared, factors if features is None else np.hstack([factors, features]))


def utilities(rows: JudgementRows, model: ImageModel, images: np.ndarray) -> np.ndarray:
    """Return people's utilities of some images, float64 [P, A, images], from all of their judgements in `rows`."""
    features = np.hstack([_margin(rows, model.shared)[:, None], rows.design @ model.factors])
    noise = np.where(rows.compared, _COMPARISON_NOISE, _RATING_NOISE)
    weights = _weights(rows, features, noise, np.ones(len(rows), bool)).reshape(rows.people, rows.attributes, -1)
    return np.asarray(weights[:, :, :1] * model.shared[:, images] + weights[:, :, 1:] @ model.factors[images].T)


def predict(rows: JudgementRows, models: Sequence[ImageModel]) -> tuple[np.ndarray, np.ndarray]:
    """Return for each judgement what its person would say by the judgements in the other folds, and what people would, [J] each.

    models: of each fold, fitted without it.
    """
    personal, shared = np.zeros(len(rows)), np.zeros(len(rows))
    noise = np.where(rows.compared, _COMPARISON_NOISE, _RATING_NOISE)
    for fold, model in enumerate(models):
        margin = _margin(rows, model.shared)
        features = np.hstack([margin[:, None], rows.design @ model.factors])
        known = rows.fold != fold
        weights = _weights(rows, features, noise, known)
        test = ~known
        personal[test] = np.einsum("jf,jf->j", features[test], weights[rows.column[test]])
        shared[test] = margin[test]
    return personal, shared


@dataclass(frozen=True)
class Concordance:
    """How often predictions were right, for each person, float64 [P]: `right` of `tosses` independent ones."""

    right: np.ndarray
    tosses: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """The share that was right, [P]; nan where nothing was predicted."""
        return np.asarray(np.divide(self.right, self.tosses, out=np.full(len(self.right), np.nan), where=self.tosses > 0))


def concordance(rows: JudgementRows, predicted: np.ndarray) -> Concordance:
    """Return how often predictions [J] are in the order of what was said."""
    right, tosses = np.zeros(rows.people), np.zeros(rows.people)
    decided = np.flatnonzero(rows.compared & (rows.value != 0))
    hit = np.sign(predicted[decided]) * np.sign(rows.value[decided])
    share = _design_effect(rows[decided], hit)
    right += np.bincount(rows.person[decided], (1 + hit) / 2, minlength=rows.people) * share
    tosses += np.bincount(rows.person[decided], minlength=rows.people) * share
    rated = np.flatnonzero(~rows.compared)
    share = _design_effect(rows[rated], rows.value[rated] * predicted[rated])
    folds = int(rows.fold.max(initial=0)) + 1
    for group in groups_of((rows.column * folds + rows.fold)[rated]):
        own = rated[group][:_MOST]
        order, pairs, variance = _kendall(rows.value[own], predicted[own])
        if variance > 0:
            person = rows.person[own[0]]
            count = pairs**2 / variance * share[person]
            right[person] += count * (order / pairs + 1) / 2
            tosses[person] += count
    return Concordance(right, tosses)


def _shared(rows: JudgementRows, config: PredictabilityConfig, features: np.ndarray | None) -> np.ndarray:
    """Return the utility of each image that people share, [N], by ridge regression; of one attribute."""
    precision = np.where(rows.compared, 1 / (_COMPARISON_NOISE + 1), 1 / (_RATING_NOISE + 0.5))
    design = rows.design
    weighted = csr_array(design.multiply(precision[:, None]))
    pull = weighted.T @ rows.value
    if features is not None and features.shape[1]:
        # an image's utility is what its features say, and a part of its own
        gram = features.T @ (weighted.T @ (design @ features))
        by_features = features @ np.linalg.solve(gram + np.eye(len(gram)), features.T @ pull)
        pull = weighted.T @ (rows.value - design @ by_features)
    else:
        by_features = np.zeros(rows.images)

    def normal(vector: np.ndarray) -> np.ndarray:
        return np.asarray(weighted.T @ (design @ vector) + config.ridge * vector)

    own, _ = cg(LinearOperator((rows.images, rows.images), matvec=normal, dtype=np.float64), pull, rtol=1e-4, maxiter=100)
    return np.asarray(by_features + own)


def _factors(rows: JudgementRows, rest: np.ndarray, count: int, *, seed: int, steps: int = 8) -> np.ndarray:
    """Return factors of images [N, count] on which people differ, by subspace iteration on the covariance over people of `rest`.

    A judgement's product with itself is its noise and is left out. A person's share falls with their judgements per image.
    """
    count = min(count, rows.images - 1)
    if count < 1 or not len(rows):
        return np.zeros((rows.images, 0))
    _, column = np.unique(rows.column, return_inverse=True)
    by_column = csr_array((np.ones(len(rows)), (column, np.arange(len(rows)))), shape=(int(column.max()) + 1, len(rows)))
    seen = np.bincount(column) / rows.images
    weight = 1 / (1 + seen) ** 2
    pull = csr_array(rows.design.multiply((rest / np.where(rows.compared, _COMPARISON_NOISE, 1.0))[:, None]))
    said = csr_array(by_column @ pull)
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(rows.images, count)))[0]
    values = np.zeros(count)

    def apply(vectors: np.ndarray) -> np.ndarray:
        everybody = said.T @ (weight[:, None] * (said @ vectors))
        return np.asarray(everybody - pull.T @ (weight[column][:, None] * (pull @ vectors)))

    for _ in range(steps):
        basis = np.linalg.qr(apply(basis))[0]
    values, turn = np.linalg.eigh(basis.T @ apply(basis))
    scale = np.sqrt(np.clip(values, 0, None) / max(float((weight * seen**2).sum()), 1e-12))
    factors = basis @ (turn * scale)
    size = np.sqrt((factors**2).sum(axis=1).mean())
    return np.asarray(factors * min(1.0, 1.0 / max(size, 1e-12)))  # people don't differ by more than scores do


def _margin(rows: JudgementRows, utilities: np.ndarray) -> np.ndarray:
    """Return what utilities [A, N] say of each judgement, [J]: of a rating its image's, of a comparison the difference."""
    other = np.where(rows.compared, utilities[rows.attribute, rows.other], 0.0)
    return np.asarray(utilities[rows.attribute, rows.image] - other)


def _weights(rows: JudgementRows, features: np.ndarray, noise: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return each person's weights of features on each attribute, [P * A, F], by ridge regression on the rows in `known`."""
    width = features.shape[1]
    start = np.r_[1.0, np.zeros(width - 1)]
    weights = np.tile(start, (rows.people * rows.attributes, 1))
    prior = np.diag(np.r_[1 / _SLOPE_VARIANCE, np.ones(width - 1)])
    own = np.flatnonzero(known)
    groups = groups_of(rows.column[own])
    for group in groups:
        at = own[group]
        x, precision = features[at], 1 / noise[at]
        rest = rows.value[at] - x[:, 0]
        gram = (x * precision[:, None]).T @ x
        weights[rows.column[at[0]]] += np.linalg.solve(gram + prior, (x * precision[:, None]).T @ rest)
    return weights


def _design_effect(rows: JudgementRows, answers: np.ndarray) -> np.ndarray:
    """Return for each person the share of answers that independent ones would be worth, [P] in 0..1, after Kish 1965: answers of
    one item on several attributes may hang together."""
    share = np.ones(rows.people)
    if not len(rows):
        return share
    _, cluster, counts = np.unique(np.stack([rows.person, rows.item]), axis=1, return_inverse=True, return_counts=True)
    cluster = cluster.reshape(-1)
    if counts.max() < 2:
        return share
    owner = np.zeros(len(counts), np.int64)
    owner[cluster] = rows.person
    mean = np.bincount(rows.person, answers, minlength=rows.people) / np.maximum(np.bincount(rows.person, minlength=rows.people), 1)
    centred = answers - mean[rows.person]
    together = np.bincount(owner, np.bincount(cluster, centred) ** 2, minlength=rows.people)
    alone = np.bincount(rows.person, centred**2, minlength=rows.people)
    effect = np.divide(together, alone, out=np.ones(rows.people), where=alone > 0)
    return np.asarray(1 / np.clip(effect, 1.0, None))


def _kendall(score: np.ndarray, predicted: np.ndarray) -> tuple[float, float, float]:
    """Return Kendall's S of scores and predictions, how many pairs have different scores, and the variance of S under shuffling."""
    count = len(score)
    if count < 2:
        return 0.0, 0.0, 0.0
    first, second = np.triu_indices(count, 1)
    sign = np.sign(score[first] - score[second])
    order = float((sign * np.sign(predicted[first] - predicted[second])).sum())
    ties = np.unique(score, return_counts=True)[1].astype(float)
    variance = (count * (count - 1) * (2 * count + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()) / 18
    return order, float(np.abs(sign).sum()), float(variance)
