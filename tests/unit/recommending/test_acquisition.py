"""Questions: closed forms beside Monte Carlo, and what each strategy asks of a ranker whose beliefs are known."""

import time

import numpy as np
import pytest
from support.partial_doubles import PartialRanker
from support.ranker_suite import DIRECTIONS

from beholder.errors import ChoiceError
from beholder.recommending import acquisition
from beholder.recommending.acquisition import STRATEGIES, ask, eubo, information
from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers import bayes_ranker
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo


def edit_set(count: int, width: int = 3, seed: int = 1) -> EditSet:
    rng = np.random.default_rng(seed)
    names = DIRECTIONS if width == 3 else tuple(f"d{k}" for k in range(width))
    alphas = rng.normal(size=(count, width)).astype(np.float32)
    return EditSet(alphas, alphas @ rng.normal(size=(width, width)).astype(np.float32), names, np.zeros(width, np.float32))


class Sure(PartialRanker):
    """Believes these utilities of everybody, with these roots of a covariance."""

    def __init__(self, mean: list[float], factor: np.ndarray | None = None) -> None:
        self.info = RankerInfo("logistic", DIRECTIONS, 3)
        self.mean = np.array(mean, np.float64)
        self.factor = np.zeros((len(self.mean), 0)) if factor is None else factor

    def joint(self, user_id: str, edit_set: EditSet) -> JointNormal:
        count = len(edit_set)
        if count == 1:
            return JointNormal(np.zeros(1), np.zeros((1, self.factor.shape[1])))
        return JointNormal(self.mean, self.factor)


def pair(strategy: str, ranker: Ranker, count: int, *, seed: int = 0, without: tuple = ()) -> acquisition.QuestionPair:
    shown = edit_set(count)
    return ask(strategy, ranker, "ana", shown, shown.unedited, seed=seed, without=without)


def normals(mean: float, deviation: float) -> np.ndarray:
    return mean + deviation * np.random.default_rng(0).standard_normal(400_000)


@pytest.mark.parametrize(("left", "right", "spread"), [(0.0, 0.0, 1.0), (1.0, -0.5, 2.0), (-3.0, 0.0, 0.7), (0.2, 0.1, 5.0)])
def test_the_expected_best_of_two_is_that_of_draws(left, right, spread):
    rng = np.random.default_rng(3)
    shared = rng.standard_normal(400_000)  # what both have in common must not count
    one = left + shared + spread * 0.6 * rng.standard_normal(400_000)
    other = right + shared + spread * 0.8 * rng.standard_normal(400_000)
    found = eubo(np.array([left]), np.array([right]), np.array([spread]))[0]
    assert found == pytest.approx(np.maximum(one, other).mean(), abs=0.02)


def test_the_expected_best_of_two_that_are_known_is_the_better_one():
    np.testing.assert_array_equal(eubo(np.array([1.0, -2.0]), np.array([0.5, 3.0]), np.zeros(2)), [1.0, 3.0])


@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 0.5), (0.0, 2.0), (1.5, 1.0), (-2.0, 3.0), (4.0, 0.1)])
def test_information_is_that_of_draws(mean, deviation):
    chances = 1 / (1 + np.exp(-normals(mean, deviation)))

    def bits(p: np.ndarray) -> np.ndarray:
        return -(p * np.log2(p) + (1 - p) * np.log2(1 - p))

    truth = bits(chances.mean()) - bits(chances).mean()
    assert information(np.array([mean]), np.array([deviation]))[0] == pytest.approx(truth, abs=2e-3)


def test_information_has_its_limits():
    told = information(np.array([0.0, 50.0, 0.0]), np.array([0.0, 0.0, 200.0]))
    np.testing.assert_allclose(told[:2], 0, atol=1e-5)
    assert 0.9 < told[2] <= 1


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_no_pair_has_the_same_edit_twice_and_the_seed_decides(strategy):
    shown = edit_set(12)
    ranker = bayes_ranker.begin(shown, BayesRankerConfig(components=3))
    asked = [ask(strategy, ranker, "ana", shown, shown.unedited, seed=seed) for seed in range(40)]
    assert all(each.left != each.right and each.strategy == strategy for each in asked)
    assert ask(strategy, ranker, "ana", shown, shown.unedited, seed=7) == asked[7]
    sides = {each.left < each.right for each in asked}
    assert sides == {True, False}


