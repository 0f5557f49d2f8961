"""What is known of a taste, in numbers and in words."""

import numpy as np
import pytest

from beholder.recommending.edit_set import EditSet
from beholder.recommending.explanations import DirectionPreference, direction_preferences, words
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo

NAMES = ("smile", "older", "hat")
SINGLES = [(alpha, 0, 0) for alpha in (-2, 1, 2)] + [(0, alpha, 0) for alpha in (-1, 1)] + [(0, 0, 1)]
ALPHAS = np.array([*SINGLES, (2, 1, 0), (2, 0, 1)], np.float32)
OPTIONS = EditSet(ALPHAS, np.ones((len(ALPHAS), 2), np.float32), NAMES, np.ones(2, np.float32))


class Plain(Ranker):
    """Likes smiles of 1 best, and youth; knows its doubt about each."""

    info = RankerInfo("plain", NAMES, 2)

    def joint(self, user_id, edit_set):
        smile, older, hat = edit_set.alphas.astype(float).T
        return JointNormal(5.0 + 2 * smile - smile**2 - 0.5 * older - hat, edit_set.alphas * np.array([0.25, 0.4, 0.1]))


def test_the_best_strength_of_each_direction():
    found = direction_preferences(Plain(), "ana", [OPTIONS])
    told = [(each.direction, each.alpha, each.gain, each.uncertainty) for each in found]
    assert told == [
        ("smile", 1.0, pytest.approx(1.0), pytest.approx(0.25)),
        ("older", -1.0, pytest.approx(0.5), pytest.approx(0.4)),
        ("hat", 1.0, pytest.approx(-1.0), pytest.approx(0.1)),
    ]
    assert direction_preferences(Plain(), "ana", [OPTIONS, OPTIONS]) == found


def test_words_tell_what_is_more_than_chance():
    found = direction_preferences(Plain(), "ana", [OPTIONS])
    labels = {"smile": ("frowning", "smiling"), "older": ("who is young", "who is old")}
    assert words(found, labels) == ["You like somebody smiling", "You seem to like somebody who is young"]
    assert words(found, {}) == ["You like more smile", "You seem to like less older"]
    assert words([DirectionPreference("smile", 1.0, 0.1, 1.0)], labels) == []
