"""Choosing: where settings don't differ people keep the pooled one, where they do each finds their own."""

import numpy as np
import pytest

from beholder.errors import TasteError
from beholder.taste import validation
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.tuning import selection
from beholder.tuning.selection import Correctness

PEOPLE, SETTINGS = 120, 24


def asked(people: int, pairs: int, *, images: int, seed: int) -> ComparisonTable:
    rng = np.random.default_rng(seed)
    left = rng.integers(images, size=people * pairs)
    right = (left + rng.integers(1, images, size=people * pairs)) % images
    person = np.repeat(np.arange(people), pairs)
    return ComparisonTable(person, left, right, 0 * person, np.ones(people * pairs, np.float32))


def simulated(skill: np.ndarray, pairs: ComparisonTable, *, seed: int) -> np.ndarray:
    """Marks [S, C] where setting s is right for person p with probability skill[s, p]."""
    rng = np.random.default_rng(seed)
    return (rng.random((len(skill), len(pairs))) < skill[:, pairs.person]).astype(np.float16)


def chosen(skill: np.ndarray) -> list[selection.SettingChoice]:
    pairs, unseen = (asked(skill.shape[1], 200, images=80, seed=seed) for seed in (1, 2))
    correctness = Correctness(simulated(skill, pairs, seed=3), simulated(skill, unseen, seed=4))
    return selection.choose(correctness, pairs, unseen, [f"person {number}" for number in range(skill.shape[1])])


def test_where_settings_do_not_differ_almost_everybody_keeps_the_pooled_one():
    choices = chosen(np.full((SETTINGS, PEOPLE), 0.65))
    lucky = np.mean([choice.chosen_best - choice.chosen_pooled for choice in choices])
    real = np.mean([choice.reported_best - choice.reported_pooled for choice in choices])
    assert lucky > 0.03
    assert abs(real) < 0.01
    assert np.mean([choice.own for choice in choices]) <= 0.05


def test_where_they_do_each_finds_their_own():
    skill = np.full((SETTINGS, PEOPLE), 0.6)
    skill[0] = 0.66  # best on average
    others = np.arange(0, PEOPLE, 4)
    mine = 1 + others % (SETTINGS - 1)
    skill[mine, others] = 0.9
    choices = chosen(skill)
    assert {choice.pooled for choice in choices} == {0}
    assert np.mean([choices[person].own and choices[person].best == best for person, best in zip(others, mine, strict=True)]) > 0.9
    assert np.mean([choice.own for person, choice in enumerate(choices) if person % 4]) <= 0.05
    gain = np.mean([choices[person].reported - choices[person].reported_pooled for person in others])
    assert gain == pytest.approx(0.24, abs=0.04)


def test_pairs_that_share_images_are_worth_less():
    """Ratings of a dozen images make many pairs, but not much knowledge."""
    rng = np.random.default_rng(5)
    level, trials = 0.05, 300
    false = 0
    for _ in range(trials):
        truth, one, other = rng.normal(size=(3, 12))
        first, second = np.triu_indices(12, 1)
        right = [np.sign(u[first] - u[second]) == np.sign(truth[first] - truth[second]) for u in (truth + one, truth + other)]
        pairs = ComparisonTable(0 * first, first, second, 0 * first, np.ones(len(first), np.float32))
        false += selection.paired_p_value(right[0].astype(float) - right[1], pairs) < level
    assert false / trials < 0.08


def test_luck_is_the_t_test_where_pairs_share_nothing():
    rng = np.random.default_rng(6)
    lead = rng.choice([-1.0, 0.0, 1.0], 60, p=[0.2, 0.5, 0.3])
    numbers = np.arange(60)
    pairs = ComparisonTable(0 * numbers, 2 * numbers, 2 * numbers + 1, 0 * numbers, np.ones(60, np.float32))
    from scipy.stats import t  # type: ignore[import-untyped]

    expected = t.sf(lead.mean() / np.sqrt(lead.var() / 60 * 30 / 29), 30)
    assert selection.paired_p_value(lead, pairs) == pytest.approx(expected, rel=1e-6)
    assert selection.paired_p_value(-np.abs(lead), pairs) == 1


def test_the_correction_counts_the_settings():
    assert selection.corrected(0.01, 1) == pytest.approx(0.01)
    assert selection.corrected(0.01, 31) == pytest.approx(1 - 0.99**31)


def test_pairs_leave_out_ties_and_take_what_ratings_imply():
    rated = RatingTable(np.zeros(3, np.int64), np.arange(3), np.zeros(3, np.int64), np.array([1, 2, 2], np.float32))
    zeros = np.zeros(2, np.int64)
    made = ComparisonTable(zeros, np.array([0, 1]), np.array([3, 3]), zeros, np.array([0.5, 1], np.float32))
    found = validation.pairs(JudgementDataset(("p",), ("a", "b", "c", "d"), ("kind",), rated, made), seed=0)
    assert sorted(zip(found.left.tolist(), found.right.tolist(), found.choice.tolist(), strict=True)) == [
        (0, 1, 0.0),
        (0, 2, 0.0),
        (1, 3, 1.0),
    ]


def test_nothing_to_choose_by():
    none = asked(1, 0, images=9, seed=0)
    with pytest.raises(TasteError, match="nothing to choose by"):
        selection.choose(Correctness(np.zeros((3, 0)), np.zeros((3, 0))), none, none, ["p"])


def test_somebody_without_pairs_keeps_the_pooled_setting():
    pairs = asked(1, 50, images=30, seed=0)
    correctness = simulated(np.array([[0.5], [0.9]]), pairs, seed=1)
    choices = selection.choose(Correctness(correctness, correctness), pairs, pairs, ["p", "silent"])
    assert choices[1].own is False
    assert choices[1].pooled == 1
    assert np.isnan(choices[1].reported)
