"""What is known of a taste, in numbers and in words, and the reasons of an edit, counted from the choices that bear on it."""

import numpy as np
import pytest
from support.partial_doubles import PartialRanker
from support.store_suite import answer, question

from beholder.recommending.edit_set import EditSet
from beholder.recommending.explanations import DirectionPreference, Reason, direction_preferences, reasons, words
from beholder.recommending.rankers.ranker import JointNormal, RankerInfo
from beholder.recommending.store.question import Choice

NAMES = ("smile", "older", "hat")
SINGLES = [(alpha, 0, 0) for alpha in (-2, 1, 2)] + [(0, alpha, 0) for alpha in (-1, 1)] + [(0, 0, 1)]
ALPHAS = np.array([*SINGLES, (2, 1, 0), (2, 0, 1)], np.float32)
EDIT_SET = EditSet(ALPHAS, np.ones((len(ALPHAS), 2), np.float32), NAMES, np.ones(2, np.float32))


class Plain(PartialRanker):
    """Likes smiles of 1 best, and youth; knows its uncertainty about each."""

    info = RankerInfo("plain", NAMES, 2)

    def joint(self, user_id, edit_set):
        smile, older, hat = edit_set.alphas.astype(float).T
        return JointNormal(5.0 + 2 * smile - smile**2 - 0.5 * older - hat, edit_set.alphas * np.array([0.25, 0.4, 0.1]))


def test_the_best_strength_of_each_direction():
    found = direction_preferences(Plain(), "ana", [EDIT_SET])
    told = [(each.direction, each.alpha, each.gain, each.uncertainty) for each in found]
    expected: list[tuple] = [
        ("smile", 1.0, pytest.approx(1.0), pytest.approx(0.25)),
        ("older", -1.0, pytest.approx(0.5), pytest.approx(0.4)),
        ("hat", 1.0, pytest.approx(-1.0), pytest.approx(0.1)),
    ]
    assert told == expected
    assert direction_preferences(Plain(), "ana", [EDIT_SET, EDIT_SET]) == found


def test_words_tell_what_is_more_than_chance():
    found = direction_preferences(Plain(), "ana", [EDIT_SET])
    labels = {"smile": ("frowning", "smiling"), "older": ("who is young", "who is old")}
    assert words(found, labels) == ["You like somebody smiling", "You seem to like somebody who is young"]
    assert words(found, {}) == ["You like more smile", "You seem to like less older"]
    assert words([DirectionPreference("smile", 1.0, 0.1, 1.0)], labels) == []


def choice(number: int, left: dict, right: dict, chosen: str) -> Choice:
    return Choice(question(number, left=left, right=right), answer(number, chosen), number)


DECIDED = [
    choice(1, {"smile": 1.0}, {}, "left"),
    choice(2, {"smile": -1.0}, {"smile": 2.0}, "right"),
    choice(3, {"smile": 2.0, "hat": 1.0}, {"smile": 1.0}, "right"),
    choice(4, {"smile": 1.0}, {}, "neither"),
    choice(5, {"smile": 1.0, "hat": 1.0}, {"smile": 1.0}, "left"),
]


def test_a_direction_is_backed_by_the_choices_that_differed_in_it():
    assert reasons({"hat": 1.0, "smile": 1.5}, DECIDED, {"smile": ("stern", "smiling")}) == [
        Reason("smile", 1.5, asked=3, chosen=2, means="smiling"),
        Reason("hat", 1.0, asked=2, chosen=1),
    ]


def test_the_other_way_counts_the_other_side():
    (reason,) = reasons({"smile": -1.5}, DECIDED, {"smile": ("stern", "smiling")})
    assert (reason.asked, reason.chosen, reason.means) == (3, 1, "stern")


def test_a_reason_in_words():
    known, unknown = Reason("smile", 1.4, 5, 4, "smiling"), Reason("hat", -2.0, 0, 0)
    assert str(known) == "smile +1.4 (smiling): of 5 questions that differed in it, you chose this way in 4"
    assert str(unknown) == "hat -2: you were not asked about it yet; it is what your other choices and other people's suggest"


def test_choices_that_speak_against_it_are_not_hidden():
    sentence = str(Reason("smile", 1.4, 3, 1))
    assert sentence == (
        "smile +1.4: of 3 questions that differed in it, you chose this way in 1; all choices taken together still speak for it"
    )
    assert "of one question that differed in it, you chose this way in none;" in str(Reason("hat", 1.0, 1, 0))
    assert "still" not in str(Reason("hat", 1.0, 2, 1))


def test_an_edit_of_nothing_needs_no_reason():
    assert reasons({"smile": 0.0}, DECIDED, {}) == []
