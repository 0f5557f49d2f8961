"""The design is balanced whatever the order of arrivals and drop-outs: properties, and small cases by hand."""

import itertools
from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beholder.studies.design import (
    CHECK,
    MAIN,
    REPEAT,
    SPREAD,
    ShownCounts,
    balanced_orders,
    next_image,
    next_pair,
    pair_of,
    session_roles,
    sides,
    tournament,
)

# What happens one after the other: somebody (by number) asks for the next trial, or leaves and what they have not answered is
# given to others. Nobody knows how many people there will be.
EVENTS = st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["next", "next", "next", "leave"])), max_size=120)


class Participants:
    """People who are shown trials, answer them at the next request, and leave."""

    def __init__(self, count: int, choose) -> None:
        self.counts, self.choose = ShownCounts.none(count), choose
        self.seen: dict[int, set] = {}
        self.open: dict[int, tuple[int, int | None]] = {}

    def happen(self, who: int, what: str) -> None:
        if what == "leave":
            if who in self.open:
                self.counts.add(*self.open.pop(who), by=-1)
            self.seen[who] = set()  # the next one of this number is somebody else
            return
        self.open.pop(who, None)  # answered: it stays counted
        shown = self.choose(self.counts, self.seen.setdefault(who, set()))
        if shown is not None:
            self.counts.add(*shown)
            self.seen[who].add(shown[0] if shown[1] is None else pair_of(*shown))
            self.open[who] = shown


@given(EVENTS, st.integers(2, 9), st.integers(0, 2**16))
def test_ratings_stay_balanced_under_any_arrivals_and_drop_outs(events, count, seed):
    rng = np.random.default_rng(seed)

    def choose(counts, seen):
        image = next_image(counts, seen, rng)
        return None if image is None else (image, None)

    people = Participants(count, choose)
    for who, what in events:
        before = people.counts.spread
        people.happen(who, what)
        if what == "next":  # whoever leaves takes back one showing; no trial makes more of a difference than there may be
            assert people.counts.spread <= max(SPREAD, before)
    left = sum(what == "leave" for _, what in events)
    assert people.counts.spread <= SPREAD + left
    assert (people.counts.shown >= 0).all()


@pytest.mark.parametrize("strategy", ["random", "round_robin", "active"])
@given(events=EVENTS, count=st.integers(2, 8), seed=st.integers(0, 2**16))
@settings(max_examples=60)
def test_pairs_stay_balanced_under_any_arrivals_and_drop_outs(strategy, events, count, seed):
    rng = np.random.default_rng(seed)

    def choose(counts, seen):
        information = lambda first, second: 1 / (1.0 + np.abs(first - second))  # noqa: E731
        return next_pair(counts, seen, rng, strategy=strategy, information=information)

    people = Participants(count, choose)
    for who, what in events:
        before = people.counts.spread
        people.happen(who, what)
        if what == "next":
            assert people.counts.spread <= max(SPREAD, before)
    assert sum(times for times, _ in people.counts.pairs.values()) * 2 == people.counts.shown.sum()
    assert all(0 <= low_left <= times for times, low_left in people.counts.pairs.values())


