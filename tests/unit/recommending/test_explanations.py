"""What is known of a taste, in numbers and in words, and the reasons of an edit, counted from the choices that bear on it."""

import numpy as np
import pytest
from support.partial_doubles import PartialRanker
from support.store_suite import answer, question

from beholder.editing.directions.vocabulary import Vocabulary
from beholder.recommending.edit_set import EditSet
from beholder.recommending.explanations import DirectionPreference, Reason, direction_preferences, reasons, repeated, words
from beholder.recommending.rankers.ranker import JointNormal, RankerInfo
from beholder.recommending.store.question import Choice

NAMES = ("smile", "older", "hat")
SINGLES = [(alpha, 0, 0) for alpha in (-2, 1, 2)] + [(0, alpha, 0) for alpha in (-1, 1)] + [(0, 0, 1)]
ALPHAS = np.array([*SINGLES, (2, 1, 0), (2, 0, 1)], np.float32)
EDIT_SET = EditSet(ALPHAS, np.ones((len(ALPHAS), 2), np.float32), NAMES, np.ones(2, np.float32))

VOCABULARY = Vocabulary.of(["smile", "older", "hat"])


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
    assert words(found, VOCABULARY) == ["You like more of a smile", "You seem to like younger features"]
    little = [DirectionPreference("smile", 1.0, 0.1, 1.0), DirectionPreference("hat", -2.0, -0.1, 1.0)]
    assert words(little, VOCABULARY) == []
    assert words(little, VOCABULARY, rounds=1) == ["Perhaps you like more of a smile"]


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
    assert reasons({"hat": 1.0, "smile": 1.5}, DECIDED, VOCABULARY) == [
        Reason("smile", 1.5, asked=3, chosen=2, means="more of a smile"),
        Reason("hat", 1.0, asked=2, chosen=1, means="towards a hat"),
    ]


def test_the_other_way_counts_the_other_side():
    (reason,) = reasons({"smile": -1.5}, DECIDED, VOCABULARY)
    assert (reason.asked, reason.chosen, reason.means) == (3, 1, "less of a smile")


def test_a_reason_in_words():
    known, unknown = Reason("smile", 1.4, 5, 4, "more of a smile"), Reason("hat", -2.0, 0, 0, "no hat")
    assert str(known) == "more of a smile: of 5 questions that differed in it, you chose this way in 4"
    assert str(unknown) == "no hat: you were not asked about it yet; it is what your other choices and other people's suggest"


def test_choices_that_speak_against_it_are_not_hidden():
    sentence = str(Reason("smile", 1.4, 3, 1, "more of a smile"))
    assert sentence == (
        "more of a smile: of 3 questions that differed in it, you chose this way in 1; "
        "all choices taken together still speak for it"
    )
    assert "of one question that differed in it, you chose this way in none;" in str(Reason("hat", 1.0, 1, 0, "a hat"))
    assert "still" not in str(Reason("hat", 1.0, 2, 1, "a hat"))


def test_an_edit_of_nothing_needs_no_reason():
    assert reasons({"smile": 0.0}, DECIDED, VOCABULARY) == []


def test_the_same_question_again_tells_how_consistent_somebody_is():
    smile, plain = {"smile": 1.0}, {"smile": -1.0}
    asked = [choice(1, smile, plain, "left"), choice(2, plain, smile, "right"), choice(3, smile, plain, "neither")]
    assert repeated(asked) == (1, 1)
    assert repeated([*asked, choice(4, plain, smile, "left")]) == (2, 1)
    assert repeated([choice(1, smile, plain, "left"), choice(2, smile, {"hat": 1.0}, "left")]) == (0, 0)
