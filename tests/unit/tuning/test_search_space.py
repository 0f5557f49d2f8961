"""Search spaces: the four words, what is refused, points put into a config, and the spaces that come with the project."""

from pathlib import Path

import numpy as np
import pytest
import yaml  # type: ignore[import-untyped]

from beholder.config import load
from beholder.errors import ConfigError
from beholder.jobs.tune import TuneSettings
from beholder.taste.lora import LoraConfig
from beholder.taste.mlp import MlpConfig
from beholder.tuning import search_space
from beholder.tuning.search_space import CategoricalDomain, NumericDomain

SPACE = {
    "widths": {"choice": [[], [16], [32, 16]]},
    "dropout": {"uniform": [0, 0.5]},
    "batchnorm": {"choice": [True, False]},
    "activation": {"choice": ["relu", "gelu"]},
    "person_size": {"int": [2, 8]},
    "fit": {"learning_rate": {"loguniform": [1e-4, 1e-2]}},
}


def test_the_four_words():
    found = search_space.read_space(SPACE, MlpConfig())
    assert found["widths"] == CategoricalDomain(("[]", "[16]", "[32,16]"), ([], [16], [32, 16]))
    assert found["dropout"] == NumericDomain(0, 0.5)
    assert found["batchnorm"] == CategoricalDomain(("true", "false"), (True, False))
    assert found["activation"] == CategoricalDomain(("relu", "gelu"), ("relu", "gelu"))
    assert found["person_size"] == NumericDomain(2, 8, whole=True)
    assert found["fit.learning_rate"] == NumericDomain(1e-4, 1e-2, log=True)


def test_a_dotted_path_is_the_nested_setting():
    dotted = search_space.read_space({"fit.learning_rate": {"loguniform": [1e-4, 1e-2]}}, MlpConfig())
    assert dotted == search_space.read_space({"fit": SPACE["fit"]}, MlpConfig())


def test_a_point_becomes_a_config_and_a_command():
    found = search_space.read_space(SPACE, MlpConfig())
    point = {"widths": "[32,16]", "batchnorm": "false", "person_size": 3, "fit.learning_rate": 0.002}
    config = search_space.apply(found, point, MlpConfig(dropout=0.4))
    assert (config.widths, config.batchnorm, config.person_size, config.fit.learning_rate) == ([32, 16], False, 3, 0.002)
    assert (config.dropout, config.fit.epochs) == (0.4, MlpConfig().fit.epochs)
    words = search_space.overrides(found, point, prefix="taste.mlp.")
    assert words[:2] == ["taste.mlp.widths=[32,16]", "taste.mlp.batchnorm=false"]


def test_draws_fill_the_space_and_repeat():
    found = search_space.read_space(SPACE, MlpConfig())
    points = search_space.sample(found, 400, seed=1)
    assert points == search_space.sample(found, 400, seed=1) != search_space.sample(found, 400, seed=2)
    assert {point["person_size"] for point in points} == set(range(2, 9))
    rates = np.log10([point["fit.learning_rate"] for point in points])
    assert rates.min() >= -4
    assert rates.max() <= -2
    assert abs(np.median(rates) + 3) < 0.15


@pytest.mark.parametrize(
    ("space", "reason"),
    [
        ({}, "empty"),
        ({"dropout": {"unifrom": [0, 1]}}, "did you mean uniform"),
        ({"dropout": {"uniform": [0.5, 0.1]}}, "lowest must be below"),
        ({"dropout": {"uniform": [0.1]}}, "two numbers"),
        ({"dropout": {"uniform": 0.1}}, "takes a list"),
        ({"dropout": 0.1}, "expected a domain"),
        ({"dropout": "uniform(0, 0.5)"}, "expected a domain like {uniform: "),
        ({"dropout": {"uniform": [0, 1], "choice": [0]}}, "got uniform and choice"),
        ({"dropout": {"choice": [{"a": 1}]}}, "no value"),
        ({"fit.learning_rate": {"loguniform": [0, 1]}}, "above 0"),
        ({"fit": {"learning_rate": {"loguniform": [0, 1]}}}, "fit.learning_rate: loguniform needs numbers above 0"),
        ({"person_size": {"int": [1, 2.5]}}, "whole numbers"),
        ({"widths": {"choice": [[8], [8]]}}, "different values"),
        ({"lerning_rate": {"uniform": [0, 1]}}, "did you mean fit.learning_rate"),
        ({"fit": {"choice": [1]}}, "no setting"),
        ({"dropout": {"uniform": [0, 1.5]}}, "dropout must be"),
        ({"person_size": {"uniform": [2, 8]}}, "int: "),
        ({"dropout": {"choice": ["abc"]}}, "dropout"),
    ],
)
def test_what_is_refused(space, reason):
    with pytest.raises(ConfigError, match=reason):
        search_space.read_space(space, MlpConfig())


@pytest.mark.parametrize(("name", "config"), [("mlp", MlpConfig()), ("mlp_shared", MlpConfig()), ("lora", LoraConfig())])
def test_the_spaces_that_come_along_can_be_read(name, config):
    path = Path(__file__).parents[3] / "configs" / "tune" / f"{name}.yaml"
    loaded = load(TuneSettings, command="tune", overrides=["taste=mlp", f"tune={name}"]).tune.space
    assert len(search_space.read_space(loaded, config)) >= 5
    assert set(loaded) == set(yaml.safe_load(path.read_text())["space"])


def test_a_domain_is_replaced_on_the_command_line():
    words = [
        "taste=mlp",
        "tune=mlp",
        "tune.space.dropout={choice:[0.1,0.2]}",
        "tune.space.fit.learning_rate={uniform: [0.001, 1e-2]}",
    ]
    found = search_space.read_space(load(TuneSettings, command="tune", overrides=words).tune.space, MlpConfig())
    assert found["dropout"] == CategoricalDomain(("0.1", "0.2"), (0.1, 0.2))
    assert found["fit.learning_rate"] == NumericDomain(0.001, 0.01)
    switch = found["batchnorm"]
    assert isinstance(switch, CategoricalDomain)
    assert switch.labels == ("true", "false")


def test_a_domain_as_it_was_once_written_is_refused_in_one_line():
    settings = load(TuneSettings, command="tune", overrides=["tune.space={dropout: 'uniform(0, 0.5)'}"])
    with pytest.raises(ConfigError, match="dropout: expected a domain like") as error:
        search_space.read_space({"dropout": settings.tune.space["dropout"]}, MlpConfig())
    assert "\n" not in str(error.value)
