"""Transitivity: circles (a over b, b over c, c over a) among the triads of images that somebody compared completely.

Of triads decided by a coin a quarter are cyclic (Kendall and Babington Smith 1940); cyclicities of two triads are uncorrelated
even where they share a pair, so that the number among T has the variance 3 T / 16. Somebody who has an order and errs in a
comparison with probability e makes e (1 - e) of them cyclic, which the share turns back into e.
"""

import numpy as np
from scipy.sparse import csr_array  # type: ignore[import-untyped]  # scipy ships no types

from beholder.quality.judgement_rows import JudgementRows

CHANCE = 0.25
NOISY = 0.25  # how often somebody who has an order errs, at most: the yardstick beside chance


def triads(rows: JudgementRows) -> dict[str, np.ndarray]:
    """Return for each person how many complete triads they made, and how many of these are cyclic, [P].

    A pair that was compared several times counts by the majority; an even one is left out.
    """
    made = rows[np.flatnonzero(rows.compared & (rows.value != 0) & (rows.image != rows.other))]
    none = {name: np.zeros(rows.people) for name in ("triads", "triads.cyclic")}
    if not len(made):
        return none
    ends = np.r_[made.column * rows.images + made.image, made.column * rows.images + made.other]
    names, at = np.unique(ends, return_inverse=True)
    left, right = at[: len(made)], at[len(made) :]
    shape = len(names), len(names)
    won = csr_array((np.sign(made.value), (left, right)), shape=shape)
    balance = csr_array(won - won.T)
    beats = csr_array(balance > 0).astype(np.float64)
    touched = csr_array(beats + beats.T)
    owner = names // rows.images // rows.attributes
    cyclic = _by_node((beats @ beats).multiply(beats.T)) / 3
    complete = _by_node((touched @ touched).multiply(touched)) / 6
    return {
        "triads": np.bincount(owner, complete, minlength=rows.people).round(),
        "triads.cyclic": np.bincount(owner, cyclic, minlength=rows.people).round(),
    }


def error_rate(cyclic: np.ndarray) -> np.ndarray:
    """Return how often somebody errs whose triads are cyclic in such shares, both 0..0.5: the root of e (1 - e) = share."""
    return np.asarray((1 - np.sqrt(np.clip(1 - 4 * cyclic, 0, None))) / 2)


def _by_node(matrix: csr_array) -> np.ndarray:
    return np.asarray(csr_array(matrix).sum(axis=1)).reshape(-1)
