"""Blocks of people: the judgements of many people on one attribute, and the posteriors of all of them under one prior (the E step).

People with about as many judgements are worked on together, as one product of padded arrays; nothing is as large as all people's
judgements times the features. What is asked of a block depends on nobody outside it, and sums over blocks are sums over people.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack  # type: ignore[import-untyped]  # scipy ships no types

from beholder.statistics import log_likelihood, sigmoid
from beholder.taste import rating_scale
from beholder.taste.dataset import Groups, JudgementDataset
from beholder.taste.person_features import PersonFeatures
from beholder.taste.rating_scale import RatingScale

PEOPLE = 1024  # of a block, about
_FLOATS = 2**20  # in the largest array of a batch of people: 8 MiB
_NOISE_COUNT = 5.0  # ratings that the usual noise is worth
_UNIT = rating_scale.LOGITS**2


@dataclass(frozen=True)
class ImageDesign:
    """What utilities are made of, for each image: features own, float64 [N + 1, F], and the population's utility, [N + 1].

    The last row is of zeros: the image of a judgement that is padding.
    """

    own: np.ndarray
    shared: np.ndarray

    @classmethod
    def of(cls, features: PersonFeatures, vectors: np.ndarray, images: np.ndarray) -> "ImageDesign":
        """Return the design of embeddings [N, D]; only the images of these numbers are looked at, the others' rows are zeros."""
        own, shared = np.zeros((len(vectors) + 1, features.width)), np.zeros(len(vectors) + 1)
        own[images], shared[images] = features.of(vectors[images]), features.shared(vectors[images])
        return cls(own, shared)


@dataclass(frozen=True)
class PersonBatch:
    """People with about as many judgements, padded. rows: their places in the block, int64 [P].

    image int64 [P, R] and value float64 [P, R] (standardised, in logits) of ratings, rated how many there are, [P];
    left and right int64 [P, C] and choice float64 [P, C] of comparisons. Padding: the image -1, the value 0, the choice 0.5.
    weight float64 [P]: of each one's log-likelihood.
    """

    rows: np.ndarray
    image: np.ndarray
    value: np.ndarray
    rated: np.ndarray
    left: np.ndarray
    right: np.ndarray
    choice: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class PersonBlock:
    """Some people's judgements on one attribute. people: their numbers in the dataset, int64 [P], of those who judged."""

    people: np.ndarray
    batches: tuple[PersonBatch, ...]

    @classmethod
    def of(cls, dataset: JudgementDataset, scale: RatingScale, *, width: int, floats: int = _FLOATS) -> "PersonBlock":
        """Return judgements on one attribute as a block.

        width: of the features. floats: in the largest array of a batch, so that it is sized by these.
        """
        rated, compared = dataset.ratings, dataset.comparisons
        ratings, comparisons = (Groups.of(table.person, len(dataset.people)) for table in (rated, compared))
        people = np.flatnonzero(ratings.counts + comparisons.counts)
        value = rating_scale.LOGITS * scale.of(rated)
        size = np.stack([ratings.counts, comparisons.counts])[:, people]
        weight = np.ones(len(people)) if dataset.weights is None else dataset.weights[people]
        batches = []
        for rows in _alike(size, width, floats):
            at, real = ratings.padded(people[rows])
            pairs, made = comparisons.padded(people[rows])
            batches.append(
                PersonBatch(
                    rows,
                    np.where(real, rated.image[at], -1),
                    np.where(real, value[at], 0.0),
                    size[0, rows],
                    np.where(made, compared.left[pairs], -1),
                    np.where(made, compared.right[pairs], -1),
                    np.where(made, compared.choice[pairs], 0.5),
                    weight[rows],
                )
            )
        return cls(people, tuple(batches))

    def state(self, width: int) -> "BlockState":
        """Return where to begin: the prior's mean, and the usual noise."""
        return BlockState(np.zeros((len(self.people), width)), np.full(len(self.people), rating_scale.NOISE))


