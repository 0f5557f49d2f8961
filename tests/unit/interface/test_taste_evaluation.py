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
        (600, {"split": "person"}, "split='person': expected image or pair"),
        (2, {}, "too few"),
    ],
)
def test_what_can_not_be_judged_is_refused(study, rows, settings, says):
    with pytest.raises(bh.InputError, match=says):
        bh.evaluate(study.comparisons.head(rows), embeddings=study.vectors, **settings)


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
