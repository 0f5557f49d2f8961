"""The Bayesian ranker keeps the contract of every ranker, knows its uncertainty, and lets old choices fade."""

import numpy as np
import pytest
from support.ranker_suite import TASTE, RankerContract, agreement, choices, edit_set, everybody

from beholder.errors import ConfigError
from beholder.recommending.edit_set import Comparison
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.ranker_factory import RankerConfig


class TestBayes(RankerContract):
    config = RankerConfig(kind="bayes")
    uncertainties = True

    def test_it_understands_who_is_otherwise(self, fitted):
        assert agreement(fitted, "person 0", -TASTE) > 0.5

    def test_uncertainty_shrinks_with_choices(self, ranker):
        shown = edit_set(30, 8)
        before = (ranker.joint("ana", shown).factor ** 2).sum()
        for comparison in choices("ana", 20):
            ranker.update(comparison)
        assert (ranker.joint("ana", shown).factor ** 2).sum() < 0.7 * before


def test_a_taste_that_changes_is_followed_faster_where_choices_fade():
    agreements = {}
    for half_life in (None, 200.0, 20.0):
        ranker = bayes_ranker.begin(edit_set(50, 9), BayesRankerConfig(components=3, half_life=half_life))
        for user_id, seed in (("ana", 51), ("ben", 52), ("eve", 53)):
            for comparison in choices(user_id, 80, taste=TASTE, seed=seed) + choices(user_id, 25, taste=-TASTE, seed=seed + 10):
                ranker.update(comparison)
        agreements[half_life] = np.mean([agreement(ranker, user_id, -TASTE) for user_id in ("ana", "ben", "eve")])
    assert agreements[None] < 0.5 < agreements[200.0] < agreements[20.0]


def test_choices_fade_by_half_in_a_half_life():
    ranker = bayes_ranker.begin(edit_set(50, 9), BayesRankerConfig(components=3, half_life=10))
    for comparison in choices("ana", 30):
        ranker.update(comparison)
    start = ranker.posterior("ana").mean - ranker.prior.mean
    both = edit_set(1, 1)
    for _ in range(11):  # nothing is learned from one edit beside itself; it fades before each
        ranker.update(Comparison("ana", "face", both, both, 1.0))
    np.testing.assert_allclose(ranker.posterior("ana").mean - ranker.prior.mean, start * 0.5**1.1, atol=1e-9)


def test_half_lives_that_are_none_are_refused():
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match="half_life"):
            BayesRankerConfig(half_life=wrong)


def test_a_ranker_that_knows_nobody_begins_even_and_learns():
    shown = edit_set(200, 9)
    config = BayesRankerConfig(components=3)
    assert not bayes_ranker.begin(shown, config).utilities("ana", shown).any()
    learned = bayes_ranker.start(everybody()[30:90], shown, config)
    assert agreement(learned, "person 1") > 0.7
    assert "person 5" not in learned.posteriors


def test_with_enough_people_their_choices_become_the_prior():
    shown = edit_set(200, 9)
    assert agreement(bayes_ranker.start(everybody(), shown, BayesRankerConfig(components=3)), "a stranger") > 0.7


def test_squares_are_thought_rarer_than_slopes():
    shown = edit_set(50, 9)
    variances = np.diag(bayes_ranker.begin(shown, BayesRankerConfig(components=3)).prior.covariance)
    assert (variances[3:6] < variances[:3]).all()
