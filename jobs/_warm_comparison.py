"""Warm images: tastes judged with the effects that other people's judgements of the test images have, beside them without."""

from typing import Any

import numpy as np
import ray

from beholder.jobs import _reservation
from beholder.jobs._comparison import TasteComparison, TasteResult, judged
from beholder.taste import utility_table, warm_images
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, JudgementDataset, concatenate
from beholder.taste.warm_images import WarmTest

Ref = Any  # a reference into Ray's store; Ray's own type stands for what it refers to


def judge(
    comparison: TasteComparison, name: str, taste: Ref, population: Ref, test: Ref, *, others: int = 0, alone: bool = False
) -> Ref:
    """Judge a taste of a comparison warm; a reference to the TasteResult. test: a reference to a WarmTest.

    others: people who judged an image, at most, drawn where there are more; 0: all. alone: what the crowd says, without the taste.
    """
    task: Any = _judge.options(**comparison.reserve_judging(name).options)
    return task.remote(taste, population, comparison.items, test, others, alone, comparison.sure)


@ray.remote
def _judge(
    taste: Taste, population: Taste, items: np.ndarray, test: WarmTest, others: int, alone: bool, sure: float
) -> TasteResult:
    reserved = _reservation.begin()
    warm = warm_images.of_known_people(taste, items, test, others=others, alone=alone)
    shared = utility_table.on_rows(population, items, test.judged, concatenate([test.judged.comparisons, test.asked]))
    return judged(warm, shared, test.test, test.asked, reserved, sure=sure)


def judge_new(
    comparison: TasteComparison,
    name: str,
    taste: Ref,
    population: Ref,
    others: JudgementDataset,
    fitted: np.ndarray,
    test: JudgementDataset,
    asked: ComparisonTable,
) -> Ref:
    """Judge a taste of a comparison warm for people whom it met with few judgements; a reference to the TasteResult.

    others: all judgements of other people, by which images are warm; fitted: the images that the taste was fitted to, bool [N].
    """
    task: Any = _judge_new.options(**comparison.reserve_judging(name).options)
    return task.remote(taste, population, comparison.items, others, fitted, test, asked, comparison.sure)


@ray.remote
def _judge_new(
    taste: Taste,
    population: Taste,
    items: np.ndarray,
    others: JudgementDataset,
    fitted: np.ndarray,
    test: JudgementDataset,
    asked: ComparisonTable,
    sure: float,
) -> TasteResult:
    reserved = _reservation.begin()
    warm = warm_images.of_new_people(taste, items, others, fitted, test, asked)
    shared = utility_table.on_rows(population, items, test, asked)
    return judged(warm, shared, test, asked, reserved, sure=sure)
