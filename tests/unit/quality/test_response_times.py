"""Response times: what is between two judgements of one sitting."""

import numpy as np
import pytest

from beholder.errors import ConfigError
from beholder.quality import response_times
from beholder.quality.response_times import ResponseTimesConfig
from beholder.taste.dataset import NO_TIME

S = 1_000_000


def test_sittings_end_at_gaps_and_attributes_of_one_moment_are_one_event():
    person = np.array([0, 0, 0, 0, 0, 1, 1])
    at = np.array([0, 0, 4 * S, 10 * S, 1000 * S, 5 * S, 7 * S])
    who, seconds, sittings = response_times.intervals(person, at, sitting_gap=300)
    assert who.tolist() == [0, 0, 1]
    assert seconds.tolist() == [4, 6, 2]
    assert np.bincount(sittings).tolist() == [2, 1]


def test_medians_and_fast_ones_are_counted_by_person():
    person = np.repeat([0, 1], 5)
    at = np.r_[np.cumsum([0, 1, 1, 1, 9]), np.cumsum([0, 8, 8, 8, 8])] * S
    found = response_times.response_times(person, at, people=3, usual=8, config=ResponseTimesConfig())
    assert found["seconds"][:2].tolist() == [1, 8]
    assert np.isnan(found["seconds"][2])
    assert found["seconds.fast"].tolist() == [3, 0, 0]
    assert found["seconds.count"].tolist() == [4, 4, 0]
    assert found["seconds.spread"][1] == pytest.approx(0)
    assert found["sittings"].tolist() == [1, 1, 0]


def test_without_times_nothing_is_said():
    person, at = np.array([0, 0, 1]), np.full(3, NO_TIME)
    found = response_times.response_times(person, at, people=2, usual=float("nan"), config=ResponseTimesConfig())
    assert found["seconds.count"].tolist() == [0, 0]
    assert np.isnan(found["seconds"]).all()


def test_the_usual_time_is_the_median_of_people_with_enough():
    person = np.repeat([0, 1, 2], [12, 12, 3])
    seconds = np.r_[np.full(12, 2.0), np.full(12, 6.0), np.full(3, 100.0)]
    assert response_times.typical(person, seconds) == 4
    assert np.isnan(response_times.typical(person[:0], seconds[:0]))


@pytest.mark.parametrize("settings", [{"sitting_gap": 0.0}, {"fast": 0.0}, {"fast": 1.0}])
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(ConfigError, match="expected times"):
        ResponseTimesConfig(**settings)
