"""Evaluation: known answers for agreement, intervals, calibration and ceilings; trust in what held-out judgements bear out."""

from dataclasses import replace

import numpy as np
import pytest
from support.partial_doubles import PartialTaste
from support.taste_suite import PEOPLE, simulate

from beholder import evaluation, plots
from beholder.reports import gain_charts
from beholder.statistics import Interval, bootstrap
from beholder.storage import Place
from beholder.taste import shrinkage, validation
from beholder.taste.contract import Normal, TasteInfo
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable

WORLD = simulate(images=120, comparisons=3000, ratings=900)
ITEMS = np.arange(120, dtype=np.float32)[:, None]  # an item is its own number


class Oracle(PartialTaste):
    """A taste that knows the truth, times a factor: 1 is the truth, -1 its opposite, 0 knows nothing. Strangers get 0."""

    def __init__(self, factor: float):
        self.info = TasteInfo("oracle", "none", WORLD.train.attributes, PEOPLE)
        self.factor = factor

    def utilities(self, items, user_ids, attribute):
        rows, column = self.info.rows(user_ids), self.info.attribute(attribute)
        found = self.factor * WORLD.truth[rows, column][:, items[:, 0].astype(int)]
        return np.where(rows[:, None] < 0, 0, found).astype(np.float32)

    def differences(self, left, right, user_id, attribute):
        mean = self.utilities(left, [user_id], attribute)[0] - self.utilities(right, [user_id], attribute)[0]
        return Normal(mean, np.zeros_like(mean))


def judged(factor: float):
    asked = validation.pairs(WORLD.train)
    return evaluation.agree(Oracle(factor), Oracle(0.0), WORLD.train, asked, ITEMS), asked


def test_who_knows_the_truth_gains_and_who_knows_its_opposite_loses_as_much():
    truth, opposite = (evaluation.figures(judged(factor)[0]) for factor in (1.0, -1.0))
    assert truth["accuracy.population"] == 0.5
    assert truth["gain.low"] > 0.2
    assert opposite["gain.mean"] == pytest.approx(-truth["gain.mean"])
    assert truth["logloss.personal"] < truth["logloss.population"] == pytest.approx(np.log(2))
    assert truth["srcc.personal"] > 0.5
    assert truth["people"] == len(PEOPLE)


def test_a_gain_is_less_sure_where_other_images_might_have_been_asked_about():
    table, asked = judged(1.0)
    found = evaluation.figures(table)
    both = evaluation.two_way_gain(Oracle(1.0), Oracle(0.0), WORLD.train, asked, ITEMS)
    assert both.mean == pytest.approx(found["gain.mean"], abs=0.02)
    assert 0 < both.low < both.mean < both.high
    assert both.high - both.low > found["gain.high"] - found["gain.low"]


def test_a_lead_is_paired_and_turns_with_who_is_compared():
    truth, opposite = judged(1.0)[0], judged(-1.0)[0]
    ahead, behind = evaluation.lead(truth, opposite), evaluation.lead(opposite, truth)
    assert ahead.mean == pytest.approx(2 * evaluation.figures(truth)["gain.mean"])
    assert behind.mean == pytest.approx(-ahead.mean)
    assert evaluation.lead(truth, judged(2.0)[0]) == Interval(0.0, 0.0, 0.0)


def test_the_truth_is_calibrated_and_more_than_the_truth_is_not():
    asked = validation.pairs(replace(WORLD.train, ratings=WORLD.train.ratings[:0]))
    honest = evaluation.calibration_error(Oracle(1.0), WORLD.train, asked, ITEMS)
    boastful = evaluation.calibration_error(Oracle(8.0), WORLD.train, asked, ITEMS)
    assert honest < 0.05 < 0.1 < boastful


def test_the_bootstrap_covers_the_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    hits = 0
    for seed in range(200):
        interval = bootstrap(rng.normal(0.3, 1, 60), seed=seed, draws=500)
        hits += interval.low <= 0.3 <= interval.high
    assert 180 <= hits <= 199
    assert np.isnan(bootstrap(np.array([np.nan])).mean)


