"""Rankers find a taste that is known: everybody likes one direction, and one person the other way round."""

import numpy as np
import pytest

from beholder.recommending.options import Event, Options
from beholder.recommending.rankers import beginning, kinds
from beholder.recommending.rankers.bayes import BayesConfig
from beholder.recommending.rankers.kinds import RankerConfig

DIRECTIONS = ("smile", "hat", "age")
SHOW = np.random.default_rng(1).normal(size=(3, 6))


def options(count: int, seed: int) -> Options:
    alphas = np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)
    return Options(alphas, (alphas @ SHOW).astype(np.float32), DIRECTIONS, np.zeros(6, np.float32))


def events(people: int = 12, each: int = 40) -> list[Event]:
    dice, found = np.random.default_rng(2), []
    for person in range(people):
        taste = np.array([2.0, 0.0, 0.0]) * (-1 if person == 0 else 1)
        for number in range(each):
            both = options(2, 1000 * person + number)
            gap = (both.alphas[0] - both.alphas[1]) @ taste
            found.append(Event(f"person {person}", "face", both[0], both[1], float(dice.random() < 1 / (1 + np.exp(-gap)))))
    return found


@pytest.fixture(scope="module", params=list(kinds.KINDS))
def ranker(request):
    return kinds.fit(events(), RankerConfig(kind=request.param))


def test_what_everybody_likes_is_found(ranker):
    shown = options(60, 7)
    for user_id in ("person 3", "a stranger"):
        assert np.corrcoef(ranker.utilities(user_id, shown), shown.alphas[:, 0])[0, 1] > 0.7


def test_what_is_preferred_is_a_probability_that_follows_the_utility(ranker):
    shown = options(20, 8)
    chances = ranker.preferred("person 3", shown, shown.base)
    assert ((chances >= 0) & (chances <= 1)).all()
    assert np.corrcoef(chances, ranker.utilities("person 3", shown))[0, 1] > 0.6


def test_the_bayesian_one_understands_who_is_otherwise_and_learns_on():
    found = kinds.fit(events(), RankerConfig(kind="bayes"))
    shown = options(60, 7)
    assert np.corrcoef(found.utilities("person 0", shown), shown.alphas[:, 0])[0, 1] < -0.3
    both = options(2, 5)
    before = np.subtract(*found.utilities("new", both))
    found.tell(Event("new", "face", both[0], both[1], 1.0))
    assert np.subtract(*found.utilities("new", both)) > before


def test_a_ranker_that_knows_nobody_begins_even_and_learns():
    shown = options(200, 9)
    fresh = beginning.begin(shown, BayesConfig(components=3))
    assert not fresh.utilities("ana", shown).any()
    learned = beginning.learn(events(people=2)[40:], shown, BayesConfig(components=3))
    assert np.corrcoef(learned.utilities("person 1", shown), shown.alphas[:, 0])[0, 1] > 0.7
