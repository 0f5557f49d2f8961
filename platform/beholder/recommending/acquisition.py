"""Acquisition functions: which two edits to show next, so that the answer is worth most.

`random`: any two. `thompson`: the best of two independent draws of the utilities (Thompson sampling). `eubo`: the two with the
highest expected utility of the best option (Lin et al. 2022, qEUBO of Astudillo et al. 2023). `information`: the two whose answer
has the highest mutual information with the person's weights (BALD, Houlsby et al. 2011).
"""

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from beholder.errors import ChoiceError, nearest
from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers.ranker import JointNormal, Ranker

Strategy = Literal["random", "thompson", "eubo", "information"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
CHAMPION = "champion"
_POOL = 256  # edits whose pairs are all evaluated; the rest can hardly be in the best pair
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(16)


@dataclass(frozen=True)
class QuestionPair:
    """Two rows of an edit set to show. probability: of this pair being chosen, this way round; None where it is not known.

    strategy: what chose it: the one asked for, or `champion` where a ranker has no uncertainty to reduce.
    """

    left: int
    right: int
    probability: float | None
    strategy: str


def ask(
    strategy: str,
    ranker: Ranker,
    user_id: str,
    edit_set: EditSet,
    unedited: EditSet,
    *,
    seed: int,
    without: Collection[tuple[int, int]] = (),
) -> QuestionPair:
    """Return the next question for a person about C edits of an image; which side each goes to is drawn with the seed.

    unedited: the unedited image. without: pairs of rows that are not to be asked, either way round, such as those still open.
    With a ranker that has no uncertainty no answer is worth more than another: whatever strategy but `random` is asked for, its
    champion is shown, the edit of the highest utility, beside one drawn at random. Raises ChoiceError for an unknown strategy, and
    where no pair is left.
    """
    if strategy not in STRATEGIES:
        raise ChoiceError(f"{strategy!r} is no strategy{nearest(strategy, list(STRATEGIES))}")
    if len(edit_set) < 2:
        raise ChoiceError(f"a question needs two edits to choose between, got {len(edit_set)}")
    excluded = _Excluded(without, len(edit_set))
    rng = np.random.default_rng(seed)
    if strategy == "random":
        left, right = excluded.draw(rng)
        return QuestionPair(left, right, 0.5 / excluded.left_over, strategy)
    joint = ranker.joint(user_id, edit_set)
    if not joint.factor.shape[1]:
        left, right, chance = _champion(joint, excluded, rng)
        strategy = CHAMPION
    elif strategy == "thompson":
        left, right = _thompson(joint, excluded, rng)
        return QuestionPair(left, right, None, strategy)
    else:
        left, right = _best_pair(strategy, joint, ranker.joint(user_id, unedited), excluded)
        chance = 1.0
    return (
        QuestionPair(left, right, chance / 2, strategy) if rng.random() < 0.5 else QuestionPair(right, left, chance / 2, strategy)
    )


def eubo(left: np.ndarray, right: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return E[max(u_left, u_right)] of Gaussian utilities (Clark 1961).

    left, right: their means; deviation: the standard deviation of u_left - u_right, which may be 0.
    """
    from scipy.special import ndtr  # type: ignore[import-untyped]

    gap = left - right
    sure = deviation < 1e-12
    z = gap / np.where(sure, 1.0, deviation)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    uncertain = left * ndtr(z) + right * ndtr(-z) + deviation * density
    return np.asarray(np.where(sure, np.maximum(left, right), uncertain))


def information(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Return the mutual information of an answer and the weights, in bits.

    It is H(E[p]) - E[H(p)] with p = sigma(x), x ~ N(mean, deviation^2).
    The answer depends on the weights through x alone, so the expectations are in one dimension (Gauss-Hermite, 16 nodes). It is 0
    where the answer is certain, or its probability is; at most 1.
    """
    weights = (_WEIGHTS / _WEIGHTS.sum()).astype(np.float32)
    expected, within = np.zeros(mean.shape, np.float32), np.zeros(mean.shape, np.float32)
    for node, weight in zip(_NODES.astype(np.float32), weights, strict=True):
        x = (mean + node * deviation).astype(np.float32)
        tail = np.exp(-np.abs(x))  # everything of x from one exponential
        less = tail / (1 + tail)
        expected += weight * np.where(x >= 0, 1 - less, less)
        within += weight * (np.log1p(tail) + np.abs(x) * less)
    return np.asarray(np.clip((_entropy(expected) - within) / np.log(2), 0, 1))


class _Excluded:
    """Pairs of C rows that are not to be asked, the lower row first."""

    def __init__(self, pairs: Collection[tuple[int, int]], count: int) -> None:
        self.count = count
        self.pairs = {(min(pair), max(pair)) for pair in pairs}
        self.left_over = count * (count - 1) // 2 - len(self.pairs)
        if self.left_over < 1:
            raise ChoiceError(f"all {len(self.pairs)} pairs of {count} edits are to be left out: answer one of them first")

    def partners(self, row: int) -> np.ndarray:
        """Return which rows may be shown beside this one, bool [C]."""
        free = np.ones(self.count, bool)
        free[[row, *(one + other - row for one, other in self.pairs if row in (one, other))]] = False
        return free

    def draw(self, rng: np.random.Generator) -> tuple[int, int]:
        """Draw a pair that is left, uniformly, and either way round."""
        if 2 * self.left_over > len(self.pairs):
            while True:
                one, other = (int(row) for row in rng.choice(self.count, 2, replace=False))
                if (min(one, other), max(one, other)) not in self.pairs:
                    return one, other
        free = [pair for pair in itertools.combinations(range(self.count), 2) if pair not in self.pairs]
        one, other = free[int(rng.integers(len(free)))]
        return (one, other) if rng.random() < 0.5 else (other, one)

    def has(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Return which of these pairs, the lower row first, are excluded, bool [P]."""
        known = np.array([one * self.count + other for one, other in self.pairs], np.int64)
        return np.isin(rows * self.count + columns, known)


def _champion(joint: JointNormal, excluded: _Excluded, rng: np.random.Generator) -> tuple[int, int, float]:
    """Return the edit of the highest utility, another one drawn at random, and the probability of that one."""
    for best in np.argsort(-joint.mean, kind="stable"):
        free = np.flatnonzero(excluded.partners(int(best)))
        if len(free):
            return int(best), int(rng.choice(free)), 1 / len(free)
    raise AssertionError("some pair is left over")


def _thompson(joint: JointNormal, excluded: _Excluded, rng: np.random.Generator) -> tuple[int, int]:
    """Return the best of one draw and the best of another; where that is the same edit, the second's next best."""
    one, other = joint.draws(2, seed=int(rng.integers(2**63)))
    for left in np.argsort(-one, kind="stable"):
        free = excluded.partners(int(left))
        if free.any():
            return int(left), int(np.argmax(np.where(free, other, -np.inf)))
    raise AssertionError("some pair is left over")


def _best_pair(strategy: str, joint: JointNormal, unedited: JointNormal, excluded: _Excluded) -> tuple[int, int]:
    """Return the pair of the highest value by the acquisition function, the lower row first."""
    pool = _pool(joint, unedited)
    some = joint[pool]
    rows, columns = np.triu_indices(len(pool), 1)
    out = excluded.has(pool[rows], pool[columns])
    if out.all():  # only where nearly every pair is open
        left, right = excluded.draw(np.random.default_rng(0))
        return min(left, right), max(left, right)
    mean, deviation = _gaps(some, rows, columns)
    values = eubo(some.mean[rows], some.mean[columns], deviation) if strategy == "eubo" else information(mean, deviation)
    best = int(np.argmax(np.where(out, -np.inf, values)))
    return int(pool[rows[best]]), int(pool[columns[best]])


def _pool(joint: JointNormal, unedited: JointNormal) -> np.ndarray:
    """Return rows whose pairs are evaluated, always the same ones: best on average, best in some draw, most uncertain."""
    count = len(joint.mean)
    if count <= _POOL:
        return np.arange(count)
    variance = ((joint.factor - unedited.factor) ** 2).sum(axis=1)
    tops = np.argpartition(-joint.draws(64, seed=0), 4, axis=1)[:, :4].ravel()
    bounds = -(joint.mean + 2 * np.sqrt(variance))  # upper confidence bounds, negated
    lists = [np.argsort(-joint.mean)[: _POOL // 4], np.unique(tops), np.argsort(bounds)[: _POOL // 4], np.argsort(-variance)]
    return np.sort(np.array(list(dict.fromkeys(np.concatenate(lists).tolist()))[:_POOL]))


def _gaps(some: JointNormal, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of u_row - u_column."""
    covariance = some.factor @ some.factor.T
    variance = np.diag(covariance)
    spread = variance[rows] + variance[columns] - 2 * covariance[rows, columns]
    return some.mean[rows] - some.mean[columns], np.sqrt(np.maximum(spread, 0))


def _entropy(p: np.ndarray) -> np.ndarray:
    """Return the entropy of Bernoulli variables, in nats."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.asarray(-p * np.log(p) - (1 - p) * np.log1p(-p))
