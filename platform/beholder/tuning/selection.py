"""Selection: which setting of a search each person gets, judged on pairs that the search chose by and pairs it was not given.

With many settings the luckiest always looks good. So everybody gets the pooled setting, the best one on average over people, and
somebody keeps another only where it is better for them beyond noise: a paired test on their own pairs, corrected for how many
settings were tried.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr  # type: ignore[import-untyped]  # scipy ships no types

from beholder.errors import TasteError
from beholder.taste.dataset import ComparisonTable


@dataclass(frozen=True)
class Correctness:
    """How often each of S settings was right: choosing [S, C] and reporting [S, R], each 1, 0, or 0.5 for no opinion."""

    choosing: np.ndarray
    reporting: np.ndarray


@dataclass(frozen=True)
class SettingChoice:
    """The setting that a person gets. best, pooled: numbers of settings; chosen and reported: accuracy of each (nan where there are
    no pairs); p: the p-value of the best one's lead, after correction; own: whether they keep their own."""

    user_id: str
    best: int
    pooled: int
    chosen_best: float
    chosen_pooled: float
    reported_best: float
    reported_pooled: float
    p: float
    own: bool

    @property
    def kept(self) -> int:
        return self.best if self.own else self.pooled

    @property
    def reported(self) -> float:
        """Return the accuracy of the kept setting on pairs that the search was not given."""
        return self.reported_best if self.own else self.reported_pooled


def choose(
    correctness: Correctness, choosing: ComparisonTable, reporting: ComparisonTable, people: Sequence[str], *, level: float = 0.05
) -> list[SettingChoice]:
    """Return each person's choice. choosing, reporting: the pairs that `correctness` is of; level: of the test, for each person.

    Raises TasteError where there is nothing to choose by.
    """
    if not correctness.choosing.size:
        settings, pairs = correctness.choosing.shape
        raise TasteError(f"nothing to choose by: {settings} settings were judged on {pairs} pairs")
    chosen = accuracies(correctness.choosing, choosing, len(people))
    reported = accuracies(correctness.reporting, reporting, len(people))
    judged = ~np.isnan(chosen[0])
    pooled = int(np.argmax(chosen[:, judged].mean(axis=1)))
    choices = []
    for person, user_id in enumerate(people):
        best, p = pooled, 1.0
        if judged[person]:
            # the pooled setting comes first, so that it wins a tie
            best = max([pooled, *range(len(chosen))], key=lambda setting: chosen[setting, person])
            mine = np.flatnonzero(choosing.person == person)
            lead = correctness.choosing[best, mine].astype(np.float64) - correctness.choosing[pooled, mine]
            p = corrected(paired_p_value(lead, choosing[mine]), len(chosen) - 1)
        choices.append(
            SettingChoice(
                user_id,
                best,
                pooled,
                chosen_best=float(chosen[best, person]),
                chosen_pooled=float(chosen[pooled, person]),
                reported_best=float(reported[best, person]),
                reported_pooled=float(reported[pooled, person]),
                p=p,
                own=best != pooled and p < level,
            )
        )
    return choices


def accuracies(correctness: np.ndarray, pairs: ComparisonTable, people: int) -> np.ndarray:
    """Return the mean correctness [S, C] of each setting for each person, float64 [S, P]; nan for somebody without pairs."""
    count = np.bincount(pairs.person, minlength=people)
    total = np.stack([np.bincount(pairs.person, row.astype(np.float64), minlength=people) for row in correctness])
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def paired_p_value(lead: np.ndarray, pairs: ComparisonTable) -> float:
    """Return how probable a mean lead [C] at least as great is where there is none: a one-sided t-test.

    Pairs that share an image are not independent, as those that ratings imply hardly are; so the variance is the one for dyads
    (Aronow, Samii and Assenova 2015), never below that of independent pairs. Two images make a pair, so there are half as many
    degrees of freedom as images.
    """
    count = len(lead)
    mean = float(lead.mean()) if count else 0.0
    if mean <= 0:
        return 1.0
    rest = lead - mean
    images, at = np.unique(np.concatenate([pairs.left, pairs.right]), return_inverse=True)
    by_image = np.bincount(at, np.concatenate([rest, rest]))
    free = min(len(images), count) // 2
    if free < 2:
        return 1.0
    alone = float(np.sum(rest * rest))
    variance = max(float(np.sum(by_image * by_image)) - alone, alone) / count**2 * free / (free - 1)
    # Leads that are all alike have no spread to measure: count one of them as a failure.
    variance = max(variance, mean**2 / count)
    return float(1 - stdtr(free, mean / np.sqrt(variance)))


def corrected(p: float, tried: int) -> float:
    """Return p for the luckiest of `tried` settings, after Sidak 1967."""
    return float(-np.expm1(max(tried, 1) * np.log1p(-min(p, 1 - 1e-16))))
