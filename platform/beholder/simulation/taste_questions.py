"""Questions about images that teach a taste: in which order the pairs that a new person could be asked are best asked.

A person of whom nothing is known has the population's prior, and each question is chosen by what it would tell of them: choosing
questions with a prior that was learned from other people was first shown on real people by Birlutiu, Groot and Heskes (2013,
Efficiently learning the preferences of people). Here somebody's answers are known beforehand, so that ways can be compared on them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from beholder.errors import ConfigError, nearest
from beholder.recommending import acquisition
from beholder.statistics import sigmoid
from beholder.taste import rating_scale
from beholder.taste.bayes import PopulationPrior
from beholder.taste.dataset import ComparisonTable, JudgementDataset, concatenate
from beholder.taste.gaussian import Gaussian

Order = Literal["random", "information", "eubo", "both", "ratings", "ratings_by_information"]
ORDERS: tuple[str, ...] = get_args(Order)
RATED = ("ratings", "ratings_by_information")  # images to rate instead of pairs: at random, and by what they would tell
_OFFSET = rating_scale.LOGITS**2  # variance of a person's mean score before they rated anything, in logits^2


@dataclass(frozen=True)
class AskedPairs:
    """Pairs that one person could be asked, and their answers. left and right: rows of a design, int64 [C]; choice float [C]: 1
    left, 0 right, 0.5 neither."""

    left: np.ndarray
    right: np.ndarray
    choice: np.ndarray

    def __len__(self) -> int:
        return len(self.choice)


@dataclass(frozen=True)
class TasteDesign:
    """What a person's utilities of N images are made of: features own, float64 [N, F], and the population's utility, [N]; the prior
    of their weights, and the power of the likelihood. scale: what utilities are multiplied by to be logits of choices."""

    own: np.ndarray
    shared: np.ndarray
    prior: Gaussian
    temper: float
    scale: float = 1.0

    @classmethod
    def of(cls, prior: PopulationPrior, vectors: np.ndarray) -> "TasteDesign":
        """Return the design of embeddings [N, D] under a prior of people's tastes."""
        features = prior.features
        return cls(features.of(vectors), features.shared(vectors), prior.gaussian(), prior.temper, prior.scale)


def check(order: str) -> None:
    """Raise ConfigError for what is no way of asking."""
    if order not in ORDERS:
        raise ConfigError(f"{order!r} is no way of asking{nearest(order, list(ORDERS))}; expected {', '.join(ORDERS)}")


def answerable(dataset: JudgementDataset, person: int, *, at_most: int, seed: int) -> AskedPairs:
    """Return pairs that a person could be asked on the one attribute of a dataset: those they compared, and those of images that
    they rated, where equal scores say neither. At most so many, drawn by the seed; which side is which is drawn too."""
    own = dataset.of_person(person)
    rated = own.ratings
    first, second = np.triu_indices(len(rated), 1)
    rng = np.random.default_rng([seed, person])
    chosen = rng.permutation(len(first))[:at_most]
    turned = rng.random(len(chosen)) < 0.5
    one, other = (np.where(turned, a[chosen], b[chosen]) for a, b in ((first, second), (second, first)))
    choice = (np.sign(rated.score[one] - rated.score[other]) + 1) / 2
    implied = ComparisonTable(
        rated.person[one], rated.image[one], rated.image[other], rated.attribute[one], choice.astype(np.float32)
    )
    both = concatenate([own.comparisons, implied])
    both = both[: max(at_most, len(own.comparisons))]
    return AskedPairs(both.left, both.right, both.choice.astype(np.float64))