@dataclass(frozen=True)
class BlockState:
    """What is known of a block's people between two steps: mean [P, F] of their weights, noise [P] of their standardised scores."""

    mean: np.ndarray
    noise: np.ndarray


@dataclass(frozen=True)
class BlockPosterior:
    """Posteriors of the people of a batch. rows: their places in the block; mean [P, F], covariance [P, F, F]; noise [P], as their
    ratings say under these."""

    rows: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    noise: np.ndarray


@dataclass(frozen=True)
class Moments:
    """What the M step needs of people: how many there are, by their weights, and the sum over them of E[w w'], [F, F]."""

    count: float
    square: np.ndarray

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.count + other.count, self.square + other.square)


def posteriors(
    block: PersonBlock, design: ImageDesign, covariance: np.ndarray, state: BlockState, *, temper: float, steps: int
) -> Iterator[BlockPosterior]:
    """Yield everybody's posterior under the prior N(0, covariance) by Laplace's method, batch by batch.

    state: where to begin, and the noise of each person's ratings. temper: the power of the likelihood. steps: of Newton's method,
    at most, for those who compared.
    """
    precision = np.linalg.inv(covariance)
    for batch in block.batches:
        ratings = design.own[batch.image]
        value = batch.value - design.shared[batch.image]
        worth = temper * batch.weight
        weight = worth / (_UNIT * state.noise[batch.rows])
        gram = ratings.transpose(0, 2, 1) @ ratings
        fixed = precision + weight[:, None, None] * gram
        pull = weight[:, None] * np.einsum("pnf,pn->pf", ratings, value, optimize=True)
        if batch.left.shape[1]:
            comparisons = _Comparisons(
                design.own[batch.left] - design.own[batch.right],
                design.shared[batch.left] - design.shared[batch.right],
                batch.choice,
            )
            mean, within = _newton(fixed, pull, comparisons, state.mean[batch.rows], temper=worth, steps=steps)
        else:
            within = _inverses(fixed)
            mean = _times(within, pull)
        errors = ((value - _times(ratings, mean)) ** 2).sum(axis=1) + np.einsum("pij,pij->p", gram, within)
        noise = (errors / _UNIT + _NOISE_COUNT * rating_scale.NOISE) / (batch.rated + _NOISE_COUNT)
        yield BlockPosterior(batch.rows, mean, within, np.where(batch.rated > 0, noise, rating_scale.NOISE))


def expect(
    block: PersonBlock, design: ImageDesign, covariance: np.ndarray, state: BlockState | None, *, temper: float
) -> tuple[BlockState, Moments]:
    """Return the E step of a block under the prior N(0, covariance): what is known of its people afterwards, and their moments."""
    width = len(covariance)
    state = state or block.state(width)
    after, square = block.state(width), np.zeros((width, width))
    weights = np.ones(len(block.people))
    for batch in block.batches:
        weights[batch.rows] = batch.weight
    for some in posteriors(block, design, covariance, state, temper=temper, steps=3):
        after.mean[some.rows], after.noise[some.rows] = some.mean, some.noise
        own = weights[some.rows]
        square += (some.mean.T * own) @ some.mean + np.einsum("p,pij->ij", own, some.covariance)
    return after, Moments(float(weights.sum()), square)


def refine(
    block: PersonBlock, design: ImageDesign, covariance: np.ndarray, *, temper: float, passes: int, steps: int = 20
) -> BlockState:
    """Return the state of people under a prior that stays as it is, after so many passes that learn each person's noise."""
    state = block.state(len(covariance))
    for _ in range(passes):
        after = block.state(len(covariance))
        for some in posteriors(block, design, covariance, state, temper=temper, steps=steps):
            after.mean[some.rows], after.noise[some.rows] = some.mean, some.noise
        state = after
    return state