@given(st.integers(4, 30), st.integers(1, 12), st.integers(0, 2**16))
@settings(max_examples=40)
def test_without_drop_outs_everybody_gets_all_their_ratings(count, people, seed):
    """One after the other, each rating half of the images: never more than one showing apart, and nobody is left without."""
    rng, counts = np.random.default_rng(seed), ShownCounts.none(count)
    for _ in range(people):
        seen: set[int] = set()
        for _ in range(count // 2):
            image = next_image(counts, seen, rng)
            assert image is not None
            counts.add(image, None)
            seen.add(image)
            assert counts.spread <= 1
        assert len(seen) == count // 2


@pytest.mark.parametrize("strategy", ["random", "round_robin"])
def test_each_pair_and_each_side_equally_often(strategy):
    """Twelve images have 66 pairs; 66 people of ten pairs show each pair ten times."""
    rng, counts = np.random.default_rng(0), ShownCounts.none(12)
    for _ in range(66):
        seen: set = set()
        for _ in range(10):
            pair = next_pair(counts, seen, rng, strategy=strategy)
            assert pair is not None
            counts.add(*pair)
            seen.add(pair_of(*pair))
    times = [counts.pairs[pair][0] for pair in combinations(range(12), 2)]
    assert max(times) - min(times) <= 2
    assert counts.spread <= SPREAD
    assert np.abs(2 * counts.left - counts.shown).max() <= 4
    assert max(abs(2 * low_left - shown) for shown, low_left in counts.pairs.values()) <= 4


def test_someone_who_left_is_made_up_for():
    """Of two images one was shown; whoever held it left: it comes next."""
    rng, counts = np.random.default_rng(1), ShownCounts.none(2)
    counts.add(0, None)
    counts.add(1, None)
    counts.add(0, None, by=-1)
    assert [next_image(counts, set(), rng) for _ in range(5)] == [0] * 5


def test_nothing_is_shown_that_would_leave_others_behind():
    counts = ShownCounts(np.array([2, 2, 0]), np.zeros(3, np.int64))
    assert next_image(counts, {2}, np.random.default_rng(0)) is None
    assert next_image(counts, {2}, np.random.default_rng(0), bounded=False) in (0, 1)
    assert next_image(counts, {0, 1, 2}, np.random.default_rng(0), bounded=False) is None


def test_the_side_follows_from_the_past():
    counts = ShownCounts.none(2)
    counts.add(0, 1)
    assert sides(counts, (0, 1), np.random.default_rng(0)) == (1, 0)
    first = {sides(ShownCounts.none(2), (0, 1), np.random.default_rng(seed)) for seed in range(20)}
    assert first == {(0, 1), (1, 0)}


@pytest.mark.parametrize("count", [2, 3, 6, 7])
def test_a_tournament_has_every_pair_once_and_every_image_once_a_round(count):
    schedule, place = tournament(count)
    assert sorted(schedule) == list(combinations(range(count), 2))
    assert [schedule[place[pair]] for pair in schedule] == schedule
    games = count // 2
    for start in range(0, len(schedule), games):
        images = [image for pair in schedule[start : start + games] for image in pair]
        assert max(Counter(images).values()) == 1


def test_the_active_strategy_takes_the_most_informative_pair():
    counts = ShownCounts.none(5)
    best = lambda first, second: ((first + second) == 7).astype(float) + ((first == 3) | (second == 3))  # noqa: E731
    pair = next_pair(counts, set(), np.random.default_rng(0), strategy="active", information=best)
    assert pair is not None
    assert pair_of(*pair) == (3, 4)


@given(st.integers(1, 40), st.integers(0, 6), st.integers(0, 5), st.integers(1, 8), st.integers(0, 2**16))
def test_a_session_has_its_roles_and_repeats_come_late_enough(main, repeats, checks, gap, seed):
    repeats = max(0, min(repeats, main - gap))
    roles = session_roles(main, repeats=repeats, checks=checks, gap=gap, rng=np.random.default_rng(seed))
    assert Counter(roles) == Counter({MAIN: main, REPEAT: repeats, CHECK: checks})
    shown = repeated = 0
    for role in roles:
        shown += role == MAIN
        if role == REPEAT:
            assert shown - gap >= repeated + 1  # at least one that is old enough and not repeated yet
            repeated += 1
    assert roles[0] == MAIN


@pytest.mark.parametrize("count", range(1, 8))
def test_blocks_are_equally_often_at_each_place_and_after_each_other(count):
    orders = np.array(balanced_orders(count))
    assert len(orders) == (1 if count == 1 else count if count % 2 == 0 else 2 * count)
    assert (np.sort(orders, axis=1) == np.arange(count)).all()
    for place in range(count):
        assert set(np.bincount(orders[:, place], minlength=count)) == {len(orders) // count}
    after = Counter(pair for order in orders.tolist() for pair in itertools.pairwise(order))
    if count > 1:
        assert len(after) == count * (count - 1)
        assert len(set(after.values())) == 1