def test_random_asks_every_pair_with_the_probability_it_says():
    asked = [pair("random", Sure([0] * 3), 3, seed=seed, without=((2, 0),)) for seed in range(2000)]
    counts = {key: sum((each.left, each.right) == key for each in asked) / 2000 for key in {(e.left, e.right) for e in asked}}
    assert set(counts) == {(0, 1), (1, 0), (1, 2), (2, 1)}
    assert all(share == pytest.approx(0.25, abs=0.04) for share in counts.values())
    assert {each.probability for each in asked} == {0.25}


def test_eubo_asks_of_the_best_and_of_what_may_be_better():
    factor = np.diag([0.1, 0.1, 3.0, 0.1])
    asked = pair("eubo", Sure([2.0, 1.8, 1.5, -1.0], factor), 4)
    assert {asked.left, asked.right} == {0, 2}
    assert asked.probability == 0.5


def test_information_asks_where_the_answer_is_open():
    factor = np.diag([0.1, 0.1, 3.0, 3.0])
    asked = pair("information", Sure([9.0, 8.8, 0.0, 0.3], factor), 4)
    assert {asked.left, asked.right} == {2, 3}


def test_thompson_asks_by_the_chance_of_being_best():
    """Of two edits without doubt and one that is better than both half of the time."""
    factor = np.zeros((3, 1))
    factor[2] = 1.0
    asked = [pair("thompson", Sure([0.0, -1.0, 0.0], factor), 3, seed=seed) for seed in range(1000)]
    lefts = np.bincount([each.left for each in asked], minlength=3) / 1000
    np.testing.assert_allclose(lefts, [0.5, 0.0, 0.5], atol=0.05)
    assert {each.probability for each in asked} == {None}


@pytest.mark.parametrize("strategy", ["thompson", "eubo", "information"])
def test_without_doubt_the_champion_is_shown_beside_any_other(strategy):
    asked = [pair(strategy, Sure([0.0, 3.0, 1.0, 2.0]), 4, seed=seed) for seed in range(300)]
    assert all(1 in (each.left, each.right) for each in asked)
    others = np.bincount([each.left + each.right - 1 for each in asked], minlength=4) / 300
    np.testing.assert_allclose(others, [1 / 3, 0, 1 / 3, 1 / 3], atol=0.08)
    assert {(each.strategy, each.probability) for each in asked} == {("champion", 1 / 6)}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("uncertainty", [True, False])
def test_pairs_that_are_open_are_not_asked_either_way_round(strategy, uncertainty):
    ranker = Sure([0.0, 1.0, 2.0, 3.0], np.eye(4) if uncertainty else None)
    opened: list[tuple[int, int]] = []
    for number in range(6):
        asked = pair(strategy, ranker, 4, seed=number, without=tuple(opened))
        assert {asked.left, asked.right} not in [set(each) for each in opened]
        opened.append((asked.left, asked.right))
    with pytest.raises(ChoiceError, match="all 6 pairs of 4 edits"):
        pair(strategy, ranker, 4, without=tuple(opened))


def test_what_can_not_be_asked_is_refused():
    with pytest.raises(ChoiceError, match="did you mean eubo"):
        pair("eubbo", Sure([0, 1]), 2)
    with pytest.raises(ChoiceError, match="two edits to choose between, got 1"):
        pair("random", Sure([0]), 1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_question_about_a_thousand_edits_takes_no_more_than_50_ms(strategy):
    shown = edit_set(1000, width=19)
    ranker = bayes_ranker.begin(shown, BayesRankerConfig())
    ask(strategy, ranker, "ana", shown, shown.unedited, seed=0)
    times = []
    for seed in range(5):
        began = time.process_time()
        ask(strategy, ranker, "ana", shown, shown.unedited, seed=seed)
        times.append(time.process_time() - began)
    assert min(times) < 0.05
