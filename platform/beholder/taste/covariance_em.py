"""Expectation maximisation of the covariance over people of their own weights: an E step that is a map over blocks of people, and
an M step on the sum of what the blocks say.

The EM is that of probabilistic principal components (Tipping and Bishop 1999) with each person's own noise. Several settings are
learned in step, so that whoever maps over the blocks has all of their work at once. Blocks may be here or on a cluster.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Protocol

import numpy as np

from beholder.taste import gaussian, person_block, rating_scale
from beholder.taste.dataset import ComparisonTable
from beholder.taste.person_block import BlockState, ImageDesign, Moments, PersonBlock
from beholder.taste.person_features import PersonFeatures
from beholder.taste.validation import scaled_log_loss

_PAIRS = 65_536  # whose features are held in memory at once


@dataclass(frozen=True)
class EmSetting:
    """One combination of the values that are tried."""

    components: int
    rank: int
    spread: float
    temper: float


@dataclass(frozen=True)
class CovarianceFit:
    """How far a setting has come. covariance [F, F] of the next prior; states: one for each block, None before the first step."""

    setting: EmSetting
    covariance: np.ndarray
    states: list[Any] | None = None


class PeopleBlocks(Protocol):
    """People in blocks, with the designs of each number of components. What a state is is the blocks' own business."""

    def expect(self, fits: Sequence[CovarianceFit]) -> list[tuple[list[Any], Moments]]:
        """Return for each fit the states of its blocks after an E step, and the moments of all people."""

    def held_out_loss(self, fits: Sequence[CovarianceFit]) -> list[tuple[float, float]]:
        """Return for each fit held-out log-loss at the best scale, and that scale."""


@dataclass(frozen=True)
class LocalBlocks:
    """Blocks in this process. designs: by number of components; test: pairs whose people are numbered as the blocks'; weight: of
    these, [C], None: 1."""

    blocks: Sequence[PersonBlock]
    designs: dict[int, ImageDesign]
    test: ComparisonTable
    weight: np.ndarray | None = None

    def expect(self, fits: Sequence[CovarianceFit]) -> list[tuple[list[Any], Moments]]:
        """Return states and moments, as `PeopleBlocks` says."""
        results = []
        for fit in fits:
            states = fit.states or [None] * len(self.blocks)
            design, temper = self.designs[fit.setting.components], fit.setting.temper
            steps = [
                person_block.expect(block, design, fit.covariance, state, temper=temper)
                for block, state in zip(self.blocks, states, strict=True)
            ]
            moments = reduce(add, (moment for _, moment in steps), Moments(0, np.zeros_like(fit.covariance)))
            results.append(([state for state, _ in steps], moments))
        return results

    def held_out_loss(self, fits: Sequence[CovarianceFit]) -> list[tuple[float, float]]:
        """Return losses and scales, as `PeopleBlocks` says."""
        people = [block.people for block in self.blocks]
        return [
            held_out_loss(self.designs[fit.setting.components], self.test, people, fit.states or [], self.weight) for fit in fits
        ]


def learn(
    people: PeopleBlocks,
    features: Mapping[int, PersonFeatures],
    settings: Sequence[EmSetting],
    *,
    trend: float,
    strength: float,
    iterations: int,
    after: Callable[[int], None] = lambda iteration: None,
) -> list[CovarianceFit]:
    """Return the covariance over people by each setting. features: by number of components; after: called after each iteration.

    trend: prior variance of how much more or less a person follows the population; strength: people that the start is worth.
    """
    starts = [_start(features[setting.components], setting, trend) for setting in settings]
    fits = [CovarianceFit(setting, start) for setting, start in zip(settings, starts, strict=True)]
    for iteration in range(iterations):
        steps = people.expect(fits)
        fits = [
            CovarianceFit(
                fit.setting,
                maximise(moments, start, rank=fit.setting.rank, strength=strength),
                states,
            )
            for fit, start, (states, moments) in zip(fits, starts, steps, strict=True)
        ]
        after(iteration + 1)
    return fits


def maximise(moments: Moments, start: np.ndarray, *, rank: int, strength: float) -> np.ndarray:
    """Return the M step: the covariance [F, F] of low rank + diagonal that makes people likeliest, shrunk towards `start`."""
    moment = moments.square / max(moments.count, 1)
    learned = gaussian.shrink(moment, moments.count, target=start, strength=strength)
    return _low_rank(learned, np.sqrt(np.diag(start)), rank)


def held_out_loss(
    design: ImageDesign,
    test: ComparisonTable,
    people: Sequence[np.ndarray],
    states: Sequence[BlockState],
    weight: np.ndarray | None = None,
) -> tuple[float, float]:
    """Return the log-loss of test pairs at the best scale, and that scale.

    people: the numbers of each block's people, int64 [P]; whoever is in no block has the prior's mean. weight: of the
    pairs, [C]; None: 1.
    """
    count = max(int(each.max(initial=-1)) for each in (test.person, *people)) + 1
    means = np.zeros((count, design.own.shape[1]))
    for numbers, state in zip(people, states, strict=True):
        means[numbers] = state.mean
    differences = np.zeros(len(test))
    for begin in range(0, len(test), _PAIRS):
        some = slice(begin, begin + _PAIRS)
        left, right = test.left[some], test.right[some]
        own = design.own[left] - design.own[right]
        differences[some] = np.einsum("nf,nf->n", own, means[test.person[some]]) + design.shared[left] - design.shared[right]
    return scaled_log_loss(differences, test.choice, weight)


def _start(features: PersonFeatures, setting: EmSetting, trend: float) -> np.ndarray:
    """Return the covariance before anybody is known, [F, F]."""
    unit = rating_scale.LOGITS**2
    return np.diag(np.r_[np.full(features.width - 2, setting.spread * unit), 0.3 * unit, trend * features.spread**2])


def _low_rank(covariance: np.ndarray, whiten: np.ndarray, rank: int) -> np.ndarray:
    """Return the nearest covariance of the form whiten (L L' + c I) whiten: Tipping and Bishop's maximum likelihood."""
    values, axes = np.linalg.eigh(covariance / np.outer(whiten, whiten))
    rest = values[:-rank].mean() if rank < len(values) else 0.0
    kept = np.maximum(values[-rank:] - rest, 0)
    nearest = (axes[:, -rank:] * kept) @ axes[:, -rank:].T + rest * np.eye(len(values))
    return np.asarray(nearest * np.outer(whiten, whiten))
