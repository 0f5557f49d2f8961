"""What becomes of an answer from elsewhere: its error as it was raised there, a second try where a replica died."""

import asyncio
import contextlib

import pytest
from ray.exceptions import ActorDiedError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError

from beholder.errors import BeholderError, NoFace
from beholder.serve import spread
from beholder.serve.graph import Busy


class Response:
    """A response that is a value, an error, or never there."""

    def __init__(self, found):
        self.found, self.cancelled = found, False

    def __await__(self):
        async def get():
            if self.found is None:
                await asyncio.sleep(60)
            if isinstance(self.found, Exception):
                raise self.found
            return self.found

        return get().__await__()

    def cancel(self):
        self.cancelled = True


def told(error):
    """An error as it arrives from one part, and from a part behind it."""
    once = RayTaskError("draw", "Traceback: /secret/path", error).as_instanceof_cause()
    return [once, RayTaskError("images", "Traceback: /secret/path", once).as_instanceof_cause()]


def answer(*found):
    responses = [Response(each) for each in found]
    given = iter(responses)
    return asyncio.run(spread._answer(lambda: next(given)))


def test_a_value_is_a_value():
    assert answer(7) == 7


@pytest.mark.parametrize("error", told(NoFace("'x' is no image")))
def test_a_mistake_comes_as_it_was_made(error):
    with pytest.raises(NoFace) as found:
        answer(error)
    assert str(found.value) == "'x' is no image"
    assert not isinstance(found.value, RayTaskError)


@pytest.mark.parametrize("error", [BackPressureError(3, 2), Busy("photos"), *told(BackPressureError(3, 2)), *told(Busy("photos"))])
def test_a_full_queue_is_busy_and_is_not_asked_again(error):
    with pytest.raises(Busy):
        answer(error, 7)


def test_where_a_replica_died_another_is_asked_once():
    assert answer(ActorDiedError(), 7) == 7
    for error in told(ActorDiedError()):
        assert answer(error, 7) == 7
    with pytest.raises(Busy):
        answer(ActorDiedError(), ActorDiedError(), 7)
    with pytest.raises(Busy):
        answer(TaskCancelledError())


@pytest.mark.parametrize(
    ("found", "times"), [((7,), 0), ((ActorDiedError(), 7), 1), ((ActorDiedError(), ActorDiedError()), 2), ((Busy("photos"),), 0)]
)
def test_a_replica_that_died_is_noted(found, times):
    lost: list[None] = []
    given = iter([Response(each) for each in found])
    with contextlib.suppress(Busy):
        asyncio.run(spread._answer(lambda: next(given), lost=lambda: lost.append(None)))
    assert len(lost) == times


@pytest.mark.parametrize("error", told(RuntimeError("broken")))
def test_what_nobody_expected_is_no_mistake_of_the_request(error):
    with pytest.raises(Exception, match=r"broken|Traceback") as found:
        answer(error, 7)
    assert not isinstance(found.value, BeholderError | Busy)


def test_who_gives_up_says_so():
    async def give_up():
        response = Response(None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await spread._answer(lambda: response)
        return response

    assert asyncio.run(give_up()).cancelled
