"""Questions, answers and a recommendation for one person, without a folder that is left behind."""

import numpy as np
import pandas as pd
import pytest

import beholder as bh
from beholder.errors import ChoiceError, EditError, ImageError, InputError


def answered(recommender, rounds=8):
    """Answer as somebody does who likes dark and long hair."""
    for _ in range(rounds):
        question = recommender.ask()
        left, right = (
            side.edit.get("longer_hair", 0) - side.edit.get("lighter_hair", 0) for side in (question.left, question.right)
        )
        recommender.answer("left" if left > right else "right")
    return recommender


def test_what_somebody_likes_is_recommended(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recommender = answered(bh.Recommender("dark-and-long", 3, seed=0))
    assert recommender.answers == 8
    best = recommender.recommend(3)
    edit = best.picture.edit
    assert edit.get("longer_hair", 0) - edit.get("lighter_hair", 0) > 0
    assert best.probability > 0.6
    assert len(best.pictures) == len(best.table) <= 4
    assert best._repr_html_().count("<img") == len(best.pictures) + 1
    assert "hair" in repr(best)
    assert bh.edit(best.picture, hat=2).edit == {**edit, "hat": 2.0}
    assert bh.Recommender("dark-and-long", 8).answers == 8  # what was said counts for other images
    assert list(tmp_path.iterdir()) == []


def test_a_question_shows_both_sides():
    question = bh.Recommender("somebody", 4, seed=0).ask()
    assert question.left.edit != question.right.edit
    assert question._repr_html_().count("<img") == 2
    assert question.left.pixels.shape == question.right.pixels.shape


def test_answers_are_kept_in_a_workspace(tmp_path):
    place = tmp_path / "kept"
    recommender = bh.Recommender(7, 3, workspace=place, seed=0)
    question = recommender.ask()
    assert recommender.answer("b", question).answers == 1
    assert recommender.undo(question).answers == 0
    assert (place / "choices.db").is_file()


def test_only_what_is_allowed_changes():
    question = bh.Recommender("hair-only", 3, allow=["smile"], seed=0).ask()
    assert {*question.left.edit, *question.right.edit} == {"smile"}


def test_it_starts_from_a_fitted_taste():
    rng = np.random.default_rng(0)
    pictures = {number: np.asarray(bh.edit(int(number), hat=3 * (number % 2))) for number in range(12)}
    vectors = bh.embed(pictures)
    rows = [{"user_id": "hats", "image_id": number, "score": 3.0 * (number % 2) + rng.normal() / 9} for number in pictures]
    taste = bh.fit(rows, embeddings=vectors)
    best = bh.Recommender("hats", 3, taste=taste).recommend(2)  # before any question
    assert best.answers == 0
    with pytest.raises(InputError, match="fitted to embeddings of given"):
        bh.Recommender("hats", 3, taste=bh.fit(rows, embeddings=pd.DataFrame(vectors.to_numpy())))


def test_what_can_not_be_done_is_said():
    recommender = bh.Recommender("nobody-yet", 3)
    with pytest.raises(ChoiceError, match="nothing is known yet of what nobody-yet likes"):
        recommender.recommend()
    with pytest.raises(ChoiceError, match="nothing was asked yet"):
        recommender.answer("left")
    recommender.ask()
    with pytest.raises(InputError, match="answer 'up': expected left, right or neither"):
        recommender.answer("up")
    with pytest.raises(InputError, match="count: expected at least 1"):
        recommender.recommend(0)


@pytest.mark.parametrize(
    ("user", "image", "settings", "error", "says"),
    [
        ("", 3, {}, InputError, "an empty name"),
        (None, 3, {}, InputError, "user: expected an id"),
        ("ana", -3, {}, InputError, "expected a seed"),
        ("ana", "nowhere.jpg", {}, ImageError, "does not exist"),
        ("ana", 3, {"allow": ["smiel"]}, EditError, "did you mean smile"),
    ],
)
def test_who_and_what_have_to_be_there(user, image, settings, error, says):
    with pytest.raises(error, match=says):
        bh.Recommender(user, image, **settings)
