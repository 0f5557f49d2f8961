"""Spaces: the grammar, what it refuses, and points put into a config."""

import numpy as np
import pytest

from beholder.errors import ConfigError
from beholder.taste.mlp import MlpConfig
from beholder.tuning import search_space
from beholder.tuning.search_space import CategoricalDomain, NumericDomain

TEXTS = {
    "widths": "choice([], [16], [32, 16])",
    "dropout": "uniform(0, 0.5)",
    "batchnorm": "choice(true, false)",
    "activation": "choice(relu, 'gelu')",
    "person_size": "integers(2, 8)",
    "fit.learning_rate": "loguniform(1e-4, 1e-2)",
}


def test_the_four_words():
    found = search_space.space(TEXTS, MlpConfig())
    assert found["widths"] == CategoricalDomain(("[]", "[16]", "[32,16]"), ([], [16], [32, 16]))
    assert found["dropout"] == NumericDomain(0, 0.5)
    assert found["batchnorm"] == CategoricalDomain(("true", "false"), (True, False))
    assert found["activation"] == CategoricalDomain(("relu", "gelu"), ("relu", "gelu"))
    assert found["person_size"] == NumericDomain(2, 8, whole=True)
    assert found["fit.learning_rate"] == NumericDomain(1e-4, 1e-2, log=True)


def test_a_point_becomes_a_config_and_a_command():
    found = search_space.space(TEXTS, MlpConfig())
    point = {"widths": "[32,16]", "batchnorm": "false", "person_size": 3, "fit.learning_rate": 0.002}
    config = search_space.apply(found, point, MlpConfig(dropout=0.4))
    assert (config.widths, config.batchnorm, config.person_size, config.fit.learning_rate) == ([32, 16], False, 3, 0.002)
    assert (config.dropout, config.fit.epochs) == (0.4, MlpConfig().fit.epochs)
    assert search_space.words(found, point, prefix="taste.mlp.")[:2] == ["taste.mlp.widths=[32,16]", "taste.mlp.batchnorm=false"]


def test_draws_fill_the_space_and_repeat():
    found = search_space.space(TEXTS, MlpConfig())
    points = search_space.grid(found, 400, seed=1)
    assert points == search_space.grid(found, 400, seed=1) != search_space.grid(found, 400, seed=2)
    assert {point["person_size"] for point in points} == set(range(2, 9))
    rates = np.log10([point["fit.learning_rate"] for point in points])
    assert rates.min() >= -4
    assert rates.max() <= -2
    assert abs(np.median(rates) + 3) < 0.15


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({}, "empty"),
        ({"dropout": "unifrom(0, 1)"}, "did you mean uniform"),
        ({"dropout": "uniform(0.5, 0.1)"}, "lowest must be below"),
        ({"dropout": "uniform(0.1)"}, "two numbers"),
        ({"dropout": "0.1"}, "no space"),
        ({"dropout": "uniform(0, "}, "can't be read"),
        ({"dropout": "uniform(0, __import__('os').getpid())"}, "no value"),
        ({"fit.learning_rate": "loguniform(0, 1)"}, "above 0"),
        ({"person_size": "integers(1, 2.5)"}, "whole numbers"),
        ({"widths": "choice([8], [8])"}, "different values"),
        ({"lerning_rate": "uniform(0, 1)"}, "did you mean fit.learning_rate"),
        ({"fit": "choice(1)"}, "no knob"),
        ({"dropout": "uniform(0, 1.5)"}, "dropout must be"),
        ({"person_size": "uniform(2, 8)"}, "integers"),
        ({"dropout": "choice(abc)"}, "dropout"),
    ],
)
def test_what_is_refused(texts, said):
    with pytest.raises(ConfigError, match=said):
        search_space.space(texts, MlpConfig())
