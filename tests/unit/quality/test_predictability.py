"""The completion finds a taste that is there, and no taste in coin tosses; Kendall's S as in the books."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]  # scipy ships no types
from support.judgement_rows_double import dataset_of, rows_of

from beholder.errors import ConfigError
from beholder.quality import predictability
from beholder.quality.judgement_rows import JudgementRows
from beholder.quality.predictability import PredictabilityConfig


def completed(rows: JudgementRows, config: PredictabilityConfig):
    folds = [np.flatnonzero(rows.fold != fold) for fold in range(config.folds)]
    models = [predictability.fit(rows[known], config, seed=1) for known in folds]
    return predictability.predict(rows, models)


def world(*, own: float, seed: int):
    """Twelve people of a shared taste and `own` times one that half of them turn around, and one who tosses a coin."""
    rng = np.random.default_rng(seed)
    shared, apart = rng.normal(size=(2, 60))
    made = []
    for person in range(13):
        for a, b in rng.integers(0, 60, (150, 2)):
            if a == b:
                continue
            utility = shared + own * (1 if person % 2 else -1) * apart
            chance = 0.5 if person == 12 else 1 / (1 + np.exp(-3 * (utility[a] - utility[b])))
            made.append((f"person-{person:02d}", int(a), int(b), "left" if rng.random() < chance else "right"))
    return rows_of(dataset_of(comparisons=made, images=60))


def test_those_who_share_a_taste_are_predicted_and_a_coin_is_not():
    rows = world(own=0.0, seed=1)
    share = predictability.concordance(rows, completed(rows, PredictabilityConfig())[0]).share
    assert share[:12].min() > 0.65
    assert abs(share[12] - 0.5) < 0.12


def test_factors_find_what_people_do_not_share():
    rows = world(own=2.0, seed=2)
    own, shared = completed(rows, PredictabilityConfig())
    personal, common = (predictability.concordance(rows, each).share[:12].mean() for each in (own, shared))
    assert personal > common + 0.1
    assert personal > 0.7


def test_predictions_of_a_fold_do_not_know_its_answers():
    """Every answer turned around in one fold changes no prediction there."""
    rows, config = world(own=1.0, seed=3), PredictabilityConfig()
    mirrored = replace(rows, value=np.where(rows.fold == 0, -rows.value, rows.value))
    one, two = (completed(each, config)[0] for each in (rows, mirrored))
    np.testing.assert_allclose(one[rows.fold == 0], two[rows.fold == 0])
    assert not np.allclose(one[rows.fold == 1], two[rows.fold == 1])


def test_ratings_are_put_in_order_as_kendall_does():
    rng = np.random.default_rng(4)
    score, predicted = rng.integers(1, 5, 30).astype(float), rng.normal(size=30)
    order, pairs, variance = predictability._kendall(score, predicted)
    first, second = zip(*itertools.combinations(range(30), 2), strict=True)
    signs = np.sign(score[list(first)] - score[list(second)]) * np.sign(predicted[list(first)] - predicted[list(second)])
    assert order == signs.sum()
    assert pairs == (signs != 0).sum()
    shuffled = [predictability._kendall(rng.permutation(score), predicted)[0] for _ in range(3000)]
    assert np.std(shuffled) == pytest.approx(np.sqrt(variance), rel=0.05)
    known = stats.kendalltau(score, predicted, method="asymptotic")
    assert 2 * stats.norm.sf(abs(order) / np.sqrt(variance)) == pytest.approx(known.pvalue, rel=1e-6)


def test_answers_that_hang_together_count_less():
    """Three attributes answered alike are one answer, by Kish's design effect."""
    rows = rows_of(dataset_of(comparisons=[("ann", n, n + 1, "left") for n in range(0, 60, 2)], images=61))
    columns: dict[str, Any] = {
        name: np.tile(getattr(rows, name), 3) for name in ("person", "image", "other", "value", "item", "fold")
    }
    three = replace(rows, attributes=3, attribute=np.repeat([0, 1, 2], 30), **columns)
    answers = np.tile(np.random.default_rng(0).choice([-1.0, 1.0], 30), 3)
    assert predictability._design_effect(three, answers) == pytest.approx([1 / 3])
    assert predictability._design_effect(rows, answers[:30]) == [1]


@pytest.mark.parametrize("settings", [{"folds": 1}, {"factors": -1}, {"ridge": 0.0}, {"spread": -1.0}, {"sample": 0}])
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(ConfigError, match="predictability"):
        PredictabilityConfig(**settings)
