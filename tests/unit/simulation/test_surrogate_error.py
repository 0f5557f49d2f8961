"""Surrogate errors: a perfect surrogate has no regret, a blind one has, and the rest is known by hand or from scipy."""

import numpy as np
import pytest
from support.ground_truth_double import EDITOR, drawn

from beholder.recommending.edit_set import EditSet
from beholder.simulation import simulated_people, surrogate_error


def test_what_is_predicted_rightly_has_no_regret(tmp_path):
    truth = drawn(tmp_path)
    exact = [simulated_people.edit_set(truth, image) for image in range(2)]
    errors = surrogate_error.compare(exact, truth, surrogate_error.any_tastes(12, 5, seed=1))
    assert errors.rank_correlation.shape == errors.regret.shape == (2, 5)
    np.testing.assert_allclose(errors.rank_correlation, 1)
    np.testing.assert_array_equal(errors.regret, 0)
    assert set(surrogate_error.missed(exact, truth).values()) == {0.0}


def test_the_opposite_prediction_picks_the_worst(tmp_path):
    truth = drawn(tmp_path)
    exact = [simulated_people.edit_set(truth, image) for image in range(2)]
    opposite = [EditSet(each.alphas, -each.embeddings, each.directions, each.original) for each in exact]
    errors = surrogate_error.compare(opposite, truth, surrogate_error.any_tastes(12, 5, seed=1), final=1)
    np.testing.assert_allclose(errors.rank_correlation, -1)
    np.testing.assert_allclose(errors.regret, 1)


def test_a_prediction_of_no_change_misses_all_of_it(tmp_path):
    truth = drawn(tmp_path)
    exact = [simulated_people.edit_set(truth, image) for image in range(2)]
    blind = [EditSet(each.alphas, np.tile(each.original, (60, 1)), each.directions, each.original) for each in exact]
    assert surrogate_error.missed(blind, truth) == {name: pytest.approx(1.0) for name in EDITOR.directions}


def test_regret_is_what_the_pick_lacks_as_a_share_of_the_range():
    true = np.array([[0.0, 1.0, 2.0, 4.0], [1.0, 1.0, 1.0, 1.0]])
    guesses = np.array([[0.5, 0.4, 0.3, 0.1], [0.0, 1.0, 2.0, 3.0]])
    np.testing.assert_allclose(surrogate_error.regrets(guesses, true, final=2), [0.75, 0])
    np.testing.assert_allclose(surrogate_error.regrets(guesses, true, final=4), [0, 0])


def test_goals_are_known_by_their_names():
    assert surrogate_error.reached("seeds/people/rank_correlation", 0.9) is True
    assert surrogate_error.reached("seeds/people/regret", 0.021) is False
    assert surrogate_error.reached("seconds_exact", 9.0) is None
