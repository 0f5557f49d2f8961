"""The Bayesian ranker keeps the contract of every ranker, knows its uncertainty, and lets old choices fade."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from support.ranker_suite import TASTE, RankerContract, agreement, choices, edit_set, everybody

from beholder.errors import ConfigError
from beholder.recommending.edit_set import Comparison
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.choice_noise import EVERYBODY_ALIKE, ChoiceNoise, ChoiceNoiseConfig, NoisyPosterior
from beholder.recommending.rankers.ranker_factory import RankerConfig
from beholder.taste import gaussian


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


class TestCurved(RankerContract):
    config = RankerConfig(kind="bayes", bayes=BayesRankerConfig(components=0, curved=True))
    uncertainties = True


def test_a_squared_length_is_the_mean_square_of_the_changes():
    shown = edit_set(50, 9)
    regressors = bayes_ranker.begin(shown, BayesRankerConfig(components=0, curved=True)).regressors
    rows = regressors.of(shown)
    assert rows.shape == (50, 3 + 3 + 6 + 1)
    np.testing.assert_allclose(rows[:, 12], (rows[:, 6:12] ** 2).mean(axis=1))
    np.testing.assert_allclose((rows[:, 6:12] ** 2).mean(), 1.0)  # by how far it usually changes
    assert not regressors.of(shown.unedited).any()
    kept = {name: array for name, array in regressors.tensors().items() if name != "features.curved"}
    assert not type(regressors).of_tensors(kept).curved  # as earlier versions kept it


def test_what_people_disagree_about_is_not_shared_where_changes_are_curved():
    people = [each for row in range(12) for each in choices(f"{row}", 30, taste=TASTE if row % 2 else -TASTE, seed=30 + row)]
    prior = bayes_ranker.fit(people, BayesRankerConfig(components=0, curved=True)).prior
    alike = bayes_ranker.fit(
        [each for row in range(12) for each in choices(f"{row}", 30, seed=30 + row)], BayesRankerConfig(components=0, curved=True)
    ).prior
    assert not prior.mean[:12].any()  # alphas, their squares, and changes
    assert alike.mean[0] > 0
    np.testing.assert_array_equal(alike.covariance, np.diag(np.diag(alike.covariance)))


def up_to_a_point(user_id: str, count: int, *, seed: int) -> list[Comparison]:
    """Choices of somebody who likes more of the first direction, and anything the less the farther it goes."""
    rng, found = np.random.default_rng(seed), []
    for number in range(count):
        both = edit_set(2, 9000 + 1000 * seed + number)
        one, other = (float(each @ [2.0, 0, 0] - 1.2 * each @ each) for each in both.alphas.astype(np.float64))
        found.append(
            Comparison(user_id, "face", both[0], both[1], float(rng.random() < 1 / (1 + np.exp(other - one))), float(number))
        )
    return found


def test_what_goes_too_far_is_not_recommended_where_changes_are_curved():
    shown = edit_set(300, 9)
    truth = shown.alphas.astype(np.float64) @ [2.0, 0, 0] - 1.2 * (shown.alphas.astype(np.float64) ** 2).sum(axis=1)
    best = {}
    for curved in (False, True):
        true = []
        for seed in range(8):
            ranker = bayes_ranker.begin(shown, BayesRankerConfig(components=0, curved=curved))
            for comparison in up_to_a_point("ana", 12, seed=seed):
                ranker.update(comparison)
            true.append(truth[ranker.gain_over("ana", shown, shown.unedited).probability.argmax()])
        best[curved] = np.mean(true)
    assert best[True] > max(0, best[False] + 0.5)


def test_a_taste_that_changes_is_followed_faster_where_choices_fade():
    agreements = {}
    for half_life in (None, 200.0, 20.0):
        ranker = bayes_ranker.begin(edit_set(50, 9), BayesRankerConfig(components=3, half_life=half_life, noise=EVERYBODY_ALIKE))
        for user_id, seed in (("ana", 51), ("ben", 52), ("eve", 53)):
            for comparison in choices(user_id, 80, taste=TASTE, seed=seed) + choices(user_id, 25, taste=-TASTE, seed=seed + 10):
                ranker.update(comparison)
        agreements[half_life] = np.mean([agreement(ranker, user_id, -TASTE) for user_id in ("ana", "ben", "eve")])
    assert agreements[None] < 0.5 < agreements[200.0] < agreements[20.0]


def test_choices_fade_by_half_in_a_half_life():
    ranker = bayes_ranker.begin(edit_set(50, 9), BayesRankerConfig(components=3, half_life=10, noise=EVERYBODY_ALIKE))
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


def tosses(user_id: str, count: int, *, seed: int, left: float = 0.5) -> list[Comparison]:
    """Choices that do not look at what is shown."""
    rng = np.random.default_rng(seed)
    shown = [edit_set(2, 5000 * seed + number) for number in range(count)]
    return [Comparison(user_id, "face", both[0], both[1], float(rng.random() < left), float(at)) for at, both in enumerate(shown)]


def told(ranker, user_id: str) -> float:
    """What a person is told of the best of 200 edits."""
    shown = edit_set(200, 9)
    return float(ranker.preferred(user_id, shown, shown.unedited).max())


@pytest.mark.parametrize("left", [0.5, 1.0, 0.0])
def test_who_does_not_look_is_told_that_it_is_a_guess(left):
    ranker = bayes_ranker.begin(edit_set(50, 9), BayesRankerConfig(components=3))
    for seed in range(4):
        for comparison in tosses(f"tosser {seed}", 50, seed=seed, left=left):
            ranker.update(comparison)
    for comparison in choices("ana", 50):
        ranker.update(comparison)
    assert np.mean([told(ranker, f"tosser {seed}") for seed in range(4)]) < 0.62
    assert told(ranker, "ana") > 0.9


def test_somebody_who_changes_their_mind_is_followed():
    """The probability of a taste that changes rises, and the new taste is found, though the half-life is long."""
    ranker = bayes_ranker.begin(edit_set(50, 9), BayesRankerConfig(components=3))
    for comparison in [*choices("ana", 60, seed=51), *choices("ana", 40, taste=-TASTE, seed=61)]:
        ranker.update(comparison)
    weights = ranker.posteriors["ana"].weights(ranker.noise)[: len(ranker.noise)]
    drifting = ranker.noise.kept < ranker.config.kept
    assert weights[drifting].sum() > 2 * ranker.noise.prior[: len(drifting)][drifting].sum()
    assert agreement(ranker, "ana", -TASTE) > 0.5


def test_a_choice_gives_the_moments_of_the_true_posterior():
    """Beside a fine grid, in one dimension; the evidence is what was predicted of the choice."""
    config = ChoiceNoiseConfig(sharpness=[2.0], lapses=[0.2], drifting=None, tossers=0.0, one_sided=0.0)
    noise = ChoiceNoise.of(config, 1.0)
    start = NoisyPosterior.before(noise, gaussian.Gaussian(np.array([0.3]), np.array([[0.5]])))
    after = start.update(noise, start, np.array([1.5]), np.array(1.0))
    w = np.linspace(-12, 12, 200_001)
    density = np.exp(-((w - 0.6) ** 2) / (2 * 2.0))
    likelihood = 0.8 / (1 + np.exp(-1.5 * w)) + 0.1
    mass = density * likelihood
    mean = (mass * w).sum() / mass.sum()
    assert after.means[0, 0] == pytest.approx(mean, abs=1e-4)
    assert after.covariances[0, 0, 0] == pytest.approx((mass * (w - mean) ** 2).sum() / mass.sum(), abs=1e-4)
    assert np.exp(after.evidence[0]) == pytest.approx(mass.sum() / density.sum(), abs=1e-5)
    np.testing.assert_allclose(np.exp(after.evidence[1:]), [0.5, 0.96, 0.04])


def test_how_people_choose_is_learned_from_everybody():
    """Half of the people toss a coin: the prior comes to say so, and what they chose does not become a taste of all."""
    people = [each for row in range(12) for each in choices(f"ana {row}", 30, seed=100 + row)]
    tossers = [each for row in range(12) for each in tosses(f"ben {row}", 30, seed=200 + row)]
    ranker = bayes_ranker.fit([*people, *tossers], BayesRankerConfig(components=3))
    assert 0.2 < ranker.noise.prior[len(ranker.noise)] < 0.6
    assert agreement(ranker, "a stranger") > 0.8


def test_grids_that_are_none_are_refused():
    several: list[dict[str, Any]] = [
        {"sharpness": []}, {"lapses": [1.0]}, {"tossers": 0.7, "one_sided": 0.4}, {"drifting": 0.0}
    ]  # fmt: skip
    for wrong in several:
        with pytest.raises(ConfigError, match="noise"):
            ChoiceNoiseConfig(**wrong)


def test_squares_are_thought_rarer_than_slopes():
    shown = edit_set(50, 9)
    variances = np.diag(bayes_ranker.begin(shown, BayesRankerConfig(components=3)).prior.covariance)
    assert (variances[3:6] < variances[:3]).all()


def test_other_probabilities_of_the_hypotheses_change_what_is_told_and_nothing_of_the_ranker():
    ranker = bayes_ranker.begin(edit_set(50, 9), BayesRankerConfig(components=3))
    for comparison in choices("ana", 10):
        ranker.update(comparison)
    before = told(ranker, "ana")
    coin = np.zeros(len(ranker.noise.prior))
    coin[len(ranker.noise)] = 1.0
    assert told(ranker.with_noise(replace(ranker.noise, prior=coin)), "ana") == 0.5
    assert told(ranker, "ana") == before > 0.5
