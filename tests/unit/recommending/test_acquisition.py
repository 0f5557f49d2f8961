"""Questions: closed forms beside Monte Carlo, and what each strategy asks of a ranker whose beliefs are known."""

import time
from dataclasses import replace

import numpy as np
import pytest
from support.partial_doubles import PartialRanker
from support.ranker_suite import DIRECTIONS

from beholder.errors import ChoiceError, ConfigError
from beholder.recommending import acquisition
from beholder.recommending.acquisition import ANY, STRATEGIES, QuestionsConfig, ask, eubo, information, knowledge_gradient
from beholder.recommending.edit_set import Comparison, EditSet
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
    chosen_by = "information" if strategy == "both" else strategy  # as a first question is
    assert all(each.left != each.right and each.strategy == chosen_by for each in asked)
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


def test_the_knowledge_gradient_is_what_the_best_option_will_be_worth_after_the_answer():
    rng = np.random.default_rng(3)
    joint = JointNormal(rng.normal(size=6), rng.normal(size=(6, 3)))
    unedited = JointNormal(np.array([0.4]), np.zeros((1, 3)))
    rows, columns = np.triu_indices(6, 1)
    utilities = np.concatenate([np.full((200_000, 1), 0.4), joint.mean + rng.normal(size=(200_000, 3)) @ joint.factor.T], axis=1)
    expected = []
    for row, column in zip(rows + 1, columns + 1, strict=True):
        left = 1 / (1 + np.exp(utilities[:, column] - utilities[:, row]))
        expected.append(sum((weight @ utilities).max() for weight in (left, 1 - left)) / len(utilities))
    found = knowledge_gradient(joint, unedited, rows, columns)
    np.testing.assert_allclose(found, expected, rtol=0.04)
    assert np.corrcoef(found, expected)[0, 1] > 0.99
    assert (found >= joint.mean.max() - 1e-9).all()  # no answer is worth less than none


def test_where_few_pairs_may_be_asked_those_that_tell_of_the_best_are():
    """Only the first two, and the next two, differ in one direction. The first two are good, and known to be; of the next two, one
    is as good or bad as the last edit, which may be the best of all."""
    alphas = np.array([[2, 2, 0], [2, 1, 0], [-1, 0, 1], [-1, 0, 2], [0, -3, -1]], np.float32)
    shown = EditSet(alphas, np.eye(5, 3, dtype=np.float32), DIRECTIONS, np.zeros(3, np.float32))
    factor = np.zeros((5, 1))
    factor[[2, 4]] = 2.0
    ranker = Sure([1.0, 0.9, -2.0, -2.0, 0.8], factor)
    asked = ask("eubo", ranker, "ana", shown, shown.unedited, seed=0, config=replace(ANY, differ=1))
    assert {asked.left, asked.right} == {2, 3}


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


def asked_of(shown: EditSet, strategy: str, config: QuestionsConfig, count: int = 20) -> list[acquisition.QuestionPair]:
    ranker = bayes_ranker.begin(shown, BayesRankerConfig(components=3))
    return [ask(strategy, ranker, "ana", shown, shown.unedited, seed=seed, config=config) for seed in range(count)]


def sparse(count: int) -> EditSet:
    """Edits that move along one or two of three directions."""
    rng = np.random.default_rng(4)
    alphas = rng.choice(np.linspace(-3, 3, 60), (count, 3)).astype(np.float32)
    alphas[:, 1] = rng.choice([-1.0, 1.0], count)
    alphas[np.arange(count), rng.integers(0, 3, count)] = 0
    alphas = np.unique(alphas, axis=0)
    return EditSet(alphas, alphas, DIRECTIONS, np.zeros(3, np.float32))


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("count", [12, 400])
def test_sides_differ_in_few_directions(strategy, count):
    shown = sparse(count)
    for each in asked_of(shown, strategy, replace(ANY, differ=1)):
        assert np.count_nonzero(shown.alphas[each.left] != shown.alphas[each.right]) == 1
    assert any(np.count_nonzero(shown.alphas[each.left] != shown.alphas[each.right]) > 1 for each in asked_of(shown, "random", ANY))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_pictures_that_can_not_be_told_apart_are_not_asked_about(strategy):
    base = edit_set(15)
    close = EditSet(base.alphas + 1, base.embeddings * 1.001, base.directions, base.original)
    shown = base + close  # each edit twice, in pictures that hardly differ
    limit = 0.01 * np.sqrt((shown.embeddings**2).sum(axis=1).mean())
    for each in asked_of(shown, strategy, replace(ANY, noticeable=0.01), 40):
        assert np.linalg.norm(shown.embeddings[each.left] - shown.embeddings[each.right]) >= limit


