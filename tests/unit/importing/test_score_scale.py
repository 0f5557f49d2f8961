"""score_scale: scales as people write them, and scores on them."""

import numpy as np
import pytest

from beholder.errors import ConfigError
from beholder.importing.score_scale import FoundScores, ScoreScale


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("1..7", ScoreScale(1, 7)),
        ("0 .. 10 : 0.5", ScoreScale(0, 10, 0.5)),
        ("0..10 by 2", ScoreScale(0, 10, 2)),
        ("0..100:0", ScoreScale(0, 100, 0)),
        ("0.0..1.0", ScoreScale(0, 1, 0)),
        ("-3..3", ScoreScale(-3, 3)),
        ("7..1", ScoreScale(1, 7, backwards=True)),
        ("bad, fair, good", ScoreScale(1, 3, 1, ("bad", "fair", "good"))),
    ],
)
def test_what_people_write(text, scale):
    assert ScoreScale.parse(text) == scale
    assert ScoreScale.parse(str(scale)) == scale


@pytest.mark.parametrize("text", ["", "7", "1..1", "1..7:4", "good", "good,good", "good,,bad", "1-7"])
def test_what_is_no_scale(text):
    with pytest.raises(ConfigError, match=r"a scale is expected like 1\.\.7"):
        ScoreScale.parse(text)


@pytest.mark.parametrize(
    ("scale", "text", "score"),
    [
        ("1..7", "7", 7),
        ("1..7", "7,0", 7),
        ("1..7", "3.0000000001", 3),
        ("1..7", "8", None),
        ("1..7", "0", None),
        ("1..7", "3.5", None),
        ("1..5:0.5", "3.5", 3.5),
        ("1..5:0.5", "3.4", None),
        ("0..100:0", "33.3", 33.3),
        ("0..100:0", "100.1", None),
        ("7..1", "1", 7),
        ("7..1", "6", 2),
        ("bad,fair,good", "Fair", 2),
        ("bad,fair,good", "3", 3),
        ("bad,fair,good", "great", None),
    ],
)
def test_scores(scale, text, score):
    found, reason = ScoreScale.parse(scale).reader(None)(text)
    assert found == score
    assert (reason is None) == (score is not None)
    assert reason is None or reason.endswith(f"expected {scale}")


def test_onto_another_scale():
    moved = ScoreScale(1, 7).onto(ScoreScale(1, 4), np.array([1.0, 4.0, 7.0]))
    assert moved.tolist() == [1, 2.5, 4]


@pytest.mark.parametrize(
    ("scores", "scale"),
    [
        ([2, 5, 3], "2..5"),
        ([1, 1.5, 4], "1..4:0.5"),
        ([0, 33.3, 98.2], "0..98.2:0"),
        ([3], "3..4"),
    ],
)
def test_a_scale_is_found_as_far_as_scores_tell(scores, scale):
    found = FoundScores()
    for score in scores:
        found.add(np.array([score], np.float64))
    assert str(found.scale()) == scale
    assert found.count == len(scores)
