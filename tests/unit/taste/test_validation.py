"""Held-out judgements: which pairs they are, and the slope and loss of known ones."""

import math

import numpy as np
import pytest

from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.validation import HeldOut, log_loss, slope


def evidence() -> JudgementDataset:
    """Attribute 0 was compared and rated, attribute 1 only rated."""
    zeros = np.zeros(3, np.int64)
    rated = RatingTable(
        np.zeros(6, np.int64), np.array([0, 1, 2, 0, 1, 2]), np.array([0, 0, 0, 1, 1, 1]), np.float32([1, 2, 3, 4, 5, 5])
    )
    compared = ComparisonTable(zeros, np.array([0, 1, 2]), np.array([1, 2, 0]), zeros, np.float32([1, 0, 0.5]))
    return JudgementDataset(("ann",), ("x", "y", "z"), ("a", "b"), rated, compared)


def test_comparisons_count_where_there_are_any_and_pairs_of_ratings_elsewhere():
    judged = HeldOut.of(evidence())
    assert judged.comparisons.attribute.tolist() == [0, 0, 0, 1, 1]  # y and z were rated alike
    assert len(judged) == 5


def test_each_thing_is_asked_once_and_differences_are_left_less_right():
    asked = []

    def utility(image, person, attribute):
        asked.extend(zip(image.tolist(), attribute.tolist(), strict=True))
        return np.array([1.0, 10.0, 100.0])[image] * (1 + attribute)

    judged = HeldOut.of(evidence())
    found = judged.differences(utility)
    assert found[:3].tolist() == [-9, -90, 99]
    assert len(asked) == len(set(asked)) == 6
    assert judged.accuracy(found) == pytest.approx((0 + 1 + 0.5 + 1 + 1) / 5)


def test_a_known_slope_is_found():
    dice = np.random.default_rng(0)
    x = dice.normal(size=40_000)
    choice = (dice.random(40_000) < 1 / (1 + np.exp(-2.5 * x))).astype(float)
    assert slope(x, choice) == pytest.approx(2.5, abs=0.08)


@pytest.mark.parametrize("x", [np.zeros(5), np.zeros(0)])
def test_where_nothing_tells_the_slope_is_one(x):
    assert slope(x, np.ones(len(x))) == pytest.approx(1)


def test_certain_choices_give_a_finite_slope_and_wrong_ones_a_small_one():
    x = np.linspace(-3, 3, 50)
    assert 2 < slope(x, (x > 0).astype(float)) < 20
    assert 0 < slope(x, (x < 0).astype(float)) < 0.01


def test_the_loss_does_not_ask_how_far_images_lie_apart():
    judged = HeldOut.of(evidence())
    differences = np.array([0.5, -0.2, 0.1, -0.3, -0.8])
    assert judged.loss(differences) == pytest.approx(judged.loss(700 * differences))
    assert judged.slopes(differences) == pytest.approx(700 * judged.slopes(700 * differences))
    assert judged.loss(differences) != pytest.approx(judged.loss(-differences))


def test_log_loss_is_that_of_logistic_choices():
    assert log_loss(np.array([0.0]), np.array([1.0])) == pytest.approx(math.log(2))
    assert log_loss(np.array([2.0]), np.array([0.5])) == pytest.approx((math.log1p(math.exp(-2)) + math.log1p(math.exp(2))) / 2)
