"""Reasons: counted from the choices that bear on a direction, and from no others."""

from store_suite import answer, question

from beholder.recommending.explanations import Reason, reasons
from beholder.recommending.store.question import Choice


def choice(number: int, left: dict, right: dict, chosen: str) -> Choice:
    return Choice(question(number, left=left, right=right), answer(number, chosen), number)


CHOICES = [
    choice(1, {"smile": 1.0}, {}, "left"),
    choice(2, {"smile": -1.0}, {"smile": 2.0}, "right"),
    choice(3, {"smile": 2.0, "hat": 1.0}, {"smile": 1.0}, "right"),
    choice(4, {"smile": 1.0}, {}, "neither"),
    choice(5, {"smile": 1.0, "hat": 1.0}, {"smile": 1.0}, "left"),
]


def test_a_direction_is_backed_by_the_choices_that_differed_in_it():
    assert reasons({"hat": 1.0, "smile": 1.5}, CHOICES, {"smile": ("stern", "smiling")}) == [
        Reason("smile", 1.5, asked=3, chosen=2, means="smiling"),
        Reason("hat", 1.0, asked=2, chosen=1),
    ]


def test_the_other_way_counts_the_other_side():
    (found,) = reasons({"smile": -1.5}, CHOICES, {"smile": ("stern", "smiling")})
    assert (found.asked, found.chosen, found.means) == (3, 1, "stern")


def test_what_it_says():
    told, untold = Reason("smile", 1.4, 5, 4, "smiling"), Reason("hat", -2.0, 0, 0)
    assert str(told) == "smile +1.4 (smiling): of 5 questions that differed in it, you chose this way in 4"
    assert str(untold) == "hat -2: you were not asked about it yet; it is what your other choices and other people's suggest"


def test_choices_that_speak_against_it_are_not_hidden():
    said = str(Reason("smile", 1.4, 3, 1))
    assert said == (
        "smile +1.4: of 3 questions that differed in it, you chose this way in 1; all choices taken together still speak for it"
    )
    assert "of one question that differed in it, you chose this way in none;" in str(Reason("hat", 1.0, 1, 0))
    assert "still" not in str(Reason("hat", 1.0, 2, 1))


def test_an_edit_of_nothing_needs_no_reason():
    assert reasons({"smile": 0.0}, CHOICES, {}) == []