def test_questions_for_both_purposes_are_asked_to_learn_first_and_to_recommend_then():
    shown = edit_set(12)
    ranker = bayes_ranker.begin(shown, BayesRankerConfig(components=3))
    config = replace(ANY, learn_first=3)
    asked = [ask("both", ranker, "ana", shown, shown.unedited, seed=0, config=config, number=number) for number in range(1, 6)]
    assert [each.strategy for each in asked] == ["information"] * 3 + ["eubo"] * 2
    assert {acquisition.PURPOSES[purpose] for purpose in ("learn", "recommend", "both")} < set(STRATEGIES)


def test_where_no_question_would_do_any_is_asked():
    shown = edit_set(4)  # all differ in three directions
    assert len({frozenset((e.left, e.right)) for e in asked_of(shown, "random", replace(ANY, differ=1), 100)}) == 6


def test_the_better_edit_comes_to_both_sides_as_often():
    ranker = Sure([0.0, 1.0], np.eye(2))
    shown = edit_set(2)
    pairs: list[tuple[int, int]] = []
    leans = []
    for seed in range(300):
        lean = acquisition.lean(pairs, ranker.mean)
        asked = ask("eubo", ranker, "ana", shown, shown.unedited, seed=seed, lean=lean)
        assert asked.probability == pytest.approx(0.5 if not lean else 2 / 3 if (lean < 0) == (asked.left == 1) else 1 / 3)
        pairs.append((asked.left, asked.right))
        leans.append(abs(acquisition.lean(pairs, ranker.mean)))
    assert np.mean(leans) < 3  # by coins it would be 11
    assert acquisition.lean([(1, 0), (1, 0), (0, 1)], ranker.mean) == 1


def test_an_answer_tells_of_noise_where_hypotheses_differ():
    weights, chances = np.array([0.5, 0.5]), np.array([[0.9, 0.5], [0.5, 0.5], [1.0, 0.0]])
    told = acquisition.noise_information(weights, chances)
    bits = [-(p * np.log2(p) + (1 - p) * np.log2(1 - p)) for p in (0.7, 0.9, 0.5)]
    np.testing.assert_allclose(told, [bits[0] - (bits[1] + bits[2]) / 2, 0, 1], atol=1e-5)


def test_some_questions_are_those_whose_answer_is_expected():
    """A question about noise is asked when it is its turn, and tells more than the strategy's own."""
    shown = edit_set(300)
    ranker = bayes_ranker.begin(shown, BayesRankerConfig(components=3))
    for _ in range(2):
        for one, other in ((0, 1), (2, 3), (4, 5)):
            ranker.update(Comparison("ana", "face", shown[one], shown[other], 1.0))
    config = replace(ANY, noise_every=3)
    kinds = [
        ask("eubo", ranker, "ana", shown, shown.unedited, seed=0, config=config, number=number).strategy for number in range(1, 7)
    ]
    assert kinds == ["eubo", "eubo", "noise", "eubo", "eubo", "noise"]
    first = replace(ANY, noise_first=2)
    kinds = [
        ask("eubo", ranker, "ana", shown, shown.unedited, seed=0, config=first, number=number).strategy for number in range(1, 5)
    ]
    assert kinds == ["noise", "noise", "eubo", "eubo"]
    least = replace(config, noise_bits=0.9)
    assert ask("eubo", ranker, "ana", shown, shown.unedited, seed=0, config=least, number=3).strategy == "eubo"


def test_one_question_in_ten_comes_again_once():
    config = QuestionsConfig()
    assert [number for number in range(1, 31) if acquisition.is_repeat(number, config)] == [10, 20, 30]
    assert not any(acquisition.is_repeat(number, ANY) for number in range(1, 31))
    pairs = [(0, 1), (2, 3), (4, 5), (1, 0), (6, 7), (8, 9), (10, 11)]
    assert acquisition.repeatable(pairs) == [1, 2]  # not what came twice, nor the latest three


def test_settings_of_questions_that_are_none_are_refused():
    for wrong in ({"differ": 0}, {"noticeable": 1.0}, {"repeat_every": 1}, {"noise_every": 0}):
        with pytest.raises(ConfigError, match=f"questions.{next(iter(wrong))}"):
            QuestionsConfig(**wrong)
