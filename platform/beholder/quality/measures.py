"""Every measure for a block of people, a row a person; and what it needs to know of everybody else.

What others say enters by a `Reference` alone, learned from a sample of people, so that blocks of people are measured apart from
each other. Numbers here are counts, which `verdict` makes shares with intervals of.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from beholder.config import setting
from beholder.quality import consistency, predictability, response_bias, response_times, transitivity
from beholder.quality.judgement_rows import JudgementRows
from beholder.quality.predictability import ImageModel, PredictabilityConfig
from beholder.quality.response_times import ResponseTimesConfig
from beholder.taste.dataset import NO_TIME, TimedJudgements


@dataclass(frozen=True)
class MeasuresConfig:
    """Settings of the measures."""

    predictability: PredictabilityConfig = setting(PredictabilityConfig(), "cross-validated completion of people and images")
    times: ResponseTimesConfig = setting(ResponseTimesConfig(), "response times")


@dataclass(frozen=True)
class Reference:
    """What one person's measures need to know of everybody. models: of each fold; usual: the usual median response time in seconds,
    nan where unknown; levels: how many different scores each attribute has, int64 [A]."""

    models: tuple[ImageModel, ...]
    usual: float
    levels: np.ndarray


def rows_of(timed: TimedJudgements, images: int, config: MeasuresConfig, *, seed: int) -> JudgementRows:
    """Return judgements on so many images as rows, in the folds of cross-validation."""
    return JudgementRows.of(timed.dataset, images=images, folds=config.predictability.folds, seed=seed)


def fit_fold(
    timed: TimedJudgements, fold: int, images: int, config: MeasuresConfig, *, seed: int, features: np.ndarray | None = None
) -> ImageModel:
    """Return what a sample of people says of images without one fold. features: of the images, float64 [N, F]."""
    rows = rows_of(timed, images, config, seed=seed)
    known = rows[np.flatnonzero(rows.fold != fold)]
    return predictability.fit(known, config.predictability, seed=seed + fold, features=features)


def usual_seconds(timed: TimedJudgements, config: MeasuresConfig) -> float:
    """Return the usual person's median response time."""
    dataset = timed.dataset
    person = np.r_[dataset.ratings.person, dataset.comparisons.person]
    at = np.r_[timed.rated_at, timed.compared_at]
    who, seconds, _ = response_times.intervals(person, at, sitting_gap=config.times.sitting_gap)
    return response_times.typical(who, seconds)


def score_levels(timed: TimedJudgements) -> np.ndarray:
    """Return how many different scores each attribute has, int64 [A]."""
    rated = timed.dataset.ratings
    return np.array([len(np.unique(rated.score[rated.attribute == row])) for row in range(len(timed.dataset.attributes))], np.int64)


def measure(timed: TimedJudgements, reference: Reference, images: int, config: MeasuresConfig, *, seed: int) -> pd.DataFrame:
    """Return the counts of some people: a row a person with user_id. images: how many there are."""
    dataset = timed.dataset
    rows = rows_of(timed, images, config, seed=seed)
    at = np.r_[timed.rated_at, timed.compared_at]
    moment = np.where(at == NO_TIME, np.arange(len(at)), at)
    score = np.r_[dataset.ratings.score, np.zeros(len(dataset.comparisons), np.float32)]
    own, shared = predictability.predict(rows, reference.models)
    right, everybody = (predictability.concordance(rows, each) for each in (own, shared))
    columns = {
        "ratings": np.bincount(dataset.ratings.person, minlength=rows.people),
        "comparisons": np.bincount(dataset.comparisons.person, minlength=rows.people),
        "ties": np.bincount(rows.person[rows.compared & (rows.value == 0)], minlength=rows.people),
        "predictability.right": right.right,
        "predictability.tosses": right.tosses,
        "agreement.right": everybody.right,
        "agreement.tosses": everybody.tosses,
        **consistency.consistency(rows),
        **consistency.retest(rows, moment),
        **response_bias.position(rows),
        **response_bias.straight_lining(rows, score, moment, levels=reference.levels),
        **transitivity.triads(rows),
        **response_times.response_times(rows.person, at, people=rows.people, usual=reference.usual, config=config.times),
    }
    return pd.DataFrame({"user_id": list(dataset.people), **columns})


def utilities(
    timed: TimedJudgements, model: ImageModel, images: int, config: MeasuresConfig, *, seed: int, shown: np.ndarray
) -> np.ndarray:
    """Return people's utilities of the images `shown`, float64 [P, A, shown], as all of their judgements here say under a model."""
    return predictability.utilities(rows_of(timed, images, config, seed=seed), model, shown)


def measure_alone(timed: TimedJudgements, images: int, config: MeasuresConfig, *, seed: int) -> pd.DataFrame:
    """Return the counts of people, whose judgements are also those that what all share is learned from, in this process."""
    folds = range(config.predictability.folds)
    models = tuple(fit_fold(timed, fold, images, config, seed=seed) for fold in folds)
    reference = Reference(models, usual_seconds(timed, config), score_levels(timed))
    return measure(timed, reference, images, config, seed=seed)
