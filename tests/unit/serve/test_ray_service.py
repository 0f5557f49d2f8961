"""What becomes of an answer from elsewhere: its value, its error as it was raised there, or the news that a replica died."""

import asyncio
from typing import Any

import pytest
from ray.exceptions import ActorDiedError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, RayServeException

from beholder.errors import BeholderError, UnknownImage
from beholder.serve.protocols import Overloaded
from beholder.serve.ray_service import ReplicaLost, result_of


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


def died_behind():
    """As Serve tells that what a request depends on was lost."""
    error = RayServeException("Request to deployment 'Encoder' failed because an upstream actor died")
    error.__cause__ = ActorDiedError()
    return error


def said(found):
    response: Any = Response(found)
    return asyncio.run(result_of(lambda: response))


def test_a_value_is_a_value():
    assert said(7) == 7


@pytest.mark.parametrize("error", told(UnknownImage("'x' is no image")))
def test_a_mistake_comes_as_it_was_made(error):
    with pytest.raises(UnknownImage) as found:
        said(error)
    assert str(found.value) == "'x' is no image"
    assert not isinstance(found.value, RayTaskError)


@pytest.mark.parametrize(
    "error",
    [
        BackPressureError(3, 2),
        Overloaded("photos"),
        TaskCancelledError(),
        *told(BackPressureError(3, 2)),
        *told(Overloaded("photos")),
    ],
)
def test_a_full_queue_is_busy(error):
    with pytest.raises(Overloaded):
        said(error)


@pytest.mark.parametrize(
    "error", [ActorDiedError(), died_behind(), ReplicaLost("x"), *told(ActorDiedError()), *told(ReplicaLost("x"))]
)
def test_a_replica_that_died_is_lost_wherever_it_stood(error):
    with pytest.raises(ReplicaLost):
        said(error)


@pytest.mark.parametrize("error", told(RuntimeError("broken")))
def test_what_nobody_expected_is_no_mistake_of_the_request(error):
    with pytest.raises(Exception, match=r"broken|Traceback") as found:
        said(error)
    assert not isinstance(found.value, BeholderError | Overloaded | ReplicaLost)


def test_who_gives_up_says_so():
    async def give_up():
        response: Any = Response(None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await result_of(lambda: response)
        return response

    assert asyncio.run(give_up()).cancelled
