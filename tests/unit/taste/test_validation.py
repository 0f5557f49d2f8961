"""Held-out judgements: which pairs they are, and the logit scale and loss of known ones."""

import numpy as np
import pytest

from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.validation import HeldOut, correctness, logit_scale, pairs, ratings_as_pairs, scaled_log_loss


def dataset() -> JudgementDataset:
    """Attribute 0 was compared and rated, attribute 1 only rated."""
    zeros = np.zeros(3, np.int64)
    rated = RatingTable(
        np.zeros(6, np.int64), np.array([0, 1, 2, 0, 1, 2]), np.array([0, 0, 0, 1, 1, 1]), np.array([1, 2, 3, 4, 5, 5], np.float32)
    )
    compared = ComparisonTable(zeros, np.array([0, 1, 2]), np.array([1, 2, 0]), zeros, np.array([1, 0, 0.5], np.float32))
    return JudgementDataset(("ann",), ("x", "y", "z"), ("a", "b"), rated, compared)


def test_comparisons_count_where_there_are_any_and_pairs_of_ratings_elsewhere():
    judged = HeldOut.of(dataset())
    assert judged.comparisons.attribute.tolist() == [0, 0, 1, 1]  # z and x tie, y and z were rated alike
    assert len(judged) == 4


def test_ties_are_learned_from_and_not_judged_by():
    judged_by = pairs(dataset(), seed=0)
    assert judged_by.choice.tolist()[:2] == [1, 0]
    assert 0.5 not in judged_by.choice
    learned_from = ratings_as_pairs(dataset(), at_most=10, seed=0)
    assert learned_from.comparisons.choice.tolist()[:3] == [1, 0, 0.5]
    assert len(learned_from.comparisons) == len(judged_by) + 1
    assert not len(learned_from.ratings)


def test_a_difference_is_right_wrong_or_of_no_opinion():
    assert correctness(np.array([0.3, -2, 0, 5]), np.array([1, 1, 1, 1.0])).tolist() == [1, 0, 0.5, 1]


def test_each_thing_is_asked_once_and_differences_are_left_less_right():
    asked: list[tuple[int, int]] = []

    def utility(image, person, attribute):
        asked.extend(zip(image.tolist(), attribute.tolist(), strict=True))
        return np.array([1.0, 10.0, 100.0])[image] * (1 + attribute)

    judged = HeldOut.of(dataset())
    found = judged.differences(utility)
    assert found[:2].tolist() == [-9, -90]
    assert len(asked) == len(set(asked)) == 6
    assert correctness(found, judged.comparisons.choice).tolist() == [0, 1, 1, 1]


def test_a_known_slope_is_found():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40_000)
    choice = (rng.random(40_000) < 1 / (1 + np.exp(-2.5 * x))).astype(float)
    assert logit_scale(x, choice) == pytest.approx(2.5, abs=0.08)


@pytest.mark.parametrize("x", [np.zeros(5), np.zeros(0)])
def test_where_nothing_tells_the_slope_is_one(x):
    assert logit_scale(x, np.ones(len(x))) == pytest.approx(1)


def test_certain_choices_give_a_finite_slope_and_wrong_ones_a_small_one():
    x = np.linspace(-3, 3, 50)
    assert 2 < logit_scale(x, (x > 0).astype(float)) < 20
    assert 0 < logit_scale(x, (x < 0).astype(float)) < 0.01


def test_the_loss_does_not_ask_how_far_images_lie_apart():
    judged = HeldOut.of(dataset())
    differences = np.array([0.5, -0.2, -0.3, -0.8])
    assert judged.loss(differences) == pytest.approx(judged.loss(700 * differences))
    assert judged.logit_scales(differences) == pytest.approx(700 * judged.logit_scales(700 * differences))
    assert judged.loss(differences) != pytest.approx(judged.loss(-differences))


def test_the_loss_at_the_scale_is_no_higher_than_at_any_other():
    rng = np.random.default_rng(1)
    x = rng.normal(size=4000)
    choice = (rng.random(4000) < 1 / (1 + np.exp(-0.7 * x))).astype(float)
    loss, scale = scaled_log_loss(x, choice)
    assert scale == pytest.approx(0.7, abs=0.1)
    factors = np.linspace(0.05, 3, 200)
    losses = [np.mean(np.logaddexp(0, factor * x) - choice * factor * x) for factor in factors]
    assert loss == pytest.approx(min(losses), abs=1e-5)
    assert scaled_log_loss(np.zeros(0), np.zeros(0)) == (0, 1)
