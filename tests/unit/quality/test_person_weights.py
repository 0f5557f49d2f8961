"""Weights multiply log-likelihoods: a weight of 0 is a person who was never asked, one of 1 changes nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from support.taste_suite import ENCODER, simulate
from torch import nn

from beholder.errors import ConfigError
from beholder.quality.person_weights import JudgementsConfig, PersonWeights, read_weights, write_weights
from beholder.taste import bayes, ensemble, mlp, population
from beholder.taste.bayes import BayesTasteConfig
from beholder.taste.dataset import concatenate
from beholder.taste.likelihood import JudgementTensors, Likelihood, Objective, RatingLevels
from beholder.taste.mlp import MlpConfig
from beholder.taste.population import PopulationConfig
from beholder.taste.training import TrainingConfig
from beholder.taste.validation import HeldOut, logit_scales, scaled_log_loss
from beholder.workspace import Workspace

WORLD = simulate(seed=3)
ITEMS = WORLD.latents.astype(np.float32)
FIRST = np.arange(len(WORLD.train.people)) == 0
OTHERS = np.where(FIRST, 0.0, 1.0)


def weighted(weights):
    return [replace(part, weights=np.asarray(weights, float)) for part in (WORLD.train, WORLD.held_out)]


def without_first():
    return [part.of_people(~FIRST) for part in (WORLD.train, WORLD.held_out)]


def fitted_population(train, held_out):
    return population.fit(train, held_out, ITEMS, PopulationConfig(), encoder_id=ENCODER).weights


def fitted_bayes(parts, config):
    train, held_out = parts
    return bayes.fit(train, held_out, ITEMS, config, encoder_id=ENCODER)


def test_a_weight_of_zero_is_a_population_without_the_person():
    np.testing.assert_allclose(fitted_population(*weighted(OTHERS)), fitted_population(*without_first()), atol=1e-5)
    assert not np.allclose(fitted_population(*weighted(OTHERS)), fitted_population(WORLD.train, WORLD.held_out), atol=1e-3)


def test_half_a_weight_and_twice_the_comparisons_are_the_same_population():
    """Held-out pairs are the same, so that the chosen penalty and scale are."""
    train = replace(WORLD.train, ratings=WORLD.train.ratings[:0])
    twice = replace(train, comparisons=concatenate([train.comparisons] * 2), weights=np.full(len(train.people), 0.5))
    one, two = (fitted_population(each, WORLD.held_out) for each in (train, twice))
    np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-7)


def test_a_weight_of_zero_leaves_a_person_the_prior_and_the_others_as_they_were():
    config = BayesTasteConfig(components=[4], ranks=[2], spreads=[0.06], tempers=[1.0], iterations=3)
    one, two = (fitted_bayes(parts, config) for parts in (weighted(OTHERS), without_first()))
    first, *others = WORLD.train.people
    for row, name in enumerate(WORLD.train.attributes):
        np.testing.assert_allclose(one.posterior(first, name).mean, 0, atol=1e-9)
        np.testing.assert_allclose(one.priors[row].covariance, two.priors[row].covariance, rtol=1e-4, atol=1e-6)
        for person in others:
            np.testing.assert_allclose(one.posterior(person, name).mean, two.posterior(person, name).mean, rtol=1e-3, atol=1e-4)


def test_a_posterior_is_wider_the_less_a_person_counts():
    config = BayesTasteConfig(components=[4], ranks=[2], spreads=[0.06], tempers=[1.0], iterations=2)
    half = np.where(FIRST, 0.3, 1.0)
    one, two = (fitted_bayes(parts, config) for parts in (weighted(half), (WORLD.train, WORLD.held_out)))
    first, name = WORLD.train.people[0], WORLD.train.attributes[0]
    assert np.trace(one.posterior(first, name).covariance) > np.trace(two.posterior(first, name).covariance)


def test_weights_of_one_change_no_network():
    config = MlpConfig(widths=[4], fit=TrainingConfig(epochs=1, batch=512))
    fits = []
    for train, held_out in (weighted(np.ones(len(FIRST))), (WORLD.train, WORLD.held_out)):
        fits.append(mlp.fit(train, held_out, ITEMS, config, encoder_id=ENCODER))
    whole, plain = fits
    for name, value in plain.tensors().items():
        np.testing.assert_array_equal(whole.tensors()[name], value)


class _Slope(nn.Module):
    """Utility = one slope times the image's number."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.1))

    def forward(self, image, person, attribute):
        return self.slope * image


