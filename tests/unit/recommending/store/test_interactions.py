"""interactions.csv: there and back without loss, and the plain file of older recommenders."""

import math
from datetime import UTC, datetime, timedelta, timezone
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.store_suite import NOON, answer, question

from beholder.errors import ChoiceError
from beholder.recommending.store import interactions
from beholder.recommending.store.choice_store import Store
from beholder.recommending.store.question import Answer, Choice, Question

names = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=20)
edits = st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), max_size=3)
times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=3))]))


def moves(edit: dict[str, float]) -> dict[str, float]:
    return {name: alpha for name, alpha in edit.items() if alpha != 0}


def moves_otherwise(left: dict[str, float], right: dict[str, float]) -> bool:
    return moves(left) != moves(right)


@st.composite
def asked(draw) -> list[Choice]:
    found = []
    for number in range(draw(st.integers(0, 4))):
        left = draw(edits)
        right = draw(edits.filter(partial(moves_otherwise, left)))
        chance = draw(st.none() | st.floats(0, 1, exclude_min=True))
        one = Question(
            f"q{number}",
            draw(names),
            draw(names),
            left,
            right,
            draw(names),
            draw(times),
            chance,
            draw(st.text("ab-\n,", max_size=4)),
        )
        seconds = draw(st.none() | st.floats(0, 1e6))
        found.append(
            Choice(
                one,
                Answer(draw(names), f"q{number}", draw(st.sampled_from(["left", "right", "neither"])), draw(times), seconds),
                number,
            )
        )
    return found


def answered(read: tuple[Question, Answer | None]) -> Answer:
    assert read[1] is not None
    return read[1]


@given(asked())
def test_there_and_back_is_exact(choices):
    back = interactions.read(interactions.write(choices), at=NOON)
    assert back == [(choice.question, choice.answer) for choice in choices]
    assert interactions.write([Choice(each[0], answered(each), 0) for each in back]) == interactions.write(choices)


def test_a_store_comes_back_from_its_file(tmp_path):
    one, other = Store.at(tmp_path / "one.db"), Store.at(tmp_path / "other.db")
    for number, choice in enumerate(["left", "right", "neither"], 1):
        one.ask(question(number))
        one.answer(answer(number, choice))
    one.ask(question(4))
    text = interactions.write(one.choices(), one.open_questions("ana"))
    assert other.add(interactions.read(text, at=NOON)) == 3
    assert interactions.write(other.choices(), other.open_questions("ana")) == text
    assert other.add(interactions.read(text, at=NOON)) == 0


def test_the_columns_say_what_was_chosen():
    text = interactions.write([Choice(question(7), answer(7, "right"), 1)])
    head, left, right = (line.split(",") for line in text.splitlines())
    assert head[:5] == ["user_id", "image_id", "direction", "alpha", "label"]
    assert left[:5] == ["ana", "face-1", "glasses+smile", f"-2.0+{1.4 + 1!r}", "0"]
    assert right[:5] == ["ana", "face-1", "", "0.0", "1"]


def test_the_plain_file_of_older_tools_is_the_edit_against_the_original():
    text = "user_id,image_id,direction,alpha,label\nana,f1,smile,1.5,1\nana,f1,hat,-2,0\nbo,f2,age+hat,1+2,0.5\n"
    first, second, third = interactions.read(text, at=NOON)
    assert (first[0].left, first[0].right, answered(first).choice) == ({"smile": 1.5}, {}, "left")
    assert (second[0].left, answered(second).choice) == ({"hat": -2.0}, "right")
    assert (third[0].left, answered(third).choice) == ({"age": 1.0, "hat": 2.0}, "neither")
    again = interactions.read("\ufeff" + text, at=NOON + timedelta(days=1))
    ids = [(each[0].question_id, answered(each).event_id) for each in (first, second, third)]
    assert [(each[0].question_id, answered(each).event_id) for each in again] == ids


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs the columns user_id"),
        ("user_id,image_id,direction,alpha\n", "label not found"),
        ("user_id,image_id,direction,alpha,label,side\n", "has side but not edit"),
        ("user_id,image_id,direction,alpha,label\nana,f,smile,much,1\n", "line 2: could not convert string to float"),
        ("user_id,image_id,direction,alpha,label\nana,f,smile,1,2\n", "line 2: label is '2', expected 1, 0 or 0.5"),
        ("user_id,image_id,direction,alpha,label\nana,f,smile,0,1\n", "line 2: .*same edit on both sides"),
        ("user_id,image_id,direction,alpha,label\nana,f,smile,nan,1\n", "line 2: .*expected a finite number"),
        ("user_id,image_id,direction,alpha,label\nana,f\n", "line 2"),
    ],
)
def test_what_can_not_be_read_is_said_with_its_line(text, message):
    with pytest.raises(ChoiceError, match=message):
        interactions.read(text, at=NOON)


def test_half_a_question_is_said():
    lines = interactions.write([Choice(question(1), answer(1), 1), Choice(question(2), answer(2), 2)]).splitlines()
    with pytest.raises(ChoiceError, match="3 rows; each question is two"):
        interactions.read("\n".join(lines[:-1]), at=NOON)
    with pytest.raises(ChoiceError, match="lines 2 and 3: expected the left and the right side"):
        interactions.read("\n".join([lines[0], lines[1], lines[4], lines[3], lines[2]]), at=NOON)


def test_alphas_keep_their_last_bit():
    alpha = math.nextafter(1.4, 2)
    text = interactions.write([Choice(question(1, left={"smile": alpha}), answer(1), 1)])
    assert interactions.read(text, at=NOON)[0][0].left == {"smile": alpha}
