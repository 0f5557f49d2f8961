"""Beliefs about weights: exact for ratings, the mode for choices, the same one by one as all at once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from beholder.taste.gaussian import Gaussian, Observations, laplace


def observe(width: int, ratings: int, choices: int, seed: int) -> Observations:
    rng = np.random.default_rng(seed)
    return Observations(
        rng.normal(size=(ratings, width)),
        rng.normal(size=ratings),
        rng.uniform(0.5, 2, ratings),
        rng.normal(size=(choices, width)),
        rng.choice([0.0, 0.5, 1.0], choices),
        rng.normal(size=choices),
    )


def test_ratings_alone_are_bayesian_linear_regression():
    seen = observe(4, 30, 0, seed=0)
    prior = Gaussian(np.ones(4), np.diag([1.0, 2.0, 3.0, 4.0]))
    found = laplace(prior, np.linalg.inv(prior.covariance), seen, temper=1.0)
    # the textbook formula, through the joint Gaussian of weights and values instead of precisions
    joint = seen.rating_design @ prior.covariance @ seen.rating_design.T + np.diag(1 / seen.precisions)
    gain = prior.covariance @ seen.rating_design.T @ np.linalg.inv(joint)
    np.testing.assert_allclose(found.mean, prior.mean + gain @ (seen.values - seen.rating_design @ prior.mean), atol=1e-9)
    np.testing.assert_allclose(found.covariance, prior.covariance - gain @ seen.rating_design @ prior.covariance, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_the_mode_has_no_slope(seed):
    seen = observe(5, 6, 40, seed)
    prior = Gaussian(np.zeros(5), 3 * np.eye(5))
    found = laplace(prior, np.eye(5) / 3, seen, temper=0.7)
    said = 1 / (1 + np.exp(-(seen.offsets + seen.differences @ found.mean)))
    slope = 0.7 * seen.differences.T @ (seen.choices - said) - found.mean / 3
    slope += 0.7 * seen.rating_design.T @ (seen.precisions * (seen.values - seen.rating_design @ found.mean))
    np.testing.assert_allclose(slope, 0, atol=1e-5)


@given(seed=st.integers(0, 10_000), choice=st.sampled_from([0.0, 0.5, 1.0]), temper=st.floats(0.1, 1.0), size=st.floats(0.1, 30))
def test_one_choice_is_laplace_with_one_choice(seed, choice, temper, size):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(4, 4))
    prior = Gaussian(rng.normal(size=4), root @ root.T + 0.1 * np.eye(4))
    difference, offset = size * rng.normal(size=4), float(rng.normal())
    none = np.zeros((0, 4))
    seen = Observations(none, np.zeros(0), np.zeros(0), difference[None], np.array([choice]), np.array([offset]))
    whole = laplace(prior, np.linalg.inv(prior.covariance), seen, temper=temper, steps=200)
    quick = prior.update(difference, choice, offset=offset, temper=temper)
    np.testing.assert_allclose(quick.mean, whole.mean, atol=1e-3, rtol=1e-3)
    np.testing.assert_allclose(quick.covariance, whole.covariance, atol=2e-3, rtol=1e-2)


def test_a_difference_of_nothing_teaches_nothing():
    belief = Gaussian(np.ones(3), np.eye(3))
    assert belief.update(np.zeros(3), 1.0) is belief
