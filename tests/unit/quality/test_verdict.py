"""Verdicts on people whose kind is known, and what they must not depend on."""

from dataclasses import replace

import numpy as np
import pytest

from beholder.errors import ConfigError
from beholder.quality.chance_mixture import fit_mixture
from beholder.quality.verdict import VERDICTS, VerdictConfig
from beholder.taste.dataset import NO_TIME, ComparisonTable, TimedJudgements


@pytest.fixture(scope="module")
def found(study, judge_people):
    timed, kinds = study
    table = judge_people(timed)
    return table.assign(kind=kinds.reindex(table["user_id"]).to_numpy())


def test_whoever_does_not_look_is_found_and_the_others_are_believed(found):
    by_kind = found.groupby("kind")["verdict"].agg(set)
    assert by_kind["random"] == {"random"}
    assert by_kind["first"] == by_kind["flat"] == {"biased"}
    assert by_kind["steady"] <= {"believed", "too few"}
    assert set(found["verdict"]) <= set(VERDICTS)


def test_weights_follow_the_verdicts(found):
    assert found["weight"].between(0, 1).all()
    assert (found.loc[found["verdict"] == "believed", "weight"] > 0.9).all()
    assert (found.loc[found["verdict"].isin(["random", "biased"]), "weight"] < 0.15).all()


def test_reasons_are_words_with_numbers(found):
    said = found.set_index("kind")["reasons"]
    assert "chose the left image in 9" in said["first"]
    assert "gave the same score in 100%" in said["flat"]
    assert "answers by chance with probability" in said["random"].iloc[0]
    assert "too fast" in said["random"].iloc[0]
    assert (found["reasons"].str.len() > 10).all()


def test_every_measure_has_its_interval(found):
    for name in ("predictability", "agreement", "consistency", "retest", "left", "same_score", "cyclic", "fast"):
        low, middle, high = (found[name + end] for end in (".low", "", ".high"))
        known = middle.notna()
        assert (low[known] <= middle[known] + 1e-9).all(), name
        assert (middle[known] <= high[known] + 1e-9).all(), name
        assert low.isna().equals(middle.isna()), name


def test_the_order_of_people_and_judgements_changes_nothing(study, found, judge_people):
    timed, _ = study
    rng = np.random.default_rng(8)
    data = timed.dataset
    turn = rng.permutation(len(data.people))  # person number p becomes turn[p]
    people = tuple(np.array(data.people, object)[np.argsort(turn)])
    rows = [rng.permutation(len(table)) for table in (data.ratings, data.comparisons)]
    rated, compared = (table[order] for table, order in zip((data.ratings, data.comparisons), rows, strict=True))
    moved = replace(
        data,
        people=people,
        ratings=replace(rated, person=turn[rated.person]),
        comparisons=replace(compared, person=turn[compared.person]),
    )
    again = judge_people(TimedJudgements(moved, timed.rated_at[rows[0]], timed.compared_at[rows[1]])).set_index("user_id")
    again = again.loc[list(found["user_id"])]
    assert again["verdict"].tolist() == found["verdict"].tolist()
    np.testing.assert_allclose(again["weight"], found["weight"], atol=0.02)
    np.testing.assert_allclose(again["predictability"], found["predictability"], atol=0.02)


def test_exchanging_all_sides_mirrors_the_left_share_and_nothing_else(study, found, judge_people):
    timed, _ = study
    made = timed.dataset.comparisons
    turned = ComparisonTable(made.person, made.right, made.left, made.attribute, 1 - made.choice)
    other = judge_people(replace(timed, dataset=replace(timed.dataset, comparisons=turned)))
    assert other["verdict"].tolist() == found["verdict"].tolist()
    np.testing.assert_allclose(other["left"], 1 - found["left"], atol=1e-9)
    np.testing.assert_allclose(other["predictability"], found["predictability"], atol=1e-6)
    assert "chose the right image" in other.loc[found["kind"] == "first", "reasons"].iloc[0]


def test_without_times_the_random_are_found_all_the_same(study, found, judge_people):
    timed, _ = study
    silent = TimedJudgements(timed.dataset, np.full_like(timed.rated_at, NO_TIME), np.full_like(timed.compared_at, NO_TIME))
    table = judge_people(silent)
    assert (table.loc[(found["kind"] == "random").to_numpy(), "chance"] > 0.5).all()
    assert table["seconds"].isna().all()
    assert not table["verdict"].isin(["random", "biased"])[(found["kind"] == "steady").to_numpy()].any()


def test_few_judgements_are_too_few(study, judge_people):
    timed, _ = study
    table = judge_people(timed, fewest=10**6)
    assert set(table["verdict"]) == {"too few"}
    assert "1000000 are needed" in table["reasons"].iloc[0]


def test_a_table_that_lists_winners_first_makes_nobody_biased(study, judge_people):
    timed, _ = study
    made = timed.dataset.comparisons
    won = made.choice == 1
    sides = np.where(won, made.left, made.right), np.where(won, made.right, made.left)
    first = ComparisonTable(made.person, *sides, made.attribute, np.ones_like(made.choice))
    table = judge_people(replace(timed, dataset=replace(timed.dataset, comparisons=first)))
    assert not table["reasons"].str.contains("chose the left").any()


def test_where_nobody_can_be_predicted_nobody_is_random():
    rng = np.random.default_rng(9)
    tosses = np.full(40, 200.0)
    right = rng.binomial(200, 0.5, 40).astype(float)
    mixture = fit_mixture(right, tosses, np.zeros(40), np.full(40, 0.9), share=0.1)
    assert not mixture.usable


def test_the_mixture_finds_its_classes_again():
    rng = np.random.default_rng(10)
    chance = np.arange(600) < 90
    accuracy = np.where(chance, 0.5, rng.beta(0.75 * 80, 0.25 * 80, 600))
    tosses = rng.integers(30, 400, 600).astype(float)
    right = rng.binomial(tosses.astype(int), accuracy).astype(float)
    mixture = fit_mixture(right, tosses, np.zeros(600), np.where(chance, 0.9, 0.001), share=0.1)
    assert mixture.share == pytest.approx(0.15, abs=0.03)
    assert mixture.mean == pytest.approx(0.75, abs=0.02)
    odds = mixture.log_odds(right, tosses)
    assert (odds[chance] > 0).mean() > 0.95
    assert (odds[~chance] < 0).mean() > 0.95


@pytest.mark.parametrize(
    "settings",
    [{"fewest": 0}, {"pairs": 1}, {"level": 0.0}, {"random": 1.0}, {"doubtful": 0.95}, {"fast_odds": 0.5}, {"regular": 0.0}],
)
def test_settings_that_mean_nothing_are_refused(settings):
    with pytest.raises(ConfigError, match="verdict"):
        VerdictConfig(**settings)
