"""Comparison of tastes: several kinds fitted to the same judgements and judged on the same test, each fit a Ray task."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import ray

from beholder import evaluation
from beholder.jobs import _reservation
from beholder.jobs._reservation import ClusterRoom, Reservation, Reserved
from beholder.taste import ensemble, few_shots, shrinkage, taste_factory, utility_table, validation
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.taste_factory import TasteConfig


@dataclass(frozen=True)
class TasteComparison:
    """Tastes to compare, and on what. tastes: by name, the first is the one that is evaluated and the others stand beside it.

    items: a reference to them in Ray's store, a row for each of dataset.images. size: their bytes. room: of which tasks
    reserve.
    """

    tastes: dict[str, TasteConfig]
    dataset: JudgementDataset
    items: "ray.ObjectRef[np.ndarray]"
    size: int
    room: ClusterRoom
    encoder_id: str
    seed: int
    sure: float = 0.8

    @property
    def own(self) -> str:
        """The name of the taste that is evaluated."""
        return next(iter(self.tastes))

    def fit(self, name: str, train: JudgementDataset, held_out: JudgementDataset) -> "TasteFit":
        """Fit a taste to `train`."""
        return self._fit(name, self.tastes[name], train, held_out)

    def fits(self, train: JudgementDataset, held_out: JudgementDataset) -> "Callable[[str], TasteFit]":
        """Return a function that fits a taste by name, each kind with its settings once: the parts of an ensemble are what stands
        beside it, too."""
        known: dict[str, TasteFit] = {}

        def once(name: str, config: TasteConfig) -> TasteFit:
            key = repr((config.kind, config if config.kind == "ensemble" else getattr(config, config.kind)))
            if key not in known and config.kind == "ensemble":
                parts = [once(name, replace(config, kind=part)) for part in config.ensemble.parts]
                known[key] = self._combine(parts, held_out)
            elif key not in known:
                known[key] = self._fit(name, config, train, held_out)
            return known[key]

        return lambda name: once(name, self.tastes[name])

    def population(self, train: JudgementDataset, held_out: JudgementDataset) -> "TasteFit":
        """Fit the population's taste."""
        return self._fit(self.own, replace(self.tastes[self.own], kind="population"), train, held_out)

    def meet(
        self,
        name: str,
        fitted: "ray.ObjectRef[Taste]",
        train: JudgementDataset,
        held_out: JudgementDataset,
        few: JudgementDataset,
    ) -> "ray.ObjectRef[Taste]":
        """Let a taste learn a few judgements of new people; a reference to the result. train, held_out: what it was fitted to."""
        reservation = self.reservation(name)
        config = reservation.place(self.tastes[name])
        task = _meet.options(**reservation.options)
        return task.remote(fitted, train, held_out, few, self.items, config, self.encoder_id, self.seed)

    def judge(
        self,
        name: str,
        taste: "ray.ObjectRef[Taste]",
        population: "ray.ObjectRef[Taste]",
        test: JudgementDataset,
        asked: ComparisonTable,
    ) -> "ray.ObjectRef[TasteResult]":
        """Judge a taste on a test; a reference to the result. name: of the taste, for what that reserves."""
        return _judge.options(**self.reserve_judging(name).options).remote(taste, population, test, asked, self.items, self.sure)

    def served(self, name: str, taste: "ray.ObjectRef[Taste]", held_out: JudgementDataset) -> "ray.ObjectRef[Taste]":
        """Shrink the taste to the population's, as it is served: for each person as far as held-out judgements say."""
        return _served.options(**self.reserve_judging(name).options).remote(taste, held_out, self.items, self.seed)

    def reservation(self, name: str) -> Reservation:
        """Return what a fit of one of the tastes reserves. Raises ConfigError where it wants a GPU that no node has."""
        return self.room.reserve(self.tastes[name], items=self.size, beside=len(self.tastes))

    def _fit(self, name: str, config: TasteConfig, train: JudgementDataset, held_out: JudgementDataset) -> "TasteFit":
        # The population's taste beside one that takes pixels embeds them, so it reserves what that one does.
        pixels = self.tastes[name].kind in taste_factory.PIXEL_KINDS
        reservation = self.reservation(name) if pixels else self.room.reserve(config, items=self.size)
        task: Any = _fit.options(num_returns=2, **reservation.options)
        taste, reserved = task.remote(train, held_out, self.items, reservation.place(config), self.encoder_id, self.seed)
        return TasteFit(taste, reserved)

    def _combine(self, parts: "Sequence[TasteFit]", held_out: JudgementDataset) -> "TasteFit":
        reservation = self.room.reserve(replace(self.tastes[self.own], kind="population"), items=self.size)
        task: Any = _combine.options(num_returns=2, **reservation.options)
        return TasteFit(*task.remote(held_out, self.items, self.seed, *(part.taste for part in parts)))

    def reserve_judging(self, name: str) -> Reservation:
        """Return what judging one of the tastes reserves: tastes of embeddings are judged on CPUs, whatever fitted them."""
        config = self.tastes[name]
        if config.kind not in taste_factory.PIXEL_KINDS:
            config = replace(config, kind="population")
        return self.room.reserve(config, items=self.size, beside=len(self.tastes))


