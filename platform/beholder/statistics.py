"""Statistics: logistic choices and their log-loss, means with bootstrap intervals, and rank correlation."""

from dataclasses import dataclass
from typing import Any, overload

import numpy as np
from scipy.special import expit, log_expit  # type: ignore[import-untyped]  # scipy ships no types

_BLOCK = 500  # bootstrap samples that are held in memory at once
_NORMAL = 1.959963984540054  # the 97.5 % quantile of the standard normal


@dataclass(frozen=True)
class Interval:
    """A mean and its bootstrap interval of 95 %."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


@overload
def sigmoid(x: float) -> float: ...
@overload
def sigmoid(x: np.ndarray) -> np.ndarray: ...
def sigmoid(x: Any) -> Any:
    """Return the logistic function 1 / (1 + exp(-x)), which never overflows."""
    return expit(x)


def log_likelihood(logit: np.ndarray, choice: np.ndarray) -> np.ndarray:
    """Return ln P of logistic choices, float64 [C]: P(left) = sigmoid(logit); choice: 1 left, 0 right, 0.5 half of each."""
    x = logit.astype(np.float64)
    likelihood: np.ndarray = choice * x + log_expit(-x)
    return likelihood


def log_loss(logit: np.ndarray, choice: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the mean -ln P of logistic choices, as `log_likelihood` has it. weight: of each choice [C]; None: 1."""
    likelihood = log_likelihood(logit, choice)
    if weight is None or not weight.any():
        return float(-likelihood.mean())
    return float(-np.average(likelihood, weights=weight))


def bootstrap(values: np.ndarray, *, seed: int = 0, draws: int = 4000) -> Interval:
    """Return the mean of one value per person [P], and where it would lie for other people of the same kind (Efron 1979).

    Values that are not finite are left out; where none is left, everything is nan.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return Interval(float("nan"), float("nan"), float("nan"))
    return bootstrap_columns(known[:, None], seed=seed, draws=draws)[0]


def bootstrap_columns(values: np.ndarray, *, seed: int = 0, draws: int = 4000) -> list[Interval]:
    """Return the mean and interval of each column of [P, R], the same people drawn for all of them."""
    rng, count = np.random.default_rng(seed), len(values)
    rows = (rng.integers(0, count, (_BLOCK, count)) for _ in range(-(-draws // _BLOCK)))
    means = np.concatenate([values[block].mean(axis=1) for block in rows])
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return [Interval(*each) for each in zip(values.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)]


def bootstrap_clusters(values: np.ndarray, clusters: np.ndarray, *, seed: int = 0, draws: int = 2000) -> list[Interval]:
    """Return the mean and interval of each column of [P, R], where people come in clusters [P], such as by the image they saw: both
    the clusters and the people in them are drawn anew (Davison and Hinkley 1997, 3.8)."""
    rng = np.random.default_rng(seed)
    rows = [np.flatnonzero(clusters == cluster) for cluster in np.unique(clusters)]
    means = np.empty((draws, values.shape[1]))
    for draw in range(draws):
        some = [rows[number] for number in rng.integers(0, len(rows), len(rows))]
        chosen = np.concatenate([own[rng.integers(0, len(own), len(own))] for own in some])
        means[draw] = values[chosen].mean(axis=0)
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return [Interval(*each) for each in zip(values.mean(axis=0).tolist(), low.tolist(), high.tolist(), strict=True)]


def bootstrap_two_way(values: np.ndarray, *, seed: int = 0, draws: int = 2000) -> Interval:
    """Return the mean of [I, U], and where it would lie for other rows and other columns: both are drawn anew (Owen 2007)."""
    rng = np.random.default_rng(seed)
    rows, columns = (rng.integers(0, size, (draws, size)) for size in values.shape)
    means = [values[row][:, column].mean() for row, column in zip(rows, columns, strict=True)]
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


def bootstrap_pairs(
    values: np.ndarray, person: np.ndarray, left: np.ndarray, right: np.ndarray, *, seed: int = 0, draws: int = 1000
) -> Interval:
    """Return the mean over people of their mean values [C], and where it would lie for other people and other images.

    Both are drawn anew: a pair counts as often as its person, times its left image, times its right one (the pigeonhole bootstrap,
    Owen 2007). person, left, right: int64 [C], numbers from 0. Without any pair everything is nan.
    """
    if not len(values):
        return Interval(float("nan"), float("nan"), float("nan"))
    rng = np.random.default_rng(seed)
    people, person = np.unique(person, return_inverse=True)
    images, sides = np.unique(np.concatenate([left, right]), return_inverse=True)
    left, right = sides.reshape(2, -1)

    def mean(drawn: np.ndarray, shown: np.ndarray) -> float:
        worth = (shown[left] * shown[right]).astype(np.float64)
        total = np.bincount(person, worth, minlength=len(people))
        own = np.bincount(person, worth * values, minlength=len(people)) / np.maximum(total, 1e-12)
        counts = drawn * (total > 0)
        return float(counts @ own / counts.sum()) if counts.any() else float("nan")

    means = [
        mean(*(np.bincount(rng.integers(0, size, size), minlength=size) for size in (len(people), len(images))))
        for _ in range(draws)
    ]
    low, high = np.nanquantile(means, [0.025, 0.975])
    return Interval(mean(np.ones(len(people)), np.ones(len(images))), float(low), float(high))


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return Spearman's rank correlation along the last axis, [..., C] and [..., C] -> [...]; nan where either is constant."""
    from scipy.stats import rankdata  # type: ignore[import-untyped]  # here: importing it takes half a second

    one, other = (rankdata(values, axis=-1) for values in (first, second))
    one, other = (ranks - ranks.mean(axis=-1, keepdims=True) for ranks in (one, other))
    with np.errstate(invalid="ignore"):
        correlation: np.ndarray = (one * other).sum(axis=-1) / np.sqrt((one**2).sum(axis=-1) * (other**2).sum(axis=-1))
    return correlation


def wilson(successes: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the interval of 95 % of a share (Wilson 1927), [P] each; 0 and 1 where nothing was counted."""
    n = np.maximum(count, 1e-12)
    share, square = successes / n, _NORMAL**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _NORMAL / (1 + square / n) * np.sqrt(np.clip(share * (1 - share), 0, None) / n + square / (4 * n**2))
    none = count <= 0
    return np.where(none, 0.0, np.clip(middle - half, 0, 1)), np.where(none, 1.0, np.clip(middle + half, 0, 1))


def holm(p: np.ndarray) -> np.ndarray:
    """Return p-values corrected for how many there are (Holm 1979); those that are nan were not tested, and stay."""
    corrected = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    steps = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)) if len(order) else p[order]
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Return false discovery rates (Benjamini and Hochberg 1995); nan stays."""
    from scipy.stats import false_discovery_control  # here: importing it takes half a second

    rates = np.full(len(p), np.nan)
    tested = np.isfinite(p)
    if tested.any():
        rates[tested] = false_discovery_control(p[tested])
    return rates
