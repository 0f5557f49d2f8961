"""An evaluation finds who has a taste of their own, and judges on nothing that was learned from."""

import numpy as np
import pandas as pd
import pytest

import beholder as bh


def test_people_who_differ_gain_over_what_everybody_shares(study):
    result = bh.evaluate(comparisons=study.comparisons, ratings=study.ratings, embeddings=study.vectors)
    assert result.accuracy > 0.85
    assert result.accuracy - result.population == pytest.approx(result.gain[0])
    assert result.gain[1] <= result.gain[0] <= result.gain[2]
    assert set(result.table["user_id"]) == {"ana", "ben"}
    assert 0 <= result.calibration_error <= 0.5
    assert "right in" in repr(result)
    assert "<table" in result._repr_html_()


def test_answers_at_random_gain_nothing(study):
    rng = np.random.default_rng(1)
    noise = study.comparisons.assign(choice=rng.choice(["left", "right"], len(study.comparisons)))
    result = bh.evaluate(noise, embeddings=study.vectors, split="pair")
    assert 0.3 < result.accuracy < 0.7


def test_a_fitted_taste_is_judged_on_what_it_did_not_learn(study):
    learned, fresh = study.comparisons[:400], study.comparisons[400:]
    result = bh.evaluate(fresh, taste=bh.fit(learned, embeddings=study.vectors))
    assert result.accuracy > 0.9
    assert result.figures["pairs"] == len(fresh)
    with pytest.raises(bh.InputError, match="'smart' was judged, but the taste was fitted to preference"):
        bh.evaluate(fresh.assign(attribute="smart"), taste=bh.fit(learned, embeddings=study.vectors))


@pytest.mark.parametrize(
    ("rows", "settings", "says"),
    [
        (600, {"split": "persons"}, "split='persons': expected image, pair or person"),
        (600, {"split": "person"}, "folds=4: expected 2 or more, and as many people; 2 judged these images"),
        (600, {"split": "pair", "crowd": True}, "it goes with split='image' or 'person'"),
        (600, {"split": "person", "shots": [-1]}, "shots: expected numbers of comparisons"),
        (2, {}, "too few"),
    ],
)
def test_what_can_not_be_judged_is_refused(study, rows, settings, says):
    with pytest.raises(bh.InputError, match=says):
        bh.evaluate(study.comparisons.head(rows), embeddings=study.vectors, **settings)


@pytest.fixture(scope="module")
def camps() -> tuple[np.ndarray, pd.DataFrame]:
    """60 images as vectors [60, 3], and ratings of 16 people, half of whom like the first number and half dislike it; what else an
    image has, which no vector says, everybody likes alike."""
    rng = np.random.default_rng(0)
    vectors, hidden = rng.normal(size=(60, 3)), rng.normal(size=60)
    rows = [
        (f"p{person}", image, round(float((1 if person % 2 else -1) * vectors[image, 0] + hidden[image]), 1))
        for person in range(16)
        for image in range(60)
    ]
    return vectors, pd.DataFrame(rows, columns=["user_id", "image_id", "score"])


def test_new_people_are_understood_the_better_the_more_they_said(camps):
    vectors, ratings = camps
    result = bh.evaluate(ratings, embeddings=vectors, split="person", shots=[40, 0, 5])
    assert result.learning is not None
    assert result.learning["judgements"].tolist() == [0, 5, 40]
    assert result.learning["gain"].iloc[0] == pytest.approx(0, abs=0.02)
    assert result.learning["gain"].iloc[2] > 0.1
    assert result.accuracy == result.learning["accuracy"].iloc[2]
    assert set(result.table["user_id"]) == {f"p{person}" for person in range(16)}
    assert "after 40 comparisons of somebody new" in repr(result)


@pytest.mark.parametrize(("split", "more"), [("image", {}), ("person", {"shots": [20]})])
def test_the_crowd_tells_what_no_vector_does(camps, split, more):
    vectors, ratings = camps
    result = bh.evaluate(ratings, embeddings=vectors, split=split, crowd=True, **more)
    assert result.crowd is not None
    assert result.crowd.accuracy > result.accuracy + 0.1
    assert "with what others said of the images in" in repr(result)
    assert bh.evaluate(ratings, embeddings=vectors, split=split, **more).crowd is None


def test_what_is_fitted_already_has_neither_new_people_nor_a_crowd(study):
    taste = bh.fit(study.comparisons, embeddings=study.vectors)
    for words in ({"crowd": True}, {"split": "person"}):
        with pytest.raises(bh.InputError, match="give a kind, such as taste='bayes'"):
            bh.evaluate(study.comparisons, taste=taste, **words)


def test_equal_ratings_leave_nothing_to_judge_on(study):
    with pytest.raises(bh.InputError, match="too few, or all alike"):
        bh.evaluate(study.ratings.assign(score=1), embeddings=study.vectors)


def test_quality_finds_who_always_takes_one_side(study):
    sided = study.comparisons.assign(user_id="cleo", choice="left")
    report = bh.quality(comparisons=pd.concat([study.comparisons, sided]))
    assert report.loc["cleo", "verdict"] == "biased"
    assert report.loc["cleo", "weight"] == 0
    assert report.index[0] == "cleo"
    assert report.sentence().startswith("3 people: ")
    assert "chose the left image in 100%" in repr(report)
    assert "<table" in report._repr_html_()
    taste = bh.fit(pd.concat([study.comparisons, sided]), embeddings=study.vectors, weights=report)
    assert np.corrcoef(taste.predict("ana"), study.vectors[:, 0])[0, 1] > 0.9


def test_quality_is_called_and_is_a_package_as_well(study):
    from beholder.quality import verdict

    assert verdict.VERDICTS
    assert bh.quality(study.comparisons.head(5))["verdict"].tolist() == ["too few", "too few"]