@dataclass(frozen=True)
class TasteFit:
    """References to a taste and to what the task that fitted it had."""

    taste: "ray.ObjectRef[Taste]"
    reserved: "ray.ObjectRef[Reserved]"


@dataclass(frozen=True)
class TasteResult:
    """What became of one taste: a row a person and attribute, its figures, how well its probabilities are calibrated, and what
    the task that judged it had."""

    table: pd.DataFrame
    figures: dict[str, float]
    reserved: Reserved


@ray.remote
def _fit(
    train: JudgementDataset, held_out: JudgementDataset, items: np.ndarray, config: TasteConfig, encoder_id: str, seed: int
) -> tuple[Taste, Reserved]:
    reserved = _reservation.begin()
    return taste_factory.fit(train, held_out, items, config, encoder_id=encoder_id, seed=seed), reserved


@ray.remote
def _combine(held_out: JudgementDataset, items: np.ndarray, seed: int, *parts: Taste) -> tuple[Taste, Reserved]:
    """Weigh tastes that are fitted already."""
    reserved = _reservation.begin()
    return ensemble.fit(parts, held_out, items, seed=seed), reserved


@ray.remote
def _meet(
    fitted: Taste,
    train: JudgementDataset,
    held_out: JudgementDataset,
    few: JudgementDataset,
    items: np.ndarray,
    config: TasteConfig,
    encoder_id: str,
    seed: int,
) -> Taste:
    _reservation.begin()
    return few_shots.meet(fitted, train, held_out, few, items, config, encoder_id=encoder_id, seed=seed)


@ray.remote
def _judge(
    taste: Taste, population: Taste, test: JudgementDataset, asked: ComparisonTable, items: np.ndarray, sure: float
) -> TasteResult:
    reserved = _reservation.begin()
    own, shared = (utility_table.on_rows(each, items, test, asked) for each in (taste, population))
    return judged(own, shared, test, asked, reserved, sure=sure)


def judged(
    own: Taste, shared: Taste, test: JudgementDataset, asked: ComparisonTable, reserved: Reserved, *, sure: float
) -> TasteResult:
    """Return what becomes of a taste of rows beside the population's. sure: the probability from which on it is said to answer."""
    rows = np.arange(len(test.images))
    table = evaluation.agree(own, shared, test, asked, rows)
    confident = evaluation.confidences(own, test, asked, rows)
    figures = {"calibration.error": confident.calibration_error()} | confident.selective(sure)
    both = evaluation.two_way_gain(own, shared, test, asked, rows)
    figures |= {"gain.two_way.low": both.low, "gain.two_way.high": both.high}
    return TasteResult(table, evaluation.figures(table) | figures, reserved)


@ray.remote
def _served(taste: Taste, held_out: JudgementDataset, items: np.ndarray, seed: int) -> Taste:
    _reservation.begin()
    own = utility_table.on_rows(taste, items, held_out, validation.pairs(held_out, seed=seed))
    return shrinkage.ShrunkTaste(taste, shrinkage.weigh(own, held_out, np.arange(len(items)), seed=seed))
