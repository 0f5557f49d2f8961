"""Response bias: always the same side of a pair, always the same score.

Position bias is the share of decided comparisons in which the left image was chosen; a fair coin is the yardstick (binomial),
because which image is on which side is chance. Straight-lining (Krosnick 1991) is one score for everything: the share of the most
frequent score of each attribute, the entropy of scores (Shannon 1948) as a share of the largest that the scale allows, and the
longest run of one score. A run is compared to the same scores in random order: P(a run of L or more) <= sum over scores of (1 + (n
- L)(1 - p)) p^L, the expected number of such runs.
"""

import numpy as np

from beholder.quality.judgement_rows import JudgementRows, groups_of


def position(rows: JudgementRows) -> dict[str, np.ndarray]:
    """Return for each person how many of how many decided comparisons were for the left one, [P]; by items.

    Answers to the same pair on several attributes count as one, by the side that most of them took.
    """
    made = rows[np.flatnonzero(rows.compared & (rows.value != 0))]
    if not len(made):
        return {name: np.zeros(rows.people) for name in ("left", "left.pairs")}
    # a pair that is shown again is another item of its own, but its answers on other attributes are not: sides tell them apart
    _, item = np.unique(np.stack([made.person, made.image, made.other]), axis=1, return_inverse=True)
    item = item.reshape(-1)
    count = np.bincount(item)
    left = np.bincount(item, made.value > 0) / count
    owner = np.zeros(len(count), np.int64)
    owner[item] = made.person
    return {
        "left": np.bincount(owner, left, minlength=rows.people),
        "left.pairs": np.bincount(owner, minlength=rows.people).astype(np.float64),
    }


def straight_lining(rows: JudgementRows, score: np.ndarray, moment: np.ndarray, *, levels: np.ndarray) -> dict[str, np.ndarray]:
    """Return for each person what their scores say, [P]: how many are the most frequent one of their attribute, of how many; the
    normalised entropy; the longest run and how probable one as long is.

    score: float [J], of ratings; moment: int64 [J], their order; levels: how many different scores there are on each attribute,
    [A].
    """
    names = ("same_score", "same_score.ratings", "entropy.sum", "run", "run.log_p")
    columns = {name: np.zeros(rows.people) for name in names}
    rated = np.flatnonzero(~rows.compared)
    rated = rated[np.argsort(moment[rated], kind="stable")]
    for group in groups_of(rows.column[rated]):
        own = rated[group]
        person, values = rows.person[own[0]], score[own]
        kinds = levels[rows.attribute[own[0]]]
        if len(own) < 2 or kinds < 2:
            continue
        counts = np.unique(values, return_counts=True)[1]
        share = counts / len(own)
        columns["same_score"][person] += counts.max()
        columns["same_score.ratings"][person] += len(own)
        columns["entropy.sum"][person] -= len(own) * float((share * np.log(share)).sum()) / np.log(min(kinds, len(own)))
        run = longest_run(values)
        columns["run"][person] = max(columns["run"][person], run)
        columns["run.log_p"][person] = min(columns["run.log_p"][person], np.log(run_probability(share, len(own), run)))
    return columns


def longest_run(values: np.ndarray) -> int:
    """Return the length of the longest stretch of equal values."""
    if not len(values):
        return 0
    edges = np.flatnonzero(np.r_[True, values[1:] != values[:-1], True])
    return int(np.diff(edges).max())


def run_probability(share: np.ndarray, count: int, run: int) -> float:
    """Return an upper bound of the probability that `count` scores drawn with these shares have a run of `run` or more."""
    expected = (1 + (count - run) * (1 - share)) * share**run
    return float(min(1.0, max(expected.sum(), 1e-300)))
