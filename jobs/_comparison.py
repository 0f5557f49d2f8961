"""Comparison of tastes: several kinds fitted to the same judgements and judged on the same test, each fit a Ray task."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import ray

from beholder import evaluation
from beholder.taste import shrinkage, taste_factory
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.taste_factory import TasteConfig


@dataclass(frozen=True)
class TasteComparison:
    """Tastes to compare, and on what. tastes: by name, the first is the one that is evaluated and the others stand beside it.

    items: a reference to them in Ray's store, a row for each of dataset.images.
    """

    tastes: dict[str, TasteConfig]
    dataset: JudgementDataset
    items: "ray.ObjectRef[np.ndarray]"
    encoder_id: str
    seed: int

    @property
    def own(self) -> str:
        """The name of the taste that is evaluated."""
        return next(iter(self.tastes))

    def fit(self, name: str, train: JudgementDataset, held_out: JudgementDataset) -> "ray.ObjectRef[Taste]":
        """Fit a taste to `train`; a reference to it."""
        return _fit.remote(train, held_out, self.items, self.tastes[name], self.encoder_id, self.seed)

    def population(self, train: JudgementDataset, held_out: JudgementDataset) -> "ray.ObjectRef[Taste]":
        """Fit the population's taste; a reference to it."""
        config = replace(self.tastes[self.own], kind="population")
        return _fit.remote(train, held_out, self.items, config, self.encoder_id, self.seed)

    def judge(
        self, taste: "ray.ObjectRef[Taste]", population: "ray.ObjectRef[Taste]", test: JudgementDataset, asked: ComparisonTable
    ) -> "ray.ObjectRef[TasteResult]":
        """Judge a taste on a test; a reference to the result."""
        return _judge.remote(taste, population, test, asked, self.items)

    def served(self, taste: "ray.ObjectRef[Taste]", held_out: JudgementDataset) -> "ray.ObjectRef[Taste]":
        """Shrink the taste to the population's, as it is served: for each person as far as held-out judgements say."""
        return _served.remote(taste, held_out, self.items, self.seed)


@dataclass(frozen=True)
class TasteResult:
    """What became of one taste: a row a person and attribute, its figures, and how well its probabilities are calibrated."""

    table: pd.DataFrame
    figures: dict[str, float]


@ray.remote(num_cpus=1)
def _fit(
    train: JudgementDataset, held_out: JudgementDataset, items: np.ndarray, config: TasteConfig, encoder_id: str, seed: int
) -> Taste:
    return taste_factory.fit(train, held_out, items, config, encoder_id=encoder_id, seed=seed)


@ray.remote(num_cpus=1)
def _judge(taste: Taste, population: Taste, test: JudgementDataset, asked: ComparisonTable, items: np.ndarray) -> TasteResult:
    table = evaluation.agree(taste, population, test, asked, items)
    error = evaluation.calibration_error(taste, test, asked, items)
    return TasteResult(table, evaluation.figures(table) | {"calibration.error": error})


@ray.remote(num_cpus=1)
def _served(taste: Taste, held_out: JudgementDataset, items: np.ndarray, seed: int) -> Taste:
    return shrinkage.ShrunkTaste(taste, shrinkage.weigh(taste, held_out, items, seed=seed))
