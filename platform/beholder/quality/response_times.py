"""Response times: seconds between consecutive judgements, within sittings.

What one person judged at the same moment is one event: an item with several attributes. A longer gap than `sitting_gap` ends a
sitting and is no response time. Somebody is too fast where more than half of their response times are below a share of the usual
person's median (a sign test, Dixon and Mood 1946), and too regular where their logarithms have less spread than anybody who looks.
Satisficers answer fast: Wise and Kong 2005 on response-time effort.
"""

import itertools
from dataclasses import dataclass

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.taste.dataset import NO_TIME

_SECOND = 1e6


@dataclass(frozen=True)
class ResponseTimesConfig:
    """Settings of the response times."""

    sitting_gap: float = setting(300.0, "seconds without a judgement after which a new sitting begins")
    fast: float = setting(0.25, "share of the usual person's median response time below which a judgement counts as fast")

    def __post_init__(self) -> None:
        if self.sitting_gap <= 0 or not 0 < self.fast < 1:
            raise ConfigError(f"expected times.sitting_gap > 0 and times.fast in 0..1, got {self.sitting_gap} and {self.fast}")


def intervals(person: np.ndarray, at: np.ndarray, *, sitting_gap: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return response times and sittings. person int64 [J], at int64 [J] in microseconds, NO_TIME where unknown.

    Returns the person of each response time, int64 [T]; the times in seconds, float64 [T]; and the person of each sitting, int64
    [S].
    """
    known = at != NO_TIME
    events = np.unique(np.stack([person[known], at[known]]), axis=1) if known.any() else np.zeros((2, 0), np.int64)
    who, when = events
    seconds = np.diff(when) / _SECOND
    same = who[1:] == who[:-1]
    within = same & (seconds <= sitting_gap)
    begins = np.r_[True, ~within] if len(who) else np.zeros(0, bool)
    return who[1:][within], seconds[within], who[begins]


def typical(person: np.ndarray, seconds: np.ndarray, *, fewest: int = 10) -> float:
    """Return the usual person's median response time: the median over people of at least so many; nan where there are none."""
    medians = [np.median(own) for own in _by_person(person, seconds) if len(own) >= fewest]
    return float(np.median(medians)) if medians else float("nan")


def response_times(
    person: np.ndarray, at: np.ndarray, *, people: int, usual: float, config: ResponseTimesConfig
) -> dict[str, np.ndarray]:
    """Return for each person median, quartiles and spread of the logarithm of their response times, and how many are fast, [P]."""
    who, seconds, sittings = intervals(person, at, sitting_gap=config.sitting_gap)
    names = ("seconds", "seconds.quarter", "seconds.three_quarters", "seconds.spread")
    columns = {name: np.full(people, np.nan) for name in names}
    logarithm = np.log(np.maximum(seconds, 1e-3))
    edges = np.r_[np.flatnonzero(np.diff(who, prepend=-1)), len(who)]
    for begin, end in itertools.pairwise(edges):
        own, number = seconds[begin:end], who[begin]
        for name, value in zip(names, np.quantile(own, [0.5, 0.25, 0.75]), strict=False):
            columns[name][number] = value
        if end - begin > 1:
            columns["seconds.spread"][number] = logarithm[begin:end].std(ddof=1)
    fast = seconds < config.fast * usual if np.isfinite(usual) else np.zeros(len(seconds), bool)
    return columns | {
        "seconds.count": np.bincount(who, minlength=people).astype(np.float64),
        "seconds.fast": np.bincount(who[fast], minlength=people).astype(np.float64),
        "sittings": np.bincount(sittings, minlength=people).astype(np.float64),
    }


def _by_person(person: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
    """Return the values of each person; people stand together already."""
    return list(np.split(values, np.flatnonzero(np.diff(person)) + 1)) if len(person) else []
