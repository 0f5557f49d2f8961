"""The settings of `beholder simulate`: what rankers are tuned by, and over what."""

import pytest

from beholder import config
from beholder.errors import ConfigError
from beholder.jobs.simulate import SimulateSettings
from beholder.tuning.search_space import apply, read_space, sample


def settings(*overrides: str) -> SimulateSettings:
    return config.load(SimulateSettings, command="simulate", overrides=overrides)


def test_how_people_choose_is_tuned_by_how_true_what_is_told_is():
    own = settings("tuned_by=chance")
    space = read_space(own.chance_spaces["bayes"], own.ranker.bayes)
    tried = [apply(space, point, own.ranker.bayes) for point in sample(space, 20, seed=0)]
    assert len({(each.noise.tossers, each.noise.people) for each in tried}) > 5
    assert {each.noise.drifters for each in tried} == {own.ranker.bayes.noise.drifters}
    assert {each.strength for each in tried} == {own.ranker.bayes.strength}


def test_settings_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="tuned_by=luck: expected regret or chance"):
        settings("tuned_by=luck")
    with pytest.raises(ConfigError, match="chance_spaces: baies is no kind of ranker; did you mean bayes"):
        SimulateSettings(chance_spaces={"baies": {}})
    with pytest.raises(ConfigError, match=r"rankers: bayes any direction is none of .*; did you mean bayes any directions"):
        settings("rankers=[bayes any direction]")
