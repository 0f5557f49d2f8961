"""Every kind of ranker is found by its name."""

import pytest
from support.ranker_suite import DIRECTIONS

from beholder.errors import ChoiceError, ConfigError
from beholder.recommending.rankers import ranker_factory
from beholder.recommending.rankers.ranker import RankerInfo
from beholder.recommending.rankers.ranker_factory import RankerConfig


def test_an_unknown_kind_is_refused():
    with pytest.raises(ConfigError, match="did you mean bayes"):
        RankerConfig(kind="baies")
    with pytest.raises(ChoiceError, match="no kind of ranker"):
        ranker_factory.load(RankerInfo("mlp", DIRECTIONS, 6), {}, {})
