"""cache: what was used last stays, whatever the bound is counted in, and threads may share it."""

import threading
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from beholder.cache import BoundedCache


def test_what_was_used_longest_ago_goes_first():
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    assert cache.get("a") == 1
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b"), cache.get("c"), len(cache)) == (1, None, 3, 2)
    assert "a" in cache
    assert "b" not in cache


def test_putting_again_counts_as_use_and_replaces():
    cache: BoundedCache[str, int] = BoundedCache(2)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.put("a", 10)
    cache.put("c", 3)
    assert (cache.get("a"), cache.get("b")) == (10, None)


def test_values_are_made_once():
    cache: BoundedCache[str, list[int]] = BoundedCache(1)
    made = []

    def make() -> list[int]:
        made.append(1)
        return [len(made)]

    assert cache.get_or_make("a", make) is cache.get_or_make("a", make)
    cache.get_or_make("b", make)
    assert cache.get_or_make("a", make) == [3]


def test_nothing_may_be_a_value():
    cache: BoundedCache[str, None] = BoundedCache(1)
    calls = []
    for _ in range(2):
        assert cache.get_or_make("a", lambda: calls.append(1)) is None
    assert len(calls) == 1


def test_an_error_leaves_nothing_behind():
    cache: BoundedCache[str, float] = BoundedCache(1)
    for _ in range(2):
        try:
            cache.get_or_make("a", lambda: 1 / 0)
        except ZeroDivisionError:
            continue
        raise AssertionError("the error was swallowed")
    assert len(cache) == 0


def test_dropping():
    cache: BoundedCache[str, int] = BoundedCache(3)
    for number, key in enumerate("abc"):
        cache.put(key, number)
    assert (cache.pop("b"), cache.pop("b"), len(cache)) == (1, None, 2)
    cache.clear()
    assert len(cache) == 0


def test_entries_age_by_the_clock_that_is_given():
    now = [0.0]
    cache: BoundedCache[str, int] = BoundedCache(2, ttl_seconds=5, clock=lambda: now[0])
    cache.put("a", 1)
    now[0] = 4.9
    assert cache.get("a") == 1  # to be read doesn't make it younger
    now[0] = 5.0
    assert (cache.get("a"), cache.pop("a"), "a" in cache) == (None, None, False)
    cache.put("a", 2)
    assert cache.get("a") == 2


def test_no_age_at_all_keeps_nothing():
    cache: BoundedCache[str, int] = BoundedCache(2, ttl_seconds=0, clock=lambda: 1.0)
    cache.put("a", 1)
    assert cache.get("a") is None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), max_size=40))
def test_weights_stay_below_the_bound(steps):
    """Against an independent list in order of use."""
    cache: BoundedCache[int, bytes] = BoundedCache(10, weigh=len)
    used: list[tuple[int, int]] = []
    for key, size in steps:
        cache.put(key, bytes(size))
        used = [each for each in used if each[0] != key]
        if size <= 10:
            used.append((key, size))
            while sum(weight for _, weight in used) > 10:
                used.pop(0)
        assert {key for key, _ in used} == {key for key in range(6) if key in cache}


def test_threads_share_it():
    cache: BoundedCache[int, int] = BoundedCache(8, ttl_seconds=1e-4)
    errors: list[BaseException] = []

    def work(seed: int) -> None:
        try:
            for step in range(3000):
                key = (step * seed) % 13
                assert cache.get_or_make(key, partial(int, key)) == key
                if step % 7 == 0:
                    cache.pop(key)
                if step % 101 == 0:
                    cache.clear()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2, 3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(cache) <= 8


def test_making_holds_nobody_up():
    cache: BoundedCache[str, int] = BoundedCache(2)
    assert cache.get_or_make("a", lambda: cache.get_or_make("b", lambda: 2) + 1) == 3
    assert cache.get("b") == 2