@dataclass(frozen=True)
class _Comparisons:
    """Choices [P, C] made on offsets [P, C] + differences [P, C, F].w."""

    differences: np.ndarray
    offsets: np.ndarray
    choices: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "_Comparisons":
        return _Comparisons(self.differences[rows], self.offsets[rows], self.choices[rows])

    def logits(self, mean: np.ndarray) -> np.ndarray:
        return np.asarray(self.offsets + _times(self.differences, mean))


def _newton(
    fixed: np.ndarray, pull: np.ndarray, comparisons: _Comparisons, start: np.ndarray, *, temper: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return mode [P, F] and covariance [P, F, F] of P posteriors, as `gaussian.laplace` finds them one by one.

    temper: the power of each one's likelihood, [P].
    """

    def log_posterior(at: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return it up to a constant, [rows]."""
        own = comparisons[rows]
        likelihood = log_likelihood(own.logits(at), own.choices).sum(axis=1)
        quadratic = (at * _times(fixed[rows], at)).sum(axis=1)
        return np.asarray(temper[rows] * likelihood + (pull[rows] * at).sum(axis=1) - quadratic / 2)

    mean, covariance, rows = start.copy(), np.empty_like(fixed), np.arange(len(start))
    now = log_posterior(mean, rows)
    for _ in range(steps):
        own, at = comparisons[rows], mean[rows]
        p = sigmoid(own.logits(at))
        curvature = temper[rows][:, None] * p * (1 - p)
        hessian = fixed[rows] + (own.differences * curvature[:, :, None]).transpose(0, 2, 1) @ own.differences
        slope = np.einsum("pnf,pn->pf", own.differences, own.choices - p, optimize=True)
        covariance[rows] = _inverses(hessian)
        step = _times(covariance[rows], pull[rows] - _times(fixed[rows], at) + temper[rows][:, None] * slope)
        then = log_posterior(at + step, rows)
        for _ in range(30):  # far from the mode a full step may overshoot, because the logistic flattens out
            worse = np.flatnonzero(then < now[rows] - 1e-12)
            if not len(worse):
                break
            step[worse] /= 2
            then[worse] = log_posterior((at + step)[worse], rows[worse])
        mean[rows], now[rows] = at + step, then
        rows = rows[np.abs(step).max(axis=1) >= 1e-7]
        if not len(rows):
            break
    return mean, covariance


def _inverses(matrices: np.ndarray) -> np.ndarray:
    """Return the inverses of P symmetric positive definite matrices [P, F, F], by Cholesky's factor."""
    inverses = np.empty_like(matrices)
    for matrix, inverse in zip(matrices, inverses, strict=True):
        factor, failed = lapack.dpotrf(matrix.T, lower=1, clean=0)
        if failed:
            raise np.linalg.LinAlgError("a posterior's precision is not positive definite")
        inverse[:] = lapack.dpotri(factor, lower=1, overwrite_c=1)[0].T
    above, below = np.triu_indices(matrices.shape[1], 1)
    inverses[:, below, above] = inverses[:, above, below]
    return inverses


def _times(matrices: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Return the product of each of P matrices [P, A, B] with its vector [P, B], [P, A]."""
    return np.asarray((matrices @ vectors[:, :, None])[:, :, 0])


def _alike(size: np.ndarray, width: int, floats: int) -> Iterator[np.ndarray]:
    """Yield the places of people with about as many ratings and comparisons, size int64 [2, P], in batches that fit in memory."""
    order = np.lexsort((size[0], size[1]))
    begin, most = 0, np.zeros(2, np.int64)
    for end in range(len(order)):
        most_with = np.maximum(most, size[:, order[end]])
        mixed = end > begin and (most_with[1] > 0) != (most[1] > 0)
        if end > begin and (mixed or (end + 1 - begin) * max(int(most_with.sum()), width) * width > floats):
            yield order[begin:end]
            begin, most_with = end, size[:, order[end]]
        most = most_with
    if len(order):
        yield order[begin:]
