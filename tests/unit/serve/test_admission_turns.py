"""Turns: room for so many; who is sent away is given a turn of their own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beholder.serve.admission import ConcurrencyLimiter
from beholder.serve.protocols import Overloaded


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def take(limiter: ConcurrencyLimiter, clock: Clock, seconds: float) -> None:
    with limiter.turn("draw"):
        clock.now += seconds


def away(limiter: ConcurrencyLimiter) -> int:
    with pytest.raises(Overloaded, match="draw") as refused, limiter.turn("draw"):
        pass
    assert refused.value.seconds is not None
    return refused.value.seconds


def test_there_is_room_for_so_many() -> None:
    limiter = ConcurrencyLimiter(2)
    with limiter.turn("draw"), limiter.turn("draw"):
        away(limiter)
    with limiter.turn("draw"):
        assert limiter.inside == 1


def test_turns_follow_each_other_at_twice_the_pace_of_those_inside() -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(4, clock=clock)
    for _ in range(200):
        take(limiter, clock, 0.78)  # four at a time, each 0.78 seconds: five a second
    with limiter.turn("draw"), limiter.turn("draw"), limiter.turn("draw"), limiter.turn("draw"):
        assert [away(limiter) for _ in range(40)] == [1] * 10 + [2] * 10 + [3] * 10 + [4] * 10
        clock.now += 4.0
        assert away(limiter) == 1  # all those have had theirs


@pytest.mark.parametrize("error", [ValueError, TimeoutError])
def test_what_fails_leaves_and_says_nothing_of_how_long_it_takes(error: type[Exception]) -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(1, clock=clock)
    for _ in range(50):
        with pytest.raises(error), limiter.turn("draw"):
            raise error
    with limiter.turn("draw"):
        assert [away(limiter) for _ in range(6)] == [1, 1, 2, 2, 3, 3]  # a second inside, as nothing is known


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 5)), max_size=60), st.integers(1, 8))
def test_nobody_is_sent_away_for_less_than_a_second_or_more_than_thirty(steps: list[tuple[float, float]], most: int) -> None:
    clock = Clock()
    limiter = ConcurrencyLimiter(most, clock=clock)
    for took, later in steps:
        take(limiter, clock, took)
        limiter.inside = most
        assert 1 <= away(limiter) <= 30
        limiter.inside = 0
        clock.now += later