def learning(
    design: TasteDesign,
    pairs: AskedPairs,
    order: str,
    counts: Sequence[int],
    *,
    rng: np.random.Generator,
    batch: int = 1,
    learn_first: int = acquisition.LEARN_FIRST,
) -> list[Gaussian]:
    """Return what is known of a person's weights after so many answers, for each of `counts` in rising order.

    batch: questions that are asked together, before the answer to any of them is known: each next one is chosen as if those before
    it had been answered as expected, which tells how sure the answers will make, but not of what. learn_first: of order=both,
    questions by information before eubo. Where pairs run out, what is known stays.
    """
    check(order)
    posterior, results = design.prior, []
    left, gaps = np.ones(len(pairs), bool), design.own[pairs.left] - design.own[pairs.right]
    offsets = design.shared[pairs.left] - design.shared[pairs.right]
    asked = 0
    for count in counts:
        while asked < count and left.any():
            chosen, expected = [], posterior
            for _ in range(min(batch, count - asked, int(left.sum()))):
                by = order if order != "both" else "information" if asked < learn_first else "eubo"
                row = _next(design, expected, pairs, gaps, offsets, np.flatnonzero(left), by, rng)
                left[row] = False
                chosen.append(row)
                asked += 1
                if batch > 1:
                    likely = sigmoid(float(gaps[row] @ expected.mean + offsets[row]))
                    expected = expected.update(gaps[row], likely, offset=offsets[row], temper=design.temper)
            for row in chosen:
                posterior = posterior.update(gaps[row], pairs.choice[row], offset=offsets[row], temper=design.temper)
        results.append(posterior)
    return results


def rating_order(design: TasteDesign, images: np.ndarray, order: str, *, at_most: int, rng: np.random.Generator) -> np.ndarray:
    """Return the order in which images are best rated by a person, rows of `images`, int64 [at most so many].

    images: rows of the design that the person could rate, int64 [R]. By information each next one is that whose score is least
    certain: the answer to a linear Gaussian question tells most where its variance is largest, whatever was answered before
    (MacKay 1992, Information-based objective functions). What a person's scores are on average is not known either.
    """
    check(order)
    if order != "ratings_by_information":
        return rng.permutation(len(images))[:at_most]
    rows = np.concatenate([design.own[images], np.ones((len(images), 1))], axis=1)
    width = design.own.shape[1]
    covariance = np.zeros((width + 1, width + 1))
    covariance[:width, :width], covariance[width, width] = design.prior.covariance, _OFFSET
    noise = rating_scale.LOGITS**2 * rating_scale.NOISE / design.temper
    spread = rows @ covariance  # covariances of every score with the weights
    variance = np.einsum("rd,rd->r", spread, rows)
    found: list[int] = []
    for _ in range(min(at_most, len(images))):
        best = int(np.argmax(variance))
        found.append(best)
        with_best = spread @ rows[best]
        spread = spread - np.outer(with_best, spread[best]) / (variance[best] + noise)
        variance = np.einsum("rd,rd->r", spread, rows)
        variance[found] = -np.inf
    return np.array(found, np.int64)


def differences(design: TasteDesign, posterior: Gaussian, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Return u(left) - u(right) of pairs of rows, in logits, float64 [C]."""
    gaps = (design.own[left] - design.own[right]) @ posterior.mean + design.shared[left] - design.shared[right]
    return np.asarray(design.scale * gaps)


def worth(fewer: np.ndarray, counts: Sequence[int], curve: np.ndarray) -> np.ndarray:
    """Return how many random questions reach an accuracy, by linear interpolation; the most there are where none do.

    fewer: accuracies [B]; curve: of random questions, [B, counts], made to rise.
    """
    rising = np.maximum.accumulate(curve, axis=1)
    found = [np.interp(value, own, counts) if value > own[0] else counts[0] for value, own in zip(fewer, rising, strict=True)]
    return np.asarray(found, np.float64)


def _next(
    design: TasteDesign,
    posterior: Gaussian,
    pairs: AskedPairs,
    gaps: np.ndarray,
    offsets: np.ndarray,
    left: np.ndarray,
    order: str,
    rng: np.random.Generator,
) -> int:
    """Return which of the pairs that are left, by number, to ask."""
    if order == "random":
        return int(rng.choice(left))
    mean, variance = posterior.project(gaps[left])
    deviation = np.sqrt(np.maximum(variance, 0))
    if order == "information":
        values = acquisition.information(design.scale * (mean + offsets[left]), design.scale * deviation)
    else:
        one, other = (design.own[each[left]] @ posterior.mean + design.shared[each[left]] for each in (pairs.left, pairs.right))
        values = acquisition.eubo(one, other, deviation)
    return int(left[np.argmax(values)])
