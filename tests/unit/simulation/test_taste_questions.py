"""Questions that teach a taste: known answers on made-up people whose tastes lie in one plane."""

import numpy as np
import pytest

from beholder.errors import ConfigError
from beholder.simulation import taste_questions
from beholder.simulation.taste_questions import AskedPairs, TasteDesign
from beholder.statistics import sigmoid
from beholder.taste import rating_scale
from beholder.taste.dataset import ComparisonTable, JudgementDataset, RatingTable
from beholder.taste.gaussian import Gaussian

RNG = np.random.default_rng(2)
VARIANCES = np.array([4.0, 4.0, 0.01, 0.01, 0.01, 0.01])  # people differ in two of six features
DESIGN = TasteDesign(RNG.normal(size=(200, 6)), RNG.normal(size=200), Gaussian(np.zeros(6), np.diag(VARIANCES)), 1.0)


def person(seed: int, pairs: int = 300) -> tuple[np.ndarray, AskedPairs]:
    """Weights, and the person's answers to pairs of the first hundred images."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=6) * np.sqrt(VARIANCES)
    left, right = rng.integers(0, 50, pairs), rng.integers(50, 100, pairs)
    chance = sigmoid((DESIGN.own[left] - DESIGN.own[right]) @ weights + DESIGN.shared[left] - DESIGN.shared[right])
    return weights, AskedPairs(left, right, (rng.random(pairs) < chance).astype(float))


def right_in(order: str, counts: list[int], *, batch: int = 1, people: int = 40) -> np.ndarray:
    """The share of new pairs that are told right after so many questions, over people, [counts]."""
    left, right = RNG.integers(100, 150, 400), RNG.integers(150, 200, 400)
    results = []
    for seed in range(people):
        weights, pairs = person(seed)
        truth = np.sign((DESIGN.own[left] - DESIGN.own[right]) @ weights + DESIGN.shared[left] - DESIGN.shared[right])
        known = taste_questions.learning(DESIGN, pairs, order, counts, rng=np.random.default_rng(seed), batch=batch)
        told = [np.sign(taste_questions.differences(DESIGN, each, left, right)) for each in known]
        results.append([(each == truth).mean() for each in told])
    return np.mean(results, axis=0)


def test_questions_by_information_teach_sooner_than_random_ones():
    counts = [0, 5, 10]
    random, best = right_in("random", counts), right_in("information", counts)
    assert random[0] == pytest.approx(best[0], abs=0.02)  # before any question, what the population says
    assert best[1] > random[1] + 0.02
    assert best[2] > random[2]
    assert random[2] > random[0] + 0.1


def test_questions_in_batches_lose_little():
    alone, together = right_in("information", [0, 10]), right_in("information", [0, 10], batch=5)
    assert together[1] > right_in("random", [0, 10])[1]
    assert together[1] > alone[1] - 0.02


def test_a_batch_does_not_ask_the_same_twice_in_other_words():
    """The two surest pairs are copies of one another: asked one by one or together, the second question is another one."""
    own = np.array([[4.0, 0.0], [0.0, 0.0], [4.0, 0.0], [0.0, 0.0], [0.0, 3.0], [0.0, 0.0]])
    design = TasteDesign(own, np.zeros(6), Gaussian(np.zeros(2), np.eye(2)), 1.0)
    pairs = AskedPairs(np.array([0, 2, 4]), np.array([1, 3, 5]), np.array([1.0, 1.0, 1.0]))
    (found,) = taste_questions.learning(design, pairs, "information", [2], rng=RNG, batch=2)
    assert found.covariance[1, 1] < 0.9  # of the second axis, too


def test_both_is_information_first_and_eubo_then():
    _, pairs = person(3)
    rng = np.random.default_rng(0)

    def known(order: str, count: int, **more: int) -> np.ndarray:
        return taste_questions.learning(DESIGN, pairs, order, [count], rng=rng, **more)[0].mean

    assert np.array_equal(known("both", 4, learn_first=4), known("information", 4))
    assert np.array_equal(known("both", 4, learn_first=0), known("eubo", 4))
    assert not np.array_equal(known("both", 8, learn_first=4), known("information", 8))


def test_every_pair_is_asked_once_and_then_nothing_more_is_learned():
    _, pairs = person(1, pairs=6)
    all_of_them, more = taste_questions.learning(DESIGN, pairs, "information", [6, 50], rng=RNG)
    assert np.array_equal(all_of_them.mean, more.mean)
    other = taste_questions.learning(DESIGN, pairs, "random", [6], rng=RNG)[0]
    np.testing.assert_allclose(other.covariance, all_of_them.covariance, atol=0.2)


def test_what_a_person_could_be_asked_are_their_comparisons_and_their_ratings_where_equal_scores_say_neither():
    rated = RatingTable(np.array([0, 0, 0, 1]), np.array([4, 5, 6, 7]), np.zeros(4, np.int64), np.array([3, 3, 1, 2], np.float32))
    one = [np.array([each]) for each in (0, 1, 2, 0)]
    compared = ComparisonTable(one[0], one[1], one[2], one[3], np.array([0.5], np.float32))
    judged = JudgementDataset(("ana", "bo"), tuple("abcdefgh"), ("kind",), rated, compared)
    pairs = taste_questions.answerable(judged, 0, at_most=10, seed=0)
    found = {
        tuple(sorted([(left, right), (right, left)][0])): choice if left < right else 1 - choice
        for left, right, choice in zip(pairs.left.tolist(), pairs.right.tolist(), pairs.choice.tolist(), strict=True)
    }
    assert found == {(1, 2): 0.5, (4, 5): 0.5, (4, 6): 1.0, (5, 6): 1.0}
    assert len(taste_questions.answerable(judged, 0, at_most=2, seed=0)) == 2
    assert len(taste_questions.answerable(judged, 1, at_most=10, seed=0)) == 0


def test_what_questions_are_worth_is_read_off_the_curve_of_random_ones():
    curve = np.array([[0.6, 0.62, 0.61, 0.66]])
    for value, expected in ((0.61, 5.0), (0.64, 30.0), (0.7, 40.0), (0.5, 0.0)):
        assert taste_questions.worth(np.array([value]), [0, 10, 20, 40], curve)[0] == pytest.approx(expected)


def test_an_unknown_way_of_asking_is_refused():
    with pytest.raises(ConfigError, match="did you mean information"):
        taste_questions.check("informaton")


def test_images_are_rated_by_what_they_would_tell_and_none_twice():
    rows = np.arange(100)
    best = taste_questions.rating_order(DESIGN, rows, "ratings_by_information", at_most=8, rng=RNG)
    drawn = taste_questions.rating_order(DESIGN, rows, "ratings", at_most=8, rng=np.random.default_rng(0))
    assert len(set(best.tolist())) == len(set(drawn.tolist())) == 8

    def left(order):
        """What is still unknown of the weights in which people differ, after these scores and whatever they were."""
        seen = np.c_[DESIGN.own[order], np.ones(len(order))]
        prior = np.diag(1 / np.r_[VARIANCES, taste_questions._OFFSET])
        noise = rating_scale.LOGITS**2 * rating_scale.NOISE
        return np.trace(np.linalg.inv(prior + seen.T @ seen / noise)[:2, :2])

    others = [
        left(taste_questions.rating_order(DESIGN, rows, "ratings", at_most=8, rng=np.random.default_rng(k))) for k in range(20)
    ]
    assert left(best) < min(others)
    assert len(taste_questions.rating_order(DESIGN, rows[:3], "ratings_by_information", at_most=8, rng=RNG)) == 3
