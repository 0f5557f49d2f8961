"""Agreement with others: Krippendorff's alpha of ratings, and how alike people's tastes are.

alpha = 1 - observed / expected disagreement (Krippendorff 2011, "Computing Krippendorff's alpha-reliability"): 1 where all agree,
0 where they agree as often as chance has it. A unit is an image on an attribute, and counts where two or more people rated it.
Its interval is a bootstrap over units.
"""

from typing import Literal

import numpy as np
from scipy.cluster import hierarchy  # type: ignore[import-untyped]  # scipy ships no types
from scipy.spatial.distance import squareform  # type: ignore[import-untyped]

from beholder.quality.judgement_rows import groups_of
from beholder.statistics import Interval

Metric = Literal["nominal", "ordinal", "interval"]
_LEVELS = 50  # different values that are told apart, at most
_FLOATS = 2**22  # of the weights of bootstrap samples in memory at once


def alpha(unit: np.ndarray, value: np.ndarray, *, metric: Metric = "ordinal", draws: int = 200, seed: int = 0) -> Interval:
    """Return Krippendorff's alpha of values [R] of units [R], with its interval of 95 %; nan where nobody rated what another did.

    Everything is nan where all values are the same, because nothing could disagree.
    """
    levels, counts = _counts(unit, value)
    size = counts.sum(axis=1)
    counts, size = counts[size > 1], size[size > 1]
    nothing = Interval(float("nan"), float("nan"), float("nan"))
    if not len(counts):
        return nothing
    whole = _alpha(np.ones((1, len(counts))), counts, size, levels, metric)[0]
    rng = np.random.default_rng(seed)
    step = max(1, _FLOATS // len(counts))
    drawn = []
    for begin in range(0, draws, step):
        weight = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=min(step, draws - begin))
        drawn.append(_alpha(weight.astype(np.float64), counts, size, levels, metric))
    samples = np.concatenate(drawn)
    samples = samples[np.isfinite(samples)]
    if not len(samples) or not np.isfinite(whole):
        return nothing
    low, high = np.quantile(samples, [0.025, 0.975])
    return Interval(float(whole), float(low), float(high))


def clustered(utilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the correlations of people's utilities [P, N] with each other, [P, P], and an order in which the alike stand together.

    Average linkage on 1 - correlation (Sokal and Michener 1958), leaves in the order of Bar-Joseph et al. 2001.
    """
    centred = utilities - utilities.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=1, keepdims=True))
    unit = np.divide(centred, size, out=np.zeros_like(centred), where=size > 1e-12)
    correlation = np.clip(unit @ unit.T, -1, 1)
    if len(utilities) < 3:
        return correlation, np.arange(len(utilities))
    distance = 1 - correlation
    np.fill_diagonal(distance, 0)
    tree = hierarchy.linkage(squareform(distance, checks=False), "average", optimal_ordering=True)
    return correlation, np.asarray(hierarchy.leaves_list(tree), np.int64)


def _counts(unit: np.ndarray, value: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values told apart, in order, and how often each unit has each, float64 [U, L]."""
    levels, level = np.unique(value, return_inverse=True)
    if len(levels) > _LEVELS:  # a slider: as many steps, of about as many ratings each
        edges = np.unique(np.quantile(value, np.linspace(0, 1, _LEVELS + 1)[1:-1]))
        level = np.searchsorted(edges, value, side="right")
        present = groups_of(level)
        levels = np.array([value[rows].mean() for rows in present])
        _, level = np.unique(level, return_inverse=True)
    units, row = np.unique(unit, return_inverse=True)
    counts = np.zeros((len(units), len(levels)))
    np.add.at(counts, (row.reshape(-1), level.reshape(-1)), 1)
    return levels, counts


def _alpha(weight: np.ndarray, counts: np.ndarray, size: np.ndarray, levels: np.ndarray, metric: Metric) -> np.ndarray:
    """Return alpha for each row of weights of units, [S, U] -> [S]; nan where expected disagreement is 0."""
    total = weight @ counts  # [S, L]
    alphas = np.full(len(weight), np.nan)
    fixed = [_distance(row, levels, metric) for row in (total if metric == "ordinal" else total[:1])]
    share = counts / (size - 1)[:, None]
    for number, (own, row) in enumerate(zip(weight, total, strict=True)):
        distance = fixed[number if metric == "ordinal" else 0]
        together = (counts * own[:, None]).T @ share  # an answer beside itself has no distance: the diagonal does not matter
        observed = float((together * distance).sum())
        everybody = row.sum()
        expected = float(row @ distance @ row) / max(everybody - 1, 1)
        if expected > 0:
            alphas[number] = 1 - observed / expected
    return alphas


def _distance(total: np.ndarray, levels: np.ndarray, metric: Metric) -> np.ndarray:
    """Return the squared differences between values, [L, L]."""
    if metric == "nominal":
        return 1 - np.eye(len(levels))
    if metric == "interval":
        return np.asarray((levels[:, None] - levels) ** 2)
    middle = np.cumsum(total) - total / 2  # the ordinal distance is the number of values between, half of the ends counted
    return np.asarray((middle[:, None] - middle) ** 2)