def gradient(dataset):
    levels = RatingLevels.of(dataset)
    network, likelihood = _Slope(), Likelihood(WORLD.train, RatingLevels.of(WORLD.train))
    assert levels.count == likelihood.levels  # each half of the people uses the whole scale
    batch = JudgementTensors(dataset, levels=levels).take(np.arange(len(dataset)))
    loss = Objective(network, likelihood)(batch) * len(dataset)
    (slope,) = torch.autograd.grad(loss, [network.slope])
    return slope.item()


def test_the_gradient_of_networks_is_that_of_the_weighted_likelihood():
    parts = [gradient(WORLD.train.of_people(mask)) for mask in (FIRST, ~FIRST)]
    weights = np.where(FIRST, 0.25, 1.0)
    assert gradient(replace(WORLD.train, weights=weights)) == pytest.approx(0.25 * parts[0] + parts[1], rel=1e-4)


def test_held_out_pairs_of_weight_zero_choose_nothing():
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    choice = (rng.random(400) < 1 / (1 + np.exp(-2 * x))).astype(float)
    dice = rng.integers(0, 2, 400).astype(float)
    both, weight = (np.r_[x, x], np.r_[choice, dice]), np.r_[np.ones(400), np.zeros(400)]
    assert scaled_log_loss(*both, weight) == pytest.approx(scaled_log_loss(x, choice))
    assert logit_scales(*both, np.zeros(800, int), 1)[0] < 0.7 * logit_scales(*both, np.zeros(800, int), 1, weight)[0]
    assert scaled_log_loss(*both, np.zeros(800))[0] == pytest.approx(np.log(2), abs=0.1)
    judged = HeldOut.of(replace(WORLD.held_out, weights=OTHERS))
    np.testing.assert_array_equal(judged.weight, OTHERS[judged.comparisons.person])


def test_an_ensemble_hears_only_who_counts():
    train, held_out = weighted(OTHERS)
    parts = [population.fit(train, held_out, ITEMS, PopulationConfig(penalties=[p]), encoder_id=ENCODER) for p in (0.1, 100.0)]
    name = WORLD.train.attributes[0]
    one = ensemble.weigh(parts, held_out.on_attribute(0), ITEMS, name, seed=0)
    two = ensemble.weigh(parts, WORLD.held_out.of_people(~FIRST).on_attribute(0), ITEMS, name, seed=0)
    np.testing.assert_allclose(one, two, atol=1e-6)


def test_weights_are_written_read_and_missing_ones_are_told(tmp_path):
    workspace = Workspace(str(tmp_path))
    asked = JudgementsConfig(weights="quality")
    assert read_weights(JudgementsConfig(), workspace) is None
    with pytest.raises(ConfigError, match="run beholder quality workspace="):
        read_weights(asked, workspace)
    people = pd.DataFrame({"user_id": ["ann", "bob"], "verdict": ["random", "believed"], "weight": [0.25, 1.0]})
    write_weights(workspace, people)
    weights = read_weights(asked, workspace)
    assert isinstance(weights, PersonWeights)
    assert weights.of(["bob", "ann", "a stranger"]).tolist() == [1.0, 0.25, 1.0]
    write_weights(workspace, people.iloc[1:])
    assert PersonWeights.read(workspace).of(["ann"]).tolist() == [1.0]


def test_a_kind_of_weights_that_is_none_is_refused():
    with pytest.raises(ConfigError, match=r"judgements\.weights=qualty: expected none or quality"):
        JudgementsConfig(weights="qualty")
