"""Consistency: whether somebody's comparisons go the way of their own ratings, and whether they say the same again.

Consistency is the share of decided comparisons of two images that the same person rated differently on the same attribute in which
the higher-rated one was chosen; equal ratings and ties stand apart. Test-retest reliability is the share of repeated judgements of
the same item with the same answer: for comparisons the same image, whichever side it was on, and apart for those whose sides were
exchanged, in which somebody who clicks a side is always wrong. Intervals: Wilson 1927, in `verdict`.
"""

import numpy as np

from beholder.quality.judgement_rows import JudgementRows

Counts = dict[str, np.ndarray]  # numbers by person, float64 [P] each


def consistency(rows: JudgementRows) -> Counts:
    """Return for each person how many comparisons their ratings speak of, how many go the same way, and how many stand apart."""
    rated, compared = rows[np.flatnonzero(~rows.compared)], rows[np.flatnonzero(rows.compared)]
    key, score = _mean_scores(rated)
    left, right = (_score_of(key, score, compared.column * rows.images + image) for image in (compared.image, compared.other))
    both = np.isfinite(left) & np.isfinite(right)
    gap = np.where(both, left - right, 0.0)
    asked = both & (np.abs(gap) > 1e-9)
    decided = asked & (compared.value != 0)
    same = decided & (np.sign(gap) == np.sign(compared.value))
    return {
        "consistency.right": _count(compared, same),
        "consistency.pairs": _count(compared, decided),
        "consistency.equal": _count(compared, both & ~asked),
        "consistency.ties": _count(compared, asked & ~decided),
    }


def retest(rows: JudgementRows, moment: np.ndarray) -> Counts:
    """Return for each person how many judgements were made again, how many had the same answer, and those with sides exchanged.

    moment: int64 [J], by which judgements are in order.
    """
    order = np.lexsort((moment, rows.item, rows.attribute, rows.person))
    before, after = order[:-1], order[1:]
    again = (rows.column[before] == rows.column[after]) & (rows.item[before] == rows.item[after])
    before, after = before[again], after[again]
    swapped = rows.compared[after] & (rows.image[before] != rows.image[after])
    same = np.abs(rows.value[after] - np.where(swapped, -1, 1) * rows.value[before]) < 1e-9
    people = rows[after]
    return {
        "retest.repeats": _count(people, np.ones(len(after), bool)),
        "retest.same": _count(people, same),
        "retest.swapped": _count(people, swapped),
        "retest.swapped_same": _count(people, swapped & same),
    }


def _mean_scores(rated: JudgementRows) -> tuple[np.ndarray, np.ndarray]:
    """Return what was rated, as sorted numbers of person, attribute and image together, and the mean standardised score of each."""
    key, at = np.unique(rated.column * rated.images + rated.image, return_inverse=True)
    return key, np.bincount(at, rated.value, minlength=len(key)) / np.maximum(np.bincount(at, minlength=len(key)), 1)


def _score_of(key: np.ndarray, score: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the score of each wanted number, nan where there is none."""
    if not len(key):
        return np.full(len(wanted), np.nan)
    at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where(key[at] == wanted, score[at], np.nan)


def _count(rows: JudgementRows, which: np.ndarray) -> np.ndarray:
    return np.bincount(rows.person[which], minlength=rows.people).astype(np.float64)
