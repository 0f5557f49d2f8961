"""The population's ridge: sums by image and the Laplacian of comparisons give what a row for each judgement does."""

import numpy as np
import pytest
from support.taste_suite import simulate

from beholder.taste import rating_scale
from beholder.taste.gaussian import Gaussian, laplace
from beholder.taste.population import ImageSums, ridge

WORLD = simulate(images=60, comparisons=400, ratings=300)


@pytest.mark.parametrize("kinds", ["ratings", "comparisons", "both"])
def test_weights_are_those_of_a_row_for_each_judgement(kinds: str) -> None:
    whole = WORLD.train.on_attribute(0)
    none = np.zeros(0, np.int64)
    data = {
        "ratings": whole.select(np.arange(len(whole.ratings)), none),
        "comparisons": whole.select(none, np.arange(len(whole.comparisons))),
        "both": whole,
    }[kinds]
    scale, width = rating_scale.standardise(WORLD.train), WORLD.latents.shape[1]
    found = ridge(ImageSums.of(data, scale), WORLD.latents, [0.1, 1.0, 30.0])
    for penalty, weights in found.items():
        prior = Gaussian(np.zeros(width), np.eye(width) / penalty)
        rows = scale.observations(data, WORLD.latents)
        np.testing.assert_allclose(weights, laplace(prior, np.eye(width) * penalty, rows, temper=1.0).mean, atol=1e-8)
