"""Questions: which two edits to show next, so that the answer is worth most.

`random`: any two. `thompson`: the best of two independent draws of the utilities. `eubo`: the two whose better one is expected to
be best (Lin et al. 2022, qEUBO of Astudillo et al. 2023). `information`: the two whose answer is expected to tell most about the
person (BALD, Houlsby et al. 2011).
"""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from beholder.errors import ChoiceError, nearest
from beholder.recommending.options import Options
from beholder.recommending.rankers.contract import Joint, Ranker

Strategy = Literal["random", "thompson", "eubo", "information"]
STRATEGIES: tuple[str, ...] = get_args(Strategy)
_POOL = 256  # edits whose pairs are all weighed; the rest can hardly be in the best pair
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(16)


@dataclass(frozen=True)
class Pair:
    """Two rows of the options to show. probability: with what chance this pair came up, this way round; None where nobody knows."""

    left: int
    right: int
    probability: float | None


def ask(strategy: str, ranker: Ranker, user_id: str, options: Options, base: Options, *, seed: int) -> Pair:
    """The next question for a person about C edits of an image; which side each goes to is chance, decided by the seed.

    base: the image as it is. Raises ChoiceError for fewer than two options or an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise ChoiceError(f"{strategy!r} is no strategy{nearest(strategy, list(STRATEGIES))}")
    if len(options) < 2:
        raise ChoiceError(f"a question needs two edits to choose between, got {len(options)}")
    dice = np.random.default_rng(seed)
    count = len(options)
    if strategy == "random":
        left, right = dice.choice(count, 2, replace=False)
        return Pair(int(left), int(right), 1 / (count * (count - 1)))
    believed = ranker.joint(user_id, options)
    if strategy == "thompson":
        left, right = _thompson(believed, dice)
        return Pair(left, right, None)
    start = ranker.joint(user_id, base)
    pool = _pool(believed, start)
    some = believed[pool]
    rows, columns = np.triu_indices(len(pool), 1)
    mean, deviation = _gaps(some, rows, columns)
    worth = eubo(some.mean[rows], some.mean[columns], deviation) if strategy == "eubo" else information(mean, deviation)
    best = int(np.argmax(worth))
    one, other = int(pool[rows[best]]), int(pool[columns[best]])
    return Pair(one, other, 0.5) if dice.random() < 0.5 else Pair(other, one, 0.5)


def eubo(left: np.ndarray, right: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """E[max(u_left, u_right)] of Gaussian utilities (Clark 1961).

    left, right: their means; deviation: the standard deviation of u_left - u_right, 0 where it is sure.
    """
    from scipy.special import ndtr  # type: ignore[import-untyped]

    gap = left - right
    sure = deviation < 1e-12
    z = gap / np.where(sure, 1.0, deviation)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    doubtful = left * ndtr(z) + right * ndtr(-z) + deviation * density
    return np.asarray(np.where(sure, np.maximum(left, right), doubtful))


def information(mean: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """Bits that the answer to a question tells about the weights: H(E[p]) - E[H(p)], p = sigma(x), x ~ N(mean, deviation^2).

    The answer depends on the weights through x alone, so the expectations are in one dimension (Gauss-Hermite, 16 nodes). 0 for
    an answer that is sure, or whose chance is; at most 1.
    """
    weights = (_WEIGHTS / _WEIGHTS.sum()).astype(np.float32)
    expected, within = np.zeros(mean.shape, np.float32), np.zeros(mean.shape, np.float32)
    for node, weight in zip(_NODES.astype(np.float32), weights, strict=True):
        x = (mean + node * deviation).astype(np.float32)
        tail = np.exp(-np.abs(x))  # everything of x from one exponential
        less = tail / (1 + tail)
        expected += weight * np.where(x >= 0, 1 - less, less)
        within += weight * (np.log1p(tail) + np.abs(x) * less)
    return np.asarray(np.maximum(_entropy(expected) - within, 0) / np.log(2))


def _thompson(believed: Joint, dice: np.random.Generator) -> tuple[int, int]:
    """The best of one draw and the best of another; where both like the same edit, the second's next best."""
    one, other = believed.draws(2, seed=int(dice.integers(2**63)))
    left = int(np.argmax(one))
    other[left] = -np.inf
    return left, int(np.argmax(other))


def _pool(believed: Joint, start: Joint) -> np.ndarray:
    """Edits worth weighing against each other, always the same ones: best on average, best in some draw, least known."""
    count = len(believed.mean)
    if count <= _POOL:
        return np.arange(count)
    doubt = ((believed.roots - start.roots) ** 2).sum(axis=1)
    tops = np.argpartition(-believed.draws(64, seed=0), 4, axis=1)[:, :4].ravel()
    hopes = -(believed.mean + 2 * np.sqrt(doubt))
    lists = [np.argsort(-believed.mean)[: _POOL // 4], np.unique(tops), np.argsort(hopes)[: _POOL // 4], np.argsort(-doubt)]
    return np.sort(np.array(list(dict.fromkeys(np.concatenate(lists).tolist()))[:_POOL]))


def _gaps(some: Joint, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of u_row - u_column."""
    covariance = some.roots @ some.roots.T
    variance = np.diag(covariance)
    spread = variance[rows] + variance[columns] - 2 * covariance[rows, columns]
    return some.mean[rows] - some.mean[columns], np.sqrt(np.maximum(spread, 0))


def _entropy(p: np.ndarray) -> np.ndarray:
    """Of a coin, in nats."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return -p * np.log(p) - (1 - p) * np.log1p(-p)
