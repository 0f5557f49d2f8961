"""What is known of a study's images: by its answers, by a taste before them, and where somebody may say that they are not sure."""

from collections.abc import Callable

import numpy as np
import pytest
from support.partial_doubles import PartialTaste

from beholder.statistics import sigmoid
from beholder.studies.design import ShownCounts, next_pair
from beholder.studies.population_utility import fit_utilities, pair_information, taste_prior
from beholder.taste.contract import Normal, TasteInfo


class LinearTaste(PartialTaste):
    """u(x) = x.w with w ~ N(mean, covariance), the same for everybody."""

    def __init__(self, mean: np.ndarray, covariance: np.ndarray) -> None:
        self.info = TasteInfo("linear", "toy", ("a",), ())
        self.mean, self.covariance = mean, covariance

    def utilities(self, items, user_ids, attribute):
        return np.tile((items @ self.mean).astype(np.float32), (len(user_ids), 1))

    def differences(self, left, right, user_id, attribute):
        gap = left - right
        return Normal(gap @ self.mean, np.einsum("nd,de,ne->n", gap, self.covariance, gap))


def linear_taste(rng: np.random.Generator, width: int = 4) -> LinearTaste:
    root = rng.normal(size=(width, width)) / width
    return LinearTaste(rng.normal(size=width), root @ root.T)


def test_a_tastes_covariance_is_told_from_its_variances_of_differences():
    rng = np.random.default_rng(0)
    taste, x = linear_taste(rng), rng.normal(size=(30, 4))
    prior = taste_prior(taste, x, "a")
    centre = np.eye(30) - 1 / 30
    np.testing.assert_allclose(prior.covariance, centre @ x @ taste.covariance @ x.T @ centre + 0.25 * np.eye(30), atol=1e-6)
    np.testing.assert_allclose(prior.mean, x @ taste.mean, rtol=1e-5)


def test_of_many_images_the_variances_are_estimated():
    rng = np.random.default_rng(1)
    taste, x = linear_taste(rng), rng.normal(size=(500, 4))
    prior = taste_prior(taste, x, "a")
    assert prior.covariance.shape == (500, 1)
    centred = x - x.mean(axis=0)
    exact = np.einsum("nd,de,ne->n", centred, taste.covariance, centred) + 0.25
    assert np.corrcoef(prior.covariance[:, 0], exact)[0, 1] > 0.98
    assert prior.covariance.mean() == pytest.approx(exact.mean(), rel=0.1)
    unanswered = fit_utilities(500, [], prior)
    np.testing.assert_allclose(unanswered.mean, prior.mean)
    np.testing.assert_allclose(unanswered.covariance, prior.covariance)


def test_a_pair_that_a_taste_is_sure_of_says_less_than_one_that_it_is_not_sure_of():
    taste = LinearTaste(np.array([1.0]), np.zeros((1, 1)))
    information = pair_information(fit_utilities(3, [], taste_prior(taste, np.array([[0.0], [0.1], [4.0]]), "a")))
    near, far = information(np.array([0]), np.array([1])), information(np.array([0]), np.array([2]))
    assert near > 3 * far


def rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.corrcoef(np.argsort(np.argsort(one)), np.argsort(np.argsort(other)))[0, 1])


def collect(
    truth: np.ndarray, rng: np.random.Generator, trials: int, say: Callable[[float], float], *, prior=None, strategy: str = "active"
) -> tuple[list[tuple[int, int, float]], np.ndarray]:
    """Answers of a simulated population, and the utilities that they lead to."""
    counts, answers = ShownCounts.none(len(truth)), list[tuple[int, int, float]]()
    fitted = fit_utilities(len(truth), [], prior)
    for number in range(trials):
        if number % 10 == 0:
            fitted = fit_utilities(len(truth), answers, prior)
        pair = next_pair(counts, set(), rng, strategy=strategy, information=pair_information(fitted))
        assert pair is not None
        counts.add(*pair)
        answers.append((*pair, say(truth[pair[0]] - truth[pair[1]])))
    return answers, fit_utilities(len(truth), answers, prior).mean


def test_with_a_taste_the_same_answers_order_images_better():
    """The taste has the truth but for a part; pairs are chosen actively with and without it."""
    found = []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, weights = rng.normal(size=(30, 4)), rng.normal(size=4)
        truth = x @ weights + rng.normal(0, 0.5, 30)
        taste = LinearTaste(weights + rng.normal(0, 0.5, 4), 0.25 * np.eye(4))

        def say(gap: float, rng: np.random.Generator = rng) -> float:
            return float(rng.random() < sigmoid(2 * gap))

        priors = (None, taste_prior(taste, x, "a"))
        found.append([rank_correlation(collect(truth, rng, 60, say, prior=prior)[1], truth) for prior in priors])
    without, with_taste = np.mean(found, axis=0)
    assert with_taste > without + 0.03


def test_not_sure_lessens_the_noise_of_what_is_said():
    """People who feel a difference with noise, and would toss a coin where they feel next to none: those who may say that they are
    not sure choose the better image more often, and order the images no worse, though fewer of their answers are choices."""
    found = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        truth = rng.normal(size=25)
        row = []
        for offered in (False, True):

            def say(gap: float, rng: np.random.Generator = rng, offered: bool = offered) -> float:
                felt = gap + rng.logistic(0, 0.3)
                if abs(felt) < 0.4:
                    return 0.5 if offered else float(rng.random() < 0.5)
                return float(felt > 0)

            answers, utilities = collect(truth, rng, 150, say, strategy="random")
            chosen = [(truth[left] > truth[right]) == (said == 1) for left, right, said in answers if said != 0.5]
            row += [np.mean(chosen), rank_correlation(utilities, truth)]
        found.append(row)
    right, order, right_if_sure, order_if_sure = np.mean(found, axis=0)
    assert right_if_sure > right + 0.05
    assert order_if_sure >= order
