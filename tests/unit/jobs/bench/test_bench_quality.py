"""The tables of `bench quality` count what is in them, and cut people keep the first judgements of both kinds."""

import numpy as np
import pandas as pd
import pytest

from beholder.errors import ConfigError
from beholder.jobs.bench import bench_quality
from beholder.jobs.bench.bench_quality import WHOLE, BenchQualitySettings, KeptTables
from beholder.jobs.bench.simulated_raters import SimulatedRaters
from beholder.jobs.bench.simulated_study import SimulatedStudy, first_judgements
from beholder.quality.measures import MeasuresConfig
from beholder.quality.predictability import PredictabilityConfig

STUDY = SimulatedStudy(seed=3, steady=4, images=40, comparisons=160, ratings=80)


def found(study, kind, verdict, cut, *, judgements=200):
    looks = kind == "steady"
    called = verdict in ("random", "biased")
    row = {"study": study, "kind": kind, "verdict": verdict, "cut": cut, "judgements": judgements}
    return row | {"looks": looks, "called": called, "limited": True}


def test_planted_and_looking_people_are_counted_by_study_and_by_judgements():
    table = pd.DataFrame(
        [
            found("one", "random", "random", WHOLE),
            found("one", "first", "doubtful", WHOLE),
            found("one", "flat", "believed", WHOLE, judgements=99),  # too few to count
            found("one", "steady", "biased", WHOLE),
            found("two", "random", "random", WHOLE),
            found("two", "steady", "believed", WHOLE),
            found("one", "random", "random", 30),
            found("one", "steady", "believed", 30),
        ]
    )
    rows, figures = bench_quality.by_study(table)
    assert figures == {
        "planted": 3,
        "planted.found": 2,
        "steady": 2,
        "steady.called": 1,
        "steady.called.most": 1,
        "steady.doubtful": 0,
    }
    assert rows[2].split("|")[1:4] == [" one ", " 1 of 2 ", " first "]
    rows, curve = bench_quality.by_count(table)
    assert curve["30/random.called"] == curve["all/random.called"] == 1
    assert curve["all/looking.called"] == 0.5
    assert rows[-1].startswith("| all ")


def test_the_difference_that_weights_make_is_paired_by_person():
    accuracy = pd.DataFrame({"accuracy.all": [0.6, 0.8, 0.7], "accuracy.weighted": [0.61, 0.81, 0.71], "seed": [1, 1, 2]})
    loss = {"logloss.all": [0.5, 0.6, 0.7], "logloss.weighted": [0.5, 0.5, 0.5]}
    rows, figures = bench_quality.by_taste(accuracy.assign(study="planted", taste="bayes", **loss))
    assert figures["planted/bayes/accuracy.gain.mean"] == pytest.approx(0.01)
    assert figures["planted/bayes/accuracy.gain.low"] == pytest.approx(0.01)
    assert figures["planted/bayes/logloss.gain.mean"] == pytest.approx(-0.1)
    assert figures["planted/bayes/accuracy.worse"] == 0
    assert len(rows) == 3
    assert bench_quality.by_taste(pd.DataFrame()) == ([], {})


def test_people_of_one_seed_go_together_in_the_interval():
    """Ten people a seed who all gain, or all lose: of two seeds, either may have been drawn twice."""
    gain = np.repeat([0.02, -0.01], 10)
    accuracy = pd.DataFrame({"accuracy.all": 0.7, "accuracy.weighted": 0.7 + gain, "logloss.all": 0.5, "logloss.weighted": 0.5})
    _, figures = bench_quality.by_taste(accuracy.assign(study="planted", taste="bayes", seed=np.repeat([1, 2], 10)))
    assert figures["planted/bayes/accuracy.gain.low"] == pytest.approx(-0.01)
    assert figures["planted/bayes/accuracy.gain.high"] == pytest.approx(0.02)
    assert figures["planted/bayes/accuracy.worse"] == 1


def test_what_a_task_found_is_kept_for_the_same_settings_alone(tmp_path):
    settings = BenchQualitySettings(workspace=str(tmp_path))
    kept = KeptTables.of(settings)
    table = pd.DataFrame({"user_id": ["a"], "called": [True]})
    assert kept.read("detect-1-0") is None
    kept.keep("detect-1-0", table)
    again = KeptTables.of(BenchQualitySettings(workspace=str(tmp_path), seeds=[1, 2]))  # more seeds, the same task
    found = again.read("detect-1-0")
    assert found is not None
    pd.testing.assert_frame_equal(found, table)
    others = BenchQualitySettings(workspace=str(tmp_path), measures=MeasuresConfig(predictability=PredictabilityConfig(folds=3)))
    assert KeptTables.of(others).read("detect-1-0") is None


def test_the_first_judgements_are_kept_in_their_order():
    ratings, _, kinds = STUDY.tables()
    who = kinds.index[0]
    kept = first_judgements(ratings, pd.Series({who: 0.5})).to_pandas()
    whole = ratings.to_pandas()
    own, mine = (frame[frame["user_id"] == who] for frame in (whole, kept))
    assert len(mine) == round(len(own) / 2)
    assert mine["at"].max() <= own.loc[~own["judgement_id"].isin(mine["judgement_id"]), "at"].min()
    assert len(kept) - len(mine) == len(whole) - len(own)


def test_planted_raters_judge_enough_to_be_found():
    ratings, comparisons, kinds = STUDY.tables()
    users = pd.concat([table["user_id"].to_pandas() for table in (ratings, comparisons)])
    assert (users.value_counts()[kinds.index[kinds != "steady"]] >= 100).all()
    assert kinds.value_counts().to_dict() == {"steady": 4, "random": 2, "first": 1, "flat": 1}


def test_a_share_of_simulated_raters_rates_at_random():
    raters = SimulatedRaters(people=200, fewest=30, most=30, images=50, dimensions=4, seed=1, random=0.2)
    dice = raters.random_people()
    assert 20 < len(dice) < 60
    vectors = raters.vectors().astype(np.float64)
    frame = pd.concat([part.to_pandas() for part in raters.parts(vectors, np.arange(50).astype(str), 0)])
    mean = frame.groupby("image_id")["score"].transform("mean")
    kinship = frame.assign(mean=mean).groupby("user_id").apply(lambda own: own["score"].corr(own["mean"]), include_groups=False)
    assert kinship[dice].mean() < kinship.drop(dice).mean() - 0.2


@pytest.mark.parametrize("settings", [{"judgements": [0]}, {"ratings": [5]}, {"ratings": [5, 3]}, {"seeds": []}, {"people": -1}])
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(ConfigError):
        BenchQualitySettings(**settings)