def test_the_ceiling_comes_from_repeats():
    rng = np.random.default_rng(0)
    pairs, error = 4000, 0.2
    truth = rng.random(pairs) < 0.5
    said = [truth ^ (rng.random(pairs) < error) for _ in range(2)]
    left, right = np.zeros(pairs, np.int64), np.arange(1, pairs + 1)
    # the second time the other way round: it is the same pair
    compared = ComparisonTable(
        np.zeros(2 * pairs, np.int64), np.r_[left, right], np.r_[right, left], np.zeros(2 * pairs, np.int64),
        np.r_[said[0], ~said[1]].astype(np.float32),
    )  # fmt: skip
    none = np.zeros(0, np.int64)
    dataset = JudgementDataset(
        ("ana",), tuple(map(str, range(pairs + 1))), ("smart",), RatingTable(none, none, none, none), compared
    )
    highest, repeats = evaluation.ceiling(dataset)
    assert repeats == pairs
    assert highest == pytest.approx(1 - error, abs=0.015)


def test_the_first_judgements_are_as_many_as_asked_and_nested_nowhere_else():
    few = evaluation.first(WORLD.train, 5, seed=0)
    cells = np.unique(few.comparisons.person * 2 + few.comparisons.attribute, return_counts=True)[1]
    assert set(cells) == {5}
    assert not len(few.ratings)


@pytest.mark.parametrize(("factor", "least", "most"), [(1.0, 0.99, 1.0), (-1.0, 0.0, 0.01), (0.0, 0.79, 0.81)])
def test_trust_follows_what_held_out_judgements_say(factor, least, most):
    weights = shrinkage.weigh(Oracle(factor), WORLD.train, ITEMS, seed=0)
    assert all(least <= weight <= most for weight in weights["smart"].values())


def test_whoever_is_not_trusted_is_served_the_populations():
    served = shrinkage.ShrunkTaste(Oracle(-1.0), {"smart": {PEOPLE[0]: 0.0, PEOPLE[1]: 0.5}})
    found = served.utilities(ITEMS, PEOPLE[:3], "smart")
    assert not found[0].any()
    np.testing.assert_allclose(found[1], -0.5 * WORLD.truth[1, 1], rtol=1e-5)
    np.testing.assert_allclose(found[2], -WORLD.truth[2, 1], rtol=1e-5)
    pair = ITEMS[:5], ITEMS[5:10]
    for user_id in PEOPLE[:3]:
        belief = served.differences(*pair, user_id, "smart")
        utilities = served.utilities(ITEMS, [user_id], "smart")[0]
        np.testing.assert_allclose(belief.mean, utilities[:5] - utilities[5:10], atol=1e-5)


def test_pictures_are_written(tmp_path):
    table, _ = judged(1.0)
    place = plots.save(Place.at(tmp_path), "gain", gain_charts.by_person(table), title="gain")
    assert place.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    curve = evaluation.summarise({0: np.zeros(5), 10: np.ones(5)})
    assert curve["gain"].tolist() == [0, 1]
    plots.save(Place.at(tmp_path), "learning", gain_charts.learning({"bayes": curve}))


def test_where_a_taste_is_sure_it_is_right_more_often():
    asked = validation.pairs(WORLD.train)
    found = evaluation.confidences(Oracle(1.0), WORLD.train, asked, ITEMS)
    assert len(found.chance) == len(asked)
    everywhere, sure, none = (found.selective(at) for at in (0.5, 0.9, 1.1))
    assert everywhere["sure.share"] == 1
    assert 0.1 < sure["sure.share"] < 0.9
    assert sure["sure.low"] <= sure["sure.mean"] <= sure["sure.high"]
    assert sure["sure.mean"] > everywhere["sure.mean"] + 0.05
    assert none["sure.share"] == 0
    assert np.isnan(none["sure.mean"])
    assert found.calibration_error() == evaluation.calibration_error(Oracle(1.0), WORLD.train, asked, ITEMS)


def test_accuracy_where_sure_is_a_mean_over_people():
    found = evaluation.Confidences(
        np.array([0.9, 0.9, 0.9, 0.6, 0.9]), np.array([1.0, 1.0, 0.0, 0.0, 0.0]), np.array([0, 0, 0, 1, 2])
    )
    selective = found.selective(0.8)
    assert selective["sure.share"] == 0.8
    assert selective["sure.mean"] == pytest.approx((2 / 3 + 0) / 2)
